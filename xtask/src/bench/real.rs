//! Streams that nobody here made, with labelled windows: fitted on the first part of each, judged on the rest, and the
//! same without the autoencoder. The trainer prints the tables, a windowed Gaussian beside its own verdicts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pipeline::{Profile, Trainer, Without};
use crate::shell;

#[derive(clap::Args)]
pub struct Args {
    /// A folder of `timestamp,value` files, each a stream; `windows.json` is in it or beside it
    #[arg(long)]
    data: PathBuf,
    /// The first part of every stream, which is fitted and not judged
    #[arg(long, default_value_t = 0.4)]
    part: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let data = fs::canonicalize(&args.data);
    let data = data.with_context(|| format!("opening {}", args.data.display()))?;
    let labels = labels_of(&data)?;
    let trainer = Trainer::build(Profile::Dev, "bench/real")?;
    for without in [Without::Nothing, Without::Autoencoder] {
        println!("\n== without: {}", without.name());
        let trainer = trainer.in_folder(&format!("without_{}", without.name().replace('-', "nothing")))?;
        shell::must(&mut trainer.train_on_part(&data, args.part, without))?;
        let report = trainer.dir().join("report.json");
        shell::must(&mut trainer.test_after_part(&data, args.part, &labels, &report))?;
        println!("charts: {}", trainer.dir().join("charts").display());
    }
    Ok(())
}

fn labels_of(data: &Path) -> Result<PathBuf> {
    let beside = data.parent().unwrap_or(data);
    [data, beside]
        .iter()
        .map(|dir| dir.join("windows.json"))
        .find(|file| file.is_file())
        .with_context(|| format!("no windows.json in {} or beside it", data.display()))
}
