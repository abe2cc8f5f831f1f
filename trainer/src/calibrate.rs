//! The budget of each stream, and the promise: training records streamed through the exported model and the code that
//! will judge, all streams of a server beside each other, nothing left out.
//!
//! What outlier removal kept from the fit counts here as a user would see it. The last fifth of each stream, which
//! neither the fit nor its early stopping saw, is judged with what the first four fifths gave: its incidents are the
//! promise that is printed, with what chance does to such a count (Garwood 1936). Then it may teach the budgets too.

use std::collections::BTreeMap;

use anyhow::Result;
use oddline_core::{
    budget::{BudgetProfile, MeasuredIncidents},
    episode::EpisodeStep,
    incident::{EpisodeOpening, incidents},
    profile::{ModelProfile, Threshold},
    robust::quantile,
    stream::StreamName,
    time::EventTime,
};
use oddline_detector::{Judge, JudgedRow, OpenModel};

use crate::{
    dataset::DatasetStream,
    error::DataError,
    evaluate::{histogram::ScoreHistogram, poisson::interval_95},
    score_stream::{self, StreamPart},
    training_set::{TrainingSet, TrainingStream},
};

/// Where the first pass assumes odd to begin; scores are in training quantiles.
const FIRST_THRESHOLD: f32 = 1.2;
/// The smallest threshold: below it a record is nearer to the middle of training than its edge.
const THRESHOLD_MIN: f64 = 0.5;

/// An incident that reaches this many limits stands apart.
const APART: f32 = 1.5;

/// What the threshold should meet.
#[derive(Debug, Clone, Copy)]
pub enum ThresholdTarget {
    /// False incidents per server and day.
    Budget(f64),
    /// Quantile of the scores of normal held-out records.
    Quantile(f64),
}

#[derive(Debug, Clone)]
pub struct CalibratedModel {
    /// The threshold with its expectation.
    pub threshold: Threshold,
    /// Where the limits of the streams start from; `None` with a quantile.
    pub budget: Option<BudgetProfile>,
    /// Incidents of the unseen part.
    pub measured: MeasuredIncidents,
    /// Scores of all training records as they will be judged.
    pub scores: ScoreHistogram,
}

impl CalibratedModel {
    /// The same with what was measured of another, whose baselines had not seen the days it was measured on.
    #[must_use]
    pub fn promising(mut self, other: &Self) -> Self {
        self.measured = other.measured;
        self.threshold = promised(self.threshold, self.measured);
        if let Some(budget) = &mut self.budget {
            budget.measured = self.measured;
        }
        self
    }
}

/// Finds the threshold and the budgets for a model whose own are not set yet.
///
/// # Errors
/// When the model cannot be run, or nothing normal was held out.
pub fn calibrate(set: &TrainingSet<'_>, model: &OpenModel, aim: ThresholdTarget) -> Result<CalibratedModel> {
    let first =
        Threshold { value: FIRST_THRESHOLD, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
    match aim {
        ThresholdTarget::Budget(asked) => budgeted(set, model, first, asked),
        ThresholdTarget::Quantile(share) => at_quantile(set, model, first, share),
    }
}

fn budgeted(set: &TrainingSet<'_>, model: &OpenModel, first: Threshold, asked: f64) -> Result<CalibratedModel> {
    let first = Threshold { alert_budget: Some(asked), ..first };
    let seen = |stream: &TrainingStream<'_>| stream.seen();
    let unknown = with(model, first, Some(BudgetProfile::unknown(asked)));
    let learnt = judge(set, &unknown, seen, |_, _, _| {})?;
    let calibrated = learnt.state().budgets().learnt(asked, newest(set, seen));
    let threshold = Threshold { value: threshold_of(&calibrated), ..first };
    let judged_by = with(model, threshold, Some(calibrated));
    let (learnt, measured, scores) = measured(set, &judged_by)?;
    let mut budget = learnt.state().budgets().learnt(asked, newest(set, all_of));
    budget.measured = measured;
    let threshold = promised(Threshold { value: threshold_of(&budget), ..first }, measured);
    Ok(CalibratedModel { threshold, budget: Some(budget), measured, scores })
}

fn at_quantile(set: &TrainingSet<'_>, model: &OpenModel, first: Threshold, share: f64) -> Result<CalibratedModel> {
    let mut threshold = Threshold { quantile: Some(share), ..first };
    // The threshold and the baselines it lets follow agree after two passes; the third counts.
    for _ in 0..2 {
        let mut normal = Vec::new();
        judge(set, &with(model, threshold, None), all_of, |stream, at, row| {
            if stream.keep[at] && !stream.fit_part().contains(&at) {
                normal.push(f64::from(row.verdict.score.value));
            }
        })?;
        if normal.is_empty() {
            return Err(DataError("no normal records are left to calibrate the threshold on".to_owned()).into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
        let value = quantile(&mut normal, share).max(THRESHOLD_MIN) as f32;
        threshold.value = value;
    }
    let (_, measured, scores) = measured(set, &with(model, threshold, None))?;
    Ok(CalibratedModel { threshold: promised(threshold, measured), budget: None, measured, scores })
}

/// Judges the whole log and counts the incidents that begin in its last fifth, by their largest score.
fn measured(set: &TrainingSet<'_>, model: &OpenModel) -> Result<(Judge, MeasuredIncidents, ScoreHistogram)> {
    let mut scores = ScoreHistogram::default();
    let mut open: BTreeMap<StreamName, EpisodeOpening<f32>> = BTreeMap::new();
    let mut over: BTreeMap<String, Vec<EpisodeOpening<f32>>> = BTreeMap::new();
    let mut end = |name: &StreamName, episode| over.entry(name.server.clone()).or_default().push(episode);
    let judge = judge(set, model, all_of, |stream, at, row| {
        let (name, score) = (&stream.records.name, row.verdict.score.value);
        scores.push(score);
        match row.step {
            EpisodeStep::Opened if stream.unseen().contains(&at) => {
                let opening = EpisodeOpening { time: row.verdict.time, pause_s: row.pause_s, what: score };
                open.insert(name.clone(), opening);
            }
            EpisodeStep::Opened | EpisodeStep::Quiet => {}
            EpisodeStep::Goes => {
                if let Some(episode) = open.get_mut(name) {
                    episode.what = episode.what.max(score);
                }
            }
            EpisodeStep::Closed(_) | EpisodeStep::NewLevel(_) => {
                open.remove(name).into_iter().for_each(|episode| end(name, episode));
            }
        }
    })?;
    open.into_iter().for_each(|(name, episode)| end(&name, episode));
    let apart = APART * model.profile.record.threshold.value;
    let (mut near, mut far) = (0, 0);
    for peaks in over.into_values().flat_map(incidents) {
        let is_apart = peaks.iter().any(|peak| *peak >= apart);
        near += u64::from(!is_apart);
        far += u64::from(is_apart);
    }
    let server_days = set.server_days(TrainingStream::unseen);
    Ok((judge, MeasuredIncidents { incidents: near, apart: far, server_days }, scores))
}

/// The limit of a stream that is like most: scores are shown in it.
#[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
fn threshold_of(budget: &BudgetProfile) -> f32 {
    (budget.middle.limit * budget.factor).max(THRESHOLD_MIN) as f32
}

/// The threshold with the rate that was measured and what chance does to it.
#[expect(clippy::cast_precision_loss, reason = "a count")]
fn promised(threshold: Threshold, measured: MeasuredIncidents) -> Threshold {
    let days = measured.server_days.max(f64::MIN_POSITIVE);
    let (low, high) = interval_95(measured.incidents);
    let per_day = |incidents: f64| (incidents / days).min(f64::MAX);
    Threshold { expected: per_day(measured.incidents as f64), interval: (per_day(low), per_day(high)), ..threshold }
}

fn with(model: &OpenModel, threshold: Threshold, budget: Option<BudgetProfile>) -> OpenModel {
    let record = oddline_core::profile::RecordView { threshold, ..model.profile.record.clone() };
    model.with_profile(ModelProfile { record, budget, ..(*model.profile).clone() })
}

fn all_of(stream: &TrainingStream<'_>) -> core::ops::Range<usize> {
    0..stream.records.values.len()
}

fn newest(set: &TrainingSet<'_>, part: impl Fn(&TrainingStream<'_>) -> core::ops::Range<usize>) -> EventTime {
    let last = |stream: &TrainingStream<'_>| stream.records.times[part(stream)].last().copied();
    set.streams.iter().filter_map(last).max().unwrap_or(EventTime::from_micros(0))
}

/// Streams a part of the log through a judge; each verdict with its stream and its place there.
fn judge<'a>(
    set: &TrainingSet<'a>,
    model: &OpenModel,
    part: impl Fn(&TrainingStream<'a>) -> core::ops::Range<usize>,
    mut take: impl FnMut(&TrainingStream<'a>, usize, &JudgedRow),
) -> Result<Judge> {
    let part_of = |stream: &TrainingStream<'a>| {
        let DatasetStream { name, times, values } = stream.records;
        StreamPart { name, times, values, part: part(stream) }
    };
    let parts: Vec<StreamPart<'_>> = set.streams.iter().map(part_of).collect();
    score_stream::together(&parts, model, |stream, at, row| take(&set.streams[stream], at, &row))
}
