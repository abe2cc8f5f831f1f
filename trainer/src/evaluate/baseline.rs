//! The windowed Gaussian: the simplest detector of the Numenta Anomaly Benchmark, to compare with.
//!
//! From its description in Ahmad, Lavin, Purdy and Agha (2017), "Unsupervised real-time anomaly
//! detection for streaming data", Neurocomputing 262, 134-147: a value's score is how unlikely it
//! is under a Gaussian with the mean and standard deviation of a sliding window. There the window
//! holds 6,400 values and moves on by 100. The benchmark's score, 1 - Q(|z|) with Q the Gaussian
//! tail, only grows with |z| and rounds to 1 beyond eight sigma; the score here is |z| itself, which
//! ranks values alike and keeps ranking them in the far tail.

use std::collections::VecDeque;

pub const WINDOW: usize = 6400;
pub const STEP: usize = 100;
/// Values before the first score: the sd of fewer says nothing. The benchmark scores from the
/// second value on, within a probation in which it ignores alerts.
pub const WARM_UP: usize = 100;
/// Stands in for the sd of a constant window, so that any change is far out.
const SD_FLOOR: f64 = 1e-6;

/// The detector of one stream: at most `WINDOW + STEP` values.
#[derive(Debug, Clone, Default)]
pub struct WindowedGaussian {
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
    pub fn push(&mut self, value: f64) -> f64 {
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

/// The lowest threshold that meets an alert budget, flagging what scores **above** it: lowered
/// from the highest score as long as the flagged records of all streams, those at most
/// `merge_gap` positions apart merged, make at most `episodes_max` episodes (budget per day
/// times days). Going down from above matters: far below, everything merges into one episode.
/// `None` without a score that is a number.
pub fn threshold_for_budget(streams: &[Vec<f64>], merge_gap: usize, episodes_max: f64) -> Option<f64> {
    let mut order: Vec<(f64, usize, usize)> = Vec::new();
    for (stream, scores) in streams.iter().enumerate() {
        let numbers = scores.iter().enumerate().filter(|(_, s)| !s.is_nan());
        order.extend(numbers.map(|(position, score)| (*score, stream, position)));
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut flagged: Vec<Vec<bool>> = streams.iter().map(|s| vec![false; s.len()]).collect();
    let mut episodes = 0i64;
    let lowest = order.last()?.0;
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        for (_, stream, position) in tied {
            episodes += episodes_added(&mut flagged[*stream], *position, merge_gap);
        }
        if episodes as f64 > episodes_max {
            return Some(tied[0].0);
        }
    }
    Some(lowest.next_down())
}

/// Flags one more record: a new episode, a part of a neighbouring one, or the bridge of two.
fn episodes_added(flagged: &mut [bool], position: usize, merge_gap: usize) -> i64 {
    let from = position.saturating_sub(merge_gap);
    let to = (position + merge_gap).min(flagged.len() - 1);
    let left = flagged[from..position].iter().rposition(|f| *f);
    let right = flagged[position + 1..=to].iter().position(|f| *f);
    flagged[position] = true;
    match (left, right) {
        (None, None) => 1,
        (Some(left), Some(right)) => {
            let apart = (position + 1 + right) - (from + left);
            if apart > merge_gap { -1 } else { 0 }
        }
        _ => 0,
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

    fn episodes_above(scores: &[f64], threshold: f64, merge_gap: usize) -> usize {
        let mut last = None;
        let mut episodes = 0;
        for (position, _) in scores.iter().enumerate().filter(|(_, s)| **s > threshold) {
            episodes += usize::from(last.is_none_or(|l| position - l > merge_gap));
            last = Some(position);
        }
        episodes
    }

    #[test]
    fn the_threshold_is_the_last_within_the_budget() {
        let scores = vec![1.0, 9.0, 2.0, 8.0, 1.0, 1.0, 7.0, 1.0, 1.0, 1.0, 6.0];
        // Merged at most 2 apart: 9 and 8 are one, 7 the second, 6 the third.
        for (budget, expected) in [(0.5, 9.0), (1.0, 7.0), (2.9, 6.0), (3.0, f64::NAN)] {
            let got = threshold_for_budget(std::slice::from_ref(&scores), 2, budget).unwrap();
            if expected.is_nan() {
                assert!(got < 2.0);
            } else {
                assert_eq!(got, expected, "budget {budget}");
            }
        }
        assert_eq!(threshold_for_budget(&[vec![], vec![f64::NAN]], 2, 1.0), None);
    }

    #[test]
    fn the_incremental_count_agrees_with_counting_afresh() {
        let mut state = 12_345u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64
        };
        for gap in [1, 3, 5] {
            let streams: Vec<Vec<f64>> = (0..3).map(|_| (0..200).map(|_| random()).collect()).collect();
            for budget in [1.0, 4.0, 11.0] {
                let threshold = threshold_for_budget(&streams, gap, budget).unwrap();
                let count = |t: f64| -> usize { streams.iter().map(|s| episodes_above(s, t, gap)).sum() };
                assert!(count(threshold) as f64 <= budget);
                assert!(count(threshold.next_down()) as f64 > budget);
            }
        }
    }
}
