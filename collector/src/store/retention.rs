//! What is too old or too much goes, in bites so small that ingest never waits long. Progress is never touched: what was
//! deleted here must not come again.

use super::{Store, StoreError, sql::Pool, values};

/// Rows of one bite: a few milliseconds on an SD card.
const BITE: i64 = 500;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Rows that came before this go, microseconds.
    pub since_us: i64,
    /// The database's pages in use, bytes; beyond it the oldest rows go.
    pub bytes_max: Option<u64>,
}

/// What one bite took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows of `events`.
    pub events: u64,
    /// Rows of `episodes`; those with a verdict stay.
    pub episodes: u64,
    /// Rows of `agent_history` and `dead_letters`.
    pub others: u64,
    /// Whether another bite would find something.
    pub more: bool,
}

impl Store {
    /// Takes one bite.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn trim(&self, keep: Keep) -> Result<Trimmed, StoreError> {
        let aged = self.bite(keep.since_us).await?;
        if aged.more {
            return Ok(aged);
        }
        let Some(bytes_max) = keep.bytes_max else { return Ok(aged) };
        if self.bytes_used().await? <= bytes_max {
            return Ok(aged);
        }
        // Everything is older than the end of time: the oldest of each table go.
        let over = self.bite(i64::MAX).await?;
        let taken = over.events + over.episodes + over.others;
        Ok(Trimmed {
            events: aged.events + over.events,
            episodes: aged.episodes + over.episodes,
            others: aged.others + over.others,
            more: taken > 0,
        })
    }

    async fn bite(&self, before_us: i64) -> Result<Trimmed, StoreError> {
        let mut tx = self.pool.begin().await?;
        let sql = "DELETE FROM events WHERE (fleet, agent, epoch, sequence) IN (SELECT fleet, agent, epoch, sequence \
                   FROM events WHERE received_us < $1 ORDER BY received_us LIMIT $2)";
        let events = tx.run(sql, values![before_us, BITE]).await?;
        let sql = "DELETE FROM episodes WHERE id IN (SELECT id FROM episodes WHERE updated_us < $1 AND verdict IS NULL \
                   ORDER BY updated_us LIMIT $2)";
        let episodes = tx.run(sql, values![before_us, BITE]).await?;
        let sql = "DELETE FROM agent_history WHERE (fleet, agent, at_us, kind) IN (SELECT fleet, agent, at_us, kind \
                   FROM agent_history WHERE at_us < $1 ORDER BY at_us LIMIT $2)";
        let history = tx.run(sql, values![before_us, BITE]).await?;
        let sql = "DELETE FROM dead_letters WHERE (fleet, agent, epoch, first_sequence) IN (SELECT fleet, agent, epoch, \
                   first_sequence FROM dead_letters WHERE received_us < $1 ORDER BY received_us LIMIT $2)";
        let letters = tx.run(sql, values![before_us, BITE]).await?;
        tx.commit().await?;
        let full = [events, episodes, history, letters].iter().any(|rows| *rows == BITE.unsigned_abs());
        Ok(Trimmed { events, episodes, others: history + letters, more: full })
    }

    /// Bytes that rows and indexes take. SQLite counts its pages in use (a file does not shrink, its free pages are
    /// used again); PostgreSQL estimates from its statistics, as dead rows stay in its files until they are vacuumed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bytes_used(&self) -> Result<u64, StoreError> {
        let sql = match &self.pool {
            Pool::Sqlite { .. } => {
                "SELECT (p.page_count - f.freelist_count) * s.page_size FROM pragma_page_count() p, \
                 pragma_freelist_count() f, pragma_page_size() s"
            }
            // 100: the heads of a row and its index entries.
            Pool::Postgres(_) => {
                "SELECT CAST(COALESCE(SUM(t.n_live_tup * (100 + (SELECT COALESCE(SUM(s.avg_width), 0) FROM pg_stats s \
                 WHERE s.schemaname = t.schemaname AND s.tablename = t.relname))), 0) AS BIGINT) \
                 FROM pg_stat_user_tables t WHERE t.schemaname = current_schema()"
            }
        };
        let row = self.pool.row(sql, Vec::new()).await?;
        let bytes = row.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }
}
