//! Roll-outs: who took a model, who refused it and why.

use serde_json::{Value, json};

use super::{
    OutputFormat,
    table::{ColumnAlign, OutputTable},
};
use crate::{
    store::{RolloutCounts, RolloutProgress, RolloutRow},
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
        OutputFormat::Csv => agents(rollouts.iter(), true, zone).to_csv(),
        OutputFormat::Table => rollouts.iter().map(|rollout| text(rollout, zone)).collect::<Vec<_>>().join("\n"),
    }
}

fn text(whole: &Rollout, zone: &TimeZoneChoice) -> String {
    let (rollout, progress) = whole;
    let target = if rollout.everyone { "everyone".to_owned() } else { format!("{} agents", progress.len()) };
    let RolloutCounts { waiting, fetching, taken, refused } = rollout.agents;
    let states = [(taken, "taken"), (fetching, "fetching"), (waiting, "waiting"), (refused, "refused")];
    let states: Vec<String> =
        states.into_iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!("{count} {state}")).collect();
    let short = super::short_hash(rollout.sha256);
    let head = format!(
        "roll-out {} of model {} ({short}) to {target} of {}, {}, {}: {}\n",
        rollout.id,
        rollout.version,
        rollout.fleet,
        zone.show(rollout.created_us),
        rollout.state,
        if states.is_empty() { "no agent is known yet".to_owned() } else { states.join(", ") }
    );
    let table = agents(std::iter::once(whole), false, zone);
    if table.is_empty() {
        return head;
    }
    let rows: String = table.to_text().lines().map(|line| format!("  {line}\n")).collect();
    head + &rows
}

fn agents<'a>(rollouts: impl Iterator<Item = &'a Rollout>, whole: bool, zone: &TimeZoneChoice) -> OutputTable {
    let (left, right) = (ColumnAlign::Left, ColumnAlign::Right);
    let columns: &[(&str, ColumnAlign)] = &[("rollout", right), ("fleet", left), ("model", right)];
    let own = [("agent", left), ("state", left), ("since", left), ("reason", left)];
    let columns: Vec<_> = if whole { columns.iter().copied().chain(own).collect() } else { own.to_vec() };
    let mut table = OutputTable::new(&columns);
    for (rollout, progress) in rollouts {
        for agent in progress {
            let since = if whole { zone.exact(agent.since_us) } else { zone.show(agent.since_us) };
            let own = [agent.agent.clone(), agent.state.to_string(), since, agent.reason.clone().unwrap_or_default()];
            let lead = [rollout.id.to_string(), rollout.fleet.clone(), rollout.version.to_string()];
            table.push(if whole { lead.into_iter().chain(own).collect() } else { own.to_vec() });
        }
    }
    table
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
