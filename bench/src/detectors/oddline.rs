//! Oddline: a model made as the trainer makes it, and the judge that agents run.

use anyhow::Result;
use oddline_core::{episode::EpisodeStep, profile::ModelProfile};
use oddline_detector::OpenModel;
use oddline_trainer::{
    clock,
    dataset::{
        Dataset,
        load::{DatasetStream, STREAM_RECORDS_MIN},
    },
    score_stream::{self, StreamPart},
    train::{self, TrainingRecipe},
};

use super::StreamJudgement;
use crate::data::LabelledSeries;

/// # Errors
/// When the model cannot be run.
pub(crate) fn alerts(series: &[LabelledSeries], model: &OpenModel) -> Result<Vec<Vec<bool>>> {
    let of = |series: &LabelledSeries| {
        let judged = score_stream::series(&series.name, &series.times, &series.values, model)?;
        Ok(judged.iter().map(|row| row.verdict.anomalous).collect())
    };
    series.iter().map(of).collect()
}

/// One model for all of them, of the parts to learn from.
///
/// # Errors
/// When no model can be made of them.
pub(crate) fn fit(series: &[LabelledSeries], recipe: &TrainingRecipe) -> Result<OpenModel> {
    let mut dataset = Dataset::default();
    for of in series {
        if of.learnt < STREAM_RECORDS_MIN {
            dataset.short.push((of.name.clone(), of.learnt));
            continue;
        }
        let (times, values) = (of.times[..of.learnt].to_vec(), of.values[..of.learnt].to_vec());
        dataset.streams.push(DatasetStream { name: of.name.clone(), times, values });
    }
    dataset.streams.sort_by(|a, b| a.name.cmp(&b.name));
    dataset.check()?;
    Ok(train::make(recipe, &dataset, None, None, clock::now())?.model)
}

/// The same without limits that follow the scores: one threshold for all streams and all times.
pub(crate) fn with_fixed_threshold(model: &OpenModel) -> OpenModel {
    model.with_profile(ModelProfile { budget: None, ..(*model.profile).clone() })
}

/// Judges what follows the parts learnt from, all streams in the order of time by one judge with a fresh memory.
///
/// # Errors
/// When the model cannot be run.
pub(crate) fn judge(series: &[LabelledSeries], model: &OpenModel) -> Result<Vec<StreamJudgement>> {
    let parts: Vec<StreamPart<'_>> = series.iter().map(not_learnt).collect();
    let mut all = vec![StreamJudgement::default(); series.len()];
    score_stream::together(&parts, model, |of, _, row| {
        all[of].scores.push(f64::from(row.verdict.score.value));
        all[of].odd.push(row.verdict.anomalous);
        all[of].opened.push(row.step == EpisodeStep::Opened);
    })?;
    Ok(all)
}

pub(crate) fn not_learnt(series: &LabelledSeries) -> StreamPart<'_> {
    let LabelledSeries { name, times, values, learnt, .. } = series;
    StreamPart { name, times, values, part: *learnt..values.len() }
}
