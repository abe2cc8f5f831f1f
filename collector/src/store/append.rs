//! Entries into rows, at most once: batch, episodes and progress in one transaction. Which part of a batch is new is
//! decided by [`part`], which is pure.
//!
//! ```text
//!            acked
//!   ...------|                     progress
//!      [----]                      Repeated: nothing to do
//!        [------]                  Part from acked + 1 on
//!             [------]             all of it
//!                   [-----]        Gap: not stored, not acknowledged; the agent sends again from acked + 1
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use oddline_core::{event::SpoolEntry, id::Epoch};

use super::{
    AgentKey, Store, StoreError,
    agents::{self, AgentMet},
    bulk::Insert,
    rows::{self, EPISODE_COLUMNS, EVENT_COLUMNS, EpisodeRow, RowOwner},
    sql::{SqlValue, Tx},
    values,
};

/// Agents and epochs whose progress is remembered: more than one broker's agents. Beyond it all are forgotten and read
/// again.
const REMEMBERED_MAX: usize = 65_536;
/// Attempts when another collector wrote in between: it can do so once, then the lease says whose fleet it is.
const ATTEMPTS_MAX: u32 = 3;

static EVENTS: LazyLock<Insert> = LazyLock::new(|| Insert::new("events", EVENT_COLUMNS, "ON CONFLICT DO NOTHING"));
static EPISODES: LazyLock<Insert> = LazyLock::new(|| {
    let kept = ["id", "fleet", "agent", "epoch", "number", "received_us"];
    let columns: Vec<&str> = EPISODE_COLUMNS.iter().map(|(name, _)| *name).collect();
    let set = columns.iter().filter(|column| !kept.contains(column));
    let set: Vec<String> = set.map(|column| format!("{column} = excluded.{column}")).collect();
    let tail = format!("ON CONFLICT (id) DO UPDATE SET {} WHERE excluded.sequence > episodes.sequence", set.join(", "));
    Insert::new("episodes", &columns, &tail)
});
static PROGRESS: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["fleet", "agent", "epoch", "acked", "previous", "missing", "updated_us"];
    // The row is only moved from where it was read: two collectors can never both do it.
    let tail = "ON CONFLICT (fleet, agent, epoch) DO UPDATE SET acked = excluded.acked, previous = excluded.previous, \
                updated_us = excluded.updated_us WHERE progress.acked = excluded.previous";
    Insert::new("progress", &columns, tail)
});
static DEAD_LETTERS: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["fleet", "agent", "epoch", "first_sequence", "last_sequence", "received_us", "reason", "payload"];
    Insert::new("dead_letters", &columns, "ON CONFLICT DO NOTHING")
});

/// Entries of one agent that came together.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedBatch {
    pub who: AgentKey,
    /// The life of its state file.
    pub epoch: Epoch,
    /// Sequence of the first entry, from 1 on.
    pub first: u64,
    pub body: BatchBody,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BatchBody {
    /// Entries, one at least.
    Entries(Vec<SpoolEntry>),
    /// Bytes that nothing could be made of, kept for a later program.
    Unreadable {
        /// Entries that its header says.
        count: u64,
        /// The message as it came.
        payload: Vec<u8>,
        /// What is wrong with it.
        reason: String,
    },
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// So many entries were new.
    Stored(u64),
    /// Kept as a dead letter for so many sequences.
    DeadLetter(u64),
    /// All of it was there.
    Repeated,
    /// Entries before it are missing; nothing was done.
    Gap,
    /// Its agent is not known and there are too many; nothing was done.
    NoRoom,
}

/// What became of a batch, and how far its agent's entries are stored now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedBatch {
    pub outcome: AppendOutcome,
    pub acked: u64,
}

/// What one transaction has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommittedProgress {
    /// What became of each batch, in their order.
    pub batches: Vec<AppendedBatch>,
    /// Ids of the anomalies that are new or changed, by id.
    pub anomalies: Vec<Arc<str>>,
}

/// How much of a batch is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpisodePart {
    Repeated,
    /// Everything from this sequence on.
    From(u64),
    /// Something before it is missing.
    Gap,
}

/// How much of `first..=last` is new when everything up to `acked` is stored.
#[must_use]
pub fn part(acked: u64, first: u64, last: u64) -> EpisodePart {
    if last <= acked {
        EpisodePart::Repeated
    } else if first > acked.saturating_add(1) {
        EpisodePart::Gap
    } else {
        EpisodePart::From(acked + 1)
    }
}

impl ReceivedBatch {
    /// Sequence of its last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        let count = match &self.body {
            BatchBody::Entries(entries) => entries.len() as u64,
            BatchBody::Unreadable { count, .. } => *count,
        };
        self.first.saturating_add(count).saturating_sub(1)
    }
}

type AppendKey = (AgentKey, Epoch);

/// Progress that this process has read or written itself.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownProgress(Arc<Mutex<HashMap<AppendKey, u64>>>);

impl KnownProgress {
    fn get(&self, key: &AppendKey) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn extend(&self, news: impl IntoIterator<Item = (AppendKey, u64)>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= REMEMBERED_MAX {
            map.clear();
        }
        map.extend(news);
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What one transaction will write.
#[derive(Default)]
struct AppendPlan {
    acked: BTreeMap<AppendKey, (u64, u64)>,
    events: Vec<Vec<SqlValue>>,
    episodes: BTreeMap<Arc<str>, EpisodeRow>,
    letters: Vec<Vec<SqlValue>>,
    done: Vec<AppendedBatch>,
}

impl Store {
    /// Stores batches in one transaction. On an error nothing is stored.
    ///
    /// # Errors
    /// When the database fails, or another collector stores for the same agents.
    pub async fn append(&self, batches: &[ReceivedBatch], now_us: i64) -> Result<CommittedProgress, StoreError> {
        let mut attempt = 1;
        loop {
            match self.try_append(batches, now_us).await {
                Err(StoreError::Conflict) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => {
                    self.remembered.forget();
                    return Err(error);
                }
                Ok(done) => return Ok(done),
            }
            self.remembered.forget();
        }
    }

    async fn try_append(&self, batches: &[ReceivedBatch], now_us: i64) -> Result<CommittedProgress, StoreError> {
        let mut tx = self.pool.begin().await?;
        let mut plan = AppendPlan::default();
        for batch in batches {
            let key = (batch.who.clone(), batch.epoch);
            let Some(acked) = self.known(&mut tx, &plan, batch, &key, now_us).await? else {
                plan.done.push(AppendedBatch { outcome: AppendOutcome::NoRoom, acked: 0 });
                continue;
            };
            plan.acked.insert(key.clone(), acked);
            plan.add(batch, &key, now_us);
        }
        let AppendPlan { acked, events, episodes, letters, done } = plan;
        EVENTS.run(&mut tx, events).await?;
        let anomalies: Vec<Arc<str>> = episodes.keys().cloned().collect();
        EPISODES.run(&mut tx, episodes.into_values().map(|row| row.bind()).collect()).await?;
        DEAD_LETTERS.run(&mut tx, letters).await?;
        let moved = acked.iter().filter(|(_, (before, after))| before != after);
        let moved: Vec<Vec<SqlValue>> = moved
            .map(|((who, epoch), (before, after))| {
                values![
                    who.fleet.as_str(),
                    who.agent.as_str(),
                    rows::epoch(*epoch),
                    number(*after),
                    number(*before),
                    0_i64,
                    now_us
                ]
            })
            .collect();
        let rows = moved.len() as u64;
        if PROGRESS.run(&mut tx, moved).await? != rows {
            return Err(StoreError::Conflict);
        }
        tx.commit().await?;
        self.remembered.extend(acked.into_iter().map(|(key, (_, after))| (key, after)));
        Ok(CommittedProgress { batches: done, anomalies })
    }

    /// Where an agent's progress was and will be. What is remembered is not believed when it says that something is
    /// missing: another collector may have stored it. Where it says too little otherwise, the row does not move from there
    /// and all is tried again.
    async fn known(
        &self,
        tx: &mut Tx,
        plan: &AppendPlan,
        batch: &ReceivedBatch,
        key: &AppendKey,
        now_us: i64,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let planned = plan.acked.get(key).copied();
        let known = planned.or_else(|| self.remembered.get(key).map(|acked| (acked, acked)));
        if let Some((before, after)) = known {
            let is_gap = part(after, batch.first, batch.last()) == EpisodePart::Gap;
            if before != after || !is_gap {
                return Ok(Some((before, after)));
            }
        }
        Ok(self.first_sight(tx, key, now_us).await?.map(|acked| (acked, acked)))
    }

    /// Reads an agent's progress; makes its row in `agents` when it has none, unless there is no room for it.
    async fn first_sight(&self, tx: &mut Tx, (who, epoch): &AppendKey, now_us: i64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT acked FROM progress WHERE fleet = $1 AND agent = $2 AND epoch = $3";
        let row = tx.row(sql, values![who.fleet.as_str(), who.agent.as_str(), rows::epoch(*epoch)]).await?;
        if let Some(row) = row {
            return row.unsigned("progress", "acked").map(Some);
        }
        Ok((agents::meet(tx, who, now_us).await? != AgentMet::NoRoom).then_some(0))
    }
}

impl AppendPlan {
    fn add(&mut self, batch: &ReceivedBatch, key: &AppendKey, now_us: i64) {
        let (_, acked) = self.acked.get_mut(key).expect("it was just put there");
        let (first, last) = (batch.first, batch.last());
        let from = match part(*acked, first, last) {
            EpisodePart::Repeated => {
                return self.done.push(AppendedBatch { outcome: AppendOutcome::Repeated, acked: *acked });
            }
            EpisodePart::Gap => return self.done.push(AppendedBatch { outcome: AppendOutcome::Gap, acked: *acked }),
            EpisodePart::From(from) => from,
        };
        *acked = last;
        let acked = last;
        let owner = RowOwner::new(&batch.who, batch.epoch, now_us);
        let outcome = match &batch.body {
            BatchBody::Entries(entries) => {
                let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
                self.add_entries(&owner, from, entries.get(skip..).unwrap_or_default());
                AppendOutcome::Stored(last - from + 1)
            }
            BatchBody::Unreadable { payload, reason, .. } => {
                self.letters.push(values![
                    &owner.fleet,
                    &owner.agent,
                    rows::epoch(owner.epoch),
                    number(from),
                    number(last),
                    now_us,
                    &rows::clean(reason),
                    payload.clone()
                ]);
                AppendOutcome::DeadLetter(last - from + 1)
            }
        };
        self.done.push(AppendedBatch { outcome, acked });
    }

    fn add_entries(&mut self, owner: &RowOwner, from: u64, entries: &[SpoolEntry]) {
        // In this order no number behind the last is made: it may be the largest.
        for (entry, sequence) in entries.iter().zip(number(from)..) {
            self.events.push(rows::event(owner, sequence, entry));
            let Some(row) = rows::episode(owner, sequence, &entry.event) else { continue };
            // One statement may name a row only once; the last word counts.
            let known = self.episodes.get(&row.id).is_some_and(|known| known.sequence > row.sequence);
            if !known {
                self.episodes.insert(Arc::clone(&row.id), row);
            }
        }
    }
}

/// Inserts entries that were kept aside, without touching progress: it was moved past them when they came.
pub(super) async fn insert_late(
    tx: &mut Tx,
    owner: &RowOwner,
    from: u64,
    entries: &[SpoolEntry],
) -> Result<(), StoreError> {
    let mut plan = AppendPlan::default();
    plan.add_entries(owner, from, entries);
    EVENTS.run(tx, plan.events).await?;
    EPISODES.run(tx, plan.episodes.into_values().map(|row| row.bind()).collect()).await?;
    Ok(())
}

/// A sequence as a column holds it; see [`SEQUENCE_MAX`].
pub(super) fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("checked where batches come in")
}

/// The largest sequence that a column holds; a batch beyond it is refused where it comes in.
pub const SEQUENCE_MAX: u64 = i64::MAX.unsigned_abs() - 1;
