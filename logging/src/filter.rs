//! Which records are shown: `info`, `debug`, or `info,rmqtt=debug,sqlx=off`.

use std::str::FromStr;

use log::{Level, LevelFilter};

use crate::is_own;

/// A level for the program's own records, and levels for targets (libraries and their modules).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    own: LevelFilter,
    libraries: LevelFilter,
    /// The longest names first: they are the more special ones.
    targets: Vec<(String, LevelFilter)>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no level: off, error, warn, info, debug or trace, and TARGET=LEVEL for a library, separated by commas"
)]
pub struct LogFilterError(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self { own: LevelFilter::Info, libraries: LevelFilter::Warn, targets: Vec::new() }
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    /// A level alone is the program's; libraries show no more than warnings unless they are named.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
            let level: LevelFilter = level.trim().parse().map_err(|_| LogFilterError(part.to_owned()))?;
            match target.map(str::trim) {
                Some("") => return Err(LogFilterError(part.to_owned())),
                Some(target) => filter.targets.push((target.to_owned(), level)),
                None => (filter.own, filter.libraries) = (level, level.min(LevelFilter::Warn)),
            }
        }
        filter.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Ok(filter)
    }
}

impl LogFilter {
    /// Whether a record is shown.
    pub(crate) fn allows(&self, target: &str, level: Level) -> bool {
        let is_in =
            |name: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let special = self.targets.iter().find(|(name, _)| is_in(name)).map(|(_, level)| *level);
        level <= special.unwrap_or(if is_own(target) { self.own } else { self.libraries })
    }

    /// The most that any record may have to be shown.
    pub(crate) fn max(&self) -> LevelFilter {
        let special = self.targets.iter().map(|(_, level)| *level).max().unwrap_or(LevelFilter::Off);
        self.own.max(self.libraries).max(special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "rmqtt::server";
    const OWN: &str = "oddline_collector::writer";

    fn filter(text: &str) -> LogFilter {
        text.parse().unwrap()
    }

    #[test]
    fn by_default_changes_of_ours_and_warnings_of_libraries_are_shown() {
        for filter in [LogFilter::default(), filter(""), filter("info")] {
            assert!(filter.allows(OWN, Level::Info) && !filter.allows(OWN, Level::Debug));
            assert!(filter.allows(LIBRARY, Level::Warn) && !filter.allows(LIBRARY, Level::Info));
            assert_eq!(filter.max(), LevelFilter::Info);
        }
    }

    #[test]
    fn a_level_is_ours_and_a_target_has_its_own() {
        let filter = filter("debug, rmqtt=trace,rmqtt::server=error ,sqlx=off");
        assert!(filter.allows(OWN, Level::Debug) && !filter.allows(OWN, Level::Trace));
        assert!(filter.allows("rmqtt::session", Level::Trace) && !filter.allows(LIBRARY, Level::Warn));
        assert!(!filter.allows("sqlx::query", Level::Error) && filter.allows("sqlxish", Level::Warn));
        assert_eq!(filter.max(), LevelFilter::Trace);
        assert!(!self::filter("error").allows(LIBRARY, Level::Warn));
    }

    #[test]
    fn what_is_no_level_is_named() {
        for (text, part) in [("verbose", "verbose"), ("info,sqlx=loud", "sqlx=loud"), ("=info", "=info")] {
            assert_eq!(text.parse::<LogFilter>(), Err(LogFilterError(part.to_owned())), "{text}");
        }
    }
}
