//! `cargo xtask demo`: the main job from a clean checkout, with the time each stage takes and where its files are.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;

use crate::pipeline::{Aim, FILES, Profile, Scenario, Trainer, Without};
use crate::{shell, table};

#[derive(clap::Args)]
pub struct Args {
    /// Seed of the generated logs: the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of logs to learn from, and as many to judge
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// `basic`: values far outside the normal range; `full`: every kind of anomaly
    #[arg(long, default_value = "full", value_parser = ["basic", "full"])]
    scenario: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut stages = Stages(Vec::new());
    let start = Instant::now();
    println!("The first build compiles the training and inference libraries: minutes, once.");
    let trainer = Trainer::build(Profile::Dev, "demo")?;
    stages.0.push(("build", start.elapsed().as_secs_f64()));

    let scenario = Scenario {
        name: if args.scenario == "basic" { "basic" } else { "full" },
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
    println!("\n{}", stages.table());
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
