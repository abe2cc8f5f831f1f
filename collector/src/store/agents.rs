//! Agents: newest word and history of each, and who has stopped saying anything. What becomes of a word is in `hear`.

use oddline_core::{
    id::{Epoch, FleetName},
    wire::{ModelState, Refused},
};
use serde::Deserialize;

use super::{
    AgentKey, AgentState, HistoryKind, OrNewer, Store, StoreError, StoredWord as _, rollouts, rows,
    sql::{SqlRow, Tx},
    values,
};

/// Agents that there can be, see [`super::forget`]: more than one broker's. So many has one page, too, and one look for
/// quiet ones.
pub(super) const AGENTS_MAX: u32 = 10_000;
/// How long it is told that two agents share a name after that was last seen: they are at it as long as both run, and
/// take turns each minute at least.
const CONTESTED_US: i64 = 3_600_000_000;

/// Something an agent (or its last will) said.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentReport {
    pub who: AgentKey,
    pub said: ReportBody,
    /// Said before this collector listened: no sign of life.
    pub retained: bool,
}

/// The three kinds of word, each with its JSON as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportBody {
    Birth(AgentBirth, String),
    /// Whether it is there, with the version of its model.
    Status {
        up: bool,
        /// Version of the model in use.
        model: Option<u64>,
        text: String,
    },
    /// Which models it has, and which it refused.
    Model(ModelState, String),
}

/// What matters of a birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentBirth {
    /// The life of its state file.
    pub epoch: Epoch,
    /// Its oldest entry: what is before it never comes again.
    pub oldest: u64,
    /// The boot of its machine, as it came.
    pub boot: String,
    pub version: String,
}

/// An agent's status, as far as it is used here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ReportedStatus {
    /// `up` or `down`.
    pub state: String,
    /// Its figures while it is up.
    #[serde(default)]
    pub figures: Option<ReportedFigures>,
}

/// An agent's figures; an older or newer agent may lack some.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReportedFigures {
    /// Version of the model in use.
    pub model: Option<u64>,
    /// Records judged since its start.
    pub records: u64,
    /// Streams without a fitted profile.
    pub learning: u64,
    /// Bytes of input not read yet.
    pub lag_bytes: u64,
    /// Sources that cannot be read.
    pub failed_sources: Vec<String>,
    /// Entries waiting in its spool.
    pub spooled: u64,
}

/// What became of a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredReport {
    /// The agent was not known before.
    pub is_new: bool,
    /// Nor will it be: there are too many. Nothing was stored.
    pub no_room: bool,
    /// Two agents use its name: this one and another take turns.
    pub is_contested: bool,
    /// That was not known, or over.
    pub is_newly_contested: bool,
    /// It was up and is down, or the other way.
    pub turned: bool,
    /// Entries that this store never had and never will: a collector before it acknowledged them.
    pub missing: u64,
    /// Where its progress stands, when the word was a birth.
    pub acked: Option<(Epoch, u64)>,
}

/// An agent as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRow {
    pub who: AgentKey,
    pub state: OrNewer<AgentState>,
    /// Since when, microseconds.
    pub since_us: i64,
    pub first_seen_us: i64,
    /// Last sign of life: a word or an event.
    pub last_seen_us: i64,
    pub version: Option<String>,
    pub model: Option<i64>,
    /// Newest birth, status and model state as they came: JSON of up to 64 KiB each.
    pub birth: Option<String>,
    /// See `birth`.
    pub status: Option<String>,
    /// See `birth`.
    pub model_state: Option<String>,
    /// Of its status, as far as it has any.
    pub figures: ReportedFigures,
    /// Of its model state.
    pub refused: Option<Refused>,
    /// Entries stored in all its lives that are kept.
    pub stored: i64,
    /// Entries that an earlier collector acknowledged and this store never had.
    pub missing: i64,
    /// When two agents under this name were last seen taking turns, microseconds.
    pub contested_us: Option<i64>,
}

impl AgentRow {
    /// Whether two agents run under this name, as far as is known now.
    #[must_use]
    pub fn is_contested(&self, now_us: i64) -> bool {
        is_recent(self.contested_us, now_us)
    }
}

/// Whether what was seen then still counts.
pub(super) fn is_recent(contested_us: Option<i64>, now_us: i64) -> bool {
    contested_us.is_some_and(|at_us| now_us.saturating_sub(at_us) < CONTESTED_US)
}

/// Whether an agent was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentMet {
    Known,
    New,
    /// It is not, and there are as many as there may be.
    NoRoom,
}

/// One line of an agent's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, microseconds.
    pub at_us: i64,
    pub kind: OrNewer<HistoryKind>,
    pub payload: String,
}

/// Makes an agent's row when it has none, and there is room for one more.
pub(super) async fn meet(tx: &mut Tx, who: &AgentKey, now_us: i64) -> Result<AgentMet, StoreError> {
    let (fleet, agent) = (who.fleet.as_str(), who.agent.as_str());
    let sql = "SELECT last_seen_us FROM agents WHERE fleet = $1 AND agent = $2";
    if tx.row(sql, values![fleet, agent]).await?.is_some() {
        return Ok(AgentMet::Known);
    }
    let count = tx.row("SELECT COUNT(*) FROM agents", Vec::new()).await?.map_or(Ok(0), |row| row.int(0))?;
    if count >= i64::from(AGENTS_MAX) {
        return Ok(AgentMet::NoRoom);
    }
    let sql = "INSERT INTO agents (fleet, agent, first_seen_us, last_seen_us, state, state_since_us) \
               VALUES ($1, $2, $3, $4, 'unknown', $5) ON CONFLICT (fleet, agent) DO NOTHING";
    if tx.run(sql, values![fleet, agent, now_us, now_us, now_us]).await? == 0 {
        // Another collector was quicker.
        return Ok(AgentMet::Known);
    }
    rollouts::join(tx, who, now_us).await?;
    Ok(AgentMet::New)
}

impl Store {
    /// Nobody was listening: of agents that were there it is no longer known whether they are, until they are heard. Of
    /// these fleets, or of all.
    pub async fn doubt(&self, fleets: Option<&[FleetName]>, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        match fleets {
            None => {
                let sql = "UPDATE agents SET state = 'unknown', state_since_us = $1 WHERE state = 'up'";
                tx.run(sql, values![now_us]).await?;
            }
            Some(fleets) => {
                for fleet in fleets {
                    let sql =
                        "UPDATE agents SET state = 'unknown', state_since_us = $1 WHERE state = 'up' AND fleet = $2";
                    tx.run(sql, values![now_us, fleet.as_str()]).await?;
                }
            }
        }
        tx.commit().await
    }

    /// Marks agents of these fleets that should be there and have said nothing since `silent_since_us`, and takes the
    /// mark from those that have; gives the newly marked.
    pub async fn mark_quiet(&self, silent_since_us: i64, now_us: i64) -> Result<Vec<AgentKey>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let back = "UPDATE agents SET quiet_since_us = NULL WHERE quiet_since_us IS NOT NULL AND EXISTS (SELECT 1 \
                    FROM progress p WHERE p.fleet = agents.fleet AND p.agent = agents.agent AND p.updated_us >= $1)";
        tx.run(back, values![silent_since_us]).await?;
        let quiet = "SELECT fleet, agent FROM agents WHERE quiet_since_us IS NULL AND state <> 'down' AND \
                     last_seen_us < $1 AND NOT EXISTS (SELECT 1 FROM progress p WHERE p.fleet = agents.fleet AND \
                     p.agent = agents.agent AND p.updated_us >= $1) ORDER BY fleet, agent LIMIT $2";
        let rows = tx.rows(quiet, values![silent_since_us, i64::from(AGENTS_MAX)]).await?;
        let quiet: Vec<AgentKey> = rows.iter().map(|row| row.who("agents")).collect::<Result<_, _>>()?;
        for who in &quiet {
            let sql = "UPDATE agents SET quiet_since_us = $3 WHERE fleet = $1 AND agent = $2";
            tx.run(sql, values![who.fleet.as_str(), who.agent.as_str(), now_us]).await?;
            note(&mut tx, who, now_us, HistoryKind::Quiet, "{}").await?;
        }
        tx.commit().await?;
        Ok(quiet)
    }

    /// All agents by name, at most 10,000.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        self.agents_page(None, ("", ""), AGENTS_MAX).await
    }

    /// A page of agents by name from behind `after` (fleet, agent) on.
    pub async fn agents_page(
        &self,
        fleet: Option<&str>,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<AgentRow>, StoreError> {
        // Summed as floats: an agent says what it likes, and a sum of integers that overflows is an error.
        let sql = "SELECT a.fleet, a.agent, a.state, a.state_since_us, a.quiet_since_us, a.first_seen_us, \
                   a.last_seen_us, a.version, a.model_version, a.birth, a.status, a.model_state, \
                   (SELECT CAST(COALESCE(SUM(CAST(p.acked - p.missing AS DOUBLE PRECISION)), 0) AS DOUBLE PRECISION) \
                    FROM progress p WHERE p.fleet = a.fleet AND p.agent = a.agent) AS stored, \
                   (SELECT CAST(COALESCE(SUM(CAST(p.missing AS DOUBLE PRECISION)), 0) AS DOUBLE PRECISION) \
                    FROM progress p WHERE p.fleet = a.fleet AND p.agent = a.agent) AS missing, \
                   (SELECT COALESCE(MAX(p.updated_us), 0) FROM progress p \
                    WHERE p.fleet = a.fleet AND p.agent = a.agent) AS delivered_us, a.contested_us \
                   FROM agents a WHERE (a.fleet, a.agent) > ($1, $2) AND (CAST($3 AS TEXT) IS NULL OR a.fleet = $3) \
                   ORDER BY a.fleet, a.agent LIMIT $4";
        let rows = self.pool.rows(sql, values![after.0, after.1, fleet, i64::from(limit)]).await?;
        rows.iter().map(agent).collect()
    }

    /// Fleets that have an agent and when one was last heard, the newest first, at most `limit`.
    pub async fn fleets_heard(&self, limit: usize) -> Result<Vec<(FleetName, i64)>, StoreError> {
        let sql = "SELECT fleet, MAX(last_seen_us) FROM agents GROUP BY fleet ORDER BY MAX(last_seen_us) DESC, fleet LIMIT $1";
        let rows = self.pool.rows(sql, values![i64::try_from(limit).unwrap_or(i64::MAX)]).await?;
        rows.iter().map(|row| Ok((row.parsed("agents", "fleet")?, row.int(1)?))).collect()
    }

    /// What an agent said since `since_us`, newest first.
    pub async fn history(&self, who: &AgentKey, since_us: i64, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = "SELECT at_us, kind, payload FROM agent_history WHERE fleet = $1 AND agent = $2 AND at_us >= $3 \
                   ORDER BY at_us DESC LIMIT $4";
        let (fleet, agent) = (who.fleet.as_str(), who.agent.as_str());
        let rows = self.pool.rows(sql, values![fleet, agent, since_us, i64::from(limit)]).await?;
        let read = |row: &SqlRow| {
            Ok(HistoryRow { at_us: row.int("at_us")?, kind: row.word("kind")?, payload: row.text("payload")? })
        };
        rows.iter().map(read).collect()
    }

    /// Newest progress of all lives of all agents of a fleet: what is acknowledged again after a reconnect.
    pub async fn progress(&self, who: &AgentKey, epoch: Epoch) -> Result<u64, StoreError> {
        let sql = "SELECT acked FROM progress WHERE fleet = $1 AND agent = $2 AND epoch = $3";
        let row = self.pool.row(sql, values![who.fleet.as_str(), who.agent.as_str(), rows::epoch(epoch)]).await?;
        row.map_or(Ok(0), |row| row.unsigned("progress", "acked"))
    }
}

pub(super) async fn note(
    tx: &mut Tx,
    who: &AgentKey,
    now_us: i64,
    kind: HistoryKind,
    payload: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO agent_history (fleet, agent, at_us, kind, payload) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (fleet, agent, at_us, kind) DO UPDATE SET payload = excluded.payload";
    tx.run(sql, values![who.fleet.as_str(), who.agent.as_str(), now_us, kind.as_str(), payload]).await?;
    Ok(())
}

fn agent(row: &SqlRow) -> Result<AgentRow, StoreError> {
    let state = row.word("state")?;
    let quiet_since_us = row.int_or("quiet_since_us")?.filter(|_| state != AgentState::Down);
    let (state, since_us) = match quiet_since_us {
        Some(since_us) => (AgentState::Quiet.into(), since_us),
        None => (state, row.int("state_since_us")?),
    };
    let (status, model_state) = (row.text_or("status")?, row.text_or("model_state")?);
    // Of a newer agent they may be something else.
    let reported = status.as_deref().and_then(|text| serde_json::from_str::<ReportedStatus>(text).ok());
    let models = model_state.as_deref().and_then(|text| ModelState::from_json(text.as_bytes()).ok());
    Ok(AgentRow {
        who: row.who("agents")?,
        state,
        since_us,
        first_seen_us: row.int("first_seen_us")?,
        last_seen_us: row.int("last_seen_us")?.max(row.int("delivered_us")?),
        version: row.text_or("version")?,
        model: row.int_or("model_version")?,
        birth: row.text_or("birth")?,
        figures: reported.and_then(|status| status.figures).unwrap_or_default(),
        refused: models.and_then(|models| models.refused),
        status,
        model_state,
        // A cast ends at the largest number.
        stored: row.float("stored")? as i64,
        missing: row.float("missing")? as i64,
        contested_us: row.int_or("contested_us")?,
    })
}
