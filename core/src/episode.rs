//! Neighbouring verdicts of one stream become one episode. Pure; event time is an argument.

use serde::{Deserialize, Serialize};

use crate::{limits::EPISODE_GAP_RECORDS, time::EventTime};

/// An episode that lasts longer than this is no anomaly but a new level, in seconds.
pub const ADAPT_AFTER_S: f64 = 86_400.0;

/// A run of odd records of one stream, with at most [`EPISODE_GAP_RECORDS`] normal ones between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// First odd record.
    pub first: EventTime,
    /// Last odd record so far.
    pub last: EventTime,
    /// Odd records.
    pub records: u64,
    /// Largest score.
    pub peak: f32,
}

/// What a record did to its stream's episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// No episode, before and after.
    Quiet,
    /// The first odd record.
    Opened,
    /// The episode goes on, by an odd record or by a normal one that does not end it yet.
    Goes,
    /// Enough normal records: it is over.
    Closed(Episode),
    /// It has lasted too long to be odd.
    NewLevel(Episode),
}

/// Follows one stream.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Tracker {
    open: Option<Episode>,
    quiet: u32,
}

impl Tracker {
    /// Takes the verdict on the stream's next record.
    pub fn push(&mut self, time: EventTime, anomalous: bool, score: f32) -> Step {
        let Some(open) = &mut self.open else {
            if !anomalous {
                return Step::Quiet;
            }
            self.open = Some(Episode { first: time, last: time, records: 1, peak: score });
            self.quiet = 0;
            return Step::Opened;
        };
        if !anomalous {
            self.quiet += 1;
            return if self.quiet >= EPISODE_GAP_RECORDS { self.close(Step::Closed) } else { Step::Goes };
        }
        self.quiet = 0;
        open.last = open.last.max(time);
        open.records += 1;
        open.peak = open.peak.max(score);
        if open.last.seconds_since(open.first) > ADAPT_AFTER_S { self.close(Step::NewLevel) } else { Step::Goes }
    }

    /// The episode under way.
    #[must_use]
    pub fn open(&self) -> Option<&Episode> {
        self.open.as_ref()
    }

    fn close(&mut self, how: fn(Episode) -> Step) -> Step {
        self.quiet = 0;
        self.open.take().map_or(Step::Quiet, how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pattern: &str, seconds: i64) -> Vec<Step> {
        let mut tracker = Tracker::default();
        let at = |i: i64| EventTime::from_micros(i * seconds * 1_000_000);
        (0..).zip(pattern.chars()).map(|(i, c)| tracker.push(at(i), c == 'x', 2.0)).collect()
    }

    #[test]
    fn normal_records_in_between_do_not_split_an_episode() {
        let steps = steps(".x....x.....x", 60);
        assert_eq!(steps.iter().filter(|s| **s == Step::Opened).count(), 2);
        let closed: Vec<&Step> = steps.iter().filter(|s| matches!(s, Step::Closed(_))).collect();
        let minute = |i: i64| EventTime::from_micros(i * 60_000_000);
        let expected = Episode { first: minute(1), last: minute(6), records: 2, peak: 2.0 };
        assert_eq!(closed, [&Step::Closed(expected)]);
    }

    #[test]
    fn a_day_of_it_is_a_new_level() {
        let steps = steps("xxxxxxxxxx", 12 * 3600);
        assert!(matches!(steps[3], Step::NewLevel(e) if e.records == 4));
        assert_eq!(steps[4], Step::Opened);
    }
}
