//! Questions about anomalies. Each has a time bound, a page, and an index that leads to its first row.

use std::sync::LazyLock;

use serde::Serialize;

use super::{
    AnomalyKind, AnomalyState, OrNewer, PersonVerdict, Store, StoreError, StoredWord as _,
    id::{ID_CHARS, is_prefix},
    sql::SqlRow,
    values,
};

/// Rows of the largest page.
const PAGE_MAX: u32 = 10_000;
/// Different names that are looked through for a suggestion.
const NAMES_MAX: i64 = 1_000;

const COLUMNS: &str = "id, fleet, agent, source, server, component, kind, state, first_us, last_us, records, peak, \
                       threshold, main_reason, reasons, value, expected, learning, by_clock, samples, model, \
                       received_us, updated_us, verdict, extras";

/// A statement for each index that finds its rows; what else is asked is looked at row by row.
pub(super) struct ByIndex([String; 3]);

impl ByIndex {
    pub(super) fn new(statement: fn(&str) -> String) -> Self {
        Self(["server = $1", "component = $1", "CAST($1 AS TEXT) IS NULL"].map(statement))
    }

    /// The statement, the name that leads, and the component that is looked at.
    pub(super) fn of<'a>(&self, filter: &'a AnomalyFilter) -> (&str, Option<&'a str>, Option<&'a str>) {
        let Self([by_server, by_component, by_time]) = self;
        match (filter.server.as_deref(), filter.component.as_deref()) {
            (Some(server), component) => (by_server, Some(server), component),
            (None, Some(component)) => (by_component, Some(component), None),
            (None, None) => (by_time, None, None),
        }
    }
}

static PAGES: LazyLock<ByIndex> = LazyLock::new(|| {
    ByIndex::new(|lead| {
        format!(
            "SELECT {COLUMNS} FROM episodes WHERE {lead} AND last_us >= $2 AND (last_us, id) < ($3, $4) \
             AND (CAST($5 AS TEXT) IS NULL OR component = $5) AND (CAST($6 AS TEXT) IS NULL OR kind = $6) \
             AND peak >= $7 AND (CAST($8 AS TEXT) IS NULL OR agent = $8) AND (CAST($9 AS TEXT) IS NULL OR fleet = $9) \
             ORDER BY last_us DESC, id DESC LIMIT $10"
        )
    })
});

#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyFilter {
    /// Last odd record at or after this, microseconds.
    pub since_us: i64,
    pub until_us: i64,
    pub server: Option<String>,
    pub component: Option<String>,
    pub kind: Option<AnomalyKind>,
    /// With at least this score.
    pub min_score: Option<f64>,
    pub agent: Option<String>,
    pub fleet: Option<String>,
}

/// A place in the list, to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamFilter {
    /// Time of the last row seen.
    pub last_us: i64,
    pub id: String,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub anomalies: Vec<AnomalyRow>,
    /// Where the next page begins, when there may be one.
    pub next: Option<StreamFilter>,
}

/// One anomaly. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnomalyRow {
    /// Its name on a command line.
    pub id: String,
    pub fleet: String,
    /// The agent that found it.
    pub agent: String,
    pub source: String,
    pub server: String,
    pub component: String,
    pub kind: OrNewer<AnomalyKind>,
    pub state: OrNewer<AnomalyState>,
    pub first_us: i64,
    pub last_us: i64,
    pub records: i64,
    pub peak: f64,
    /// Score at and above which a record is odd.
    pub threshold: f64,
    /// Why, in a few words.
    pub main_reason: String,
    pub reasons: serde_json::Value,
    /// Value of the record with the largest score.
    pub value: Option<f64>,
    pub expected: Option<f64>,
    /// Its stream was still learning.
    pub learning: bool,
    /// Found by the wall clock, not by a record.
    pub by_clock: bool,
    pub samples: serde_json::Value,
    /// Version of the model that judged.
    pub model: i64,
    /// When its first event came here.
    pub received_us: i64,
    /// When its newest event came here.
    pub updated_us: i64,
    /// What a person said of it last.
    pub verdict: Option<OrNewer<PersonVerdict>>,
    /// What its agent says beyond all this, by name.
    pub extras: serde_json::Value,
}

impl Store {
    /// A page of anomalies, newest first; `after` is where the page before ended.
    pub async fn anomalies(
        &self,
        filter: &AnomalyFilter,
        after: Option<&StreamFilter>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let (sql, lead, component) = PAGES.of(filter);
        // Nothing sorts before the empty id: the first page begins just below `until`.
        let (last_us, id) = after.map_or((filter.until_us, ""), |place| (place.last_us, place.id.as_str()));
        let limit = limit.clamp(1, PAGE_MAX);
        let values = values![
            lead,
            filter.since_us,
            last_us.min(filter.until_us),
            id,
            component,
            filter.kind.map(AnomalyKind::as_str),
            filter.min_score.unwrap_or(f64::MIN),
            filter.agent.as_deref(),
            filter.fleet.as_deref(),
            i64::from(limit)
        ];
        let rows = self.pool.rows(sql, values).await?;
        let anomalies: Vec<AnomalyRow> = rows.iter().map(anomaly).collect::<Result<_, _>>()?;
        let full = anomalies.len() == limit as usize;
        let next =
            anomalies.last().filter(|_| full).map(|last| StreamFilter { last_us: last.last_us, id: last.id.clone() });
        Ok(Page { anomalies, next })
    }

    /// The anomalies whose id begins so, two at most: one is found, two are ambiguous.
    pub async fn anomaly(&self, id: &str) -> Result<Vec<AnomalyRow>, StoreError> {
        static BY_ID: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {COLUMNS} FROM episodes WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 2"));
        if !is_prefix(id) {
            return Ok(Vec::new());
        }
        let last = format!("{id:z<ID_CHARS$}");
        self.pool.rows(BY_ID.as_str(), values![id, last]).await?.iter().map(anomaly).collect()
    }

    /// Anomalies since then by fleet and agent.
    pub async fn anomaly_counts(&self, since_us: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
        let sql = "SELECT fleet, agent, COUNT(*) FROM episodes WHERE last_us >= $1 GROUP BY fleet, agent LIMIT 10000";
        let read = |row: &SqlRow| Ok((row.text(0)?, row.text(1)?, row.int(2)?));
        self.pool.rows(sql, values![since_us]).await?.iter().map(read).collect()
    }

    /// Names of servers, the first 1,000: for suggestions. Hops through the index from name to name.
    pub async fn servers(&self) -> Result<Vec<String>, StoreError> {
        let sql = "WITH RECURSIVE names(name) AS (SELECT MIN(server) FROM episodes UNION ALL \
                   SELECT (SELECT MIN(server) FROM episodes WHERE server > names.name) FROM names \
                   WHERE names.name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL LIMIT $1";
        self.pool.rows(sql, values![NAMES_MAX]).await?.iter().map(|row| row.text(0)).collect()
    }

    /// Names of components, the first 1,000.
    pub async fn components(&self) -> Result<Vec<String>, StoreError> {
        let sql = "WITH RECURSIVE names(name) AS (SELECT MIN(component) FROM episodes UNION ALL \
                   SELECT (SELECT MIN(component) FROM episodes WHERE component > names.name) FROM names \
                   WHERE names.name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL LIMIT $1";
        self.pool.rows(sql, values![NAMES_MAX]).await?.iter().map(|row| row.text(0)).collect()
    }
}

fn anomaly(row: &SqlRow) -> Result<AnomalyRow, StoreError> {
    let parsed = |text: &str| -> Result<serde_json::Value, StoreError> {
        let what = |e: serde_json::Error| StoreError::Field { table: "episodes", what: format!("JSON: {e}") };
        serde_json::from_str(text).map_err(what)
    };
    Ok(AnomalyRow {
        id: row.text("id")?,
        fleet: row.text("fleet")?,
        agent: row.text("agent")?,
        source: row.text("source")?,
        server: row.text("server")?,
        component: row.text("component")?,
        kind: row.word("kind")?,
        state: row.word("state")?,
        first_us: row.int("first_us")?,
        last_us: row.int("last_us")?,
        records: row.int("records")?,
        peak: row.float("peak")?,
        threshold: row.float("threshold")?,
        main_reason: row.text("main_reason")?,
        reasons: parsed(&row.text("reasons")?)?,
        value: row.float_or("value")?,
        expected: row.float_or("expected")?,
        learning: row.flag("learning")?,
        by_clock: row.flag("by_clock")?,
        samples: parsed(&row.text("samples")?)?,
        model: row.int("model")?,
        received_us: row.int("received_us")?,
        updated_us: row.int("updated_us")?,
        verdict: row.text_or("verdict")?.map(OrNewer::read),
        extras: parsed(row.text_or("extras")?.as_deref().unwrap_or("{}"))?,
    })
}
