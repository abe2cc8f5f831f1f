//! Batches that could not be read when they came, and what a later program makes of them.

use oddline_core::{event::SpoolEntry, id::Epoch};
use serde::Serialize;

use super::{
    AgentKey, Store, StoreError,
    append::{insert_late, number},
    rows::{self, RowOwner},
    sql::{SqlRow, SqlValue, Tx},
    values,
};

const TABLE: &str = "dead_letters";

/// A batch that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    #[serde(flatten)]
    pub who: AgentKey,
    /// The life of its state file.
    pub epoch: Epoch,
    /// First sequence that is missing because of it.
    pub first: u64,
    pub last: u64,
    /// When it came, microseconds.
    pub received_us: i64,
    /// When it was tried again.
    pub retried_us: Option<i64>,
    /// What is wrong with it.
    pub reason: String,
    /// Its bytes.
    pub bytes: u64,
}

/// What became of a retry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RetriedLetters {
    /// Letters that could be read.
    pub letters: u64,
    pub entries: u64,
    pub left: u64,
}

const COLUMNS_SQL: &str = "SELECT fleet, agent, epoch, first_sequence, last_sequence, received_us, retried_us, reason, \
                           CAST(length(payload) AS BIGINT) AS bytes FROM dead_letters WHERE received_us >= $1 ORDER BY received_us DESC, \
                           fleet, agent, first_sequence LIMIT $2";

impl Store {
    /// Dead letters that came since then, newest first.
    pub async fn dead_letters(&self, since_us: i64, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = self.pool.rows(COLUMNS_SQL, values![since_us, i64::from(limit)]).await?;
        rows.iter().map(letter).collect()
    }

    /// Tries all of them again, each in a transaction of its own; `decode` gives the first sequence and the entries.
    ///
    /// # Errors
    /// When the database fails; letters before that are done.
    pub async fn retry(
        &self,
        decode: impl Fn(&[u8]) -> Result<(u64, Vec<SpoolEntry>), String>,
        now_us: i64,
    ) -> Result<RetriedLetters, StoreError> {
        let mut done = RetriedLetters::default();
        let sql = "SELECT fleet, agent, epoch, first_sequence, last_sequence, received_us, payload FROM dead_letters \
                   WHERE received_us <= $1 AND (retried_us IS NULL OR retried_us < $1) \
                   ORDER BY received_us LIMIT 1";
        // One at a time: a payload may have 256 KiB. Each is marked or gone, so this ends.
        loop {
            let mut tx = self.pool.begin().await?;
            let Some(row) = tx.row(sql, values![now_us]).await? else { return Ok(done) };
            let (who, epoch) = (row.who(TABLE)?, row.epoch(TABLE)?);
            let (first, last) = (row.unsigned(TABLE, "first_sequence")?, row.unsigned(TABLE, "last_sequence")?);
            let key = values![who.fleet.as_str(), who.agent.as_str(), rows::epoch(epoch), number(first)];
            let owner = RowOwner::new(&who, epoch, row.int("received_us")?);
            let stored = match part_of(&decode, &row.bytes("payload")?, first, last) {
                Ok(entries) => store(tx, &owner, first, &entries, key.clone()).await?,
                Err(reason) => {
                    // Nothing is written yet; the mark has a transaction of its own.
                    drop(tx);
                    Err(reason)
                }
            };
            match stored {
                Ok(entries) => {
                    done.letters += 1;
                    done.entries += entries;
                }
                Err(reason) => {
                    self.leave(key, &reason, now_us).await?;
                    done.left += 1;
                }
            }
        }
    }

    /// Marks a letter as tried; it is not the next one any more.
    async fn leave(&self, key: Vec<SqlValue>, reason: &str, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let sql = "UPDATE dead_letters SET retried_us = $5, reason = $6 \
                   WHERE fleet = $1 AND agent = $2 AND epoch = $3 AND first_sequence = $4";
        let mut values = key;
        values.extend(values![now_us, &rows::clean(reason)]);
        tx.run(sql, values).await?;
        tx.commit().await
    }
}

/// Puts a letter's entries where they belong; how many, or why the database takes none of them.
async fn store(
    mut tx: Tx,
    owner: &RowOwner,
    first: u64,
    entries: &[SpoolEntry],
    key: Vec<SqlValue>,
) -> Result<Result<u64, String>, StoreError> {
    match insert_late(&mut tx, owner, first, entries).await {
        // PostgreSQL takes nothing more in this transaction.
        Err(StoreError::Refused(reason)) => return Ok(Err(format!("the database refused it: {reason}"))),
        done => done?,
    }
    let sql = "DELETE FROM dead_letters WHERE fleet = $1 AND agent = $2 AND epoch = $3 AND first_sequence = $4";
    tx.run(sql, key).await?;
    tx.commit().await?;
    Ok(Ok(entries.len() as u64))
}

/// The entries of a payload that have the sequences `first..=last`.
fn part_of(
    decode: &impl Fn(&[u8]) -> Result<(u64, Vec<SpoolEntry>), String>,
    payload: &[u8],
    first: u64,
    last: u64,
) -> Result<Vec<SpoolEntry>, String> {
    let (begins, entries) = decode(payload)?;
    let skip = usize::try_from(first.saturating_sub(begins)).unwrap_or(usize::MAX);
    let wanted = usize::try_from(last + 1 - first).unwrap_or(usize::MAX);
    let part: Vec<SpoolEntry> = entries.into_iter().skip(skip).take(wanted).collect();
    if part.len() == wanted { Ok(part) } else { Err(format!("it holds {} of {wanted} entries", part.len())) }
}

fn letter(row: &SqlRow) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        who: row.who(TABLE)?,
        epoch: row.epoch(TABLE)?,
        first: row.unsigned(TABLE, "first_sequence")?,
        last: row.unsigned(TABLE, "last_sequence")?,
        received_us: row.int("received_us")?,
        retried_us: row.int_or("retried_us")?,
        reason: row.text("reason")?,
        bytes: row.unsigned(TABLE, "bytes")?,
    })
}
