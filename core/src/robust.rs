//! Order statistics that a few wild values do not move.

/// A scale from the median absolute deviation is the standard deviation of normal data.
const MAD_TO_SD: f64 = 1.4826;
/// Width between the 5 % and 95 % quantiles of normal data, in standard deviations.
const CENTRAL_90: f64 = 3.29;
/// Width between the .5 % and 99.5 % quantiles, in standard deviations.
const CENTRAL_99: f64 = 5.15;

/// The middle value. NaN without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

/// The value below which the share `p` (0..=1) of the values lies, by linear interpolation; reorders them. NaN without
/// values.
#[must_use]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub fn quantile(values: &mut [f64], p: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let at = p.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let below = at as usize;
    let (_, &mut low, rest) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (at - below as f64) * (high - low)
}

/// Robust standard deviation: 1.4826 MAD, or, where more than half of the values are equal, from the central 90 % or
/// 99 %; 0 when even these are equal.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    spread_around(values, median(values))
}

/// The same around a centre that is known.
#[must_use]
pub fn spread_around(values: &[f64], centre: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    let mad = MAD_TO_SD * median(&deviations);
    if mad > 0.0 {
        return mad;
    }
    let mut sorted = values.to_vec();
    let mut width = |tail: f64| quantile(&mut sorted, 1.0 - tail) - quantile(&mut sorted, tail);
    let central = width(0.05) / CENTRAL_90;
    if central > 0.0 { central } else { width(0.005) / CENTRAL_99 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 1.0), 4.0);
        assert!(quantile(&mut [], 0.5).is_nan());
    }

    #[test]
    fn spread_ignores_wild_values_and_survives_ties() {
        let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let clean = spread(&values);
        values[0] = 1e300;
        assert!((spread(&values) - clean).abs() < 0.01 * clean);
        assert_eq!(spread(&[2.0; 50]), 0.0);
        let mostly_equal: Vec<f64> = (0..100).map(|i| if i % 10 == 0 { f64::from(i) } else { 0.0 }).collect();
        assert!(spread(&mostly_equal) > 0.0);
    }
}
