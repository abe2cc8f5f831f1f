//! Foreign text on its way to people: to a terminal, to a spreadsheet, to programs whose output ends on a terminal all the
//! same. A log says what its writers want, and so do names made of it; what they cannot do is act on the screen, reorder what
//! stands around them or become a formula.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a character shows nothing of its own and does something to others: it controls the terminal, or is invisible and
/// joins or reorders its neighbours (Unicode's control and format characters, as far as they are in use).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text as one line that does nothing: a sign stands for each hidden character.
#[must_use]
pub fn tame(text: &str) -> Cow<'_, str> {
    if text.contains(is_hidden) { text.replace(is_hidden, "\u{fffd}").into() } else { text.into() }
}

/// The same JSON, with hidden characters of its texts as escapes: programs read the same. Line breaks between its values stay.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_raw = |c: char| c != '\n' && is_hidden(c);
    let is_printed = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if text.bytes().all(is_printed) || !text.contains(is_raw) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_raw(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes everything");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

/// A text as a field of CSV: tame, quoted where CSV needs it, and with an apostrophe before what a spreadsheet would take for
/// a formula.
#[must_use]
pub fn csv_field(text: &str) -> Cow<'_, str> {
    let mut field = tame(text);
    // A spreadsheet may pass by what stands before the sign.
    let bare = field.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{fffd}');
    let signed = bare.starts_with(['+', '-', '\u{ff0b}', '\u{ff0d}']) && bare.len() > 1 && bare.parse::<f64>().is_err();
    if signed || bare.starts_with(['=', '@', '\u{ff1d}', '\u{ff20}']) {
        field = format!("'{field}").into();
    }
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")).into() } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}]0;x\u{7}\u{9b}1m\u{202e}b\u{200b}\u{2066}\u{e0041}\u{7f}\n\u{61c}c";

    #[test]
    fn nothing_hidden_reaches_a_terminal() {
        assert_eq!(tame("Zähler 5 °C — ok"), "Zähler 5 °C — ok");
        for text in [tame(NASTY).into_owned(), csv_field(NASTY).into_owned()] {
            assert!(!text.contains(is_hidden), "{text:?}");
            assert!(text.starts_with("a\u{fffd}]0;x\u{fffd}") && text.ends_with('c'), "{text:?}");
        }
    }

    #[test]
    fn programs_read_the_same_json() {
        let value = serde_json::json!({ "name": NASTY, NASTY: [1.5, "ä"] });
        for text in [value.to_string(), format!("{value:#}\n")] {
            let escaped = json(&text);
            assert!(!escaped.contains(|c| c != '\n' && is_hidden(c)), "{escaped:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
        assert!(matches!(json("{\n  \"a\": \"ä\"\n}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_in_a_table_are_plain_text() {
        for (name, expected) in [
            ("web-1", "web-1"),
            ("-", "-"),
            ("-5", "-5"),
            ("+1e3", "+1e3"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("a\u{1b}[31m\nb", "a\u{fffd}[31m\u{fffd}b"),
            ("=HYPERLINK(1,2)", "\"'=HYPERLINK(1,2)\""),
            ("@x", "'@x"),
            ("-x", "'-x"),
            ("\t=1+1", "'\u{fffd}=1+1"),
            ("\r-1+cmd", "'\u{fffd}-1+cmd"),
            (" \u{a0}@x", "' \u{a0}@x"),
            ("\u{200b}=1", "'\u{fffd}=1"),
            ("＝1+1", "'＝1+1"),
        ] {
            assert_eq!(csv_field(name), expected, "{name:?}");
        }
    }
}
