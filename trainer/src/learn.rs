//! From a training set to a network and what its scores are measured in.

use oddline_core::{
    profile::{RecordView, Threshold},
    robust::{median, quantile},
    score::score,
    stream::{JUDGED, Vector},
};

use crate::{
    export::View,
    fit::{self, FitOutcome, FitPlan},
    network::{self, TANH},
    train::{AblatedPart, ParentModel, TrainingRecipe},
    training_set::{TrainingSet, TrainingStream},
};

/// A feature that hardly varies in training must not turn a whisper into thunder.
const SCALE_MIN: f64 = 0.1;
/// What one record can add to what all are standardised by.
const FAR: f64 = 15.0;
/// Standardised inputs are cut here in training: what clipping let through must not pull the weights.
const INPUT_CLIP: f32 = 8.0;
/// Features are measured in this quantile of their training values, which a few anomalies among them hardly move, ...
const MEASURE_QUANTILE: f64 = 0.99;
/// ... stretched as far as a normal distribution reaches from there to its 99.95 % quantile.
const MEASURE_STRETCH: f64 = 3.48 / 2.58;
const MEASURE_MIN: f64 = 0.1;
/// What each feature that is judged is measured in, in its own unit. The units are robust, and so these need no training
/// data: anomalies among them would only make the features deaf.
const UNITS: [f64; JUDGED] = [3.5, 4.0, 2.0, 1.0, 0.5, 0.1];
/// The least measure of a feature's residual in these.
const LEAST: f64 = 0.25;
/// A stream is measured by its own scores when this quantile of them ...
const LOUD_QUANTILE: f64 = 0.999;
/// ... is beyond what chance does to the common measure.
const LOUD: f64 = 1.3;

/// Fitted, not yet calibrated.
pub struct FittedModel {
    pub view: View,
    pub record: RecordView,
    pub outcome: FitOutcome,
    /// Rows it was fitted to.
    pub rows: u64,
}

/// Fits the network and sets how loud each stream of the set is.
#[must_use]
pub fn learn(recipe: &TrainingRecipe, set: &mut TrainingSet<'_>, before: Option<&ParentModel>) -> FittedModel {
    let learnt = set.kept(TrainingStream::fit_part);
    let held = set.kept(TrainingStream::held_out);
    let mut all = learnt.concat();
    let is_empty = all.is_empty();
    if is_empty {
        // Nothing but constants and states: there is nothing for a network to learn.
        all.push([0.0; 8]);
    }
    let (center, scale) = standardisation(&all);
    let standard = |rows: &[Vector]| -> Vec<Vector> {
        let mut standard = standardised(rows, &center, &scale);
        standard.as_flattened_mut().iter_mut().for_each(|z| *z = z.clamp(-INPUT_CLIP, INPUT_CLIP));
        standard
    };
    let start = before.and_then(|before| before.weights.clone());
    let plan = FitPlan { epochs: recipe.epochs, seed: recipe.seed, start };
    let outcome = fit::fit(&standard(&all), &standard(&held.concat()), &plan);
    let view = View {
        name: "record".to_owned(),
        center: center.to_vec(),
        scale: scale.to_vec(),
        layers: outcome.weights.clone(),
        tanh: TANH.to_vec(),
        leave_one_out: true,
    };
    let residuals: Vec<Vec<Vector>> =
        learnt.iter().map(|rows| network::residuals(&view.layers, &standardised(rows, &center, &scale))).collect();
    let mut record = measures(recipe.without, &residuals, (center, scale));
    // It would find anything unexpected that a stream the model does not know will do.
    record.autoencoder &= !is_empty;
    // The lists of `learnt` are of these streams, in this order.
    let featured = set.streams.iter_mut().filter(|stream| stream.baseline.character.has_features());
    for ((stream, rows), residuals) in featured.zip(&learnt).zip(&residuals) {
        stream.baseline.loudness = loudness(rows, residuals, &record);
    }
    FittedModel { view, record, outcome, rows: all.len() as u64 }
}

fn standardised(rows: &[Vector], center: &Vector, scale: &Vector) -> Vec<Vector> {
    rows.iter().map(|v| core::array::from_fn(|j| (v[j] - center[j]) / scale[j])).collect()
}

/// Mean and standard deviation of each feature, as far as [`FAR`] counts, the latter at least [`SCALE_MIN`].
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "statistics in f64, the model in f32")]
fn standardisation(rows: &[Vector]) -> (Vector, Vector) {
    let count = rows.len().max(1) as f64;
    let cut = |x: f32| f64::from(x).clamp(-FAR, FAR);
    let mean: [f64; 8] = core::array::from_fn(|j| rows.iter().map(|r| cut(r[j])).sum::<f64>() / count);
    let deviation: [f64; 8] = core::array::from_fn(|j| {
        let square: f64 = rows.iter().map(|r| (cut(r[j]) - mean[j]).powi(2)).sum();
        (square / count).sqrt().max(SCALE_MIN)
    });
    (mean.map(|x| x as f32), deviation.map(|x| x as f32))
}

/// What each feature and its residual are measured in: the middle of what the streams themselves would choose, so that a
/// few spiky ones do not make all others deaf.
fn measures(without: Option<AblatedPart>, residuals: &[Vec<Vector>], (center, scale): (Vector, Vector)) -> RecordView {
    let middle =
        |of: &dyn Fn(usize) -> f64| median(&(0..residuals.len()).map(of).collect::<Vec<f64>>()).max(MEASURE_MIN) as f32;
    let unit = |j: usize| (UNITS.get(j).copied().unwrap_or(1.0) / f64::from(scale[j])) as f32;
    let least = |j: usize| unit(j) * LEAST as f32;
    let residual_quantile =
        core::array::from_fn(|j| middle(&|stream| measure(residuals[stream].iter().map(|r| r[j]))).max(least(j)));
    let value_quantile = core::array::from_fn(unit);
    RecordView {
        center,
        scale,
        residual_quantile,
        value_quantile,
        autoencoder: without != Some(AblatedPart::Autoencoder),
        novelty: without != Some(AblatedPart::Novelty),
        threshold: Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) },
    }
}

fn measure(values: impl Iterator<Item = f32>) -> f64 {
    let mut sizes: Vec<f64> = values.map(|x| f64::from(x.abs())).collect();
    if sizes.is_empty() {
        MEASURE_MIN
    } else {
        (MEASURE_STRETCH * quantile(&mut sizes, MEASURE_QUANTILE)).max(MEASURE_MIN)
    }
}

/// Streams whose own scores reach beyond the common measure are judged by their own.
fn loudness(rows: &[Vector], residuals: &[Vector], record: &RecordView) -> f64 {
    let judged = rows.iter().zip(residuals);
    let mut scores: Vec<f64> = judged.map(|(v, r)| f64::from(score(record, v, r, 0.0, 1.0).value)).collect();
    let reach = quantile(&mut scores, LOUD_QUANTILE);
    if reach > LOUD { reach } else { 1.0 }
}
