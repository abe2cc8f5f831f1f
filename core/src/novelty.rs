//! A value outside the range that training saw. Judged beside the autoencoder, never inside it: what was never seen
//! cannot be reconstructed, and what a network says about it is anyone's guess.

use crate::{score::bounded, stream::baseline::Baseline};

/// Beyond the seen range by this share of it is novel ...
const SHARE: f64 = 0.05;
/// ... but at least by this many residual scales, so that a short range is no trap.
const SCALES: f64 = 3.0;
/// Records a learning stream needs before its range means anything.
const SEEN_MIN: u64 = 50;
/// While learning, beyond the range by this share of it is novel.
const LEARNING_SHARE: f64 = 0.5;

/// How far outside the fitted range, in margins; 0 inside.
#[must_use]
pub fn outside(baseline: &Baseline, value: f64) -> f32 {
    let margin = (SHARE * (baseline.max - baseline.min)).max(SCALES * baseline.residual_scale);
    distance(baseline.min, baseline.max, value, margin)
}

/// The same against the range a learning stream has seen in `seen` records.
#[must_use]
pub fn while_learning(seen: u64, (min, max): (f64, f64), value: f64) -> f32 {
    if seen < SEEN_MIN {
        return 0.0;
    }
    let floor = 1e-3 * min.abs().max(max.abs());
    distance(min, max, value, (LEARNING_SHARE * (max - min)).max(floor).max(f64::MIN_POSITIVE))
}

fn distance(min: f64, max: f64, value: f64, margin: f64) -> f32 {
    let beyond = (min - value).max(value - max).max(0.0);
    bounded(beyond / margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_zero_and_beyond_grows() {
        assert_eq!(while_learning(100, (0.0, 10.0), 10.0), 0.0);
        assert_eq!(while_learning(100, (0.0, 10.0), 20.0), 2.0);
        assert_eq!(while_learning(100, (0.0, 10.0), -5.0), 1.0);
        assert_eq!(while_learning(10, (0.0, 10.0), 1e9), 0.0, "too little seen");
        assert!(while_learning(100, (5.0, 5.0), 5.1) > 1.0, "a constant stream that moves");
        assert!(while_learning(100, (-1e308, 1e308), f64::MAX).is_finite());
    }
}
