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
    text::{counted, size},
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
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    let number = |value: u64| if value == 0 { String::new() } else { value.to_string() };
    let heard = |us: i64| match format {
        OutputFormat::Table => format!("{} ago", TimeSpan(now_us.saturating_sub(us))),
        OutputFormat::Csv | OutputFormat::Json => zone.exact(us),
    };
    OutputTable::new(
        agents,
        &[
            ("agent", left, &|agent| agent.who.to_string()),
            ("state", left, &|agent| agent.state.to_string()),
            (&super::times("since", format, zone), left, &|agent| zone.show(agent.since_us)),
            ("last heard", right, &|agent| heard(agent.last_seen_us)),
            ("anomalies 24h", right, &|agent| count(agent, counts).to_string()),
            ("events", right, &|agent| agent.stored.to_string()),
            ("lag", right, &|agent| Some(agent.figures.lag_bytes).filter(|lag| *lag > 0).map(size).unwrap_or_default()),
            ("waiting", right, &|agent| number(agent.figures.spooled)),
            ("model", right, &|agent| agent.model.map(|model| model.to_string()).unwrap_or_default()),
            ("version", left, &|agent| agent.version.clone().unwrap_or_default()),
            ("trouble", left, &|agent| trouble(agent, now_us)),
        ],
    )
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
        troubles.push(format!("{} missing", counted(agent.missing, "event")));
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
