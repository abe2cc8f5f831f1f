//! Foreign text cut to what a person is shown of it, in a table's cell or in a line.

use oddline_core::terminal::is_hidden;

/// Characters of a cell; the rest is cut with a sign. A reason in a few words fits.
const CELL_CHARS_MAX: usize = 96;
/// Characters of a line of the log: the longest of ours, and some foreign text in it.
const LINE_CHARS_MAX: usize = 1_000;
/// Foreign text as a terminal may show it: one line, nothing hidden, not too long.
#[must_use]
pub(crate) fn shown(text: &str) -> String {
    cut(text, CELL_CHARS_MAX)
}

/// The same at the length of a line.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    cut(text, LINE_CHARS_MAX)
}

/// `1 agent`, `2 agents`; what has another plural says it itself.
#[must_use]
pub(crate) fn counted(count: impl Into<i128>, noun: &str) -> String {
    let count = count.into();
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `74 B`, `12 kB`, `30 MB`.
#[must_use]
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).take(chars_max).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(
            line("WARN  x\nINFO  ok\u{1b}]0;x\u{7}\u{9b}1m"),
            "WARN  x\u{fffd}INFO  ok\u{fffd}]0;x\u{fffd}\u{fffd}1m"
        );
        assert_eq!(line(&"z".repeat(70_000)).chars().count(), LINE_CHARS_MAX);
    }
}
