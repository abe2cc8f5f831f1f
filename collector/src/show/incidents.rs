//! Incidents as a list.

use oddline_core::event::words::short;
use serde_json::{Value, json};

use super::{
    OutputFormat, anomalies,
    table::{ColumnAlign, OutputTable},
};
use crate::{
    incidents::{Incident, beyond},
    store::{AnomalyRow, AnomalyState, ID_SHOWN, StoredWord as _},
    time::{TimeSpan, TimeZoneChoice},
};

/// Servers and components that are named; of more the count is said.
const NAMED: usize = 3;

#[must_use]
pub fn list(incidents: &[Incident<'_>], format: OutputFormat, zone: &TimeZoneChoice) -> String {
    match format {
        OutputFormat::Table => table(incidents, zone).to_text(),
        OutputFormat::Csv => csv(incidents, zone).to_csv(),
        OutputFormat::Json => super::json(&incidents.iter().map(|incident| of(incident, zone)).collect::<Value>()),
    }
}

fn table(incidents: &[Incident<'_>], zone: &TimeZoneChoice) -> OutputTable {
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    OutputTable::new(
        incidents,
        &[
            (&super::times("began", OutputFormat::Table, zone), left, &|incident| zone.show(incident.first().first_us)),
            ("lasted", right, &lasted),
            ("servers", left, &|incident| named(&incident.servers())),
            ("anomalies", right, &|incident| incident.parts.len().to_string()),
            ("components", left, &|incident| named(&components(incident))),
            ("state", left, &|incident| state(incident).to_owned()),
            ("beyond", right, &|incident| format!("{} x", short(beyond(incident.worst())))),
            ("worst", left, &|incident| said(incident.worst())),
            ("id", left, &|incident| incident.first().id.chars().take(ID_SHOWN).collect()),
        ],
    )
}

fn csv(incidents: &[Incident<'_>], zone: &TimeZoneChoice) -> OutputTable {
    let left = ColumnAlign::Left;
    OutputTable::new(
        incidents,
        &[
            ("id", left, &|incident| incident.first().id.clone()),
            ("first", left, &|incident| zone.exact(incident.first().first_us)),
            ("last", left, &|incident| zone.exact(incident.last_us())),
            ("fleet", left, &|incident| incident.first().fleet.clone()),
            ("servers", left, &|incident| incident.servers().join(" ")),
            ("anomalies", left, &|incident| incident.parts.len().to_string()),
            ("components", left, &|incident| components(incident).join(" ")),
            ("state", left, &|incident| state(incident).to_owned()),
            ("beyond", left, &|incident| beyond(incident.worst()).to_string()),
            ("began with", left, &|incident| said(incident.first())),
            ("worst", left, &|incident| said(incident.worst())),
        ],
    )
}

/// One incident for programs; its anomalies in the order of their begins.
fn of(incident: &Incident<'_>, zone: &TimeZoneChoice) -> Value {
    let (first, worst) = (incident.first(), incident.worst());
    json!({
        "id": first.id,
        "fleet": first.fleet,
        "first": zone.exact(first.first_us),
        "last": zone.exact(incident.last_us()),
        "servers": incident.servers(),
        "components": components(incident),
        "state": state(incident),
        "beyond": beyond(worst),
        "worst": worst.id,
        "anomalies": incident.parts.iter().map(|row| anomalies::json(row, zone)).collect::<Value>(),
    })
}

fn lasted(incident: &Incident<'_>) -> String {
    let us = incident.last_us().saturating_sub(incident.first().first_us);
    if us > 0 { TimeSpan(us).to_string() } else { String::new() }
}

fn components<'a>(incident: &Incident<'a>) -> Vec<&'a str> {
    let mut components: Vec<&str> = Vec::new();
    for row in &incident.parts {
        let name = if row.component.is_empty() { "(server)" } else { row.component.as_str() };
        if !components.contains(&name) {
            components.push(name);
        }
    }
    components
}

fn named(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Open as long as one of its anomalies is.
fn state(incident: &Incident<'_>) -> &'static str {
    let is_open = incident.parts.iter().any(|row| row.state == AnomalyState::Open);
    if is_open { AnomalyState::Open } else { AnomalyState::Ended }.as_str()
}

fn said(row: &AnomalyRow) -> String {
    format!("{}: {}", named(&components(&Incident { parts: vec![row] })), anomalies::why(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::{grouped, tests::row};

    #[test]
    fn a_row_names_what_it_began_with_and_what_is_worst() {
        let mut rows: Vec<AnomalyRow> =
            ["cpu", "disk", "net", "load"].map(|component| row("web-1", component, 100, Some(7))).to_vec();
        rows[1].peak = 9.0;
        rows[3].state = AnomalyState::Open.into();
        let all = grouped(&rows);
        let text = list(&all, OutputFormat::Table, &TimeZoneChoice::utc());
        let words = ["web-1", " 4 ", "cpu, disk, net and 1 more", "open", "4.5 x", "disk: "];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        let json: Value = serde_json::from_str(&list(&all, OutputFormat::Json, &TimeZoneChoice::utc())).unwrap();
        assert_eq!(json[0]["anomalies"].as_array().unwrap().len(), 4);
        assert_eq!((&json[0]["worst"], &json[0]["id"]), (&json!(rows[1].id), &json!(rows[0].id)));
        let csv = list(&all, OutputFormat::Csv, &TimeZoneChoice::utc());
        assert_eq!(csv.lines().count(), 2, "{csv}");
    }
}
