//! A line inside another's message: JSON in syslog or in a field of JSON, a syslog line in the journal, an access log in
//! syslog. What is inside goes before what is around it. Refuses messages that only look like a line: they stay text.

use super::{Context, Mapping, access, auto, clean, jsonl, logfmt, plain, syslog, tag, timestamp, wrapper::is_dated};
use crate::{
    record::{Fault, Numbers, Record},
    time::EventTime,
};

/// Lines inside lines: syslog in the journal, JSON in that, text in that.
const DEPTH_MAX: usize = 3;
/// Before JSON in syslog's messages, as rsyslog writes it.
const COOKIE: &str = "@cee:";
/// Zones lie quarters of an hour apart, and no two of them more than this.
const QUARTER_S: f64 = 900.0;
const ZONES_S: f64 = 26.0 * 3_600.0;
/// A line is written to the file within this time.
const DELAY_S: f64 = 5.0;

/// Opens the record's message, as far as it is a line itself.
pub(crate) fn open(record: &mut Record<'_>, mapping: &Mapping, context: &Context) {
    for _ in 0..DEPTH_MAX {
        let Some(shape) = record.message.as_deref().and_then(|message| shape(message, context)) else { return };
        let Some(message) = record.message.take() else { return };
        let inner = read(&message, shape, record, mapping, context).map(Record::into_owned);
        let Some(inner) = inner else {
            record.message = Some(message);
            return;
        };
        *record = merge(std::mem::take(record), inner);
        let says_nothing = record.message.is_none() && record.value.is_none() && record.numbers.is_empty();
        if says_nothing {
            record.message = Some(message);
            return;
        }
    }
}

/// What a message may be besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InnerShape {
    Json,
    Syslog,
    Logfmt,
    Access,
    Dated,
}

/// Told by the first bytes: most messages are text, and cost no more than a look.
fn shape(message: &str, context: &Context) -> Option<InnerShape> {
    let text = clean::trimmed_start(message);
    let shape = match text.as_bytes() {
        [b'{', rest @ ..] => rest.trim_ascii_start().starts_with(b"\"").then_some(InnerShape::Json),
        [b'@', ..] => text.starts_with(COOKIE).then_some(InnerShape::Json),
        [b'<', b'0'..=b'9', ..] => tag::strip_priority(text).map(|_| InnerShape::Syslog),
        [b'0'..=b'9' | b'A'..=b'Z', ..] => starts_with_time(after_number(text), text, context),
        [b'[', ..] | [b'*' | b'.', b'A'..=b'Z' | b'0'..=b'9', ..] => starts_with_time(&text[1..], text, context),
        [b'a'..=b'z', ..] => is_pairs(text).then_some(InnerShape::Logfmt),
        _ => None,
    };
    shape.or_else(|| access::is_likely(text).then_some(InnerShape::Access))
}

/// Without Cisco's sequence number and its mark, `000123: *Jan  5 ...`.
fn after_number(text: &str) -> &str {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text[digits..].strip_prefix(": ").filter(|_| digits > 0);
    rest.map_or(text, |rest| rest.strip_prefix(['*', '.']).unwrap_or(rest))
}

fn starts_with_time(date: &str, text: &str, context: &Context) -> Option<InnerShape> {
    (is_dated(date) && timestamp::leading(text, context).is_some()).then_some(InnerShape::Dated)
}

/// Nothing but pairs, two at least, whose names are no protocol's fields (`SRC=... DST=...`) and no audit record's.
fn is_pairs(text: &str) -> bool {
    let end = text.bytes().find(|byte| matches!(byte, b' ' | b'='));
    if end != Some(b'=') || memchr::memmem::find(text.as_bytes(), b"msg=audit(").is_some() {
        return false;
    }
    let mut pairs = 0;
    for (_, value) in (logfmt::LogfmtPairs { rest: text }) {
        if value.is_none() {
            return false;
        }
        pairs += 1;
    }
    pairs >= 2
}

/// Reads a message; `None` when it is only text after all.
fn read<'a>(
    message: &'a str,
    shape: InnerShape,
    outer: &Record<'_>,
    mapping: &Mapping,
    context: &Context,
) -> Option<Record<'a>> {
    // A missing year is that of the line around it.
    let within = context.within(outer.time);
    let read = |context: &Context| by_shape(message.trim(), shape, mapping, context);
    let mut inner = read(&within)?;
    context.order_shown.set(within.order_shown.get());
    inner.time = told_time(inner.time, outer.time, || read(&further_east(&within)).and_then(|record| record.time));
    Some(inner)
}

/// A zone in which times that name none are others.
pub(crate) fn further_east(context: &Context) -> Context {
    let mut east = context.clone();
    east.times.offset_s = east.times.offset_s.saturating_add(3_600);
    east
}

fn by_shape<'a>(text: &'a str, shape: InnerShape, mapping: &Mapping, context: &Context) -> Option<Record<'a>> {
    match shape {
        InnerShape::Json => {
            let json = text.strip_prefix(COOKIE).unwrap_or(text).trim_start();
            jsonl::parse(json, mapping, context).filter(|record| record.fault != Some(Fault::Malformed))
        }
        InnerShape::Syslog => syslog::parse(text, context),
        InnerShape::Logfmt => logfmt::parse(text, mapping, context),
        InnerShape::Access => access::parse_message(text, context),
        InnerShape::Dated if syslog::is_likely(text, context) => syslog::parse(text, context),
        InnerShape::Dated => {
            let (stamp, rest) = text.split_at(timestamp::leading(text, context)?.end);
            let rest = rest.trim_start();
            let mut record = if auto::is_logfmt(rest) {
                logfmt::parse(rest, mapping, context)?
            } else {
                return Some(plain::parse(text, context));
            };
            record.time = record.time.or_else(|| timestamp::leading(stamp, context).and_then(|parts| parts.time));
            Some(record)
        }
    }
}

/// The time inside, unless it is the one around it in another zone and names none: then the one around is right.
/// `in_another_zone` reads the time inside as of a zone an hour further east.
pub(crate) fn told_time(
    inner: Option<EventTime>,
    outer: Option<EventTime>,
    in_another_zone: impl FnOnce() -> Option<EventTime>,
) -> Option<EventTime> {
    let (Some(inside), Some(around)) = (inner, outer) else { return inner.or(outer) };
    let apart_s = inside.seconds_since(around);
    let quarters = libm::round(apart_s / QUARTER_S);
    let is_shifted = quarters != 0.0 && apart_s.abs() <= ZONES_S && (apart_s - quarters * QUARTER_S).abs() <= DELAY_S;
    if is_shifted && in_another_zone() != inner { outer } else { inner }
}

/// What is inside, and what is around it where that says nothing.
pub(crate) fn merge<'a>(outer: Record<'a>, inner: Record<'a>) -> Record<'a> {
    let mut numbers = inner.numbers;
    append(&mut numbers, outer.numbers);
    let time = inner.time.or(outer.time);
    // A time that cannot be read does no harm where another serves.
    let inner_fault = inner.fault.filter(|fault| !fault.is_of_time() || time.is_none());
    let outer_fault = outer.fault.filter(|fault| !fault.is_of_time() || time.is_none());
    Record {
        time,
        time_assumed: false,
        format: inner.format,
        server: inner.server.or(outer.server),
        component: inner.component.or(outer.component),
        level: inner.level.or(outer.level),
        message: inner.message.or(outer.message),
        value: inner.value.or(outer.value),
        numbers,
        anomalous: inner.anomalous.or(outer.anomalous),
        fault: inner_fault.or(outer_fault),
    }
}

fn append<'a>(numbers: &mut Numbers<'a>, more: Numbers<'a>) {
    for (name, value) in more.iter() {
        if numbers.get(name).is_none() {
            numbers.push(name.clone(), *value);
        }
    }
}
