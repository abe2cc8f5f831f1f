//! What can go wrong with the state file. Each names the file.

use std::{io, path::PathBuf};

use oddline_core::amounts::size;

/// The state file cannot be used at the moment, or not as asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it open.
    #[error("the state file {} is in use by another process", path.display())]
    Busy { path: PathBuf },
    /// It cannot be read or written: the disk is full, or it fails. Worth a retry.
    #[error("the state file {} cannot be read or written: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// It was damaged while it was in use. Opening it anew sets it aside.
    #[error("the state file {} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    /// A commit that seemed to fail is in the file, and another one than it was offered next.
    #[error("the state file {} holds a commit that was reported as failed, and another was offered instead", path.display())]
    Diverged { path: PathBuf },
    /// The spool is full: stop reading.
    #[error("the spool in {} is full: {} wait to be delivered", path.display(), size(*bytes))]
    SpoolFull { path: PathBuf, bytes: u64 },
    /// One item is larger than is ever needed.
    #[error("{what} of {} is larger than the state file takes ({})", size(*bytes as u64), size(*bytes_max as u64))]
    TooLarge { what: &'static str, bytes: usize, bytes_max: usize },
}

impl StateError {
    /// Whether the same call is worth another try: a full disk gets room, another process ends, a spool is emptied.
    /// What does not pass is mended by opening the file anew, or not at all.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Io { .. } | Self::SpoolFull { .. } => true,
            Self::Damaged { .. } | Self::Diverged { .. } | Self::TooLarge { .. } => false,
        }
    }
}
