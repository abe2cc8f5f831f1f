//! What is too old or too much goes, in bites so small that ingest never waits long. Progress of an agent's newest lives
//! is never touched: what was deleted here must not come again.

use super::{Store, StoreError, sql::Pool, values};

/// Rows of one bite: a few milliseconds on an SD card.
const BITE: i64 = 500;
/// Lives of an agent whose progress is kept, those that moved last. A life ends when its state file is lost or set back,
/// and then never comes again; its row is for what was still on its way. More of them come from an agent gone mad.
const LIVES_MAX: i64 = 16;
/// Agents whose lives are looked through at once.
const AGENTS_BITE: i64 = 16;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Rows that came before this go, microseconds.
    pub since_us: i64,
    /// Bytes of what can go, see [`Store::bytes_used`]; beyond it the oldest rows go.
    pub bytes_max: Option<u64>,
}

/// What one bite took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows of `events`.
    pub events: u64,
    /// Rows of `episodes`; those with a verdict stay.
    pub episodes: u64,
    /// Rows of `agent_history`, `dead_letters` and `progress`.
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
        let lives = self.end_lives().await?;
        let aged = self.bite(keep.since_us).await?;
        let aged = Trimmed { others: aged.others + lives, more: aged.more || lives > 0, ..aged };
        if aged.more {
            return Ok(aged);
        }
        let Some(bytes_max) = keep.bytes_max else { return Ok(aged) };
        // Taking rows for what cannot go would take them all.
        if self.bytes_used().await?.saturating_sub(self.bytes_fixed().await?) <= bytes_max {
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

    async fn end_lives(&self) -> Result<u64, StoreError> {
        let sql = "SELECT fleet, agent FROM progress GROUP BY fleet, agent HAVING COUNT(*) > $1 \
                   ORDER BY fleet, agent LIMIT $2";
        let agents = self.pool.rows(sql, values![LIVES_MAX, AGENTS_BITE]).await?;
        if agents.is_empty() {
            return Ok(0);
        }
        let mut tx = self.pool.begin().await?;
        let mut ended = 0;
        for row in agents {
            // One that moves meanwhile has another time, and stays.
            let sql = "DELETE FROM progress WHERE (fleet, agent, epoch, updated_us) IN (SELECT fleet, agent, epoch, \
                       updated_us FROM progress WHERE fleet = $1 AND agent = $2 \
                       ORDER BY updated_us DESC, epoch LIMIT $3 OFFSET $4)";
            ended += tx.run(sql, values![row.text(0)?, row.text(1)?, BITE, LIVES_MAX]).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Bytes of `bytes_used` that no bite takes, estimated: models, progress, roll-outs, what agents said last.
    async fn bytes_fixed(&self) -> Result<u64, StoreError> {
        let sql = match &self.pool {
            // 200: a row of short columns and its index entries. Of `rollout_agents` nothing is ever deleted, so that its
            // last row says how many there are.
            Pool::Sqlite { .. } => {
                "SELECT (SELECT COALESCE(SUM(octet_length(bytes) + COALESCE(octet_length(report), 0)), 0) FROM models) \
                 + (SELECT COALESCE(SUM(200 + COALESCE(octet_length(birth), 0) + COALESCE(octet_length(status), 0) \
                 + COALESCE(octet_length(model_state), 0)), 0) FROM agents) \
                 + 200 * (SELECT COUNT(*) FROM progress) + 200 * (SELECT COALESCE(MAX(rowid), 0) FROM rollout_agents)"
            }
            Pool::Postgres(_) => {
                "SELECT CAST(COALESCE(SUM(t.n_live_tup * (100 + (SELECT COALESCE(SUM(s.avg_width), 0) FROM pg_stats s \
                 WHERE s.schemaname = t.schemaname AND s.tablename = t.relname))), 0) AS BIGINT) \
                 FROM pg_stat_user_tables t WHERE t.schemaname = current_schema() \
                 AND t.relname NOT IN ('events', 'episodes', 'agent_history', 'dead_letters')"
            }
        };
        self.bytes(sql).await
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
        self.bytes(sql).await
    }

    async fn bytes(&self, sql: &'static str) -> Result<u64, StoreError> {
        let row = self.pool.row(sql, Vec::new()).await?;
        let bytes = row.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }
}
