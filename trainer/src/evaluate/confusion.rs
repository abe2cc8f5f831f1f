//! Counts of right and wrong verdicts, and the ratios that follow from them.
//!
//! Owns the arithmetic of one two-class comparison. Knows nothing of streams, events or time.

use serde::Serialize;

/// Verdicts against the truth; "positive" is "flagged as anomalous".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    pub tn: u64,
    pub fp: u64,
    #[serde(rename = "fn")]
    pub fn_: u64,
    pub tp: u64,
}

/// One class of the classification report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassRow {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Records whose truth is this class (for the averages: all records).
    pub support: u64,
}

/// Both classes, and their averages as scikit-learn's `classification_report` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassReport {
    pub normal: ClassRow,
    pub anomalous: ClassRow,
    pub accuracy: f64,
    /// Unweighted mean of the two classes.
    pub macro_avg: ClassRow,
    /// Mean of the two classes weighted by their support.
    pub weighted_avg: ClassRow,
}

impl Confusion {
    pub fn add(&mut self, anomalous: bool, flagged: bool) {
        let cell = match (anomalous, flagged) {
            (false, false) => &mut self.tn,
            (false, true) => &mut self.fp,
            (true, false) => &mut self.fn_,
            (true, true) => &mut self.tp,
        };
        *cell += 1;
    }

    pub fn records(&self) -> u64 {
        self.tn + self.fp + self.fn_ + self.tp
    }

    /// Share of the flagged records that are anomalous; 0 when none is flagged.
    pub fn precision(&self) -> f64 {
        ratio(self.tp, self.tp + self.fp)
    }

    /// Share of the anomalous records that are flagged; 0 when none is anomalous.
    pub fn recall(&self) -> f64 {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// Harmonic mean of precision and recall; 0 when nothing is anomalous and nothing flagged.
    pub fn f1(&self) -> f64 {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_)
    }

    /// Share of the records judged rightly; 0 without records.
    pub fn accuracy(&self) -> f64 {
        ratio(self.tp + self.tn, self.records())
    }

    pub fn class_report(&self) -> ClassReport {
        let anomalous = self.class_row();
        let normal = self.swapped().class_row();
        ClassReport {
            normal,
            anomalous,
            accuracy: self.accuracy(),
            macro_avg: average(normal, anomalous, 0.5),
            weighted_avg: average(normal, anomalous, ratio(normal.support, self.records())),
        }
    }

    fn class_row(&self) -> ClassRow {
        ClassRow { precision: self.precision(), recall: self.recall(), f1: self.f1(), support: self.tp + self.fn_ }
    }

    /// The same comparison with "normal" as the positive class.
    fn swapped(&self) -> Self {
        Self { tn: self.tp, fp: self.fn_, fn_: self.fp, tp: self.tn }
    }
}

/// `part / whole`, and 0 where the whole is empty: a table must not print NaN.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn average(normal: ClassRow, anomalous: ClassRow, normal_weight: f64) -> ClassRow {
    let mix = |n: f64, a: f64| n * normal_weight + a * (1.0 - normal_weight);
    ClassRow {
        precision: mix(normal.precision, anomalous.precision),
        recall: mix(normal.recall, anomalous.recall),
        f1: mix(normal.f1, anomalous.f1),
        support: normal.support + anomalous.support,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Confusion = Confusion { tn: 11234, fp: 300, fn_: 100, tp: 6060 };

    #[test]
    fn ratios_of_the_documented_example() {
        assert!((SEED.precision() - 6060.0 / 6360.0).abs() < 1e-12);
        assert!((SEED.recall() - 6060.0 / 6160.0).abs() < 1e-12);
        assert_eq!(format!("{:.2} {:.2} {:.2}", SEED.precision(), SEED.recall(), SEED.f1()), "0.95 0.98 0.97");
        assert!((SEED.accuracy() - 17294.0 / 17694.0).abs() < 1e-12);
    }

    #[test]
    fn undefined_ratios_are_zero() {
        let empty = Confusion::default();
        assert_eq!([empty.precision(), empty.recall(), empty.f1(), empty.accuracy()], [0.0; 4]);
        assert_eq!(empty.class_report().weighted_avg.support, 0);
        assert!(empty.class_report().weighted_avg.f1 == 0.0);
    }

    #[test]
    fn class_report_by_hand() {
        let mut c = Confusion::default();
        for (anomalous, flagged, times) in [(false, false, 6), (false, true, 2), (true, false, 1), (true, true, 1)] {
            for _ in 0..times {
                c.add(anomalous, flagged);
            }
        }
        let report = c.class_report();
        assert_eq!((report.normal.support, report.anomalous.support), (8, 2));
        assert!((report.normal.precision - 6.0 / 7.0).abs() < 1e-12);
        assert!((report.normal.recall - 0.75).abs() < 1e-12);
        assert!((report.normal.f1 - 0.8).abs() < 1e-12);
        assert!((report.anomalous.precision - 1.0 / 3.0).abs() < 1e-12);
        assert!((report.anomalous.f1 - 0.4).abs() < 1e-12);
        assert!((report.macro_avg.f1 - 0.6).abs() < 1e-12);
        assert!((report.weighted_avg.f1 - 0.72).abs() < 1e-12);
        assert!((report.accuracy - 0.7).abs() < 1e-12);
    }
}
