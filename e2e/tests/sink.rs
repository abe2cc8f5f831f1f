//! The kill test in small, without a broker: every sequence stands once in the JSON-lines file.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use oddline_e2e::{
    ears::Ears,
    storm::{Hindrance, Plan, Storm, kills},
};
use tempfile::TempDir;

#[test]
fn every_event_stands_once_in_the_file() {
    let folder = TempDir::new().unwrap();
    let ears = Ears::File(folder.path().join("anomalies.jsonl"));
    let plan = Plan { test: "e2e: sink", kills: (kills() / 2).max(8), hindrance: Hindrance::None };
    let mut storm = Storm::begin(plan, ears, folder);
    storm.rage();
    storm.settle();
}
