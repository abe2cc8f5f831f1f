//! What a detector's judgement of a group is worth, as figures.

use std::collections::BTreeMap;

use anyhow::Result;
use oddline_core::{
    incident::{EpisodeOpening, incidents},
    limits::EPISODE_GAP_RECORDS,
    stream::StreamName,
};
use oddline_trainer::evaluate::metrics::{JudgedRecord, TestEvaluation};

use super::sets::{DataSet, Group};
use crate::{
    data::{LabelledSeries, server_days},
    detectors::StreamJudgement,
    metrics::ranking::{average_precision, runs_found},
};

/// A detector's figures on one group at one budget.
#[derive(Default, Clone)]
pub(super) struct GroupFigures {
    /// Incidents that touch no label, ...
    pub false_incidents: u64,
    /// ... and episodes, of all streams ...
    pub false_episodes: u64,
    /// ... and of each that has any.
    pub of_streams: Vec<(String, u64)>,
    pub days: f64,
    pub precision: Option<f64>,
    /// Average precision of how many streams are odd at once.
    pub precision_of_counts: Option<f64>,
    /// Labelled stretches found at one false episode a day, and all.
    pub found: (usize, usize),
    /// Of every record, at the detector's own threshold.
    pub f1: Option<f64>,
    /// Events found at it, and all.
    pub events: (u64, u64),
}

/// # Errors
/// When there are too many streams.
pub(super) fn figures(group: &Group, set: DataSet, judged: &[StreamJudgement]) -> Result<GroupFigures> {
    let mut figures = GroupFigures::default();
    let end = |series: &LabelledSeries| group.ranked_from.unwrap_or(series.values.len() - series.learnt);
    let labels: Vec<Vec<bool>> = group.series.iter().map(LabelledSeries::labels).collect();
    let days = server_days(&group.series, |series| series.learnt..series.learnt + end(series));
    if !group.events.is_empty() {
        of_events(group, judged, &labels, &mut figures)?;
        return Ok(GroupFigures { days, ..figures });
    }
    // Of the production series only those without a label say what a quiet one costs.
    if set != DataSet::Kpi || !labels.iter().flatten().any(|label| *label) {
        let (mut counted, mut unlabelled) = (0, 0);
        let mut openings: BTreeMap<&str, Vec<EpisodeOpening<()>>> = BTreeMap::new();
        for ((of, labels), series) in judged.iter().zip(&labels).zip(&group.series) {
            let records = of.opened.iter().zip(labels).take(end(series));
            counted += records.len();
            let mut opened_here = 0;
            let StreamName { server, component } = &series.name;
            for (at, (opened, _)) in records.enumerate().filter(|(_, (_, label))| !**label) {
                unlabelled += 1;
                opened_here += u64::from(*opened);
                let opening = opened.then(|| series.opening(series.learnt + at));
                openings.entry(server).or_default().extend(opening);
            }
            figures.of_streams.push((format!("{server}/{component}"), opened_here));
        }
        figures.days = days * f64::from(unlabelled) / counted.max(1) as f64;
        figures.false_episodes = figures.of_streams.iter().map(|of| of.1).sum();
        figures.false_incidents = openings.into_values().map(|episodes| incidents(episodes).len() as u64).sum();
    }
    if matches!(set, DataSet::Kpi | DataSet::Asd) {
        let from = group.ranked_from.unwrap_or(0);
        let records = judged.iter().map(|of| of.scores.len()).min().unwrap_or(0);
        let largest = |at: usize| judged.iter().map(|of| of.scores[at]).fold(f64::MIN, f64::max);
        let odd = |at: usize| judged.iter().filter(|of| of.odd[at]).count() as f64;
        let scores: Vec<f64> = (from..records).map(largest).collect();
        let labels = &labels[0][from..records];
        figures.precision = average_precision(&scores, labels);
        let counts: Vec<f64> = (from..records).map(odd).collect();
        figures.precision_of_counts = average_precision(&counts, labels).filter(|_| judged.len() > 1);
        let days = server_days(&group.series, |series| series.learnt + from..series.values.len());
        figures.found = runs_found(&scores, labels, days);
    }
    Ok(figures)
}

/// As the trainer's test counts where the truth is known: an episode is false when it touches no event, an incident when
/// none of its episodes does.
fn of_events(
    group: &Group,
    judged: &[StreamJudgement],
    labels: &[Vec<bool>],
    figures: &mut GroupFigures,
) -> Result<()> {
    let mut evaluation = TestEvaluation::new(u64::from(EPISODE_GAP_RECORDS));
    for (number, (series, of)) in group.series.iter().zip(judged).enumerate() {
        let stream = evaluation.stream(&series.name.server, &series.name.component)?;
        for (at, flagged) in of.odd.iter().enumerate() {
            let place = series.learnt + at;
            evaluation.push(&JudgedRecord {
                stream,
                time_us: series.times[place].micros(),
                anomalous: labels[number][at],
                kind: None,
                event: group.events[number][place],
                flagged: *flagged,
                score: of.scores[at] as f32,
            });
        }
    }
    let summary = evaluation.finish();
    figures.false_episodes = summary.episodes.counts.false_;
    figures.false_incidents = summary.incidents.counts.false_;
    let of_streams = summary.streams.iter();
    figures.of_streams =
        of_streams.map(|row| (format!("{}/{}", row.server, row.component), row.episodes.false_)).collect();
    figures.f1 = Some(summary.f1);
    figures.events = (summary.events.found, summary.events.events);
    Ok(())
}
