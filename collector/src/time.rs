//! Times as people say and read them. The present arrives as an argument; the only importer of jiff.

use std::{fmt, str::FromStr};

use jiff::{Span, SpanRelativeTo, Timestamp, civil::DateTime, tz::TimeZone};
pub(crate) use oddline_core::amounts::TimeSpan;

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

    /// A time that the clocks skip is the moment after; one that comes twice is the first.
    fn instant(&self, time: DateTime) -> Option<i64> {
        self.0.to_ambiguous_zoned(time).compatible().ok().map(|zoned| zoned.timestamp().as_microsecond())
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

impl fmt::Display for TimeZoneChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("local"))
    }
}

/// A point in time as it was typed: `2h` or `1d 12h` (ago), `now`, `yesterday`, a date, a date and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeArgument {
    /// So many microseconds ago.
    Ago(i64),
    /// Exactly then, microseconds.
    At(i64),
    /// Then, in the zone of the answer.
    Local(DateTime),
    /// The beginning of the day so many days ago, in the zone of the answer.
    Day(i64),
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid time: expected {TIMES_EXPECTED}, \"2026-01-05 13:00\" or RFC 3339")]
pub struct WhenError(String);

/// What most people type.
pub(crate) const TIMES_EXPECTED: &str = "10min, 2h or 1d12h (ago), now, today, yesterday, 2026-01-05";

impl FromStr for TimeArgument {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let text = text.trim();
        match text {
            "now" => return Ok(Self::Ago(0)),
            "today" => return Ok(Self::Day(0)),
            "yesterday" => return Ok(Self::Day(1)),
            _ => {}
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time.as_microsecond()));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Local(time));
        }
        ago(text).map(Self::Ago).ok_or_else(|| WhenError(text.chars().take(60).collect()))
    }
}

/// `90s`, `1d12h`, `2 hours ago`, `-10min`: microseconds before now. Days have 24 hours; months and years differ.
fn ago(text: &str) -> Option<i64> {
    // A plus would be a time to come, a P another format.
    let span = text.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| text.parse::<Span>().ok())??;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    i64::try_from(duration.as_micros().unsigned_abs()).ok()
}

impl TimeArgument {
    /// Microseconds since 1970.
    #[must_use]
    pub fn resolve(&self, now_us: i64, zone: &TimeZoneChoice) -> i64 {
        match self {
            Self::Ago(us) => now_us.saturating_sub(*us),
            Self::At(us) => *us,
            Self::Local(time) => zone.instant(*time).unwrap_or(now_us),
            Self::Day(days) => {
                let now = Timestamp::from_microsecond(now_us).ok().map(|now| zone.0.to_datetime(now));
                let day = now.and_then(|now| now.start_of_day().checked_sub(Span::new().days(*days)).ok());
                day.and_then(|day| zone.instant(day)).unwrap_or(now_us)
            }
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
        for bad in ["", "2x", "h", "+2h", "soon", "99999999999999999w", "2026-13-01", "2 months", "PT2H", "-2h ago"] {
            assert!(bad.parse::<TimeArgument>().is_err(), "{bad}");
        }
        let error = "soon".parse::<TimeArgument>().unwrap_err().to_string();
        assert!(error.starts_with("\"soon\" is not a valid time: expected 10min, 2h"), "{error}");
    }

    #[test]
    fn the_words_of_journalctl_are_understood() {
        let (now, utc) = (at("2026-01-05T12:00:00Z"), TimeZoneChoice::utc());
        let resolve = |text: &str| text.parse::<TimeArgument>().unwrap().resolve(now, &utc);
        assert_eq!((resolve("today"), resolve("yesterday")), (at("2026-01-05T00:00:00Z"), at("2026-01-04T00:00:00Z")));
        for (text, ago_s) in [
            ("10min", 600),
            ("1d12h", 129_600),
            ("1d 12h", 129_600),
            ("2 hours ago", 7_200),
            ("1 hour 30 minutes ago", 5_400),
            ("-2h", 7_200),
            ("90 seconds", 90),
            ("1 week", 604_800),
            ("2 days", 172_800),
        ] {
            assert_eq!(resolve(text), now - ago_s * 1_000_000, "{text}");
        }
        let berlin = TimeZoneChoice(TimeZone::fixed(jiff::tz::offset(2)));
        let late = at("2026-01-05T23:30:00Z");
        assert_eq!("today".parse::<TimeArgument>().unwrap().resolve(late, &berlin), at("2026-01-05T22:00:00Z"));
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
        assert_eq!(TimeZoneChoice::utc().to_string(), "UTC");
    }
}
