//! Arguments in, exit code out; nothing else.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use oddline_trainer::{error::exit_code, generate, inspect, say, sign, test, train};

/// Learns what is normal in logs, writes it as one ONNX file, and tests it
#[derive(Parser)]
#[command(name = "oddline-trainer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Train(train::Args),
    Test(test::Args),
    Inspect(inspect::Args),
    Keygen(sign::Keygen),
    Sign(sign::Sign),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Generate(args) => generate::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Keygen(args) => sign::keygen(&args),
        Command::Sign(args) => sign::sign(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(&format!("error: {error:#}"));
            exit_code(&error).into()
        }
    }
}
