//! Access logs of Apache and nginx: common, combined, with a virtual host before and a request time after.
//! The client is a parameter of the line, not a server. Refuses lines without a quoted request and a status.

use std::borrow::Cow;

use super::{
    Context,
    csv::number,
    logfmt::{LogfmtPairs, unquoted},
    timestamp,
};
use crate::record::{Fault, Level, Numbers, Record};

/// The bracketed time stands within this many bytes: host, ident and user come before it.
const HEAD_BYTES_MAX: usize = 512;

/// Reads one line; `None` when it is no access log's.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    let open = memchr::memchr(b'[', text.as_bytes()).filter(|&o| o <= HEAD_BYTES_MAX)?;
    let head: &str = &text[..open];
    let vhost = virtual_host(head)?;
    let close = open + memchr::memchr(b']', &text.as_bytes()[open..])?;
    let time = timestamp::whole(&text[open + 1..close], context);
    let (request, rest) = unquoted(text[close + 1..].trim_start().strip_prefix('"')?);
    let (status, rest) = word(rest);
    let status: u16 = status.parse().ok().filter(|s| (100..=599).contains(s))?;
    let (bytes, rest) = word(rest);

    let mut numbers = Numbers::default();
    numbers.push("status", f64::from(status));
    if let Ok(bytes) = number(bytes) {
        numbers.push("bytes", bytes);
    }
    tail(rest, &mut numbers);
    Some(Record {
        time,
        component: vhost.map(Cow::Borrowed),
        level: Some(severity(status)),
        message: Some(request),
        numbers,
        fault: time.is_none().then_some(Fault::Time),
        ..Record::default()
    })
}

fn severity(status: u16) -> Level {
    match status {
        500.. => Level::Error,
        400.. => Level::Warning,
        _ => Level::Info,
    }
}

/// The virtual host before the client, `Some(None)` without one; `None` when the words are no such head.
fn virtual_host(head: &str) -> Option<Option<&str>> {
    let mut words = head.split_ascii_whitespace();
    let (first, second, third) = (words.next()?, words.next()?, words.next()?);
    // `vhost:port client ident user`: users with blanks are rarer than virtual hosts.
    let is_vhost = words.next().is_some() && third == "-" && second.contains(['.', ':']);
    Some(is_vhost.then(|| first.rsplit_once(':').map_or(first, |(host, _)| host)))
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len()))
}

/// What an operator appended: named numbers, or the request time as the first bare number.
fn tail<'a>(mut rest: &'a str, numbers: &mut Numbers<'a>) {
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = unquoted(quoted).1;
            continue;
        }
        let (word, after) = word(rest);
        if word.is_empty() {
            return;
        }
        let mut pairs = LogfmtPairs { rest };
        match pairs.next() {
            Some((key, Some(value))) => {
                if let Ok(value) = number(&value) {
                    numbers.push(key, value);
                }
                rest = pairs.rest;
            }
            _ => {
                if let Ok(seconds) = number(word)
                    && numbers.get("request_time").is_none()
                {
                    numbers.push("request_time", seconds);
                }
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;

    const COMMON: &str = r#"192.0.2.7 - ann [05/Jan/2026:00:00:00 +0000] "GET /a?b=[c] HTTP/1.1" 200 1234"#;

    fn read(text: &str) -> Record<'_> {
        parse(text, &Context::default()).unwrap()
    }

    #[test]
    fn common_lines_are_read() {
        let record = read(COMMON);
        assert_eq!(record.time, EventTime::parse("2026-01-05T00:00:00Z"));
        assert_eq!((record.server, record.component, record.value), (None, None, None));
        assert_eq!((record.level, record.message.as_deref()), (Some(Level::Info), Some("GET /a?b=[c] HTTP/1.1")));
        assert_eq!(record.numbers.to_vec(), [("status".into(), 200.0), ("bytes".into(), 1234.0)]);
    }

    #[test]
    fn combined_lines_end_with_a_request_time() {
        let line = format!("{COMMON} \"-\" \"agent \\\"x\\\" 1.0\" 0.125 0.124 .");
        assert_eq!(read(&line).numbers.get("request_time"), Some(0.125));
        let line = format!("{COMMON} \"-\" \"agent\" \"-\" rt=0.125 urt=\"0.1\" ua=\"-\"");
        assert_eq!(read(&line).numbers.get("rt"), Some(0.125));
        assert_eq!(read(&line).numbers.get("urt"), Some(0.1));
        assert_eq!(read(&format!("{COMMON} \"-\" \"agent")).numbers.len(), 2);
    }

    #[test]
    fn status_is_the_level_and_a_virtual_host_the_component() {
        let line = r#"shop.example:443 192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] "-" 502 -"#;
        assert_eq!(read(line).component.as_deref(), Some("shop.example"));
        assert_eq!(read(line).level, Some(Level::Error));
        assert_eq!(read(line).numbers.get("bytes"), None);
        assert_eq!(read(&COMMON.replace(" 200 ", " 404 ")).level, Some(Level::Warning));
        assert_eq!(read(&COMMON.replace("05/Jan", "55/Jan")).fault, Some(Fault::Time));
    }

    #[test]
    fn other_lines_are_refused() {
        for text in ["", "[", "a b c [x] \"", "a b c [x] \"\" 99", "a [x] \"\" 200 1", &COMMON[..40], "]["] {
            assert!(parse(text, &Context::default()).is_none(), "{text}");
        }
    }
}
