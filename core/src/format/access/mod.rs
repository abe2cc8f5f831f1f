//! Access logs: what one line says of one request, whichever program wrote it. The status is the level and a number, the
//! request is the message, the virtual host the component. Clients are parameters of a line, never its server.

use std::borrow::Cow;

use super::{Context, csv::number, inside, jsonl, names::address, syslog};
use crate::{
    format::mapping::USUAL,
    record::{Fault, Level, Numbers, Record},
    time::EventTime,
};

mod apache;
mod clf;
mod haproxy;
pub(crate) mod json;
mod known;
mod layout;
mod nginx;
mod quoted;
#[cfg(test)]
mod tests;

pub use layout::{AccessLayout, LayoutError};

use quoted::text_of;

/// One request, as far as its line tells of it.
#[derive(Debug, Default)]
struct AccessEntry<'a> {
    time: Option<EventTime>,
    is_time_wrong: bool,
    server: Option<&'a str>,
    virtual_host: Option<&'a str>,
    status: Option<u16>,
    /// What is worth a warning beside the status.
    level: Option<Level>,
    message: Option<Cow<'a, str>>,
    numbers: Numbers<'a>,
}

impl<'a> AccessEntry<'a> {
    fn into_record(self) -> Record<'a> {
        Record {
            time: self.time,
            server: self.server.map(Cow::Borrowed),
            component: self.virtual_host.map(Cow::Borrowed),
            level: self.status.map(severity).max(self.level),
            message: self.message,
            numbers: self.numbers,
            fault: self.is_time_wrong.then_some(Fault::Time),
            ..Record::default()
        }
    }
}

/// Reads one line that may be of any format; `None` when it shows by itself to be no access log's.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    entry(text, context).map(AccessEntry::into_record)
}

/// Reads a line of a source that is known to be an access log: inside syslog and as JSON too.
pub(crate) fn parse_known<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    if text.starts_with('{') {
        return jsonl::parse(text, &USUAL, context);
    }
    let is_of_a_request =
        |record: &Record<'_>| record.numbers.iter().any(|(name, _)| name == "bytes" || name == "status");
    parse(text, context).or_else(|| {
        let mut wrapped = syslog::parse(text, context)?;
        inside::open(&mut wrapped, &USUAL, context);
        Some(wrapped).filter(is_of_a_request)
    })
}

/// Reads a line whose fields stand as the operator said.
pub(crate) fn parse_laid_out<'a>(text: &'a str, layout: &AccessLayout, context: &Context) -> Record<'a> {
    match layout.read(text, context) {
        Some(entry) => entry.into_record(),
        None => Record { fault: Some(Fault::Layout), ..super::plain::parse(text, context) },
    }
}

/// Whether a message looks like a line of an access log: a time in brackets stands before its request, or after
/// the client of a proxy.
pub(crate) fn is_likely(message: &str) -> bool {
    let quote = memchr::memchr(b'"', message.as_bytes());
    quote.is_some_and(|at| message[..at].ends_with("] ")) || haproxy::is_likely(message)
}

/// Reads the message of another line. A proxy's time of acceptance goes behind the time around it: lines are in order
/// of that.
pub(crate) fn parse_message<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    let record = parse(text, context)?;
    Some(if haproxy::is_likely(text) { Record { time: None, fault: None, ..record } } else { record })
}

fn entry<'a>(text: &'a str, context: &Context) -> Option<AccessEntry<'a>> {
    known::parse(text, context).or_else(|| clf::parse(text, context)).or_else(|| haproxy::parse(text, context))
}

/// The level of a request with this status.
pub(crate) fn severity(status: u16) -> Level {
    match status {
        500.. => Level::Error,
        400.. => Level::Warning,
        _ => Level::Info,
    }
}

/// The status in a field.
pub(crate) fn status(text: &str) -> Option<u16> {
    status_of(text).flatten()
}

/// The status in a word: `Some(None)` where the line says that there was none (`-`, `000`, `-1`); `None` when it is no
/// status.
fn status_of(word: &str) -> Option<Option<u16>> {
    match word.as_bytes() {
        b"-" | b"0" | b"000" | b"-1" => Some(None),
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => word.parse().ok().map(Some),
        _ => None,
    }
}

/// Bytes in a word, `Some(None)` for `-`; `None` when it is no count.
fn bytes_of(word: &str) -> Option<Option<f64>> {
    match word.as_bytes() {
        b"-" => Some(None),
        [first, ..] if first.is_ascii_digit() && word.bytes().all(|b| b.is_ascii_digit()) => Some(number(word).ok()),
        _ => None,
    }
}

/// The name of a virtual host without its port. Addresses name no service, `-` and `_` nothing.
fn host_name(text: &str) -> Option<&str> {
    if is_address(text) {
        return None;
    }
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) => return None,
        None => text,
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'*') || !b.is_ascii();
    (!matches!(name, "" | "-" | "_") && name.bytes().all(is_name)).then_some(name)
}

/// An address, or a socket as nginx writes it.
fn is_address(word: &str) -> bool {
    word == "unix:" || address::is_address(word)
}
