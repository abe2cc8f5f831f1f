//! One stream of a source: what it knows and remembers, and what a record is to it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    StreamName,
    baseline::Baseline,
    character::{StreamCharacter, is_fall},
    features::{self, FeatureOutcome, FeatureReading, StreamMemory},
    figures::RecordFigures,
    learn::{Learner, SeenRange},
};
use crate::{episode::EpisodeRun, novelty, profile::ModelProfile, room::EvictionClaim, time::EventTime};

/// What is kept of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StreamState {
    pub(super) name: Arc<StreamName>,
    pub(super) baseline: Option<Baseline>,
    pub(super) learner: Option<Box<Learner>>,
    /// Of a stream that cannot learn because too many do.
    pub(super) range: Option<SeenRange>,
    pub(super) memory: Option<StreamMemory>,
    /// It left its level: it learns anew, and goes on from what it knows until then.
    pub(super) starts_again: bool,
    pub(super) tracker: EpisodeRun,
    pub(super) touched: u64,
}

/// What a stream may take memory for.
#[derive(Clone, Copy)]
pub(super) struct MemoryGrowth {
    pub(super) may_learn: bool,
    pub(super) is_full: bool,
}

impl StreamState {
    pub(super) fn claim(&self) -> EvictionClaim {
        let learnt = self.learner.as_ref().map(|learner| learner.seen());
        let seen = learnt.or(self.range.as_ref().map(SeenRange::seen)).unwrap_or(0);
        let last = i64::try_from(self.touched).unwrap_or(i64::MAX);
        EvictionClaim { learnt: self.baseline.is_some(), seen, last }
    }

    pub(super) fn observe(
        &mut self,
        profile: &ModelProfile,
        time: EventTime,
        value: f64,
        growth: MemoryGrowth,
    ) -> StreamOutcome {
        if self.learner.is_none() && self.baseline.is_some() && !(self.starts_again && growth.may_learn) {
            return self.read(time, value);
        }
        match &mut self.learner {
            Some(learner) => {
                let outside = learner.outside(value);
                // What is said of a record was learnt before it.
                let read = if self.baseline.is_some() { self.read(time, value) } else { StreamOutcome::new(outside) };
                self.learn(profile, time, value, growth.is_full);
                read
            }
            None if growth.may_learn => {
                self.starts_again = false;
                self.learner = Some(Box::new(Learner::start(time, value)));
                if self.baseline.is_some() {
                    return self.read(time, value);
                }
                let Some(mut range) = self.range.take() else { return StreamOutcome::default() };
                let outside = range.take(value);
                if let Some(learner) = &mut self.learner {
                    learner.know_range(range);
                }
                StreamOutcome::new(outside)
            }
            None => match &mut self.range {
                Some(range) => StreamOutcome::new(range.take(value)),
                None => {
                    self.range = Some(SeenRange::start(value));
                    StreamOutcome::default()
                }
            },
        }
    }

    fn learn(&mut self, profile: &ModelProfile, time: EventTime, value: f64, is_full: bool) {
        let Some(learner) = &mut self.learner else { return };
        if learner.learn(self.baseline.as_ref(), time, value, is_full)
            && let Some(next) = learner.fit(time, self.baseline.as_ref(), profile.prior(&self.name.component))
        {
            if let Some(before) = self.baseline.as_ref().filter(|before| before.character != next.character) {
                let is_counter = |b: &Baseline| b.character == StreamCharacter::Counter;
                // Peaks are of the number that is judged: it stays the same, but for a counter's.
                let keeps_peaks = is_counter(before) == is_counter(&next);
                self.memory = self.memory.take().filter(|_| keeps_peaks).map(|memory| memory.renewed(&next));
            }
            self.baseline = Some(next);
        }
    }

    fn read(&mut self, time: EventTime, value: f64) -> StreamOutcome {
        let Some(baseline) = &mut self.baseline else { return StreamOutcome::default() };
        let mut figures = RecordFigures::before(baseline, self.memory.as_ref(), time, value);
        if !baseline.character.has_features() {
            let (nearest, novelty) = novelty::among_known(baseline, value);
            if novelty > 0.0 {
                figures.known.clone_from(&baseline.known);
            } else {
                baseline.count_known(value);
            }
            let (expected, figures) = (Some(nearest), Some(figures));
            return StreamOutcome { expected, figures, ..StreamOutcome::new(novelty) };
        }
        let before = figures.before;
        match features::read(&mut self.memory, baseline, time, value) {
            FeatureOutcome::Reading(reading) => {
                let novelty = novelty::outside(baseline, reading.number, self.learner.is_some());
                let expected = Some(reading.expected);
                let figures = Some(figures.read(baseline, &reading));
                StreamOutcome { reading: Some(reading), expected, figures, ..StreamOutcome::new(novelty) }
            }
            // What learns may be no counter: it fell, but to no beginning.
            FeatureOutcome::Reset if self.learner.is_some() && before.is_some_and(|b| is_fall(b, value)) => {
                StreamOutcome { figures: Some(figures), ..StreamOutcome::default() }
            }
            FeatureOutcome::Reset if !baseline.resets => {
                StreamOutcome { is_reset: true, figures: Some(figures), ..StreamOutcome::new(novelty::RESET) }
            }
            FeatureOutcome::Reset | FeatureOutcome::Nothing => {
                StreamOutcome { figures: Some(figures), ..StreamOutcome::default() }
            }
        }
    }
}

/// What one record was to its stream, without the stream.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamOutcome {
    pub(super) reading: Option<FeatureReading>,
    pub(super) expected: Option<f64>,
    pub(super) novelty: f32,
    pub(super) is_reset: bool,
    pub(super) figures: Option<RecordFigures>,
}

impl StreamOutcome {
    fn new(novelty: f32) -> Self {
        Self { novelty, ..Self::default() }
    }
}
