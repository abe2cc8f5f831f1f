//! From a line's bytes to its text: cut, decoded, without NUL bytes and terminal escape sequences. Refuses nothing.

use std::borrow::Cow;

use crate::{limits::LINE_BYTES_MAX, record::Fault};

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// The text of a line without its end, and what was wrong with its bytes.
pub(crate) fn line(bytes: &[u8]) -> (Cow<'_, str>, Option<Fault>) {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let (bytes, too_long) = match bytes.len() {
        0..=LINE_BYTES_MAX => (bytes, None),
        _ => (&bytes[..character_start(bytes, LINE_BYTES_MAX)], Some(Fault::TooLong)),
    };
    let (text, fault) = match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), too_long),
        Err(_) => (Cow::Owned(String::from_utf8_lossy(bytes).into_owned()), too_long.or(Some(Fault::NotUtf8))),
    };
    let text = match text {
        Cow::Borrowed(text) if text.starts_with('\u{feff}') => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        other => other,
    };
    (strip(text), fault)
}

/// The last character's start at or before `at`, as far as the bytes are UTF-8.
fn character_start(bytes: &[u8], at: usize) -> usize {
    let back = (0..4).find(|back| bytes[at - back] & 0b1100_0000 != 0b1000_0000);
    at - back.unwrap_or(0)
}

/// Takes NUL bytes and ANSI escape sequences out; costs one search when there are none.
pub(crate) fn strip(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(first) = memchr::memchr2(ESC, 0, text.as_bytes()) else {
        return text;
    };
    let mut kept = String::with_capacity(text.len());
    let mut rest = &text[first..];
    kept.push_str(&text[..first]);
    while let Some(&byte) = rest.as_bytes().first() {
        // Both kinds of intruder and the bytes that end a sequence are ASCII: every cut is a character boundary.
        let skipped = if byte == ESC { escape_length(rest.as_bytes()) } else { 1 };
        rest = &rest[skipped..];
        let next = memchr::memchr2(ESC, 0, rest.as_bytes()).unwrap_or(rest.len());
        kept.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(kept)
}

/// Whether a text is of ASCII's printed characters alone: then nothing in it is to be taken out or replaced.
pub(crate) fn is_printed(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Without blanks on either side, as [`str::trim`]. Most texts have none, and the two bytes at their ends show it.
#[inline]
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// Without blanks before it, as [`str::trim_start`].
#[inline]
pub(crate) fn trimmed_start(text: &str) -> &str {
    if starts_printed(text) { text } else { text.trim_start() }
}

/// Whether there is nothing but blanks.
#[inline]
pub(crate) fn is_blank(text: &str) -> bool {
    !starts_printed(text) && text.trim_start().is_empty()
}

fn starts_printed(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'!'..=b'~'))
}

/// Without control characters: what is printed, named after and looked up must be one line of text.
pub(crate) fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(char::is_control) { text.replace(char::is_control, "\u{fffd}").into() } else { text }
}

/// Bytes of the escape sequence (ECMA-48) that `bytes` begins with; an unfinished one is its introducer alone.
fn escape_length(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'[') => {
            let body = &bytes[2..];
            match body.iter().position(|b| !(0x20..=0x3f).contains(b)) {
                Some(end) if (0x40..=0x7e).contains(&body[end]) => end + 3,
                _ => 2,
            }
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let body = &bytes[2..];
            match memchr::memchr2(ESC, BEL, body) {
                Some(end) if body[end] == BEL => end + 3,
                Some(end) if body.get(end + 1) == Some(&b'\\') => end + 4,
                _ => 2,
            }
        }
        Some(0x20..=0x7e) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_nul_bytes_go() {
        let cleaned = |bytes: &'static [u8]| line(bytes).0.into_owned();
        assert_eq!(cleaned(b"\x1b[1;31mERROR\x1b[0m disk\0 full\r\n"), "ERROR disk full");
        assert_eq!(cleaned(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b"), "ab");
        assert_eq!(cleaned("\u{1b}é\u{1b}[é\u{1b}".as_bytes()), "éé");
        assert_eq!(cleaned(b"\x1b]never ends"), "never ends");
        assert_eq!(cleaned(b"\0\0\0"), "");
        assert!(matches!(line(b"plain\n").0, Cow::Borrowed("plain")));
    }

    #[test]
    fn broken_bytes_are_replaced_and_long_lines_cut_between_characters() {
        assert_eq!(line(b"caf\xe9 open"), (Cow::Borrowed("caf\u{fffd} open"), Some(Fault::NotUtf8)));
        let long = format!("a{}", "é".repeat(LINE_BYTES_MAX));
        let (text, fault) = line(long.as_bytes());
        assert_eq!(fault, Some(Fault::TooLong));
        assert_eq!(text.len(), LINE_BYTES_MAX - 1);
        assert_eq!(line(&[b'x'; LINE_BYTES_MAX]).1, None);
    }
}
