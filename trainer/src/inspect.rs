//! What a model file says of itself.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result};
use oddline_cli::table::table;
use oddline_core::{
    amounts::TimeSpan,
    budget::{BudgetProfile, MeasuredIncidents, StreamTail, TailPrior},
    event::words::short,
    profile::StreamBaseline,
    stream::{FEATURES, baseline::Baseline, character::StreamCharacter},
    terminal::tame,
};
use oddline_detector::OpenModel;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::say;

/// Verifies a model file and shows its metadata
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The model
    #[arg(value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// List all streams
    #[arg(long)]
    pub all: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the model is refused or cannot be read.
pub fn run(args: &Args) -> Result<()> {
    let bytes = fs::read(&args.model).with_context(|| format!("cannot read the model {}", args.model.display()))?;
    let model = OpenModel::open(&bytes).with_context(|| format!("the model {} is refused", args.model.display()))?;
    let sha256 = crate::hex(&Sha256::digest(&bytes));
    if args.json {
        let (profile, provenance) = (&*model.profile, &model.provenance);
        let all = json!({ "sha256": sha256, "bytes": bytes.len(), "version": model.version, "profile": profile,
            "provenance": provenance });
        return say::out(&format!("{all}\n"));
    }
    let budget = model.profile.budget.as_ref();
    let measured = budget.map_or_else(MeasuredIncidents::default, |budget| budget.measured);
    let (view, p) = (&model.profile.record, &model.provenance);
    let mut text = format!(
        "SHA-256    {sha256}\nVersion    {}\nTrainer    {}, seed {}\nTrained    on {} up to {}; {} removed\n\
         Threshold  {} (false alerts per server and day: {})\n\
         Streams    {} fitted, {}\n\nfeature      center   scale  residual quantile  value quantile\n",
        model.version,
        p.trainer,
        p.seed,
        say::counted(p.rows, "record"),
        p.newest,
        say::counted(p.rows_trimmed, "outlier"),
        view.threshold.value,
        say::promise(&view.threshold, measured),
        model.profile.baselines.len(),
        say::counted(model.profile.priors.len(), "component"),
    );
    for (j, name) in FEATURES.iter().enumerate() {
        let (residual, value) = (view.residual_quantile[j], view.value_quantile[j]);
        writeln!(text, "{name:<11}{:>8.4}{:>8.4}{residual:>19.3}{value:>16.3}", view.center[j], view.scale[j])?;
    }
    let shown_max = if args.all { usize::MAX } else { STREAMS_SHOWN };
    text.push_str(&streams(&model.profile.baselines, shown_max)?);
    if let Some(budget) = budget {
        text.push_str(&limits(budget)?);
    }
    say::out(&text)
}

/// Streams that are listed unless all are asked for.
const STREAMS_SHOWN: usize = 40;

fn streams(fitted: &[StreamBaseline], shown_max: usize) -> Result<String> {
    let rows: Vec<Vec<String>> = fitted.iter().take(shown_max).map(stream_row).collect();
    if rows.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!("\n{}", table(&["server", "component", "character", "usual", "new beyond"], &rows));
    if fitted.len() > rows.len() {
        writeln!(text, "{} more: --all lists them", fitted.len() - rows.len())?;
    }
    for StreamBaseline { server, component, baseline } in fitted.iter().take(rows.len()) {
        for peak in &baseline.peaks {
            let (every, height) = (TimeSpan::of_seconds(peak.period_s), short(peak.height));
            writeln!(text, "recurring  {}/{}: {height} every {every}", tame(server), tame(component))?;
        }
    }
    Ok(text)
}

fn stream_row(StreamBaseline { server, component, baseline: b }: &StreamBaseline) -> Vec<String> {
    let (level, min, max) = (short(b.curve[0]), short(b.min), short(b.max));
    let range = if b.min < b.max { format!("{min} to {max}") } else { min };
    let (usual, beyond) = match b.character {
        StreamCharacter::Constant | StreamCharacter::FewValues => {
            let known: Vec<String> = b.known.iter().map(|value| short(*value)).collect();
            (known.join(", "), format!("{} from any", short(b.margin)))
        }
        StreamCharacter::Counter => (format!("{level} a second, {range}"), short(b.max + b.margin)),
        StreamCharacter::Wandering => (format!("moves by {range}"), outside(b)),
        StreamCharacter::Sparse | StreamCharacter::Continuous | StreamCharacter::Daily => {
            (format!("{level}, {range}"), outside(b))
        }
    };
    vec![tame(server).into_owned(), tame(component).into_owned(), b.character.name().to_owned(), usual, beyond]
}

fn outside(baseline: &Baseline) -> String {
    format!("{} to {}", short(baseline.min - baseline.margin), short(baseline.max + baseline.margin))
}

/// The streams whose limits are furthest from the middle, in scores of the record view.
const LIMITS_SHOWN: usize = 8;

fn limits(budget: &BudgetProfile) -> Result<String> {
    let mut text = format!(
        "\nBudget     {} a server and day: limit {:.2} in the middle of {}\n",
        budget.asked,
        budget.middle.limit * budget.factor,
        say::counted(budget.streams.len(), "stream")
    );
    let mut streams: Vec<_> = budget.streams.iter().collect();
    let apart = |tail: &TailPrior| (tail.limit / budget.middle.limit).ln().abs();
    streams.sort_by(|a, b| apart(&b.tail).total_cmp(&apart(&a.tail)));
    for StreamTail { server, component, tail } in streams.into_iter().take(LIMITS_SHOWN) {
        let limit = tail.limit * budget.factor(server);
        writeln!(text, "  {limit:>7.2}  {server}/{component}, decay {:.1}", tail.decay)?;
    }
    Ok(text)
}
