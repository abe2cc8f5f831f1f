//! Questions that only the API asks: pages for programs, hourly counts, what changed lately. Each has a bound on its time,
//! a page, and a key to go on from.

use std::sync::LazyLock;

use oddline_core::{event::Event, wire::decode_entry};

use super::{
    AgentState, AnomalyFilter, AnomalyKind, OrNewer, Store, StoreError, StoredWord as _, anomalies::ByIndex, rows,
    sql::SqlRow, values,
};

/// An hour in microseconds.
const HOUR_US: i64 = 3_600_000_000;
/// Entries before an anomaly's newest one that may belong to it: an hour of an agent that floods.
const HISTORY_ENTRIES: i64 = 20_000;
/// Entries that are read at once: a few MB at most.
const HISTORY_BITE: i64 = 256;
/// Rows of an anomaly's history.
const HISTORY_MAX: usize = 500;

static COUNTS: LazyLock<ByIndex> = LazyLock::new(|| {
    ByIndex::new(|lead| {
        format!(
            "SELECT h, server, component, kind, COUNT(*), MAX(peak) FROM (SELECT last_us / 3600000000 AS h, \
             CASE WHEN $9 = 1 THEN server ELSE '' END AS server, \
             CASE WHEN $10 = 1 THEN component ELSE '' END AS component, \
             CASE WHEN $11 = 1 THEN kind ELSE '' END AS kind, peak FROM episodes WHERE {lead} AND last_us >= $2 \
             AND last_us < $3 AND (CAST($4 AS TEXT) IS NULL OR component = $4) AND (CAST($5 AS TEXT) IS NULL OR kind = $5) \
             AND peak >= $6 AND (CAST($7 AS TEXT) IS NULL OR agent = $7) AND (CAST($8 AS TEXT) IS NULL OR fleet = $8)) \
             AS x GROUP BY h, server, component, kind HAVING (h, server, component, kind) > ($12, $13, $14, $15) \
             ORDER BY h, server, component, kind LIMIT $16"
        )
    })
});

/// What hourly counts are told apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupBy {
    pub server: bool,
    pub component: bool,
    pub kind: bool,
}

/// Anomalies of one hour and group; a name that was not asked for is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupCount {
    /// Where the list goes on behind it.
    pub key: GroupKey,
    pub anomalies: i64,
    pub peak: f64,
}

/// An hour and a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    /// Hours since 1970 UTC.
    pub hour: i64,
    pub server: String,
    pub component: String,
    pub kind: String,
}

/// One event of an anomaly.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyStep {
    /// Its number at the agent.
    pub sequence: i64,
    /// When it came, microseconds.
    pub received_us: i64,
    /// As the event's kind is stored.
    pub kind: &'static str,
    pub records: u64,
    pub peak: f64,
    /// Last odd record until then, microseconds.
    pub last_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreChange {
    /// When its newest event came, microseconds.
    pub updated_us: i64,
    pub id: String,
}

impl Store {
    pub async fn agent_states(&self) -> Result<Vec<(OrNewer<AgentState>, i64)>, StoreError> {
        let sql = "SELECT s, COUNT(*) FROM (SELECT CASE WHEN quiet_since_us IS NOT NULL AND state <> 'down' \
                   THEN 'quiet' ELSE state END AS s FROM agents) AS x GROUP BY s ORDER BY s LIMIT 16";
        self.pool.rows(sql, Vec::new()).await?.iter().map(|row| Ok((row.word(0)?, row.int(1)?))).collect()
    }

    /// Hourly counts of the anomalies that a filter leaves, oldest hour first, from behind `after` on.
    pub async fn hourly(
        &self,
        filter: &AnomalyFilter,
        apart: GroupBy,
        after: Option<&GroupKey>,
        limit: u32,
    ) -> Result<Vec<GroupCount>, StoreError> {
        let (sql, lead, component) = COUNTS.of(filter);
        let first = GroupKey { hour: i64::MIN, server: String::new(), component: String::new(), kind: String::new() };
        let after = after.unwrap_or(&first);
        // Hours that were told already are not read again.
        let since_us = filter.since_us.max(after.hour.saturating_mul(HOUR_US));
        let values = values![
            lead,
            since_us,
            filter.until_us,
            component,
            filter.kind.map(AnomalyKind::as_str),
            filter.min_score.unwrap_or(f64::MIN),
            filter.agent.as_deref(),
            filter.fleet.as_deref(),
            apart.server,
            apart.component,
            apart.kind,
            after.hour,
            after.server.as_str(),
            after.component.as_str(),
            after.kind.as_str(),
            i64::from(limit)
        ];
        self.pool.rows(sql, values).await?.iter().map(group).collect()
    }

    /// What an agent said of an anomaly in the course of time, newest first, back to its opening; empty for a silence or
    /// a flood, which are said once. Looks at the agent's 20,000 entries before its newest word.
    ///
    /// # Errors
    /// When the database fails, or holds an entry that cannot be read.
    pub async fn steps(&self, id: &str) -> Result<Vec<AnomalyStep>, StoreError> {
        let sql = "SELECT fleet, agent, epoch, sequence, source, number, received_us FROM episodes WHERE id = $1";
        let Some(row) = self.pool.row(sql, values![id]).await? else { return Ok(Vec::new()) };
        let (fleet, agent, source) = (row.text("fleet")?, row.text("agent")?, row.text("source")?);
        let (epoch, newest) = (row.int("epoch")?, row.int("sequence")?);
        let (number, since_us) = (row.int("number")?, row.int("received_us")?);
        // Other anomalies of the source lie between them.
        let sql = "SELECT sequence, received_us, entry FROM events WHERE fleet = $1 AND agent = $2 AND epoch = $3 \
                   AND sequence <= $4 AND sequence > $5 AND received_us >= $6 AND source = $7 \
                   AND kind IN ('episode_opened', 'episode_updated', 'episode_ended', 'new_level') \
                   ORDER BY sequence DESC LIMIT $8";
        let (mut steps, mut from) = (Vec::new(), newest);
        loop {
            let oldest = newest.saturating_sub(HISTORY_ENTRIES);
            let (fleet, agent, source) = (fleet.as_str(), agent.as_str(), source.as_str());
            let rows = values![fleet, agent, epoch, from, oldest, since_us, source, HISTORY_BITE];
            let rows = self.pool.rows(sql, rows).await?;
            for row in &rows {
                steps.extend(step(row, number)?);
                from = row.int("sequence")? - 1;
            }
            let opened = steps.last().is_some_and(|step: &AnomalyStep| step.kind == "episode_opened");
            if opened || rows.len() < HISTORY_BITE as usize || steps.len() >= HISTORY_MAX {
                steps.truncate(HISTORY_MAX);
                return Ok(steps);
            }
        }
    }

    /// Anomalies that changed after this, in the order they did.
    pub async fn changed(&self, after: &StoreChange, limit: u32) -> Result<Vec<StoreChange>, StoreError> {
        let sql = "SELECT updated_us, id FROM episodes WHERE updated_us >= $1 AND (updated_us, id) > ($1, $2) \
                   ORDER BY updated_us, id LIMIT $3";
        let values = values![after.updated_us, after.id.as_str(), i64::from(limit)];
        let read = |row: &SqlRow| Ok(StoreChange { updated_us: row.int(0)?, id: row.text(1)? });
        self.pool.rows(sql, values).await?.iter().map(read).collect()
    }

    /// When the newest change was, microseconds; 0 while there is none.
    pub async fn newest_change(&self) -> Result<i64, StoreError> {
        let row = self.pool.row("SELECT MAX(updated_us) FROM episodes", Vec::new()).await?;
        row.map_or(Ok(0), |row| Ok(row.int_or(0)?.unwrap_or_default()))
    }
}

fn group(row: &SqlRow) -> Result<GroupCount, StoreError> {
    let key = GroupKey { hour: row.int(0)?, server: row.text(1)?, component: row.text(2)?, kind: row.text(3)? };
    Ok(GroupCount { key, anomalies: row.int(4)?, peak: row.float(5)? })
}

/// `None` for another anomaly of the same source.
fn step(row: &SqlRow, number: i64) -> Result<Option<AnomalyStep>, StoreError> {
    let field = |what: String| StoreError::Field { table: "events", what };
    let entry = decode_entry(&row.bytes("entry")?).map_err(|e| field(format!("entry: {e}")))?;
    let episode = match &entry.event {
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) | Event::EpisodeEnded(e) | Event::NewLevel(e) => e,
        Event::Gap(_)
        | Event::FloodSummary(_)
        | Event::SourceFailed(_)
        | Event::SourceRecovered(_)
        | Event::ModelSwap(_)
        | Event::Silence(_) => return Ok(None),
    };
    if i64::try_from(episode.number).unwrap_or(i64::MAX) != number {
        return Ok(None);
    }
    Ok(Some(AnomalyStep {
        sequence: row.int("sequence")?,
        received_us: row.int("received_us")?,
        kind: rows::kind(&entry.event),
        records: episode.records,
        peak: f64::from(episode.peak.get()),
        last_us: episode.last.micros(),
    }))
}
