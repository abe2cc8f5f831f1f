//! Which agent should run which model, and what it said to that.
//!
//! A roll-out names a model and either everyone of a fleet (also who comes later) or some agents. An agent's wish is the
//! newest active roll-out that it has a row in. Groups and gates will be states of a roll-out and of its agents.

use oddline_core::{
    id::{FleetName, ModelHash},
    wire::{ModelId, ModelState},
};

use super::{
    AgentKey, ModelFile, Store, StoreError, agents, models, rows,
    sql::{SqlRow, Tx},
    values,
};

/// Agents of one roll-out that are listed.
const AGENTS_MAX: i64 = 10_000;

/// For whom a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutTarget {
    /// Every agent of these fleets, now and later.
    Everyone(Vec<FleetName>),
    Agents(Vec<AgentKey>),
}

/// Why a name says no agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("no agent is called {name:?}{}", suggestion.as_ref().map(|s| format!(": did you mean {s:?}?")).unwrap_or_default())]
    Unknown { name: String, suggestion: Option<String> },
    /// More than one fleet has one.
    #[error("{name:?} is in several fleets: say one of {}", choices.join(", "))]
    Several { name: String, choices: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRow {
    pub id: i64,
    pub fleet: String,
    /// The model's hash.
    pub sha256: String,
    pub version: i64,
    /// For everyone of the fleet.
    pub everyone: bool,
    /// Back to a model that was good.
    pub rollback: bool,
    /// `active` or `replaced`.
    pub state: String,
    /// When it began, microseconds.
    pub created_us: i64,
    pub agents: Vec<RolloutProgress>,
}

/// One agent in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutProgress {
    pub agent: String,
    /// `waiting`, `fetching`, `taken` or `refused`.
    pub state: String,
    pub reason: Option<String>,
    /// Since when, microseconds.
    pub since_us: i64,
}

/// What one agent should run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesiredRow {
    pub who: AgentKey,
    /// The roll-out that says so.
    pub rollout: i64,
    /// The model's hash.
    pub sha256: String,
    /// The model's version.
    pub version: u64,
    /// Go back to a model marked good.
    pub rollback: bool,
    /// Text of the model's signature.
    pub signature: String,
}

/// A new agent joins what is for everyone of its fleet.
pub(super) async fn join(tx: &mut Tx, who: &AgentKey, now_us: i64) -> Result<(), StoreError> {
    // A push holds this row while it looks for agents: it sees this one, or this one sees it.
    tx.run("UPDATE changes SET counter = counter WHERE name = 'rollouts'", Vec::new()).await?;
    let sql = "INSERT INTO rollout_agents (fleet, agent, rollout, state, since_us) \
               SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), id, 'waiting', CAST($3 AS BIGINT) FROM rollouts \
               WHERE fleet = $1 AND everyone = 1 AND state = 'active' ORDER BY id DESC LIMIT 1 ON CONFLICT DO NOTHING";
    tx.run(sql, values![who.fleet.as_str(), who.agent.as_str(), now_us]).await.map(|_| ())
}

/// An agent has said what it runs, awaits or refused: the rows of its active roll-outs follow.
pub(super) async fn answered(tx: &mut Tx, who: &AgentKey, state: &ModelState, now_us: i64) -> Result<(), StoreError> {
    let sql = "SELECT a.rollout, r.sha256, a.state, a.reason FROM rollout_agents a JOIN rollouts r ON r.id = a.rollout \
               WHERE a.fleet = $1 AND a.agent = $2 AND r.state = 'active' ORDER BY a.rollout DESC LIMIT 8";
    let (fleet, agent) = (who.fleet.as_str(), who.agent.as_str());
    for row in tx.rows(sql, values![fleet, agent]).await? {
        let (rollout, sha256, before, reason_before) = (row.int(0)?, row.text(1)?, row.text(2)?, row.text_or(3)?);
        let is = |model: &Option<ModelId>| model.is_some_and(|model| model.sha256.to_string() == sha256);
        let refused = state.refused.as_ref().filter(|refused| refused.model.sha256.to_string() == sha256);
        let (now, reason) = match refused {
            _ if is(&state.current) => ("taken", None),
            Some(refused) => ("refused", Some(rows::clean(&refused.reason).to_string())),
            None if is(&state.fetching) => ("fetching", None),
            None => continue,
        };
        if now != before || reason != reason_before {
            let sql = "UPDATE rollout_agents SET state = $4, reason = $5, since_us = $6 \
                       WHERE fleet = $1 AND agent = $2 AND rollout = $3";
            tx.run(sql, values![fleet, agent, rollout, now, reason, now_us]).await?;
        }
    }
    Ok(())
}

impl Store {
    /// Keeps a model and begins a roll-out a fleet; their numbers. Roll-outs that nobody is left in are replaced.
    ///
    /// # Errors
    /// When the database fails; then nothing is stored.
    pub async fn push(&self, model: &ModelFile, target: &RolloutTarget, now_us: i64) -> Result<Vec<i64>, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Tells every running collector, and comes first: who joins meanwhile waits for this row.
        tx.run("UPDATE changes SET counter = counter + 1 WHERE name = 'rollouts'", Vec::new()).await?;
        models::keep(&mut tx, model, now_us).await?;
        let mut begun = Vec::new();
        match target {
            RolloutTarget::Everyone(fleets) => {
                for fleet in fleets {
                    let id = begin(&mut tx, fleet, model, true, now_us).await?;
                    let sql = "INSERT INTO rollout_agents (fleet, agent, rollout, state, since_us) \
                               SELECT fleet, agent, CAST($2 AS BIGINT), 'waiting', CAST($3 AS BIGINT) FROM agents \
                               WHERE fleet = $1 ON CONFLICT DO NOTHING";
                    tx.run(sql, values![fleet.as_str(), id, now_us]).await?;
                    begun.push(id);
                }
            }
            RolloutTarget::Agents(agents) => {
                let mut ids: Vec<(&FleetName, i64)> = Vec::new();
                for who in agents {
                    let known = ids.iter().find(|(fleet, _)| *fleet == &who.fleet).map(|(_, id)| *id);
                    let id = match known {
                        Some(id) => id,
                        None => begin(&mut tx, &who.fleet, model, false, now_us).await?,
                    };
                    if known.is_none() {
                        ids.push((&who.fleet, id));
                    }
                    let sql = "INSERT INTO rollout_agents (fleet, agent, rollout, state, since_us) \
                               VALUES ($1, $2, $3, 'waiting', $4) ON CONFLICT DO NOTHING";
                    tx.run(sql, values![who.fleet.as_str(), who.agent.as_str(), id, now_us]).await?;
                }
                begun.extend(ids.into_iter().map(|(_, id)| id));
            }
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Roll-outs, newest first, with their agents.
    pub async fn rollouts(&self, limit: u32) -> Result<Vec<RolloutRow>, StoreError> {
        let sql = "SELECT id, fleet, sha256, version, everyone, rollback, state, created_us FROM rollouts \
                   ORDER BY id DESC LIMIT $1";
        let mut rollouts = Vec::new();
        for row in self.pool.rows(sql, values![i64::from(limit)]).await? {
            let id = row.int(0)?;
            let sql = "SELECT agent, state, reason, since_us FROM rollout_agents WHERE rollout = $1 \
                       ORDER BY agent LIMIT $2";
            let read = |row: &SqlRow| {
                let (agent, state) = (row.text(0)?, row.text(1)?);
                Ok(RolloutProgress { agent, state, reason: row.text_or(2)?, since_us: row.int(3)? })
            };
            let rows = self.pool.rows(sql, values![id, AGENTS_MAX]).await?;
            let agents = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
            rollouts.push(RolloutRow {
                id,
                fleet: row.text(1)?,
                sha256: row.text(2)?,
                version: row.int(3)?,
                everyone: row.flag(4)?,
                rollback: row.flag(5)?,
                state: row.text(6)?,
                created_us: row.int(7)?,
                agents,
            });
        }
        Ok(rollouts)
    }

    /// What every agent should run: what is published as `model/desired`.
    pub async fn desired_models(&self) -> Result<Vec<DesiredRow>, StoreError> {
        let sql = "SELECT a.fleet, a.agent, r.id, r.sha256, r.version, r.rollback, COALESCE(m.signature, '') FROM agents a \
                   JOIN rollouts r ON r.id = (SELECT MAX(x.rollout) FROM rollout_agents x \
                       JOIN rollouts y ON y.id = x.rollout \
                       WHERE x.fleet = a.fleet AND x.agent = a.agent AND y.state = 'active') \
                   LEFT JOIN models m ON m.sha256 = r.sha256 \
                   ORDER BY a.fleet, a.agent LIMIT $1";
        let read = |row: &SqlRow| {
            Ok(DesiredRow {
                who: agents::who(row, 0)?,
                rollout: row.int(2)?,
                sha256: row.text(3)?,
                version: super::append::unsigned("rollouts", row.int(4)?)?,
                rollback: row.flag(5)?,
                signature: row.text(6)?,
            })
        };
        self.pool.rows(sql, values![AGENTS_MAX]).await?.iter().map(read).collect()
    }
}

async fn begin(
    tx: &mut Tx,
    fleet: &FleetName,
    model: &ModelFile,
    everyone: bool,
    now_us: i64,
) -> Result<i64, StoreError> {
    let row = tx.row("SELECT COALESCE(MAX(id), 0) + 1 FROM rollouts", Vec::new()).await?;
    let id = row.map_or(Ok(1), |row| row.int(0))?;
    if everyone {
        let sql = "UPDATE rollouts SET state = 'replaced' WHERE fleet = $1 AND state = 'active'";
        tx.run(sql, values![fleet.as_str()]).await?;
    }
    let sql = "INSERT INTO rollouts (id, fleet, sha256, version, everyone, rollback, state, created_us) \
               VALUES ($1, $2, $3, $4, $5, 0, 'active', $6)";
    let version = i64::try_from(model.version)
        .map_err(|_| StoreError::Field { table: "rollouts", what: format!("version {}", model.version) })?;
    tx.run(sql, values![id, fleet.as_str(), model.sha256.as_str(), version, everyone, now_us]).await?;
    Ok(id)
}

impl DesiredRow {
    /// The model's hash as a value.
    ///
    /// # Errors
    /// When the store holds something else.
    pub fn hash(&self) -> Result<ModelHash, StoreError> {
        self.sha256.parse().map_err(|e| StoreError::Field { table: "rollouts", what: format!("{e}") })
    }
}
