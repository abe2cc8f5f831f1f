//! From a training log to a calibrated model. [`run`] is the story; each stage is a value.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use oddline_core::{profile::ModelProfile, stream::baseline::Baseline, time::EventTime};
use oddline_detector::OpenModel;

use crate::{
    calibrate::{CalibratedModel, ThresholdTarget, calibrate},
    chart, clock,
    dataset::{Dataset, InputLogs, ReadArgs, ReadOptions},
    error::{DataError, UsageError},
    export::{self, Dense},
    fit::FitOutcome,
    learn::learn,
    model_file, outliers, output, say,
    training_set::TrainingSet,
    windows::{self, FittedWindows, NoWindows},
};

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
    /// Every stream is taken to vary around a level
    Characters,
    /// The metrics of a server are not judged together
    Windows,
}

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
    /// Why the metrics of a server are not judged together.
    pub no_windows: Option<NoWindows>,
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
    let fit = if recipe.without == Some(AblatedPart::Characters) { Baseline::fit_continuous } else { Baseline::fit };
    let mut set = TrainingSet::new(dataset, fit)?;
    if recipe.without != Some(AblatedPart::Trimming) {
        outliers::drop_odd(&mut set)?;
    }
    let fitted = learn(recipe, &mut set, before);
    let provenance = model_file::provenance(recipe, &set, &fitted, before);
    let parent_version = before.map(|before| before.version);
    let version = version.unwrap_or_else(|| model_file::next_version(dataset.newest(), parent_version, now));
    let mut profile = model_file::profile(&set, &fitted, before);
    let open = |profile: &ModelProfile, windows: Option<&FittedWindows>| {
        let bytes = model_file::encode(&set, &fitted, windows, profile, &provenance, version)?;
        let model = OpenModel::open(&bytes).context("the model just made")?;
        anyhow::Ok((bytes, model))
    };
    // The promise is of days that nothing had seen; the limits are of the scores that the final baselines give.
    let promise = calibrate(&set, &open(&profile, None)?.1, recipe.aim)?;
    let mut known = set.clone();
    known.know_all();
    profile = model_file::profile(&known, &fitted, before);
    let calibrated = calibrate(&known, &open(&profile, None)?.1, recipe.aim)?.promising(&promise);
    profile.record.threshold = calibrated.threshold;
    model_file::set_budget(&mut profile, calibrated.budget.clone(), before);
    let windows = if recipe.without == Some(AblatedPart::Windows) {
        None
    } else {
        Some(windows::learn(recipe, dataset, &profile))
    };
    let found = windows.as_ref().and_then(|windows| windows.as_ref().ok());
    found.iter().for_each(|windows| model_file::set_windows(&mut profile, windows));
    let (bytes, model) = open(&profile, found)?;
    let no_windows = windows.and_then(Result::err);
    Ok(TrainedModel { bytes, model, calibrated, outcome: fitted.outcome, no_windows })
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

fn draw(args: &Args, made: &TrainedModel) -> Result<()> {
    fs::create_dir_all(&args.charts).with_context(|| format!("cannot make the folder {}", args.charts.display()))?;
    let TrainedModel { outcome, calibrated, .. } = made;
    let file = args.charts.join("loss_curves.png");
    chart::loss_curves(&file, &outcome.train, &outcome.validation, outcome.best_epoch)?;
    let file = args.charts.join("error_distribution.png");
    let threshold = f64::from(calibrated.threshold.value);
    Ok(chart::error_distribution(&file, &calibrated.scores, threshold, "Scores of the training log")?)
}
