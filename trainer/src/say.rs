//! What the commands print: the only place of this program that writes to standard output.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
pub use oddline_core::amounts::counted;
use oddline_core::{budget::MeasuredIncidents, profile::Threshold, stream::StreamName};
use serde_json::json;

use crate::{
    dataset::{Dataset, Notes},
    train,
    windows::{NoWindows, WINDOWS_MIN},
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

/// Fewer server days than this, or fewer incidents asked for in them than the next, measure nothing ...
const MEASURED_DAYS_MIN: f64 = 1.0;
const MEASURED_ASKED_MIN: f64 = 0.5;
/// ... and so many incidents say something.
const INCIDENTS_WANTED: f64 = 3.0;
/// The share of a log that is measured.
const UNSEEN_SHARE: f64 = 0.2;

/// The false alerts per server and day that a model promises, as they were measured, or that its days are too few.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count")]
pub fn promise(threshold: &Threshold, measured: MeasuredIncidents) -> String {
    let Threshold { expected, interval: (low, high), .. } = *threshold;
    let days = measured.server_days;
    let asked = threshold.alert_budget.unwrap_or(f64::INFINITY);
    if days < MEASURED_DAYS_MIN || asked * days < MEASURED_ASKED_MIN {
        let needed = (INCIDENTS_WANTED / asked).max(MEASURED_DAYS_MIN) / UNSEEN_SHARE;
        return format!("not enough data to promise anything: that takes about {needed:.0} server days");
    }
    let apart = match measured.apart {
        0 => String::new(),
        _ => format!(", and {:.2} far beyond", measured.apart as f64 / days),
    };
    format!("measured {expected:.2} on the last {days:.1} server days (95 % interval {low:.2} to {high:.2}){apart}")
}

/// `1 false alert`, `0.1 false alerts`.
fn alerts(budget: f64) -> String {
    format!("{budget} false alert{}", if (budget - 1.0).abs() < f64::EPSILON { "" } else { "s" })
}

/// What is judged together, or why nothing is.
fn together(made: &train::TrainedModel) -> String {
    match (&made.model.profile.window, made.no_windows) {
        (Some(window), _) => {
            let (windows, metrics) = (counted(window.windows, "window"), counted(window.metrics.len(), "metric"));
            format!("{metrics} of a server each {} s, learnt from {windows}", window.interval_s)
        }
        (None, Some(NoWindows::Few(windows))) => {
            format!("nothing: {} of a server, at least {WINDOWS_MIN} are needed", counted(windows, "window"))
        }
        (None, Some(NoWindows::Metrics)) => "nothing: no server has two metrics".to_owned(),
        (None, None) => "nothing, as asked for".to_owned(),
    }
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
            "streams": model.profile.baselines.len(), "measured": calibrated.measured,
            "windows": model.profile.window.as_ref().map_or(0, |window| window.windows),
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
         Together:   {}\n\
         Threshold:  {:.4} {aim};\n            {}\n\
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
        together(made),
        threshold.value,
        promise(threshold, calibrated.measured),
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
    fn a_promise_needs_days() {
        let promised_with = |asked, incidents, apart, server_days| {
            let threshold = Threshold {
                value: 2.0,
                alert_budget: asked,
                quantile: None,
                expected: incidents as f64 / server_days,
                interval: (0.5, 3.25),
            };
            promise(&threshold, MeasuredIncidents { incidents, apart, server_days })
        };
        let promised = |asked, incidents, server_days| promised_with(asked, incidents, 0, server_days);
        let measured = "measured 1.50 on the last 4.0 server days (95 % interval 0.50 to 3.25)";
        assert_eq!([Some(1.0), None].map(|asked| promised(asked, 6, 4.0)), [measured; 2]);
        assert_eq!(promised_with(Some(1.0), 6, 2, 4.0), format!("{measured}, and 0.50 far beyond"));
        let few = "not enough data to promise anything: that takes about ";
        assert_eq!(promised(Some(1.0), 0, 0.5), format!("{few}15 server days"));
        assert_eq!(promised(Some(0.1), 3, 2.0), format!("{few}150 server days"));
        assert_eq!(promised(None, 3, 0.2), format!("{few}5 server days"));
    }
}
