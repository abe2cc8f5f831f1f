//! A count seen over an exposure, as a rate with its exact 95 % interval.
//!
//! The interval is Garwood's (1936): for a count k the limits are the Poisson means under which
//! "k or more" and "k or fewer" have a probability of 2.5 % each, which are the 2.5 % quantile of
//! the gamma distribution of shape k and the 97.5 % quantile of that of shape k + 1. The quantiles
//! come from bisection on the regularised incomplete gamma function: slow, and cannot go wrong.

use serde::Serialize;

/// Events per day over so many days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PoissonRate {
    pub count: u64,
    /// Exposure: days judged, summed over the streams or servers that were watched.
    pub days: f64,
    /// `None` (JSON null) without exposure; the same holds for the limits.
    pub per_day: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl PoissonRate {
    pub fn new(count: u64, days: f64) -> Self {
        let (low, high) = interval_95(count);
        let per_day = |n: f64| (days > 0.0).then(|| n / days);
        Self { count, days, per_day: per_day(count as f64), low: per_day(low), high: per_day(high) }
    }
}

/// Exact 95 % limits of a Poisson mean after `count` events.
pub fn interval_95(count: u64) -> (f64, f64) {
    let low = if count == 0 { 0.0 } else { gamma_quantile(count, 0.025) };
    (low, gamma_quantile(count + 1, 0.975))
}

/// The x with P(shape, x) = p. Ten standard deviations (and 20, for small shapes) bracket any
/// p between .001 and .999.
fn gamma_quantile(shape: u64, p: f64) -> f64 {
    let a = shape as f64;
    let spread = 10.0 * a.sqrt() + 20.0;
    let (mut below, mut above) = ((a - spread).max(0.0), a + spread);
    for _ in 0..100 {
        let middle = 0.5 * (below + above);
        if gamma_p(shape, middle) < p {
            below = middle;
        } else {
            above = middle;
        }
    }
    0.5 * (below + above)
}

/// Regularised lower incomplete gamma function P(shape, x): by its power series left of the
/// mode, by its continued fraction (Lentz's method) right of it; both converge in about
/// sqrt(shape) steps where they are used.
fn gamma_p(shape: u64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let a = shape as f64;
    let front = (a * x.ln() - x - ln_factorial(shape - 1)).exp();
    if x < a + 1.0 { front * power_series(a, x) } else { 1.0 - front * continued_fraction(a, x) }
}

const STEPS_MAX: u32 = 1_000_000;
const PRECISION: f64 = 1e-15;

fn power_series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for n in 1..STEPS_MAX {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    sum
}

fn continued_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut b = x + 1.0 - a;
    let mut d = 1.0 / away_from_zero(b);
    let mut c = 1.0 / TINY;
    let mut value = d;
    for n in 1..STEPS_MAX {
        let n = f64::from(n);
        let numerator = n * (a - n);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

/// ln(n!): the sum below 20, Stirling's series with three corrections above (error < 1e-12).
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let x = n as f64 + 1.0;
    let correction = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + correction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_the_published_tables() {
        for (count, low, high) in [
            (0, 0.0, 3.689),
            (1, 0.0253, 5.572),
            (2, 0.242, 7.225),
            (10, 4.795, 18.390),
            (20, 12.217, 30.888),
            (100, 81.364, 121.627),
        ] {
            let (l, h) = interval_95(count);
            assert!((l - low).abs() < 6e-4, "{count}: low {l}, expected {low}");
            assert!((h - high).abs() < 6e-4, "{count}: high {h}, expected {high}");
        }
    }

    #[test]
    fn limits_satisfy_their_definition_by_direct_sums() {
        let cdf = |k: u64, mean: f64| {
            let mut term = (-mean).exp();
            let mut sum = term;
            for i in 1..=k {
                term *= mean / i as f64;
                sum += term;
            }
            sum
        };
        for count in [1, 3, 7, 25, 60, 300] {
            let (low, high) = interval_95(count);
            assert!((1.0 - cdf(count - 1, low) - 0.025).abs() < 1e-9, "{count}");
            assert!((cdf(count, high) - 0.025).abs() < 1e-9, "{count}");
        }
    }

    #[test]
    fn large_counts_approach_the_normal_interval() {
        let (low, high) = interval_95(1_000_000);
        assert!((low - 998_041.0).abs() < 3.0, "{low}");
        assert!((high - 1_001_962.0).abs() < 3.0, "{high}");
    }

    #[test]
    fn a_rate_without_exposure_is_undefined() {
        assert_eq!(PoissonRate::new(3, 0.0).per_day, None);
        let rate = PoissonRate::new(10, 5.0);
        assert_eq!(rate.per_day, Some(2.0));
        assert!((rate.low.unwrap() - 0.959).abs() < 1e-3);
        assert!((rate.high.unwrap() - 3.678).abs() < 1e-3);
    }
}
