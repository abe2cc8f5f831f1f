//! From a training log to a calibrated model. [`run`] is the story; each stage is a value.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use oddline_core::{
    limits::{GOLDEN_MAX, RECORD_FEATURES},
    profile::{FORMAT, Golden, GoldenView, ModelProfile, Provenance, RECORD, RecordView, Threshold, key},
    robust::{median, quantile},
    score::score,
    stream::{FEATURES, JUDGED, REVISION, Vector},
    time::EventTime,
};
use oddline_detector::OpenModel;

use crate::{
    calibrate::{CalibratedModel, ThresholdTarget, calibrate},
    chart, clock,
    dataset::{Dataset, InputLogs, ReadArgs, ReadOptions},
    error::{DataError, UsageError},
    export::{self, Dense, View},
    fit::{self, FitOutcome},
    network::TANH,
    outliers::{self, KeepMask},
    output, reference_forward, say,
    vectors::{self, Rows},
};

/// A clock that shows less is not set, in seconds since 1970: the start of 2027, soon after this was written.
const CLOCK_MIN_S: u64 = 1_798_761_600;

/// Trains a model on logs
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Training logs: files, folders (each log a stream), patterns such as 'app.log*', or - for standard input
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = "logs/server_logs.txt")]
    pub logs: Vec<String>,
    /// How they are read
    #[command(flatten)]
    pub read: ReadArgs,
    /// The model to write
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// Folder of the charts
    #[arg(long, value_name = "DIR", default_value = "charts")]
    pub charts: PathBuf,
    /// Alert budget: false alerts per server and day that are acceptable
    #[arg(long, value_name = "N", default_value_t = 1.0, conflicts_with = "quantile")]
    pub alert_budget: f64,
    /// Put the threshold at this quantile of the normal held-out scores instead
    #[arg(long, value_name = "SHARE")]
    pub quantile: Option<f64>,
    /// Learn from this first part of each stream only
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub train_part: f64,
    /// Random seed: the same seed and logs give the same model, byte for byte
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epochs at most; training stops earlier when the validation loss no longer falls
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub epochs: usize,
    /// Start from the weights of this model
    #[arg(long, value_name = "FILE")]
    pub warm_start: Option<PathBuf>,
    /// Version of the model [default: one more than the warm start's, else the newest record's second, up to now]
    #[arg(long, value_name = "N")]
    pub model_version: Option<u64>,
    /// Leave a part out (ablation)
    #[arg(long, value_enum)]
    pub without: Option<AblatedPart>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Parts that can be left out.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AblatedPart {
    /// Scores from the features alone
    Autoencoder,
    /// No check of the seen range
    Novelty,
    /// Odd training records are kept
    Trimming,
}

/// Share of each stream that baselines and weights are fitted on; the rest, later in time, is held out for early
/// stopping and the threshold.
const FIT_SHARE: f64 = 0.7;
/// A feature that hardly varies in training must not turn a whisper into thunder.
const SCALE_MIN: f64 = 0.1;
/// Standardised inputs are cut here in training: what clipping let through must not pull the weights.
const INPUT_CLIP: f32 = 8.0;
/// Features are measured in this quantile of their training values ...
const MEASURE_QUANTILE: f64 = 0.9995;
/// ... but at least in this many standard deviations: a bounded feature is at its quantile all day.
const MEASURE_DEVIATIONS: f64 = 3.5;
const MEASURE_MIN: f64 = 0.1;
/// A stream is measured by its own scores when this quantile of them ...
const LOUD_QUANTILE: f64 = 0.999;
/// ... is beyond what chance does to the common measure.
const LOUD: f64 = 1.3;

/// How to learn, whatever the records are.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRecipe {
    /// What the threshold should meet.
    pub aim: ThresholdTarget,
    /// Seed of all randomness.
    pub seed: u64,
    /// Epochs at most.
    pub epochs: usize,
    /// A part to leave out.
    pub without: Option<AblatedPart>,
}

/// The model that another one follows.
#[derive(Debug, Clone)]
pub struct ParentModel {
    /// Weights to start from; without them the start is cold.
    pub weights: Option<Vec<Dense>>,
    /// Its version, which the next one must exceed.
    pub version: u64,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Its baselines and priors stay in the next model where the records say nothing of them.
    pub keep: Option<Arc<ModelProfile>>,
}

/// A calibrated model in memory.
pub struct TrainedModel {
    /// Its file.
    pub bytes: Vec<u8>,
    /// The file opened.
    pub model: OpenModel,
    /// Its threshold and how it was found.
    pub calibrated: CalibratedModel,
    /// How the fit went.
    pub outcome: FitOutcome,
}

/// Fitted, not yet calibrated.
struct FittedModel {
    rows: Vec<Rows>,
    view: View,
    record: RecordView,
    outcome: FitOutcome,
    rows_fitted: u64,
}

/// Runs the command.
///
/// # Errors
/// When the log cannot be used, the model cannot be made, or a file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    check(args)?;
    let logs = InputLogs::find(&args.logs, args.read.over(ReadOptions::default())?)?;
    let dataset = Dataset::load(&logs, args.train_part)?;
    say::dataset(&dataset);
    let before = args.warm_start.as_deref().map(warm_start).transpose()?;
    let recipe = TrainingRecipe { aim: aim(args), seed: args.seed, epochs: args.epochs, without: args.without };
    let made = make(&recipe, &dataset, before.as_ref(), args.model_version, clock::now())?;
    output::write(&args.model, &made.bytes)?;
    draw(args, &made)?;
    say::trained(args, &made)
}

/// Learns from records and calibrates: from a dataset to a model in memory. The version, unless it is given, is one
/// more than that of the model before, or the newest record's second, which is not believed beyond `now`.
///
/// # Errors
/// When the records do not suffice or the model cannot be made of them.
pub fn make(
    recipe: &TrainingRecipe,
    dataset: &Dataset,
    before: Option<&ParentModel>,
    version: Option<u64>,
    now: EventTime,
) -> Result<TrainedModel> {
    let keep = if recipe.without == Some(AblatedPart::Trimming) {
        outliers::keep_all(dataset)
    } else {
        outliers::keep_normal(dataset, FIT_SHARE)?
    };
    let fitted = fit(recipe, dataset, &keep, before)?;
    let provenance = provenance(recipe, dataset, &keep, &fitted, before);
    let version = version.unwrap_or_else(|| next_version(dataset.newest(), before.map(|before| before.version), now));
    let mut profile = profile(dataset, &fitted);
    if let Some(old) = before.and_then(|before| before.keep.as_deref()) {
        vectors::keep_absent(&mut profile, old);
    }
    let model = OpenModel::open(&encode(&fitted, &profile, &provenance, version)?).context("the model just made")?;
    let calibrated = calibrate(dataset, &keep, &model, FIT_SHARE, recipe.aim)?;
    profile.record.threshold = calibrated.threshold;
    let bytes = encode(&fitted, &profile, &provenance, version)?;
    let model = OpenModel::open(&bytes).context("the model just made")?;
    Ok(TrainedModel { bytes, model, calibrated, outcome: fitted.outcome })
}

fn check(args: &Args) -> Result<(), UsageError> {
    let bad = |what: &str| Err(UsageError(what.to_owned()));
    if !(args.train_part > 0.0 && args.train_part <= 1.0) {
        return bad("--train-part must be more than 0 and at most 1");
    }
    check_budget(args.alert_budget)?;
    if args.quantile.is_some_and(|q| !(q > 0.5 && q < 1.0)) {
        return bad("--quantile must be between 0.5 and 1, e.g. 0.999");
    }
    check_epochs(args.epochs)
}

/// Whether `--alert-budget` makes sense.
///
/// # Errors
/// When it does not.
pub fn check_budget(budget: f64) -> Result<(), UsageError> {
    let is_right = budget > 0.0 && budget <= 1e6;
    let what = "--alert-budget must be more than 0 and at most 1000000";
    is_right.then_some(()).ok_or_else(|| UsageError(what.to_owned()))
}

/// Whether `--epochs` makes sense.
///
/// # Errors
/// When it does not.
pub fn check_epochs(epochs: usize) -> Result<(), UsageError> {
    (1..=10_000).contains(&epochs).then_some(()).ok_or_else(|| UsageError("--epochs must be 1 to 10000".to_owned()))
}

fn aim(args: &Args) -> ThresholdTarget {
    args.quantile.map_or(ThresholdTarget::Budget(args.alert_budget), ThresholdTarget::Quantile)
}

fn warm_start(path: &std::path::Path) -> Result<ParentModel> {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    let named = || format!("cannot start from {}", path.display());
    let model = OpenModel::open(&bytes).with_context(named)?;
    let view = export::decode_weights(&bytes, "record").map_err(|e| DataError(e.to_string())).with_context(named)?;
    let sha256 = crate::hex(&Sha256::digest(&bytes));
    Ok(ParentModel { weights: Some(view.layers), version: model.version, sha256, keep: None })
}

fn fit(
    recipe: &TrainingRecipe,
    dataset: &Dataset,
    keep: &KeepMask,
    before: Option<&ParentModel>,
) -> Result<FittedModel> {
    let mut rows = vectors::all(dataset, keep, FIT_SHARE)?;
    let learnt = kept_part(dataset, &rows, keep, 0.0, FIT_SHARE);
    let held = kept_part(dataset, &rows, keep, FIT_SHARE, 1.0);
    let all = learnt.concat();
    let (center, scale) = vectors::standardisation(&all, SCALE_MIN);
    let standard = |rows: &[Vector]| -> Vec<Vector> {
        let z = |v: &Vector| core::array::from_fn(|j| ((v[j] - center[j]) / scale[j]).clamp(-INPUT_CLIP, INPUT_CLIP));
        rows.iter().map(z).collect()
    };
    let start = before.and_then(|before| before.weights.clone());
    let plan = fit::FitPlan { epochs: recipe.epochs, seed: recipe.seed, start };
    let outcome = fit::fit(&standard(&all), &standard(&held.concat()), &plan);
    let view = View {
        name: "record".to_owned(),
        center: center.to_vec(),
        scale: scale.to_vec(),
        layers: outcome.weights.clone(),
        tanh: TANH.to_vec(),
        leave_one_out: true,
    };
    let record = measures(recipe.without, &view, &learnt, center, scale);
    measure_loudness(dataset, &mut rows, keep, &view, &record);
    Ok(FittedModel { rows, view, record, outcome, rows_fitted: all.len() as u64 })
}

fn kept_part(dataset: &Dataset, rows: &[Rows], keep: &KeepMask, from: f64, to: f64) -> Vec<Vec<Vector>> {
    let mut kept = Vec::new();
    for ((stream, rows), keep) in dataset.streams.iter().zip(rows).zip(keep) {
        let part = stream.part(from, to);
        let of_part = rows.vectors[part.clone()].iter().zip(&keep[part]);
        kept.push(of_part.filter(|(_, keep)| **keep).map(|(v, _)| *v).collect());
    }
    kept
}

/// What each feature and its residual are measured in: the middle of what the streams themselves would choose, so that a
/// few spiky ones do not make all others deaf.
fn measures(
    without: Option<AblatedPart>,
    view: &View,
    learnt: &[Vec<Vector>],
    center: Vector,
    scale: Vector,
) -> RecordView {
    let residuals: Vec<Vec<Vector>> = learnt.iter().map(|rows| reference_forward::residuals(view, rows)).collect();
    let middle = |of: &dyn Fn(usize) -> f64| median(&(0..learnt.len()).map(of).collect::<Vec<f64>>()) as f32;
    let residual_quantile = core::array::from_fn(|j| middle(&|stream| measure(residuals[stream].iter().map(|r| r[j]))));
    let value_quantile = core::array::from_fn(|j| {
        middle(&|stream| measure(learnt[stream].iter().map(|v| (v[j] - center[j]) / scale[j])))
    });
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

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn measure(values: impl Iterator<Item = f32>) -> f64 {
    let mut sizes: Vec<f64> = values.map(|x| f64::from(x.abs())).collect();
    let square = sizes.iter().map(|x| x * x).sum::<f64>() / sizes.len().max(1) as f64;
    quantile(&mut sizes, MEASURE_QUANTILE).max(MEASURE_DEVIATIONS * square.sqrt()).max(MEASURE_MIN)
}

/// Streams whose own scores reach beyond the common measure are judged by their own.
fn measure_loudness(dataset: &Dataset, rows: &mut [Rows], keep: &KeepMask, view: &View, record: &RecordView) {
    for ((stream, rows), keep) in dataset.streams.iter().zip(rows).zip(keep) {
        let part = stream.part(0.0, FIT_SHARE);
        let residuals = reference_forward::residuals(view, &rows.vectors[part.clone()]);
        let judged = rows.vectors[part].iter().zip(&residuals).zip(keep).filter(|(_, keep)| **keep);
        let mut scores: Vec<f64> = judged.map(|((v, r), _)| f64::from(score(record, v, r, 0.0, 1.0).value)).collect();
        let reach = quantile(&mut scores, LOUD_QUANTILE);
        rows.baseline.loudness = if reach > LOUD { reach } else { 1.0 };
    }
}

fn profile(dataset: &Dataset, fitted: &FittedModel) -> ModelProfile {
    let (baselines, priors) = vectors::catalogue(dataset, &fitted.rows);
    let features = FEATURES.map(str::to_owned).to_vec();
    ModelProfile {
        features,
        revision: REVISION,
        record: fitted.record.clone(),
        baselines,
        priors,
        requires: Vec::new(),
    }
}

fn provenance(
    recipe: &TrainingRecipe,
    dataset: &Dataset,
    keep: &KeepMask,
    fitted: &FittedModel,
    before: Option<&ParentModel>,
) -> Provenance {
    let best = fitted.outcome.best_epoch.checked_sub(1).and_then(|i| fitted.outcome.validation.get(i));
    Provenance {
        trainer: concat!("oddline-trainer ", env!("CARGO_PKG_VERSION")).to_owned(),
        data_sha256: dataset.sha256.clone(),
        seed: recipe.seed,
        rows: fitted.rows_fitted,
        rows_trimmed: keep.iter().flatten().filter(|keep| !**keep).count() as u64,
        newest: dataset.newest().map(|t| t.to_string()).unwrap_or_default(),
        validation_loss: best.copied().map_or(0.0, f64::from),
        warm_start: before.filter(|before| before.weights.is_some()).map(|before| before.sha256.clone()),
    }
}

/// One more than the version before, or more: the newest record's second, as far as that has been. A record of the year
/// 9999 would make a version that no later training reaches.
fn next_version(newest: Option<EventTime>, before: Option<u64>, now: EventTime) -> u64 {
    let second = |time: EventTime| u64::try_from(time.micros() / 1_000_000).unwrap_or(0);
    let newest = newest.map_or(1, |newest| second(newest).min(second(now).max(CLOCK_MIN_S)).max(1));
    before.map_or(newest, |before| newest.max(before.saturating_add(1)))
}

fn encode(fitted: &FittedModel, profile: &ModelProfile, provenance: &Provenance, version: u64) -> Result<Vec<u8>> {
    let every = (fitted.rows.iter().map(|r| r.vectors.len()).sum::<usize>() / GOLDEN_MAX).max(1);
    let all = fitted.rows.iter().flat_map(|r| &r.vectors);
    let inputs: Vec<Vector> = all.step_by(every).take(GOLDEN_MAX).copied().collect();
    let outputs = reference_forward::residuals(&fitted.view, &inputs);
    let lists = |rows: &[Vector]| rows.iter().map(|row| row.to_vec()).collect();
    let view = GoldenView { inputs: lists(&inputs), outputs: lists(&outputs) };
    let golden = Golden::from([(RECORD.to_owned(), view)]);
    let metadata = [
        (key::FORMAT, FORMAT.to_owned()),
        (key::VERSION, version.to_string()),
        (key::PROFILE, serde_json::to_string(profile)?),
        (key::PROVENANCE, serde_json::to_string(provenance)?),
        (key::GOLDEN, serde_json::to_string(&golden)?),
    ];
    let bytes = export::encode(std::slice::from_ref(&fitted.view), &metadata);
    bytes.map_err(|e| DataError(format!("the model cannot be exported: {e}")).into())
}

fn draw(args: &Args, made: &TrainedModel) -> Result<()> {
    fs::create_dir_all(&args.charts).with_context(|| format!("cannot make the folder {}", args.charts.display()))?;
    let TrainedModel { outcome, calibrated, .. } = made;
    let file = args.charts.join("loss_curves.png");
    chart::loss_curves(&file, &outcome.train, &outcome.validation, outcome.best_epoch)?;
    let file = args.charts.join("error_distribution.png");
    let threshold = f64::from(calibrated.threshold.value);
    Ok(chart::error_distribution(&file, &calibrated.scores, threshold, "Scores of the training log")?)
}

const _: () = assert!(JUDGED <= RECORD_FEATURES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_whatever_the_records_say() {
        let at = |seconds: i64| EventTime::from_micros(seconds * 1_000_000);
        let (now, year_9999) = (at(1_900_000_000), at(253_402_300_799));
        assert_eq!(next_version(Some(at(1_800_000_000)), None, now), 1_800_000_000);
        assert_eq!(next_version(Some(year_9999), None, now), 1_900_000_000);
        assert_eq!(next_version(Some(at(1_800_000_000)), Some(1_850_000_000), now), 1_850_000_001);
        assert_eq!(next_version(Some(year_9999), Some(1_900_000_000), now), 1_900_000_001);
        // Where the clock is not set, records are believed up to when this was written.
        assert_eq!(next_version(Some(at(1_770_000_000)), None, at(60)), 1_770_000_000);
        assert_eq!(next_version(Some(year_9999), None, at(60)), CLOCK_MIN_S);
        for none in [None, Some(at(-5)), Some(at(0))] {
            assert_eq!(next_version(none, None, now), 1);
        }
        assert_eq!(next_version(None, Some(u64::MAX), now), u64::MAX);
    }
}
