//! Three commands with no options use the seed project's paths and wording, and the same seed gives the same bytes.

use std::collections::BTreeSet;

use crate::shell::{ANOMALIES, Folder, HEADER, MODEL, TRAIN, UNSEEN};

const LOGS: [&str; 4] =
    ["logs/server_logs.kinds.csv", "logs/server_logs.txt", "logs/unseen_logs.kinds.csv", "logs/unseen_logs.txt"];
const STREAMS: &str = "charts/unseen_data_streams.png";
const TRAINED: [&str; 3] = ["charts/error_distribution.png", "charts/loss_curves.png", MODEL];
const TESTED: [&str; 3] = ["charts/unseen_data_errors.png", STREAMS, ANOMALIES];

fn set(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.iter().flat_map(|list| list.iter().map(|f| (*f).to_owned())).collect()
}

#[test]
fn three_commands_write_the_seed_s_files() {
    let folder = Folder::new();
    folder.must("generate");
    assert_eq!(folder.files(), set(&[&LOGS]));
    assert!(folder.text(UNSEEN).starts_with(HEADER));
    let folder = Folder::with_logs();
    folder.must("train");
    assert_eq!(folder.files(), set(&[&LOGS, &TRAINED]));
    folder.must("test");
    assert_eq!(folder.files(), set(&[&LOGS, &TRAINED, &TESTED]));
    folder.must("test --debug-with-anomaly-flag");
    assert_eq!(folder.files(), set(&[&LOGS, &TRAINED, &TESTED, &["logs/debug_logs.txt"]]));
    for chart in folder.files().iter().filter(|f| f.ends_with(".png")) {
        assert!(folder.read(chart).starts_with(b"\x89PNG\r\n\x1a\n"), "{chart}");
    }
    assert!(folder.read(MODEL).len() <= 512 * 1024);
}

/// The number behind a label of the report.
#[track_caller]
fn figure(report: &str, label: &str) -> f64 {
    let line = report.lines().find(|l| l.starts_with(label)).unwrap_or_else(|| panic!("no {label:?} in\n{report}"));
    line[label.len()..].trim().parse().unwrap()
}

#[test]
fn the_report_has_the_seed_s_wording_and_adds_up() {
    let folder = Folder::with_model();
    let report = folder.must("test --debug-with-anomaly-flag --scores scores.csv").stdout;
    for heading in ["Confusion Matrix:", "Evaluation Metrics:", "Classification Report:"] {
        assert!(report.lines().any(|l| l == heading), "{heading}\n{report}");
    }
    let labels = ["True Negatives (TN):", "False Positives (FP):", "False Negatives (FN):", "True Positives (TP):"];
    let [tn, fp, fn_, tp] = labels.map(|label| figure(&report, label));
    let (precision, recall) = (tp / (tp + fp), tp / (tp + fn_));
    assert!((figure(&report, "Precision:") - precision).abs() < 1e-4);
    assert!((figure(&report, "Recall:") - recall).abs() < 1e-4);
    assert!((figure(&report, "F1-Score:") - 2.0 * precision * recall / (precision + recall)).abs() < 1e-4);
    let rows = |file: &str| folder.text(file).lines().count() as f64;
    let truth = folder.text(UNSEEN).lines().filter(|l| l.ends_with(",1")).count() as f64;
    assert!(tp > 0.0 && tn > 0.0, "{report}");
    assert_eq!(tp + fn_, truth, "every anomalous record is counted");
    assert_eq!(tn + fp + fn_ + tp, rows(UNSEEN) - 1.0, "every record is counted");
    assert_eq!(tn + fp + fn_ + tp, rows("scores.csv") - 1.0, "every record has its score");
    assert_eq!(tp + fp, rows(ANOMALIES) - 1.0, "every anomaly is listed");
    assert_eq!(fp + fn_, rows("logs/debug_logs.txt"), "every difference is explained");
    let anomalies = folder.text(ANOMALIES);
    assert!(anomalies.starts_with("time,server,component,value,score,threshold,reason\n"), "{anomalies}");
    assert!(anomalies.lines().skip(1).all(|l| l.split(',').count() == 7 && !l.ends_with(',')));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, two) = (Folder::with_model(), Folder::with_model());
    for folder in [&one, &two] {
        folder.must("test --scores scores.csv --report report.json --debug-with-anomaly-flag");
    }
    assert_eq!(one.files(), two.files());
    for file in one.files() {
        assert!(one.read(&file) == two.read(&file), "{file} differs");
    }
    let before = one.read(MODEL);
    one.must(&format!("{TRAIN} --seed 2"));
    assert!(one.read(MODEL) != before, "another seed, another model");
}
