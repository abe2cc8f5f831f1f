//! Arguments in, exit code out; nothing else.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use oddline_agent::{command, config, error::exit_code, pages, replay, run};
use oddline_logging::LogFilter;

/// Follows local logs and reports anomalies
#[derive(Parser)]
#[command(name = "oddline-agent", version)]
struct AgentCli {
    /// What is logged: off, error, warn, info, debug or trace; with TARGET=LEVEL also of a library [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<LogFilter>,
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(clap::Args)]
struct ConfigArg {
    /// Configuration file; drop-in files in the folder of the same name ending in .d (*.toml) override it
    #[arg(long, value_name = "FILE", default_value = config::FILE, global = true)]
    config: PathBuf,
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Runs the agent in the foreground
    Run(ConfigArg),
    /// Checks a configuration file
    Validate(ConfigArg),
    /// Scores a log file offline, as the agent would, and prints the alerts
    Replay(replay::Args),
    Explain(command::explain::Args),
    Parse(command::parse::Args),
    System(command::system::Args),
    /// Shows the state of the running agent
    Status {
        #[command(flatten)]
        config: ConfigArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows, verifies and rolls back models
    Model {
        #[command(flatten)]
        config: ConfigArg,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        what: command::model::ModelAction,
    },
    /// Writes man pages and shell completions
    #[command(hide = true)]
    Pages {
        /// Into this folder
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let out = &mut BufWriter::new(std::io::stdout());
    let AgentCli { log_level, command } = AgentCli::parse();
    oddline_logging::start(log_level);
    let done = match command {
        AgentCommand::Run(ConfigArg { config }) => run::run(&config),
        AgentCommand::Validate(ConfigArg { config }) => command::validate::run(&config, out),
        AgentCommand::Replay(args) => replay::run(&args, out).map(|read| {
            say(&read.describe(&args.log));
        }),
        AgentCommand::Explain(args) => command::explain::run(&args, out),
        AgentCommand::System(args) => command::system::run(&args, out),
        AgentCommand::Parse(args) => command::parse::run(&args, out),
        AgentCommand::Status { config, json } => command::status::run(&config.config, json, out),
        AgentCommand::Model { config, json, what } => command::model::run(&config.config, &what, json, out),
        AgentCommand::Pages { dir } => oddline_cli::pages::write(AgentCli::command(), pages::SECTIONS, &dir)
            .with_context(|| dir.display().to_string()),
    };
    let done = done.and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            exit_code(&error).into()
        }
    }
}

/// Nobody reads standard error: then nobody misses what it says.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
