//! `retrain`: a week is learnt from, the next week decides. None of these seeds was looked at when the criteria of
//! `decide` were chosen.

mod decisions;
mod files;
mod handing_out;
mod settings;
mod week;

use serde_json::Value;

use crate::shell::{Done, Folder};

/// The report beside the model that `retrain` writes.
const REPORT: &str = "models/next.json";
const NEXT: &str = "models/next.onnx";
const SIGNATURE: &str = "models/next.onnx.minisig";
const CURRENT: &str = "models/current.onnx";
const KEY: &str = "keys/oddline.key";
/// The log of the newer week.
const LOG: &str = "logs/next.csv";
/// Enough to learn by, not to win by.
const RETRAIN: &str = "retrain --epochs 6";

fn report(folder: &Folder) -> Value {
    serde_json::from_str(&folder.text(REPORT)).unwrap()
}

/// The run decided so, first line first.
#[track_caller]
fn decided(folder: &Folder, done: &Done, decision: &str, words: &[&str]) {
    assert_eq!(done.code, 0, "{}", done.stderr);
    let first = done.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("{decision}: ")), "{first}\n{}", folder.text("models/next.md"));
    for word in words {
        assert!(first.contains(word), "not said: {word:?}\n{first}");
    }
    assert_eq!(report(folder)["decision"], decision);
}
