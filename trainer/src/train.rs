//! From a training log to a calibrated model. [`run`] is the story; each stage is a value.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use oddline_core::{
    limits::{GOLDEN_MAX, RECORD_FEATURES},
    profile::{FORMAT, Golden, GoldenView, Profile, Provenance, RecordView, Threshold, key},
    robust::{median, quantile},
    score::score,
    stream::{FEATURES, JUDGED, REVISION, Vector},
};
use oddline_detector::Model;

use crate::{
    calibrate::{Aim, Calibrated, calibrate},
    chart,
    dataset::{Dataset, Logs},
    error::{BadData, BadUsage},
    export::{self, Dense, View},
    fit::{self, Outcome},
    network::TANH,
    output, plain, say,
    trim::{self, Keep},
    vectors::{self, Rows},
};

/// Learns what is normal from logs and writes the model
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Training log: a file, a folder (each file a stream), or - for standard input
    #[arg(long, value_name = "PATH", default_value = "logs/server_logs.txt")]
    pub logs: PathBuf,
    /// The model to write
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// Folder of the charts
    #[arg(long, value_name = "DIR", default_value = "charts")]
    pub charts: PathBuf,
    /// False episodes per server and day that may be expected
    #[arg(long, value_name = "N", default_value_t = 1.0, conflicts_with = "quantile")]
    pub alert_budget: f64,
    /// Put the threshold at this quantile of the normal held-out scores instead
    #[arg(long, value_name = "SHARE")]
    pub quantile: Option<f64>,
    /// Learn from this first part of each stream only
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub train_part: f64,
    /// Same seed and log, same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epochs at most; training stops earlier when nothing is gained
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub epochs: usize,
    /// Start from the weights of this model
    #[arg(long, value_name = "FILE")]
    pub warm_start: Option<PathBuf>,
    /// Version of the model [default: one more than the warm start's, else the newest record's second]
    #[arg(long, value_name = "N")]
    pub model_version: Option<u64>,
    /// Leave a part out, to see what it is worth
    #[arg(long, value_enum)]
    pub without: Option<Without>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Parts that can be left out.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
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

/// A model to start from.
struct WarmStart {
    weights: Vec<Dense>,
    version: u64,
    sha256: String,
}

/// Fitted, not yet calibrated.
struct Fitted {
    rows: Vec<Rows>,
    view: View,
    record: RecordView,
    outcome: Outcome,
    rows_fitted: u64,
}

/// Runs the command.
///
/// # Errors
/// When the log cannot be used, the model cannot be made, or a file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    check(args)?;
    let logs = Logs::find(&args.logs)?;
    let dataset = Dataset::load(&logs, args.train_part)?;
    say::dataset(&dataset);
    let warm_start = args.warm_start.as_deref().map(warm_start).transpose()?;
    let keep = if args.without == Some(Without::Trimming) {
        trim::keep_all(&dataset)
    } else {
        trim::keep_normal(&dataset, FIT_SHARE)?
    };
    let fitted = fit(args, &dataset, &keep, warm_start.as_ref())?;
    let provenance = provenance(args, &dataset, &keep, &fitted, warm_start.as_ref());
    let version = version(args, &dataset, warm_start.as_ref());
    let profile = profile(&dataset, &fitted);
    let model = Model::open(&encode(&fitted, &profile, &provenance, version)?).context("the model just made")?;
    let calibrated = calibrate(&dataset, &keep, &model, FIT_SHARE, aim(args))?;
    let mut profile = profile;
    profile.record.threshold = calibrated.threshold;
    let bytes = encode(&fitted, &profile, &provenance, version)?;
    let model = Model::open(&bytes).context("the model just made")?;
    output::write(&args.model, &bytes)?;
    draw(args, &fitted, &calibrated)?;
    say::trained(args, &model, &calibrated, &fitted.outcome, bytes.len())
}

fn check(args: &Args) -> Result<(), BadUsage> {
    let bad = |what: &str| Err(BadUsage(what.to_owned()));
    if !(args.train_part > 0.0 && args.train_part <= 1.0) {
        return bad("--train-part must be more than 0 and at most 1");
    }
    if !(args.alert_budget > 0.0 && args.alert_budget <= 1e6) {
        return bad("--alert-budget must be more than 0 and at most 1000000");
    }
    if args.quantile.is_some_and(|q| !(q > 0.5 && q < 1.0)) {
        return bad("--quantile must be between 0.5 and 1, e.g. 0.999");
    }
    if !(1..=10_000).contains(&args.epochs) {
        return bad("--epochs must be 1 to 10000");
    }
    Ok(())
}

fn aim(args: &Args) -> Aim {
    args.quantile.map_or(Aim::Budget(args.alert_budget), Aim::Quantile)
}

fn warm_start(path: &std::path::Path) -> Result<WarmStart> {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
    let named = || format!("cannot start from {}", path.display());
    let model = Model::open(&bytes).with_context(named)?;
    let view = export::decode_weights(&bytes, "record").map_err(|e| BadData(e.to_string())).with_context(named)?;
    Ok(WarmStart { weights: view.layers, version: model.version, sha256: crate::hex(&Sha256::digest(&bytes)) })
}

fn fit(args: &Args, dataset: &Dataset, keep: &Keep, start: Option<&WarmStart>) -> Result<Fitted> {
    let mut rows = vectors::all(dataset, keep, FIT_SHARE)?;
    let learnt = kept_part(dataset, &rows, keep, 0.0, FIT_SHARE);
    let held = kept_part(dataset, &rows, keep, FIT_SHARE, 1.0);
    let all = learnt.concat();
    let (center, scale) = vectors::standardisation(&all, SCALE_MIN);
    let standard = |rows: &[Vector]| -> Vec<Vector> {
        let z = |v: &Vector| core::array::from_fn(|j| ((v[j] - center[j]) / scale[j]).clamp(-INPUT_CLIP, INPUT_CLIP));
        rows.iter().map(z).collect()
    };
    let plan = fit::Plan { epochs: args.epochs, seed: args.seed, start: start.map(|s| s.weights.clone()) };
    let outcome = fit::fit(&standard(&all), &standard(&held.concat()), &plan);
    let view = View {
        name: "record".to_owned(),
        center: center.to_vec(),
        scale: scale.to_vec(),
        layers: outcome.weights.clone(),
        tanh: TANH.to_vec(),
        leave_one_out: true,
    };
    let record = measures(args, &view, &learnt, center, scale);
    measure_loudness(dataset, &mut rows, keep, &view, &record);
    Ok(Fitted { rows, view, record, outcome, rows_fitted: all.len() as u64 })
}

fn kept_part(dataset: &Dataset, rows: &[Rows], keep: &Keep, from: f64, to: f64) -> Vec<Vec<Vector>> {
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
fn measures(args: &Args, view: &View, learnt: &[Vec<Vector>], center: Vector, scale: Vector) -> RecordView {
    let residuals: Vec<Vec<Vector>> = learnt.iter().map(|rows| plain::residuals(view, rows)).collect();
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
        autoencoder: args.without != Some(Without::Autoencoder),
        novelty: args.without != Some(Without::Novelty),
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
fn measure_loudness(dataset: &Dataset, rows: &mut [Rows], keep: &Keep, view: &View, record: &RecordView) {
    for ((stream, rows), keep) in dataset.streams.iter().zip(rows).zip(keep) {
        let part = stream.part(0.0, FIT_SHARE);
        let residuals = plain::residuals(view, &rows.vectors[part.clone()]);
        let judged = rows.vectors[part].iter().zip(&residuals).zip(keep).filter(|(_, keep)| **keep);
        let mut scores: Vec<f64> = judged.map(|((v, r), _)| f64::from(score(record, v, r, 0.0, 1.0).value)).collect();
        let reach = quantile(&mut scores, LOUD_QUANTILE);
        rows.baseline.loudness = if reach > LOUD { reach } else { 1.0 };
    }
}

fn profile(dataset: &Dataset, fitted: &Fitted) -> Profile {
    let (baselines, priors) = vectors::catalogue(dataset, &fitted.rows);
    let features = FEATURES.map(str::to_owned).to_vec();
    Profile { features, revision: REVISION, record: fitted.record.clone(), baselines, priors }
}

fn provenance(
    args: &Args,
    dataset: &Dataset,
    keep: &Keep,
    fitted: &Fitted,
    warm_start: Option<&WarmStart>,
) -> Provenance {
    let best = fitted.outcome.best_epoch.checked_sub(1).and_then(|i| fitted.outcome.validation.get(i));
    Provenance {
        trainer: concat!("oddline-trainer ", env!("CARGO_PKG_VERSION")).to_owned(),
        data_sha256: dataset.sha256.clone(),
        seed: args.seed,
        rows: fitted.rows_fitted,
        rows_trimmed: keep.iter().flatten().filter(|keep| !**keep).count() as u64,
        newest: dataset.newest().map(|t| t.to_string()).unwrap_or_default(),
        validation_loss: best.copied().map_or(0.0, f64::from),
        warm_start: warm_start.map(|w| w.sha256.clone()),
    }
}

fn version(args: &Args, dataset: &Dataset, warm_start: Option<&WarmStart>) -> u64 {
    let newest = dataset.newest().and_then(|t| u64::try_from(t.micros() / 1_000_000).ok()).unwrap_or(1);
    args.model_version.unwrap_or_else(|| warm_start.map_or(newest, |w| newest.max(w.version.saturating_add(1))))
}

fn encode(fitted: &Fitted, profile: &Profile, provenance: &Provenance, version: u64) -> Result<Vec<u8>> {
    let every = (fitted.rows.iter().map(|r| r.vectors.len()).sum::<usize>() / GOLDEN_MAX).max(1);
    let all = fitted.rows.iter().flat_map(|r| &r.vectors);
    let inputs: Vec<Vector> = all.step_by(every).take(GOLDEN_MAX).copied().collect();
    let outputs = plain::residuals(&fitted.view, &inputs);
    let lists = |rows: &[Vector]| rows.iter().map(|row| row.to_vec()).collect();
    let golden = Golden { record: GoldenView { inputs: lists(&inputs), outputs: lists(&outputs) } };
    let metadata = [
        (key::FORMAT, FORMAT.to_owned()),
        (key::VERSION, version.to_string()),
        (key::PROFILE, serde_json::to_string(profile)?),
        (key::PROVENANCE, serde_json::to_string(provenance)?),
        (key::GOLDEN, serde_json::to_string(&golden)?),
    ];
    let bytes = export::encode(std::slice::from_ref(&fitted.view), &metadata);
    bytes.map_err(|e| BadData(format!("the model cannot be exported: {e}")).into())
}

fn draw(args: &Args, fitted: &Fitted, calibrated: &Calibrated) -> Result<()> {
    fs::create_dir_all(&args.charts).with_context(|| format!("cannot make the folder {}", args.charts.display()))?;
    let outcome = &fitted.outcome;
    let file = args.charts.join("loss_curves.png");
    chart::loss_curves(&file, &outcome.train, &outcome.validation, outcome.best_epoch)?;
    let file = args.charts.join("error_distribution.png");
    let threshold = f64::from(calibrated.threshold.value);
    Ok(chart::error_distribution(&file, &calibrated.scores, threshold, "Scores of the training log")?)
}

const _: () = assert!(JUDGED <= RECORD_FEATURES);
