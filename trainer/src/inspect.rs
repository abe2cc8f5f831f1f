//! What a model file says of itself.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result};
use oddline_core::{
    budget::{BudgetProfile, MeasuredEpisodes, StreamTail, TailPrior},
    stream::FEATURES,
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
    let measured = budget.map_or_else(MeasuredEpisodes::default, |budget| budget.measured);
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
    if let Some(budget) = budget {
        text.push_str(&limits(budget)?);
    }
    say::out(&text)
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
