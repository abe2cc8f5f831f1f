//! What the commands print: the only place of this program that writes to standard output.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
pub use oddline_core::amounts::counted;
use oddline_core::{profile::Threshold, stream::StreamName};
use serde_json::json;

use crate::{
    dataset::{Dataset, Notes},
    train,
};

/// A file goes to standard output.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// From now on standard output carries a file alone.
pub fn leave_standard_output() {
    IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Writes text to standard output; to standard error when a file goes there.
///
/// # Errors
/// When nobody reads it any more.
pub fn out(text: &str) -> Result<()> {
    if IS_TAKEN.load(Ordering::Relaxed) {
        note(text.trim_end());
        return Ok(());
    }
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")
}

/// A note for the person who runs the command, on standard error.
pub fn note(text: &str) {
    // Nobody reads standard error: then nobody misses the note.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// What was wrong with input lines, if anything.
pub fn notes(notes: &Notes) {
    if !notes.is_clean() {
        let lines = counted(notes.lines, "line");
        note(&format!("{} of {lines} not usable as they are:\n{notes}", notes.faulty()));
    }
}

pub fn dataset(dataset: &Dataset) {
    notes(&dataset.notes);
    let (records, streams) = (counted(dataset.records(), "record"), counted(dataset.streams.len(), "stream"));
    note(&format!("read {records} of {streams}"));
    if dataset.unsorted > 0 {
        let records = counted(dataset.unsorted, "record");
        note(&format!("{records} out of order in their stream: sorted by time"));
    }
    if dataset.duplicates > 0 {
        let records = counted(dataset.duplicates, "record");
        note(&format!("{records} with duplicate timestamps in their stream (kept)"));
    }
    if dataset.strays > 0 {
        let records = counted(dataset.strays, "record");
        note(&format!("{records} more than a month from all others of their stream: left out"));
    }
    if let Some(StreamName { server, component }) = dataset.boundless.first() {
        let streams = counted(dataset.boundless.len(), "stream");
        note(&format!("{streams} with values too far apart to have a scale, {server}/{component} first: left out"));
    }
    if !dataset.short.is_empty() {
        let names: Vec<String> =
            dataset.short.iter().take(5).map(|(n, _)| format!("{}/{}", n.server, n.component)).collect();
        let more = if dataset.short.len() > names.len() { ", ..." } else { "" };
        let streams = counted(dataset.short.len(), "stream");
        let records: usize = dataset.short.iter().map(|(_, records)| records).sum();
        note(&format!(
            "{streams} too short to fit and left to learn where they are scored: {}{more} ({})",
            names.join(", "),
            counted(records, "record")
        ));
    }
}

/// An interval that reaches beyond so many times the expectation says that the data are too few.
const PROMISE_REACH: f64 = 10.0;
/// Expectations below this are none: an interval that reaches from none to one a day is no promise broken.
const PROMISE_LEAST: f64 = 0.1;

/// The false alerts per server and day that a threshold promises, or that the data are too few to promise anything.
#[must_use]
pub fn promise(threshold: &Threshold) -> String {
    let Threshold { expected, interval: (low, high), .. } = *threshold;
    if high <= PROMISE_REACH * expected.max(PROMISE_LEAST) {
        format!("expect {expected:.2} (95 % interval {low:.2} to {high:.2})")
    } else {
        "too little data to promise anything: learn from more days".to_owned()
    }
}

/// `1 false alert`, `0.1 false alerts`.
fn alerts(budget: f64) -> String {
    format!("{budget} false alert{}", if (budget - 1.0).abs() < f64::EPSILON { "" } else { "s" })
}

/// The summary of a training.
pub fn trained(args: &train::Args, made: &train::TrainedModel) -> Result<()> {
    let train::TrainedModel { model, calibrated, outcome, .. } = made;
    let bytes = made.bytes.len();
    let threshold = &calibrated.threshold;
    let provenance = &model.provenance;
    if args.json {
        let summary = json!({
            "model": args.model, "version": model.version, "bytes": bytes, "threshold": threshold,
            "epochs": outcome.train.len(), "best_epoch": outcome.best_epoch, "provenance": provenance,
            "streams": model.profile.baselines.len(), "calibrated_server_days": calibrated.server_days,
        });
        return out(&format!("{summary}\n"));
    }
    let aim = match (threshold.alert_budget, threshold.quantile) {
        (Some(budget), _) => format!("for {} per server and day", alerts(budget)),
        (None, Some(q)) => format!("at the {q} quantile of normal scores"),
        (None, None) => "unset".to_owned(),
    };
    out(&format!(
        "Model:      {} ({} KiB, version {}), {}\n\
         Trained on {} ({} removed)\n\
         Epochs:     {}, best {} with validation loss {:.4}\n\
         Threshold:  {:.4} {aim};\n            {}, from {} peaks in {:.1} server days\n\
         Charts:     {}\n",
        args.model.display(),
        bytes.div_ceil(1024),
        model.version,
        counted(model.profile.baselines.len(), "stream"),
        counted(provenance.rows, "record"),
        counted(provenance.rows_trimmed, "outlier"),
        outcome.train.len(),
        outcome.best_epoch,
        provenance.validation_loss,
        threshold.value,
        promise(threshold),
        calibrated.peaks,
        calibrated.server_days,
        args.charts.display(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0_u64, 1, 2].map(|n| counted(n, "stream")), ["0 streams", "1 stream", "2 streams"]);
        assert_eq!([0.1, 1.0].map(alerts), ["0.1 false alerts", "1 false alert"]);
    }

    #[test]
    fn an_interval_that_cannot_be_is_not_promised() {
        let promised = |expected, interval| {
            promise(&Threshold { value: 2.0, alert_budget: Some(1.0), quantile: None, expected, interval })
        };
        assert_eq!(promised(1.0, (0.22, 2.47)), "expect 1.00 (95 % interval 0.22 to 2.47)");
        assert_eq!(promised(0.0, (0.0, 0.9)), "expect 0.00 (95 % interval 0.00 to 0.90)");
        for interval in [(0.21, 3.1e62), (0.0, 67.8), (0.0, f64::NAN)] {
            assert!(promised(1.0, interval).starts_with("too little data"), "{interval:?}");
        }
    }
}
