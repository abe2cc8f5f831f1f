//! Instants written as one number since 1970: seconds, milliseconds, microseconds or nanoseconds, told apart by size.

use crate::time::EventTime;

/// 2000-01-01 and 2100-01-01: bare digits are a time only between them, else they are an identifier.
const EPOCH_S: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// Seconds reach the year 5138 before they look like milliseconds of 1973, and so on by thousands.
const SECONDS_END: u64 = 100_000_000_000;
const MILLIS_END: u64 = SECONDS_END * 1_000;
const MICROS_END: u64 = MILLIS_END * 1_000;

/// Whether bare digits are rather a time than an identifier.
#[must_use]
pub(crate) fn is_likely(time: EventTime) -> bool {
    EPOCH_S.contains(&time.micros().div_euclid(1_000_000))
}

/// From an integer; any has an instant.
#[must_use]
pub(crate) fn from_integer(number: i64) -> EventTime {
    EventTime::from_micros(match number.unsigned_abs() {
        ..SECONDS_END => number * 1_000_000,
        SECONDS_END..MILLIS_END => number * 1_000,
        MILLIS_END..MICROS_END => number,
        _ => number / 1_000,
    })
}

/// The same with a fraction; `None` unless it is finite.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "float to int casts saturate")]
pub(crate) fn from_fraction(number: f64) -> Option<EventTime> {
    if !number.is_finite() {
        return None;
    }
    let scale = match number.abs() {
        x if x < 1e11 => 1e6,
        x if x < 1e14 => 1e3,
        x if x < 1e17 => 1.0,
        _ => 1e-3,
    };
    Some(EventTime::from_micros(libm::round(number * scale) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_told_by_size() {
        let quarter = EventTime::parse("2026-01-05T00:00:00.25Z").unwrap();
        assert_eq!(from_fraction(1_767_571_200.25), Some(quarter));
        assert_eq!(from_fraction(1_767_571_200_250.0), Some(quarter));
        assert_eq!(from_integer(1_767_571_200_250), quarter);
        assert_eq!(from_integer(1_767_571_200_250_000), quarter);
        assert_eq!(from_integer(1_767_571_200_250_000_999), quarter);
        assert_eq!(from_fraction(f64::NAN), None);
        assert!(is_likely(quarter) && !is_likely(from_integer(i64::MIN)) && !is_likely(from_integer(1)));
    }
}
