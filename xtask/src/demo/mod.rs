//! `cargo xtask demo`: the main job from a clean checkout, and the whole fleet on this machine, with the time each stage
//! takes and where its files are.

mod fleet;
pub(crate) mod processes;
mod system;
mod truth;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;

use self::fleet::Fleet;
use crate::pipeline::{Aim, FILES, Profile, Scenario, Trainer, Without};
use crate::{shell, table};

/// Servers of the fleet.
const SERVERS: u32 = 5;
/// Share of odd records in the fleet's logs: a bad day, not the hostile test that the report is about.
const LIVE_ANOMALY_RATE: f64 = 0.12;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed of the generated logs: the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of logs to learn from, and as many to judge
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// `basic`: values far outside the normal range; `full`: every kind of anomaly
    #[arg(long, default_value = "full", value_parser = ["basic", "full"])]
    scenario: String,
    /// Seconds for which the fleet's logs are written
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=3_600))]
    seconds: u32,
    /// Leave the fleet running
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut stages = Stages(Vec::new());
    let start = Instant::now();
    println!("The first build compiles the training and inference libraries: minutes, once.");
    shell::must(shell::cargo().args(["build", "--workspace", "--bins"]))?;
    let trainer = Trainer::build(Profile::Dev, "demo")?;
    stages.0.push(("build", start.elapsed().as_secs_f64()));

    let scenario = Scenario {
        name: if args.scenario == "basic" { "basic" } else { "full" },
        servers: SERVERS,
        days: args.days,
        test_days: args.days,
        seed: args.seed,
        ..Scenario::WEEK
    };
    stages.run("generate", trainer.generate(&scenario))?;
    stages.run("train", trainer.train(Aim::Default, Without::Nothing))?;
    stages.run("test", trainer.test_with_truth())?;

    println!("\nThe files are in {}:", trainer.dir().display());
    for (file, what) in FILES {
        println!("  {file:<30} {what}");
    }
    println!("\n== a fleet of {SERVERS} servers, {} s of live logs", args.seconds);
    let start = Instant::now();
    let live = Scenario { anomaly_rate: Some(LIVE_ANOMALY_RATE), ..scenario };
    let mut fleet = Fleet::start(&trainer, &live, args.seconds)?;
    fleet.watch()?;
    let (found, is_complete) = fleet.compare()?;
    stages.0.push(("fleet", start.elapsed().as_secs_f64()));
    println!("\n== another model for the fleet");
    let start = Instant::now();
    println!("{}", fleet.push_another()?);
    stages.0.push(("another model", start.elapsed().as_secs_f64()));

    println!("\nWhat was planted in each log, and what the collector has of it:\n\n{found}");
    println!("\nWhat its agent says of this machine itself: {}", fleet.this_machine()?);
    println!("\n{}", stages.table());
    println!("\nTo look further:\n{}", fleet.where_to_look());
    if args.keep {
        println!("The fleet goes on; to end it:\n  {}", fleet.leave());
    } else {
        fleet.stop()?;
    }
    if !is_complete {
        println!("FAILED: something that a replay finds is not stored");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What was run, and for how many seconds.
struct Stages(Vec<(&'static str, f64)>);

impl Stages {
    fn run(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        shell::must(&mut command)?;
        self.0.push((name, start.elapsed().as_secs_f64()));
        Ok(())
    }

    fn table(&self) -> String {
        let total = self.0.iter().map(|(_, seconds)| seconds).sum();
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .copied()
            .chain([("together", total)])
            .map(|(name, seconds)| vec![name.to_owned(), format!("{seconds:.1}")])
            .collect();
        table::markdown(&["stage", "seconds"], &rows)
    }
}
