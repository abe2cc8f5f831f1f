//! Residuals and values against their own training quantiles: one score, and which feature made it.
//!
//! Each feature is measured in its own unit: a spiky one whitened by its standard deviation would own the threshold.
//! What a value is, how far it moved and where it has been for some records add up as lengths do: on production series
//! that ranks clearly better than the largest of them (docs/decisions/2026-11-27-characters.md).

use crate::{
    profile::RecordView,
    stream::{JUDGED, Vector},
};

/// The largest score: a million times what is usual is as odd as anything can be, and is still read as a number.
pub const SCORE_MAX: f32 = 1e6;

/// Features before this one tell of the value itself: residual, step, level, and volatility where it is high.
const OF_VALUE: usize = 4;
const VOLATILITY: usize = 3;
/// Their length in units counts by so much less: on a normal record it is longer than the largest of them alone.
const TOGETHER: f32 = 1.3;

/// A number as a score: 0 for no number, at most [`SCORE_MAX`].
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "within the bounds of a score")]
pub fn bounded(score: f64) -> f32 {
    if score.is_nan() { 0.0 } else { score.clamp(0.0, f64::from(SCORE_MAX)) as f32 }
}

/// A record's score and what made it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The largest share; about 1 at the training quantile, at most [`SCORE_MAX`].
    pub value: f32,
    /// What made it.
    pub cause: ScoreCause,
}

/// What made a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ScoreCause {
    /// The autoencoder expected another value of this feature beside the others.
    Unexpected(u8),
    /// This feature is further out than training ever was.
    Extreme(u8),
    /// The value is outside the range seen in training.
    Range,
    /// The model's output was no number: nothing normal does that.
    NotFinite,
    /// A counter began anew.
    Reset,
}

/// Scores one record from its vector, the residuals the model gave (in scales), its novelty, and the loudness of its
/// stream, which divides what the features say.
#[must_use]
pub fn score(view: &RecordView, vector: &Vector, residual: &Vector, novelty: f32, loudness: f32) -> Score {
    let mut best = Score { value: 0.0, cause: ScoreCause::Range };
    if view.novelty && novelty > 0.0 {
        best.value = novelty;
    }
    let shares = shares(view, vector, residual);
    let square: f32 = shares[..OF_VALUE].iter().map(|share| share.extreme * share.extreme).sum();
    let together = square.sqrt() / TOGETHER / loudness;
    if together > best.value {
        let largest = (0..OF_VALUE).max_by(|a, b| shares[*a].extreme.total_cmp(&shares[*b].extreme)).unwrap_or(0);
        best = Score { value: together, cause: ScoreCause::Extreme(feature_number(largest)) };
    }
    for (j, share) in shares.into_iter().enumerate() {
        let feature = feature_number(j);
        let share = Share { unexpected: share.unexpected / loudness, extreme: share.extreme / loudness };
        if !share.unexpected.is_finite() {
            return Score { value: SCORE_MAX, cause: ScoreCause::NotFinite };
        }
        if share.unexpected > best.value {
            best = Score { value: share.unexpected, cause: ScoreCause::Unexpected(feature) };
        }
        if share.extreme > best.value {
            best = Score { value: share.extreme, cause: ScoreCause::Extreme(feature) };
        }
    }
    best.value = best.value.min(SCORE_MAX);
    best
}

/// Both measures of one feature, in training quantiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// |residual| of the autoencoder.
    pub unexpected: f32,
    /// |feature - center|.
    pub extreme: f32,
}

/// Both measures of each feature that is judged.
#[must_use]
pub fn shares(view: &RecordView, vector: &Vector, residual: &Vector) -> [Share; JUDGED] {
    core::array::from_fn(|j| Share {
        unexpected: if view.autoencoder { residual[j].abs() / view.residual_quantile[j] } else { 0.0 },
        extreme: extent(j, (vector[j] - view.center[j]) / view.scale[j]) / view.value_quantile[j],
    })
}

/// A feature's distance from its centre. Calm is none: what stands still shows in its run.
fn extent(j: usize, distance: f32) -> f32 {
    if j == VOLATILITY { distance.max(0.0) } else { distance.abs() }
}

#[expect(clippy::cast_possible_truncation, reason = "less than 256 features")]
const fn feature_number(j: usize) -> u8 {
    j as u8
}
