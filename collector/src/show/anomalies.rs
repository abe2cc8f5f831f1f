//! Anomalies as a list, and one in full.

use std::fmt::Write as _;

use oddline_core::event::words::{reason_with_value, short};
use serde_json::{Value, json};

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{
    store::{AnomalyKind, AnomalyRow, ID_SHOWN, VerdictRow},
    text::{line as tamed, shown},
    time::{TimeSpan, TimeZoneChoice},
};

#[must_use]
pub fn list(anomalies: &[AnomalyRow], format: OutputFormat, zone: &TimeZoneChoice) -> String {
    match format {
        OutputFormat::Table => table(anomalies, zone).to_text(),
        OutputFormat::Csv => csv(anomalies, zone).to_csv(),
        OutputFormat::Json => {
            let all: Vec<Value> = anomalies.iter().map(|anomaly| json(anomaly, zone)).collect();
            super::json(&Value::Array(all))
        }
    }
}

fn table(anomalies: &[AnomalyRow], zone: &TimeZoneChoice) -> OutputTable {
    let mut table = OutputTable::new(&[
        ("time", ColumnAlign::Left),
        ("server", ColumnAlign::Left),
        ("component", ColumnAlign::Left),
        ("kind", ColumnAlign::Left),
        ("score", ColumnAlign::Right),
        ("records", ColumnAlign::Right),
        ("lasted", ColumnAlign::Right),
        ("state", ColumnAlign::Left),
        ("why", ColumnAlign::Left),
        ("verdict", ColumnAlign::Left),
        ("id", ColumnAlign::Left),
    ]);
    for anomaly in anomalies {
        let lasted = anomaly.last_us.saturating_sub(anomaly.first_us);
        table.push(vec![
            zone.show(anomaly.last_us),
            anomaly.server.clone(),
            anomaly.component.clone(),
            anomaly.kind.to_string(),
            score(anomaly),
            anomaly.records.to_string(),
            if lasted > 0 { TimeSpan(lasted).to_string() } else { String::new() },
            anomaly.state.to_string(),
            why(anomaly),
            verdict(anomaly),
            anomaly.id.chars().take(ID_SHOWN).collect(),
        ]);
    }
    table
}

fn csv(anomalies: &[AnomalyRow], zone: &TimeZoneChoice) -> OutputTable {
    let names = [
        "id",
        "first",
        "last",
        "fleet",
        "agent",
        "server",
        "component",
        "kind",
        "state",
        "score",
        "threshold",
        "records",
        "value",
        "expected",
        "reason",
        "verdict",
        "model",
        "source",
    ];
    let mut table = OutputTable::new(&names.map(|name| (name, ColumnAlign::Left)));
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    for anomaly in anomalies {
        table.push(vec![
            anomaly.id.clone(),
            zone.exact(anomaly.first_us),
            zone.exact(anomaly.last_us),
            anomaly.fleet.clone(),
            anomaly.agent.clone(),
            anomaly.server.clone(),
            anomaly.component.clone(),
            anomaly.kind.to_string(),
            anomaly.state.to_string(),
            number(Some(anomaly.peak)),
            number(Some(anomaly.threshold)),
            anomaly.records.to_string(),
            number(anomaly.value),
            number(anomaly.expected),
            anomaly.main_reason.clone(),
            verdict(anomaly),
            anomaly.model.to_string(),
            anomaly.source.clone(),
        ]);
    }
    table
}

/// One anomaly for programs: its columns, times as text beside the numbers.
#[must_use]
pub fn json(anomaly: &AnomalyRow, zone: &TimeZoneChoice) -> Value {
    let mut value = json!(anomaly);
    value["first"] = json!(zone.exact(anomaly.first_us));
    value["last"] = json!(zone.exact(anomaly.last_us));
    value
}

#[must_use]
pub fn detail(anomaly: &AnomalyRow, verdicts: &[VerdictRow], zone: &TimeZoneChoice) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: String| writeln!(text, "{name:<10} {what}").expect("a string takes everything");
    line("anomaly", anomaly.id.clone());
    line(
        "where",
        shown(&format!("{} {} (agent {}/{})", anomaly.server, anomaly.component, anomaly.fleet, anomaly.agent)),
    );
    line("source", shown(&anomaly.source));
    let lasted = TimeSpan(anomaly.last_us.saturating_sub(anomaly.first_us));
    line(
        "when",
        format!("{} to {} ({lasted}), {}", zone.show(anomaly.first_us), zone.show(anomaly.last_us), anomaly.state),
    );
    line(
        "what",
        format!(
            "{}, score {} at threshold {:.2}, {} records, model {}",
            anomaly.kind,
            score(anomaly),
            anomaly.threshold,
            anomaly.records,
            anomaly.model
        ),
    );
    line("why", tamed(&why(anomaly)));
    for reason in anomaly.reasons.as_array().into_iter().flatten() {
        let expected = reason["expected"].as_f64().map(|e| format!(", expected {}", short(e))).unwrap_or_default();
        let (observed, share) =
            (reason["observed"].as_f64().unwrap_or_default(), reason["share"].as_f64().unwrap_or_default());
        let feature = shown(reason["feature"].as_str().unwrap_or_default());
        line("", format!("{feature} {}{expected} ({} x the limit)", short(observed), short(share)));
    }
    for sample in anomaly.samples.as_array().into_iter().flatten().filter_map(Value::as_str) {
        line("line", tamed(sample));
    }
    for (name, value) in anomaly.extras.as_object().into_iter().flatten() {
        line(&shown(name), tamed(&value.to_string()));
    }
    for verdict in verdicts {
        let note = verdict.note.as_ref().map(|note| format!(": {}", shown(note))).unwrap_or_default();
        let by = verdict.author.as_ref().map(|by| format!(" by {}", shown(by))).unwrap_or_default();
        line("verdict", format!("{} {}{by}{note}", zone.show(verdict.at_us), verdict.verdict));
    }
    text
}

/// What a person said of it last.
fn verdict(anomaly: &AnomalyRow) -> String {
    anomaly.verdict.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn why(anomaly: &AnomalyRow) -> String {
    let is_of_value = anomaly.kind == AnomalyKind::Score || anomaly.kind == AnomalyKind::Range;
    match anomaly.value.filter(|_| is_of_value) {
        Some(value) => reason_with_value(&anomaly.main_reason, value, anomaly.expected),
        None => anomaly.main_reason.clone(),
    }
}

fn score(anomaly: &AnomalyRow) -> String {
    if anomaly.kind == AnomalyKind::Flood { String::new() } else { short(anomaly.peak) }
}
