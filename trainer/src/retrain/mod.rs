//! From the model in use and newer logs to the next model, and whether it is one. [`run`] is the story.
//!
//! ```text
//!  logs --by time--> older ------ learn (from the old weights) --> candidate
//!                    newest fifth ------- judge <-- model in use, candidate
//!                    the same with injected anomalies -'  '--> figures --> promote | hold | ask
//! ```
//!
//! Exit code 0 means decided; the first line of standard output is the decision and its reason. A promoted model is
//! handed out by the collector's own program, where one is named: nothing here knows a broker or a database.

mod compare;
pub mod decide;
mod drift;
mod figures;
mod hand_out;
mod inject;
mod report;
mod settings;
mod truth;

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use oddline_core::{robust::median, stream::StreamName, time::EventTime};
use oddline_detector::OpenModel;
use sha2::{Digest, Sha256};

use self::{
    compare::{HeldOut, NamedModel},
    decide::{RetrainDecision, RetrainVerdict},
    figures::{DataFigures, RetrainFigures},
    report::{RetrainReport, RetrainStart},
    settings::{CurrentModel, RetrainSettings},
    truth::InjectedTruth,
};
pub use self::{
    figures::{ModelSide, PairFigures, StreamPlace},
    settings::{WrittenModel, read as read_settings},
};
use crate::{
    calibrate::ThresholdTarget,
    clock,
    dataset::{Dataset, DatasetStream, InputLogs, ReadArgs},
    export, hex, network, output, say,
    sign::{self, ModelSigner},
    train::{self, ParentModel, TrainedModel, TrainingRecipe},
};

/// Learns from newer logs, compares with the model in use, and decides: promote, hold or ask
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Logs to learn from: files, folders or patterns such as '/var/log/app/*.csv'
    #[arg(value_name = "LOGS")]
    pub logs: Vec<String>,
    /// How they are read
    #[command(flatten)]
    pub read: ReadArgs,
    /// The model in use; without it the first model is made
    #[arg(long, value_name = "FILE")]
    pub current: Option<PathBuf>,
    /// A model that you stand for: noise that grew far since, in however many steps, is held
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// The model to write [default: models/next.onnx]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The report to write, as Markdown; as JSON beside it [default: beside the model]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The secret key that signs what is promoted; without it the decision is left to you
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The file with the password that protects it
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Configuration with a section [retrain]; command-line options take precedence
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Push what is promoted to everyone with this program, oddline-collector
    #[arg(long, value_name = "PROGRAM")]
    pub push_with: Option<PathBuf>,
    /// Alert budget: false alerts per server and day that are acceptable [default: as the model in use, else 1]
    #[arg(long, value_name = "N")]
    pub alert_budget: Option<f64>,
    /// Same seed, logs and model, same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epochs at most; training stops earlier when the validation loss no longer falls
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub epochs: usize,
    /// Start from random weights instead of those of the model in use
    #[arg(long)]
    pub cold: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Share of the records, the oldest, that is learnt from; the rest is held out and judged.
const OLDER: f64 = 0.8;
const ALERT_BUDGET: f64 = 1.0;

/// The model in use.
struct ModelInUse {
    bytes: Vec<u8>,
    model: OpenModel,
    before: ParentModel,
    start: RetrainStart,
}

/// The logs, cut by time.
struct TimeSplit {
    older: Dataset,
    held_out: Vec<DatasetStream>,
    present: BTreeSet<StreamName>,
    from: EventTime,
    data: DataFigures,
}

/// Runs the command.
///
/// # Errors
/// When settings, logs, the model in use or the key cannot be used, a file cannot be written, or what is promoted cannot
/// be handed out.
pub fn run(args: &Args) -> Result<()> {
    train::check_budget(args.alert_budget.unwrap_or(ALERT_BUDGET))?;
    train::check_epochs(args.epochs)?;
    let settings = RetrainSettings::of(args)?;
    // A key that cannot be used is said before an hour of learning.
    let key = settings.key.as_deref();
    let signer = key.map(|key| ModelSigner::open(key, settings.password_file.as_deref())).transpose()?;
    let _held = lock(&settings.out)?;
    let in_use = in_use(&settings.current, args.cold)?;
    let anchor = anchor(&settings.anchor, in_use.as_ref())?;
    let logs = InputLogs::find(&settings.logs, settings.read.clone())?;
    let dataset = Dataset::read(&logs, 1.0)?;
    say::dataset(&dataset);
    let cut = cut(dataset);
    if let Some(reason) = decide::too_short(&cut.data) {
        return finish(args, &settings, &RetrainReport::early(args.seed, cut.data, RetrainVerdict::hold(reason)));
    }
    let made = train::make(
        &recipe(args, in_use.as_ref()),
        &cut.older,
        in_use.as_ref().map(|i| &i.before),
        None,
        clock::now(),
    )?;
    let figures = compared(args, &logs, cut, (in_use.as_ref(), anchor.as_ref()), &made)?;
    let verdict = decide::decide(&figures).with_key(signer.is_some());
    let start = in_use.map_or_else(|| RetrainStart::Cold("there is no model in use".to_owned()), |in_use| in_use.start);
    let is_signed = write(&settings, &made, signer.as_ref().filter(|_| verdict.decision == RetrainDecision::Promote))?;
    let next = match verdict.decision {
        RetrainDecision::Promote if settings.push.is_some() => Vec::new(),
        _ => hand_out::by_hand(&settings, is_signed),
    };
    let decision = verdict.decision;
    finish(args, &settings, &RetrainReport::new(args.seed, verdict, figures, start, &made, next))?;
    match &settings.push {
        Some(push) if decision == RetrainDecision::Promote => {
            let said = hand_out::hand_out(push, &settings, &made.bytes)?;
            if args.json { Ok(()) } else { say::out(&said) }
        }
        _ => Ok(()),
    }
}

/// Holds the folder of the new model: of two retrainings at once, one would hand out the model of the other.
fn lock(out: &Path) -> Result<File> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let held = || format!("holding the folder {}", folder.display());
    fs::create_dir_all(folder).with_context(held)?;
    let file = File::open(folder).with_context(held)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(anyhow!(
            "another retraining writes into {}: wait until it has ended, or name another --out",
            folder.display()
        )),
        Err(TryLockError::Error(error)) => Err(error).with_context(held),
    }
}

fn finish(args: &Args, settings: &RetrainSettings, report: &RetrainReport) -> Result<()> {
    let json = format!("{:#}\n", serde_json::to_value(report)?);
    output::write(&settings.report_json(), json.as_bytes())?;
    output::write(&settings.report, report.markdown().as_bytes())?;
    say::out(&if args.json { json } else { report.summary(settings) })
}

/// Opens the model in use, if there is one, and looks whether its weights can be started from.
fn in_use(current: &CurrentModel, cold: bool) -> Result<Option<ModelInUse>> {
    let advice = "put back the file that was pushed last, or leave --current out to begin with a first model";
    let Some((bytes, model)) = open(current, "model in use", advice)? else { return Ok(None) };
    let weights = match export::decode_weights(&bytes, "record") {
        _ if cold => Err("it was asked for".to_owned()),
        Ok(view) if network::has_shape(&view.layers, &view.tanh) => Ok(view.layers),
        Ok(_) => Err("the model in use has other layers than this version makes".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let start = match &weights {
        Ok(_) => RetrainStart::Warm { version: model.version },
        Err(why) => RetrainStart::Cold(why.clone()),
    };
    let sha256 = hex(&Sha256::digest(&bytes));
    let before =
        ParentModel { weights: weights.ok(), version: model.version, sha256, keep: Some(Arc::clone(&model.profile)) };
    Ok(Some(ModelInUse { bytes, model, before, start }))
}

/// Reads and opens a model that is compared with; one that is kept may be missing yet.
fn open(model: &CurrentModel, what: &str, advice: &str) -> Result<Option<(Vec<u8>, OpenModel)>> {
    let Some(path) = model.path() else { return Ok(None) };
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && matches!(model, CurrentModel::Kept(_)) => return Ok(None),
        read => read.with_context(|| format!("cannot read the {what}, {}: {advice}", path.display()))?,
    };
    let refused = || format!("the {what}, {}, is refused: {advice}", path.display());
    let model = OpenModel::open(&bytes).with_context(refused)?;
    Ok(Some((bytes, model)))
}

/// Opens the anchor; where one is to be kept and there is none, the model in use becomes it.
fn anchor(anchor: &CurrentModel, in_use: Option<&ModelInUse>) -> Result<Option<OpenModel>> {
    let advice = "put it back, or name another model that you stand for";
    if let Some((_, model)) = open(anchor, "anchor", advice)? {
        return Ok(Some(model));
    }
    if let (Some(path), Some(in_use)) = (anchor.path(), in_use) {
        output::write(path, &in_use.bytes)?;
        return Ok(Some(in_use.model.clone()));
    }
    Ok(None)
}

/// The candidate aims where the model in use does, unless told otherwise.
fn recipe(args: &Args, in_use: Option<&ModelInUse>) -> TrainingRecipe {
    let threshold = in_use.map(|in_use| &in_use.model.profile.record.threshold);
    let aim = match (args.alert_budget, threshold.and_then(|t| t.alert_budget), threshold.and_then(|t| t.quantile)) {
        (Some(budget), _, _) | (None, Some(budget), _) => ThresholdTarget::Budget(budget),
        (None, None, Some(quantile)) => ThresholdTarget::Quantile(quantile),
        (None, None, None) => ThresholdTarget::Budget(ALERT_BUDGET),
    };
    TrainingRecipe { aim, seed: args.seed, epochs: args.epochs, without: None }
}

/// Cuts the logs by time: one instant for all streams.
fn cut(mut dataset: Dataset) -> TimeSplit {
    let from = dataset.instant(OLDER).unwrap_or(EventTime::from_micros(0));
    let records = dataset.records();
    let days: Vec<f64> = dataset.streams.iter().map(|s| s.days(0..s.times.len())).collect();
    let short = dataset.short.iter().map(|(name, _)| name.clone());
    let present = dataset.streams.iter().map(|s| s.name.clone()).chain(short).collect();
    let held_out = dataset.split_off(from);
    let data = DataFigures {
        records,
        sha256: dataset.sha256.clone(),
        days: if days.is_empty() { 0.0 } else { median(&days) },
        held_out_from: from.to_string(),
        held_out_records: held_out.iter().map(|s| s.values.len()).sum(),
        held_out_server_days: compare::server_days(&held_out),
        faulty_lines: dataset.notes.faulty(),
        learnt_streams: dataset.streams.len(),
    };
    TimeSplit { older: dataset, held_out, present, from, data }
}

fn compared(
    args: &Args,
    logs: &InputLogs,
    cut: TimeSplit,
    (in_use, anchor): (Option<&ModelInUse>, Option<&OpenModel>),
    made: &TrainedModel,
) -> Result<RetrainFigures> {
    let truth = InjectedTruth::read(logs, &cut.held_out, cut.from).unwrap_or_else(|error| {
        // It decides nothing, so it spoils nothing either.
        say::note(&format!("what the logs say about themselves is left out of the report: {error:#}"));
        None
    });
    let held_out = HeldOut { streams: &cut.held_out, truth: truth.as_ref(), present: &cut.present, seed: args.seed };
    let sha256 = hex(&Sha256::digest(&made.bytes));
    let current = in_use.map(|in_use| NamedModel { model: &in_use.model, sha256: &in_use.before.sha256 });
    let mut figures =
        compare::compare(cut.data, &held_out, current.as_ref(), &NamedModel { model: &made.model, sha256: &sha256 })?;
    figures.anchor_reach = anchor.and_then(|anchor| drift::reach(&anchor.profile, &made.model.profile, &cut.present));
    Ok(figures)
}

/// Writes the model and, with a key, its signature. One that another model left is taken away first.
fn write(settings: &RetrainSettings, made: &TrainedModel, signer: Option<&ModelSigner>) -> Result<bool> {
    let path = sign::signature_path(&settings.out);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot take the old signature {} away", path.display()));
        }
        _ => {}
    }
    output::write(&settings.out, &made.bytes)?;
    let Some(signer) = signer else { return Ok(false) };
    let signature = signer.sign(&made.bytes, made.model.version)?;
    output::write(&path, signature.as_bytes())?;
    Ok(true)
}
