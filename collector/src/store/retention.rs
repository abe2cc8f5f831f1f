//! What is too old or too much goes, in bites so small that ingest never waits long. Progress of an agent's newest lives
//! is never touched: what was deleted here must not come again.
//!
//! Each kind of row has its own share of the size, and lets go of its own oldest: who fills one kind, and everybody on the
//! network can fill some, takes nothing from another.
//!
//! ```text
//!  size      3/4  events and anomalies               the oldest
//!            1/8  anomalies with a verdict, verdicts  the oldest verdicts; an anomaly without one is like any other
//!            1/16 dead letters                        the oldest of the agent that has most
//!            1/16 history of agents                   the same
//!  numbers   agents, progress                         see `forget`
//! ```

use super::{
    Store, StoreError,
    forget::forget_agents,
    sql::{Pool, Tx},
    values,
};

/// Rows of one bite: a few milliseconds on an SD card.
pub(super) const BITE: i64 = 500;
/// Lives of an agent whose progress is kept, those that moved last. A life ends when its state file is lost or set back,
/// and then never comes again; its row is for what was still on its way. More of them come from an agent gone mad.
const LIVES_MAX: i64 = 16;
/// Agents whose lives are looked through at once.
const AGENTS_BITE: i64 = 16;
/// Shares where no size is set: nobody looks through more dead letters or history than that.
const UNSET: SizeShares = SizeShares { rest: u64::MAX, verdicts: 256 << 20, letters: 64 << 20, history: 64 << 20 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Rows that came before this go, microseconds.
    pub since_us: i64,
    /// Bytes of what can go, see [`RetainStore::bytes_used`]; beyond a kind's share of it the oldest rows of the kind go.
    pub bytes_max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionResult {
    /// Rows of `events`.
    pub events: u64,
    /// Rows of `episodes`; those with a verdict stay as long as verdicts have room.
    pub episodes: u64,
    /// Rows of `verdicts`.
    pub verdicts: u64,
    /// Rows of `agents` that were forgotten.
    pub agents: u64,
    /// Rows of `agent_history`, `dead_letters` and `progress`.
    pub others: u64,
    /// Whether another bite would find something.
    pub more: bool,
}

/// Bytes of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SizeShares {
    /// Events and anomalies without a verdict.
    rest: u64,
    verdicts: u64,
    letters: u64,
    history: u64,
}

impl SizeShares {
    fn of(keep: RetentionPolicy) -> Self {
        keep.bytes_max.map_or(UNSET, |bytes| Self {
            rest: bytes / 4 * 3,
            verdicts: (bytes / 8).min(UNSET.verdicts),
            letters: (bytes / 16).min(UNSET.letters),
            history: (bytes / 16).min(UNSET.history),
        })
    }
}

impl std::ops::AddAssign for RetentionResult {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.episodes += other.episodes;
        self.verdicts += other.verdicts;
        self.agents += other.agents;
        self.others += other.others;
        self.more |= other.more;
    }
}

impl Store {
    /// Takes one bite of everything that is too old or too much.
    pub async fn trim(&self, keep: RetentionPolicy) -> Result<RetentionResult, StoreError> {
        let shares = SizeShares::of(keep);
        let lives = self.end_lives().await?;
        let mut taken = RetentionResult { others: lives, more: lives > 0, ..RetentionResult::default() };
        taken += self.bite(keep.since_us).await?;
        taken += forget_agents(&self.pool, keep.since_us).await?;
        if taken.more {
            // What is aged goes first: what is left is counted after it.
            return Ok(taken);
        }
        let used = self.shares_used().await?;
        if used.verdicts > shares.verdicts {
            taken += self.bite_verdicts(used.verdicts, used.verdicts - shares.verdicts).await?;
        }
        if used.letters > shares.letters {
            taken += self.bite_letters(used.letters - shares.letters).await?;
        }
        if used.history > shares.history {
            taken += self.bite_history(used.history - shares.history).await?;
        }
        if taken.more || keep.bytes_max.is_none() || self.rest_used(used).await? <= shares.rest {
            return Ok(taken);
        }
        // Everything is older than the end of time: the oldest go.
        let mut tx = self.pool.begin().await?;
        let (events, episodes) = bite_rest(&mut tx, i64::MAX).await?;
        tx.commit().await?;
        taken += RetentionResult { events, episodes, more: events + episodes > 0, ..RetentionResult::default() };
        Ok(taken)
    }

    async fn bite(&self, before_us: i64) -> Result<RetentionResult, StoreError> {
        let mut tx = self.pool.begin().await?;
        let (events, episodes) = bite_rest(&mut tx, before_us).await?;
        let sql = "DELETE FROM agent_history WHERE (fleet, agent, at_us, kind) IN (SELECT fleet, agent, at_us, kind \
                   FROM agent_history WHERE at_us < $1 ORDER BY at_us LIMIT $2)";
        let history = tx.run(sql, values![before_us, BITE]).await?;
        let sql = "DELETE FROM dead_letters WHERE (fleet, agent, epoch, first_sequence) IN (SELECT fleet, agent, epoch, \
                   first_sequence FROM dead_letters WHERE received_us < $1 ORDER BY received_us LIMIT $2)";
        let letters = tx.run(sql, values![before_us, BITE]).await?;
        tx.commit().await?;
        let more = [events, episodes, history, letters].iter().any(|rows| *rows == BITE.unsigned_abs());
        Ok(RetentionResult { events, episodes, others: history + letters, more, ..RetentionResult::default() })
    }

    /// The oldest verdicts go; an anomaly that none is left of is kept no longer than others.
    async fn bite_verdicts(&self, bytes: u64, surplus: u64) -> Result<RetentionResult, StoreError> {
        let mut tx = self.pool.begin().await?;
        let count = tx.row("SELECT COUNT(*) FROM verdicts", Vec::new()).await?.map_or(Ok(0), |row| row.int(0))?;
        let oldest = "SELECT episode, at_us FROM verdicts ORDER BY at_us LIMIT $1";
        let rows = tx.rows(oldest, values![part(count, bytes, surplus)]).await?;
        for row in &rows {
            let (episode, at_us) = (row.text(0)?, row.int(1)?);
            tx.run("DELETE FROM verdicts WHERE episode = $1 AND at_us = $2", values![episode.as_str(), at_us]).await?;
            let sql = "UPDATE episodes SET verdict = NULL WHERE id = $1 \
                       AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.episode = $1)";
            tx.run(sql, values![episode]).await?;
        }
        tx.commit().await?;
        Ok(RetentionResult { verdicts: rows.len() as u64, more: !rows.is_empty(), ..RetentionResult::default() })
    }

    /// The oldest dead letters of the agent that has most of them.
    async fn bite_letters(&self, surplus: u64) -> Result<RetentionResult, StoreError> {
        let mut tx = self.pool.begin().await?;
        let most = "SELECT fleet, agent, COUNT(*), CAST(SUM(octet_length(payload)) AS BIGINT) FROM dead_letters \
                    GROUP BY fleet, agent ORDER BY SUM(octet_length(payload)) DESC LIMIT 1";
        let Some(row) = tx.row(most, Vec::new()).await? else { return Ok(RetentionResult::default()) };
        let sql = "DELETE FROM dead_letters WHERE (fleet, agent, epoch, first_sequence) IN (SELECT fleet, agent, epoch, \
                   first_sequence FROM dead_letters WHERE fleet = $1 AND agent = $2 ORDER BY received_us LIMIT $3)";
        let rows = part(row.int(2)?, row.int(3)?.unsigned_abs(), surplus);
        let others = tx.run(sql, values![row.text(0)?, row.text(1)?, rows]).await?;
        tx.commit().await?;
        Ok(RetentionResult { others, more: others > 0, ..RetentionResult::default() })
    }

    /// The oldest history of the agent that has most of it.
    async fn bite_history(&self, surplus: u64) -> Result<RetentionResult, StoreError> {
        let mut tx = self.pool.begin().await?;
        let most = "SELECT fleet, agent, COUNT(*), CAST(SUM(octet_length(payload)) AS BIGINT) FROM agent_history \
                    GROUP BY fleet, agent ORDER BY SUM(octet_length(payload)) DESC LIMIT 1";
        let Some(row) = tx.row(most, Vec::new()).await? else { return Ok(RetentionResult::default()) };
        let sql = "DELETE FROM agent_history WHERE (fleet, agent, at_us, kind) IN (SELECT fleet, agent, at_us, kind \
                   FROM agent_history WHERE fleet = $1 AND agent = $2 ORDER BY at_us LIMIT $3)";
        let rows = part(row.int(2)?, row.int(3)?.unsigned_abs(), surplus);
        let others = tx.run(sql, values![row.text(0)?, row.text(1)?, rows]).await?;
        tx.commit().await?;
        Ok(RetentionResult { others, more: others > 0, ..RetentionResult::default() })
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

    async fn shares_used(&self) -> Result<SizeShares, StoreError> {
        // 100 and 400: the short columns of a row and its index entries.
        let verdicts = "SELECT CAST(COALESCE(SUM(100 + COALESCE(octet_length(note), 0) + COALESCE(octet_length(author), 0)), 0) \
                        AS BIGINT) FROM verdicts";
        let judged = "SELECT CAST(COALESCE(SUM(400 + octet_length(source) + octet_length(server) + octet_length(component) \
                      + octet_length(main_reason) + octet_length(reasons) + octet_length(samples)), 0) AS BIGINT) \
                      FROM episodes WHERE verdict IS NOT NULL";
        let letters = "SELECT CAST(COALESCE(SUM(100 + octet_length(reason) + octet_length(payload)), 0) AS BIGINT) \
                       FROM dead_letters";
        // By agent, which an index leads through.
        let history = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM (SELECT SUM(200 + octet_length(payload)) AS bytes \
                       FROM agent_history GROUP BY fleet, agent) AS by_agent";
        Ok(SizeShares {
            rest: 0,
            verdicts: self.bytes(verdicts).await? + self.bytes(judged).await?,
            letters: self.bytes(letters).await?,
            history: self.bytes(history).await?,
        })
    }

    /// Bytes of events and of anomalies without a verdict: what is used without that for which others have a share or which
    /// cannot go (models, progress, roll-outs, what agents said last). An estimate.
    async fn rest_used(&self, used: SizeShares) -> Result<u64, StoreError> {
        let sql = match &self.pool {
            // 200: a row of short columns and its index entries.
            Pool::Sqlite { .. } => {
                "SELECT (p.page_count - f.freelist_count) * s.page_size \
                 - (SELECT COALESCE(SUM(octet_length(bytes) + COALESCE(octet_length(report), 0)), 0) FROM models) \
                 - (SELECT COALESCE(SUM(200 + COALESCE(octet_length(birth), 0) + COALESCE(octet_length(status), 0) \
                 + COALESCE(octet_length(model_state), 0)), 0) FROM agents) \
                 - 200 * (SELECT COUNT(*) FROM progress) - 200 * (SELECT COUNT(*) FROM rollout_agents) \
                 FROM pragma_page_count() p, pragma_freelist_count() f, pragma_page_size() s"
            }
            Pool::Postgres(_) => {
                "SELECT CAST(COALESCE(SUM(t.n_live_tup * (100 + (SELECT COALESCE(SUM(s.avg_width), 0) FROM pg_stats s \
                 WHERE s.schemaname = t.schemaname AND s.tablename = t.relname))), 0) AS BIGINT) \
                 FROM pg_stat_user_tables t WHERE t.schemaname = current_schema() \
                 AND t.relname IN ('events', 'episodes')"
            }
        };
        let others = match &self.pool {
            Pool::Sqlite { .. } => used.verdicts + used.letters + used.history,
            Pool::Postgres(_) => used.verdicts,
        };
        Ok(self.bytes(sql).await?.saturating_sub(others))
    }

    /// Bytes that rows and indexes take. SQLite counts its pages in use (a file does not shrink, its free pages are
    /// used again); PostgreSQL estimates from its statistics, as dead rows stay in its files until they are vacuumed.
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

/// How many of `count` rows with so many bytes together have the surplus, one at least and a bite at most.
fn part(count: i64, bytes: u64, surplus: u64) -> i64 {
    let rows = u128::from(count.unsigned_abs()) * u128::from(surplus) / u128::from(bytes.max(1));
    i64::try_from(rows).unwrap_or(i64::MAX).saturating_add(1).min(BITE)
}

/// The oldest events and anomalies without a verdict; how many.
async fn bite_rest(tx: &mut Tx, before_us: i64) -> Result<(u64, u64), StoreError> {
    let sql = "DELETE FROM events WHERE (fleet, agent, epoch, sequence) IN (SELECT fleet, agent, epoch, sequence \
               FROM events WHERE received_us < $1 ORDER BY received_us LIMIT $2)";
    let events = tx.run(sql, values![before_us, BITE]).await?;
    let sql = "DELETE FROM episodes WHERE id IN (SELECT id FROM episodes WHERE updated_us < $1 AND verdict IS NULL \
               ORDER BY updated_us LIMIT $2)";
    Ok((events, tx.run(sql, values![before_us, BITE]).await?))
}
