//! logfmt: `key=value key="quoted value"`. Refuses lines that do not begin with a pair.

use std::borrow::Cow;

use super::{
    Context,
    fields::{CollectedFields, Mapping, Scalar},
};
use crate::record::Record;

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
    Some(fields.into_record(context))
}

/// A line's words from left to right: keys with their values, unquoted, or words alone.
pub(crate) struct LogfmtPairs<'a> {
    pub rest: &'a str,
}

impl<'a> Iterator for LogfmtPairs<'a> {
    type Item = (&'a str, Option<Cow<'a, str>>);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
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
                let (value, rest) = value.split_at(memchr::memchr(b' ', value.as_bytes()).unwrap_or(value.len()));
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

/// A value as a number where it is one; Go's `12.5ms` in seconds.
fn scalar(value: Cow<'_, str>) -> Scalar<'_> {
    if !value.bytes().next().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.')) {
        return Scalar::Text(value);
    }
    if let Ok(number) = value.parse::<i64>() {
        return Scalar::Integer(number);
    }
    match value.parse::<f64>().ok().or_else(|| seconds(&value)) {
        Some(number) => Scalar::Number(number),
        None => Scalar::Text(value),
    }
}

fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?);
    let per_second = match unit {
        "ns" => 1e9,
        "us" | "µs" => 1e6,
        "ms" => 1e3,
        "s" => 1.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Fault, Level},
        time::EventTime,
    };

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
