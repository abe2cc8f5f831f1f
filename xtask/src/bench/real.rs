//! Streams that nobody here made, with labelled windows: fitted on the first part of each, judged on the rest, beside
//! the same without the autoencoder and a windowed Gaussian. The trainer prints the tables.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::pipeline::{Aim, MODEL, Profile, Trainer, Without, quietly};
use crate::shell;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A folder with `windows.json` and folders of `timestamp,value` files, each file a stream
    #[arg(long)]
    data: PathBuf,
    /// The folder of streams in it
    #[arg(long, default_value = "realAWSCloudwatch")]
    streams: String,
    /// The first part of every stream, which is fitted and not judged
    #[arg(long, default_value_t = 0.4)]
    part: f64,
    /// False episodes per server and day, a table each
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 0.1])]
    alert_budget: Vec<f64>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let (streams, labels) = (args.data.join(&args.streams), args.data.join("windows.json"));
    if let Some(missing) = [&streams, &labels].into_iter().find(|path| !path.exists()) {
        println!("not run: real streams: no {}", missing.display());
        return Ok(());
    }
    // The trainer runs in a folder of its own.
    let absolute = |path: &PathBuf| fs::canonicalize(path).with_context(|| format!("opening {}", path.display()));
    let (streams, labels) = (absolute(&streams)?, absolute(&labels)?);
    let trainer = Trainer::build(Profile::Dev, "bench/real")?;
    for budget in &args.alert_budget {
        println!("\n== {}, {budget} false episodes per server and day", args.streams);
        let aim = Aim::Budget(*budget);
        let trainer = trainer.in_folder(&format!("budget_{budget}"))?;
        let plain = trainer.in_folder("without_autoencoder")?;
        quietly(&mut plain.train_on_part(&streams, args.part, aim, Without::Autoencoder))?;
        shell::must(&mut trainer.train_on_part(&streams, args.part, aim, Without::Nothing))?;
        let beside = plain.dir().join(MODEL);
        shell::must(&mut trainer.test_after_part(&streams, args.part, &labels, &beside))?;
        println!("chart: {}", trainer.dir().join("charts/streams.png").display());
    }
    Ok(())
}
