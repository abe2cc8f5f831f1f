//! What judging costs: CPU beside `wc -l` on the same file, instructions, and memory over millions of records. The
//! machine is shared and noisy, so pairs are measured in turn and their medians compared.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::measure::{self, Usage, median};
use super::replay;
use crate::pipeline::{Profile, Scenario, Trainer, UNSEEN_LOGS, Without, quietly};
use crate::{conformance, shell, table};

/// Three servers with six components and a record a minute: 39 days are a million records.
const SCENARIO: Scenario = Scenario { name: "full", servers: 3, days: 39, seed: 1 };
/// About a week of them is fitted.
const TRAIN_PART: f64 = 0.18;
/// One `wc -l` is too short for a clock of 10 ms.
const FLOOR_REPEATS: u32 = 20;
/// Under valgrind a program is some 50 times slower; the difference of two lengths leaves its start out.
const CALLGRIND_RECORDS: [u64; 2] = [20_000, 60_000];
const MEMORY_RECORDS: [u64; 2] = [1_000_000, 20_000_000];
/// An allocator's own ups and downs.
const MEMORY_SLACK_KIB: u64 = 2_048;

#[derive(clap::Args)]
pub struct Args {
    /// Rounds of each pair
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Leave the memory over 20 million records out
    #[arg(long)]
    no_memory: bool,
}

pub fn run(args: &Args) -> Result<()> {
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
    let logs = Path::new(crate::pipeline::SERVER_LOGS);
    quietly(&mut trainer.train_on_part(logs, TRAIN_PART, Without::Nothing))
}

/// CPU-seconds per million records of the floor, the whole `test` command and onnxruntime on the bare graph.
fn cpu(trainer: &Trainer, rounds: u32) -> Result<String> {
    let log = trainer.dir().join(UNSEEN_LOGS);
    let records = fs::read_to_string(&log)?.lines().count() as f64 - 1.0;
    let per_million = |cpu_s: f64| cpu_s * 1e6 / records;
    let (mut floor, mut judged) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut cpu_s = 0.0;
        for _ in 0..FLOOR_REPEATS {
            cpu_s += measure::usage(Command::new("wc").arg("-l").arg(&log))?.cpu_s;
        }
        floor.push(per_million(cpu_s / f64::from(FLOOR_REPEATS)));
        judged.push(per_million(measure::usage(&mut trainer.test())?.cpu_s));
    }
    let (floor, judged) = (median(floor), median(judged));
    let row =
        |name: &str, seconds: f64| vec![name.to_owned(), format!("{seconds:.3}"), format!("{:.1}", seconds / floor)];
    let mut rows = vec![row("wc -l", floor), row("oddline-trainer test, all of it", judged)];
    match onnxruntime(trainer)? {
        Ok(seconds) => rows.push(row("onnxruntime, the graph alone", seconds)),
        Err(why) => println!("not run: onnxruntime beside it: {why}"),
    }
    println!("{records} records, medians of {rounds} rounds\n");
    Ok(table::markdown(&["what", "CPU-seconds per million records", "times wc -l"], &rows))
}

/// Seconds of onnxruntime on one thread for a million rows in batches of 64, or why there are none.
fn onnxruntime(trainer: &Trainer) -> Result<Result<f64, String>> {
    let python = match conformance::python()? {
        Ok(python) => python,
        Err(why) => return Ok(Err(why)),
    };
    let mut bench = conformance::python_check(&python, &trainer.dir().join(crate::pipeline::MODEL));
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
        replay::write(&log, i64::from(SCENARIO.days), records, BufWriter::new(fs::File::create(&short)?))?;
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
pub fn memory(trainer: &Trainer) -> Result<Vec<(u64, Usage)>> {
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
            replay::write(&log, i64::from(SCENARIO.days), records, BufWriter::new(to))
        })?;
        peaks.push((records, usage));
    }
    Ok(peaks)
}

pub fn memory_table(peaks: &[(u64, Usage)]) -> String {
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
pub fn check_flat(peaks: &[(u64, Usage)]) -> Result<()> {
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
