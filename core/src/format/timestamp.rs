//! Timestamps of text lines, recognised by their shape at the line's start. Refuses shapes that read two ways
//! (03/04/26) and plain integers that are no likely epoch.

use super::{Context, calendar::Civil, cursor::Cursor, epoch};
use crate::time::EventTime;

/// A timestamp and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampParts {
    /// `None` when it has no year and nothing tells it.
    pub time: Option<EventTime>,
    /// Bytes from the text's start, with a closing bracket.
    pub end: usize,
}

/// Reads the timestamp that `text` begins with, bare or in brackets.
#[must_use]
pub(crate) fn leading(text: &str, context: &Context) -> Option<TimestampParts> {
    let bytes = text.as_bytes();
    let bracket = matches!(bytes.first(), Some(b'[' | b'('));
    let mut cursor = Cursor { bytes, at: usize::from(bracket) };
    let time = match cursor.peek()? {
        b'0'..=b'9' => cursor.numeric(context)?,
        b'A'..=b'Z' => cursor.named(context)?,
        _ => return None,
    };
    if bracket && matches!(cursor.peek(), Some(b']' | b')')) {
        cursor.at += 1;
    } else if cursor.peek().is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    Some(TimestampParts { time, end: cursor.at })
}

/// Reads a text that is a timestamp and nothing else.
#[must_use]
pub(crate) fn whole(text: &str, context: &Context) -> Option<EventTime> {
    let text = text.trim();
    leading(text, context).filter(|s| s.end == text.len()).and_then(|s| s.time)
}

/// `Some(None)` is a timestamp whose year nothing tells.
type ParsedTimestamp = Option<Option<EventTime>>;

/// The shapes, from the part that tells them apart.
impl Cursor<'_> {
    fn numeric(&mut self, context: &Context) -> ParsedTimestamp {
        match (self.digit_run(), self.bytes.get(self.at + self.digit_run())) {
            (4, Some(b'-' | b'/' | b'.')) => self.year_first(context),
            (1 | 2, Some(b'/' | b' ' | b'-')) => self.day_first(context),
            (6, Some(b' ')) => self.short_date(context),
            (8, Some(b'T' | b' ' | b'-')) => self.compact_date(context),
            (10 | 13 | 16 | 19, _) => self.epoch(),
            _ => None,
        }
    }

    /// `2026-01-05T00:00:00.5Z`, `2026/01/05 00:00:00`, `2005-06-03-15.42.50.675872`.
    fn year_first(&mut self, context: &Context) -> ParsedTimestamp {
        let year = self.digits(4)?;
        let separator = self.take(|b| matches!(b, b'-' | b'/' | b'.'))?;
        let month = self.digits(2)?;
        self.take(|b| b == separator)?;
        let day = self.digits(2)?;
        self.take(|b| matches!(b, b'T' | b't' | b' ' | b'_' | b'-' | b':'))?;
        self.time_and_offset(Some(year), month, day, context)
    }

    /// `05/Jan/2026:00:00:00 +0000`, `05 Jan 2026 00:00:00`, `5-Jan-2026 00:00:00`.
    fn day_first(&mut self, context: &Context) -> ParsedTimestamp {
        let day = self.digits(self.digit_run())?;
        let separator = self.take(|b| matches!(b, b'/' | b' ' | b'-'))?;
        let month = self.month()?;
        self.take(|b| b == separator)?;
        let year = self.digits(4)?;
        self.take(|b| matches!(b, b':' | b' '))?;
        self.time_and_offset(Some(year), month, day, context)
    }

    /// `081109 203615`: two digits each from the year down, as Hadoop writes them.
    fn short_date(&mut self, context: &Context) -> ParsedTimestamp {
        let (year, month, day) = (self.digits(2)?, self.digits(2)?, self.digits(2)?);
        self.take(|b| b == b' ')?;
        if self.digit_run() != 6 {
            return None;
        }
        let year = if year < 70 { 2_000 + year } else { 1_900 + year };
        let (hour, minute, second) = (self.digits(2)?, self.digits(2)?, self.digits(2)?);
        resolve(Some(year), (month, day), (hour, minute, second, 0), context.offset_s, context)
    }

    /// `20260105T000000Z`, `20260105 00:00:00`, `20171223-22:15:29:606`.
    fn compact_date(&mut self, context: &Context) -> ParsedTimestamp {
        let (year, month, day) = (self.digits(4)?, self.digits(2)?, self.digits(2)?);
        self.at += 1;
        self.time_and_offset(Some(year), month, day, context)
    }

    /// `1767571200`, `1767571200.25`, and its milli-, micro- and nanoseconds.
    fn epoch(&mut self) -> ParsedTimestamp {
        let run = self.digit_run();
        let number =
            self.rest()[..run].iter().try_fold(0_i64, |n, b| n.checked_mul(10)?.checked_add(i64::from(b - b'0')))?;
        self.at += run;
        let micros = if run == 10 { self.fraction() } else { 0 };
        let time = EventTime::from_micros(epoch::from_integer(number).micros() + i64::from(micros));
        epoch::is_likely(time).then_some(Some(time))
    }

    /// `Jan  5 00:00:00`, `Jan 5 2026 00:00:00`, `Sun Dec 04 04:47:44 2005`, `Sun, 04 Dec 2005 04:47:44 GMT`.
    fn named(&mut self, context: &Context) -> ParsedTimestamp {
        let weekday = self.weekday();
        if weekday {
            let comma = self.take(|b| b == b',').is_some();
            self.take(|b| b == b' ')?;
            if comma {
                return self.day_first(context);
            }
        }
        let month = self.month()?;
        self.take(|b| b == b' ')?;
        let _padding = self.take(|b| b == b' ');
        let day = match self.digit_run() {
            run @ 1..=2 => self.digits(run)?,
            _ => return None,
        };
        self.take(|b| b == b' ')?;
        let mut year = (self.digit_run() == 4).then(|| self.digits(4)).flatten();
        if year.is_some() {
            self.take(|b| b == b' ')?;
        }
        let time = self.clock()?;
        let mut offset_s = self.offset();
        if weekday && year.is_none() && self.peek() == Some(b' ') {
            self.at += 1;
            year = if self.digit_run() == 4 { self.digits(4) } else { None };
            self.at -= usize::from(year.is_none());
        }
        resolve(year, (month, day), time, *offset_s.get_or_insert(context.offset_s), context)
    }

    fn time_and_offset(&mut self, year: Option<u32>, month: u32, day: u32, context: &Context) -> ParsedTimestamp {
        let time = self.clock()?;
        let offset_s = self.offset().unwrap_or(context.offset_s);
        resolve(year, (month, day), time, offset_s, context)
    }
}

fn resolve(
    year: Option<u32>,
    (month, day): (u32, u32),
    (hour, minute, second, micros): (u32, u32, u32, u32),
    offset_s: i32,
    context: &Context,
) -> ParsedTimestamp {
    let year = year.and_then(|y| i32::try_from(y).ok());
    let time = Civil { year, month, day, hour, minute, second, micros }.resolve(offset_s, context);
    // A date with a year that does not exist is no date; without a year it may still be one.
    (time.is_some() || year.is_none()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAN_5: &str = "2026-01-05T00:00:00Z";

    fn context() -> Context {
        Context { previous: None, reference: EventTime::parse("2026-02-01T00:00:00Z"), offset_s: 0 }
    }

    fn read(text: &str) -> Option<(String, &str)> {
        let stamp = leading(text, &context())?;
        Some((stamp.time?.to_string(), &text[stamp.end..]))
    }

    #[test]
    fn the_common_shapes_are_read() {
        for text in [
            "2026-01-05T00:00:00Z",
            "2026-01-05 00:00:00",
            "2026-01-05 00:00:00,000",
            "2026-01-05T01:00:00+01:00",
            "2026-01-05 01:00:00 +0100",
            "2026-01-04T19:00:00-05",
            "2026/01/05 00:00:00",
            "2026.01.05 00:00:00",
            "[2026-01-05 00:00:00]",
            "(2026-01-05 00:00:00)",
            "Jan  5 00:00:00",
            "Jan 5 00:00:00",
            "Jan 05 00:00:00",
            "Jan  5 2026 00:00:00",
            "05/Jan/2026:00:00:00 +0000",
            "[05/Jan/2026:01:00:00 +0100]",
            "05 Jan 2026 00:00:00.000",
            "5-Jan-2026 00:00:00",
            "Mon Jan  5 00:00:00 2026",
            "[Mon Jan 05 00:00:00 2026]",
            "[Mon Jan 05 00:00:00.000000 2026]",
            "Mon Jan  5 00:00:00 UTC 2026",
            "Mon, 05 Jan 2026 00:00:00 GMT",
            "2026-01-05-00.00.00.000000",
            "260105 000000",
            "20260105T000000Z",
            "20260105-00:00:00:000",
            "1767571200",
            "1767571200.000",
            "1767571200000",
            "1767571200000000",
            "1767571200000000000",
            "2026-01-05 00:00:00 UTC",
        ] {
            assert_eq!(read(text), Some((JAN_5.to_owned(), "")), "{text}");
            let line = format!("{text} rest");
            assert_eq!(read(&line), Some((JAN_5.to_owned(), " rest")), "{line}");
        }
        assert_eq!(read("[2026-01-05T00:00:00Z INFO app] up"), Some((JAN_5.to_owned(), " INFO app] up")));
        assert_eq!(read("2026-01-05 00:00:00 CET x"), Some((JAN_5.to_owned(), " CET x")));
    }

    #[test]
    fn fractions_are_microseconds() {
        assert_eq!(read("2026-01-05 00:00:00,5").unwrap().0, "2026-01-05T00:00:00.5Z");
        assert_eq!(read("2026-01-05T00:00:00.123456789Z").unwrap().0, "2026-01-05T00:00:00.123456Z");
        assert_eq!(read("1767571200.25").unwrap().0, "2026-01-05T00:00:00.25Z");
    }

    #[test]
    fn local_times_take_the_callers_offset() {
        let east = Context { offset_s: 3_600, ..context() };
        assert_eq!(whole("2026-01-05 01:00:00", &east), EventTime::parse(JAN_5));
        assert_eq!(whole("2026-01-05 00:00:00Z", &east), EventTime::parse(JAN_5));
        assert_eq!(whole("Jan  5 01:00:00", &east), EventTime::parse(JAN_5));
    }

    #[test]
    fn other_things_are_no_timestamps() {
        for text in [
            "",
            "[",
            "Jan",
            "Jan 5",
            "May the force",
            "2026-13-05 00:00:00",
            "2026-01-05",
            "2026-01-05 25:00:00",
            "1234567890123456789012",
            "0000000001",
            "123456 999999",
            "01/05/26 00:00:00",
            "12 monkeys",
            "Sunday",
            "2026-01-05T00:00:00Zulu",
            "17675712000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(whole("2026-01-05T00:00:00Z tail", &context()), None);
    }

    #[test]
    fn a_year_that_nothing_tells_leaves_no_time() {
        let nothing = Context::default();
        assert_eq!(leading("Jan  5 00:00:00 host", &nothing), Some(TimestampParts { time: None, end: 15 }));
    }
}
