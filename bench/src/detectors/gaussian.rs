//! The windowed Gaussian: the simplest detector of the Numenta Anomaly Benchmark, to compare with.
//!
//! From its description in Ahmad, Lavin, Purdy and Agha (2017), "Unsupervised real-time anomaly
//! detection for streaming data", Neurocomputing 262, 134-147: a value's score is how unlikely it
//! is under a Gaussian with the mean and standard deviation of a sliding window. There the window
//! holds 6,400 values and moves on by 100. The benchmark's score, 1 - Q(|z|) with Q the Gaussian
//! tail, only grows with |z| and rounds to 1 beyond eight sigma; the score here is |z| itself, which
//! ranks values alike and keeps ranking them in the far tail.

use std::collections::VecDeque;

use oddline_core::limits::EPISODE_GAP_RECORDS;

use super::budget::threshold_for_budget;
use crate::data::LabelledSeries;

const WINDOW: usize = 6400;
const STEP: usize = 100;
/// Values before the first score: the sd of fewer says nothing. The benchmark scores from the
/// second value on, within a probation in which it ignores alerts.
const WARM_UP: usize = 100;
/// Stands in for the sd of a constant window, so that any change is far out.
const SD_FLOOR: f64 = 1e-6;

/// Its one threshold for all streams is set on the parts learnt from, to so many alerts a day of these.
pub(crate) fn alerts(series: &[LabelledSeries], budget: f64) -> Vec<Vec<bool>> {
    let all: Vec<Vec<f64>> = series.iter().map(scores).collect();
    let learnt: Vec<Vec<f64>> = all.iter().zip(series).map(|(scores, s)| scores[..s.learnt].to_vec()).collect();
    let server_days = series.iter().map(LabelledSeries::days_learnt).sum::<f64>() / series.len().max(1) as f64;
    let limit = threshold_for_budget(&learnt, EPISODE_GAP_RECORDS as usize, budget * server_days);
    let flags = |scores: &Vec<f64>| scores.iter().map(|score| limit.is_some_and(|limit| *score > limit)).collect();
    all.iter().map(flags).collect()
}

/// The score of every record.
pub(super) fn scores(series: &LabelledSeries) -> Vec<f64> {
    let mut gaussian = WindowedGaussian::default();
    series.values.iter().map(|value| gaussian.push(*value)).collect()
}

/// The detector of one stream: at most `WINDOW + STEP` values.
#[derive(Debug, Clone, Default)]
struct WindowedGaussian {
    window: VecDeque<f64>,
    /// Values that wait for the next move of the full window.
    waiting: Vec<f64>,
    mean: f64,
    /// Sum of squared deviations from `mean`.
    squares: f64,
}

impl WindowedGaussian {
    /// Distance of `value` from the window's mean in its standard deviations, then takes the
    /// value in. 0 during the warm-up, and for what is not a finite number (which is not taken in).
    fn push(&mut self, value: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        let score = self.score(value);
        if self.window.len() < WINDOW {
            self.grow(value);
        } else {
            self.waiting.push(value);
            if self.waiting.len() == STEP {
                self.slide();
            }
        }
        score
    }

    fn score(&self, value: f64) -> f64 {
        if self.window.len() < WARM_UP {
            return 0.0;
        }
        let sd = (self.squares / self.window.len() as f64).sqrt();
        (value - self.mean).abs() / sd.max(SD_FLOOR)
    }

    /// Welford's update.
    fn grow(&mut self, value: f64) {
        self.window.push_back(value);
        let before = value - self.mean;
        self.mean += before / self.window.len() as f64;
        self.squares += before * (value - self.mean);
    }

    fn slide(&mut self) {
        self.window.drain(..STEP);
        self.window.extend(self.waiting.drain(..));
        let n = self.window.len() as f64;
        self.mean = self.window.iter().sum::<f64>() / n;
        self.squares = self.window.iter().map(|v| (v - self.mean).powi(2)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_distances_in_standard_deviations() {
        let mut detector = WindowedGaussian::default();
        for i in 0..WARM_UP {
            let value = if i % 2 == 0 { 9.0 } else { 11.0 };
            assert_eq!(detector.push(value), 0.0, "warm-up");
        }
        assert!((detector.push(14.0) - 4.0).abs() < 1e-9);
        assert_eq!(detector.push(f64::NAN), 0.0);
        assert_eq!(detector.window.len(), WARM_UP + 1);
    }

    #[test]
    fn a_full_window_moves_in_steps_and_stays_bounded() {
        let mut detector = WindowedGaussian::default();
        let value = |i: usize| ((i * 37) % 101) as f64;
        for i in 0..WINDOW + STEP - 1 {
            detector.push(value(i));
        }
        let before = detector.mean;
        detector.push(5_000.0);
        assert_ne!(detector.mean, before, "the step is complete");
        let expected: Vec<f64> = (STEP..WINDOW + STEP - 1).map(value).chain([5_000.0]).collect();
        let mean = expected.iter().sum::<f64>() / WINDOW as f64;
        assert!((detector.mean - mean).abs() < 1e-9);
        assert_eq!((detector.window.len(), detector.waiting.len()), (WINDOW, 0));
    }

    #[test]
    fn a_change_in_a_constant_stream_is_far_out() {
        let mut detector = WindowedGaussian::default();
        for _ in 0..200 {
            assert_eq!(detector.push(3.0), 0.0);
        }
        assert!(detector.push(3.1) > 1e4);
    }
}
