//! A made-up folder in the shape of the Numenta Anomaly Benchmark: an anomaly in one of three streams.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fmt::Write, fs, path::Path, process::Command};

const RECORDS: usize = 2_000;
/// A plateau in the judged part of the second stream.
const ODD: std::ops::Range<usize> = 1_500..1_560;

fn time(minute: usize) -> String {
    format!("2026-02-{:02} {:02}:{:02}:00", minute / 1440 + 1, minute / 60 % 24, minute % 60)
}

/// Near enough to a normal value, never repeating.
fn wobble(i: usize) -> f64 {
    let hash = |salt: usize| ((i * 7 + salt) as f64 * 12.9898).sin().mul_add(43_758.545, 0.5).fract();
    (hash(1) + hash(2) + hash(3)) * 0.7
}

fn write_streams(folder: &Path) {
    fs::create_dir(folder.join("cloud")).unwrap();
    for (name, level) in [("cpu_a", 50.0), ("cpu_b", 20.0), ("net_c", 900.0)] {
        let mut text = "timestamp,value\n".to_owned();
        for i in 0..RECORDS {
            let odd = name == "cpu_b" && ODD.contains(&i);
            let value = level + level / 10.0 * (wobble(i) + if odd { 30.0 } else { 0.0 });
            writeln!(text, "{},{value}", time(i)).unwrap();
        }
        fs::write(folder.join(format!("cloud/{name}.csv")), text).unwrap();
    }
}

/// Whether it succeeded, and what it said.
fn nab(folder: &Path, windows: &str) -> (bool, String) {
    fs::write(folder.join("windows.json"), windows).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oddline-bench"));
    command.args(["nab", "--data", ".", "--streams", "cloud", "--alert-budget", "1", "--epochs", "2"]);
    let output = command.current_dir(folder).output().unwrap();
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn detectors_are_compared_on_labelled_windows() {
    let folder = tempfile::tempdir().unwrap();
    write_streams(folder.path());
    let window = format!("[[\"{}\", \"{}\"]]", time(ODD.start - 20), time(ODD.end + 20));
    let windows = format!("{{\"cloud/cpu_a.csv\": [], \"cloud/cpu_b.csv\": {window}, \"cloud/net_c.csv\": []}}");
    let (is_done, table) = nab(folder.path(), &windows);
    assert!(is_done, "{table}");
    let row = |stream: &str, detector: &str| {
        let line = table.lines().find(|line| line.starts_with(stream) && line.contains(detector));
        line.unwrap_or_else(|| panic!("no {stream}, {detector} in\n{table}")).to_owned()
    };
    assert!(row("cpu_b", "Oddline").contains("1/1"), "{table}");
    assert!(row("cpu_a", "Oddline").contains(" - "), "{table}");
    row("net_c", "no autoencoder");
    row(" ", "windowed Gaussian");
    assert!(folder.path().join("target/bench/nab/budget_1.png").is_file());
}

#[test]
fn labels_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    write_streams(folder.path());
    for (windows, words) in [("{", "windows.json"), ("{}", "cloud/cpu_a.csv")] {
        let (is_done, said) = nab(folder.path(), windows);
        assert!(!is_done && said.contains(words), "{said}");
    }
}
