//! What judging costs: CPU beside `wc -l` on the same file, instructions, and memory over millions of records. The
//! machine is shared and noisy, so pairs are measured in turn and their medians compared.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::measure::{self, Usage, median};
use super::replay;
use crate::pipeline::{Aim, MODEL, Profile, Scenario, Trainer, UNSEEN_LOGS, Without, quietly};
use crate::{conformance, shell, table};

/// Three servers with six components and a record a minute: 39 days are a million records. In real logs anomalies are
/// rare; the generator's usual share is measured beside it, as every anomaly is a line of output.
const SCENARIO: Scenario = Scenario { test_days: 39, anomaly_rate: Some(0.01), ..Scenario::WEEK };
const MANY_ANOMALIES: Scenario = Scenario { anomaly_rate: None, ..SCENARIO };
/// Under valgrind a program is some 50 times slower; the difference of two lengths leaves its start out.
const CALLGRIND_RECORDS: [u64; 2] = [20_000, 60_000];
const MEMORY_RECORDS: [u64; 2] = [1_000_000, 20_000_000];
/// An allocator's own ups and downs.
const MEMORY_SLACK_KIB: u64 = 2_048;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds of each pair
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Leave the memory over 20 million records out
    #[arg(long)]
    no_memory: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let trainer = Trainer::build(Profile::Release, "bench/cost")?;
    prepare(&trainer)?;
    println!("{}", cpu(&trainer, args.rounds)?);
    match shell::find_program("valgrind") {
        Some(valgrind) => println!("\n{:.0} instructions a record", instructions(&trainer, &valgrind)?),
        None => println!("\nnot run: instructions: no valgrind"),
    }
    if !args.no_memory {
        println!("\n{}", memory_table(&memory_of_prepared(&trainer)?));
    }
    Ok(())
}

fn prepare(trainer: &Trainer) -> Result<()> {
    quietly(&mut trainer.generate(&SCENARIO))?;
    quietly(&mut trainer.train(Aim::Default, Without::Nothing))
}

/// CPU-seconds per million records of the floor, the whole `test` command and onnxruntime on the bare graph.
fn cpu(trainer: &Trainer, rounds: u32) -> Result<String> {
    let many = trainer.in_folder("many_anomalies")?;
    quietly(&mut many.generate(&MANY_ANOMALIES))?;
    let (rare_log, many_log) = (trainer.dir().join(UNSEEN_LOGS), many.dir().join(UNSEEN_LOGS));
    let (rare_count, many_count) = (records(&rare_log)?, records(&many_log)?);
    let [mut floor, mut rare, mut frequent, mut other] = [const { Vec::new() }; 4];
    let mut no_onnxruntime = None;
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        floor.push(measure::floor(&rare_log)? * 1e6 / rare_count);
        rare.push(measure::usage(&mut trainer.test())?.cpu_s * 1e6 / rare_count);
        frequent.push(measure::usage(&mut trainer.test_logs(&many_log))?.cpu_s * 1e6 / many_count);
        match onnxruntime(trainer)? {
            Ok(seconds) => other.push(seconds),
            Err(why) => no_onnxruntime = Some(why),
        }
    }
    let floor = median(floor);
    let row =
        |name: &str, seconds: f64| vec![name.to_owned(), format!("{seconds:.3}"), format!("{:.1}", seconds / floor)];
    let mut rows = vec![
        row("wc -l", floor),
        row("oddline-trainer test, 1 % anomalous", median(rare)),
        row("oddline-trainer test, 24 % anomalous", median(frequent)),
    ];
    match no_onnxruntime {
        None => rows.push(row("onnxruntime, the graph alone", median(other))),
        Some(why) => println!("not run: onnxruntime beside it: {why}"),
    }
    println!("{rare_count} records, medians of {rounds} rounds\n");
    Ok(table::markdown(&["what", "CPU-seconds per million records", "times wc -l"], &rows))
}

fn records(log: &Path) -> Result<f64> {
    Ok(fs::read_to_string(log)?.lines().count() as f64 - 1.0)
}

/// Seconds of onnxruntime on one thread for a million rows in batches of 64, or why there are none.
fn onnxruntime(trainer: &Trainer) -> Result<Result<f64, String>> {
    let python = match conformance::python()? {
        Ok(python) => python,
        Err(why) => return Ok(Err(why)),
    };
    let mut bench = conformance::python_check(&python, &trainer.dir().join(MODEL));
    let output = bench.arg("--bench").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {said}", shell::shown(&bench));
    let seconds = microseconds_a_row(&said);
    Ok(Ok(seconds.with_context(|| format!("no figure for a batch of 64 in: {said}"))?))
}

/// `ok   bench record: us a record at batch 64: 1.234, 256: ...`; microseconds a row are seconds a million.
fn microseconds_a_row(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("bench record"))?;
    let (_, figures) = line.split_once(" 64: ")?;
    figures.split(',').next()?.trim().parse().ok()
}

/// Instructions that one more record costs.
fn instructions(trainer: &Trainer, valgrind: &Path) -> Result<f64> {
    let log = fs::read_to_string(trainer.dir().join(UNSEEN_LOGS))?;
    let mut counted = Vec::new();
    for records in CALLGRIND_RECORDS {
        let short = trainer.dir().join(format!("head_{records}.txt"));
        replay::write(&log, i64::from(SCENARIO.test_days), records, BufWriter::new(fs::File::create(&short)?))?;
        let test = trainer.test_logs(&short);
        let mut command = Command::new(valgrind);
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(test.get_program())
            .args(test.get_args())
            .current_dir(trainer.dir());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        counted.push(collected(&said).with_context(|| format!("callgrind counted nothing: {said}"))?);
    }
    Ok((counted[1] - counted[0]) / (CALLGRIND_RECORDS[1] - CALLGRIND_RECORDS[0]) as f64)
}

/// `==12== Collected : 123456`
fn collected(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

/// Generates, trains, and judges 1 and 20 million records from a pipe.
///
/// # Errors
/// When a command fails.
pub(crate) fn memory(trainer: &Trainer) -> Result<Vec<(u64, Usage)>> {
    prepare(trainer)?;
    memory_of_prepared(trainer)
}

fn memory_of_prepared(trainer: &Trainer) -> Result<Vec<(u64, Usage)>> {
    let log = fs::read_to_string(trainer.dir().join(UNSEEN_LOGS))?;
    let stdin = PathBuf::from("-");
    let mut peaks = Vec::new();
    for records in MEMORY_RECORDS {
        eprintln!("{records} records from a pipe");
        let usage = measure::usage_fed(&mut trainer.test_logs(&stdin), |to| {
            replay::write(&log, i64::from(SCENARIO.test_days), records, BufWriter::new(to))
        })?;
        peaks.push((records, usage));
    }
    Ok(peaks)
}

pub(crate) fn memory_table(peaks: &[(u64, Usage)]) -> String {
    let rows: Vec<Vec<String>> = peaks
        .iter()
        .map(|(records, usage)| {
            let mib = usage.rss_peak_kib as f64 / 1024.0;
            vec![records.to_string(), format!("{mib:.1}"), format!("{:.1}", usage.cpu_s)]
        })
        .collect();
    table::markdown(&["records from a pipe", "peak RSS, MiB", "CPU-seconds"], &rows)
}

/// The last peak must be no higher than the first.
pub(crate) fn check_flat(peaks: &[(u64, Usage)]) -> Result<()> {
    let (first, last) = (peaks[0].1.rss_peak_kib, peaks[peaks.len() - 1].1.rss_peak_kib);
    ensure!(last <= first + MEMORY_SLACK_KIB, "memory grows with the records: {first} KiB, then {last} KiB");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn onnxruntime_says_how_long() {
        let said = "ok   golden record: 3\nok   bench record: us a record at batch 64: 1.250, 256: 0.9, 1024: 0.8\n";
        assert_eq!(microseconds_a_row(said), Some(1.25));
        assert_eq!(microseconds_a_row("FAIL bench record: no"), None);
    }

    #[test]
    fn callgrind_says_how_many() {
        assert_eq!(collected("==1== x\n==1== Collected : 1234567\n"), Some(1_234_567.0));
        assert_eq!(collected("==1== nothing"), None);
    }
}
