//! The chores around the code, run as `cargo xtask`: arguments in, one file per chore. What is checked in every run is
//! listed in `test/mod.rs`; what may depend on what in `arrows.rs`. Nothing of the product lives here.

mod bench;
mod conformance;
mod count;
mod demo;
mod dist;
mod packages;
mod pipeline;
mod report;
mod shell;
mod table;
mod test;

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod house;
#[cfg(test)]
mod importers;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod modules;
#[cfg(test)]
mod names;
#[cfg(test)]
mod sources;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores around Oddline's code")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Generate logs, train on them, test on unseen ones: the main job in one command
    Demo(demo::Args),
    /// Formatting, lints, rules, all tests and a small pipeline; ends with a line of counts
    Test(test::Args),
    /// Measure, always beside something measured in the same run
    Bench(bench::Args),
    /// Make what is installed elsewhere: programs, Debian packages, a tarball, files for containers, checksums
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().chore {
        Chore::Demo(args) => demo::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Dist(args) => dist::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
