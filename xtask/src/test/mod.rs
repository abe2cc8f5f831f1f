//! `cargo xtask test`: everything that must hold, in order of what it costs. A failed step does not hide the next one:
//! all failures are listed at the end. What could not be run is named with its reason, never silently left out.

mod arm;
mod booted;
mod containers;
mod steps;
mod summary;
mod units;
#[cfg(test)]
mod users;

use std::process::ExitCode;

use anyhow::Result;

use crate::packages;
use summary::Run;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Add what takes long: 200 kills, other programs on our model, memory over 20 million records, unseen seeds
    #[arg(long)]
    long: bool,
    /// Only steps with this in their name, such as containers or arm64
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Install the Debian packages that some tests want (also with CI=true)
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if args.install || in_ci {
        packages::install(args.long)?;
    }
    let mut run = Run::of(args.only.clone());
    run.step("formatting", steps::formatting);
    run.step("dependencies: licences, bans, sources", steps::dependencies);
    run.step("house rules and arrows", steps::house);
    run.step("lints", steps::lints);
    run.step("tests", steps::tests);
    run.step("examples in the documentation", steps::doc_tests);
    run.step("systemd units", units::units);
    run.step("pipeline: generate, train, test", steps::pipeline);
    if args.long {
        run.step("kills: 200, and 50 on each other pairing", steps::kills);
        run.step("fuzzing: a minute for each decoder", steps::fuzzing);
        run.step("the agent's memory with 400 files", steps::memory_of_files);
        run.step("advisories", steps::advisories);
        run.step("conformance: Burn reads our model", steps::conformance);
        run.step("conformance: onnx.checker and onnxruntime", steps::conformance_python);
        run.step("memory from 1 to 20 million records", steps::memory);
        run.step("quality on unseen seeds", steps::quality);
        run.step("questions on ten million anomalies", steps::questions);
        run.step("the agent for arm64 and armhf", arm::arm);
        run.step("containers: three steps and a small fleet", containers::containers);
        run.step("packages in a booted system", booted::booted);
    } else {
        println!(
            "\nWith --long also: 200 kills, fuzzing, advisories, conformance, memory, quality, ten million anomalies, other \
             processors, containers, a booted system."
        );
    }
    println!("{}", run.summary());
    Ok(if run.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
