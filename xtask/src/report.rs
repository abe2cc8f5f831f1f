//! The figures that chores take from the JSON file of `oddline-trainer test --report`. The file's shape is drawn in
//! trainer/src/evaluate/report.rs; where each figure stands in it is written here once.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// False episodes per server and day, with a 95 % interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub per_day: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    pub(crate) fn contains(&self, per_day: f64) -> bool {
        (self.low..=self.high).contains(&per_day)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let json = serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?;
        Ok(Self(json))
    }

    pub(crate) fn precision(&self) -> Result<f64> {
        self.number("/precision")
    }

    pub(crate) fn recall(&self) -> Result<f64> {
        self.number("/recall")
    }

    pub(crate) fn f1(&self) -> Result<f64> {
        self.number("/f1")
    }

    /// Part of the true anomalies of which at least one record was found.
    pub(crate) fn episode_recall(&self) -> Result<f64> {
        Ok(self.number("/events/found")? / self.number("/events/events")?)
    }

    /// As counted, with Poisson limits.
    pub(crate) fn false_per_server_day(&self) -> Result<Rate> {
        let number = |name: &str| self.number(&format!("/episodes/false_per_server_day/{name}"));
        Ok(Rate { per_day: number("per_day")?, low: number("low")?, high: number("high")? })
    }

    /// As the model's threshold promised them before it saw this log.
    pub(crate) fn promised_per_server_day(&self) -> Result<Rate> {
        let number = |name: &str| self.number(&format!("/run/threshold/{name}"));
        Ok(Rate { per_day: number("expected")?, low: number("interval/0")?, high: number("interval/1")? })
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
            "run": {"threshold": {"value": 1.3, "expected": 1.0, "interval": [0.6, 1.9]}},
        }));
        assert_eq!(report.f1().unwrap(), 0.95);
        assert_eq!(report.episode_recall().unwrap(), 0.75);
        let (measured, promised) = (report.false_per_server_day().unwrap(), report.promised_per_server_day().unwrap());
        assert_eq!((measured.high, promised.low), (1.8, 0.6));
        assert!(!promised.contains(measured.per_day));
        assert!(promised.overlaps(&measured) && measured.overlaps(&promised));
        assert!(!promised.overlaps(&Rate { per_day: 0.2, low: 0.1, high: 0.5 }));
    }

    #[test]
    fn a_missing_figure_is_named() {
        let error = Report(json!({"f1": null})).f1().err().unwrap();
        assert_eq!(error.to_string(), "the report has no number at /f1");
    }
}
