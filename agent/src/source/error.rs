//! What can go wrong with a source. Each names its object; every one is worth a retry.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A source cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A log file cannot be opened.
    #[error("cannot open the log {}: {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
    /// A log file cannot be read.
    #[error("cannot read the log {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    /// It is a folder, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    /// A link that is not followed: its maker could not read what it leads to.
    #[error(
        "{} is a link to {} made by a user who does not own that file: it is not followed; name the file itself in `files`",
        path.display(),
        target.display()
    )]
    Link { path: PathBuf, target: PathBuf },
    /// One of the agent's own files.
    #[error("{} is written by this agent and is not read as a log", path.display())]
    Own { path: PathBuf },
    /// The rotated files beside a log cannot be listed.
    #[error("cannot list the rotated files of {}: {error}", path.display())]
    List { path: PathBuf, error: io::Error },
    #[error("cannot start {program}: {error}")]
    Start { program: String, error: io::Error },
    /// journalctl ended, or what it says cannot be read.
    #[error("{program} stopped ({status}){}{said}", if said.is_empty() { "" } else { ": " })]
    Stopped {
        program: String,
        status: String,
        /// The last that it said.
        said: String,
    },
    /// Standard input cannot be read.
    #[error("cannot read standard input: {error}")]
    Stdin { error: io::Error },
    /// A socket cannot be opened.
    #[error("cannot listen at {address}: {error}")]
    Listen { address: String, error: io::Error },
    /// There is no connection to the broker whose topics are read; it is made again without being asked.
    #[error("cannot read {name}: {reason}")]
    Broker { name: String, reason: String, retry_in: Duration },
}

impl SourceError {
    pub(super) fn open(path: &Path, error: io::Error) -> Self {
        Self::Open { path: path.to_owned(), error }
    }

    pub(super) fn read(path: &Path, error: io::Error) -> Self {
        Self::Read { path: path.to_owned(), error }
    }

    pub(super) fn list(path: &Path, error: io::Error) -> Self {
        Self::List { path: path.to_owned(), error }
    }

    /// The open file is of no use any more and must be opened again.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Read { error, .. } if error.kind() == io::ErrorKind::StaleNetworkFileHandle)
    }
}
