//! `cargo xtask bench`: what it finds and what it costs, always beside something measured in the same run. Each
//! measurement is a file; tables are printed as Markdown.

mod agent;
pub(crate) mod cost;
pub(crate) mod detection;
mod measure;
pub(crate) mod replay;

use std::process::ExitCode;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(clap::Subcommand)]
enum Measurement {
    /// Generated scenarios on three seeds, whole and without each part
    Detection(detection::Args),
    /// CPU, instructions and memory of judging records
    Cost(cost::Args),
    Agent(agent::Args),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.measurement {
        Measurement::Detection(args) => detection::run(args)?,
        Measurement::Cost(args) => cost::run(args)?,
        Measurement::Agent(args) => agent::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}
