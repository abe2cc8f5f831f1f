//! Foreign text cut to what a person is shown of it, in a table's cell or in a line.

pub(crate) use oddline_core::amounts::{counted, size};
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
