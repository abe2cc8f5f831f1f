//! A server's metrics together: the product's windows, and plain methods on the same vectors, as they are and smoothed as the
//! product smooths. A judgement is one of the whole server, an entry a record of its streams, which have the same times.

use std::{collections::HashMap, sync::Arc};

use anyhow::Result;
use oddline_core::{
    episode::EpisodeStep,
    limits::EPISODE_GAP_RECORDS,
    profile::ModelProfile,
    stream::StreamSlot,
    time::EventTime,
    window::{METRIC_FEATURES, WindowReading, WindowTable, WindowVerdict, WindowView},
};
use oddline_detector::OpenModel;
use oddline_trainer::score_stream;

use super::{StreamJudgement, budget::threshold_for_budget, oddline::not_learnt, plain::judgement};
use crate::data::{LabelledSeries, server_days};

/// A score follows by this share, as the product's.
const SMOOTH: f64 = 1.0 / 3.0;
/// A metric further out than this many of its scales is odd, for those who count.
const ODD: f64 = 3.0;
/// Shares of the diagonal in a covariance.
const SHRINK: f64 = 0.5;
const COMPONENTS: usize = 4;
const ROUNDS: usize = 40;
/// The nearest rows: the distance to the fourth of so many.
const NEIGHBOUR: usize = 4;
const KEPT: usize = 1_024;
const SCALE_MIN: f64 = 0.1;

/// All of them by name; none where the model has no windows.
///
/// # Errors
/// When the model cannot be run.
pub(crate) fn judge(
    series: &[LabelledSeries],
    model: &OpenModel,
    budget: f64,
) -> Result<Vec<(&'static str, StreamJudgement)>> {
    let Some(view) = &model.profile.window else { return Ok(Vec::new()) };
    let parts: Vec<_> = series.iter().map(not_learnt).collect();
    let verdicts = score_stream::windows(&parts, model)?;
    let fixed = WindowView { budget: None, ..view.clone() };
    let fixed = model.with_profile(ModelProfile { window: Some(fixed), ..(*model.profile).clone() });
    let of_fixed = score_stream::windows(&parts, &fixed)?;
    let mut judged = vec![
        ("windows", of_product(series, &verdicts, |verdict| verdict.score)),
        ("windows, no controller", of_product(series, &of_fixed, |verdict| verdict.score)),
        ("windows, not smoothed", of_product(series, &verdicts, |verdict| verdict.alone)),
    ];
    let rows = ServerRows::of(series, &model.profile);
    let mut add = |names: [&'static str; 2], scores: Vec<f64>| {
        judged.push((names[1], rows.judgement(&series[0], &smoothed(&scores), budget)));
        judged.push((names[0], rows.judgement(&series[0], &scores, budget)));
    };
    add(["rms of metrics", "rms of metrics, smoothed"], rows.rms());
    add(["count of odd metrics", "count of odd metrics, smoothed"], rows.counts());
    add(["PCA", "PCA, smoothed"], rows.principal());
    add(["Mahalanobis", "Mahalanobis, smoothed"], rows.mahalanobis());
    add(["nearest rows", "nearest rows, smoothed"], rows.nearest());
    Ok(judged)
}

fn of_product(
    series: &[LabelledSeries],
    verdicts: &[WindowVerdict],
    score: impl Fn(&WindowVerdict) -> f32,
) -> StreamJudgement {
    let at: HashMap<EventTime, &WindowVerdict> = verdicts.iter().map(|verdict| (verdict.time, verdict)).collect();
    let mut judged = StreamJudgement::default();
    for time in &series[0].times[series[0].learnt..] {
        let verdict = at.get(time);
        judged.scores.push(verdict.map_or(0.0, |verdict| f64::from(score(verdict))));
        judged.odd.push(verdict.is_some_and(|verdict| verdict.anomalous));
        judged.opened.push(verdict.is_some_and(|verdict| verdict.step == EpisodeStep::Opened));
    }
    judged
}

fn smoothed(scores: &[f64]) -> Vec<f64> {
    let mut mean = scores.first().copied().unwrap_or(0.0);
    let follow = |score: &f64| {
        mean += SMOOTH * (score - mean);
        mean
    };
    scores.iter().map(follow).collect()
}

/// The windows of a server as rows, those learnt from first, standardised by them.
struct ServerRows {
    times: Vec<EventTime>,
    raw: Vec<Vec<f64>>,
    rows: Vec<Vec<f64>>,
    learnt: usize,
}

impl ServerRows {
    fn of(series: &[LabelledSeries], profile: &ModelProfile) -> Self {
        let (mut table, mut closed) = (WindowTable::default(), Vec::new());
        let names: Vec<_> = series.iter().map(|of| Arc::new(of.name.clone())).collect();
        for at in 0..series[0].times.len() {
            for ((slot, of), name) in (0 as StreamSlot..).zip(series).zip(&names) {
                let reading = WindowReading { slot, name, time: of.times[at], value: of.values[at] };
                table.take(profile, reading, &mut closed);
            }
        }
        let until = series[0].times[series[0].learnt];
        let raw: Vec<Vec<f64>> = closed.iter().map(|w| w.vector.iter().map(|x| f64::from(*x)).collect()).collect();
        let learnt = closed.iter().filter(|window| window.time < until).count();
        let columns: Vec<(f64, f64)> =
            (0..raw[0].len()).map(|j| moments(raw[..learnt].iter().map(|row| row[j]))).collect();
        let standard = |row: &Vec<f64>| row.iter().zip(&columns).map(|(x, (mean, sd))| (x - mean) / sd).collect();
        let rows = raw.iter().map(standard).collect();
        Self { times: closed.iter().map(|window| window.time).collect(), raw, rows, learnt }
    }

    /// At the records of the judged part, with the threshold that meets the budget on the rows learnt from.
    fn judgement(&self, series: &LabelledSeries, scores: &[f64], budget: f64) -> StreamJudgement {
        let days = server_days(std::slice::from_ref(series), |series| 0..series.learnt);
        let learnt = scores[..self.learnt].to_vec();
        let limit = threshold_for_budget(&[learnt], EPISODE_GAP_RECORDS as usize, budget * days);
        let at: HashMap<EventTime, f64> = self.times.iter().copied().zip(scores.iter().copied()).collect();
        let scores: Vec<f64> = series.times.iter().map(|time| at.get(time).copied().unwrap_or(0.0)).collect();
        judgement(series, &scores, limit)
    }

    /// Root mean square of the metrics' residuals.
    fn rms(&self) -> Vec<f64> {
        let of = |row: &Vec<f64>| {
            let squares: f64 = row.iter().step_by(METRIC_FEATURES).map(|x| x * x).sum();
            (squares * METRIC_FEATURES as f64 / row.len() as f64).sqrt()
        };
        self.raw.iter().map(of).collect()
    }

    fn counts(&self) -> Vec<f64> {
        let of = |row: &Vec<f64>| row.iter().step_by(METRIC_FEATURES).filter(|x| x.abs() > ODD).count() as f64;
        self.raw.iter().map(of).collect()
    }

    /// What the first components leave, each number in its own deviation.
    fn principal(&self) -> Vec<f64> {
        let axes = axes(&self.covariance(0.0));
        let rest = |row: &Vec<f64>| {
            let mut rest = row.clone();
            for axis in &axes {
                let along = dot(row, axis);
                rest.iter_mut().zip(axis).for_each(|(x, a)| *x -= along * a);
            }
            rest
        };
        let rests: Vec<Vec<f64>> = self.rows.iter().map(rest).collect();
        let scales: Vec<f64> =
            (0..rests[0].len()).map(|j| moments(rests[..self.learnt].iter().map(|row| row[j])).1).collect();
        let of = |row: &Vec<f64>| row.iter().zip(&scales).map(|(x, s)| (x / s) * (x / s)).sum::<f64>().sqrt();
        rests.iter().map(of).collect()
    }

    fn mahalanobis(&self) -> Vec<f64> {
        let factor = cholesky(self.covariance(SHRINK));
        let of = |row: &Vec<f64>| {
            // Solved forwards: the length of what comes out is the distance.
            let mut solved: Vec<f64> = Vec::with_capacity(row.len());
            for (x, line) in row.iter().zip(&factor) {
                let known = dot(&solved, &line[..solved.len()]);
                solved.push((x - known) / line[solved.len()]);
            }
            dot(&solved, &solved).sqrt()
        };
        self.rows.iter().map(of).collect()
    }

    fn nearest(&self) -> Vec<f64> {
        let step = self.learnt.div_ceil(KEPT).max(1);
        let kept: Vec<(usize, &Vec<f64>)> = self.rows[..self.learnt].iter().enumerate().step_by(step).collect();
        let of = |(number, row): (usize, &Vec<f64>)| {
            let others = kept.iter().filter(|(at, _)| *at != number);
            let mut apart: Vec<f64> =
                others.map(|(_, other)| row.iter().zip(*other).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()).collect();
            apart.sort_by(f64::total_cmp);
            apart.get(NEIGHBOUR - 1).copied().unwrap_or(0.0).sqrt()
        };
        self.rows.iter().enumerate().map(of).collect()
    }

    fn covariance(&self, shrink: f64) -> Vec<Vec<f64>> {
        let width = self.rows[0].len();
        let mut sums = vec![vec![0.0; width]; width];
        for row in &self.rows[..self.learnt] {
            for (line, x) in sums.iter_mut().zip(row) {
                line.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        sums.iter_mut().flatten().for_each(|sum| *sum *= (1.0 - shrink) / self.learnt as f64);
        let mean = (0..width).map(|j| sums[j][j]).sum::<f64>() / width as f64 / (1.0 - shrink).max(SCALE_MIN);
        (0..width).for_each(|j| sums[j][j] += shrink * mean);
        sums
    }
}

/// Mean and standard deviation with its floor.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let square = values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    (mean, square.sqrt().max(SCALE_MIN))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The directions in which most varies, by turning a few until they stay.
fn axes(covariance: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = covariance.len();
    let start = |k: usize| (0..width).map(|j| ((j * (k + 3) + 1) as f64 * 0.754_877).fract() - 0.5).collect();
    let mut axes: Vec<Vec<f64>> = (0..COMPONENTS.min(width)).map(start).collect();
    for _ in 0..ROUNDS {
        for k in 0..axes.len() {
            let mut turned: Vec<f64> = covariance.iter().map(|line| dot(line, &axes[k])).collect();
            for before in &axes[..k] {
                let along = dot(&turned, before);
                turned.iter_mut().zip(before).for_each(|(x, b)| *x -= along * b);
            }
            let length = dot(&turned, &turned).sqrt().max(f64::MIN_POSITIVE);
            axes[k] = turned.iter().map(|x| x / length).collect();
        }
    }
    axes
}

/// Lower triangle L of a positive definite matrix L L'.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..matrix.len() {
        for j in 0..=i {
            let known = dot(&matrix[i][..j], &matrix[j][..j]);
            let rest = matrix[i][j] - known;
            matrix[i][j] = if i == j { rest.max(1e-9).sqrt() } else { rest / matrix[j][j] };
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_factor_by_hand() {
        let matrix = vec![vec![4.0, 2.0], vec![2.0, 3.0]];
        let factor = cholesky(matrix.clone());
        assert_eq!((factor[0][0], factor[1][0]), (2.0, 1.0));
        assert!((factor[1][1] - 2.0_f64.sqrt()).abs() < 1e-12);
        let first = &axes(&matrix)[0];
        let turned: Vec<f64> = matrix.iter().map(|line| dot(line, first)).collect();
        // The largest eigenvalue of the matrix is (7 + sqrt 17) / 2.
        assert!((dot(&turned, first) - f64::midpoint(7.0, 17.0_f64.sqrt())).abs() < 1e-9);
    }

    #[test]
    fn smoothing_follows_by_a_third() {
        assert_eq!(smoothed(&[3.0, 6.0, 6.0]), [3.0, 4.0, 4.0 + 2.0 / 3.0]);
    }
}
