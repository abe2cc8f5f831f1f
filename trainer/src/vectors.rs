//! Streams to vectors with fitted baselines: the same functions the judge runs, over a whole stream at once.

use std::collections::BTreeMap;

use oddline_core::{
    limits::{BASELINES_MAX, PRIORS_MAX},
    novelty,
    profile::{ModelProfile, Prior, StreamBaseline},
    robust::median,
    stream::{
        StreamName, Vector,
        baseline::{Baseline, CURVE},
        features,
    },
};

use crate::{
    dataset::{Dataset, DatasetStream},
    error::DataError,
};

/// The rows of one stream.
#[derive(Debug, Clone)]
pub struct Rows {
    pub baseline: Baseline,
    /// One vector a record, all records of the stream.
    pub vectors: Vec<Vector>,
    pub novelty: Vec<f32>,
}

/// Fits a stream on the records of `fit_on` (a flag a record) and makes all its vectors.
#[must_use]
pub fn rows(stream: &DatasetStream, fit_on: &[bool]) -> Option<Rows> {
    let baseline = Baseline::fit(&stream.times, &stream.values, fit_on)?;
    let mut memory = None;
    let records = || stream.times.iter().zip(&stream.values);
    let vectors = records().map(|(t, v)| features::read(&mut memory, &baseline, *t, *v).vector).collect();
    let novelty = stream.values.iter().map(|v| novelty::outside(&baseline, *v)).collect();
    Some(Rows { baseline, vectors, novelty })
}

/// Every stream's rows, fitted on the kept records of its first part.
///
/// # Errors
/// When too few records of a stream are kept.
pub fn all(dataset: &Dataset, keep: &[Vec<bool>], fit_share: f64) -> Result<Vec<Rows>, DataError> {
    let of = |(stream, keep): (&DatasetStream, &Vec<bool>)| {
        let end = stream.part(0.0, fit_share).end;
        let fit_on: Vec<bool> = keep.iter().enumerate().map(|(i, keep)| *keep && i < end).collect();
        rows(stream, &fit_on).ok_or_else(|| {
            let StreamName { server, component } = &stream.name;
            DataError(format!("the stream {server}/{component} has too few usable records to fit"))
        })
    };
    dataset.streams.iter().zip(keep).map(of).collect()
}

/// The baselines a model carries, sorted, and the priors of the components.
#[must_use]
pub fn catalogue(dataset: &Dataset, rows: &[Rows]) -> (Vec<StreamBaseline>, Vec<Prior>) {
    let mut components: BTreeMap<&str, Vec<&Baseline>> = BTreeMap::new();
    let mut baselines = Vec::new();
    for (stream, rows) in dataset.streams.iter().zip(rows) {
        components.entry(&stream.name.component).or_default().push(&rows.baseline);
        if baselines.len() < BASELINES_MAX {
            baselines.push(StreamBaseline {
                server: stream.name.server.clone(),
                component: stream.name.component.clone(),
                baseline: rows.baseline.clone(),
            });
        }
    }
    let prior =
        |(component, of): (&str, Vec<&Baseline>)| Prior { component: component.to_owned(), baseline: middle(&of) };
    (baselines, components.into_iter().take(PRIORS_MAX).map(prior).collect())
}

/// Takes over what an older profile knows of streams and components that this one does not, as far as there is room: a
/// server whose logs were not at hand is not forgotten.
pub fn keep_absent(profile: &mut ModelProfile, old: &ModelProfile) {
    let absent = |b: &&StreamBaseline| profile.baseline(&b.server, &b.component).is_none();
    let room = BASELINES_MAX.saturating_sub(profile.baselines.len());
    let kept: Vec<StreamBaseline> = old.baselines.iter().filter(absent).take(room).cloned().collect();
    profile.baselines.extend(kept);
    profile.baselines.sort_by(|a, b| (&a.server, &a.component).cmp(&(&b.server, &b.component)));
    let room = PRIORS_MAX.saturating_sub(profile.priors.len());
    let absent = old.priors.iter().filter(|p| profile.prior(&p.component).is_none());
    let kept: Vec<Prior> = absent.take(room).cloned().collect();
    profile.priors.extend(kept);
    profile.priors.sort_by(|a, b| a.component.cmp(&b.component));
}

/// The middle of each number; the range is the widest.
fn middle(baselines: &[&Baseline]) -> Baseline {
    let of = |pick: &dyn Fn(&Baseline) -> f64| median(&baselines.iter().map(|b| pick(b)).collect::<Vec<_>>());
    let curve: [f64; CURVE] = core::array::from_fn(|i| of(&|b| b.curve[i]));
    Baseline {
        curve,
        residual_scale: of(&|b| b.residual_scale),
        step_scale: of(&|b| b.step_scale),
        gap_s: of(&|b| b.gap_s),
        gap_spread: of(&|b| b.gap_spread),
        still: of(&|b| b.still),
        run: of(&|b| b.run),
        min: baselines.iter().map(|b| b.min).fold(f64::INFINITY, f64::min),
        max: baselines.iter().map(|b| b.max).fold(f64::NEG_INFINITY, f64::max),
        loudness: of(&|b| b.loudness),
    }
}

/// Mean and standard deviation of each feature, the latter at least `floor`.
#[must_use]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "statistics in f64, the model in f32")]
pub fn standardisation(rows: &[Vector], floor: f64) -> (Vector, Vector) {
    let count = rows.len().max(1) as f64;
    let mean: [f64; 8] = core::array::from_fn(|j| rows.iter().map(|r| f64::from(r[j])).sum::<f64>() / count);
    let deviation: [f64; 8] = core::array::from_fn(|j| {
        let square: f64 = rows.iter().map(|r| (f64::from(r[j]) - mean[j]).powi(2)).sum();
        (square / count).sqrt().max(floor)
    });
    (mean.map(|x| x as f32), deviation.map(|x| x as f32))
}
