//! Where log lines come from. Five questions, five files: [`discover`] which files, [`opener`] which of them may be
//! opened, [`identity`] which identity, [`tail`] where was I, [`lines`] what are the lines. A source is pulled: it reads nothing that nobody asks for, so
//! that the log files are the buffer. It knows no clock and no format, and commits nothing.
//!
//! ```text
//!  discover -> paths -> tail (reading: identity, lines; generations) -\
//!                       series (a tail for each of its files) ---------\
//!                                          journal (a child's lines) ---> Item -> parse
//!                                     stdin; syslog, mqtt (an inbox) -/
//!                                              system (this host) -/
//! ```

use std::{
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

mod chunks;
pub mod discover;
mod error;
pub mod generations;
pub mod identity;
mod inbox;
pub mod journal;
pub mod lines;
pub mod mqtt;
pub mod opener;
mod pattern;
mod polls;
mod reading;
mod search;
mod series;
pub mod stdin;
mod swaps;
pub mod syslog;
pub mod system;
pub mod tail;

pub use error::SourceError;
pub use journal::{Journal, JournalPosition};
pub use lines::SourceLine;
pub use mqtt::{MqttListener, MqttSubscription, TopicFilter};
pub use oddline_core::backoff;
pub use opener::Opener;
pub use reading::FilePosition;
pub use series::{SeriesPosition, SeriesTail};
pub use stdin::Stdin;
pub use syslog::{SyslogAddress, SyslogListener};
pub use system::{SystemInterval, SystemMetrics, SystemReader};
pub use tail::FileTail;

/// One lineage of lines, with one judged state.
#[derive(Debug)]
pub enum LogSource {
    /// A path with its rotated generations.
    File(Box<FileTail>),
    Journal(Box<Journal>),
    Stdin(Stdin),
    Syslog(SyslogListener),
    /// Files named after the time they were begun.
    Series(Box<SeriesTail>),
    Mqtt(MqttListener),
    /// The metrics of this host.
    System(Box<SystemMetrics>),
}

/// A place in a source: what follows has not been taken. Goes to the state file; variants are only ever appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourcePosition {
    File(FilePosition),
    Journal(JournalPosition),
    Series(SeriesPosition),
}

impl SourcePosition {
    /// When the file that is followed was last written, as far as it was seen.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::File(position) => Some(position.modified()),
            Self::Series(position) => position.modified(),
            Self::Journal(_) => None,
        }
    }
}

impl LogSource {
    /// A path. A position of another kind of source counts as none.
    #[must_use]
    pub fn file(path: &Path, begin: StartPosition<SourcePosition>, opener: Opener) -> Self {
        Self::File(Box::new(FileTail::new(
            path,
            match begin {
                StartPosition::Start | StartPosition::After(SourcePosition::Journal(_) | SourcePosition::Series(_)) => {
                    StartPosition::Start
                }
                StartPosition::End => StartPosition::End,
                StartPosition::Since(time) => StartPosition::Since(time),
                StartPosition::After(SourcePosition::File(position)) => StartPosition::After(position),
            },
            opener,
        )))
    }

    /// Files named after the time they were begun: a folder with the pattern of their names. A position of another kind of
    /// source counts as none.
    #[must_use]
    pub fn series(path: &Path, begin: StartPosition<SourcePosition>, opener: Opener) -> Self {
        let begin = match begin {
            StartPosition::End => StartPosition::End,
            StartPosition::After(SourcePosition::Series(position)) => StartPosition::After(position),
            StartPosition::Start | StartPosition::Since(_) | StartPosition::After(_) => StartPosition::Start,
        };
        Self::Series(Box::new(SeriesTail::new(path, begin, opener)))
    }

    /// Further files of a series.
    pub fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        if let Self::Series(series) = self {
            series.add(paths);
        }
    }

    /// A file that nobody writes to any more, as far as one knows: its last line needs no end.
    #[must_use]
    pub fn ended_file(path: &Path, begin: StartPosition<SourcePosition>, opener: Opener) -> Self {
        match Self::file(path, begin, opener) {
            Self::File(tail) => Self::File(Box::new(tail.ended())),
            other => other,
        }
    }

    /// The journal. A position of another kind of source counts as none.
    #[must_use]
    pub fn journal(reader: journal::JournalCommand, begin: StartPosition<SourcePosition>) -> Self {
        Self::Journal(Box::new(Journal::new(
            reader,
            match begin {
                StartPosition::Start
                | StartPosition::Since(_)
                | StartPosition::After(SourcePosition::File(_) | SourcePosition::Series(_)) => StartPosition::Start,
                StartPosition::End => StartPosition::End,
                StartPosition::After(SourcePosition::Journal(position)) => StartPosition::After(position),
            },
        )))
    }

    /// The next thing, without waiting for it. After [`Item::Wait`] and [`Item::End`] each call is a poll: wait
    /// between them.
    ///
    /// # Errors
    /// When the source cannot be read at the moment; nothing is skipped. Wait longer each time.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the source, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        self.next_at(Instant::now())
    }

    /// The same for those who know what time it is.
    pub fn next_at(&mut self, now: Instant) -> Result<SourceItem<'_>, SourceError> {
        match self {
            Self::File(tail) => tail.next(now),
            Self::Series(series) => series.next(now),
            Self::Journal(journal) => journal.next(),
            Self::Stdin(stdin) => stdin.next(),
            Self::Syslog(listener) => listener.next(),
            Self::Mqtt(listener) => listener.next(),
            Self::System(metrics) => Ok(metrics.next(now)),
        }
    }

    /// After the last item: what was taken, and no more. `None` where there is nothing to go on from.
    #[must_use]
    pub fn position(&self) -> Option<SourcePosition> {
        match self {
            Self::File(tail) => tail.position().map(SourcePosition::File),
            Self::Series(series) => series.position().map(SourcePosition::Series),
            Self::Journal(journal) => journal.position().map(SourcePosition::Journal),
            Self::Stdin(_) | Self::Syslog(_) | Self::Mqtt(_) | Self::System(_) => None,
        }
    }

    /// After [`Item::Wait`]: there is more to read, and only this call has come to its end. Call again at once.
    #[must_use]
    pub fn has_more(&self) -> bool {
        match self {
            Self::File(tail) => tail.has_more(),
            Self::Series(series) => series.has_more(),
            Self::Journal(journal) => journal.has_more(),
            Self::Stdin(_) | Self::Syslog(_) | Self::Mqtt(_) | Self::System(_) => false,
        }
    }

    /// Whether it is being read: its file was found and could be opened, its broker has taken the subscription.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::File(tail) => tail.is_open(),
            Self::Series(series) => series.is_open(),
            Self::Journal(journal) => journal.is_running(),
            Self::Mqtt(listener) => listener.is_open(),
            Self::Stdin(_) | Self::Syslog(_) | Self::System(_) => true,
        }
    }

    /// Where its file lies without links, as far as it was found.
    #[must_use]
    pub fn target(&self) -> Option<&Path> {
        match self {
            Self::File(tail) => Some(tail.target()),
            Self::Series(series) => Some(series.target()),
            Self::Journal(_) | Self::Stdin(_) | Self::Syslog(_) | Self::Mqtt(_) | Self::System(_) => None,
        }
    }

    /// Whether one of its files is there; `true` of what is no file.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::File(tail) => tail.path().exists(),
            Self::Series(series) => series.is_there(),
            Self::Journal(_) | Self::Stdin(_) | Self::Syslog(_) | Self::Mqtt(_) | Self::System(_) => true,
        }
    }

    /// Bytes that wait to be taken, where that is known.
    #[must_use]
    pub fn lag_bytes(&self) -> Option<u64> {
        match self {
            Self::File(tail) => Some(tail.lag_bytes()),
            Self::Syslog(listener) => Some(listener.lag_bytes()),
            Self::Series(series) => Some(series.lag_bytes()),
            Self::Mqtt(listener) => Some(listener.lag_bytes()),
            Self::Journal(_) | Self::Stdin(_) | Self::System(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartPosition<P> {
    /// With the oldest that the live file or the journal holds.
    Start,
    /// With what is written from now on.
    End,
    /// With the oldest file of a log that was made after this time: it appeared since, and may have been rotated. The same
    /// as [`Begin::Start`] for what is no file.
    Since(SystemTime),
    /// After what was taken before.
    After(P),
}

/// What a source yields. The source's position moves with each line and gap: whoever stores the position after it has
/// taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceItem<'a> {
    /// What follows is from another file, from its first line on.
    File,
    Line(SourceLine<'a>),
    /// Something was written that cannot be read any more.
    Gap(SourceGap),
    /// Nothing at the moment, although the source has not been read to its end.
    Wait,
    /// Read to its end, for now.
    End,
    /// Read to its end; nothing more will come.
    Closed,
}

/// Bytes that were not read and cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceGap {
    pub cause: GapCause,
    /// How many are known of.
    pub bytes: u64,
    /// There were no more than these.
    pub exact: bool,
}

/// What happened to bytes that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// A rotated file was deleted before it was read to its end.
    Deleted,
    /// A rotated file was compressed before it was read to its end.
    Compressed,
    /// A file was cut, and no copy of what it held was found.
    Truncated,
    /// A rotated file was written to after its successor.
    Late,
    /// The journal no longer holds the entry that was read last.
    Vacuumed,
    /// More was sent than could be taken.
    Overrun,
    /// A line went on that had been taken without its end.
    Unended,
    /// A link was led elsewhere more than once between two looks.
    Swapped,
}
