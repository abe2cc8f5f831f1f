//! Times without a date: a time of day, whose day the records before it or the clock tell, and TAI64N's labels.

use super::{ParsedTimestamp, TextExtent, TimestampParts, zone::ZoneParts};
use crate::{
    format::{Context, cursor::Cursor, epoch},
    time::EventTime,
};

/// `@`, sixteen digits of seconds and eight of nanoseconds.
const LABEL_BYTES: usize = 25;
/// The label of 1970, with the ten seconds that daemontools and runit count TAI ahead of UTC.
const LABEL_1970: u64 = (1 << 62) + 10;
const DAY_US: i64 = 86_400_000_000;
/// A line may be so much older than the record before it, or newer than the clock; further back is the next day.
const BACK_US: i64 = 3_600_000_000;

/// Whether a text begins with a time of day, `10:15:32`, and no date.
pub(crate) fn is_clock(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'2', b'0'..=b'9', b':', b'0'..=b'9', b'0'..=b'9', b':', b'0'..=b'9', b'0'..=b'9', ..])
}

/// Whether nothing but a program's own text follows such a time: syslog has none of them.
pub(crate) fn begins(text: &str) -> bool {
    text.starts_with('@') || is_clock(text.as_bytes())
}

/// `@4000000069630d1a1dcd6500`, as `multilog`, `svlogd` and `tai64n` write it.
pub(super) fn tai(text: &str) -> Option<TimestampParts> {
    let label = text.get(1..LABEL_BYTES).filter(|label| label.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let seconds = u64::from_str_radix(&label[..16], 16).ok()?.checked_sub(LABEL_1970)?;
    let micros = u32::from_str_radix(&label[16..], 16).ok()? / 1_000;
    let time = EventTime::from_micros(i64::try_from(seconds).ok()?.checked_mul(1_000_000)? + i64::from(micros));
    let is_alone = !text.as_bytes().get(LABEL_BYTES).is_some_and(u8::is_ascii_alphanumeric);
    (is_alone && epoch::is_likely(time)).then_some(TimestampParts { time: Some(time), fault: None, end: LABEL_BYTES })
}

impl Cursor<'_> {
    /// A time of day on the day that is told by the record before it, else by the clock; without either it is none.
    pub(super) fn clock_alone(&mut self, extent: TextExtent, context: &Context) -> ParsedTimestamp {
        let clock = self.clock()?;
        if self.peek() == Some(b':') && !matches!(self.rest().get(1), None | Some(b' ')) {
            // An address of a network card, a longer duration.
            return None;
        }
        let zone = self.zone(extent, context);
        let ZoneParts::Offset(offset_s) = (match zone {
            ZoneParts::Absent => ZoneParts::Offset(context.times.offset_s),
            other => other,
        }) else {
            return Some(Err(crate::record::Fault::Zone));
        };
        let seconds = i64::from(clock.hour * 3_600 + clock.minute * 60 + clock.second);
        let of_day = seconds * 1_000_000 + i64::from(clock.micros) - i64::from(offset_s) * 1_000_000;
        let micros = match (context.previous, context.reference) {
            (Some(previous), latest) => {
                // The first such time that is not long before the record.
                let from = previous.micros().checked_sub(BACK_US)?;
                let time = from.checked_add((of_day - from).rem_euclid(DAY_US))?;
                let is_ahead = latest.is_some_and(|latest| time > latest.micros().saturating_add(BACK_US));
                if is_ahead { time - DAY_US } else { time }
            }
            (None, Some(latest)) => {
                // The last that is not after the clock.
                let until = latest.micros().checked_add(BACK_US)?;
                until.checked_sub((until - of_day).rem_euclid(DAY_US))?
            }
            (None, None) => return None,
        };
        Some(Ok(EventTime::from_micros(micros)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::leading, *};

    fn at(text: &str, previous: Option<&str>, reference: Option<&str>) -> String {
        let time = |text: Option<&str>| text.map(|text| EventTime::parse(text).unwrap());
        let context = Context { previous: time(previous), reference: time(reference), ..Context::default() };
        let stamp = leading(text, &context);
        stamp.map_or("none".to_owned(), |stamp| {
            format!("{} {}", stamp.time.map_or("-".to_owned(), |time| time.to_string()), &text[stamp.end..])
        })
    }

    #[test]
    fn a_time_of_day_is_on_the_day_of_the_record_before() {
        let before = Some("2026-01-05T10:00:00Z");
        for (text, expected) in [
            ("10:15:32 up", "2026-01-05T10:15:32Z  up"),
            ("[10:15:32.25] up", "2026-01-05T10:15:32.25Z  up"),
            ("10:15:32,250 [main] INFO up", "2026-01-05T10:15:32.25Z  [main] INFO up"),
            ("10:15:32: up", "2026-01-05T10:15:32Z : up"),
            ("10:15:32+01:00 up", "2026-01-05T09:15:32Z  up"),
            ("09:59:59 up", "2026-01-05T09:59:59Z  up"),
            ("00:00:01 up", "2026-01-06T00:00:01Z  up"),
            ("25:00:00 up", "none"),
            ("10:15 up", "none"),
            ("10:15:32:44:55:66 up", "none"),
            ("10:15:32:ab:cd:ef up", "none"),
            ("10:15:32x", "none"),
        ] {
            assert_eq!(at(text, before, None), expected, "{text}");
        }
        assert_eq!(at("23:59:59", Some("2026-01-06T00:00:01Z"), None), "2026-01-05T23:59:59Z ");
        assert_eq!(at("09:00:00", before, Some("2026-01-05T11:00:00Z")), "2026-01-05T09:00:00Z ");
        assert_eq!(at("08:00:00", before, Some("2026-01-05T11:00:00Z")), "2026-01-05T08:00:00Z ", "not tomorrow");
        assert_eq!(at("09:00:00", None, Some("2026-01-05T11:00:00Z")), "2026-01-05T09:00:00Z ");
        assert_eq!(at("23:00:00", None, Some("2026-01-05T11:00:00Z")), "2026-01-04T23:00:00Z ");
        assert_eq!(at("09:00:00 up", None, None), "none");
    }

    #[test]
    fn labels_are_times() {
        let seconds = 0x4000_0000_0000_000a_u64 + 1_767_607_200;
        let label = format!("@{seconds:016x}1dcd6500");
        assert_eq!(at(&format!("{label} up"), None, None), "2026-01-05T10:00:00.5Z  up");
        for text in [&label[..24], "@400000", "@mail sent to someone or other", &format!("{label}0 up")] {
            assert_eq!(at(text, None, None), "none", "{text}");
        }
    }
}
