//! The figures that chores take from the JSON file of `oddline-trainer test --report`. The file's shape is drawn in
//! trainer/src/evaluate/report.rs; where each figure stands in it is written here once.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A count of events over a time, with its 95 % interval.
pub struct Rate {
    pub per_day: f64,
    pub low: f64,
    pub high: f64,
}

pub struct Report(Value);

impl Report {
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let json = serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?;
        Ok(Self(json))
    }

    pub fn precision(&self) -> Result<f64> {
        self.number("/precision")
    }

    pub fn recall(&self) -> Result<f64> {
        self.number("/recall")
    }

    pub fn f1(&self) -> Result<f64> {
        self.number("/f1")
    }

    /// Part of the true anomalies of which at least one record was found.
    pub fn episode_recall(&self) -> Result<f64> {
        Ok(self.number("/events/found")? / self.number("/events/events")?)
    }

    pub fn false_per_server_day(&self) -> Result<Rate> {
        self.rate("/episodes/false_per_server_day")
    }

    fn rate(&self, at: &str) -> Result<Rate> {
        Ok(Rate {
            per_day: self.number(&format!("{at}/per_day"))?,
            low: self.number(&format!("{at}/low"))?,
            high: self.number(&format!("{at}/high"))?,
        })
    }

    fn number(&self, at: &str) -> Result<f64> {
        let value = self.0.pointer(at).and_then(Value::as_f64);
        value.with_context(|| format!("the report has no number at {at}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_found_where_the_trainer_puts_them() {
        let report = Report(json!({
            "f1": 0.95, "precision": 0.9, "recall": 1.0,
            "events": {"events": 4, "found": 3, "missed": 1},
            "episodes": {"false_per_server_day":
                {"count": 2, "days": 4.0, "per_day": 0.5, "low": 0.1, "high": 1.8}},
        }));
        assert_eq!(report.f1().unwrap(), 0.95);
        assert_eq!(report.episode_recall().unwrap(), 0.75);
        assert_eq!(report.false_per_server_day().unwrap().high, 1.8);
    }

    #[test]
    fn a_missing_figure_is_named() {
        let error = Report(json!({"f1": null})).f1().err().unwrap();
        assert_eq!(error.to_string(), "the report has no number at /f1");
    }
}
