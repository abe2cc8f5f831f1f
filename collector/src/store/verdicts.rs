//! What people say of anomalies. The last words on each are kept, as long as verdicts have room (see `retention`); the
//! last one stands beside the anomaly.

use super::{OrNewer, Store, StoreError, StoredWord, sql::SqlRow, values};

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4096;
/// Verdicts on one anomaly: people who change their minds.
const VERDICTS_EACH_MAX: i64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonVerdict {
    NormalHere,
    NormalEverywhere,
    Real,
    Unsure,
}

/// One word on an anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// When, microseconds.
    pub at_us: i64,
    pub verdict: OrNewer<PersonVerdict>,
    pub note: Option<String>,
    pub author: Option<String>,
}

impl StoredWord for PersonVerdict {
    const TABLE: &'static [(Self, &'static str)] = &[
        (Self::NormalHere, "normal-here"),
        (Self::NormalEverywhere, "normal-everywhere"),
        (Self::Real, "real"),
        (Self::Unsure, "unsure"),
    ];
}

impl Store {
    /// Says what the anomaly with this whole id is; false when there is none.
    pub async fn judge(
        &self,
        id: &str,
        verdict: PersonVerdict,
        note: Option<&str>,
        author: Option<&str>,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        if tx.run("UPDATE episodes SET verdict = $2 WHERE id = $1", values![id, verdict.as_str()]).await? == 0 {
            return Ok(false);
        }
        let note = note.map(|note| note[..note.floor_char_boundary(NOTE_BYTES_MAX)].replace('\0', "\u{fffd}"));
        let sql = "INSERT INTO verdicts (episode, at_us, verdict, note, author) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (episode, at_us) DO UPDATE SET verdict = excluded.verdict, note = excluded.note, \
                   author = excluded.author";
        tx.run(sql, values![id, now_us, verdict.as_str(), note, author]).await?;
        let sql = "DELETE FROM verdicts WHERE episode = $1 AND at_us NOT IN (SELECT at_us FROM verdicts \
                   WHERE episode = $1 ORDER BY at_us DESC LIMIT $2)";
        tx.run(sql, values![id, VERDICTS_EACH_MAX]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What was said of an anomaly, newest first.
    pub async fn verdicts(&self, id: &str) -> Result<Vec<VerdictRow>, StoreError> {
        let sql = "SELECT at_us, verdict, note, author FROM verdicts WHERE episode = $1 ORDER BY at_us DESC LIMIT 100";
        let read = |row: &SqlRow| {
            Ok(VerdictRow {
                at_us: row.int("at_us")?,
                verdict: row.word("verdict")?,
                note: row.text_or("note")?,
                author: row.text_or("author")?,
            })
        };
        self.pool.rows(sql, values![id]).await?.iter().map(read).collect()
    }
}
