//! Arguments in, exit code out; nothing else.

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use oddline_agent::{error::exit_code, replay};

/// Reads local logs and tells only what is odd in them
#[derive(Parser)]
#[command(name = "oddline-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Replay(replay::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replay(args) => replay::run(&args, &mut std::io::BufWriter::new(std::io::stdout().lock())),
    };
    // Nobody reads standard error: then nobody misses what it says.
    let say = |text: String| drop(writeln!(std::io::stderr(), "{text}"));
    match done {
        Ok(counts) => {
            say(format!("{} lines, {} records judged, {} odd", counts.lines, counts.judged, counts.anomalous));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format!("error: {error:#}"));
            exit_code(&error).into()
        }
    }
}
