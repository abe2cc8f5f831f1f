//! The shapes of most dates and times, each read at once: ISO 8601's, that of access logs and that of syslog. Whatever
//! differs from them in a byte is left to the reading from part to part, which gives the same.

use super::date::DateParts;
use crate::format::cursor::{ClockParts, Cursor};

impl Cursor<'_> {
    /// A date, a time of day and what belongs to it; passes over nothing where the shape is another.
    #[inline]
    pub(super) fn usual(&mut self) -> Option<(DateParts, ClockParts)> {
        let rest = self.rest();
        let (date, clock, length) = match *rest {
            [_, _, _, _, b'-', ..] => iso(rest.first_chunk()?)?,
            [_, _, b'/', ..] => common(rest.first_chunk()?)?,
            [b'A'..=b'Z', _, _, b' ', ..] => syslog(rest.first_chunk()?)?,
            _ => return None,
        };
        if rest.get(length).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let mut clock = clock.checked()?;
        self.at += length;
        clock.micros = self.fraction();
        self.meridiem(&mut clock);
        Some((date, clock))
    }
}

/// `2026-01-05T00:00:00` with a blank or a `T`.
fn iso(b: &[u8; 19]) -> Option<(DateParts, ClockParts, usize)> {
    if b[7] != b'-' || !matches!(b[10], b'T' | b' ') || !are_digits([b[0], b[1], b[2], b[3], b[5], b[6], b[8], b[9]]) {
        return None;
    }
    let year = i32::try_from(number(b[0], b[1]) * 100 + number(b[2], b[3])).ok()?;
    let date = DateParts::Full((year, number(b[5], b[6]), number(b[8], b[9])));
    Some((date, clock(b.last_chunk()?)?, b.len()))
}

/// `05/Jan/2026:00:00:00`
fn common(b: &[u8; 20]) -> Option<(DateParts, ClockParts, usize)> {
    if b[6] != b'/' || b[11] != b':' || !are_digits([b[0], b[1], b[7], b[8], b[9], b[10], b'0', b'0']) {
        return None;
    }
    let year = i32::try_from(number(b[7], b[8]) * 100 + number(b[9], b[10])).ok()?;
    let date = DateParts::Full((year, Cursor::short_month([b[3], b[4], b[5]])?, number(b[0], b[1])));
    Some((date, clock(b.last_chunk()?)?, b.len()))
}

/// `Jan  5 00:00:00`
fn syslog(b: &[u8; 15]) -> Option<(DateParts, ClockParts, usize)> {
    let tens = if b[4] == b' ' { b'0' } else { b[4] };
    if b[6] != b' ' || !are_digits([tens, b[5], b'0', b'0', b'0', b'0', b'0', b'0']) {
        return None;
    }
    let day = Some(number(tens, b[5])).filter(|day| (1..=31).contains(day))?;
    let date = DateParts::WithoutYear((Cursor::short_month([b[0], b[1], b[2]])?, day));
    Some((date, clock(b.last_chunk()?)?, b.len()))
}

/// `00:00:00`
fn clock(b: &[u8; 8]) -> Option<ClockParts> {
    let is_clock = b[2] == b':' && b[5] == b':' && are_digits([b[0], b[1], b[3], b[4], b[6], b[7], b'0', b'0']);
    let (hour, minute, second) = (number(b[0], b[1]), number(b[3], b[4]), number(b[6], b[7]));
    is_clock.then_some(ClockParts { hour, minute, second, micros: 0, twelve_hours: false })
}

fn are_digits(bytes: [u8; 8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// The number of two digits; any for what are none.
fn number(tens: u8, ones: u8) -> u32 {
    u32::from(tens & 0xf) * 10 + u32::from(ones & 0xf)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{TextExtent, read, read_parts};
    use crate::format::Context;

    proptest! {
        #[test]
        fn at_once_and_from_part_to_part_are_the_same(
            text in r"([0-3][0-9]{3}[-/][01]?[0-9]-[0-3]?[0-9][T ]|[0-3]?[0-9]/[JFMAfD][aepu][nrybc]/[12][0-9]{3}[: ]|[JFMAfDO][aepuc][nrybgct] [ 0-4]?[0-9] )[0-2]?[0-9]:[0-6][0-9](:[0-6][0-9]?)?([.,:][0-9]{0,7})?( ?[AaPp][mM])?( ?[-+Z][0-9]{0,4}| x| 2026|)",
        ) {
            let context = Context { previous: crate::time::EventTime::parse("2026-01-05T00:00:00Z"), ..Context::default() };
            for extent in [TextExtent::Line, TextExtent::Field] {
                prop_assert_eq!(read(&text, &context, extent), read_parts(&text, &context, extent, false), "{}", text);
            }
        }
    }
}
