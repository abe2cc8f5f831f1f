//! What is usual for one stream: its daily curve, its scales, its range. Fitted robustly on training data ([`super::fit`]);
//! moved slowly while judging by [`super::StreamTable`].

use serde::{Deserialize, Serialize};

use super::{
    character::{FEW_VALUES, StreamCharacter, unit},
    daily::CURVE,
    fit::{JudgedSeries, RUN_ENDLESS, RUN_MIN, SCALE_FLOOR, usual_gaps},
    known::{self, KnownValues, are_classes},
    recurrence::RecurringPeak,
};
use crate::{limits::RECURRING_MAX, robust::median, time::EventTime, weight};

/// A residual that moves by less than this share of its scale from record to record wanders: its level is where it just was.
const WANDERS: f64 = 0.08;
/// The level of a wandering stream follows a value as far as this many scales.
const WANDER_REACH: f64 = 4.0;
/// Values that tell a wandering stream from one of which too little was seen.
const WANDERS_VALUES: usize = 200;
/// Margin beyond few known values: steps between them, ...
const KNOWN_STEPS: f64 = 3.0;
/// ... a share of their range ...
const KNOWN_SHARE: f64 = 0.25;
/// ... and of their size.
const KNOWN_LEVEL: f64 = 0.02;
/// The usual behaviour of one stream. All values finite, all scales positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Daily curve: coefficients of (1, sin w, cos w, sin 2w, cos 2w), w = 2 pi (second of day) / 86400.
    pub curve: [f64; CURVE],
    /// Robust scale of value minus curve, in the value's unit.
    pub residual_scale: f64,
    /// Robust scale of the difference between neighbouring residuals, in residual scales.
    pub step_scale: f64,
    /// Usual seconds between records.
    pub gap_s: f64,
    /// Seconds without a record that are still usual.
    pub gap_long_s: f64,
    /// Values at most this far apart count as equal, in the value's unit.
    pub still: f64,
    /// Run of equal values that is still usual, in records.
    pub run: f64,
    /// Smallest usual number that is judged: of a counter a rate, of a wandering stream a distance.
    pub min: f64,
    /// Largest usual one.
    pub max: f64,
    /// Beyond the range by this much is new.
    pub margin: f64,
    /// What kind of numbers they are.
    #[serde(default)]
    pub character: StreamCharacter,
    /// Of a stream of few values: these, in ascending order.
    #[serde(default)]
    pub known: Vec<f64>,
    /// How often each of these was seen; empty where that is not known.
    #[serde(default)]
    pub known_seen: Vec<u32>,
    /// Of a counter: whether it begins anew now and then.
    #[serde(default)]
    pub resets: bool,
    /// What comes at regular times, at most [`RECURRING_MAX`].
    #[serde(default)]
    pub peaks: Vec<RecurringPeak>,
    /// What this stream's scores are divided by: above 1 where what is odd elsewhere is usual here.
    pub loudness: f64,
}

impl Baseline {
    /// Fits a baseline on one stream's training records, in order of time; rows of `use_row` that are false (found odd
    /// in an earlier round) take no part. `None` below 3 usable records, or when they lie too far apart to have a scale.
    ///
    /// # Panics
    /// When the slices differ in length.
    #[must_use]
    pub fn fit(times: &[EventTime], values: &[f64], use_row: &[bool]) -> Option<Self> {
        Self::fit_shaped(times, values, use_row, None)
    }

    /// The same with the shape of a daily curve that is known from elsewhere: only its level is fitted.
    ///
    /// # Panics
    /// When the slices differ in length.
    #[must_use]
    pub fn fit_shaped(
        times: &[EventTime],
        values: &[f64],
        use_row: &[bool],
        shape: Option<[f64; CURVE]>,
    ) -> Option<Self> {
        assert!(times.len() == values.len() && times.len() == use_row.len(), "one flag and one time a value");
        let kept: Vec<f64> = values.iter().zip(use_row).filter(|(_, used)| **used).map(|(value, _)| *value).collect();
        if kept.len() < 3 {
            return None;
        }
        // What was found odd are values of the stream too: few are few with them.
        let seen = use_row.iter().rposition(|used| *used).map_or(&[][..], |last| &values[..=last]);
        let character = match StreamCharacter::of(&kept) {
            few if !few.has_features() && KnownValues::of(seen.iter().copied()).is_none() => {
                StreamCharacter::of_many(&kept)
            }
            other => other,
        };
        let series = JudgedSeries::new(character, times, values, use_row)?;
        if !character.has_features() {
            return Self::of_known(series.gaps(), KnownValues::of(kept)?);
        }
        let fit = series.fit(character, shape)?;
        let is_wandering = fit.step_scale < WANDERS
            && kept.len() >= WANDERS_VALUES
            && matches!(fit.character, StreamCharacter::Continuous | StreamCharacter::Daily);
        if !is_wandering {
            return Some(fit);
        }
        Self::fit_wandering(times, values, use_row)
    }

    /// The same of a stream whose level is where it just was.
    #[must_use]
    pub fn fit_wandering(times: &[EventTime], values: &[f64], use_row: &[bool]) -> Option<Self> {
        JudgedSeries::new(StreamCharacter::Wandering, times, values, use_row)?.fit(StreamCharacter::Wandering, None)
    }

    /// The same of any stream as if it varied around a level: what its character is worth shows beside it.
    #[must_use]
    pub fn fit_continuous(times: &[EventTime], values: &[f64], use_row: &[bool]) -> Option<Self> {
        JudgedSeries::new(StreamCharacter::Continuous, times, values, use_row)?.fit(StreamCharacter::Continuous, None)
    }

    /// Of a stream that has had only these values; `None` without any. `times` are those of its last records.
    #[must_use]
    pub fn few(times: &[EventTime], known: KnownValues) -> Option<Self> {
        let gaps = times.windows(2).map(|pair| pair[1].seconds_since(pair[0]));
        Self::of_known(usual_gaps(gaps), known)
    }

    /// Of a stream that has only these values.
    fn of_known((gap_s, gap_long_s): (f64, f64), known: KnownValues) -> Option<Self> {
        let KnownValues { values: known, seen: known_seen } = known;
        let (min, max) = (*known.first()?, *known.last()?);
        let character = if known.len() == 1 { StreamCharacter::Constant } else { StreamCharacter::FewValues };
        let level = median(&known);
        let mut fit = Self {
            curve: [level, 0.0, 0.0, 0.0, 0.0],
            residual_scale: 1.0,
            step_scale: 1.0,
            gap_s,
            gap_long_s,
            still: 0.0,
            run: RUN_ENDLESS,
            min,
            max,
            margin: 1.0,
            loudness: 1.0,
            character,
            known,
            known_seen,
            resets: false,
            peaks: Vec::new(),
        };
        fit.margin = fit.margin_of_known();
        fit.residual_scale = fit.margin;
        fit.is_sound().then_some(fit)
    }

    /// Beyond a few known values by this much is worth a word: one unit more hardly is.
    fn margin_of_known(&self) -> f64 {
        let steps = self.known.windows(2).map(|pair| pair[1] - pair[0]);
        let step = steps.fold(f64::INFINITY, f64::min);
        let unit = if step.is_finite() { step } else { unit(self.min) };
        let level = self.min.abs().max(self.max.abs());
        (KNOWN_STEPS * unit).max(KNOWN_SHARE * (self.max - self.min)).max(KNOWN_LEVEL * level).max(1e-9)
    }

    /// Takes a value as one that the stream has; false when it has too many by now to be one of few values.
    pub fn take_known(&mut self, value: f64) -> bool {
        let before = self.known.len();
        if !known::take(&mut self.known, &mut self.known_seen, value) {
            return false;
        }
        if self.known.len() > before {
            self.widen(value);
            self.character = if self.known.len() == 1 { StreamCharacter::Constant } else { StreamCharacter::FewValues };
            self.margin = self.margin_of_known();
        }
        true
    }

    /// Counts a record with one of the known values.
    pub(super) fn count_known(&mut self, value: f64) {
        if self.known_seen.len() == self.known.len() {
            known::take(&mut self.known, &mut self.known_seen, value);
        }
    }

    /// Whether the known values are classes, such as status codes: one that is none of them has no distance.
    #[must_use]
    pub fn has_classes(&self) -> bool {
        are_classes(&self.known, &self.known_seen)
    }

    /// How far the level of a wandering stream follows a value.
    #[must_use]
    pub fn reach(&self) -> f64 {
        WANDER_REACH * self.residual_scale
    }

    /// Goes over to another level, so many residual scales away, where values vary by so many scales.
    pub fn move_level(&mut self, distance: f64, spread: f64) {
        let level = self.curve[0] + distance * self.residual_scale;
        let scale = self.residual_scale * spread.max(1.0);
        if level.is_finite() && scale.is_finite() {
            self.curve[0] = level;
            self.residual_scale = scale;
            self.widen(level);
        }
    }

    /// What it weighs beside itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        weight::items::<f64>(self.known.capacity())
            + weight::items::<u32>(self.known_seen.capacity())
            + weight::items::<RecurringPeak>(self.peaks.capacity())
    }

    /// Takes a value outside the range as seen from now on.
    pub fn widen(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Mean square of the usual steps in step scales: 1, or 0 where most neighbours are equal and a step has no scale
    /// but the floor.
    #[must_use]
    pub fn volatility(&self) -> f64 {
        if self.step_scale > SCALE_FLOOR { 1.0 } else { 0.0 }
    }

    /// Whether a good part of the stream's values repeats the one before.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.run > RUN_MIN || self.character.rests()
    }

    /// Whether every number is finite and every scale positive: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let positive = [self.residual_scale, self.step_scale, self.gap_s, self.gap_long_s, self.margin, self.loudness];
        self.curve.iter().all(|b| b.is_finite())
            && positive.iter().all(|s| s.is_finite() && *s > 0.0)
            && [self.still, self.run].iter().all(|s| s.is_finite() && *s >= 0.0)
            && self.min.is_finite()
            && self.max.is_finite()
            && self.min <= self.max
            && self.known.len() <= FEW_VALUES
            && self.known.iter().all(|v| v.is_finite())
            && (self.known_seen.is_empty() || self.known_seen.len() == self.known.len())
            && self.known.is_empty() == self.character.has_features()
            && self.peaks.len() <= RECURRING_MAX
            && self.peaks.iter().all(RecurringPeak::is_sound)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::daily::{curve_at, phases},
        *,
    };

    fn minutes(n: usize) -> Vec<EventTime> {
        (0..n).map(|i| EventTime::from_micros(i as i64 * 60_000_000)).collect()
    }

    /// A fixed wobble instead of noise: mean 0, never repeating within a day.
    fn wobble(i: usize) -> f64 {
        (i as f64 * 0.754_877).fract() - 0.5
    }

    fn daily(times: &[EventTime]) -> Vec<f64> {
        times.iter().enumerate().map(|(i, t)| curve_at(&[50.0, 10.0, 0.0, 2.0, 0.0], &phases(*t)) + wobble(i)).collect()
    }

    #[test]
    fn finds_the_curve_under_contamination() {
        let times = minutes(4 * 1440);
        let mut values = daily(&times);
        for i in (0..values.len()).step_by(40) {
            values[i] += 200.0;
        }
        let fit = Baseline::fit(&times, &values, &vec![true; values.len()]).unwrap();
        for (found, true_) in fit.curve.iter().zip([50.0, 10.0, 0.0, 2.0, 0.0]) {
            assert!((found - true_).abs() < 0.05, "{:?}", fit.curve);
        }
        assert!(fit.residual_scale > 0.2 && fit.residual_scale < 0.6, "{}", fit.residual_scale);
        assert_eq!(fit.gap_s, 60.0);
        assert!(fit.is_sound());
    }

    #[test]
    fn constants_and_states_are_known_by_their_values() {
        let times = minutes(300);
        let fit = Baseline::fit(&times, &vec![5.0; 300], &vec![true; 300]).unwrap();
        assert_eq!((fit.character, fit.known.as_slice()), (StreamCharacter::Constant, &[5.0][..]));
        let mut states = vec![5.0; 300];
        states[120] = 6.0;
        let mut fit = Baseline::fit(&times, &states, &vec![true; 300]).unwrap();
        assert_eq!((fit.character, fit.known.as_slice()), (StreamCharacter::FewValues, &[5.0, 6.0][..]));
        assert!((1..=14).all(|i| fit.take_known(f64::from(i) * 10.0)) && fit.take_known(20.0));
        assert!(!fit.take_known(1.5), "too many by now");
        assert_eq!((fit.known.len(), fit.max), (FEW_VALUES, 140.0));
        assert!(Baseline::fit(&times[..2], &[1.0, 2.0], &[true; 2]).is_none());
    }

    #[test]
    fn what_was_left_out_as_odd_is_known_of_a_stream() {
        let times = minutes(2_000);
        let percent = |i: usize| {
            if i.is_multiple_of(40) { 0.6 + (i % 1_000) as f64 / 2_500.0 } else { 0.48 + (i % 7) as f64 / 100.0 }
        };
        let values: Vec<f64> = (0..2_000).map(percent).collect();
        let kept: Vec<bool> = (0..2_000_usize).map(|i| !i.is_multiple_of(40)).collect();
        let fit = Baseline::fit(&times, &values, &kept).unwrap();
        assert_eq!(fit.character, StreamCharacter::Continuous, "its few values are those that are left");
        assert!(fit.max < 0.55 && fit.margin >= fit.residual_scale, "the end of the range was cut off: {fit:?}");
        let whole = Baseline::fit(&times[..40], &values[..40], &kept[..40]).unwrap();
        assert_eq!(whole.character, StreamCharacter::FewValues, "few with the one that was left out");
    }

    #[test]
    fn a_counter_is_fitted_by_its_rate() {
        let times = minutes(3 * 1440);
        let mut total = 1e6;
        let values: Vec<f64> = (0..times.len())
            .map(|i| {
                total = if i == 2_000 { 0.0 } else { total + 600.0 + 60.0 * wobble(i) };
                total
            })
            .collect();
        let fit = Baseline::fit(&times, &values, &vec![true; values.len()]).unwrap();
        assert_eq!(fit.character, StreamCharacter::Counter);
        assert!((fit.curve[0] - 10.0).abs() < 0.1 && fit.max < 11.0, "a second: {fit:?}");
    }

    #[test]
    fn what_moves_slowly_and_far_is_measured_from_where_it_was() {
        let times = minutes(14 * 1440);
        let values: Vec<f64> = (0..times.len()).map(|i| 40.0 + (i % 10_080) as f64 * 1e-3 + 0.01 * wobble(i)).collect();
        let fit = Baseline::fit(&times, &values, &vec![true; values.len()]).unwrap();
        assert_eq!(fit.character, StreamCharacter::Wandering);
        assert!(fit.residual_scale < 0.05 && fit.curve[0].abs() < 0.05, "{fit:?}");
        let rounded: Vec<f64> = values.iter().map(|v| (v * 10.0).round() / 10.0).collect();
        let fit = Baseline::fit(&times, &rounded, &vec![true; values.len()]).unwrap();
        let step = 0.1 / fit.residual_scale;
        assert!(step < 2.0 && step / fit.step_scale < 2.0, "a step of a rounded value is little: {fit:?}");
    }

    #[test]
    fn a_few_wild_days_make_no_rhythm() {
        let times = minutes(10 * 1440);
        let rhythm = daily(&times);
        let values: Vec<f64> =
            rhythm.iter().enumerate().map(|(i, v)| if i < 4 * 1440 { *v } else { 45.0 + wobble(i) }).collect();
        let fit = Baseline::fit(&times, &values, &vec![true; values.len()]).unwrap();
        assert_ne!(fit.character, StreamCharacter::Daily);
    }

    #[test]
    fn rows_left_out_do_not_count() {
        let times = minutes(100);
        let mut values: Vec<f64> = (0..100).map(wobble).collect();
        let mut use_row = vec![true; 100];
        values[50] = 1e9;
        use_row[50] = false;
        assert!(Baseline::fit(&times, &values, &use_row).unwrap().max < 1.0);
    }
}
