//! How often scores went up to each level: episodes, in a memory that fades with event time.
//!
//! An episode at a level begins with a record that reaches it after [`EPISODE_GAP_RECORDS`] that did not: what
//! [`crate::episode`] merges, at all levels at once. So an incident counts once a level, however long it is.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    levels::{LEVELS, ln_level, reached},
    tail::CLIFF,
};
use crate::{limits::EPISODE_GAP_RECORDS, time::EventTime, weight};

const GAP: usize = EPISODE_GAP_RECORDS as usize;
/// Time constant of the memory: a whole week is always seen.
const MEMORY_DAYS: f64 = 10.0;
/// The same while scores are no longer what they were.
const SHORT_MEMORY_DAYS: f64 = 1.0;
/// The longest pause between two looks that counts as watched.
const PAUSE_DAYS: f64 = 1.0;

/// The levels that a stream's last records reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct RecentLevels([u8; GAP]);

impl RecentLevels {
    /// Takes the logarithm of a score; the levels at which an episode begins with it.
    pub(super) fn push(&mut self, ln_score: f64) -> Range<usize> {
        let level = reached(ln_score);
        let before = self.0.iter().copied().max().unwrap_or(0);
        self.0.rotate_left(1);
        self.0[GAP - 1] = level;
        usize::from(before.min(level))..usize::from(level)
    }
}

/// Episodes at each level and the days they come from; both fade.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct EpisodeHistogram {
    /// Up to the highest level that was ever reached.
    episodes: Vec<f32>,
    days: f64,
    last: Option<EventTime>,
}

impl EpisodeHistogram {
    /// Time goes on to `now`; the past fades faster when it `is_outdated`. The days passed.
    #[expect(clippy::cast_possible_truncation, reason = "counts are kept in f32")]
    pub(super) fn advance(&mut self, now: EventTime, is_outdated: bool) -> f64 {
        let days = self.last.map_or(0.0, |last| now.seconds_since(last) / 86_400.0).max(0.0);
        self.last = self.last.max(Some(now));
        if days > 0.0 {
            let fade = libm::exp(-days / if is_outdated { SHORT_MEMORY_DAYS } else { MEMORY_DAYS });
            self.episodes.iter_mut().for_each(|n| *n *= fade as f32);
            self.days = self.days * fade + days.min(PAUSE_DAYS);
        }
        days
    }

    /// An episode begins at each of these levels.
    pub(super) fn add(&mut self, levels: Range<usize>) {
        if self.episodes.len() < levels.end {
            self.episodes.resize(levels.end, 0.0);
        }
        self.episodes[levels].iter_mut().for_each(|n| *n += 1.0);
    }

    /// Days remembered.
    pub(super) fn days(&self) -> f64 {
        self.days
    }

    /// Levels that were ever reached.
    pub(super) fn reached(&self) -> usize {
        self.episodes.len()
    }

    /// Episodes at a level.
    pub(super) fn at(&self, level: usize) -> f64 {
        self.episodes.get(level).copied().map_or(0.0, f64::from)
    }

    /// Episodes at the score of this logarithm, between its two levels.
    pub(super) fn above(&self, ln_score: f64) -> f64 {
        let level = usize::from(reached(ln_score)).saturating_sub(1).min(LEVELS - 2);
        let (low, high) = (ln_level(level), ln_level(level + 1));
        let share = ((ln_score - low) / (high - low)).clamp(0.0, 1.0);
        let (below, above) = (self.at(level), self.at(level + 1));
        // A cliff may be anywhere between the two.
        let share = if below > CLIFF * (above + 1.0) { 0.0 } else { share };
        below * (1.0 - share) + above * share
    }

    pub(super) fn bytes(&self) -> usize {
        weight::items::<f32>(self.episodes.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_counts_once_a_level() {
        let (mut recent, mut histogram) = (RecentLevels::default(), EpisodeHistogram::default());
        let scores = [0.1, 0.5, 2.0, 0.1, 2.0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 2.0, 3.0, 2.9];
        for score in scores {
            let levels = recent.push(libm::log(score));
            histogram.add(levels);
        }
        let at = |score: f64| histogram.at(usize::from(reached(libm::log(score))) - 1);
        assert_eq!([0.3, 0.5, 1.9, 2.9, 3.5].map(at), [2.0, 2.0, 2.0, 1.0, 0.0]);
        assert!((histogram.above(libm::log(1.8)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn counts_and_days_fade_together() {
        let mut histogram = EpisodeHistogram::default();
        for hour in 0..60 * 24 {
            histogram.advance(EventTime::from_micros(hour * 3_600_000_000), false);
            histogram.add(0..3);
        }
        let rate = histogram.at(0) / histogram.days();
        assert!((rate - 24.0).abs() < 0.2 && histogram.days() < MEMORY_DAYS, "{rate} a day");
        histogram.advance(EventTime::from_micros(0), false);
        assert!((histogram.at(0) / histogram.days() - rate).abs() < 1e-6, "time does not go back");
    }
}
