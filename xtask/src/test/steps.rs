//! The steps of `cargo xtask test`: each starts something and says how it ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::summary::{NotRun, Outcome};
use crate::bench::{cost, detection};
use crate::count::Counts;
use crate::pipeline::{self, Aim, FILES, Profile, Scenario, Trainer, UNSEEN_LOGS, Without};
use crate::{conformance, shell};

/// A test that cannot run for want of a program appends a line `NAME: WHY` to the file that this variable names.
const NOT_RUN_VARIABLE: &str = "ODDLINE_NOT_RUN";
/// Where the pipeline step leaves its model for the steps after it, under cargo's target folder.
const PIPELINE: &str = "xtask/pipeline";
const NO_CARGO_DENY: &str = "no cargo-deny (cargo install cargo-deny --locked)";
const MODEL_BYTES_MAX: u64 = 512 * 1024;

pub(super) fn formatting(_: &mut NotRun) -> Result<Outcome> {
    passes(shell::cargo().args(["fmt", "--all", "--check"]))
}

pub(super) fn lints(_: &mut NotRun) -> Result<Outcome> {
    passes(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub(super) fn dependencies(_: &mut NotRun) -> Result<Outcome> {
    if !has_subcommand("deny") {
        return Ok(Outcome::NotRun(NO_CARGO_DENY.to_owned()));
    }
    passes(shell::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}

/// Asks a database on the network: only with `--long`.
pub(super) fn advisories(_: &mut NotRun) -> Result<Outcome> {
    if !has_subcommand("deny") {
        return Ok(Outcome::NotRun(NO_CARGO_DENY.to_owned()));
    }
    if !shell::succeeds(shell::cargo().args(["deny", "fetch", "db"]))? {
        return Ok(Outcome::NotRun("the advisories cannot be fetched".into()));
    }
    passes(shell::cargo().args(["deny", "--offline", "check", "advisories"]))
}

/// xtask's tests first: they need no large library and say soonest what is wrong with a change's shape.
pub(super) fn house(not_run: &mut NotRun) -> Result<Outcome> {
    cargo_tests(&["--workspace", "--bin", "xtask"], not_run)
}

pub(super) fn tests(not_run: &mut NotRun) -> Result<Outcome> {
    cargo_tests(&["--workspace", "--exclude", "xtask", "--lib", "--bins", "--tests"], not_run)
}

/// nextest does not run them.
pub(super) fn doc_tests(_: &mut NotRun) -> Result<Outcome> {
    count(shell::cargo().args(["test", "--workspace", "--doc"]))
}

/// The kill tests as long as they were meant to be: 200 kills of each, 50 on each other pairing of broker and database.
pub(super) fn kills(not_run: &mut NotRun) -> Result<Outcome> {
    let which = ["--workspace", "--exclude", "xtask", "--test", "kill", "--test", "sink", "--test", "fleet_kill"];
    tests_with(&which, &[("ODDLINE_KILLS", "200"), ("ODDLINE_KILLS_OTHERS", "50")], not_run)
}

/// Every decoder of foreign bytes on inputs that nobody has seen; the tests do the same for a moment.
pub(super) fn fuzzing(not_run: &mut NotRun) -> Result<Outcome> {
    tests_with(&["--package", "oddline-fuzz"], &[("ODDLINE_FUZZ_S", "60")], not_run)
}

/// As many files as one source may name, in the memory of the packaged unit.
pub(super) fn memory_of_files(not_run: &mut NotRun) -> Result<Outcome> {
    tests_with(&["--package", "oddline-e2e", "--test", "memory"], &[("ODDLINE_MEMORY_FILES", "400")], not_run)
}

/// Fails when a question that has an answer takes longer than it may. Wants 15 GB where temporary files go.
pub(super) fn questions(_: &mut NotRun) -> Result<Outcome> {
    passes(shell::cargo().args(["run", "--package", "oddline-collector", "--example", "rates", "queries", "10000000"]))
}

fn cargo_tests(which: &[&str], not_run: &mut NotRun) -> Result<Outcome> {
    tests_with(which, &[], not_run)
}

fn tests_with(which: &[&str], environment: &[(&str, &str)], not_run: &mut NotRun) -> Result<Outcome> {
    let said = shell::target_dir()?.join("xtask/not-run.txt");
    fs::create_dir_all(said.parent().context("a file in a folder")?)?;
    fs::write(&said, "")?;
    let mut command = shell::cargo();
    if has_subcommand("nextest") {
        let config = shell::root().join("xtask/nextest.toml");
        command
            .args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"])
            .arg("--tool-config-file")
            .arg(format!("xtask:{}", config.display()));
    } else {
        command.args(["test", "--no-fail-fast"]);
    }
    command.args(which).env(NOT_RUN_VARIABLE, &said).envs(environment.iter().copied());
    let outcome = count(&mut command)?;
    let lines = fs::read_to_string(&said)?;
    not_run.0.extend(lines.lines().map(str::to_owned));
    Ok(match outcome {
        Outcome::Tests(mut counts) => {
            // A test that could not run ended well: it is counted as skipped, not as passed.
            counts.passed = counts.passed.saturating_sub(lines.lines().count() as u64);
            Outcome::Tests(counts)
        }
        other => other,
    })
}

/// Runs something that prints how many tests passed.
fn count(command: &mut Command) -> Result<Outcome> {
    let mut counts = Counts::default();
    let succeeded = shell::read_lines(command, |line| counts.read(line))?;
    if !succeeded && counts.failed == 0 {
        return Ok(Outcome::Failed); // it did not come as far as its tests
    }
    Ok(Outcome::Tests(counts))
}

fn passes(command: &mut Command) -> Result<Outcome> {
    Ok(if shell::succeeds(command)? { Outcome::Passed } else { Outcome::Failed })
}

fn has_subcommand(name: &str) -> bool {
    let output = shell::cargo().args([name, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// The three commands as a user gives them, on logs small enough for every run.
pub(super) fn pipeline(_: &mut NotRun) -> Result<Outcome> {
    let trainer = Trainer::build(Profile::Dev, PIPELINE)?;
    let scenario = Scenario { servers: 2, days: 2, test_days: 2, ..Scenario::WEEK };
    shell::must(&mut trainer.generate(&scenario))?;
    shell::must(&mut trainer.train(Aim::Default, Without::Nothing))?;
    let mut printed = Vec::new();
    let mut test = trainer.test_with_truth();
    let succeeded = shell::read_lines(&mut test, |line| printed.push(line.to_owned()))?;
    ensure!(succeeded, "failed: {}", shell::shown(&test));
    for words in ["Confusion Matrix:", "True Negatives (TN):", "Precision:", "Recall:", "F1-Score:"] {
        ensure!(printed.iter().any(|line| line.contains(words)), "the report has no `{words}`");
    }
    check_files(trainer.dir())?;
    Ok(Outcome::Passed)
}

fn check_files(dir: &Path) -> Result<()> {
    for (file, what) in FILES {
        let size = fs::metadata(dir.join(file)).map_or(0, |file| file.len());
        ensure!(size > 0, "{file} ({what}) is missing or empty");
    }
    let model = fs::metadata(dir.join(pipeline::MODEL))?.len();
    ensure!(model <= MODEL_BYTES_MAX, "the model has {model} bytes, more than {MODEL_BYTES_MAX}");
    let anomalies = fs::read_to_string(dir.join(pipeline::ANOMALIES))?;
    ensure!(anomalies.lines().count() > 1, "anomalies.csv has no anomaly");
    Ok(())
}

/// Everyone who reads the model file in Rust computes the same.
pub(super) fn conformance(_: &mut NotRun) -> Result<Outcome> {
    count(&mut conformance::cargo_test(&pipeline_model()?)?)
}

/// And so do onnx and onnxruntime, on the very records that the detector judged.
pub(super) fn conformance_python(_: &mut NotRun) -> Result<Outcome> {
    let python = match conformance::python()? {
        Ok(python) => python,
        Err(why) => return Ok(Outcome::NotRun(why)),
    };
    let model = pipeline_model()?;
    let dir = shell::target_dir()?.join(PIPELINE);
    let (inputs, residuals) = (dir.join("inputs.csv"), dir.join("residuals.csv"));
    shell::must(&mut conformance::write_residuals(&model, &dir.join(UNSEEN_LOGS), &inputs, &residuals)?)?;
    passes(conformance::python_check(&python, &model).arg("--inputs").arg(&inputs).arg("--residuals").arg(&residuals))
}

fn pipeline_model() -> Result<PathBuf> {
    let model = shell::target_dir()?.join(PIPELINE).join(pipeline::MODEL);
    ensure!(model.is_file(), "the pipeline step left no model");
    Ok(model)
}

/// Memory must not grow with the number of records.
pub(super) fn memory(_: &mut NotRun) -> Result<Outcome> {
    let trainer = Trainer::build(Profile::Release, "xtask/memory")?;
    let peaks = cost::memory(&trainer)?;
    println!("{}", cost::memory_table(&peaks));
    cost::check_flat(&peaks)?;
    Ok(Outcome::Passed)
}

/// What the detector must find on logs that nobody looked at while writing it.
pub(super) fn quality(_: &mut NotRun) -> Result<Outcome> {
    let trainer = Trainer::build(Profile::Dev, "xtask/quality")?;
    let mut rows = Vec::new();
    for case in &detection::PROMISED {
        rows.extend(detection::measure(&trainer, case, &detection::UNSEEN_SEEDS)?);
    }
    println!("{}", detection::table(&rows));
    let broken: Vec<String> =
        rows.iter().filter_map(|row| detection::check(row).err()).map(|error| error.to_string()).collect();
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    Ok(Outcome::Passed)
}
