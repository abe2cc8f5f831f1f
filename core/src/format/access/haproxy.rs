//! HAProxy's logs of HTTP and of TCP, without the head that syslog puts before them:
//!
//! ```text
//! client:port [accepted] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cookies flags connections queues "request"
//! client:port [accepted] frontend backend/server Tw/Tc/Tt bytes flags connections queues
//! ```
//!
//! Times are milliseconds, -1 where a stage was not reached, `+` before what went on when the line was written.

use std::borrow::Cow;

use super::{AccessEntry, quoted, status_of, text_of};
use crate::{
    format::{Context, csv::number, timestamp},
    record::{Level, Numbers},
};

/// Names of the times of a request, in their order.
const TIMES_HTTP: [Option<&str>; 5] =
    [None, Some("queue_time"), Some("connect_time"), Some("upstream_response_time"), Some("request_time")];
/// Names of the times of a connection.
const TIMES_TCP: [Option<&str>; 3] = [Some("queue_time"), Some("connect_time"), Some("session_time")];

/// Reads one line; `None` when it is none of these.
pub(super) fn parse<'a>(text: &'a str, context: &Context) -> Option<AccessEntry<'a>> {
    let (_, rest) = text.split_once(" [").filter(|_| is_likely(text))?;
    let (accepted, rest) = rest.split_once("] ")?;
    let time = timestamp::whole(accepted, context);
    let mut words = rest.splitn(6, ' ');
    let (frontend, backend, times) = (words.next()?, words.next()?, words.next()?);
    let place = &rest[..frontend.len() + 1 + backend.len()];
    backend.contains('/').then_some(())?;
    let count = times.split('/').count();
    let mut entry = AccessEntry { time, is_time_wrong: time.is_none(), ..AccessEntry::default() };
    match count {
        5 => {
            entry.status = status_of(words.next()?)?;
            let bytes = words.next()?;
            read_numbers(entry.status, bytes, times, &TIMES_HTTP, &mut entry.numbers)?;
            let request = rest.split_once(" \"").map_or("", |(_, quoted)| quoted::split(quoted).0);
            entry.message = Some(text_of(request));
        }
        3 => {
            let (bytes, flags) = (words.next()?, words.next()?);
            read_numbers(None, bytes, times, &TIMES_TCP, &mut entry.numbers)?;
            // The server refused or broke off, resources were missing, or the proxy itself failed.
            entry.level = Some(match flags.as_bytes().first() {
                Some(b'S' | b's' | b'R' | b'I') => Level::Warning,
                _ => Level::Info,
            });
            entry.message =
                Some(if flags == "--" { Cow::Borrowed(place) } else { Cow::Owned(format!("{place} {flags}")) });
        }
        _ => return None,
    }
    Some(entry)
}

/// Whether a text begins with `client:port [`.
pub(super) fn is_likely(text: &str) -> bool {
    // The first word of most texts is short.
    let end = text.bytes().position(|byte| byte == b' ').unwrap_or(0);
    text.as_bytes().get(end + 1) == Some(&b'[') && text[..end].rsplit_once(':').is_some_and(|(_, port)| is_digits(port))
}

fn read_numbers<'a>(
    status: Option<u16>,
    bytes: &str,
    times: &str,
    names: &[Option<&'static str>],
    numbers: &mut Numbers<'a>,
) -> Option<()> {
    if let Some(status) = status {
        numbers.push("status", f64::from(status));
    }
    numbers.push("bytes", number(bytes.trim_start_matches('+')).ok()?);
    for (name, time) in names.iter().rev().zip(times.rsplit('/')) {
        let milliseconds = number(time.trim_start_matches('+')).ok()?;
        if let Some(name) = *name
            && milliseconds >= 0.0
        {
            numbers.push(name, milliseconds / 1e3);
        }
    }
    Some(())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
