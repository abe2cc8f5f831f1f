//! Every line that an operator sees on standard error. INFO: an expected change. WARN: strange, nothing lost. ERROR:
//! something is lost or a person must act. What happens once a line of a log is a counter, not a line here.

use std::{fmt, panic::Location, path::PathBuf, time::Duration};

use log::Level;
use oddline_core::amounts::{counted, size};
use oddline_logging::LISTING;

use crate::publish::ports::LinkReport;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogEvent {
    Starting {
        version: &'static str,
        /// This server, with its fleet.
        name: String,
        destination: String,
    },
    Ready {
        model: u64,
    },
    /// A variable looks like ours and means nothing.
    StrangeVariable {
        name: String,
        meant: String,
    },
    /// The state file could not be believed.
    SetAside {
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// The state file is an older copy of itself.
    OldCopy {
        acked: u64,
        /// What this file has given out.
        last: u64,
    },
    /// The state file cannot be opened or written.
    StateFails {
        why: String,
        retry_in: Duration,
    },
    StateWorks,
    /// What a source had learnt cannot be read.
    Forgotten {
        source: String,
        why: String,
    },
    /// A source is read from now on.
    Follows {
        source: String,
    },
    /// A source is read no more.
    Leaves {
        source: String,
        why: &'static str,
    },
    /// A source cannot be read.
    SourceFails {
        /// What happened; names the source.
        why: String,
        retry_in: Duration,
    },
    /// A file system does not answer.
    SourceHangs {
        /// Which source it is about.
        why: String,
    },
    /// It can be read again.
    SourceWorks {
        source: String,
    },
    /// Most of what a source holds cannot be what its writer meant.
    NotUnderstood {
        /// What is wrong; names the source.
        problem: String,
    },
    /// Names in a source are used no more.
    NamesGrow {
        /// Which; names the source.
        problem: String,
    },
    /// Input is gone before it was read.
    Gap {
        source: String,
        /// Bytes known to be missing.
        bytes: u64,
        /// There were no more than these.
        exact: bool,
        cause: String,
    },
    /// A folder cannot be listed.
    FolderFails {
        folder: PathBuf,
        why: String,
    },
    /// A file matches and is not read.
    FileLeft {
        why: String,
    },
    /// More files than are followed.
    TooManyFiles {
        /// How many are left out.
        left_out: usize,
    },
    /// What is learnt has filled the memory it may take.
    MemoryFull {
        /// Sources that learn no further streams.
        sources: usize,
        /// What all of them hold.
        bytes: u64,
    },
    MemoryFree {
        /// What all of them hold.
        bytes: u64,
    },
    /// Reading has stopped because too much waits to be delivered.
    SpoolFull {
        /// Bytes that wait.
        bytes: u64,
    },
    SpoolDrained,
    /// Events cannot be written where they should go.
    SinkFails {
        why: String,
        retry_in: Duration,
    },
    SinkWorks,
    Link(LinkReport),
    Model {
        version: u64,
    },
    ModelGood {
        version: u64,
    },
    /// A model is not taken.
    ModelRefused {
        version: u64,
        why: String,
    },
    /// A model that was in use cannot be used any more.
    ModelUnusable {
        why: String,
        /// The version that is used instead.
        instead: u64,
    },
    /// The files of models cannot be read or written.
    ModelStore {
        why: String,
    },
    /// The configuration is read again.
    Reloading,
    /// It is not taken: it has mistakes.
    ReloadRefused {
        why: String,
    },
    /// What was read last is not in the state file; the next life reads it again.
    Uncommitted {
        why: String,
    },
    Stopping,
    Stopped {
        /// Events that were not acknowledged in time; they are delivered after the next start.
        waiting: u64,
    },
    /// A local socket cannot be opened.
    Control {
        why: String,
    },
}

impl LogEvent {
    /// Logs it. Lines from one place in the code are of one kind: where they repeat too often they are limited together.
    #[track_caller]
    pub(crate) fn emit(&self) {
        let at = Location::caller();
        // Every mistake of a configuration has its line.
        let target = if matches!(self, Self::ReloadRefused { .. }) { LISTING } else { module_path!() };
        let mut record = log::Record::builder();
        record.level(self.level()).target(target).file_static(Some(at.file())).line(Some(at.line()));
        log::logger().log(&record.args(format_args!("{self}")).build());
    }

    #[must_use]
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Starting { .. }
            | Self::Ready { .. }
            | Self::StateWorks
            | Self::Follows { .. }
            | Self::Leaves { .. }
            | Self::SourceWorks { .. }
            | Self::SpoolDrained
            | Self::MemoryFree { .. }
            | Self::SinkWorks
            | Self::Model { .. }
            | Self::ModelGood { .. }
            | Self::Reloading
            | Self::Stopping
            | Self::Stopped { .. }
            | Self::Link(LinkReport::Connected | LinkReport::SpoolWorks) => Level::Info,
            Self::SetAside { .. } | Self::Gap { .. } | Self::OldCopy { .. } | Self::ReloadRefused { .. } => {
                Level::Error
            }
            Self::StrangeVariable { .. }
            | Self::StateFails { .. }
            | Self::Forgotten { .. }
            | Self::SourceFails { .. }
            | Self::NotUnderstood { .. }
            | Self::NamesGrow { .. }
            | Self::SourceHangs { .. }
            | Self::FolderFails { .. }
            | Self::FileLeft { .. }
            | Self::TooManyFiles { .. }
            | Self::MemoryFull { .. }
            | Self::SpoolFull { .. }
            | Self::SinkFails { .. }
            | Self::ModelRefused { .. }
            | Self::ModelUnusable { .. }
            | Self::ModelStore { .. }
            | Self::Uncommitted { .. }
            | Self::Control { .. }
            | Self::Link(_) => Level::Warn,
        }
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { version, name, destination } => {
                write!(f, "oddline-agent {version} as {name}; events go to {destination}")
            }
            Self::Ready { model } => write!(f, "ready; model {model} is active"),
            Self::StrangeVariable { name, meant } => {
                write!(f, "environment variable {name} is not a known setting; did you mean {meant}?")
            }
            Self::SetAside { to, why } => write!(
                f,
                "the state file could not be believed ({why}) and was set aside as {}: positions, what was learnt and \
                 undelivered events in it are lost, a new one is begun",
                to.display()
            ),
            Self::OldCopy { acked, last } => write!(
                f,
                "the state file is an old copy: the collector has events up to {acked}, this file has given out {last}. \
                 A new epoch is begun; what was read since the copy was made is read and reported again"
            ),
            Self::StateFails { why, retry_in } => {
                write!(f, "{why}; reading waits, tried again in {}", seconds(*retry_in))
            }
            Self::StateWorks => write!(f, "the state file can be written again"),
            Self::Forgotten { source, why } => {
                write!(f, "{source}: what was learnt of it cannot be read ({why}): it is learnt again")
            }
            Self::Follows { source } => write!(f, "reading {source}"),
            Self::Leaves { source, why } => write!(f, "no longer reading {source}: {why}"),
            Self::SourceFails { why, retry_in } => write!(f, "{why}; tried again in {}", seconds(*retry_in)),
            Self::SourceHangs { why } => write!(f, "{why}; the other sources are read on"),
            Self::NotUnderstood { problem } | Self::NamesGrow { problem } => f.write_str(problem),
            Self::SourceWorks { source } => write!(f, "{source} can be read again"),
            Self::Gap { source, bytes, exact, cause } => write!(f, "{source}: {}: {cause}", lost(*bytes, *exact)),
            Self::FolderFails { folder, why } => write!(f, "cannot list the folder {}: {why}", folder.display()),
            Self::TooManyFiles { left_out } => {
                let verb = if *left_out == 1 { "is" } else { "are" };
                let files = counted(*left_out, "file");
                write!(f, "{files} {verb} not followed: too many match; make the patterns narrower")
            }
            Self::MemoryFull { sources, bytes } => write!(
                f,
                "memory is full: no further streams are learnt in {}, all sources hold {}; read less, or allow more \
                 (memory_mib, and MemoryMax= of the unit)",
                counted(*sources, "source"),
                size(*bytes)
            ),
            Self::MemoryFree { bytes } => {
                write!(f, "memory has room again: all sources learn, they hold {}", size(*bytes))
            }
            Self::SpoolFull { bytes } => {
                write!(f, "{} of events wait to be delivered: reading is paused until some are", size(*bytes))
            }
            Self::SpoolDrained => write!(f, "events are delivered again: reading goes on"),
            Self::SinkFails { why, retry_in } => {
                write!(f, "events cannot be written: {why}; they wait, tried again in {}", seconds(*retry_in))
            }
            Self::SinkWorks => write!(f, "events are written again"),
            Self::Link(report) => link(f, report),
            Self::Model { version } => write!(f, "model {version} is active"),
            Self::ModelGood { version } => write!(f, "model {version} has proved itself"),
            Self::ModelRefused { version, why } => write!(f, "model {version} is refused: {why}"),
            Self::ModelUnusable { why, instead } => write!(f, "{why}: model {instead} is used instead"),
            Self::ModelStore { why } => write!(f, "models: {why}"),
            Self::Reloading => write!(f, "the configuration is read again"),
            Self::ReloadRefused { why } => write!(f, "{why}\nthe one in use is kept"),
            Self::Stopping => write!(f, "stopping"),
            Self::Stopped { waiting: 0 } => write!(f, "stopped; every event is delivered"),
            Self::Stopped { waiting } => write!(f, "stopped; {} queued for the next start", counted(*waiting, "event")),
            Self::FileLeft { why } | Self::Control { why } | Self::Uncommitted { why } => f.write_str(why),
        }
    }
}

/// What is said of bytes that are known to be missing.
fn lost(bytes: u64, exact: bool) -> String {
    match (bytes, exact) {
        (_, true) => format!("{} are lost", size(bytes)),
        (0, false) => "lines may be lost, nobody knows how many".to_owned(),
        (_, false) => format!("{} or more are lost", size(bytes)),
    }
}

fn link(f: &mut fmt::Formatter<'_>, report: &LinkReport) -> fmt::Result {
    match report {
        LinkReport::Connected => write!(f, "connected to the broker"),
        LinkReport::Lost { why, retry_in } => write!(f, "{why}; retrying in {}", seconds(*retry_in)),
        LinkReport::Refused { why } => write!(f, "the broker refuses: {why}"),
        LinkReport::Unheard => write!(f, "nobody listens to the events: is the collector running?"),
        LinkReport::Overdue { acked } => {
            write!(f, "no acknowledgement came in time: what follows event {acked} is sent again")
        }
        LinkReport::SpoolFails { why, retry_in } => {
            write!(f, "{why}; what is delivered waits in it, tried again in {}", seconds(*retry_in))
        }
        LinkReport::SpoolWorks => write!(f, "what is delivered can be taken out of the state file again"),
        LinkReport::OtherEpoch(epoch) => write!(f, "an acknowledgement for another state file came (epoch {epoch})"),
        LinkReport::Unreadable { topic, why } => write!(f, "a message on {topic} cannot be read: {why}"),
    }
}

fn seconds(wait: Duration) -> String {
    format!("{:.1} s", wait.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_person_is_an_error() {
        let gap = LogEvent::Gap { source: "/a".into(), bytes: 7, exact: true, cause: "deleted".into() };
        assert_eq!((gap.level(), gap.to_string()), (Level::Error, "/a: 7 B are lost: deleted".to_owned()));
        let lost = LogEvent::Link(LinkReport::Lost {
            why: "broker mqtt://b:1883: refused".into(),
            retry_in: Duration::from_millis(1_500),
        });
        assert_eq!(
            (lost.level(), lost.to_string()),
            (Level::Warn, "broker mqtt://b:1883: refused; retrying in 1.5 s".into())
        );
    }
}
