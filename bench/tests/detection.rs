//! The command `detection` from outside: what its help names, and a row that needs no data of others.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

/// Whether it succeeded, and what it said.
fn detection(args: &[&str]) -> (bool, String) {
    bench(&[&["detection"], args].concat())
}

fn bench(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_oddline-bench")).args(args).output().unwrap();
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_help_names_the_data_sets() {
    let (is_done, help) = detection(&["--help"]);
    assert!(is_done, "{help}");
    for word in ["--data", "--only", "--asked", "kpi:", "access:", "site:", "full:", "basic:"] {
        assert!(help.contains(word), "no {word} in\n{help}");
    }
}

#[test]
fn the_first_week_has_a_seed_and_a_log() {
    let (is_done, help) = bench(&["first-week", "--help"]);
    assert!(is_done && ["--seed", "--log", "--asked"].iter().all(|word| help.contains(word)), "{help}");
}

#[test]
fn a_made_up_set_is_compared_without_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("table.csv");
    let (is_done, table) =
        detection(&["--only", "pi", "--epochs", "2", "--asked", "4", "--csv", &csv.to_string_lossy()]);
    assert!(is_done, "{table}");
    for detector in ["Oddline", "range only", "robust z", "windowed Gaussian"] {
        let line = table.lines().find(|line| line.starts_with("pi") && line.contains(detector));
        let line = line.unwrap_or_else(|| panic!("no {detector} in\n{table}"));
        assert!(line.contains(" in 14.00 d"), "{line}");
    }
    let written = std::fs::read_to_string(csv).unwrap();
    assert_eq!(written.lines().count(), table.lines().filter(|line| !line.is_empty()).count(), "{written}");
}

#[test]
fn a_given_set_needs_its_folder() {
    let (is_done, said) = detection(&["--only", "kpi"]);
    assert!(!is_done && said.contains("--data DIR"), "{said}");
}
