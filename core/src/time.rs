//! Event time: when a line says it happened. There is no `now()` here: the wall clock belongs to the callers.

use core::{fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::temporal::{DateTimeParser, Pieces},
    tz::{Offset, TimeZone},
};
use serde::{Deserialize, Serialize};

const PARSER: DateTimeParser = DateTimeParser::new();
const MICROS_PER_S: i64 = 1_000_000;
/// Seconds of one day.
pub const DAY_S: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z, in event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(i64);

/// A time at which this program was being written: a clock that shows an earlier one is wrong.
pub const WRITTEN: EventTime = EventTime::from_micros(1_793_491_200_000_000);

impl EventTime {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since `earlier`; negative when this is before it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "differences of event times stay far below 2^53 microseconds")]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e6
    }

    /// Seconds since midnight UTC, 0 <= s < 86400.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "less than one day of microseconds")]
    pub fn second_of_day(self) -> f64 {
        self.0.rem_euclid(DAY_S * MICROS_PER_S) as f64 / 1e6
    }

    /// This instant `seconds` later.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "float to int casts saturate")]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1e6) as i64))
    }

    /// Reads RFC 3339, and the same without an offset (`2014-02-14 14:30:00`), which is taken as UTC.
    ///
    /// Returns `None` for anything else; a date without a time is midnight.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pieces: Pieces<'_> = PARSER.parse_pieces(text.as_bytes()).ok()?;
        let local = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_default());
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        offset.to_timestamp(local).ok().map(|t| Self(t.as_microsecond()))
    }
}

impl fmt::Display for EventTime {
    /// RFC 3339 in UTC with as many fraction digits as needed, at most six.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(t) => {
                let t = t.to_zoned(TimeZone::UTC).datetime();
                write!(
                    f,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                    t.year(),
                    t.month(),
                    t.day(),
                    t.hour(),
                    t.minute(),
                    t.second()
                )?;
                let micros = self.0.rem_euclid(MICROS_PER_S);
                if micros != 0 {
                    let digits = format!("{micros:06}");
                    write!(f, ".{}", digits.trim_end_matches('0'))?;
                }
                f.write_str("Z")
            }
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// Seconds east of UTC, written `+01:00` or `-03:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtcOffset(i32);

impl UtcOffset {
    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> i32 {
        self.0
    }
}

impl FromStr for UtcOffset {
    type Err = BadUtcOffset;

    fn from_str(text: &str) -> Result<Self, BadUtcOffset> {
        let bad = || BadUtcOffset(text.to_owned());
        let (sign, rest) = match text.as_bytes().first() {
            Some(b'+') => (1, &text[1..]),
            Some(b'-') => (-1, &text[1..]),
            _ => return Err(bad()),
        };
        let (hours, minutes) = rest.split_once(':').ok_or_else(bad)?;
        let part = |text: &str, max: i32| text.parse().ok().filter(|n| text.len() == 2 && (0..=max).contains(n));
        let (hours, minutes) = part(hours, 14).zip(part(minutes, 59)).ok_or_else(bad)?;
        Ok(Self(sign * (hours * 3_600 + minutes * 60)))
    }
}

/// A text that is no [`UtcOffset`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no offset from UTC: \"+01:00\" or \"-03:30\" is expected")]
pub struct BadUtcOffset(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_spellings() {
        let t = EventTime::parse("2014-02-14T14:30:00Z").unwrap();
        assert_eq!(t.micros(), 1_392_388_200_000_000);
        assert_eq!(EventTime::parse("2014-02-14 14:30:00"), Some(t));
        assert_eq!(EventTime::parse("2014-02-14T15:30:00+01:00"), Some(t));
        assert_eq!(EventTime::parse("2014-02-14T14:30:00.25Z").unwrap().micros(), t.micros() + 250_000);
        for bad in ["", "yesterday", "2014-02-30T00:00:00Z", "14:30"] {
            assert_eq!(EventTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["2014-02-14T14:30:00Z", "1969-12-31T23:59:59.5Z", "2026-01-05T00:00:00.000001Z"] {
            assert_eq!(EventTime::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn second_of_day_is_positive_before_the_epoch() {
        assert_eq!(EventTime::from_micros(-1_000_000).second_of_day(), 86_399.0);
    }
}
