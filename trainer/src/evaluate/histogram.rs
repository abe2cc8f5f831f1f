//! Scores counted in logarithmic bins: the shape of any number of scores in two kilobytes.
//!
//! 25 bins a decade from 1e-4 to 1e4, so a quantile read back is at most 10 % too high. What lies
//! outside is counted, not lost; zero and negative scores are underflow.

const DECADE_LOW: f64 = -4.0;
const DECADES: usize = 8;
const BINS_PER_DECADE: usize = 25;
pub const BINS: usize = DECADES * BINS_PER_DECADE;

/// A streaming histogram of scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreHistogram {
    bins: [u64; BINS],
    underflow: u64,
    overflow: u64,
    /// Scores that are not a number: a fault of the model, never a bin.
    not_a_number: u64,
}

impl Default for ScoreHistogram {
    fn default() -> Self {
        Self { bins: [0; BINS], underflow: 0, overflow: 0, not_a_number: 0 }
    }
}

impl ScoreHistogram {
    pub fn push(&mut self, score: f32) {
        if score.is_nan() {
            self.not_a_number += 1;
            return;
        }
        match bin_of(f64::from(score)) {
            Bin::Under => self.underflow += 1,
            Bin::Over => self.overflow += 1,
            Bin::At(index) => self.bins[index] += 1,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.bins.iter_mut().zip(other.bins) {
            *mine += theirs;
        }
        self.underflow += other.underflow;
        self.overflow += other.overflow;
        self.not_a_number += other.not_a_number;
    }

    pub fn bins(&self) -> &[u64; BINS] {
        &self.bins
    }

    pub fn underflow(&self) -> u64 {
        self.underflow
    }

    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    pub fn not_a_number(&self) -> u64 {
        self.not_a_number
    }

    /// All scores that are numbers.
    pub fn count(&self) -> u64 {
        self.bins.iter().sum::<u64>() + self.underflow + self.overflow
    }

    /// Upper edge of the bin that holds the `q` quantile (0 to 1). `None` without scores;
    /// infinite when the quantile lies beyond the last bin.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        let mut seen = self.underflow;
        if seen >= rank {
            return Some(edge(0));
        }
        for (index, n) in self.bins.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return Some(edge(index + 1));
            }
        }
        Some(f64::INFINITY)
    }
}

/// Lower edge of bin `index`; `edge(BINS)` is the upper end of the range.
pub fn edge(index: usize) -> f64 {
    10f64.powf(DECADE_LOW + index as f64 / BINS_PER_DECADE as f64)
}

enum Bin {
    Under,
    At(usize),
    Over,
}

fn bin_of(score: f64) -> Bin {
    let position = ((score.max(0.0)).log10() - DECADE_LOW) * BINS_PER_DECADE as f64;
    if position < 0.0 {
        Bin::Under
    } else if position >= BINS as f64 {
        Bin::Over
    } else {
        Bin::At(position as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_counted_once() {
        let mut h = ScoreHistogram::default();
        for score in [0.0, -3.0, 5e-5, 1.0, 1.05, 9_999.0, 1e4, f32::INFINITY, f32::NAN] {
            h.push(score);
        }
        assert_eq!((h.underflow(), h.overflow(), h.not_a_number()), (3, 2, 1));
        assert_eq!(h.bins()[100], 2, "1.0 and 1.05 share the bin above 10^0");
        assert_eq!(h.bins()[BINS - 1], 1);
        assert_eq!(h.count(), 8);
    }

    #[test]
    fn quantiles_are_bin_edges_just_above_the_value() {
        let mut h = ScoreHistogram::default();
        for i in 1..=1000 {
            h.push(i as f32 / 100.0);
        }
        for (q, exact) in [(0.5, 5.0), (0.9, 9.0), (0.999, 9.99)] {
            let got = h.quantile(q).unwrap();
            assert!(got >= exact && got <= exact * 1.1, "{q}: {got} against {exact}");
        }
        assert_eq!(ScoreHistogram::default().quantile(0.5), None);
    }

    #[test]
    fn merging_equals_counting_together() {
        let (mut a, mut b, mut both) =
            (ScoreHistogram::default(), ScoreHistogram::default(), ScoreHistogram::default());
        for i in 0..100u32 {
            let score = (i as f32 - 20.0) * 0.37;
            if i % 3 == 0 {
                a.push(score);
            } else {
                b.push(score);
            }
            both.push(score);
        }
        a.merge(&b);
        assert_eq!(a, both);
    }
}
