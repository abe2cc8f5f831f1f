//! Fitting a baseline: the numbers of a stream that are judged, and the curve, scales, range and usual run that they show.

use super::{
    baseline::Baseline,
    character::{CharacterMemory, JudgedValue, StreamCharacter, rounding},
    daily::{CURVE, DAILY_SPAN_S, curve_at, fit_curve, leveled, phases},
};
use crate::{
    robust::{median, quantile, spread, spread_around},
    time::EventTime,
};

/// Floor of a scale relative to the level, so that a constant stream has a finite one.
pub(super) const SCALE_FLOOR: f64 = 1e-6;
/// A repeat within this share of the usual step counts as the same value.
const STILL_SHARE: f64 = 1e-3;
/// Up to this share of repeated values a stream does not repeat itself by nature.
const REPEATS: f64 = 0.02;
/// Otherwise a run is usual up to this many times the longest of the training ...
const RUN_SLACK: f64 = 3.0;
/// ... as long as so many values say it.
const RUN_VALUES: u64 = 1_000;
/// Equal values in a row that are never odd.
pub(super) const RUN_MIN: f64 = 3.0;
/// Run of a stream that rests by nature, or of which too little is known: it cannot be stuck.
pub(super) const RUN_ENDLESS: f64 = 1e15;
/// Gaps up to this many usual ones are missing rows, which are nothing by themselves ...
const GAP_USUAL: f64 = 5.0;
/// ... and so are those up to this many times the longest of nearly all in training.
const GAP_SLACK: f64 = 3.0;
const GAP_QUANTILE: f64 = 0.999;
/// No gap of less is worth a word, as no silence is, in seconds.
const GAP_LEAST_S: f64 = 300.0;
/// A scale is at least this share of the step that values are rounded to: one step more is hardly news.
const ROUNDED: f64 = 0.6;
/// The rate of a counter is known up to this share of it: clocks jitter.
const RATE_JITTER: f64 = 0.02;
/// The level of a wandering stream follows a value as far as so many of its usual steps, while its scale is not known.
const WANDER_STEPS: f64 = 6.0;
/// Share of the values at each end of a range whose distances from there give the margin beyond it.
const TAIL: f64 = 0.005;
/// Resets in training that make them usual.
const RESETS_USUAL: usize = 3;
/// Margin beyond a range in mean excesses of that tail ...
const TAIL_EXCESSES: f64 = 2.0;
/// ... and at least this share of the range.
const MARGIN_SHARE: f64 = 0.005;
/// ... and of the residual scale.
const MARGIN_SCALE: f64 = 1e-3;

/// The numbers of a stream that are judged, and where they stand among its records.
pub(super) struct JudgedSeries<'a> {
    times: &'a [EventTime],
    /// Places of the numbers.
    places: Vec<usize>,
    numbers: Vec<f64>,
    /// Smallest and largest number before the last of these that were left out as odd.
    left_out: (f64, f64),
    /// What these were made of.
    values: Vec<f64>,
    resets: usize,
    /// The step that the values are rounded to.
    rounding: f64,
}

impl<'a> JudgedSeries<'a> {
    /// `None` with fewer than three numbers.
    pub(super) fn new(
        character: StreamCharacter,
        times: &'a [EventTime],
        values: &[f64],
        use_row: &[bool],
    ) -> Option<Self> {
        let mut memory = CharacterMemory::default();
        let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let reach = (WANDER_STEPS * spread_around(&steps, 0.0)).max(f64::MIN_POSITIVE);
        let (mut places, mut numbers, mut resets) = (Vec::new(), Vec::new(), 0);
        let mut left_out = (f64::INFINITY, f64::NEG_INFINITY);
        let end = use_row.iter().rposition(|used| *used).unwrap_or(0);
        for (place, (time, value)) in times.iter().zip(values).enumerate() {
            match memory.take(character, *time, *value, reach) {
                JudgedValue::Of { number, .. } if use_row[place] => {
                    places.push(place);
                    numbers.push(number);
                }
                JudgedValue::Of { number, .. } if place < end => {
                    left_out = (number.min(left_out.0), number.max(left_out.1));
                }
                JudgedValue::Reset => resets += 1,
                JudgedValue::Of { .. } | JudgedValue::Nothing => {}
            }
        }
        if numbers.len() < 3 {
            return None;
        }
        let kept: Vec<f64> = places.iter().map(|&place| values[place]).collect();
        Some(Self { times, places, numbers, left_out, resets, rounding: rounding(&kept), values: kept })
    }

    /// Places in [`JudgedSeries::numbers`] of numbers whose neighbour before them is the record before theirs.
    fn neighbours(&self) -> impl Iterator<Item = usize> {
        (1..self.places.len()).filter(|&i| self.places[i] == self.places[i - 1] + 1)
    }

    /// See [`usual_gaps`].
    pub(super) fn gaps(&self) -> (f64, f64) {
        let time = |i: usize| self.times[self.places[i]];
        usual_gaps(self.neighbours().map(|i| time(i).seconds_since(time(i - 1))))
    }

    pub(super) fn fit(&self, character: StreamCharacter, shape: Option<[f64; CURVE]>) -> Option<Baseline> {
        let (first, last) = (*self.places.first()?, *self.places.last()?);
        let phases: Vec<[f64; CURVE]> = self.places.iter().map(|&i| phases(self.times[i])).collect();
        let is_daily = self.times[last].seconds_since(self.times[first]) >= DAILY_SPAN_S
            && !matches!(character, StreamCharacter::Wandering | StreamCharacter::Sparse);
        let curve = match shape {
            Some(shape) => leveled(shape, &phases, &self.numbers),
            None => {
                let times: Vec<EventTime> = self.places.iter().map(|&i| self.times[i]).collect();
                fit_curve(&times, &phases, &self.numbers, is_daily)
            }
        };
        let has_shape = curve[1..].iter().any(|b| *b != 0.0);
        let is_plain = character == StreamCharacter::Continuous;
        let character = if has_shape && is_plain { StreamCharacter::Daily } else { character };
        let residuals: Vec<f64> = self.numbers.iter().zip(&phases).map(|(v, p)| v - curve_at(&curve, p)).collect();
        let (gap_s, gap_long_s) = self.gaps();
        let rounded = ROUNDED * self.rounding;
        let least = match character {
            StreamCharacter::Counter => (rounded / gap_s).max(RATE_JITTER * curve[0].abs()),
            StreamCharacter::Sparse => rounded.max(resting_scale(&residuals)),
            _ => rounded,
        };
        let residual_scale = floored(spread(&residuals).max(least), curve[0]);
        let steps: Vec<f64> = self.neighbours().map(|i| (residuals[i] - residuals[i - 1]) / residual_scale).collect();
        let step_least = if character == StreamCharacter::Sparse { 1.0 } else { least / residual_scale };
        let step_scale = floored(spread_around(&steps, 0.0).max(step_least), 1.0);
        let still = STILL_SHARE * step_scale * residual_scale;
        let (min, max, margin) = range(&self.numbers, least);
        // An end that was cut off says nothing of how far numbers go beyond it.
        let is_cut = self.left_out.0 < min || self.left_out.1 > max;
        let margin_least = residual_scale * if is_cut { 1.0 } else { MARGIN_SCALE };
        let run = if character.rests() { RUN_ENDLESS } else { usual_run(&self.values, still) };
        let fit = Baseline {
            curve,
            residual_scale,
            step_scale,
            gap_s,
            gap_long_s,
            still,
            run,
            min,
            max,
            margin: margin.max(margin_least),
            loudness: 1.0,
            character,
            known: Vec::new(),
            known_seen: Vec::new(),
            resets: self.resets >= RESETS_USUAL,
            peaks: Vec::new(),
        };
        fit.is_sound().then_some(fit)
    }
}

/// The usual seconds between records, and how many are still usual.
pub(super) fn usual_gaps(seconds: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut gaps: Vec<f64> = seconds.filter(|&s| s > 0.0).collect();
    if gaps.is_empty() {
        return (1.0, GAP_LEAST_S);
    }
    let usual = median(&gaps);
    (usual, (GAP_USUAL * usual).max(GAP_SLACK * quantile(&mut gaps, GAP_QUANTILE)).max(GAP_LEAST_S))
}

/// Smallest and largest number, and how far beyond is new: the farther the numbers at both ends lie apart, the more.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn range(numbers: &[f64], least: f64) -> (f64, f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
    let count = ((TAIL * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len() - 1);
    let mean = |ends: &[f64], from: f64| ends.iter().map(|v| (v - from).abs()).sum::<f64>() / count as f64;
    let low = mean(&sorted[..count], sorted[count]);
    let high = mean(&sorted[sorted.len() - count..], sorted[sorted.len() - count - 1]);
    let margin = (TAIL_EXCESSES * low.max(high)).max(MARGIN_SHARE * (max - min)).max(least);
    (min, max, margin.min(f64::MAX))
}

/// Scale of what a stream does that rests most of the time: of its distances from rest where it does not.
fn resting_scale(residuals: &[f64]) -> f64 {
    let mut moving: Vec<f64> = residuals.iter().map(|r| r.abs()).filter(|r| *r > 0.0).collect();
    if moving.is_empty() { 0.0 } else { quantile(&mut moving, 0.75) }
}

pub(super) fn floored(scale: f64, level: f64) -> f64 {
    scale.max(SCALE_FLOOR * level.abs()).max(1e-9)
}

/// A few stuck hours in a stream that never repeats itself are anomalies to be found; a stream of which a good part
/// repeats (a rounded percentage) is judged by the longest run it has had.
fn usual_run(values: &[f64], still: f64) -> f64 {
    let mut run = 1.0;
    let mut runs = Vec::new();
    for pair in values.windows(2) {
        if (pair[1] - pair[0]).abs() <= still {
            run += 1.0;
        } else {
            runs.push(run);
            run = 1.0;
        }
    }
    runs.push(run);
    let repeats = values.len() - runs.len();
    run_of(values.len() as u64, repeats as u64, runs.into_iter().fold(1.0, f64::max))
}

/// The usual run of a stream with so many values, repeats of the one before and most of them in a row.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn run_of(values: u64, repeats: u64, longest: f64) -> f64 {
    if repeats as f64 <= REPEATS * values as f64 {
        return RUN_MIN;
    }
    if values < RUN_VALUES {
        return RUN_ENDLESS;
    }
    (RUN_SLACK * longest).max(RUN_MIN)
}
