//! How a record is written: for people with its level as a word, for the journal with its priority as a mark.

use std::{env, fs::File, io, os::fd::AsFd as _, os::unix::fs::MetadataExt as _};

use log::Level;
use oddline_core::terminal::tame;

use crate::{LISTING, is_own};

/// A line is cut here: longer than any path, shorter than what fills a log with one message.
const LINE_CHARS_MAX: usize = 5_000;

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineStyle {
    /// `WARN `, on a terminal, in a file, in a container's log.
    Word,
    /// `<4>`, as `sd-daemon(3)` has it.
    Priority,
}

impl LineStyle {
    /// What fits where standard error goes.
    pub(crate) fn of_stderr() -> Self {
        let journal = env::var("JOURNAL_STREAM").unwrap_or_default();
        let here = io::stderr().as_fd().try_clone_to_owned().and_then(|file| File::from(file).metadata());
        let is_journal = here.is_ok_and(|here| journal == format!("{}:{}", here.dev(), here.ino()));
        if is_journal { Self::Priority } else { Self::Word }
    }

    /// A record as it is written, with its line break.
    pub(crate) fn lines(self, level: Level, target: &str, text: &str) -> String {
        if target == LISTING {
            return text.lines().map(|line| self.line(level, "", line)).collect();
        }
        let (from, between) = if is_own(target) { ("", "") } else { (target, ": ") };
        self.line(level, &format!("{from}{between}"), text)
    }

    fn line(self, level: Level, from: &str, text: &str) -> String {
        let whole = format!("{from}{text}");
        let shown = match whole.char_indices().nth(LINE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", tame(&whole[..end])),
            None => tame(&whole).into_owned(),
        };
        match self {
            Self::Word => format!("{level} {shown}\n"),
            Self::Priority => format!("<{}>{shown}\n", priority(level)),
        }
    }
}

/// The priority as syslog numbers it.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_for_people_and_a_mark_for_the_journal() {
        let lines = |style: LineStyle, level| style.lines(level, "oddline_agent::events", "x is followed");
        assert_eq!(lines(LineStyle::Word, Level::Info), "INFO x is followed\n");
        assert_eq!(lines(LineStyle::Priority, Level::Info), "<6>x is followed\n");
        assert_eq!(lines(LineStyle::Priority, Level::Error), "<3>x is followed\n");
        let foreign = LineStyle::Priority.lines(Level::Warn, "sqlx::query", "slow");
        assert_eq!(foreign, "<4>sqlx::query: slow\n");
    }

    #[test]
    fn foreign_text_stays_within_its_line() {
        let text = LineStyle::Word.lines(Level::Warn, "oddline_collector::run", "x\nINFO ok\u{1b}]0;x\u{7}\u{9b}1m");
        assert_eq!(text, "WARN x\u{fffd}INFO ok\u{fffd}]0;x\u{fffd}\u{fffd}1m\n");
        let long = LineStyle::Word.lines(Level::Warn, "rmqtt", &"ä".repeat(70_000));
        assert!(long.chars().count() < LINE_CHARS_MAX + 10 && long.ends_with("ä…\n"));
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let text = LineStyle::Priority.lines(Level::Error, LISTING, "a: wrong\nb: wrong\u{1b}[2J");
        assert_eq!(text, "<3>a: wrong\n<3>b: wrong\u{fffd}[2J\n");
    }
}
