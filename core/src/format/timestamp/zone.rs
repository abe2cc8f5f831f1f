//! What stands after a time of day and says where its clock is: `Z`, an offset, a zone's name, `UTC+02:00`. Leaves
//! everything else to the text: `-12.5`, `-85 dBm` and `INFO` are no zones.
//!
//! An offset right behind the time is one. After a blank, `+0100` and `+01:00` are, where there is a place with such a
//! clock; of two digits, ` -05` is one only where no number can be meant: before ` [`, a bracket that closes, a level, or
//! where nothing else stands in the field.

use super::TextExtent;
use crate::format::{Context, cursor::Cursor, level, zones::ZONE_BYTES_MAX};

/// The zone behind a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ZoneParts {
    Absent,
    /// Seconds east of UTC.
    Offset(i32),
    /// A name that is certainly a zone's, and not known.
    Unknown,
}

/// How regions of the tz database begin.
const AREAS: [&[u8]; 10] = [
    b"Europe",
    b"America",
    b"Asia",
    b"Africa",
    b"Australia",
    b"Pacific",
    b"Atlantic",
    b"Indian",
    b"Antarctica",
    b"Etc",
];
/// A comment such as `(Central European Standard Time)` is no longer.
const COMMENT_BYTES_MAX: usize = 48;

impl Cursor<'_> {
    /// Reads a zone; passes over nothing where there is none.
    pub(super) fn zone(&mut self, extent: TextExtent, context: &Context) -> ZoneParts {
        let blank = self.peek() == Some(b' ');
        let mut ahead = Self { at: self.at + usize::from(blank), ..*self };
        let zone = match ahead.rest() {
            [b'Z' | b'z', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_alphanumeric) => {
                ahead.at += 1;
                Some(ZoneParts::Offset(0))
            }
            [b'+' | b'-', ..] if blank => ahead.offset_after_blank(extent).map(ZoneParts::Offset),
            // One digit is an offset only behind UTC and GMT.
            [b'+' | b'-', ..] => {
                ahead.offset(18).filter(|(_, digits)| *digits > 1).map(|(seconds, _)| ZoneParts::Offset(seconds))
            }
            [b'A'..=b'Z', b'a'..=b'z', ..] if blank => ahead.region_name(context),
            [b'A'..=b'Z', ..] => ahead.zone_name(extent, context),
            [b'[' | b'(', b'A'..=b'Z', ..] if blank => ahead.zone_in_brackets(context),
            _ => None,
        };
        let Some(zone) = zone else { return ZoneParts::Absent };
        self.at = ahead.at;
        self.region();
        zone
    }

    /// `+01:00`, `+0100`, `+01`: seconds, and how many digits there were. Not a number that goes on.
    fn offset(&mut self, hours_max: u32) -> Option<(i32, usize)> {
        let sign = if self.take(|b| matches!(b, b'+' | b'-'))? == b'-' { -1 } else { 1 };
        let run = self.digit_run();
        let has_colon = self.bytes.get(self.at + run) == Some(&b':');
        let (hours, minutes) = match (run, has_colon) {
            (1 | 2, true) => {
                let hours = self.digits(run)?;
                self.at += 1;
                (hours, if self.digit_run() == 2 { self.digits(2)? } else { return None })
            }
            (4, false) => (self.digits(2)?, self.digits(2)?),
            (1 | 2, false) => (self.digits(run)?, 0),
            _ => return None,
        };
        if hours > hours_max || minutes > 59 || self.number_goes_on() {
            return None;
        }
        let digits = if has_colon { run + 2 } else { run };
        let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
        Some((sign * seconds, digits))
    }

    fn number_goes_on(&self) -> bool {
        match self.rest() {
            [b'.' | b',' | b':', next, ..] => next.is_ascii_digit(),
            [b'%' | b'_' | 0xc2, ..] => true,
            [next, ..] => next.is_ascii_alphanumeric(),
            [] => false,
        }
    }

    fn offset_after_blank(&mut self, extent: TextExtent) -> Option<i32> {
        let (seconds, digits) = self.offset(14)?;
        let exists = (-11 * 3_600..=14 * 3_600).contains(&seconds) && seconds % 900 == 0;
        let is_offset = match digits {
            3 | 4 => exists,
            2 => exists && self.no_number_is_meant(extent, seconds),
            _ => false,
        };
        is_offset.then_some(seconds)
    }

    /// Whether what follows two digits shows that they are no measurement.
    fn no_number_is_meant(&self, extent: TextExtent, seconds: i32) -> bool {
        match self.rest() {
            [] => extent == TextExtent::Field,
            [b']' | b')', ..] | [b' ', b'[', ..] => true,
            [b' ', rest @ ..] if extent == TextExtent::Dated => is_year(rest),
            [b' ', rest @ ..] => {
                let word = rest.split(|b| matches!(b, b' ' | b':')).next().unwrap_or_default();
                let is_level = word == b"LOG" || std::str::from_utf8(word).is_ok_and(|w| level::word(w).is_some());
                // `-12 ERROR` may be a status; a zone west of UTC has a zero before its hours.
                is_level && seconds > -10 * 3_600
            }
            _ => false,
        }
    }

    /// `CET`, `UTC`, `GMT+1`, `UTC+02:00`.
    fn zone_name(&mut self, extent: TextExtent, context: &Context) -> Option<ZoneParts> {
        let rest = self.rest();
        let length = rest.iter().take(ZONE_BYTES_MAX + 1).take_while(|b| b.is_ascii_uppercase()).count();
        if length > ZONE_BYTES_MAX {
            return None;
        }
        let (name, after) = rest.split_at(length);
        if matches!(name, b"UTC" | b"GMT" | b"UT") && matches!(after, [b'+' | b'-', b'0'..=b'9', ..]) {
            self.at += length;
            return self.offset(14).map(|(seconds, _)| ZoneParts::Offset(seconds));
        }
        let is_word = matches!(after, [] | [b' ' | b'\t' | b']' | b')' | b':' | b',' | b';' | b'|' | b'"' | b'\'', ..]);
        if !is_word {
            return None;
        }
        let zone = match context.times.zones.offset_s(name) {
            Some(seconds) => ZoneParts::Offset(seconds),
            None if is_unknown_zone(name, after, extent) => ZoneParts::Unknown,
            None => return None,
        };
        self.at += length;
        Some(zone)
    }

    /// `[CET]`, when the zone is known: what else stands in brackets is text.
    fn zone_in_brackets(&mut self, context: &Context) -> Option<ZoneParts> {
        let inner = &self.rest()[1..];
        let length = inner.iter().take(ZONE_BYTES_MAX + 1).take_while(|b| b.is_ascii_uppercase()).count();
        let seconds = context.times.zones.offset_s(&inner[..length])?;
        matches!(inner.get(length), Some(b']' | b')')).then(|| {
            self.at += length + 2;
            ZoneParts::Offset(seconds)
        })
    }

    /// `Europe/Berlin`: its clock changes with the season by rules that are not known here, so that only the source's own
    /// offset tells it.
    fn region_name(&mut self, context: &Context) -> Option<ZoneParts> {
        let rest = self.rest();
        let area = rest.iter().take(COMMENT_BYTES_MAX).take_while(|b| b.is_ascii_alphabetic()).count();
        if !AREAS.contains(&rest.get(..area)?) || rest.get(area) != Some(&b'/') {
            return None;
        }
        let is_inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        let length = rest.iter().take(COMMENT_BYTES_MAX).take_while(|b| is_inner(b)).count();
        let zone = match &rest[..length] {
            b"Etc/UTC" | b"Etc/GMT" | b"Etc/UCT" => ZoneParts::Offset(0),
            _ if context.times.offset_s != 0 => ZoneParts::Offset(context.times.offset_s),
            _ => ZoneParts::Unknown,
        };
        self.at += length;
        Some(zone)
    }

    /// `[Europe/Berlin]` behind an offset, as Java and RFC 9557 write it.
    fn region(&mut self) {
        let [b'[', inner @ ..] = self.rest() else { return };
        let is_inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        let length = inner.iter().take(COMMENT_BYTES_MAX).take_while(|b| is_inner(b)).count();
        let has_name = inner.first().is_some_and(u8::is_ascii_uppercase) && inner[..length].contains(&b'/');
        if has_name && inner.get(length) == Some(&b']') {
            self.at += length + 2;
        }
    }

    /// ` (CET)`, ` (Central European Standard Time)` behind a date in words.
    pub(super) fn zone_comment(&mut self) {
        let [b' ', b'(', inner @ ..] = self.rest() else { return };
        let is_inner = |b: &u8| b.is_ascii_alphabetic() || *b == b' ';
        let length = inner.iter().take(COMMENT_BYTES_MAX).take_while(|b| is_inner(b)).count();
        if inner.first().is_some_and(u8::is_ascii_uppercase) && inner.get(length) == Some(&b')') {
            self.at += length + 3;
        }
    }
}

/// Whether a capital word can be nothing but a zone: alone behind a time, between time and year as `date` prints it, and
/// before PostgreSQL's ` [123]` when it ends as names of zones do.
fn is_unknown_zone(name: &[u8], after: &[u8], extent: TextExtent) -> bool {
    match (extent, after) {
        (TextExtent::Field, []) => name.len() > 1,
        (TextExtent::Dated | TextExtent::Field, [b' ', rest @ ..]) if is_year(rest) => true,
        (_, [b' ', b'[', b'0'..=b'9', ..]) if name.len() > 2 && name.ends_with(b"T") => true,
        // No word has three letters and ends so.
        _ => matches!(name, [_, b'S' | b'D', b'T']),
    }
}

fn is_year(text: &[u8]) -> bool {
    matches!(
        text,
        [b'1' | b'2', b'0' | b'9', b'0'..=b'9', b'0'..=b'9']
            | [b'1' | b'2', b'0' | b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..]
    )
}
