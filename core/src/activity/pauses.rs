//! How long a stream is used to pause, learnt from its own pauses, and how long is too long.
//!
//! Pauses are weighed by their length: the usual pause is the one within which 19 twentieths of the stream's *time* pass.
//! So a nightly pause is usual after the first night although a thousand short ones stand against it, and one outage of
//! some hours is not. A stream that is slow just now, at night or on a Sunday, has its mean and scatter of the last
//! pauses beside that. What was tried instead: a high quantile by count is blind to nights, the longest pause is blind
//! for weeks after an outage, and without the last pauses a web server's log was silent 1.5 times a day.

use serde::{Deserialize, Serialize};

/// Classes of pauses, each 1.5 times as long as the one before: from a second to 3.3 days.
const CLASSES: usize = 32;
const WIDTH: f64 = 1.5;
/// Share of a stream's time that passes in usual pauses.
const USUAL: f64 = 0.95;
/// So many usual pauses without a word are too long ...
const MARGIN: f64 = 3.0;
/// ... and so many standard deviations beyond the mean of the last pauses. Poisson arrivals pause so long once in
/// 400,000 times.
const DEVIATIONS: f64 = 12.0;
/// Weight of the newest among the last pauses.
const LAST: f64 = 1.0 / 16.0;
/// Nothing is silent before five minutes: restarts, log rotation and slow disks take some.
pub const PAUSE_MIN_S: f64 = 300.0;
/// Pauses below this are one utterance, in seconds.
const UTTERANCE_S: f64 = 1.0;
/// Pauses before the usual one is known.
const PAUSES_MIN: u32 = 32;
/// Until a stream has been known for a day, its nights are not: it must be silent for this many times as long as it
/// has been known.
const KNOWN_TIMES: f64 = 2.0;
/// Before this a stream may be one long utterance, a job that is over.
const KNOWN_MIN_S: f64 = 2.0 * 3_600.0;
const DAY_S: f64 = 86_400.0;
/// Pauses of that much time are remembered in full; then the past counts half.
const REMEMBERED_S: f64 = 30.0 * DAY_S;

/// Upper ends of the classes, in seconds.
const ENDS: [f64; CLASSES] = {
    let mut ends = [UTTERANCE_S * WIDTH; CLASSES];
    let mut i = 1;
    while i < CLASSES {
        ends[i] = ends[i - 1] * WIDTH;
        i += 1;
    }
    ends
};

/// The pauses of one stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PauseStats {
    /// Seconds spent in pauses of each class.
    spent: [f32; CLASSES],
    total: f64,
    pauses: u32,
    /// Mean and variance of the last pauses.
    mean: f64,
    variance: f64,
}

impl PauseStats {
    /// Takes a pause that has ended.
    pub fn pause(&mut self, seconds: f64) {
        // No number is below one second either.
        if !matches!(seconds.partial_cmp(&UTTERANCE_S), Some(core::cmp::Ordering::Greater)) {
            return;
        }
        self.pauses = self.pauses.saturating_add(1);
        let weight = (1.0 / f64::from(self.pauses)).max(LAST);
        let off = seconds - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        let class = ENDS.partition_point(|end| *end < seconds).min(CLASSES - 1);
        let seconds = seconds.min(ENDS[CLASSES - 1]);
        #[expect(clippy::cast_possible_truncation, reason = "a class holds weeks of seconds; their share counts")]
        let spent = seconds as f32;
        self.spent[class] += spent;
        self.total += seconds;
        if self.total > REMEMBERED_S {
            self.total /= 2.0;
            self.spent.iter_mut().for_each(|spent| *spent /= 2.0);
        }
    }

    /// Pauses so far.
    #[must_use]
    pub fn pauses(&self) -> u32 {
        self.pauses
    }

    /// The longest usual pause, in seconds; `None` while too few are known, and for a stream that pauses for days.
    #[must_use]
    pub fn usual_s(&self) -> Option<f64> {
        if self.pauses < PAUSES_MIN {
            return None;
        }
        let mut longer = 0.0;
        for class in (0..CLASSES).rev() {
            longer += f64::from(self.spent[class]);
            if longer > (1.0 - USUAL) * self.total {
                return (class < CLASSES - 1).then_some(ENDS[class]);
            }
        }
        None
    }

    /// The pause that is too long for a stream known for so many seconds, in seconds.
    #[must_use]
    pub fn too_long_s(&self, known_s: f64) -> Option<f64> {
        let usual = self.usual_s().filter(|_| known_s >= KNOWN_MIN_S)?;
        let young = if known_s < DAY_S { KNOWN_TIMES * known_s } else { 0.0 };
        let lately = self.mean + DEVIATIONS * self.variance.sqrt();
        Some((MARGIN * usual).max(lately).max(PAUSE_MIN_S).max(young))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: f64 = 10.0 * DAY_S;

    fn rhythm(pauses: impl IntoIterator<Item = f64>) -> PauseStats {
        let mut rhythm = PauseStats::default();
        pauses.into_iter().for_each(|s| rhythm.pause(s));
        rhythm
    }

    #[test]
    fn a_clock_of_minutes_is_silent_after_minutes() {
        let steady = rhythm((0..200).map(|i| 55.0 + f64::from(i % 10)));
        let too_long = steady.too_long_s(KNOWN).unwrap();
        assert_eq!(too_long, PAUSE_MIN_S);
        let hourly = rhythm([3_600.0; 50]).too_long_s(KNOWN).unwrap();
        assert!((3.0 * 3_600.0..4.6 * 3_600.0).contains(&hourly), "{hourly}");
    }

    #[test]
    fn too_little_or_too_rare_is_never_silent() {
        assert_eq!(rhythm([60.0; 31]).too_long_s(KNOWN), None);
        assert!(rhythm([60.0; 32]).too_long_s(KNOWN).is_some());
        assert_eq!(rhythm([4.0 * DAY_S; 100]).too_long_s(KNOWN), None);
        assert_eq!(rhythm([0.0, 0.5, 1.0, -3.0, f64::NAN].into_iter().cycle().take(500)), PauseStats::default());
    }

    #[test]
    fn a_young_stream_must_be_silent_for_longer_than_it_spoke_and_a_job_is_no_stream() {
        assert_eq!(rhythm([60.0; 180]).too_long_s(3.0 * 3_600.0), Some(6.0 * 3_600.0));
        assert_eq!(rhythm([60.0; 60]).too_long_s(3_600.0), None);
    }

    #[test]
    fn nights_become_usual_and_an_outage_does_not() {
        let night = 12.0 * 3_600.0;
        let days = (0..720 * 2).map(|i| if i % 720 == 719 { night } else { 60.0 });
        assert!(rhythm(days).too_long_s(KNOWN).unwrap() > night);
        let outage = (0..1440 * 7).map(|i| if i == 5_000 { 6.0 * 3_600.0 } else { 60.0 });
        assert_eq!(rhythm(outage).too_long_s(KNOWN), Some(PAUSE_MIN_S));
    }

    #[test]
    fn a_stream_that_is_slow_just_now_has_more_time() {
        let evening = (0..5_000).map(|i| if i < 4_950 { 10.0 } else { 20.0 + 60.0 * f64::from(i % 3) });
        let too_long = rhythm(evening).too_long_s(KNOWN).unwrap();
        assert!((500.0..1_500.0).contains(&too_long), "{too_long}");
    }

    #[test]
    fn the_past_fades() {
        let mut rhythm = rhythm([60.0; 2 * 43_200]);
        (0..20 * 24).for_each(|_| rhythm.pause(3_600.0));
        assert!(rhythm.usual_s().unwrap() > 3_600.0);
        assert!(rhythm.total <= REMEMBERED_S);
    }
}
