//! Times as people say and read them. The present arrives as an argument; the only importer of jiff.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const SECOND_US: i64 = 1_000_000;

/// The zone that times are shown and read in.
#[derive(Debug, Clone)]
pub struct TimeZoneChoice(TimeZone);

impl TimeZoneChoice {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// This machine's.
    #[must_use]
    pub fn local() -> Self {
        Self(TimeZone::system())
    }

    /// `2026-01-05 13:00:07`.
    #[must_use]
    pub fn show(&self, us: i64) -> String {
        match Timestamp::from_microsecond(us) {
            Ok(time) => time.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Err(_) => format!("{us}us"),
        }
    }

    /// RFC 3339 with the zone's offset, for programs.
    #[must_use]
    pub fn exact(&self, us: i64) -> String {
        match Timestamp::from_microsecond(us) {
            Ok(time) if self.0 == TimeZone::UTC => time.to_string(),
            Ok(time) => time.to_zoned(self.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
            Err(_) => format!("{us}us"),
        }
    }
}

/// A point in time as it was typed: `2h` (ago), `now`, a date, a date and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeArgument {
    /// So many microseconds ago.
    Ago(i64),
    /// Exactly then, microseconds.
    At(i64),
    /// Then, in the zone of the answer.
    Local(DateTime),
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid time: expected 30m, 2h, 7d or 4w (ago), now, 2026-01-05, \"2026-01-05 13:00\" or RFC 3339"
)]
pub struct WhenError(String);

impl FromStr for TimeArgument {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let wrong = || WhenError(text.chars().take(60).collect());
        let text = text.trim();
        if text == "now" {
            return Ok(Self::Ago(0));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time.as_microsecond()));
        }
        if let Some(unit) = text.chars().next_back().filter(char::is_ascii_alphabetic) {
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 7 * 86_400,
                _ => return Err(wrong()),
            };
            let number: i64 = text[..text.len() - 1].parse().ok().filter(|n| *n >= 0).ok_or_else(wrong)?;
            let us = number.checked_mul(seconds).and_then(|s| s.checked_mul(SECOND_US));
            return us.map(Self::Ago).ok_or_else(wrong);
        }
        text.parse().map(Self::Local).map_err(|_| wrong())
    }
}

impl TimeArgument {
    /// Microseconds since 1970.
    #[must_use]
    pub fn resolve(&self, now_us: i64, zone: &TimeZoneChoice) -> i64 {
        match self {
            Self::Ago(us) => now_us.saturating_sub(*us),
            Self::At(us) => *us,
            Self::Local(time) => {
                // A time that the clocks skip is the moment after; one that comes twice is the first.
                let zoned = zone.0.to_ambiguous_zoned(*time).compatible();
                zoned.map_or(now_us, |zoned| zoned.timestamp().as_microsecond())
            }
        }
    }
}

/// A span as `5 s`, `12 min`, `3 h`, `4 d`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeSpan(pub i64);

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / SECOND_US;
        match seconds.abs() {
            0..=119 => write!(f, "{seconds} s"),
            120..=7_199 => write!(f, "{} min", seconds / 60),
            7_200..=172_799 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn what_people_type_is_understood() {
        let (now, utc) = (at("2026-01-05T12:00:00Z"), TimeZoneChoice::utc());
        let resolve = |text: &str| text.parse::<TimeArgument>().unwrap().resolve(now, &utc);
        assert_eq!(resolve("2h"), at("2026-01-05T10:00:00Z"));
        assert_eq!(resolve("0s"), now);
        assert_eq!(resolve("now"), now);
        assert_eq!(resolve("1w"), at("2025-12-29T12:00:00Z"));
        assert_eq!(resolve("2026-01-04"), at("2026-01-04T00:00:00Z"));
        assert_eq!(resolve("2026-01-04 07:30"), at("2026-01-04T07:30:00Z"));
        assert_eq!(resolve("2026-01-04T07:30:00+02:00"), at("2026-01-04T05:30:00Z"));
        let berlin = TimeZoneChoice(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(
            "2026-01-04 07:30".parse::<TimeArgument>().unwrap().resolve(now, &berlin),
            at("2026-01-04T05:30:00Z")
        );
        for bad in ["", "2x", "h", "-2h", "yesterday", "99999999999999999w", "2026-13-01"] {
            assert!(bad.parse::<TimeArgument>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_shown_in_their_zone() {
        let us = at("2026-01-05T12:00:00.5Z");
        assert_eq!(TimeZoneChoice::utc().show(us), "2026-01-05 12:00:00");
        assert_eq!(TimeZoneChoice::utc().exact(us), "2026-01-05T12:00:00.5Z");
        let zone = TimeZoneChoice(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(
            (zone.show(us), zone.exact(us)),
            ("2026-01-05 14:00:00".into(), "2026-01-05T14:00:00.5+02:00".into())
        );
        assert_eq!(TimeZoneChoice::utc().show(i64::MIN), "-9223372036854775808us");
        assert_eq!(TimeSpan(119 * SECOND_US).to_string(), "119 s");
        assert_eq!(TimeSpan(3 * 86_400 * SECOND_US).to_string(), "3 d");
    }
}
