//! Roll-outs: who took a model, who refused it and why.

use serde_json::{Value, json};

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{
    store::{RolloutCounts, RolloutProgress, RolloutRow},
    text::counted,
    time::TimeZoneChoice,
};

/// A roll-out with its agents.
type Rollout = (RolloutRow, Vec<RolloutProgress>);

#[must_use]
pub fn list(rollouts: &[Rollout], format: OutputFormat, zone: &TimeZoneChoice) -> String {
    match format {
        OutputFormat::Json => {
            let all: Vec<Value> = rollouts.iter().map(|rollout| to_json(rollout, zone)).collect();
            super::json(&Value::Array(all))
        }
        OutputFormat::Csv => agents_of_all(rollouts, zone).to_csv(),
        OutputFormat::Table => rollouts.iter().map(|rollout| text(rollout, zone)).collect::<Vec<_>>().join("\n"),
    }
}

fn text(whole: &Rollout, zone: &TimeZoneChoice) -> String {
    let (rollout, progress) = whole;
    let target = if rollout.everyone { "everyone".to_owned() } else { counted(progress.len() as u64, "agent") };
    let RolloutCounts { waiting, fetching, taken, refused } = rollout.agents;
    let states = [(taken, "taken"), (fetching, "fetching"), (waiting, "waiting"), (refused, "refused")];
    let states: Vec<String> =
        states.into_iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!("{count} {state}")).collect();
    let short = super::short_hash(rollout.sha256);
    let head = format!(
        "roll-out {} of model {} ({short}) to {target} of {}, {} {zone}, {}: {}\n",
        rollout.id,
        rollout.version,
        rollout.fleet,
        zone.show(rollout.created_us),
        rollout.state,
        if states.is_empty() { "no agent is known yet".to_owned() } else { states.join(", ") }
    );
    if progress.is_empty() {
        return head;
    }
    let left = ColumnAlign::Left;
    let table = OutputTable::new(
        progress,
        &[
            ("agent", left, &|agent| agent.agent.clone()),
            ("state", left, &|agent| agent.state.to_string()),
            (&super::times("since", OutputFormat::Table, zone), left, &|agent| zone.show(agent.since_us)),
            ("reason", left, &reason),
        ],
    );
    let rows: String = table.to_text().lines().map(|line| format!("  {line}\n")).collect();
    head + &rows
}

fn agents_of_all(rollouts: &[Rollout], zone: &TimeZoneChoice) -> OutputTable {
    let left = ColumnAlign::Left;
    let rows: Vec<_> = rollouts.iter().flat_map(|(row, agents)| agents.iter().map(move |agent| (row, agent))).collect();
    OutputTable::new(
        &rows,
        &[
            ("rollout", left, &|(rollout, _)| rollout.id.to_string()),
            ("fleet", left, &|(rollout, _)| rollout.fleet.clone()),
            ("model", left, &|(rollout, _)| rollout.version.to_string()),
            ("agent", left, &|(_, agent)| agent.agent.clone()),
            ("state", left, &|(_, agent)| agent.state.to_string()),
            ("since", left, &|(_, agent)| zone.exact(agent.since_us)),
            ("reason", left, &|(_, agent)| reason(agent)),
        ],
    )
}

fn reason(agent: &RolloutProgress) -> String {
    agent.reason.clone().unwrap_or_default()
}

fn to_json((rollout, progress): &Rollout, zone: &TimeZoneChoice) -> Value {
    let agents: Vec<Value> = progress
        .iter()
        .map(|agent| json!({"agent": agent.agent, "state": agent.state, "reason": agent.reason, "since": zone.exact(agent.since_us)}))
        .collect();
    json!({
        "rollout": rollout.id,
        "fleet": rollout.fleet,
        "model": {"version": rollout.version, "sha256": rollout.sha256},
        "everyone": rollout.everyone,
        "rollback": rollout.rollback,
        "state": rollout.state,
        "created": zone.exact(rollout.created_us),
        "agents": agents,
    })
}
