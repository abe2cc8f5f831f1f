//! Rows as programs see them: the columns by name, times as RFC 3339 (UTC) text. The OpenAPI document says the same, and
//! a test compares.

use serde_json::{Value, json};

use crate::{
    store::{AgentRow, AnomalyRow, AnomalyStep, GroupCount, RolloutProgress, RolloutRow, StoredModel, VerdictRow},
    time::TimeZoneChoice,
};

/// An hour in microseconds.
const HOUR_US: i64 = 3_600_000_000;

fn time(us: i64) -> String {
    TimeZoneChoice::utc().exact(us)
}

/// As the command line's `--json` shows it.
pub(super) fn anomaly(anomaly: &AnomalyRow) -> Value {
    crate::show::anomalies::json(anomaly, &TimeZoneChoice::utc())
}

/// One anomaly with what was said of it by its agent and by people.
pub(super) fn whole(found: &AnomalyRow, steps: &[AnomalyStep], verdicts: &[VerdictRow]) -> Value {
    let mut whole = anomaly(found);
    whole["history"] = steps
        .iter()
        .map(|step| {
            json!({
                "sequence": step.sequence,
                "received": time(step.received_us),
                "kind": step.kind,
                "records": step.records,
                "peak": step.peak,
                "last": time(step.last_us),
            })
        })
        .collect();
    whole["verdicts"] = verdicts.iter().map(verdict).collect();
    whole
}

fn verdict(row: &VerdictRow) -> Value {
    json!({"at": time(row.at_us), "verdict": row.verdict, "note": row.note, "author": row.author})
}

pub(super) fn agent(agent: &AgentRow, anomalies_24h: i64) -> Value {
    let figures = &agent.figures;
    json!({
        "fleet": agent.who.fleet,
        "agent": agent.who.agent,
        "state": agent.state,
        "since": time(agent.since_us),
        "first_seen": time(agent.first_seen_us),
        "last_seen": time(agent.last_seen_us),
        "version": agent.version,
        "model": agent.model,
        "anomalies_24h": anomalies_24h,
        "events": agent.stored,
        "missing": agent.missing,
        "contested": agent.contested_us.map(time),
        "lag_bytes": figures.lag_bytes,
        "spooled": figures.spooled,
        "records": figures.records,
        "learning": figures.learning,
        "failed_sources": figures.failed_sources,
    })
}

/// Names that the counts are not told apart by are left out.
pub(super) fn count(count: &GroupCount, apart: crate::store::GroupBy) -> Value {
    let hour = time(count.key.hour.saturating_mul(HOUR_US));
    let mut value = json!({"hour": hour, "anomalies": count.anomalies, "peak": count.peak});
    let names = [
        (apart.server, "server", &count.key.server),
        (apart.component, "component", &count.key.component),
        (apart.kind, "kind", &count.key.kind),
    ];
    for (asked, name, text) in names {
        if asked {
            value[name] = json!(text);
        }
    }
    value
}

pub(super) fn model(model: &StoredModel) -> Value {
    let said = |text: &Option<String>| -> Value {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    json!({
        "sha256": model.sha256,
        "version": model.version,
        "added": time(model.added_us),
        "file": model.file,
        "provenance": said(&model.provenance),
        "report": said(&model.report),
    })
}

pub(super) fn rollout(rollout: &RolloutRow, refusals: &[RolloutProgress]) -> Value {
    let refusal =
        |agent: &RolloutProgress| json!({"agent": agent.agent, "reason": agent.reason.as_deref().unwrap_or("")});
    let refusals: Vec<Value> = refusals.iter().map(refusal).collect();
    json!({
        "rollout": rollout.id,
        "fleet": rollout.fleet,
        "model": {"version": rollout.version, "sha256": rollout.sha256},
        "everyone": rollout.everyone,
        "rollback": rollout.rollback,
        "state": rollout.state,
        "created": time(rollout.created_us),
        "agents": rollout.agents,
        "refusals": refusals,
    })
}
