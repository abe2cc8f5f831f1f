//! Compares detectors on public data sets. Not shipped: what a detector is worth is for those who work on it.
//!
//! ```text
//!  data: labelled streams -> detectors: alerts of each -> metrics: figures of each -> tables, charts
//! ```
//!
//! A command a data set. Reading one is a file of [`data`], a detector one of [`detectors`], what is measured one of
//! [`metrics`]; [`panels`] draws.

mod data;
mod detection;
mod detectors;
mod metrics;
mod nab;
mod panels;

use clap::{Parser, Subcommand};

/// Compares detectors on public data sets
#[derive(Parser)]
#[command(name = "oddline-bench", version)]
struct BenchCli {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    Nab(nab::Args),
    Detection(detection::Args),
}

fn main() -> anyhow::Result<()> {
    match BenchCli::parse().command {
        BenchCommand::Nab(args) => nab::run(&args),
        BenchCommand::Detection(args) => detection::run(&args),
    }
}
