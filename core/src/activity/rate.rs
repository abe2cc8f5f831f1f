//! Whether an interval holds too many or too few records: counts against what the hour and the last intervals lead to
//! expect.
//!
//! The square root makes counts alike: `y = 2 sqrt(n + 3/8)` of Poisson arrivals scatters by 1 whatever their rate. What
//! is left after the hour's usual `y` and the current offset from it is compared with the largest such surprise of most
//! of the last days: each counter is measured by its own unrest, and what recurs on many days is usual. Why counts do
//! not go through the model: docs/decisions.

use serde::{Deserialize, Serialize};

use crate::{
    episode::{EpisodeRun, EpisodeStep},
    score::bounded,
    time::EventTime,
};

/// Seconds of one interval.
pub const INTERVAL_S: i64 = 300;
/// Intervals of an hour, of a day.
const PER_HOUR: i64 = 3_600 / INTERVAL_S;
const PER_DAY: i64 = 24 * PER_HOUR;
const HOURS: usize = 24;
/// Variance-stabilising constant of a Poisson count (Anscombe 1948).
const ANSCOMBE: f64 = 0.375;
/// An hour's usual count follows with at least this weight: five days of its intervals.
const HOUR_RATE: f64 = 1.0 / 60.0;
/// The offset from it follows the last few intervals.
const OFFSET_RATE: f64 = 0.3;
/// Days whose largest surprise is kept.
const DAYS: usize = 14;
/// One in so many of them may have been an incident.
const INCIDENTS: usize = 5;
/// Odd is what surprises by so many times the largest usual surprise ...
const MARGIN: f64 = 1.3;
/// ... which is at least this: about four standard deviations of a Poisson count.
const SURPRISE_MIN: f64 = 4.0;
/// Intervals of a day that let it speak for itself: six hours.
const DAY_INTERVALS_MIN: u32 = 72;
/// The first intervals of a counter surprise by nature.
const SETTLING: u32 = 3;
/// So many low intervals in a row are too few: one may have begun or ended with a restart.
const LOW_INTERVALS: u8 = 2;

/// What one counter has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RateModel {
    /// The usual y of each hour of the day, and how many intervals it comes from (saturating).
    hours: [f32; HOURS],
    seen: [u8; HOURS],
    offset: f64,
    last: Option<i64>,
    lows: u8,
    today: Day,
    /// The largest surprises of the last days, upwards and downwards, the newest first.
    high: [f32; DAYS],
    low: [f32; DAYS],
    days: u8,
    tracker: EpisodeRun,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    number: i64,
    intervals: u32,
    high: f64,
    low: f64,
}

/// What an interval did to a counter's episode, when it did something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateFinding {
    /// The counter's episode after it.
    pub step: EpisodeStep,
    /// Whether the interval itself is odd.
    pub odd: bool,
    /// Where the interval begins.
    pub time: EventTime,
    /// Records in it.
    pub count: u32,
    /// Records expected in it.
    pub expected: f64,
    /// The surprise, in the largest usual ones; odd from 1.
    pub score: f32,
}

/// The interval that an instant is in.
#[must_use]
pub fn interval(time: EventTime) -> i64 {
    time.micros().div_euclid(INTERVAL_S * 1_000_000)
}

impl RateModel {
    /// Whether a day is over: from then on it judges.
    #[must_use]
    pub fn knows_a_day(&self) -> bool {
        self.days > 0
    }

    /// Takes the count of an interval, the next one or, after a time that was not watched, a later one.
    pub fn push(&mut self, interval: i64, count: u32) -> Option<RateFinding> {
        let follows = self.last.is_some_and(|last| last + 1 == interval);
        self.last = Some(interval);
        self.turn_day(interval.div_euclid(PER_DAY));
        let y = stabilised(f64::from(count));
        let base = self.usual(interval).unwrap_or(y);
        let surprise = y - base - self.offset;
        let (up, down) = self.limits();
        let (high, low) = (surprise > up, -surprise > down);
        self.lows = match (low, follows) {
            (true, true) => self.lows.saturating_add(1),
            (true, false) => 1,
            (false, _) => 0,
        };
        let odd = high || self.lows >= LOW_INTERVALS;
        if self.today.intervals > SETTLING || self.days > 0 {
            self.today.high = self.today.high.max(surprise);
            self.today.low = self.today.low.max(-surprise);
        }
        self.today.intervals += 1;
        let expected = plain(base + self.offset);
        if !odd {
            self.learn(interval, y, surprise, (up, down));
        }
        let time = EventTime::from_micros(interval.saturating_mul(INTERVAL_S * 1_000_000));
        let score = bounded((surprise / up).max(-surprise / down));
        let step = self.tracker.push(time, odd, score);
        if let EpisodeStep::NewLevel(_) = step {
            *self = Self { last: Some(interval), ..Self::default() };
        }
        (step != EpisodeStep::Quiet).then_some(RateFinding { step, odd, time, count, expected, score })
    }

    /// A day that is over joins those that say what is usual.
    fn turn_day(&mut self, day: i64) {
        if day == self.today.number {
            return;
        }
        if self.today.intervals >= DAY_INTERVALS_MIN {
            let Day { high, low, .. } = self.today;
            for (days, newest) in [(&mut self.high, high), (&mut self.low, low)] {
                days.rotate_right(1);
                #[expect(clippy::cast_possible_truncation, reason = "a square root of a count")]
                let newest = newest as f32;
                days[0] = newest;
            }
            self.days = (self.days + 1).min(DAYS as u8);
        }
        self.today = Day { number: day, ..Day::default() };
    }

    /// The surprises beyond which an interval is odd, upwards and downwards; endless before a day is over.
    fn limits(&self) -> (f64, f64) {
        let days = usize::from(self.days);
        if days == 0 {
            return (f64::INFINITY, f64::INFINITY);
        }
        let limit = |days_of: &[f32; DAYS]| {
            let mut known = *days_of;
            known[..days].sort_by(|a, b| b.total_cmp(a));
            MARGIN * f64::from(known[days / INCIDENTS]).max(SURPRISE_MIN)
        };
        (limit(&self.high), limit(&self.low))
    }

    /// The usual y at an interval: between the middles of two hours, or of the one that is known.
    fn usual(&self, interval: i64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "an interval of the day")]
        let position = interval.rem_euclid(PER_DAY) as f64 / PER_HOUR as f64 + (HOURS as f64 - 0.5);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour of the day")]
        let first = position as usize;
        let share = position - position.floor();
        let hour = |at: usize| {
            let at = at % HOURS;
            (self.seen[at] > 0).then_some(f64::from(self.hours[at]))
        };
        match (hour(first), hour(first + 1)) {
            (Some(a), Some(b)) => Some(a * (1.0 - share) + b * share),
            (a, b) => b.or(a).or_else(|| hour(first + HOURS - 1)),
        }
    }

    fn learn(&mut self, interval: i64, y: f64, surprise: f64, (up, down): (f64, f64)) {
        if surprise < -down {
            return;
        }
        self.offset += OFFSET_RATE * surprise.min(up);
        #[expect(clippy::cast_possible_truncation, reason = "an hour of the day")]
        let hour = (interval.rem_euclid(PER_DAY) / PER_HOUR) as usize;
        self.seen[hour] = self.seen[hour].saturating_add(1);
        let rate = (1.0 / f64::from(self.seen[hour])).max(HOUR_RATE);
        #[expect(clippy::cast_possible_truncation, reason = "a square root of a count")]
        let next = (f64::from(self.hours[hour]) + rate * (y - f64::from(self.hours[hour]))) as f32;
        self.hours[hour] = next;
    }
}

fn stabilised(count: f64) -> f64 {
    2.0 * (count + ANSCOMBE).sqrt()
}

/// The count behind a y.
fn plain(y: f64) -> f64 {
    let half = y.max(0.0) / 2.0;
    (half * half - ANSCOMBE).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fixed sequence in place of randomness, 0 <= u < 1.
    fn unit(i: i64) -> f64 {
        (i as f64 * 0.754_877_666).fract()
    }

    /// About normal around `mean`, as counts of Poisson arrivals scatter.
    fn arrivals(i: i64, mean: f64) -> u32 {
        let z: f64 = (0..12).map(|k| unit(i * 12 + k)).sum::<f64>() - 6.0;
        (mean + z * mean.sqrt()).max(0.0).round() as u32
    }

    fn found(days: i64, count: impl Fn(i64) -> u32) -> Vec<(i64, RateFinding)> {
        let mut rate = RateModel::default();
        (0..days * PER_DAY).filter_map(|i| rate.push(i, count(i)).map(|f| (i, f))).collect()
    }

    fn opened(findings: &[(i64, RateFinding)]) -> Vec<i64> {
        findings.iter().filter(|(_, f)| f.step == EpisodeStep::Opened).map(|(i, _)| *i).collect()
    }

    fn daily(i: i64) -> f64 {
        20.0 + 15.0 * libm::sin((i % PER_DAY) as f64 / PER_DAY as f64 * core::f64::consts::TAU)
    }

    #[test]
    fn usual_days_say_nothing() {
        assert_eq!(found(20, |i| arrivals(i, daily(i))), Vec::new());
        assert_eq!(found(20, |_| 0), Vec::new());
        assert_eq!(found(20, |i| u32::from(unit(i) < 0.02)), Vec::new(), "rare lines");
        let nightly = |i: i64| if (24..28).contains(&(i % PER_DAY)) { 200 } else { 0 };
        assert!(opened(&found(20, nightly)).iter().all(|i| *i < 2 * PER_DAY), "a nightly job is told once at most");
    }

    #[test]
    fn five_times_as_many_is_told_with_what_was_expected() {
        let incident = 10 * PER_DAY + 100..10 * PER_DAY + 106;
        let findings = found(12, |i| if incident.contains(&i) { 5 } else { 1 } * arrivals(i, daily(i)));
        assert_eq!(opened(&findings), [incident.start]);
        let first = findings[0].1;
        assert!(first.odd && first.score > 1.0);
        assert!((f64::from(first.count) / first.expected - 5.0).abs() < 2.5, "{first:?}");
        let closed = findings.last().unwrap().1.step;
        assert!(matches!(closed, EpisodeStep::Closed(e) if (4..=6).contains(&e.records)), "{closed:?}");
    }

    #[test]
    fn a_tenth_is_told_at_the_second_interval_and_not_across_a_gap() {
        let few =
            |incident: core::ops::Range<i64>| move |i: i64| if incident.contains(&i) { 3 } else { arrivals(i, 40.0) };
        let start = 10 * PER_DAY + 100;
        assert_eq!(opened(&found(12, few(start..start + 6))), [start + 1]);
        assert!(opened(&found(12, few(start..start + 1))).is_empty());
        let mut rate = RateModel::default();
        let gap = |i: i64| i >= start && i < start + 50;
        let count = few(start - 1..start + 51);
        let told = (0..12 * PER_DAY).filter(|i| !gap(*i)).filter_map(|i| rate.push(i, count(i))).count();
        assert_eq!(told, 0, "the last interval before a gap and the first after it are cut short");
    }

    #[test]
    fn a_lasting_change_is_a_new_level() {
        let findings = found(20, |i| if i < 10 * PER_DAY { 10 } else { 300 });
        assert_eq!(opened(&findings), [10 * PER_DAY]);
        assert!(matches!(findings.last().unwrap().1.step, EpisodeStep::NewLevel(_)));
    }

    #[test]
    fn extremes_stay_finite() {
        let counts = [0, u32::MAX, 1, 0, u32::MAX];
        let mut rate = RateModel::default();
        for i in 0..5 * PER_DAY {
            if let Some(finding) = rate.push(i, counts[i as usize % 5]) {
                assert!(finding.score.is_finite() && finding.expected.is_finite());
            }
        }
        assert!(rate.push(i64::MAX, 1).is_none_or(|f| f.score.is_finite()));
        assert_eq!(interval(EventTime::from_micros(-1)), -1);
    }
}
