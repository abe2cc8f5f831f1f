//! Which agent should run which model, and what it said to that.
//!
//! A roll-out names a model and either everyone of a fleet (also who comes later) or some agents. An agent's wish is the
//! newest active roll-out that it has a row in. Groups and gates will be states of a roll-out and of its agents.

use oddline_core::{
    id::{FleetName, ModelHash},
    wire::{ModelId, ModelState},
};

use serde::Serialize;

use super::{
    AgentKey, ModelFile, OrNewer, RolloutAgentState, RolloutState, Store, StoreError, StoredWord as _, models, rows,
    sql::{SqlRow, Tx},
    values,
};

/// Agents of one roll-out that are listed.
pub const ROLLOUT_AGENTS_MAX: u32 = 10_000;

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
    pub sha256: ModelHash,
    pub version: i64,
    /// For everyone of the fleet.
    pub everyone: bool,
    /// Back to a model that was good.
    pub rollback: bool,
    pub state: OrNewer<RolloutState>,
    /// When it began, microseconds.
    pub created_us: i64,
    /// Agents in each state.
    pub agents: RolloutCounts,
}

/// Agents of one roll-out, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RolloutCounts {
    pub waiting: i64,
    pub fetching: i64,
    pub taken: i64,
    pub refused: i64,
}

/// One agent in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutProgress {
    pub agent: String,
    pub state: OrNewer<RolloutAgentState>,
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
    pub sha256: ModelHash,
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
        let (rollout, sha256): (_, ModelHash) = (row.int("rollout")?, row.parsed("rollouts", "sha256")?);
        let is = |model: &Option<ModelId>| model.is_some_and(|model| model.sha256 == sha256);
        let refused = state.refused.as_ref().filter(|refused| refused.model.sha256 == sha256);
        let (now, reason) = match refused {
            _ if is(&state.current) => (RolloutAgentState::Taken, None),
            Some(refused) => (RolloutAgentState::Refused, Some(rows::clean(&refused.reason).to_string())),
            None if is(&state.fetching) => (RolloutAgentState::Fetching, None),
            None => continue,
        };
        if row.word("state")? != now || reason != row.text_or("reason")? {
            let sql = "UPDATE rollout_agents SET state = $4, reason = $5, since_us = $6 \
                       WHERE fleet = $1 AND agent = $2 AND rollout = $3";
            tx.run(sql, values![fleet, agent, rollout, now.as_str(), reason, now_us]).await?;
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

    /// Roll-outs before this number, newest first.
    pub async fn rollouts(&self, before: i64, limit: u32) -> Result<Vec<RolloutRow>, StoreError> {
        let sql = "SELECT id, fleet, sha256, version, everyone, rollback, state, created_us, \
                   (SELECT COUNT(*) FROM rollout_agents a WHERE a.rollout = r.id AND a.state = 'waiting') AS waiting, \
                   (SELECT COUNT(*) FROM rollout_agents a WHERE a.rollout = r.id AND a.state = 'fetching') AS fetching, \
                   (SELECT COUNT(*) FROM rollout_agents a WHERE a.rollout = r.id AND a.state = 'taken') AS taken, \
                   (SELECT COUNT(*) FROM rollout_agents a WHERE a.rollout = r.id AND a.state = 'refused') AS refused \
                   FROM rollouts r WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let count = |row: &SqlRow| {
            let (waiting, fetching) = (row.int("waiting")?, row.int("fetching")?);
            Ok::<_, StoreError>(RolloutCounts {
                waiting,
                fetching,
                taken: row.int("taken")?,
                refused: row.int("refused")?,
            })
        };
        let read = |row: &SqlRow| {
            Ok(RolloutRow {
                id: row.int("id")?,
                fleet: row.text("fleet")?,
                sha256: row.parsed("rollouts", "sha256")?,
                version: row.int("version")?,
                everyone: row.flag("everyone")?,
                rollback: row.flag("rollback")?,
                state: row.word("state")?,
                created_us: row.int("created_us")?,
                agents: count(row)?,
            })
        };
        self.pool.rows(sql, values![before, i64::from(limit)]).await?.iter().map(read).collect()
    }

    /// Agents of a roll-out by name: all, or those in one state.
    pub async fn rollout_agents(
        &self,
        rollout: i64,
        state: Option<RolloutAgentState>,
        limit: u32,
    ) -> Result<Vec<RolloutProgress>, StoreError> {
        let sql = "SELECT agent, state, reason, since_us FROM rollout_agents WHERE rollout = $1 \
                   AND (CAST($2 AS TEXT) IS NULL OR state = $2) ORDER BY agent LIMIT $3";
        let read = |row: &SqlRow| {
            Ok(RolloutProgress {
                agent: row.text("agent")?,
                state: row.word("state")?,
                reason: row.text_or("reason")?,
                since_us: row.int("since_us")?,
            })
        };
        let values = values![rollout, state.map(RolloutAgentState::as_str), i64::from(limit)];
        self.pool.rows(sql, values).await?.iter().map(read).collect()
    }

    /// What every agent should run: what is published as `model/desired`.
    pub async fn desired_models(&self) -> Result<Vec<DesiredRow>, StoreError> {
        let sql = "SELECT a.fleet, a.agent, r.id, r.sha256, r.version, r.rollback, COALESCE(m.signature, '') AS signature FROM agents a \
                   JOIN rollouts r ON r.id = (SELECT MAX(x.rollout) FROM rollout_agents x \
                       JOIN rollouts y ON y.id = x.rollout \
                       WHERE x.fleet = a.fleet AND x.agent = a.agent AND y.state = 'active') \
                   LEFT JOIN models m ON m.sha256 = r.sha256 \
                   ORDER BY a.fleet, a.agent LIMIT $1";
        let read = |row: &SqlRow| {
            Ok(DesiredRow {
                who: row.who("agents")?,
                rollout: row.int("id")?,
                sha256: row.parsed("rollouts", "sha256")?,
                version: row.unsigned("rollouts", "version")?,
                rollback: row.flag("rollback")?,
                signature: row.text("signature")?,
            })
        };
        self.pool.rows(sql, values![i64::from(ROLLOUT_AGENTS_MAX)]).await?.iter().map(read).collect()
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
    tx.run(sql, values![id, fleet.as_str(), model.sha256.to_string(), version, everyone, now_us]).await?;
    Ok(id)
}
