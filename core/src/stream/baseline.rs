//! What is usual for one stream: its daily curve, its scales, its range. Fitted robustly on training data here; moved
//! slowly while judging by [`super::StreamTable`].

use serde::{Deserialize, Serialize};

use crate::{
    robust::{median, quantile, spread},
    time::EventTime,
};

/// Coefficients of the daily curve.
pub const CURVE: usize = 5;
/// Shortest span of data that daily terms are fitted on, in seconds: two full days.
pub const DAILY_SPAN_S: f64 = 48.0 * 3600.0;
/// Residuals beyond this many scales do not take part in a fit.
const TRIM: f64 = 4.0;
const FIT_ROUNDS: usize = 8;
/// Floor of a scale relative to the level, so that a constant stream has a finite one.
const SCALE_FLOOR: f64 = 1e-6;
/// A repeat within this share of the usual step counts as the same value.
const STILL_SHARE: f64 = 1e-3;
/// Up to this share of repeated values a stream does not repeat itself by nature.
const REPEATS: f64 = 0.02;
/// Otherwise a run is usual up to this quantile of the training runs ...
const RUN_QUANTILE: f64 = 0.999;
/// ... times this.
const RUN_SLACK: f64 = 2.0;
/// Equal values in a row that are never odd.
const RUN_MIN: f64 = 3.0;
/// Run of a stream that never changed: it cannot be stuck.
const RUN_ENDLESS: f64 = 1e15;
/// Spread of ln(gap) up to which gaps are taken as they are: a clock with some jitter.
const GAP_JITTER: f64 = 0.1;

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
    /// Spread of ln(gap), at least .1; divided out beyond that.
    pub gap_spread: f64,
    /// Values at most this far apart count as equal, in the value's unit.
    pub still: f64,
    /// Run of equal values that is still usual, in records.
    pub run: f64,
    /// Smallest usual value.
    pub min: f64,
    /// Largest usual value.
    pub max: f64,
    /// What this stream's scores are divided by: above 1 where what is odd elsewhere is usual here.
    pub loudness: f64,
}

/// (1, sin w, cos w, sin 2w, cos 2w) of an instant.
#[must_use]
pub fn phases(time: EventTime) -> [f64; CURVE] {
    let w = time.second_of_day() * (core::f64::consts::TAU / 86_400.0);
    let (s, c) = libm::sincos(w);
    [1.0, s, c, 2.0 * s * c, c * c - s * s]
}

/// The curve's value at these phases.
#[must_use]
pub fn curve_at(curve: &[f64; CURVE], phases: &[f64; CURVE]) -> f64 {
    curve.iter().zip(phases).map(|(b, p)| b * p).sum()
}

impl Baseline {
    /// Fits a baseline on one stream's training records, in order of time; rows of `use_row` that are false (found odd
    /// in an earlier round) take no part. `None` below 3 usable records, or when they lie too far apart to have a scale.
    ///
    /// # Panics
    /// When the slices differ in length.
    #[must_use]
    pub fn fit(times: &[EventTime], values: &[f64], use_row: &[bool]) -> Option<Self> {
        assert!(times.len() == values.len() && times.len() == use_row.len(), "one flag and one time a value");
        let kept: Vec<usize> = (0..values.len()).filter(|&i| use_row[i]).collect();
        let (first, last) = (*kept.first()?, *kept.last()?);
        if kept.len() < 3 {
            return None;
        }
        let daily = times[last].seconds_since(times[first]) >= DAILY_SPAN_S;
        let phases: Vec<[f64; CURVE]> = kept.iter().map(|&i| phases(times[i])).collect();
        let y: Vec<f64> = kept.iter().map(|&i| values[i]).collect();
        let curve = fit_curve(&phases, &y, daily);
        let residuals: Vec<f64> = y.iter().zip(&phases).map(|(v, p)| v - curve_at(&curve, p)).collect();
        let residual_scale = floored(spread(&residuals), curve[0]);
        let neighbours = || kept.windows(2).zip(residuals.windows(2)).filter(|(k, _)| k[1] == k[0] + 1);
        let steps: Vec<f64> = neighbours().map(|(_, r)| (r[1] - r[0]) / residual_scale).collect();
        let step_scale = floored(spread(&steps), 1.0);
        let gaps: Vec<f64> =
            neighbours().map(|(k, _)| times[k[1]].seconds_since(times[k[0]])).filter(|&s| s > 0.0).collect();
        let gap_s = if gaps.is_empty() { 1.0 } else { median(&gaps) };
        let ln_gaps: Vec<f64> = gaps.iter().map(|g| libm::log(g / gap_s)).collect();
        let still = STILL_SHARE * step_scale * residual_scale;
        let fit = Self {
            curve,
            residual_scale,
            step_scale,
            gap_s,
            gap_spread: spread(&ln_gaps).max(GAP_JITTER),
            still,
            run: usual_run(values, still),
            min: y.iter().copied().fold(f64::INFINITY, f64::min),
            max: y.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            loudness: 1.0,
        };
        fit.is_sound().then_some(fit)
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
        self.run > RUN_MIN
    }

    /// Whether every number is finite and every scale positive: what a model file must promise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let positive = [self.residual_scale, self.step_scale, self.gap_s, self.gap_spread, self.loudness];
        self.curve.iter().all(|b| b.is_finite())
            && positive.iter().all(|s| s.is_finite() && *s > 0.0)
            && [self.still, self.run].iter().all(|s| s.is_finite() && *s >= 0.0)
            && self.min.is_finite()
            && self.max.is_finite()
            && self.min <= self.max
    }
}

fn floored(scale: f64, level: f64) -> f64 {
    scale.max(SCALE_FLOOR * level.abs()).max(1e-9)
}

/// Trimmed least squares: fit, drop |r| >= 4 scales, fit again. Without daily terms the curve is the median.
fn fit_curve(phases: &[[f64; CURVE]], y: &[f64], daily: bool) -> [f64; CURVE] {
    let mut curve = [median(y), 0.0, 0.0, 0.0, 0.0];
    if !daily {
        return curve;
    }
    for _ in 0..FIT_ROUNDS {
        let residuals: Vec<f64> = y.iter().zip(phases).map(|(v, p)| v - curve_at(&curve, p)).collect();
        let limit = TRIM * floored(spread(&residuals), curve[0]);
        let mut normal = NormalEquations::default();
        for ((r, p), v) in residuals.iter().zip(phases).zip(y) {
            if r.abs() < limit {
                normal.add(p, *v);
            }
        }
        match normal.solve() {
            Some(next) => curve = next,
            None => break,
        }
    }
    curve
}

/// Sums of a least-squares fit of the daily curve; fixed size, so that a learning stream can keep them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NormalEquations {
    products: [[f64; CURVE]; CURVE],
    targets: [f64; CURVE],
}

impl NormalEquations {
    /// Adds one observation.
    pub fn add(&mut self, phases: &[f64; CURVE], value: f64) {
        for (i, row) in self.products.iter_mut().enumerate() {
            for (sum, p) in row.iter_mut().zip(phases) {
                *sum += phases[i] * p;
            }
            self.targets[i] += phases[i] * value;
        }
    }

    /// Lets the past count less: every sum is multiplied by `weight`.
    pub fn fade(&mut self, weight: f64) {
        self.products.iter_mut().flatten().chain(&mut self.targets).for_each(|sum| *sum *= weight);
    }

    /// The curve with the least squares, with a slight ridge so that hours without data cannot blow it up.
    /// `None` without data.
    #[must_use]
    pub fn solve(&self) -> Option<[f64; CURVE]> {
        let count = self.products[0][0];
        if count < 1.0 {
            return None;
        }
        let mut a = self.products;
        let mut y = self.targets;
        for (i, row) in a.iter_mut().enumerate().skip(1) {
            row[i] += 1e-3 * count;
        }
        for i in 0..CURVE {
            let pivot = (i..CURVE).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))?;
            if a[pivot][i].abs() < 1e-9 * count {
                return None;
            }
            a.swap(i, pivot);
            y.swap(i, pivot);
            for k in i + 1..CURVE {
                let f = a[k][i] / a[i][i];
                let above = a[i];
                a[k].iter_mut().zip(above).skip(i).for_each(|(x, p)| *x -= f * p);
                y[k] -= f * y[i];
            }
        }
        let mut curve = [0.0; CURVE];
        for i in (0..CURVE).rev() {
            let known: f64 = (i + 1..CURVE).map(|k| a[i][k] * curve[k]).sum();
            curve[i] = (y[i] - known) / a[i][i];
        }
        curve.iter().all(|b| b.is_finite()).then_some(curve)
    }
}

/// A few stuck hours in a stream that never repeats itself are anomalies to be found; a stream of which a good part
/// repeats (a counter at rest, a rounded percentage) is judged by the runs it is used to.
#[expect(clippy::cast_precision_loss, reason = "counts")]
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
    if runs.is_empty() {
        return RUN_ENDLESS;
    }
    runs.push(run);
    let repeats = values.len() - runs.len();
    if repeats as f64 <= REPEATS * values.len() as f64 {
        return RUN_MIN;
    }
    (RUN_SLACK * quantile(&mut runs, RUN_QUANTILE)).max(RUN_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn short_and_constant_streams_have_finite_scales() {
        let times = minutes(300);
        let fit = Baseline::fit(&times, &vec![5.0; 300], &vec![true; 300]).unwrap();
        assert!(fit.is_sound());
        assert_eq!(fit.curve, [5.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(fit.run, RUN_ENDLESS, "it never changed");
        let mut states = vec![5.0; 300];
        states[120] = 6.0;
        let fit = Baseline::fit(&times, &states, &vec![true; 300]).unwrap();
        assert!((200.0..1_000.0).contains(&fit.run), "long runs are usual here: {}", fit.run);
        assert!(Baseline::fit(&times[..2], &[1.0, 2.0], &[true; 2]).is_none());
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
