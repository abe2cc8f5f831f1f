//! What was typed.

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use oddline_core::id::{AgentName, FleetName};
use oddline_logging::LogFilter;

use crate::{
    show::OutputFormat,
    store::{AnomalyKind, DatabaseAddress, PersonVerdict, StoredWord},
    time::TimeArgument,
};

/// Stores the anomalies of all servers, answers queries and distributes models
#[derive(Debug, Parser)]
#[command(name = "oddline-collector", version)]
pub struct CollectorCli {
    /// Configuration [default: /etc/oddline/collector.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Database instead of the configured one: a file or a postgres:// URL
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub store: Option<DatabaseAddress>,
    /// What is logged: off, error, warn, info, debug or trace; with TARGET=LEVEL also of a library [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<LogFilter>,
    /// What to do
    #[command(subcommand)]
    pub command: CollectorCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CollectorCommand {
    /// Run the collector
    Run,
    /// List agents and their state
    Agents(OutputArgs),
    /// List anomalies, newest first; show one by id
    Anomalies(AnomaliesArgs),
    /// List incidents, newest first: anomalies within minutes of each other, on one server or several
    Incidents(IncidentsArgs),
    /// Label an anomaly
    Verdict(VerdictArgs),
    /// Store a signed model and roll it out to agents
    Push(PushArgs),
    /// Show model roll-outs: who runs which model, who refused it and why
    Rollouts(OutputArgs),
    /// Undeliverable batches (dead letters)
    #[command(subcommand)]
    DeadLetters(DeadLettersArgs),
    /// Create an agent's certificate and configuration, to be copied to its server
    Enroll(EnrollArgs),
    /// Create the certificates of an outside broker, and the collector's own to connect to it
    EnrollBroker {
        /// Host names and addresses under which the broker is reached
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Folder for the files
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
    },
    /// Revoke an agent's certificates
    Revoke {
        /// Its name
        agent: AgentName,
    },
    /// List enrolled agents and when their certificates expire
    Enrolled(OutputArgs),
    /// Copy a SQLite database while it is in use
    Backup {
        /// A new file
        file: PathBuf,
    },
    /// Write man pages and shell completions
    #[command(hide = true)]
    Pages {
        /// Into this folder
        dir: PathBuf,
    },
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// As JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// As CSV
    #[arg(long)]
    pub csv: bool,
    /// Times in UTC [default]
    #[arg(long, conflicts_with = "local")]
    pub utc: bool,
    /// Times in this machine's zone
    #[arg(long)]
    pub local: bool,
}

/// Where and when anomalies were seen.
#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// Of this server
    #[arg(long)]
    pub server: Option<String>,
    /// From this agent
    #[arg(long)]
    pub agent: Option<String>,
    /// Last seen at or after: 10min, 2h, 1d12h (ago), today, yesterday, a date, a date and time
    #[arg(long, default_value = "24h")]
    pub since: TimeArgument,
    /// And before
    #[arg(long)]
    pub until: Option<TimeArgument>,
}

/// Which incidents.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// Where and when
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// At most this many, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// How it is written
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which anomalies.
#[derive(Debug, Args)]
pub struct AnomaliesArgs {
    /// One anomaly: its id, or the beginning of it
    #[arg(conflicts_with_all = ["server", "component", "kind", "min_score", "agent"])]
    pub id: Option<String>,
    /// Where and when
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Of this component
    #[arg(long)]
    pub component: Option<String>,
    /// With at least this score
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub min_score: Option<f64>,
    /// score, range, silence, rate, novelty, not-finite, flood or other (of a newer agent)
    #[arg(long, value_parser = word::<AnomalyKind>())]
    pub kind: Option<AnomalyKind>,
    /// At most this many, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// How it is written
    #[command(flatten)]
    pub output: OutputArgs,
}

fn score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok().filter(|score: &f64| score.is_finite());
    score.ok_or_else(|| "expected a number such as 1.5".to_owned())
}

fn word<T: StoredWord + Send + Sync>() -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::words()).map(|word| T::parse(&word).expect("one of the possible values"))
}

/// What a person says.
#[derive(Debug, Args)]
pub struct VerdictArgs {
    /// The anomaly: its id, or the beginning of it
    pub id: String,
    /// normal-here, normal-everywhere, real or unsure
    #[arg(value_parser = word::<PersonVerdict>())]
    pub verdict: PersonVerdict,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

/// Which model for whom.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The ONNX file; its signature is beside it as FILE.minisig
    pub model: PathBuf,
    /// The trainer's report on it, JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// `all`, or agents: AGENT or FLEET/AGENT
    #[arg(long, required = true, num_args = 1.., value_name = "all|AGENT")]
    pub to: Vec<String>,
    /// With `--to all`: only this fleet, which may be empty yet
    #[arg(long)]
    pub fleet: Option<FleetName>,
}

/// Who is to be enrolled.
#[derive(Debug, Clone, Args)]
pub struct EnrollArgs {
    /// Its name: a-z, 0-9 and -
    pub agent: AgentName,
    /// Its fleet [default: default; with `--renew` the one it is in]
    #[arg(long)]
    pub fleet: Option<FleetName>,
    /// Where it finds the broker: mqtts://host[:port]
    #[arg(long, value_name = "URL", required_unless_present = "renew")]
    pub broker: Option<String>,
    /// Public key whose models it takes, or a file with it; the one in use and its successor
    #[arg(long, value_name = "KEY|FILE", num_args = 1)]
    pub trusted_key: Vec<String>,
    /// Folder for the bundle
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
    /// A further certificate for an enrolled agent; options left out stay as they were
    #[arg(long)]
    pub renew: bool,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersArgs {
    /// Show them
    List(OutputArgs),
    /// Process them again, after an upgrade
    Retry,
}

impl OutputArgs {
    /// The format asked for.
    #[must_use]
    pub fn format(self) -> OutputFormat {
        match self {
            Self { json: true, .. } => OutputFormat::Json,
            Self { csv: true, .. } => OutputFormat::Csv,
            Self { .. } => OutputFormat::Table,
        }
    }
}
