//! Detectors of a line: the distance outside the range seen, and the robust z-score. Learnt per stream, judged like the
//! others: one threshold for all streams, set to the budget on the parts learnt from, and the agents' episodes.

use oddline_core::{
    episode::{EpisodeRun, EpisodeStep},
    limits::EPISODE_GAP_RECORDS,
    robust::median,
};

use super::{StreamJudgement, budget::threshold_for_budget, gaussian};
use crate::data::{LabelledSeries, server_days};

/// A value leaves the range by more than this share of it.
const RANGE_MARGIN: f64 = 0.005;
/// Makes the median absolute deviation of a Gaussian its standard deviation.
const MAD_TO_SD: f64 = 1.4826;

#[derive(Debug, Clone, Copy)]
pub(crate) enum PlainDetector {
    Range,
    RobustZ,
    Gaussian,
}

impl PlainDetector {
    pub(crate) const ALL: [Self; 3] = [Self::Range, Self::RobustZ, Self::Gaussian];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Range => "range only",
            Self::RobustZ => "robust z",
            Self::Gaussian => "windowed Gaussian",
        }
    }

    pub(crate) fn judge(self, series: &[LabelledSeries], budget: f64) -> Vec<StreamJudgement> {
        let all: Vec<Vec<f64>> = series.iter().map(|series| self.scores(series)).collect();
        let limit = if matches!(self, Self::Range) {
            Some(0.0)
        } else {
            let learnt: Vec<Vec<f64>> = all.iter().zip(series).map(|(s, of)| s[..of.learnt].to_vec()).collect();
            let days = server_days(series, |series| 0..series.learnt);
            threshold_for_budget(&learnt, EPISODE_GAP_RECORDS as usize, budget * days)
        };
        all.iter().zip(series).map(|(scores, series)| judgement(series, scores, limit)).collect()
    }

    fn scores(self, series: &LabelledSeries) -> Vec<f64> {
        let learnt = &series.values[..series.learnt];
        match self {
            Self::Gaussian => gaussian::scores(series),
            Self::Range => {
                let (low, high) = learnt.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                let range = (high - low).max(f64::MIN_POSITIVE);
                let outside = |v: &f64| ((low - v).max(v - high) / range - RANGE_MARGIN).max(0.0);
                series.values.iter().map(outside).collect()
            }
            Self::RobustZ => {
                let middle = median(learnt);
                let apart: Vec<f64> = learnt.iter().map(|v| (v - middle).abs()).collect();
                let squares = apart.iter().map(|a| a * a).sum::<f64>() / apart.len().max(1) as f64;
                let robust = MAD_TO_SD * median(&apart);
                let scale = if robust > 0.0 { robust } else { squares.sqrt() }.max(1e-9);
                series.values.iter().map(|v| (v - middle).abs() / scale).collect()
            }
        }
    }
}

/// Episodes above a limit, as agents count them.
pub(crate) fn judgement(series: &LabelledSeries, scores: &[f64], limit: Option<f64>) -> StreamJudgement {
    let mut run = EpisodeRun::default();
    let mut judged = StreamJudgement::default();
    for (time, score) in series.times.iter().zip(scores).skip(series.learnt) {
        let odd = limit.is_some_and(|limit| *score > limit);
        judged.opened.push(run.push(*time, odd, 1.0) == EpisodeStep::Opened);
        judged.scores.push(*score);
        judged.odd.push(odd);
    }
    judged
}
