//! Verdicts beside the truth: figures, and every record where the two differ.

use std::{collections::HashMap, io::Write, path::Path, sync::Arc};

use anyhow::{Context, Result};
use oddline_core::{
    event::words::short, limits::EPISODE_GAP_RECORDS, profile::RecordView, stream::StreamName, verdict::Verdict,
};

use super::kinds::TruthKind;
use crate::{
    evaluate::{
        metrics::{JudgedRecord, StreamId, TestEvaluation},
        summary::TestSummary,
    },
    output::OutputFiles,
};

/// Follows a test run with the truth at hand.
pub(super) struct TruthComparison {
    evaluation: TestEvaluation,
    ids: HashMap<Arc<StreamName>, StreamId>,
    debug: OutputFiles,
}

impl TruthComparison {
    /// Begins; differences go to the file `debug_logs`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn begin(debug_logs: &Path) -> Result<Self> {
        Ok(Self {
            evaluation: TestEvaluation::new(u64::from(EPISODE_GAP_RECORDS)),
            ids: HashMap::new(),
            debug: OutputFiles::create(debug_logs)?,
        })
    }

    /// Takes one verdict with its truth.
    ///
    /// # Errors
    /// When there are too many streams or the file cannot be written.
    pub(super) fn push(
        &mut self,
        verdict: &Verdict,
        view: &RecordView,
        anomalous: bool,
        kind: Option<&TruthKind>,
    ) -> Result<()> {
        let stream = match self.ids.get(&verdict.stream) {
            Some(id) => *id,
            None => {
                let id = self.evaluation.stream(&verdict.stream.server, &verdict.stream.component)?;
                self.ids.insert(Arc::clone(&verdict.stream), id);
                id
            }
        };
        self.evaluation.push(&JudgedRecord {
            stream,
            time_us: verdict.time.micros(),
            anomalous,
            kind: kind.map(|k| k.kind.as_str()),
            event: kind.map(|k| k.event),
            flagged: verdict.anomalous,
            score: verdict.score.value,
        });
        if verdict.anomalous != anomalous {
            self.debug.write_all(difference(verdict, view, kind).as_bytes()).with_context(|| self.debug.trouble())?;
        }
        Ok(())
    }

    /// Completes the file of differences and sums up.
    ///
    /// # Errors
    /// When the file cannot be completed.
    pub(super) fn finish(self) -> Result<TestSummary> {
        self.debug.finish()?;
        Ok(self.evaluation.finish())
    }
}

/// One line: what was said wrongly of which record, and why.
fn difference(verdict: &Verdict, view: &RecordView, kind: Option<&TruthKind>) -> String {
    let what = if verdict.anomalous { "false positive" } else { "false negative" };
    let kind = kind.map(|k| format!(" ({} of event {})", k.kind, k.event)).unwrap_or_default();
    let expected = verdict.expected.map(|e| format!(", expected {e:.4}")).unwrap_or_default();
    let reasons: Vec<String> = verdict
        .reasons(view)
        .iter()
        .map(|r| format!("{} {}, expected {} (share {:.2})", r.feature, short(r.observed), short(r.expected), r.share))
        .collect();
    let StreamName { server, component } = &*verdict.stream;
    let learning = if verdict.learning { ", still learning" } else { "" };
    let (score, threshold) = (verdict.score.value, verdict.threshold);
    let relation = if verdict.anomalous { ">=" } else { "<" };
    format!(
        "{} {server} {component} {what}{kind}: value {}{expected}; score {score:.4} {relation} {threshold:.4}, \
         {}{learning}: {}\n",
        verdict.time,
        verdict.value,
        verdict.main_reason(),
        reasons.join("; "),
    )
}
