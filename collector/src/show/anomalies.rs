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
    text::{counted, line as tamed, shown},
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
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    let lasted = |us: i64| if us > 0 { TimeSpan(us).to_string() } else { String::new() };
    OutputTable::new(
        anomalies,
        &[
            (&super::times("time", OutputFormat::Table, zone), left, &|row| zone.show(row.last_us)),
            ("server", left, &|row| row.server.clone()),
            ("component", left, &|row| row.component.clone()),
            ("kind", left, &|row| row.kind.to_string()),
            ("score", right, &score),
            ("records", right, &|row| row.records.to_string()),
            ("lasted", right, &|row| lasted(row.last_us.saturating_sub(row.first_us))),
            ("state", left, &|row| row.state.to_string()),
            ("why", left, &why),
            ("verdict", left, &verdict),
            ("id", left, &|row| row.id.chars().take(ID_SHOWN).collect()),
        ],
    )
}

fn csv(anomalies: &[AnomalyRow], zone: &TimeZoneChoice) -> OutputTable {
    let left = ColumnAlign::Left;
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    OutputTable::new(
        anomalies,
        &[
            ("id", left, &|row| row.id.clone()),
            ("first", left, &|row| zone.exact(row.first_us)),
            ("last", left, &|row| zone.exact(row.last_us)),
            ("fleet", left, &|row| row.fleet.clone()),
            ("agent", left, &|row| row.agent.clone()),
            ("server", left, &|row| row.server.clone()),
            ("component", left, &|row| row.component.clone()),
            ("kind", left, &|row| row.kind.to_string()),
            ("state", left, &|row| row.state.to_string()),
            ("score", left, &|row| number(Some(row.peak))),
            ("threshold", left, &|row| number(Some(row.threshold))),
            ("records", left, &|row| row.records.to_string()),
            ("value", left, &|row| number(row.value)),
            ("expected", left, &|row| number(row.expected)),
            ("reason", left, &|row| row.main_reason.clone()),
            ("verdict", left, &verdict),
            ("model", left, &|row| row.model.to_string()),
            ("source", left, &|row| row.source.clone()),
        ],
    )
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
        format!(
            "{} to {} {zone} ({lasted}), {}",
            zone.show(anomaly.first_us),
            zone.show(anomaly.last_us),
            anomaly.state
        ),
    );
    line(
        "what",
        format!(
            "{}, score {} at threshold {:.2}, {}, model {}",
            anomaly.kind,
            score(anomaly),
            anomaly.threshold,
            counted(anomaly.records, "record"),
            anomaly.model
        ),
    );
    line("why", tamed(&why(anomaly)));
    for reason in anomaly.reasons.as_array().into_iter().flatten() {
        let expected = reason["expected"].as_f64().map(|e| format!(", expected {}", short(e))).unwrap_or_default();
        let (observed, share) =
            (reason["observed"].as_f64().unwrap_or_default(), reason["share"].as_f64().unwrap_or_default());
        let feature = shown(reason["feature"].as_str().unwrap_or_default());
        let beyond = share / anomaly.threshold.max(f64::MIN_POSITIVE);
        line("", format!("{feature} {}{expected} ({} x the limit)", short(observed), short(beyond)));
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
        line("verdict", format!("{} {zone} {}{by}{note}", zone.show(verdict.at_us), verdict.verdict));
    }
    text
}

/// What a person said of it last.
fn verdict(anomaly: &AnomalyRow) -> String {
    anomaly.verdict.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// Its main reason, with the value where that is what the reason is about.
pub(super) fn why(anomaly: &AnomalyRow) -> String {
    let is_of_value = anomaly.kind == AnomalyKind::Score || anomaly.kind == AnomalyKind::Range;
    match anomaly.value.filter(|_| is_of_value) {
        Some(value) => reason_with_value(&anomaly.main_reason, value, anomaly.expected),
        None => anomaly.main_reason.clone(),
    }
}

fn score(anomaly: &AnomalyRow) -> String {
    if anomaly.kind == AnomalyKind::Flood { String::new() } else { short(anomaly.peak) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::tests::row;

    #[test]
    fn a_reason_is_measured_in_limits() {
        let mut anomaly = row("web-1", "cpu", 100, None);
        anomaly.reasons = json!([{"feature": "residual", "observed": 9.0, "expected": 3.5, "share": 3.0}]);
        let text = detail(&anomaly, &[], &TimeZoneChoice::utc());
        assert!(text.contains("residual 9, expected 3.5 (1.5 x the limit)"), "{text}");
    }
}
