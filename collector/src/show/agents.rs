//! Agents: who is there, how they are, what they found.

use std::collections::HashMap;

use oddline_core::wire::Refused;
use serde_json::{Value, json};

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{
    store::AgentRow,
    time::{TimeSpan, TimeZoneChoice},
};

/// Anomalies of the last day by fleet and agent.
pub type AgentCounts = HashMap<(String, String), i64>;

#[must_use]
pub fn list(
    agents: &[AgentRow],
    counts: &AgentCounts,
    format: OutputFormat,
    zone: &TimeZoneChoice,
    now_us: i64,
) -> String {
    match format {
        OutputFormat::Json => {
            let all: Vec<Value> = agents.iter().map(|agent| to_json(agent, count(agent, counts), zone)).collect();
            super::json(&Value::Array(all))
        }
        OutputFormat::Table => table(agents, counts, format, zone, now_us).to_text(),
        OutputFormat::Csv => table(agents, counts, format, zone, now_us).to_csv(),
    }
}

fn count(agent: &AgentRow, counts: &AgentCounts) -> i64 {
    let key = (agent.who.fleet.to_string(), agent.who.agent.to_string());
    counts.get(&key).copied().unwrap_or_default()
}

/// For people with spans before now; for programs with instants.
fn table(
    agents: &[AgentRow],
    counts: &AgentCounts,
    format: OutputFormat,
    zone: &TimeZoneChoice,
    now_us: i64,
) -> OutputTable {
    let mut table = OutputTable::new(&[
        ("agent", ColumnAlign::Left),
        ("state", ColumnAlign::Left),
        ("since", ColumnAlign::Left),
        ("last heard", ColumnAlign::Right),
        ("anomalies 24h", ColumnAlign::Right),
        ("events", ColumnAlign::Right),
        ("lag", ColumnAlign::Right),
        ("waiting", ColumnAlign::Right),
        ("model", ColumnAlign::Right),
        ("version", ColumnAlign::Left),
        ("trouble", ColumnAlign::Left),
    ]);
    for agent in agents {
        let figures = &agent.figures;
        let number = |value: u64| if value == 0 { String::new() } else { value.to_string() };
        table.push(vec![
            agent.who.to_string(),
            agent.state.to_string(),
            zone.show(agent.since_us),
            match format {
                OutputFormat::Table => format!("{} ago", TimeSpan(now_us.saturating_sub(agent.last_seen_us))),
                OutputFormat::Csv | OutputFormat::Json => zone.exact(agent.last_seen_us),
            },
            count(agent, counts).to_string(),
            agent.stored.to_string(),
            if figures.lag_bytes == 0 { String::new() } else { bytes(figures.lag_bytes) },
            number(figures.spooled),
            agent.model.map(|model| model.to_string()).unwrap_or_default(),
            agent.version.clone().unwrap_or_default(),
            trouble(agent, now_us),
        ]);
    }
    table
}

fn trouble(agent: &AgentRow, now_us: i64) -> String {
    let mut troubles = Vec::new();
    if agent.is_contested(now_us) {
        troubles.push("two agents use this name".to_owned());
    }
    if !agent.figures.failed_sources.is_empty() {
        troubles.push(format!("cannot read {}", agent.figures.failed_sources.join(", ")));
    }
    if agent.missing > 0 {
        troubles.push(format!("{} events missing", agent.missing));
    }
    if let Some(Refused { model, reason }) = &agent.refused {
        troubles.push(format!("refused model {}: {}", model.version, &**reason));
    }
    troubles.join("; ")
}

fn to_json(agent: &AgentRow, anomalies: i64, zone: &TimeZoneChoice) -> Value {
    let said = |text: &Option<String>| -> Value {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    json!({
        "fleet": agent.who.fleet,
        "agent": agent.who.agent,
        "state": agent.state,
        "since": zone.exact(agent.since_us),
        "first_seen": zone.exact(agent.first_seen_us),
        "last_seen": zone.exact(agent.last_seen_us),
        "anomalies_24h": anomalies,
        "events": agent.stored,
        "missing": agent.missing,
        "contested": agent.contested_us.map(|at_us| zone.exact(at_us)),
        "model": agent.model,
        "version": agent.version,
        "birth": said(&agent.birth),
        "status": said(&agent.status),
        "model_state": said(&agent.model_state),
    })
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
