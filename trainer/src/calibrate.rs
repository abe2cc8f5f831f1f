//! The threshold: training records streamed through the exported model and the code that will judge, then the tail of
//! their episodes' peaks extrapolated to the alert budget.
//!
//! A log of a few days holds too few false episodes to count at one a day, and, when nobody cleaned it, true ones as
//! well. So the peaks between a base and a cap are fitted ([`crate::score_tail`]), and the fit says how many false episodes a
//! day lie above any score. What was fitted on judges itself kindly: it is only counted when the held-out
//! part does not show significantly more peaks; otherwise the held-out part speaks alone. The interval is what a test
//! as long as the calibration may show: peaks resampled (Efron 1979), then the chance of the count itself.

use anyhow::Result;
use oddline_core::{
    episode::EpisodeStep,
    profile::{ModelProfile, Threshold},
    robust::quantile,
};
use oddline_detector::OpenModel;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Poisson};

use crate::{
    error::DataError,
    evaluate::histogram::ScoreHistogram,
    score_stream,
    score_tail::ScoreTail,
    training_set::{TrainingSet, TrainingStream},
};

/// Where the first pass assumes odd to begin; scores are in training quantiles.
const FIRST_THRESHOLD: f32 = 1.2;
/// Passes until the threshold and the baselines it lets follow agree.
const PASSES: usize = 2;
/// Peaks are fitted above the score that this many of them a stream exceed ...
const PEAKS_PER_STREAM: usize = 24;
/// ... but at least this many in all.
const PEAKS_MIN: usize = 40;
/// The base stays below the cap by enough to see a slope.
const BASE_MAX: f64 = 1.0;
/// More peaks than chance puts there by this many standard deviations are significant.
const SIGNIFICANT: f64 = 2.0;
const RESAMPLES: usize = 400;
/// The smallest threshold: below it a record is nearer to the middle of training than its edge.
const THRESHOLD_MIN: f64 = 0.5;

/// What the threshold should meet.
#[derive(Debug, Clone, Copy)]
pub enum ThresholdTarget {
    /// False episodes per server and day.
    Budget(f64),
    /// Quantile of the scores of normal held-out records.
    Quantile(f64),
}

#[derive(Debug, Clone)]
pub struct CalibratedModel {
    /// The threshold with its expectation.
    pub threshold: Threshold,
    /// Scores of all training records as they will be judged.
    pub scores: ScoreHistogram,
    /// Days calibrated on, of all servers together.
    pub server_days: f64,
    /// Peaks the tail was fitted to.
    pub peaks: usize,
}

/// Finds the threshold for a model whose own is not set yet.
///
/// # Errors
/// When the model cannot be run, or nothing normal was held out.
pub fn calibrate(set: &TrainingSet<'_>, model: &OpenModel, aim: ThresholdTarget) -> Result<CalibratedModel> {
    let mut threshold =
        Threshold { value: FIRST_THRESHOLD, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
    let mut calibrated = None;
    for _ in 0..PASSES {
        let profile = ModelProfile { record: with_threshold(model, threshold), ..(*model.profile).clone() };
        let found = evidence(set, &model.with_profile(profile))?;
        threshold = found.threshold(aim);
        calibrated = Some(CalibratedModel {
            threshold,
            server_days: found.server_days,
            peaks: found.peaks.len(),
            scores: found.scores,
        });
    }
    Ok(calibrated.expect("there is at least one pass"))
}

fn with_threshold(model: &OpenModel, threshold: Threshold) -> oddline_core::profile::RecordView {
    oddline_core::profile::RecordView { threshold, ..model.profile.record.clone() }
}

/// Scores of one part of the log, a list a stream.
struct CalibrationSplit {
    series: Vec<Vec<f64>>,
    server_days: f64,
}

/// What the threshold is found from.
struct CalibrationEvidence {
    /// Scores of the held-out records not found odd while fitting.
    normal: Vec<f64>,
    /// Peak of each run of scores above the base.
    peaks: Vec<f64>,
    base: f64,
    server_days: f64,
    scores: ScoreHistogram,
}

fn evidence(set: &TrainingSet<'_>, model: &OpenModel) -> Result<CalibrationEvidence> {
    let mut scores = ScoreHistogram::default();
    let mut normal = Vec::new();
    let mut past = CalibrationSplit { series: Vec::new(), server_days: set.server_days(TrainingStream::fit_part) };
    let mut held = CalibrationSplit { series: Vec::new(), server_days: set.server_days(TrainingStream::held_out) };
    for stream in &set.streams {
        let judged = score_stream::stream(stream.records, model)?;
        judged.iter().for_each(|j| scores.push(j.verdict.score.value));
        let of: Vec<f64> = judged.iter().map(|j| f64::from(j.verdict.score.value)).collect();
        normal.extend(stream.kept(&of, stream.held_out()));
        // A dropped record ends whatever run it is in.
        let masked: Vec<f64> =
            of.iter().zip(&stream.keep).map(|(score, keep)| if *keep { *score } else { 0.0 }).collect();
        past.series.push(masked[stream.fit_part()].to_vec());
        held.series.push(masked[stream.held_out()].to_vec());
    }
    if normal.is_empty() {
        return Err(DataError("no normal records are left to calibrate the threshold on".to_owned()).into());
    }
    let (peaks, base, server_days) = trusted_peaks(&past, &held);
    Ok(CalibrationEvidence { normal, peaks, base, server_days, scores })
}

/// Peaks above a base, that base, and the days they come from: of the whole log, or of the held-out part when it shows
/// significantly more.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn trusted_peaks(past: &CalibrationSplit, held: &CalibrationSplit) -> (Vec<f64>, f64, f64) {
    let whole: Vec<Vec<f64>> = past.series.iter().chain(&held.series).cloned().collect();
    let days = past.server_days + held.server_days;
    let base_of_whole = base(&whole, PEAKS_PER_STREAM * held.series.len());
    let above = |part: &CalibrationSplit, base: f64| -> Vec<f64> {
        part.series.iter().flat_map(|s| peaks_above(s, base)).collect()
    };
    let held_peaks = above(held, base_of_whole);
    let mut peaks = above(past, base_of_whole);
    // In the share of the days that is held out, chance puts so many of the peaks.
    let share = held.server_days / days;
    let all = (peaks.len() + held_peaks.len()) as f64;
    let limit = all * share + SIGNIFICANT * (all * share * (1.0 - share)).sqrt();
    if held_peaks.len() as f64 > limit {
        let wanted = (PEAKS_PER_STREAM as f64 * share) as usize * held.series.len();
        let base = base(&held.series, wanted);
        return (above(held, base), base, held.server_days);
    }
    peaks.extend(held_peaks);
    (peaks, base_of_whole, days)
}

/// The score above which there are about as many runs as the tail fit wants.
fn base(series: &[Vec<f64>], wanted: usize) -> f64 {
    let wanted = wanted.max(PEAKS_MIN);
    let (mut low, mut high) = (THRESHOLD_MIN, BASE_MAX);
    for _ in 0..24 {
        let middle = (low + high) / 2.0;
        let count: usize = series.iter().map(|s| peaks_above(s, middle).len()).sum();
        if count > wanted { low = middle } else { high = middle }
    }
    high
}

/// Highest score of each episode at the threshold `base`: the very merging the judge does.
fn peaks_above(scores: &[f64], base: f64) -> Vec<f64> {
    let mut tracker = oddline_core::episode::EpisodeRun::default();
    let mut peaks = Vec::new();
    let mut peak: f64 = 0.0;
    let time = oddline_core::time::EventTime::from_micros(0);
    for score in scores {
        match tracker.push(time, *score >= base, 0.0) {
            EpisodeStep::Opened => peak = *score,
            EpisodeStep::Goes => peak = peak.max(*score),
            EpisodeStep::Closed(_) | EpisodeStep::NewLevel(_) => peaks.push(peak),
            EpisodeStep::Quiet => {}
        }
    }
    if tracker.open().is_some() {
        peaks.push(peak);
    }
    peaks
}

impl CalibrationEvidence {
    fn threshold(&self, aim: ThresholdTarget) -> Threshold {
        let tail = ScoreTail::fit(&self.peaks, self.base);
        let value = match aim {
            ThresholdTarget::Budget(budget) => tail.score_at(budget * self.server_days),
            ThresholdTarget::Quantile(q) => quantile(&mut self.normal.clone(), q),
        };
        let value = value.max(THRESHOLD_MIN);
        let (alert_budget, quantile) = match aim {
            ThresholdTarget::Budget(budget) => (Some(budget), None),
            ThresholdTarget::Quantile(q) => (None, Some(q)),
        };
        let expected = tail.episodes_above(value) / self.server_days;
        #[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
        Threshold { value: value as f32, alert_budget, quantile, expected, interval: self.interval(value) }
    }

    /// Rates above `value` that a test of as many days may show. A resample of a few peaks may thin out so slowly that its
    /// tail promises more episodes than there are records: more than that is no rate.
    fn interval(&self, value: f64) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a count of records")]
        let most = self.normal.len() as f64 / self.server_days;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
        let n = self.peaks.len();
        let mut rates: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw: Vec<f64> = (0..n).map(|_| self.peaks[random.random_range(0..n)]).collect();
                let expected = ScoreTail::fit(&draw, self.base).episodes_above(value);
                (poisson(expected, &mut random) / self.server_days).min(most)
            })
            .collect();
        (quantile(&mut rates, 0.025), quantile(&mut rates, 0.975))
    }
}

/// A count as chance has it where `expected` are expected.
fn poisson(expected: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
    if expected > 0.0 { Poisson::new(expected).map_or(expected, |p| p.sample(random)) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_those_of_merged_runs() {
        let scores = [0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.5, 0.0];
        assert_eq!(peaks_above(&scores, 1.0), [3.0, 2.5]);
    }
}
