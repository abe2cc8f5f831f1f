//! Neighbouring verdicts of one stream become one episode. Pure; event time is an argument.

use serde::{Deserialize, Serialize};

use crate::{limits::EPISODE_GAP_RECORDS, time::EventTime};

/// An episode that lasts longer than this is no anomaly but a new level, in seconds.
pub const ADAPT_AFTER_S: f64 = 86_400.0;

/// A run of odd records of one stream, with at most [`EPISODE_GAP_RECORDS`] normal ones between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpisodeSpan {
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
pub enum EpisodeStep {
    /// No episode, before and after.
    Quiet,
    /// The first odd record.
    Opened,
    /// The episode goes on, by an odd record or by a normal one that does not end it yet.
    Goes,
    /// Enough normal records: it is over.
    Closed(EpisodeSpan),
    /// It has lasted too long to be odd.
    NewLevel(EpisodeSpan),
}

/// Follows one stream.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpisodeRun {
    open: Option<EpisodeSpan>,
    quiet: u32,
    /// The newest record.
    latest: Option<EventTime>,
}

impl EpisodeRun {
    /// Takes the verdict on the stream's next record.
    pub fn push(&mut self, time: EventTime, anomalous: bool, score: f32) -> EpisodeStep {
        self.latest = self.latest.max(Some(time));
        let Some(open) = &mut self.open else {
            if !anomalous {
                return EpisodeStep::Quiet;
            }
            self.open = Some(EpisodeSpan { first: time, last: time, records: 1, peak: score });
            self.quiet = 0;
            return EpisodeStep::Opened;
        };
        if !anomalous {
            self.quiet += 1;
            return if self.quiet >= EPISODE_GAP_RECORDS { self.close(EpisodeStep::Closed) } else { EpisodeStep::Goes };
        }
        self.quiet = 0;
        open.last = open.last.max(time);
        open.records += 1;
        open.peak = open.peak.max(score);
        if open.last.seconds_since(open.first) > ADAPT_AFTER_S {
            self.close(EpisodeStep::NewLevel)
        } else {
            EpisodeStep::Goes
        }
    }

    /// Seconds from the newest record to one at `time`; 0 for the first, and for a late one.
    #[must_use]
    pub fn pause_s(&self, time: EventTime) -> f64 {
        self.latest.map_or(0.0, |latest| time.seconds_since(latest).max(0.0))
    }

    /// The episode under way.
    #[must_use]
    pub fn open(&self) -> Option<&EpisodeSpan> {
        self.open.as_ref()
    }

    fn close(&mut self, how: fn(EpisodeSpan) -> EpisodeStep) -> EpisodeStep {
        self.quiet = 0;
        self.open.take().map_or(EpisodeStep::Quiet, how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pattern: &str, seconds: i64) -> Vec<EpisodeStep> {
        let mut tracker = EpisodeRun::default();
        let at = |i: i64| EventTime::from_micros(i * seconds * 1_000_000);
        (0..).zip(pattern.chars()).map(|(i, c)| tracker.push(at(i), c == 'x', 2.0)).collect()
    }

    #[test]
    fn normal_records_in_between_do_not_split_an_episode() {
        let steps = steps(".x....x.....x", 60);
        assert_eq!(steps.iter().filter(|s| **s == EpisodeStep::Opened).count(), 2);
        let closed: Vec<&EpisodeStep> = steps.iter().filter(|s| matches!(s, EpisodeStep::Closed(_))).collect();
        let minute = |i: i64| EventTime::from_micros(i * 60_000_000);
        let expected = EpisodeSpan { first: minute(1), last: minute(6), records: 2, peak: 2.0 };
        assert_eq!(closed, [&EpisodeStep::Closed(expected)]);
    }

    #[test]
    fn a_day_of_it_is_a_new_level() {
        let steps = steps("xxxxxxxxxx", 12 * 3600);
        assert!(matches!(steps[3], EpisodeStep::NewLevel(e) if e.records == 4));
        assert_eq!(steps[4], EpisodeStep::Opened);
    }
}
