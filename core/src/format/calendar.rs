//! Calendar arithmetic for lines that carry civil times: date to instant, and the year that a line leaves out.
//! Refuses dates that do not exist. Knows fixed offsets only: a log line names no zone rules.

use super::{Context, cursor::ClockParts};
use crate::time::{DAY_S, EventTime};

const MICROS_PER_S: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = DAY_S * MICROS_PER_S;
/// 0001-01-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_162;
/// Days before each month of a common year.
const DAYS_BEFORE_MONTH: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// How far a line's clock may be ahead of the caller's reference before another year is the better guess.
pub(crate) const AHEAD_MICROS_MAX: i64 = MICROS_PER_DAY;
/// A step back in time is this much less likely than a step forward: 10 months of silence are as likely as
/// 2 months set back.
const BACK_WEIGHT: i64 = 5;
/// A neighbour this close needs no comparison of years.
const CLOSE_MICROS: i64 = 30 * MICROS_PER_DAY;

/// A date and a time of day as a line gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    /// `None` when the line leaves it out (RFC 3164).
    pub year: Option<i32>,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
}

impl Civil {
    /// A date with its year, and a time of day.
    pub(crate) fn of((year, month, day): (i32, u32, u32), clock: ClockParts) -> Self {
        Self { year: Some(year), ..Self::without_year((month, day), clock) }
    }

    /// A date without a year.
    pub(crate) fn without_year((month, day): (u32, u32), clock: ClockParts) -> Self {
        let ClockParts { hour, minute, second, micros, .. } = clock;
        Self { year: None, month, day, hour, minute, second, micros }
    }

    /// The instant, `offset_s` east of UTC; `None` for a date that does not exist and for a year that nothing tells.
    pub(crate) fn resolve(self, offset_s: i32, context: &Context) -> Option<EventTime> {
        match self.year {
            Some(year) => self.in_year(year, offset_s),
            None => self.guess_year(offset_s, context),
        }
    }

    fn in_year(self, year: i32, offset_s: i32) -> Option<EventTime> {
        let day = days(year, self.month, self.day)?;
        if self.hour > 23 || self.minute > 59 || self.second > 60 || self.micros > 999_999 {
            return None;
        }
        // A leap second is the second before it: the epoch's scale has none.
        let second = self.second.min(59);
        let seconds = i64::from(self.hour * 3_600 + self.minute * 60 + second) - i64::from(offset_s);
        Some(EventTime::from_micros(day * MICROS_PER_DAY + seconds * MICROS_PER_S + i64::from(self.micros)))
    }

    /// The year that puts the line nearest to the record before it, forward rather than back, and not after the
    /// reference; without a record before it, the last year that is not after the reference.
    fn guess_year(self, offset_s: i32, context: &Context) -> Option<EventTime> {
        // One line of the far future would pull the years of all that follow after it.
        let latest = context.reference.map(|reference| reference.micros().saturating_add(AHEAD_MICROS_MAX));
        let bounded = |t: EventTime| latest.map_or(t, |latest| t.min(EventTime::from_micros(latest)));
        let near = context.previous.map(bounded).or(context.reference)?;
        let year = year_of(near.micros().saturating_add(i64::from(offset_s) * MICROS_PER_S))?;
        let reached = |t: EventTime| latest.is_none_or(|latest| t.micros() <= latest);
        if let Some(same) = self.in_year(year, offset_s) {
            let ahead = same.micros() - near.micros();
            if (0..CLOSE_MICROS).contains(&ahead) && reached(same) {
                return Some(same);
            }
        }
        // Eight years back always hold a 29th of February.
        let candidates = (year - 8..=year + 1).rev().filter_map(|y| self.in_year(y, offset_s));
        let unlikely = |t: EventTime| {
            let ahead = t.micros() - near.micros();
            let distance = if ahead < 0 { ahead.saturating_neg().saturating_mul(BACK_WEIGHT) } else { ahead };
            (!reached(t), distance)
        };
        candidates.min_by_key(|&t| unlikely(t))
    }
}

/// Month and day of a year's day `ordinal`, counted from 1; `None` when the year has no such day.
pub(crate) fn day_of_year(year: i32, ordinal: u32) -> Option<(u32, u32)> {
    let last = days(year, 12, 31)? - days(year, 1, 1)? + 1;
    if !(1..=last).contains(&i64::from(ordinal)) {
        return None;
    }
    (1..=12).rev().find_map(|month| {
        let before = days(year, month, 1)? - days(year, 1, 1)?;
        let day = i64::from(ordinal) - before;
        (day >= 1).then(|| u32::try_from(day).map(|day| (month, day)).ok()).flatten()
    })
}

/// Year, month and day of a week's day, both counted from 1, Monday the first (ISO 8601).
pub(crate) fn day_of_week(year: i32, week: u32, weekday: u32) -> Option<(i32, u32, u32)> {
    if !(1..=53).contains(&week) || !(1..=7).contains(&weekday) {
        return None;
    }
    // The first week holds the 4th of January; 1970 began on a Thursday.
    let fourth = days(year, 1, 4)?;
    let monday = fourth - (fourth + 3).rem_euclid(7);
    let day = monday + i64::from(week - 1) * 7 + i64::from(weekday) - 1;
    let year = year_of(day.checked_mul(MICROS_PER_DAY)?)?;
    let (month, day) = day_of_year(year, u32::try_from(day - days(year, 1, 1)? + 1).ok()?)?;
    Some((year, month, day))
}

/// Days since 1970-01-01; `None` when the date does not exist.
fn days(year: i32, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let first = *DAYS_BEFORE_MONTH.get(month.checked_sub(1)? as usize)?;
    let next = *DAYS_BEFORE_MONTH.get(month as usize)?;
    let length = next - first + i64::from(leap && month == 2);
    if !(1..=9_999).contains(&year) || !(1..=length).contains(&i64::from(day)) {
        return None;
    }
    let past = i64::from(year) - 1;
    let before_year = past * 365 + past / 4 - past / 100 + past / 400;
    Some(before_year + first + i64::from(leap && month > 2) + i64::from(day) - 1 - DAYS_TO_EPOCH)
}

/// The civil year that holds an instant; `None` outside the years 1 to 9999.
fn year_of(micros: i64) -> Option<i32> {
    let day = micros.div_euclid(MICROS_PER_DAY) + DAYS_TO_EPOCH;
    // At most a day off at a year's ends, which the comparison repairs.
    let near = day.checked_mul(400)?.div_euclid(146_097);
    let first = |past: i64| past * 365 + past / 4 - past / 100 + past / 400;
    let past = if first(near + 1) <= day {
        near + 1
    } else if first(near) <= day {
        near
    } else {
        near - 1
    };
    i32::try_from(past + 1).ok().filter(|year| (1..=9_999).contains(year))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> EventTime {
        EventTime::parse(text).unwrap()
    }

    fn no_year(month: u32, day: u32, hour: u32) -> Civil {
        Civil { year: None, month, day, hour, minute: 0, second: 0, micros: 0 }
    }

    fn guessed(civil: Civil, previous: Option<&str>, reference: Option<&str>) -> Option<EventTime> {
        let context = Context { previous: previous.map(at), reference: reference.map(at), ..Context::default() };
        civil.resolve(0, &context)
    }

    #[test]
    fn a_missing_year_follows_the_record_before() {
        let year = |month, day, previous| guessed(no_year(month, day, 12), Some(previous), None).unwrap().to_string();
        assert_eq!(year(1, 1, "2025-12-31T23:59:59Z"), "2026-01-01T12:00:00Z");
        assert_eq!(year(12, 31, "2026-01-01T00:00:01Z"), "2025-12-31T12:00:00Z");
        assert_eq!(year(9, 1, "2026-01-05T00:00:00Z"), "2026-09-01T12:00:00Z");
        assert_eq!(year(1, 5, "2026-01-05T13:00:00Z"), "2026-01-05T12:00:00Z");
    }

    #[test]
    fn a_missing_year_is_not_after_the_reference() {
        let year = |month, day, reference| guessed(no_year(month, day, 12), None, Some(reference)).unwrap().to_string();
        assert_eq!(year(12, 31, "2026-01-05T00:00:00Z"), "2025-12-31T12:00:00Z");
        assert_eq!(year(1, 5, "2026-01-05T00:00:00Z"), "2026-01-05T12:00:00Z");
        assert_eq!(year(2, 29, "2026-11-05T00:00:00Z"), "2024-02-29T12:00:00Z");
        assert_eq!(guessed(no_year(1, 5, 0), None, None), None);
    }

    #[test]
    fn a_clock_that_starts_in_january_does_not_shift_the_year_for_good() {
        let file_time = Some("2026-08-05T10:05:00Z");
        let reset = guessed(no_year(1, 1, 0), Some("2026-08-05T10:00:00Z"), file_time).unwrap().to_string();
        assert_eq!(reset, "2026-01-01T00:00:00Z");
        let synced = guessed(no_year(8, 5, 10), Some(&reset), file_time).unwrap().to_string();
        assert_eq!(synced, "2026-08-05T10:00:00Z");
    }

    #[test]
    fn a_line_of_the_far_future_does_not_take_the_year_along() {
        let year = |previous| guessed(no_year(8, 5, 10), Some(previous), Some("2026-08-05T10:05:00Z")).unwrap();
        assert_eq!(year("2099-01-01T00:00:00Z").to_string(), "2026-08-05T10:00:00Z");
        assert_eq!(year("9999-01-01T00:00:00Z").to_string(), "2026-08-05T10:00:00Z");
    }

    #[test]
    fn days_are_counted_in_years_and_weeks() {
        assert_eq!(
            (day_of_year(2026, 5), day_of_year(2024, 60), day_of_year(2026, 365)),
            (Some((1, 5)), Some((2, 29)), Some((12, 31)))
        );
        assert_eq!((day_of_year(2026, 0), day_of_year(2026, 366)), (None, None));
        assert_eq!(day_of_week(2026, 2, 1), Some((2026, 1, 5)));
        assert_eq!(day_of_week(2020, 53, 5), Some((2021, 1, 1)));
        assert_eq!(day_of_week(2026, 1, 1), Some((2025, 12, 29)));
        assert_eq!((day_of_week(2026, 0, 1), day_of_week(2026, 1, 8)), (None, None));
    }

    proptest! {
        #[test]
        fn agrees_with_the_time_library(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let time = EventTime::from_micros(micros);
            let text = time.to_string();
            let part = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap();
            let civil = Civil {
                year: Some(text[..4].parse().unwrap()), month: part(5, 7), day: part(8, 10), hour: part(11, 13),
                minute: part(14, 16), second: part(17, 19),
                micros: u32::try_from(micros.rem_euclid(1_000_000)).unwrap(),
            };
            prop_assert_eq!(civil.resolve(0, &Context::default()), Some(time));
            prop_assert_eq!(year_of(micros), civil.year);
        }

        #[test]
        fn any_neighbour_is_survived(previous in any::<i64>(), reference in any::<Option<i64>>(), month in 0_u32..14, day in 0_u32..40) {
            let context = Context {
                previous: Some(EventTime::from_micros(previous)),
                reference: reference.map(EventTime::from_micros),
                ..Context::default()
            };
            let _ = no_year(month, day, 0).resolve(86_399, &context);
        }
    }
}
