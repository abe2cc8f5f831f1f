//! The levels that episodes are counted at: fine where limits usually lie, coarse beyond.

/// The lowest level, a quarter; what stays below it is not looked at.
const LN_LOWEST: f64 = -2.0 * core::f64::consts::LN_2;
/// Between levels, in logarithms of the score: a light tail halves within one ...
const FINE: f64 = 0.07;
/// ... up to this level, 4.7 ...
const FINE_LEVELS: usize = 42;
const LN_FINE_END: f64 = LN_LOWEST + FINE * FINE_LEVELS as f64;
/// ... and this much up to 1,160, the last.
const COARSE: f64 = 0.25;
/// All levels.
pub(super) const LEVELS: usize = FINE_LEVELS + 22;

/// Logarithm of a level's score.
#[expect(clippy::cast_precision_loss, reason = "less than a hundred levels")]
pub(super) fn ln_level(level: usize) -> f64 {
    let coarse = level.saturating_sub(FINE_LEVELS) as f64;
    LN_LOWEST + FINE * level.min(FINE_LEVELS) as f64 + COARSE * coarse
}

/// How many levels a score of this logarithm has reached.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to LEVELS")]
pub(super) fn reached(ln_score: f64) -> u8 {
    if ln_score.is_nan() || ln_score < LN_LOWEST {
        return 0;
    }
    let level = if ln_score < LN_FINE_END {
        (ln_score - LN_LOWEST) / FINE
    } else {
        FINE_LEVELS as f64 + (ln_score - LN_FINE_END) / COARSE
    };
    (level as usize + 1).min(LEVELS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_reaches_the_levels_below_it() {
        assert_eq!([f64::NEG_INFINITY, -1.5, f64::NAN].map(reached), [0; 3]);
        for level in 0..LEVELS {
            let at = ln_level(level);
            assert_eq!(usize::from(reached(at + 1e-3)), level + 1, "{at}");
            assert_eq!(usize::from(reached(at - 1e-3)), level, "{at}");
        }
        assert_eq!(usize::from(reached(700.0)), LEVELS);
    }
}
