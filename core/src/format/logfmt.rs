//! logfmt: `key=value key="quoted value"`. Refuses lines that do not begin with a pair.

use std::borrow::Cow;

use super::{
    Context,
    fields::{CollectedFields, Scalar},
    mapping::Mapping,
};
use crate::record::{Fault, Record};

/// Reads one line; `None` when it does not begin with `key=`.
pub(crate) fn parse<'a>(text: &'a str, mapping: &Mapping, context: &Context) -> Option<Record<'a>> {
    let mut pairs = LogfmtPairs { rest: text.trim_start() }.peekable();
    pairs.peek().filter(|(_, value)| value.is_some())?;
    let mut fields = CollectedFields::default();
    for (key, value) in pairs {
        if let Some(value) = value {
            fields.take(mapping, Cow::Borrowed(key), scalar(value));
        }
    }
    let mut record = fields.into_record(context);
    if has_open_quote(text) {
        record.fault.get_or_insert(Fault::Malformed);
    }
    Some(record)
}

/// A line's words from left to right: keys with their values, unquoted, or words alone.
pub(crate) struct LogfmtPairs<'a> {
    pub rest: &'a str,
}

impl<'a> Iterator for LogfmtPairs<'a> {
    type Item = (&'a str, Option<Cow<'a, str>>);

    fn next(&mut self) -> Option<Self::Item> {
        let is_gap = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
        let gap = self.rest.as_bytes().iter().take_while(|byte| is_gap(byte)).count();
        self.rest = &self.rest[gap..];
        let bytes = self.rest.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        let key_end = memchr::memchr3(b'=', b' ', b'"', bytes).unwrap_or(bytes.len());
        let (key, rest) = self.rest.split_at(key_end);
        let Some(value) = rest.strip_prefix('=').filter(|_| is_key(key)) else {
            // A word alone, up to the next blank: a quote or an equals sign inside it is its own.
            let end = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some((word, None));
        };
        let (value, rest) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, rest) = other_quotes(value).unwrap_or_else(|| bare(value));
                (Cow::Borrowed(value), rest)
            }
        };
        self.rest = rest;
        Some((key, Some(value)))
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@' | b'/'))
}

/// The text between single quotes or backticks that something else follows; an apostrophe is no quote.
fn other_quotes(value: &str) -> Option<(&str, &str)> {
    let quote = *value.as_bytes().first().filter(|b| matches!(b, b'\'' | b'`'))?;
    let ends = |at: &usize| matches!(value.as_bytes().get(at + 1), None | Some(b' ' | b'\t' | b','));
    let close = memchr::memchr_iter(quote, value.as_bytes()).skip(1).find(ends)?;
    Some((&value[1..close], &value[close + 1..]))
}

/// A value without quotes, and what follows it: up to a blank, without the comma of a list of pairs; digits end also at
/// a quote that something else begins with.
fn bare(value: &str) -> (&str, &str) {
    let end = memchr::memchr2(b' ', b'\t', value.as_bytes()).unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && word.as_bytes().get(digits) == Some(&b'"') {
        return value.split_at(digits);
    }
    (word.strip_suffix([',', ';']).unwrap_or(word), rest)
}

/// Whether the last quoted value of a line has no end: it was cut.
fn has_open_quote(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(last) = memchr::memrchr(b'"', bytes) else { return false };
    match last.checked_sub(1).map(|before| bytes[before]) {
        Some(b'=') => true,
        // An escaped one: whether the value was closed before it tells only what stands between.
        Some(b'\\') => {
            let Some(open) = memchr::memmem::rfind(bytes, b"=\"") else { return false };
            let mut is_escaped = false;
            !bytes[open + 2..].iter().any(|b| {
                let ends = *b == b'"' && !is_escaped;
                is_escaped = *b == b'\\' && !is_escaped;
                ends
            })
        }
        _ => false,
    }
}

/// The text up to the closing quote, and what follows it; an open quote reaches to the end.
pub(crate) fn unquoted(text: &str) -> (Cow<'_, str>, &str) {
    let bytes = text.as_bytes();
    let stop = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    if bytes.get(stop) != Some(&b'\\') {
        return (Cow::Borrowed(&text[..stop]), text.get(stop + 1..).unwrap_or(""));
    }
    let mut value = text[..stop].to_owned();
    let mut rest = text[stop..].chars();
    while let Some(character) = rest.next() {
        match character {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(other) => value.push(other),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (Cow::Owned(value), rest.as_str())
}

/// A value as a number where it is one; numbers with units are read where it is known what they are.
fn scalar(value: Cow<'_, str>) -> Scalar<'_> {
    if !value.bytes().next().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.')) {
        return Scalar::Text(value);
    }
    if let Ok(number) = value.parse::<i64>() {
        return Scalar::Integer(number);
    }
    match value.parse::<f64>() {
        Ok(number) => Scalar::Number(number),
        Err(_) => Scalar::Text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::Level, time::EventTime};

    fn read(text: &str) -> Record<'_> {
        parse(text, &Mapping::default(), &Context::default()).unwrap()
    }

    #[test]
    fn pairs_become_a_record() {
        let record = read(
            r#"time=2026-01-05T00:00:00Z level=warn host=a logger=http msg="took \"long\"" duration=12.5ms size=300 n=1e3 id=9 debug path=/x"#,
        );
        assert_eq!(record.time, EventTime::parse("2026-01-05T00:00:00Z"));
        assert_eq!((record.server.as_deref(), record.component.as_deref()), (Some("a"), Some("http")));
        assert_eq!((record.level, record.message.as_deref()), (Some(Level::Warning), Some("took \"long\"")));
        assert_eq!(
            record.numbers.to_vec(),
            [("duration".into(), 0.0125), ("size".into(), 300.0), ("n".into(), 1000.0)]
        );
        assert_eq!(record.fault, None);
    }

    #[test]
    fn numbers_have_units_and_values_other_quotes() {
        let numbers = |text: &str| {
            let record = read(text);
            let named = record.numbers.iter().map(|(name, value)| format!("{name}={value}"));
            named.collect::<Vec<_>>().join(" ")
        };
        for (line, expected) in [
            ("level=info dur=59.1s svc=web", "dur=59.1"),
            ("level=info dur=1m30.5s n=4", "dur=90.5 n=4"),
            ("level=info dur=2h3m0s", "dur=7380"),
            ("level=info dur=12.5μs", "dur=0.0000125"),
            ("level=info dur=12.5µs", "dur=0.0000125"),
            ("level=info cpu=45% mem=10KiB", "cpu=45 mem=10240"),
            ("a=1, b=2; c=3", "a=1 b=2 c=3"),
            ("level=info took=NaN n=3", "n=3"),
            ("level=info took= n=3", "n=3"),
            ("msg='dur=3 s' n=3", "n=3"),
            ("msg=it's n=3 who='s", "n=3"),
            ("a=1\tb=2", "a=1 b=2"),
            ("path=/x\"y n=3", "n=3"),
        ] {
            assert_eq!(numbers(line), expected, "{line}");
        }
        let record = read("time=2026-01-05T10:00:03Z msg='single quoted text' component=`back tick`");
        assert_eq!(
            (record.message.as_deref(), record.component.as_deref()),
            (Some("single quoted text"), Some("back tick"))
        );
        let record = read("ts=1767607205\"80007168\" level=info msg=x n=1");
        assert_eq!((record.time, record.fault), (EventTime::parse("2026-01-05T10:00:05Z"), None));
        let record = read("date=2026-01-05 time=10:00:05 devname=gate n=1");
        assert_eq!((record.time, record.server.as_deref()), (EventTime::parse("2026-01-05T10:00:05Z"), Some("gate")));
        let record = read("level=info svc=web msg=\"open quote dur=3s n=4");
        assert_eq!(record.message.as_deref(), Some("open quote dur=3s n=4"));
        assert_eq!((record.component.as_deref(), record.fault), (Some("web"), Some(Fault::Malformed)));
        assert_eq!(read("level=info msg=\"a \\\"b\\\"\" n=1").fault, None);
    }

    #[test]
    fn odd_lines_do_not_disturb() {
        assert_eq!(read("ts=1767571200 value=3").time, EventTime::parse("2026-01-05T00:00:00Z"));
        assert_eq!(read("ts=1767571200 value=3").value, Some(3.0));
        assert_eq!(read("value=x").fault, Some(Fault::Value));
        assert_eq!(read(r#"msg="never closed"#).message.as_deref(), Some("never closed"));
        assert_eq!(read(r#"msg="a\"#).message.as_deref(), Some("a\\"));
        assert_eq!(read("msg= a=").message, None);
        assert_eq!(read("a=1 \" = == b\"=2 c=3").numbers.get("c"), Some(3.0));
        for text in ["words = not pairs", "=x", "word a=1", ""] {
            assert!(parse(text, &Mapping::default(), &Context::default()).is_none(), "{text}");
        }
    }
}
