//! What a run has written, counted while writing and shown at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::anomaly::AnomalyPattern;
use super::stream::GeneratedRecord;
use crate::say::counted;

#[derive(Clone, Debug)]
pub struct LogReport {
    pub path: PathBuf,
    pub kinds_path: PathBuf,
    pub records: u64,
    /// Rows whose ground truth is 1.
    pub anomalous: u64,
    /// `anomalous` / `records`.
    pub share: f64,
    /// Anomalous records by the name of their kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// Shown as text for people, as JSON for programs.
#[derive(Clone, Debug)]
pub struct GeneratorReport {
    pub streams: u64,
    /// Training and unseen, or the live one.
    pub logs: Vec<LogReport>,
    pub elapsed_s: f64,
}

/// Counts while records go by.
#[derive(Clone, Debug, Default)]
pub(super) struct GeneratorTally {
    records: u64,
    anomalous: u64,
    kinds: BTreeMap<AnomalyPattern, u64>,
}

impl GeneratorTally {
    pub(super) fn count(&mut self, record: &GeneratedRecord) {
        self.records += 1;
        if let (true, Some(truth)) = (record.anomalous, record.truth) {
            self.anomalous += 1;
            *self.kinds.entry(truth.kind).or_default() += 1;
        }
    }

    pub(super) fn report(&self, path: &Path, kinds_path: &Path) -> LogReport {
        LogReport {
            path: path.to_owned(),
            kinds_path: kinds_path.to_owned(),
            records: self.records,
            anomalous: self.anomalous,
            share: self.anomalous as f64 / self.records.max(1) as f64,
            kinds: self.kinds.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
        }
    }
}

impl GeneratorReport {
    /// The same fields as one object.
    pub fn to_json(&self) -> Value {
        let logs: Vec<Value> = self
            .logs
            .iter()
            .map(|log| {
                json!({
                    "path": log.path,
                    "kinds_path": log.kinds_path,
                    "records": log.records,
                    "anomalous": log.anomalous,
                    "share": log.share,
                    "kinds": log.kinds,
                })
            })
            .collect();
        json!({ "streams": self.streams, "logs": logs, "elapsed_s": self.elapsed_s })
    }
}

impl fmt::Display for GeneratorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            let (path, kinds_path) = (log.path.display(), log.kinds_path.display());
            writeln!(
                f,
                "{path}: {}, {} anomalous ({:.2} %)",
                counted(log.records, "record"),
                log.anomalous,
                100.0 * log.share
            )?;
            let shares: Vec<String> = log
                .kinds
                .iter()
                .map(|(kind, count)| format!("{kind} {:.2} %", 100.0 * *count as f64 / log.records.max(1) as f64))
                .collect();
            let shares = if shares.is_empty() { "none".to_owned() } else { shares.join(", ") };
            writeln!(f, "  kinds in {kinds_path}: {shares}")?;
        }
        write!(f, "{} in {:.1} s", counted(self.streams, "stream"), self.elapsed_s)
    }
}
