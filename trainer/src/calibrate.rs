//! The threshold: training records streamed through the exported model and the code that will judge, then the tail of
//! their episodes' peaks extrapolated to the alert budget.
//!
//! A log of a few days holds too few false episodes to count at one a day, and, when nobody cleaned it, true ones as
//! well. So the peaks between a base and a cap are fitted (peaks over threshold, Pickands 1975; a normal, an exponential
//! or a Pareto tail, truncated at the cap because what lies beyond may be true anomalies), and the fit says how many false
//! episodes a day lie above any score. What was fitted on judges itself kindly: it is only counted when the held-out
//! part does not show significantly more peaks; otherwise the held-out part speaks alone. The interval is what a test
//! as long as the calibration may show: peaks resampled (Efron 1979), then the chance of the count itself.

use anyhow::Result;
use std::ops::Range;

use oddline_core::{
    episode::EpisodeStep,
    profile::{ModelProfile, Threshold},
    robust::quantile,
};
use oddline_detector::OpenModel;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Poisson};

use crate::{
    dataset::Dataset, error::DataError, evaluate::histogram::ScoreHistogram, outliers::KeepMask, score_stream,
};

/// Where the first pass assumes odd to begin; scores are in training quantiles.
const FIRST_THRESHOLD: f32 = 1.2;
/// Passes until the threshold and the baselines it lets follow agree.
const PASSES: usize = 2;
/// Peaks are fitted above the score that this many of them a stream exceed ...
const PEAKS_PER_STREAM: usize = 24;
/// ... but at least this many in all.
const PEAKS_MIN: usize = 40;
/// Beyond this score peaks only count as unknown: records that far out were dropped as odd, whether they were or not.
const CAP: f64 = 1.2;
/// The base stays below the cap by enough to see a slope.
const BASE_MAX: f64 = 1.0;
/// More peaks than chance puts there by this many standard deviations are significant.
const SIGNIFICANT: f64 = 2.0;
/// Gain in log-likelihood that makes another shape of tail the better one.
const EVIDENCE: f64 = 2.0;
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

/// Finds the threshold for a model whose own is not set yet. Records from `from` (share of each stream) on are held out.
///
/// # Errors
/// When the model cannot be run, or nothing normal was held out.
pub fn calibrate(
    dataset: &Dataset,
    keep: &KeepMask,
    model: &OpenModel,
    from: f64,
    aim: ThresholdTarget,
) -> Result<CalibratedModel> {
    let mut threshold =
        Threshold { value: FIRST_THRESHOLD, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
    let mut calibrated = None;
    for _ in 0..PASSES {
        let profile = ModelProfile { record: with_threshold(model, threshold), ..(*model.profile).clone() };
        let found = evidence(dataset, keep, &model.with_profile(profile), from)?;
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

fn evidence(dataset: &Dataset, keep: &KeepMask, model: &OpenModel, from: f64) -> Result<CalibrationEvidence> {
    let mut scores = ScoreHistogram::default();
    let mut normal = Vec::new();
    let mut past = CalibrationSplit { series: Vec::new(), server_days: server_days(dataset, keep, 0.0, from) };
    let mut held = CalibrationSplit { series: Vec::new(), server_days: server_days(dataset, keep, from, 1.0) };
    for (stream, keep) in dataset.streams.iter().zip(keep) {
        let judged = score_stream::stream(stream, model)?;
        judged.iter().for_each(|j| scores.push(j.verdict.score.value));
        let of = |range: Range<usize>| judged[range].iter().map(|j| f64::from(j.verdict.score.value));
        let part = stream.part(from, 1.0);
        normal.extend(of(part.clone()).zip(&keep[part.clone()]).filter(|(_, keep)| **keep).map(|(score, _)| score));
        // A dropped record ends whatever run it is in.
        let masked = |range: Range<usize>| -> Vec<f64> {
            of(range.clone()).zip(&keep[range]).map(|(score, keep)| if *keep { score } else { 0.0 }).collect()
        };
        past.series.push(masked(0..part.start));
        held.series.push(masked(part));
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

/// Normal days of each server, added up: the kept share of its days. A server's day is as long as its streams are on average: those of a folder of files
/// need not overlap.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn server_days(dataset: &Dataset, keep: &KeepMask, from: f64, to: f64) -> f64 {
    let mut servers: std::collections::BTreeMap<&str, (f64, usize)> = std::collections::BTreeMap::new();
    for (stream, keep) in dataset.streams.iter().zip(keep) {
        let server = servers.entry(&stream.name.server).or_default();
        let part = stream.part(from, to);
        let kept = keep[part.clone()].iter().filter(|keep| **keep).count() as f64 / part.len().max(1) as f64;
        server.0 += stream.days(part) * kept;
        server.1 += 1;
    }
    servers.values().map(|(days, streams)| days / *streams as f64).sum()
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

/// How peaks thin out: exponentially in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TailShape {
    /// The score squared, as beyond a normal distribution's shoulder.
    Normal,
    Exponential,
    /// Its logarithm: a power law.
    Pareto,
}

impl TailShape {
    fn measure(self, score: f64) -> f64 {
        match self {
            Self::Normal => score * score,
            Self::Exponential => score,
            Self::Pareto => libm::log(score),
        }
    }

    fn to_score(self, x: f64) -> f64 {
        match self {
            Self::Normal => x.max(0.0).sqrt(),
            Self::Exponential => x,
            Self::Pareto => libm::exp(x),
        }
    }

    /// Logarithm of the derivative of [`TailShape::measure`]: makes likelihoods of the shapes comparable.
    fn ln_slope(self, score: f64) -> f64 {
        match self {
            Self::Normal => libm::log(2.0 * score),
            Self::Exponential => 0.0,
            Self::Pareto => -libm::log(score),
        }
    }
}

/// Normal episodes above the base and how their peaks thin out.
#[derive(Debug, Clone, Copy)]
struct ScoreTail {
    base: f64,
    episodes: f64,
    decay: f64,
    shape: TailShape,
}

impl ScoreTail {
    /// Fits the peaks between base and cap: exponential unless another shape is clearly likelier.
    fn fit(peaks: &[f64], base: f64) -> Self {
        let inside: Vec<f64> = peaks.iter().copied().filter(|p| *p < CAP).collect();
        let plain = Self::fit_shape(&inside, base, TailShape::Exponential);
        let others = [TailShape::Normal, TailShape::Pareto].map(|shape| Self::fit_shape(&inside, base, shape));
        let better = |fit: &(Self, f64)| (fit.1 - plain.1) * inside.len() as f64 > EVIDENCE;
        others.into_iter().find(better).unwrap_or(plain).0
    }

    /// The tail of one shape and its mean log-likelihood.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn fit_shape(inside: &[f64], base: f64, shape: TailShape) -> (Self, f64) {
        let n = inside.len().max(1) as f64;
        let start = shape.measure(base);
        let width = shape.measure(CAP) - start;
        let mean = inside.iter().map(|p| shape.measure(*p) - start).sum::<f64>() / n;
        let slope = inside.iter().map(|p| shape.ln_slope(*p)).sum::<f64>() / n;
        let (decay, likelihood) = truncated_exponential(mean, width);
        let episodes = inside.len() as f64 / -libm::expm1(-decay * width);
        (Self { base, episodes, decay, shape }, likelihood + slope)
    }

    fn episodes_above(&self, score: f64) -> f64 {
        let distance = self.shape.measure(score) - self.shape.measure(self.base);
        self.episodes * libm::exp(-self.decay * distance)
    }

    fn score_at(&self, episodes: f64) -> f64 {
        let distance = libm::log(self.episodes / episodes) / self.decay;
        self.shape.to_score(self.shape.measure(self.base) + distance)
    }
}

/// Decay of an exponential cut at `width` whose mean is `mean`, and the mean log-likelihood, by bisection.
fn truncated_exponential(mean: f64, width: f64) -> (f64, f64) {
    // The mean falls from width/2 (decay 0) towards 0: nothing decays slower than half a unit over the width here.
    let mean_of = |decay: f64| 1.0 / decay - width / libm::expm1(decay * width);
    let (mut low, mut high) = (0.5 / width, 1e3 / width);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if mean_of(middle) > mean { low = middle } else { high = middle }
    }
    let likelihood = libm::log(high) - high * mean - libm::log(-libm::expm1(-high * width));
    (high, likelihood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(n: usize, base: f64, decay: f64) -> Vec<f64> {
        (0..n).map(|i| base - libm::log((i as f64 + 0.5) / n as f64) / decay).collect()
    }

    #[test]
    fn the_tail_is_found_under_true_anomalies() {
        let mut peaks = exponential(2000, 0.8, 10.0);
        peaks.extend((0..40).map(|i| 2.0 + f64::from(i)));
        let tail = ScoreTail::fit(&peaks, 0.8);
        assert_eq!(tail.shape, TailShape::Exponential);
        assert!((tail.decay - 10.0).abs() < 0.7, "{tail:?}");
        assert!((tail.episodes - 2000.0).abs() < 30.0, "{tail:?}");
        let ten = tail.score_at(10.0);
        assert!((tail.episodes_above(ten) - 10.0).abs() < 1e-6);
        assert!((ten - (0.8 + 0.1 * 200_f64.ln())).abs() < 0.05, "{ten}");
    }

    #[test]
    fn a_heavy_tail_is_recognised() {
        let peaks: Vec<f64> = exponential(20_000, 0.0, 6.0).iter().map(|x| 0.6 * x.exp()).collect();
        let tail = ScoreTail::fit(&peaks, 0.6);
        assert!(tail.shape == TailShape::Pareto && (tail.decay - 6.0).abs() < 0.4, "{tail:?}");
    }

    #[test]
    fn peaks_are_those_of_merged_runs() {
        let scores = [0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.5, 0.0];
        assert_eq!(peaks_above(&scores, 1.0), [3.0, 2.5]);
    }
}
