//! The daily curve of a stream: five Fourier coefficients, fitted robustly, and only believed where most days bear it out.

use serde::{Deserialize, Serialize};

use super::fit::floored;
use crate::{
    robust::{median, spread},
    time::EventTime,
};

/// Coefficients of the daily curve.
pub const CURVE: usize = 5;
/// Shortest span of data that daily terms are fitted on, in seconds: two full days.
pub const DAILY_SPAN_S: f64 = 48.0 * 3600.0;
/// Residuals beyond this many scales do not take part in a fit.
const TRIM: f64 = 4.0;
const FIT_ROUNDS: usize = 8;
/// A daily curve counts when it takes so much off the usual distance ...
const DAILY_GAIN: f64 = 0.95;
/// ... and most days are nearer to it than to a flat line.
const DAILY_DAYS: f64 = 0.7;
/// What counts as a day's worth, in seconds.
const DAY_MIN_S: f64 = 0.7 * 86_400.0;

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

/// The shape at the level of these numbers.
pub(super) fn leveled(shape: [f64; CURVE], phases: &[[f64; CURVE]], y: &[f64]) -> [f64; CURVE] {
    let shape: [f64; CURVE] = core::array::from_fn(|i| if i == 0 { 0.0 } else { shape[i] });
    let flat: Vec<f64> = y.iter().zip(phases).map(|(v, p)| v - curve_at(&shape, p)).collect();
    let mut curve = shape;
    curve[0] = median(&flat);
    curve
}

/// Trimmed least squares: fit, drop |r| >= 4 scales, fit again. Without daily terms, and where they explain next to
/// nothing, the curve is the median.
pub(super) fn fit_curve(times: &[EventTime], phases: &[[f64; CURVE]], y: &[f64], daily: bool) -> [f64; CURVE] {
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
    if is_borne_out(&curve, times, phases, y) { curve } else { [median(y), 0.0, 0.0, 0.0, 0.0] }
}

/// Whether most days are nearer to the curve than to a flat line, each at the day's own level, and clearly so in all:
/// a few wild days make no rhythm.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn is_borne_out(curve: &[f64; CURVE], times: &[EventTime], phases: &[[f64; CURVE]], y: &[f64]) -> bool {
    let off: Vec<f64> = y.iter().zip(phases).map(|(v, p)| v - curve_at(curve, p)).collect();
    let typical = |values: &[f64]| {
        let middle = median(values);
        median(&values.iter().map(|v| (v - middle).abs()).collect::<Vec<_>>())
    };
    let (mut gains, mut from) = (Vec::new(), 0);
    for end in 1..=times.len() {
        if end == times.len() || times[end].seconds_since(times[from]) >= 86_400.0 {
            if times[end - 1].seconds_since(times[from]) >= DAY_MIN_S {
                gains.push(typical(&off[from..end]) / typical(&y[from..end]).max(f64::MIN_POSITIVE));
            }
            from = end;
        }
    }
    let nearer = gains.iter().filter(|gain| **gain < 1.0).count();
    !gains.is_empty() && median(&gains) < DAILY_GAIN && nearer as f64 >= DAILY_DAYS * gains.len() as f64
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
