//! `oddline-trainer generate`: synthetic logs with known anomalies. Same options, same bytes, on
//! every platform: named random generators, `libm` for the curves, four decimals in the files
//! (the normal distribution's far tail takes the platform's logarithm, and these decimals absorb
//! its last bit).
//!
//! Read from [`run`]: options become a [`Scenario`], [`records`] yields it in the order of time,
//! `write` stores it as two logs, or `live` appends it as its time comes. `stream` holds what one
//! server's component does, `anomaly` what can befall it.

mod anomaly;
mod calendar;
mod live;
mod records;
mod report;
mod scenario;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::clock;

pub use anomaly::{AnomalyMoment, AnomalyPattern, AnomalyRoom, InjectedEvent};
pub use records::{Records, records};
pub use report::{GeneratorReport, LogReport};
pub use scenario::{COMPONENTS, Component, CurveShape, Phase, Scenario, ScenarioError};
pub use stream::{GeneratedRecord, GeneratedTruth, rng};

/// Writes synthetic logs with known anomalies: a week to train on and a week to test with
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to simulate
    #[arg(long, value_enum, default_value = "full")]
    pub scenario: CurveShape,
    /// Number of servers, each with six components
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub servers: u32,
    /// Write only this server's records; they are the same as beside the others
    #[arg(long, value_name = "NAME")]
    pub only_server: Option<String>,
    /// Days of the training log
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub days: u32,
    /// Days of the unseen log, which begins where the training log ends
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub test_days: u32,
    /// Seconds between two records of a component
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub period_s: u32,
    /// Share of anomalous records in the unseen log [default: full 0.24, basic 0.1]
    #[arg(long, value_name = "SHARE")]
    pub anomaly_rate: Option<f64>,
    /// Share of anomalous records in the training log
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub contamination: f64,
    /// Same seed, same bytes
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// First time, UTC [default: 2026-01-05T00:00:00Z, with --live now]
    #[arg(long, value_name = "TIME", value_parser = calendar::parse)]
    pub start: Option<i64>,
    /// Folder of the logs
    #[arg(long, value_name = "DIR", default_value = "logs")]
    pub out: PathBuf,
    /// Append records of the unseen kind to one log as their time comes
    #[arg(long)]
    pub live: bool,
    /// The log to append to [default: live.log in the --out folder]
    #[arg(long, value_name = "PATH", requires = "live")]
    pub live_file: Option<PathBuf>,
    /// Simulated seconds per real second
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "live")]
    pub speed: f64,
    /// Stop after so many real seconds [default: go on until stopped]
    #[arg(long, value_name = "N", requires = "live")]
    pub for_s: Option<f64>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Generates what the options ask for and prints a summary on standard output.
///
/// # Errors
/// [`ScenarioError`] names every option out of range; an I/O error comes with the file and advice.
pub fn run(args: &Args) -> Result<()> {
    let report = generate(args)?;
    let text = if args.json { report.to_json().to_string() } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}").context("cannot print the summary")
}

/// [`run`] without printing.
///
/// # Errors
/// As [`run`].
pub fn generate(args: &Args) -> Result<GeneratorReport> {
    let begun = Instant::now();
    let scenario = args.scenario()?;
    let logs = if args.live {
        vec![live::follow(&scenario, &args.live_log())?]
    } else {
        write::write_logs(&scenario, &args.out)?
    };
    let streams = scenario.servers.len() as u64 * COMPONENTS.len() as u64;
    Ok(GeneratorReport { streams, logs, elapsed_s: begun.elapsed().as_secs_f64() })
}

impl Args {
    /// The checked settings. A live log has no training phase and no end of its own.
    ///
    /// # Errors
    /// [`ScenarioError`] names every option out of range.
    pub fn scenario(&self) -> Result<Scenario> {
        let mut problems = Vec::new();
        let (training_days, unseen_days) =
            if self.live { (0, scenario::DAYS_MAX) } else { (self.days, self.test_days) };
        let scenario = Scenario {
            shape: self.scenario,
            servers: self.servers(&mut problems),
            period_s: self.period_s,
            start_s: self.start_s()?,
            training_days,
            unseen_days,
            contamination: self.contamination,
            anomaly_rate: self.anomaly_rate.unwrap_or(self.scenario.anomaly_rate()),
            seed: self.seed,
        };
        if let Err(found) = scenario.check() {
            problems.extend(found.problems);
        }
        if self.days == 0 && !self.live {
            problems.push("--days must be at least 1".into());
        }
        if !(self.speed > 0.0 && self.speed.is_finite()) {
            problems.push(format!("--speed must be more than 0, not {}", self.speed));
        }
        if self.for_s.is_some_and(|for_s| for_s.is_nan() || for_s < 0.0) {
            problems.push("--for-s must be 0 or more".into());
        }
        if problems.is_empty() { Ok(scenario) } else { Err(ScenarioError { problems }.into()) }
    }

    fn servers(&self, problems: &mut Vec<String>) -> std::ops::Range<u32> {
        let all = 1..self.servers.min(scenario::SERVERS_MAX).saturating_add(1);
        let Some(name) = &self.only_server else {
            return 1..self.servers.saturating_add(1);
        };
        match all.clone().find(|number| scenario::server_name(*number) == *name) {
            Some(number) => number..number + 1,
            None => {
                let last = scenario::server_name(self.servers);
                problems.push(format!("--only-server must be server-01 to {last}, not {name}"));
                all
            }
        }
    }

    fn start_s(&self) -> Result<i64> {
        match self.start {
            Some(start_s) => Ok(start_s),
            None if self.live => Ok(clock::now().micros() / 1_000_000),
            None => Ok(Scenario::default().start_s),
        }
    }

    fn live_log(&self) -> live::LiveOptions {
        live::LiveOptions {
            path: self.live_file.clone().unwrap_or_else(|| self.out.join("live.log")),
            speed: self.speed,
            for_s: self.for_s.unwrap_or(f64::INFINITY),
        }
    }
}
