//! Timestamps of text lines, recognised by their shape at the line's start. Refuses plain integers that are no likely
//! epoch, and numbers after a time that are no offset; a date that reads in two ways is decided by [`super::date_order`].

mod date;
pub(crate) mod dateless;
mod usual;
mod zone;

use self::{date::DateParts, zone::ZoneParts};
use super::{
    Context,
    calendar::Civil,
    clean,
    cursor::{ClockParts, Cursor},
    epoch,
};
use crate::{record::Fault, time::EventTime};

/// A timestamp and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampParts {
    /// `None` when it cannot be told.
    pub time: Option<EventTime>,
    /// Why there is no time.
    pub fault: Option<Fault>,
    /// Bytes from the text's start, with a closing bracket.
    pub end: usize,
}

/// Reads the timestamp that `text` begins with, bare or in brackets; Cisco's sequence number and marks before it too.
#[must_use]
pub(crate) fn leading(text: &str, context: &Context) -> Option<TimestampParts> {
    read(text, context, TextExtent::Line)
}

/// Reads a text that is a timestamp and nothing else.
#[must_use]
pub(crate) fn whole(text: &str, context: &Context) -> Option<EventTime> {
    field(text, context).ok()
}

/// The same, with what is wrong with it.
pub(crate) fn field(text: &str, context: &Context) -> Result<EventTime, Fault> {
    let text = clean::trimmed(text);
    match read(text, context, TextExtent::Field) {
        Some(TimestampParts { time, fault, end }) if end == text.len() => time.ok_or(fault.unwrap_or(Fault::Time)),
        _ => Err(Fault::Time),
    }
}

/// Reads a date and a time of day that stand in two fields, such as `2026-01-05` and `10:00:00`.
pub(crate) fn fields(date: &str, time: &str, context: &Context) -> Result<EventTime, Fault> {
    let mut cursor = Cursor { bytes: date.trim().as_bytes(), at: 0 };
    let date = cursor.date().filter(|_| cursor.is_at_end()).ok_or(Fault::Time)?;
    let mut cursor = Cursor { bytes: time.trim().as_bytes(), at: 0 };
    let clock = cursor.clock().ok_or(Fault::Time)?;
    let zone = cursor.zone(TextExtent::Field, context);
    if !cursor.is_at_end() {
        return Err(Fault::Time);
    }
    instant(date, clock, zone, context).unwrap_or(Err(Fault::Time))
}

/// The seconds since the start that the kernel writes before its messages, `[   12.345678] `, perhaps with the caller,
/// `[    T0] `: the bytes that they take. No clock tells them.
#[must_use]
pub(crate) fn uptime(text: &str) -> Option<usize> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    cursor.take(|b| b == b'[')?;
    cursor.blanks();
    let run = cursor.digit_run();
    cursor.at += run;
    cursor.take(|b| b == b'.').filter(|_| run > 0)?;
    let fraction = cursor.digit_run();
    cursor.at += fraction;
    cursor.take(|b| b == b']').filter(|_| fraction == 6)?;
    if let [b'[', caller @ ..] = cursor.rest() {
        let blanks = caller.iter().take_while(|b| **b == b' ').count();
        let id = &caller[blanks..];
        let digits = id.iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
        if matches!(id.first(), Some(b'T' | b'C')) && digits > 0 && id.get(digits + 1) == Some(&b']') {
            cursor.at += blanks + digits + 3;
        }
    }
    cursor.blanks();
    Some(cursor.at)
}

/// What a text is besides its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextExtent {
    /// Something follows, or nothing does.
    Line,
    /// The same, after a weekday: the year may stand last.
    Dated,
    /// Nothing follows, so that what stands there is part of the time.
    Field,
}

fn read(text: &str, context: &Context, extent: TextExtent) -> Option<TimestampParts> {
    read_parts(text, context, extent, true)
}

/// `is_usual`: a usual shape is read at once.
fn read_parts(text: &str, context: &Context, extent: TextExtent, is_usual: bool) -> Option<TimestampParts> {
    let bytes = text.as_bytes();
    let bracket = matches!(bytes.first(), Some(b'[' | b'('));
    let mut cursor = Cursor { bytes, at: usize::from(bracket) };
    let first = cursor.peek()?;
    if !first.is_ascii_digit() && !first.is_ascii_uppercase() && !matches!(first, b'*' | b'.') {
        return if first == b'@' { dateless::tai(text) } else { None };
    }
    let time = match is_usual.then(|| cursor.usual()).flatten() {
        Some((date, clock)) => {
            let zone = cursor.zone(extent, context);
            instant(date, clock, zone, context)?
        }
        None => {
            if !first.is_ascii_uppercase() {
                cursor.pass_marks();
            }
            match cursor.epoch() {
                Some(time) => Ok(time),
                None if dateless::is_clock(cursor.rest()) => cursor.clock_alone(extent, context)?,
                None => cursor.civil(extent, context)?,
            }
        }
    };
    if bracket && matches!(cursor.peek(), Some(b']' | b')')) {
        cursor.at += 1;
    } else if cursor.peek().is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    Some(TimestampParts { time: time.ok(), fault: time.err(), end: cursor.at })
}

/// `None` is no timestamp, an error one that cannot be told.
type ParsedTimestamp = Option<Result<EventTime, Fault>>;

impl Cursor<'_> {
    /// Cisco's `000123: ` and its mark for a clock that nobody set, `*`, or that lost its server, `.`; Redis's `12:M `.
    fn pass_marks(&mut self) {
        let run = self.digit_run();
        if let Some([b':', b'A'..=b'Z', b' ', b'0'..=b'9']) = self.rest().get(run..run + 4) {
            self.at += run + 3;
            return;
        }
        let numbered = run > 0 && self.rest().get(run..run + 2) == Some(b": ");
        let at = self.at + if numbered { run + 2 } else { 0 };
        let marked = matches!(self.bytes.get(at), Some(b'*' | b'.'));
        let at = at + usize::from(marked);
        if (numbered || marked) && self.bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            self.at = at;
        }
    }

    /// `1767571200`, `1767571200.25`, and its milli-, micro- and nanoseconds.
    fn epoch(&mut self) -> Option<EventTime> {
        let run = self.digit_run();
        if !matches!(run, 10 | 13 | 16 | 19) {
            return None;
        }
        let number =
            self.rest()[..run].iter().try_fold(0_i64, |n, b| n.checked_mul(10)?.checked_add(i64::from(b - b'0')))?;
        let mut ahead = Self { at: self.at + run, ..*self };
        let fraction = if ahead.peek() == Some(b'.') { ahead.fraction() } else { 0 };
        let part = match run {
            10 => fraction,
            13 => fraction / 1_000,
            _ => 0,
        };
        let time = EventTime::from_micros(epoch::from_integer(number).micros() + i64::from(part));
        epoch::is_likely(time).then(|| {
            self.at = ahead.at;
            time
        })
    }

    /// A date, a time of day and perhaps a zone; after a weekday the year may stand last.
    fn civil(&mut self, extent: TextExtent, context: &Context) -> ParsedTimestamp {
        let has_weekday = self.leading_weekday()?;
        let extent = if has_weekday && extent == TextExtent::Line { TextExtent::Dated } else { extent };
        let mut date = self.date()?;
        if extent == TextExtent::Field && self.is_at_end() && date.has_year() {
            return instant(date, ClockParts::default(), ZoneParts::Absent, context);
        }
        let clock = self.clock_after(&date)?;
        let mut zone = self.zone(extent, context);
        if has_weekday {
            if self.trailing_year(&mut date) && zone == ZoneParts::Absent {
                zone = self.zone(extent, context);
            }
            self.zone_comment();
        }
        instant(date, clock, zone, context)
    }
}

fn instant(date: DateParts, clock: ClockParts, zone: ZoneParts, context: &Context) -> ParsedTimestamp {
    let offset_s = match zone {
        ZoneParts::Offset(offset_s) => offset_s,
        ZoneParts::Absent | ZoneParts::Unknown => context.times.offset_s,
    };
    let time = match date {
        DateParts::Full(date) | DateParts::Compact(date) => Ok(Civil::of(date, clock).resolve(offset_s, context)?),
        DateParts::WithoutYear(date) => Civil::without_year(date, clock).resolve(offset_s, context).ok_or(Fault::Year),
        DateParts::Numbers(date) => date.resolve(clock, offset_s, context)?,
    };
    Some(if zone == ZoneParts::Unknown { Err(Fault::Zone) } else { time })
}

#[cfg(test)]
mod tests;
