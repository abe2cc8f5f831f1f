//! How the peaks of normal episodes thin out above a base, and so how many lie above any score: a normal, an exponential
//! or a Pareto tail (peaks over threshold, Pickands 1975), truncated at a cap because what lies beyond may be true anomalies.

/// Beyond this score peaks only count as unknown: records that far out were dropped as odd, whether they were or not.
const CAP: f64 = 1.2;
/// Gain in log-likelihood that makes another shape of tail the better one.
const EVIDENCE: f64 = 2.0;

/// How peaks thin out: exponentially in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TailShape {
    /// The score squared, as beyond a normal distribution's shoulder.
    Normal,
    Exponential,
    /// Its logarithm: a power law.
    Pareto,
}

impl TailShape {
    fn measure(self, score: f64) -> f64 {
        match self {
            Self::Normal => score * score,
            Self::Exponential => score,
            Self::Pareto => libm::log(score),
        }
    }

    fn to_score(self, x: f64) -> f64 {
        match self {
            Self::Normal => x.max(0.0).sqrt(),
            Self::Exponential => x,
            Self::Pareto => libm::exp(x),
        }
    }

    /// Logarithm of the derivative of [`TailShape::measure`]: makes likelihoods of the shapes comparable.
    fn ln_slope(self, score: f64) -> f64 {
        match self {
            Self::Normal => libm::log(2.0 * score),
            Self::Exponential => 0.0,
            Self::Pareto => -libm::log(score),
        }
    }
}

/// Normal episodes above the base and how their peaks thin out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScoreTail {
    base: f64,
    episodes: f64,
    decay: f64,
    shape: TailShape,
}

impl ScoreTail {
    /// Fits the peaks between base and cap: exponential unless another shape is clearly likelier.
    pub(crate) fn fit(peaks: &[f64], base: f64) -> Self {
        let inside: Vec<f64> = peaks.iter().copied().filter(|p| *p < CAP).collect();
        let plain = Self::fit_shape(&inside, base, TailShape::Exponential);
        let others = [TailShape::Normal, TailShape::Pareto].map(|shape| Self::fit_shape(&inside, base, shape));
        let better = |fit: &(Self, f64)| (fit.1 - plain.1) * inside.len() as f64 > EVIDENCE;
        others.into_iter().find(better).unwrap_or(plain).0
    }

    /// The tail of one shape and its mean log-likelihood.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn fit_shape(inside: &[f64], base: f64, shape: TailShape) -> (Self, f64) {
        let n = inside.len().max(1) as f64;
        let start = shape.measure(base);
        let width = shape.measure(CAP) - start;
        let mean = inside.iter().map(|p| shape.measure(*p) - start).sum::<f64>() / n;
        let slope = inside.iter().map(|p| shape.ln_slope(*p)).sum::<f64>() / n;
        let (decay, likelihood) = truncated_exponential(mean, width);
        let episodes = inside.len() as f64 / -libm::expm1(-decay * width);
        (Self { base, episodes, decay, shape }, likelihood + slope)
    }

    pub(crate) fn episodes_above(&self, score: f64) -> f64 {
        let distance = self.shape.measure(score) - self.shape.measure(self.base);
        self.episodes * libm::exp(-self.decay * distance)
    }

    pub(crate) fn score_at(&self, episodes: f64) -> f64 {
        let distance = libm::log(self.episodes / episodes) / self.decay;
        self.shape.to_score(self.shape.measure(self.base) + distance)
    }
}

/// Decay of an exponential cut at `width` whose mean is `mean`, and the mean log-likelihood, by bisection.
fn truncated_exponential(mean: f64, width: f64) -> (f64, f64) {
    // The mean falls from width/2 (decay 0) towards 0: nothing decays slower than half a unit over the width here.
    let mean_of = |decay: f64| 1.0 / decay - width / libm::expm1(decay * width);
    let (mut low, mut high) = (0.5 / width, 1e3 / width);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if mean_of(middle) > mean { low = middle } else { high = middle }
    }
    let likelihood = libm::log(high) - high * mean - libm::log(-libm::expm1(-high * width));
    (high, likelihood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(n: usize, base: f64, decay: f64) -> Vec<f64> {
        (0..n).map(|i| base - libm::log((i as f64 + 0.5) / n as f64) / decay).collect()
    }

    #[test]
    fn the_tail_is_found_under_true_anomalies() {
        let mut peaks = exponential(2000, 0.8, 10.0);
        peaks.extend((0..40).map(|i| 2.0 + f64::from(i)));
        let tail = ScoreTail::fit(&peaks, 0.8);
        assert_eq!(tail.shape, TailShape::Exponential);
        assert!((tail.decay - 10.0).abs() < 0.7, "{tail:?}");
        assert!((tail.episodes - 2000.0).abs() < 30.0, "{tail:?}");
        let ten = tail.score_at(10.0);
        assert!((tail.episodes_above(ten) - 10.0).abs() < 1e-6);
        assert!((ten - (0.8 + 0.1 * 200_f64.ln())).abs() < 0.05, "{ten}");
    }

    #[test]
    fn a_heavy_tail_is_recognised() {
        let peaks: Vec<f64> = exponential(20_000, 0.0, 6.0).iter().map(|x| 0.6 * x.exp()).collect();
        let tail = ScoreTail::fit(&peaks, 0.6);
        assert!(tail.shape == TailShape::Pareto && (tail.decay - 6.0).abs() < 0.4, "{tail:?}");
    }
}
