//! Arguments in, exit code out; nothing else.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use oddline_logging::LogFilter;
use oddline_trainer::{error::exit_code, generate, inspect, pages, retrain, say, sign, test, train};

/// Trains a model on logs, exports it as one ONNX file, and tests it
#[derive(Parser)]
#[command(name = "oddline-trainer", version)]
struct TrainerCli {
    /// What is logged beside the report: off, error, warn, info, debug or trace; with TARGET=LEVEL of a library
    /// [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<LogFilter>,
    #[command(subcommand)]
    command: TrainerCommand,
}

#[derive(Subcommand)]
enum TrainerCommand {
    Generate(generate::Args),
    Train(train::Args),
    Test(test::Args),
    Inspect(inspect::Args),
    Retrain(retrain::Args),
    Keygen(sign::KeygenArgs),
    Sign(sign::SignArgs),
    /// Writes man pages and shell completions
    #[command(hide = true)]
    Pages {
        /// Into this folder
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let TrainerCli { log_level, command } = TrainerCli::parse();
    oddline_logging::start(log_level);
    let done = match command {
        TrainerCommand::Generate(args) => generate::run(&args),
        TrainerCommand::Train(args) => train::run(&args),
        TrainerCommand::Test(args) => test::run(&args),
        TrainerCommand::Inspect(args) => inspect::run(&args),
        TrainerCommand::Retrain(args) => retrain::run(&args),
        TrainerCommand::Keygen(args) => sign::keygen(&args),
        TrainerCommand::Sign(args) => sign::sign(&args),
        TrainerCommand::Pages { dir } => oddline_cli::pages::write(TrainerCli::command(), pages::SECTIONS, &dir)
            .with_context(|| dir.display().to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(&format!("error: {error:#}"));
            exit_code(&error).into()
        }
    }
}
