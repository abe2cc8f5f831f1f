//! A stream nobody fitted: it learns its own baseline from what it sees, in bounded memory.
//!
//! Below [`READY`] records only its range is known. Then its character, level and scales from the kept readings, again
//! and again; the daily terms once the records span two days, renewed daily. Sums decay, so that an old curve fades.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    baseline::Baseline,
    character::{CharacterMemory, JudgedValue, StreamCharacter, is_fall},
    daily::{CURVE, DAILY_SPAN_S, NormalEquations, curve_at, phases},
    fit::run_of,
    known::{KnownValues, are_classes},
};
use crate::{limits::LEARNING_KEPT, novelty, time::EventTime, weight};

/// Records before a stream has a level and scales.
pub const READY: u64 = 200;
/// Until the daily terms are known a level is where the stream was lately: fitted again after so many records.
const AGAIN: u64 = 64;
/// A scale gives way to a smaller one by this at each fit: a quiet hour is not what the stream is like.
const SCALE_KEPT: f64 = 0.9;
/// Daily terms are solved again this often, in seconds of event time.
const RENEW_S: f64 = 86_400.0;
/// Weight of the sums' past at each renewal.
const FADE: f64 = 0.7;
/// Readings that the first of a stream takes memory for.
const NEWEST_MIN: usize = 4;
/// Readings that a level and scales want: fewer are kept only where memory was short.
const KEPT_MIN: usize = 64;
/// Values this many scales from the level enter the sums cut.
const CUT: f64 = 4.0;

/// The values a stream has shown while nothing else is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeenRange {
    seen: u64,
    min: f64,
    max: f64,
}

impl SeenRange {
    /// A stream's first value.
    #[must_use]
    pub fn start(value: f64) -> Self {
        Self { seen: 1, min: value, max: value }
    }

    /// Of a stream that was known before it began to learn again.
    #[must_use]
    pub(super) fn known(min: f64, max: f64) -> Self {
        Self { seen: READY, min, max }
    }

    /// Records seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes a value; how far outside it was, see [`novelty::while_learning`].
    #[must_use]
    pub fn take(&mut self, value: f64) -> f32 {
        let outside = novelty::while_learning(self.seen, (self.min, self.max), value);
        *self = Self { seen: self.seen + 1, min: self.min.min(value), max: self.max.max(value) };
        outside
    }
}

/// The newest readings, at most [`LEARNING_KEPT`], the oldest first. Takes memory for what it holds: most names of a
/// crowd are seen once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "VecDeque<(EventTime, f64)>")]
struct NewestReadings(VecDeque<(EventTime, f64)>);

impl NewestReadings {
    fn push(&mut self, time: EventTime, value: f64, is_full: bool) {
        let room = if is_full { self.0.capacity().clamp(1, LEARNING_KEPT) } else { LEARNING_KEPT };
        if self.0.len() >= room {
            self.0.pop_front();
        } else if self.0.len() == self.0.capacity() {
            let more = self.0.len().max(NEWEST_MIN).min(LEARNING_KEPT - self.0.len());
            self.0.reserve_exact(more);
        }
        self.0.push_back((time, value));
    }
}

impl From<VecDeque<(EventTime, f64)>> for NewestReadings {
    fn from(mut kept: VecDeque<(EventTime, f64)>) -> Self {
        kept.drain(..kept.len().saturating_sub(LEARNING_KEPT));
        kept.shrink_to_fit();
        Self(kept)
    }
}

/// What a learning stream keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Learner {
    seen: u64,
    started: EventTime,
    renewed: EventTime,
    kept: NewestReadings,
    sums: NormalEquations,
    min: f64,
    max: f64,
    /// Values equal to the one before, of those the last in a row and the most.
    repeats: u64,
    run: u32,
    run_longest: u32,
    /// A value fell, but to no beginning: it is no counter, though it may look like one for long.
    falls: bool,
    /// All its values, while they are few.
    few: Option<KnownValues>,
    /// What the last fit took it for, and what must be known to judge its next value so.
    character: StreamCharacter,
    memory: CharacterMemory,
}

impl Learner {
    /// A stream's first record.
    #[must_use]
    pub fn start(time: EventTime, value: f64) -> Self {
        let mut learner = Self {
            seen: 0,
            started: time,
            renewed: time,
            kept: NewestReadings::default(),
            sums: NormalEquations::default(),
            min: value,
            max: value,
            repeats: 0,
            run: 0,
            run_longest: 0,
            falls: false,
            few: Some(KnownValues::default()),
            character: StreamCharacter::default(),
            memory: CharacterMemory::default(),
        };
        let _ = learner.learn(None, time, value, false);
        learner
    }

    /// Records seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Goes on from a range that is known.
    pub(super) fn know_range(&mut self, range: SeenRange) {
        (self.min, self.max) = (self.min.min(range.min), self.max.max(range.max));
    }

    /// What it weighs in a box of its own, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        weight::block(size_of::<Self>())
            + weight::items::<(EventTime, f64)>(self.kept.0.capacity())
            + self.few.as_ref().map_or(0, KnownValues::bytes)
    }

    /// How far outside of what was seen a value is, while nothing else is known of the stream.
    #[must_use]
    pub fn outside(&self, value: f64) -> f32 {
        match &self.few {
            Some(few) if are_classes(&few.values, &few.seen) => novelty::among_classes(&few.values, &few.seen, value),
            _ => novelty::while_learning(self.seen, (self.min, self.max), value),
        }
    }

    /// Whether the daily curve is known, that is, learning is over.
    #[must_use]
    pub fn is_done(&self, now: EventTime) -> bool {
        self.seen >= READY && now.seconds_since(self.started) >= DAILY_SPAN_S
    }

    /// Takes one record, in the memory it has when that is full; true when a new baseline is due: ask [`Learner::fit`]
    /// for it.
    #[must_use]
    pub fn learn(&mut self, current: Option<&Baseline>, time: EventTime, value: f64, is_full: bool) -> bool {
        self.seen += 1;
        let before = self.kept.0.back().map(|(_, value)| *value);
        self.follow_runs(before, value);
        let is_fall = !self.falls && before.is_some_and(|before| is_fall(before, value));
        self.falls |= is_fall;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.kept.push(time, value, is_full);
        self.few = self.few.take().and_then(|mut few| few.take(value).then_some(few));
        let is_counter = self.character == StreamCharacter::Counter;
        let summed = if is_counter { StreamCharacter::Counter } else { StreamCharacter::Continuous };
        if let JudgedValue::Of { number, .. } = self.memory.take(summed, time, value, 0.0) {
            let has_level = |b: &&Baseline| b.character != StreamCharacter::Wandering;
            let level_reach = current.filter(has_level).map(|b| (curve_at(&b.curve, &phases(time)), full_count(b)));
            let kept = level_reach.map_or(number, |(level, reach)| number.clamp(level - reach, level + reach));
            self.sums.add(&phases(time), kept);
        }
        let is_again = !self.is_done(time) && self.seen > READY && self.seen.is_multiple_of(AGAIN);
        let is_first = self.seen == READY || (current.is_none() && self.seen.is_multiple_of(READY));
        let is_renewed = self.is_done(time) && time.seconds_since(self.renewed) >= RENEW_S;
        let is_no_counter = is_fall && current.is_some_and(|b| b.character == StreamCharacter::Counter);
        self.kept.0.len() >= KEPT_MIN && (is_first || is_again || is_renewed || is_no_counter)
    }

    /// A baseline from what is known now: the daily curve from the sums once learning is over, before that the shape of
    /// the component's prior, or none. `None` when nothing can be fitted.
    #[must_use]
    pub fn fit(&mut self, now: EventTime, current: Option<&Baseline>, prior: Option<&Baseline>) -> Option<Baseline> {
        let (times, values): (Vec<EventTime>, Vec<f64>) = self.kept.0.iter().copied().unzip();
        if let Some(few) = &self.few
            && let Some(fit) = Baseline::few(&times, few.clone())
        {
            return Some(self.becomes(now, fit));
        }
        let is_done = self.is_done(now);
        let mut shape = prior.filter(|p| p.character == StreamCharacter::Daily).map_or([0.0; CURVE], |p| p.curve);
        let has_shape = shape[1..].iter().any(|b| *b != 0.0);
        if is_done {
            self.renewed = now;
            if self.character != StreamCharacter::Sparse
                && let Some(curve) = self.sums.solve()
            {
                self.sums.fade(FADE);
                shape = curve;
            }
        }
        let all = vec![true; values.len()];
        let mut fit = Baseline::fit_shaped(&times, &values, &all, Some(shape))?;
        let is_level = matches!(fit.character, StreamCharacter::Continuous | StreamCharacter::Daily);
        if (!is_done && !has_shape && is_level) || (self.falls && fit.character == StreamCharacter::Counter) {
            // Until its day is known, a level is where the stream just was.
            fit = Baseline::fit_wandering(&times, &values, &all)?;
        }
        // It rests, or shows few values, only lately: what is known of it stays.
        if !fit.character.has_features() {
            return None;
        }
        if let Some(current) = current.filter(|b| b.character.has_features() && b.character == fit.character) {
            let scale = fit.residual_scale.max(SCALE_KEPT * current.residual_scale);
            let step =
                (fit.step_scale * fit.residual_scale).max(SCALE_KEPT * current.step_scale * current.residual_scale);
            (fit.residual_scale, fit.step_scale) = (scale, step / scale);
            fit.resets |= current.resets;
            fit.gap_long_s = fit.gap_long_s.max(SCALE_KEPT * current.gap_long_s);
            (fit.min, fit.max) = (fit.min.min(current.min), fit.max.max(current.max));
        } else if matches!(
            fit.character,
            StreamCharacter::Continuous | StreamCharacter::Daily | StreamCharacter::Sparse
        ) {
            (fit.min, fit.max) = (self.min, self.max);
        }
        if !fit.character.rests() {
            fit.run = run_of(self.seen, self.repeats, f64::from(self.run_longest));
        }
        fit.is_sound().then(|| self.becomes(now, fit))
    }

    fn follow_runs(&mut self, before: Option<f64>, value: f64) {
        let is_equal = before.is_some_and(|before| before.total_cmp(&value).is_eq());
        self.repeats += u64::from(is_equal);
        self.run = if is_equal { self.run.saturating_add(1) } else { 1 };
        self.run_longest = self.run_longest.max(self.run);
    }

    /// Takes note of what the stream is taken for from now on: the sums of a counter are of its rate.
    fn becomes(&mut self, now: EventTime, fit: Baseline) -> Baseline {
        let is_counter = |c: StreamCharacter| c == StreamCharacter::Counter;
        if is_counter(fit.character) != is_counter(self.character) {
            self.sums = NormalEquations::default();
            self.memory = CharacterMemory::default();
            self.started = now;
        }
        self.character = fit.character;
        fit
    }
}

/// How far from the curve a value still counts in full. Before a daily curve is known a short history says little
/// about the day's swing: the range so far leaves room for it.
fn full_count(baseline: &Baseline) -> f64 {
    let is_flat = baseline.curve[1..].iter().all(|b| *b == 0.0);
    let swing = if is_flat { baseline.max - baseline.min } else { 0.0 };
    (CUT * baseline.residual_scale).max(swing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_scale_are_survived() {
        for far in [f64::MAX, 1e300, 1e160] {
            let at = |i: usize| EventTime::from_micros(i as i64 * 600_000_000);
            let value = |i: usize| if i.is_multiple_of(2) { far } else { -far };
            let mut learner = Learner::start(at(0), value(0));
            let mut baseline: Option<Baseline> = None;
            for i in 1..1_000 {
                if learner.learn(baseline.as_ref(), at(i), value(i), false)
                    && let Some(next) = learner.fit(at(i), baseline.as_ref(), None)
                {
                    assert!(next.is_sound(), "{far}: {next:?}");
                    baseline = Some(next);
                }
            }
        }
    }

    #[test]
    fn readings_take_memory_as_they_come_and_are_stored_as_they_are() {
        let at = |i: usize| EventTime::from_micros(i as i64);
        let mut newest = NewestReadings::default();
        for i in 0..LEARNING_KEPT + 40 {
            newest.push(at(i), i as f64, false);
            let most = (2 * newest.0.len()).max(newest.0.len() + NEWEST_MIN).min(LEARNING_KEPT);
            assert!(newest.0.capacity() <= most, "{i}");
            if i.is_multiple_of(37) || i > LEARNING_KEPT - 5 {
                let bytes = postcard::to_allocvec(&newest).unwrap();
                newest = postcard::from_bytes(&bytes).unwrap();
            }
        }
        let kept: Vec<f64> = newest.0.iter().map(|(_, value)| *value).collect();
        assert_eq!((kept.len(), kept[0], kept[255]), (LEARNING_KEPT, 40.0, 295.0));
    }

    #[test]
    fn full_memory_keeps_the_newest_and_too_few_fit_nothing() {
        let at = |i: usize| EventTime::from_micros(i as i64 * 60_000_000);
        let due_with = |kept: usize| {
            let mut learner = Learner::start(at(0), 0.0);
            let mut due = Vec::new();
            for i in 1..1_000 {
                if learner.learn(None, at(i), (i % 7) as f64, i >= kept) {
                    due.push(i);
                }
            }
            assert!(learner.kept.0.len() <= kept.next_power_of_two() && learner.kept.0.back().unwrap().0 == at(999));
            due
        };
        assert_eq!(due_with(20), [0; 0], "a level of twenty readings is a guess");
        assert_eq!(due_with(100)[..4], [199, 255, 319, 383]);
    }

    #[test]
    fn learns_level_then_day() {
        let at = |i: usize| EventTime::from_micros(i as i64 * 60_000_000);
        let value =
            |i: usize| curve_at(&[40.0, 8.0, 3.0, 0.0, 0.0], &phases(at(i))) + (i as f64 * 0.754_877).fract() - 0.5;
        let mut learner = Learner::start(at(0), value(0));
        let mut baseline: Option<Baseline> = None;
        let mut changes = Vec::new();
        for i in 1..4 * 1440 {
            if learner.learn(baseline.as_ref(), at(i), value(i), false) {
                changes.push(i);
                baseline = learner.fit(at(i), baseline.as_ref(), None);
            }
        }
        assert_eq!(changes[..2], [199, 255]);
        assert_eq!(changes[changes.len() - 2..], [2880, 4320]);
        let fit = baseline.unwrap();
        assert!(fit.is_sound());
        for (found, true_) in fit.curve.iter().zip([40.0, 8.0, 3.0, 0.0, 0.0]) {
            assert!((found - true_).abs() < 0.3, "{:?}", fit.curve);
        }
        assert!(fit.residual_scale > 0.2 && fit.residual_scale < 0.6, "{}", fit.residual_scale);
    }
}
