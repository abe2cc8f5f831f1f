//! Everything that is kept, and the only place with SQL. SQLite by default, PostgreSQL by URL; one set of tables
//! (docs/store.md draws them), one set of tests.
//!
//! ```text
//!  append   batches + episodes + progress, one transaction        ingest
//!  hear     birth, status, model state; history where it changed  ingest
//!  anomalies, agents, rollouts, dead letters, ...                 questions: a time bound and a page each
//!  push, verdict, retry                                           people
//!  trim     what is too old or too much, in small bites
//! ```
//!
//! Not here: what a message means (`ingest`), when anything happens (`run`), how an answer is printed (`show`).

mod agents;
mod anomalies;
mod append;
mod backup;
mod bulk;
mod counts;
mod dead_letters;
mod error;
mod events;
mod forget;
mod id;
mod lease;
mod models;
mod open;
mod reports;
mod retention;
mod rollouts;
mod rows;
mod sql;
mod states;
mod verdicts;

use std::fmt;

use oddline_core::id::{AgentName, FleetName};

pub use self::{
    agents::{
        AgentBirth, AgentReport, AgentRow, HistoryRow, ReportBody, ReportedFigures, ReportedStatus, StoredReport,
    },
    anomalies::{AnomalyFilter, AnomalyRow, Page, StreamFilter},
    append::{
        AppendOutcome, AppendedBatch, BatchBody, CommittedProgress, EpisodePart, ReceivedBatch, SEQUENCE_MAX, part,
    },
    backup::BackupError,
    counts::{AnomalyStep, GroupBy, GroupCount, GroupKey, StoreChange},
    dead_letters::{DeadLetter, RetriedLetters},
    error::StoreError,
    events::StoredEvent,
    id::{ID_CHARS, ID_PREFIX_MIN, ID_SHOWN, is_prefix},
    lease::{Lease, Leases},
    models::{ModelFile, StoredModel},
    open::{DatabaseAddress, OpenMode},
    retention::{RetentionPolicy, RetentionResult},
    rollouts::{
        DesiredRow, ROLLOUT_AGENTS_MAX, RolloutCounts, RolloutProgress, RolloutRow, RolloutTarget, TargetError,
    },
    states::{
        AgentState, AnomalyKind, AnomalyState, HistoryKind, OrNewer, RolloutAgentState, RolloutState, StoredWord,
    },
    verdicts::{PersonVerdict, VerdictRow},
};
use self::{append::KnownProgress, sql::Pool};
use sql::values;

/// An agent of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct AgentKey {
    pub fleet: FleetName,
    pub agent: AgentName,
}

impl fmt::Display for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.fleet, self.agent)
    }
}

/// An open database; clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    remembered: KnownProgress,
}

impl Store {
    /// Opens a database; see [`OpenMode`] for what is made or changed.
    ///
    /// # Errors
    /// When it is not there, not allowed, does not answer, or has another schema than this program's.
    pub async fn open(address: &DatabaseAddress, mode: OpenMode) -> Result<Self, StoreError> {
        Ok(Self { pool: open::open(address, mode).await?, remembered: KnownProgress::default() })
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(self) {
        self.pool.close().await;
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.row("SELECT COUNT(*) FROM changes", Vec::new()).await.map(|_| ())
    }

    /// Whether the database takes a row: one of its own is written anew.
    pub async fn try_write(&self, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let sql = "INSERT INTO meta (name, value) VALUES ('written_us', $1) ON CONFLICT (name) DO UPDATE SET \
                   value = excluded.value";
        tx.run(sql, values![now_us.to_string()]).await?;
        tx.commit().await
    }

    /// Grows with every change that a running collector must take up: a push, a roll-out.
    pub async fn changes(&self) -> Result<i64, StoreError> {
        let row = self.pool.row("SELECT counter FROM changes WHERE name = 'rollouts'", Vec::new()).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }
}
