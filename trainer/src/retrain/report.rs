//! A retraining's report: for people as Markdown and as a few lines, for programs as JSON.
//!
//! ```json
//! { "format": "oddline-retrain-1", "decision": "promote", "reason": "...", "figures": { ... }, ... }
//! ```
//! No clock and no path of a machine is in it: the same logs, model and seed give the same report.

use serde::Serialize;

use super::{
    decide::{RetrainDecision, RetrainVerdict},
    figures::{DataFigures, ModelSide, PairFigures, RetrainFigures, StreamFigureRow, StreamPlace},
    settings::RetrainSettings,
};
use crate::{say::counted, train::TrainedModel};

pub(super) const FORMAT: &str = "oddline-retrain-1";
/// Rows of the Markdown's table of streams; the JSON has all.
const ROWS_MAX: usize = 60;

#[derive(Debug, Serialize)]
pub(super) struct RetrainReport {
    format: &'static str,
    trainer: &'static str,
    #[serde(flatten)]
    verdict: RetrainVerdict,
    /// What an operator would type next.
    next: Vec<String>,
    seed: u64,
    /// `None` when nothing was learnt.
    fit: Option<FitReport>,
    data: Option<DataFigures>,
    figures: Option<RetrainFigures>,
}

/// How the candidate was learnt.
#[derive(Debug, Serialize)]
pub(super) struct FitReport {
    version: u64,
    start: RetrainStart,
    epochs: usize,
    best_epoch: usize,
    /// Mean squared error of the first epoch.
    first_loss: f32,
    validation_loss: f64,
    rows: u64,
    /// Records found odd and left out.
    rows_trimmed: u64,
}

/// What the weights started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RetrainStart {
    /// The weights of the model in use.
    Warm {
        version: u64,
    },
    Cold(String),
}

impl RetrainReport {
    #[must_use]
    pub(super) fn new(
        seed: u64,
        verdict: RetrainVerdict,
        figures: RetrainFigures,
        start: RetrainStart,
        made: &TrainedModel,
        next: Vec<String>,
    ) -> Self {
        let (provenance, outcome) = (&made.model.provenance, &made.outcome);
        let fit = FitReport {
            version: made.model.version,
            start,
            epochs: outcome.train.len(),
            best_epoch: outcome.best_epoch,
            first_loss: outcome.train.first().copied().unwrap_or_default(),
            validation_loss: provenance.validation_loss,
            rows: provenance.rows,
            rows_trimmed: provenance.rows_trimmed,
        };
        Self {
            format: FORMAT,
            trainer: concat!("oddline-trainer ", env!("CARGO_PKG_VERSION")),
            verdict,
            next,
            seed,
            fit: Some(fit),
            data: None,
            figures: Some(figures),
        }
    }

    /// Of a decision that needed no model.
    #[must_use]
    pub(super) fn early(seed: u64, data: DataFigures, verdict: RetrainVerdict) -> Self {
        let trainer = concat!("oddline-trainer ", env!("CARGO_PKG_VERSION"));
        Self { format: FORMAT, trainer, verdict, next: Vec::new(), seed, fit: None, data: Some(data), figures: None }
    }

    fn decided(&self) -> String {
        format!("{}: {}", self.verdict.decision.name(), self.verdict.reason)
    }

    /// For standard output: the decision first.
    #[must_use]
    pub(super) fn summary(&self, settings: &RetrainSettings) -> String {
        let mut text = format!("{}\n", self.decided());
        line(&mut text, format!("Report      {}", settings.report.display()));
        let Some(fit) = &self.fit else { return text };
        let signed = if self.verdict.decision == RetrainDecision::Promote { "signed" } else { "not signed" };
        line(&mut text, format!("Model       {}, version {}, {signed}", settings.out.display(), fit.version));
        let lead = match self.verdict.decision {
            RetrainDecision::Hold => "To use it all the same:",
            RetrainDecision::Promote | RetrainDecision::Ask => "Next:",
        };
        if !self.next.is_empty() {
            line(&mut text, lead.to_owned());
            self.next.iter().for_each(|command| line(&mut text, format!("  {command}")));
        }
        text
    }

    #[must_use]
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("# Retraining: {}\n\n{}\n", self.verdict.decision.name(), self.verdict.reason);
        if let Some(fit) = &self.fit {
            line(&mut text, String::new());
            line(&mut text, fit.sentence());
        }
        let Some(figures) = &self.figures else { return text };
        let data = &figures.data;
        line(
            &mut text,
            format!(
                "\n{} over {:.1} days; the newest {} ({:.2} server days, from {}) were held out and scored by both \
                 models.",
                counted(data.records, "record"),
                data.days,
                data.held_out_records,
                data.held_out_server_days,
                data.held_out_from
            ),
        );
        sides(&mut text, figures);
        injected(&mut text, figures);
        drift(&mut text, figures);
        text
    }
}

impl FitReport {
    fn sentence(&self) -> String {
        let start = match &self.start {
            RetrainStart::Warm { version } => format!("started from the weights of version {version}"),
            RetrainStart::Cold(why) => format!("started from random weights ({why})"),
        };
        format!(
            "Version {} {start} and trained on {} in {} (best {}, validation loss {:.4}); {} \
             removed.",
            self.version,
            counted(self.rows, "record"),
            counted(self.epochs, "epoch"),
            self.best_epoch,
            self.validation_loss,
            counted(self.rows_trimmed, "outlier")
        )
    }
}

fn line(text: &mut String, line: String) {
    text.push_str(&line);
    text.push('\n');
}

fn sides(text: &mut String, figures: &RetrainFigures) {
    text.push_str("\n## Held-out records\n\n| | in use | new |\n|---|---|---|\n");
    let (old, new) = (figures.current.as_ref(), &figures.candidate);
    let mut row = |name: &str, of: &dyn Fn(&ModelSide) -> String| {
        let old = old.map_or_else(|| "-".to_owned(), of);
        line(text, format!("| {name} | {old} | {} |", of(new)));
    };
    row("version", &|s| s.version.to_string());
    row("threshold", &|s| format!("{:.4}", s.threshold));
    row("alerts per server and day (95 %)", &|s| rate(&s.incidents));
    row("anomalous records", &|s| percent(s.odd_share));
    if new.truth.is_some() {
        let of = |s: &ModelSide, show: &dyn Fn(&super::figures::TruthFigures) -> String| {
            s.truth.as_ref().map_or_else(|| "-".to_owned(), show)
        };
        row("true anomalies found", &|s| of(s, &|t| format!("{} of {}", t.found, t.events)));
        row("false alerts per server and day", &|s| of(s, &|t| rate(&t.false_incidents)));
        row("F1 by record", &|s| of(s, &|t| format!("{:.3}", t.f1)));
        line(text, "\nThe truth is the log's own column; it is shown here and decides nothing.".to_owned());
    }
}

fn injected(text: &mut String, figures: &RetrainFigures) {
    text.push_str("\n## Test anomalies found\n\n| | put in | in use | new |\n|---|---|---|---|\n");
    let places = &figures.injected;
    let rows = [("streams as known", places.home), ("streams that changed", places.away), ("new streams", places.new)];
    for (name, pairs) in rows.iter().filter(|(_, pairs)| pairs.events > 0) {
        line(text, format!("| {name} | {} | {} | {} |", pairs.events, pairs.current(), pairs.candidate()));
    }
    for kind in &figures.kinds {
        line(text, format!("| {} | {} | {} | {} |", kind.kind, kind.events, kind.current, kind.candidate));
    }
}

fn drift(text: &mut String, figures: &RetrainFigures) {
    let s = &figures.streams;
    line(
        text,
        format!(
            "\n## Drift\n\n{} held out: {} known ({} moved, {} anomalous over and over, of these {} \
             usual to the new model and {} swallowed), {} new; {} known ones are not in these logs and stay known.\n",
            counted(s.held_out, "stream"),
            s.known,
            s.moved,
            s.away,
            s.learnt,
            s.swallowed,
            s.new,
            s.absent
        ),
    );
    if let Some(reach) = figures.reach {
        let anchor = figures.anchor_reach.map_or_else(String::new, |anchor| format!(", {anchor:.2} since the anchor"));
        line(text, format!("What counts as usual in the middle stream reaches {reach:.2} times as far{anchor}.\n"));
    }
    text.push_str(
        "| stream | | level moved by | noise | reach | interval | anomalous: in use | new | found: in use | new |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for row in figures.rows.iter().take(ROWS_MAX) {
        line(text, stream_row(row));
    }
    if figures.rows.len() > ROWS_MAX {
        line(text, format!("\nIn the JSON: {} more.", counted(figures.rows.len() - ROWS_MAX, "stream")));
    }
    if !figures.features.is_empty() {
        text.push_str("\n| feature | centre moved by | scale | residual quantile |\n|---|---|---|---|\n");
    }
    for f in &figures.features {
        let (center, scale, residual) = (f.center, f.scale, f.residual_quantile);
        line(text, format!("| {} | {center:+.2} | x {scale:.2} | x {residual:.2} |", f.feature));
    }
}

fn stream_row(row: &StreamFigureRow) -> String {
    let place = match row.place {
        StreamPlace::Home => "as known",
        StreamPlace::Away => "changed",
        StreamPlace::New => "new",
        StreamPlace::Short => "too short",
    };
    let moved = row.moved.map_or_else(
        || "- | - | - | -".to_owned(),
        |m| format!("{:.2} scales | x {:.2} | x {:.2} | x {:.2}", m.level, m.scale, m.reach, m.gap),
    );
    let odd = row.current_odd.map_or_else(|| "-".to_owned(), percent);
    let PairFigures { events, .. } = row.injected;
    format!(
        "| {}/{} | {place} | {moved} | {odd} | {} | {} of {events} | {} of {events} |",
        row.server.replace('|', "\\|"),
        row.component.replace('|', "\\|"),
        percent(row.candidate_odd),
        row.injected.current(),
        row.injected.candidate()
    )
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn rate(rate: &crate::evaluate::poisson::PoissonRate) -> String {
    let mut text = rate.per_day.map_or_else(|| "-".to_owned(), |per_day| format!("{per_day:.2}"));
    if let (Some(low), Some(high)) = (rate.low, rate.high) {
        text.push_str(&format!(" ({low:.2} to {high:.2})"));
    }
    text
}
