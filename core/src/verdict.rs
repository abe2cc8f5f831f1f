//! What is said about one record, and why.

use std::sync::Arc;

use crate::{
    event::words::told,
    profile::RecordView,
    score::{SCORE_MAX, Score, ScoreCause, shares},
    stream::{FEATURES, RecordFigures, StreamName, Vector},
    terminal::csv_field,
    time::EventTime,
};

/// The judgement of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Running number of the record in its source, from 0.
    pub number: u64,
    /// Event time.
    pub time: EventTime,
    /// The stream.
    pub stream: Arc<StreamName>,
    /// The value judged.
    pub value: f64,
    /// What the stream's daily curve expected; `None` while too few records are known.
    pub expected: Option<f64>,
    /// The score and what made it.
    pub score: Score,
    /// The score at and above which a record is odd.
    pub threshold: f32,
    /// Whether it is odd.
    pub anomalous: bool,
    /// The stream has no fitted profile yet.
    pub learning: bool,
    /// The features; zeros while too few records are known.
    pub vector: Vector,
    /// Their residuals, in scales.
    pub residual: Vector,
    /// What the stream's scores are divided by.
    pub loudness: f32,
    /// What the record was in the terms of its stream; `None` while nothing is known of it.
    pub figures: Option<RecordFigures>,
}

/// One feature's part in a score.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictReason {
    /// The feature, or `range`.
    pub feature: &'static str,
    /// What it was.
    pub observed: f64,
    /// What was expected of it.
    pub expected: f64,
    /// Its measure, in training quantiles: the score when it is the first.
    pub share: f32,
}

impl Verdict {
    /// The reasons, strongest first: each feature with a share of at least half the score.
    #[must_use]
    pub fn reasons(&self, view: &RecordView) -> Vec<VerdictReason> {
        let mut reasons: Vec<VerdictReason> = shares(view, &self.vector, &self.residual)
            .iter()
            .enumerate()
            .map(|(j, share)| VerdictReason {
                feature: FEATURES[j],
                observed: f64::from(self.vector[j]),
                expected: f64::from(if share.unexpected >= share.extreme {
                    self.vector[j] - self.residual[j] * view.scale[j]
                } else {
                    view.center[j]
                }),
                share: (share.unexpected.max(share.extreme) / self.loudness).min(SCORE_MAX),
            })
            .filter(|r| r.share >= self.score.value / 2.0)
            .collect();
        reasons.sort_by(|a, b| b.share.total_cmp(&a.share));
        if matches!(self.score.cause, ScoreCause::Range | ScoreCause::Reset) {
            let expected = self.expected.unwrap_or(f64::NAN);
            let range = VerdictReason { feature: "range", observed: self.value, expected, share: self.score.value };
            reasons.insert(0, range);
        }
        reasons
    }

    /// The main reason with its figures where they are in another unit than the value: the rate of a counter, the
    /// distance of a wandering stream, a pause, known values. Otherwise [`Verdict::main_reason`].
    #[must_use]
    pub fn told_reason(&self) -> String {
        self.figures
            .as_ref()
            .and_then(|figures| told(self.score.cause, self.value, figures))
            .unwrap_or_else(|| self.main_reason())
    }

    /// The main reason in a few words: the feature, and whether it was unexpected beside the others or extreme in
    /// itself.
    #[must_use]
    pub fn main_reason(&self) -> String {
        match self.score.cause {
            ScoreCause::Unexpected(j) => format!("unexpected {}", FEATURES[usize::from(j)]),
            ScoreCause::Extreme(j) => format!("extreme {}", FEATURES[usize::from(j)]),
            ScoreCause::Range => "outside the seen range".to_owned(),
            ScoreCause::NotFinite => "model output not finite".to_owned(),
            ScoreCause::Reset => "counter reset".to_owned(),
        }
    }
}

/// First line of a table of [`Verdict::write_csv`] rows.
pub const CSV_HEADER: &str = "time,server,component,value,score,threshold,reason";

impl Verdict {
    /// The verdict as a row of `anomalies.csv`, with its line end: the same bytes wherever it was judged.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_csv(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let (server, component) = (csv_field(&self.stream.server), csv_field(&self.stream.component));
        let (score, threshold, reason) = (self.score.value, self.threshold, self.main_reason());
        writeln!(out, "{},{server},{component},{},{score},{threshold},{reason}", self.time, self.value)
    }
}
