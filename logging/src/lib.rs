//! The log of a program, on standard error: one logger behind the macros of `log`, for our own lines and those of the
//! libraries (broker, TLS, SQL). It filters by level, writes a line so that a terminal and the journal each get theirs, and
//! limits lines that repeat.
//!
//! ```text
//!  INFO connected to the broker                 on a terminal, in a file, in a container
//!  <6>connected to the broker                   where standard error is the journal, which reads the priority
//!  WARN rmqtt::server: TLS accept error: ...    a library's line names where it comes from
//! ```
//!
//! No time stands in a line: the journal and container runtimes add it. Not here: what is said, and the answers of
//! commands, which are no log.

mod filter;
mod line;
mod repeats;

use std::{
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    sync::{Mutex, OnceLock, PoisonError},
    time::Instant,
};

use log::{Log, Metadata, Record};

pub use filter::{LogFilter, LogFilterError};
use line::LineStyle;
use repeats::{Admission, RepeatLimit};

/// The environment variable with the filter; an option on the command line counts more.
pub const VARIABLE: &str = "ODDLINE_LOG";

/// The target of a record that is a list: each line of its text becomes one of the log. All other records stay one line,
/// whatever foreign text is in them.
pub const LISTING: &str = "oddline::listing";

/// Ends the lines of one kind for a while.
const NO_MORE: &str = "there are more lines of this kind: none is told for the rest of this minute";

static LOGGER: OnceLock<StderrLogger> = OnceLock::new();

/// Starts the log. What counts is `option`, else the environment's [`VARIABLE`], else the default. A mistake in the
/// variable is a warning: nobody's service stays down for it.
///
/// # Panics
/// When the program started its log before.
pub fn start(option: Option<LogFilter>) {
    let variable = || env::var(VARIABLE).ok().map(|text| text.parse::<LogFilter>());
    let (filter, mistake) = match option.map(Ok).or_else(variable) {
        None => (LogFilter::default(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(mistake)) => (LogFilter::default(), Some(mistake)),
    };
    log::set_max_level(filter.max());
    let logger = StderrLogger { filter, style: LineStyle::of_stderr(), repeats: Mutex::default() };
    log::set_logger(LOGGER.get_or_init(|| logger)).expect("a program starts its log once");
    if let Some(mistake) = mistake {
        log::warn!("environment variable {VARIABLE}: {mistake}; the default counts");
    }
}

struct StderrLogger {
    filter: LogFilter,
    style: LineStyle,
    repeats: Mutex<RepeatLimit>,
}

impl Log for StderrLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.allows(metadata.target(), metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let admission = self.repeats.lock().unwrap_or_else(PoisonError::into_inner).admit(kind(record), Instant::now());
        let text = match admission {
            Admission::Shown => record.args().to_string(),
            Admission::Closing => NO_MORE.to_owned(),
            Admission::Hidden => return,
        };
        let lines = self.style.lines(record.level(), record.target(), &text);
        // Nobody reads standard error: then nobody misses it.
        drop(std::io::stderr().lock().write_all(lines.as_bytes()));
    }

    fn flush(&self) {}
}

/// Lines of one kind come from one place in the code.
fn kind(record: &Record<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (record.level(), record.target(), record.file(), record.line()).hash(&mut hasher);
    hasher.finish()
}

/// Whether a target is a module of this project.
fn is_own(target: &str) -> bool {
    target.starts_with("oddline")
}
