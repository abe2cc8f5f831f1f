//! Compares detectors on public data sets. Not shipped: what a detector is worth is for those who work on it.
//!
//! ```text
//!  data: labelled streams -> detectors: alerts of each -> metrics: figures of each -> tables, charts
//! ```
//!
//! `detection` is the table of all data sets, `nab` looks at one closely, `first-week` at an agent whose model does not fit.
//! Reading a data set is a file of [`data`], a detector one of [`detectors`], what is measured one of [`metrics`].

mod data;
mod detection;
mod detectors;
mod first_week;
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
    FirstWeek(first_week::Args),
}

fn main() -> anyhow::Result<()> {
    match BenchCli::parse().command {
        BenchCommand::Nab(args) => nab::run(&args),
        BenchCommand::Detection(args) => detection::run(&args),
        BenchCommand::FirstWeek(args) => first_week::run(&args),
    }
}
