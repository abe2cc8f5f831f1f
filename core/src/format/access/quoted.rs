//! Quoted parts of a line of an access log. Apache escapes a quote as `\"`, nginx as `\x22`, others not at all.

use std::borrow::Cow;

/// Where a quoted text may end: the quotes that no backslash escapes.
pub(super) fn closings(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'"', bytes).filter(|&at| {
        let escapes = bytes[..at].iter().rev().take_while(|b| **b == b'\\').count();
        escapes % 2 == 0
    })
}

/// A text up to its closing quote, and what follows it: a quote inside is followed by neither a blank nor an end.
pub(super) fn split(text: &str) -> (&str, &str) {
    let ends =
        |at: &usize| matches!(text.as_bytes().get(at + 1), None | Some(b' ' | b'\t' | b',' | b']' | b')' | b';'));
    match closings(text).find(ends) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// A quoted text as it was meant: `\"`, `\\` and `\x` of what can be printed; other escapes stay as they are written.
pub(super) fn text_of(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut meant = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = first;
    loop {
        meant.push_str(&rest[..next]);
        rest = &rest[next..];
        let (character, length) = match rest.as_bytes() {
            [b'\\', b'"', ..] => ('"', 2),
            [b'\\', b'\\', ..] => ('\\', 2),
            [b'\\', b'x', high, low, ..] => match printed(*high, *low) {
                Some(character) => (character, 4),
                None => ('\\', 1),
            },
            [b'\\', ..] => ('\\', 1),
            _ => return Cow::Owned(meant),
        };
        meant.push(character);
        rest = &rest[length..];
        next = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
    }
}

/// The character of ASCII that two hexadecimal digits stand for, if it can be printed.
fn printed(high: u8, low: u8) -> Option<char> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let code = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    (b' '..=b'~').contains(&code).then(|| char::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_told_from_the_end() {
        assert_eq!(split(r#"a" b"#), ("a", " b"));
        assert_eq!(split(r#"a \"b\" c" d"#), (r#"a \"b\" c"#, " d"));
        assert_eq!(split(r#"a "b" c"#), (r#"a "b"#, " c"));
        assert_eq!(split(r#"a\\" b"#), (r"a\\", " b"));
        assert_eq!(split("never closed"), ("never closed", ""));
    }

    #[test]
    fn escapes_are_read_where_they_can_be_printed() {
        for (text, meant) in [
            ("plain", "plain"),
            (r#"a \"b\""#, r#"a "b""#),
            (r"GET /\x22a\x5C", r#"GET /"a\"#),
            (r"\x16\x03\x01", r"\x16\x03\x01"),
            (r"\n\t\", r"\n\t\"),
            (r"\x2", r"\x2"),
            (r"é\xC3é", r"é\xC3é"),
        ] {
            assert_eq!(text_of(text), meant, "{text}");
        }
    }
}
