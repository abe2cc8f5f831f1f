//! Agents that are no more. A name costs nothing to invent where nobody proves it, so their number has a ceiling: at it no
//! newcomer is taken until some that are silent have gone, first those that never delivered anything. Nobody who speaks is
//! ever forgotten, and who comes back is met anew.
//!
//! The progress of who is forgotten stays as long as there is room for it: their entries must not come twice.

use super::{
    RetentionResult, StoreError,
    agents::AGENTS_MAX,
    retention::BITE,
    sql::{Pool, Tx},
    values,
};

/// From so many agents on those that are silent make room.
const CROWDED: i64 = AGENTS_MAX as i64 / 4 * 3;
/// Who has never delivered anything is silent after an hour, who has after a day: a server under repair.
const STRANGER_SILENT_US: i64 = 3_600_000_000;
const SILENT_US: i64 = 24 * STRANGER_SILENT_US;
/// Rows of progress: of all agents that there can be with two lives each, and of many that are gone.
const PROGRESS_MAX: i64 = 65_536;

/// Forgets who was not heard since `since_us`, and when there are too many, who is silent; one bite.
pub(super) async fn forget_agents(pool: &Pool, since_us: i64) -> Result<RetentionResult, StoreError> {
    let sql = "SELECT COALESCE(MAX(last_seen_us), 0), COUNT(*) FROM agents";
    let Some(row) = pool.row(sql, Vec::new()).await? else { return Ok(RetentionResult::default()) };
    // The newest word stands for the present: without words nobody comes, and nobody has to go.
    let (now_us, count) = (row.int(0)?, row.int(1)?);
    let mut tx = pool.begin().await?;
    let mut agents = forget(&mut tx, since_us, BITE).await?;
    if count > CROWDED {
        let surplus = (count - CROWDED).min(BITE);
        let strangers = "SELECT a.fleet, a.agent FROM agents a WHERE a.last_seen_us < $1 AND NOT EXISTS (SELECT 1 \
                         FROM progress p WHERE p.fleet = a.fleet AND p.agent = a.agent) ORDER BY a.last_seen_us LIMIT $2";
        let before_us = now_us.saturating_sub(STRANGER_SILENT_US);
        let rows = tx.rows(strangers, values![before_us, surplus]).await?;
        let gone = rows.len() as u64;
        for row in rows {
            remove(&mut tx, row.text(0)?, row.text(1)?).await?;
        }
        agents += gone;
        if gone == 0 {
            agents += forget(&mut tx, now_us.saturating_sub(SILENT_US), surplus).await?;
        }
    }
    let surplus = "DELETE FROM progress WHERE (fleet, agent, epoch) IN (SELECT p.fleet, p.agent, p.epoch FROM progress p \
                   WHERE (SELECT COUNT(*) FROM progress) > $1 AND NOT EXISTS (SELECT 1 FROM agents a \
                   WHERE a.fleet = p.fleet AND a.agent = p.agent) ORDER BY p.updated_us LIMIT $2)";
    let others = tx.run(surplus, values![PROGRESS_MAX, BITE]).await?;
    tx.commit().await?;
    Ok(RetentionResult { agents, others, more: agents + others > 0, ..RetentionResult::default() })
}

/// Those of whom neither a word nor an entry came since then, the longest silent first; how many.
async fn forget(tx: &mut Tx, since_us: i64, limit: i64) -> Result<u64, StoreError> {
    let silent = "SELECT a.fleet, a.agent FROM agents a WHERE a.last_seen_us < $1 AND NOT EXISTS (SELECT 1 \
                  FROM progress p WHERE p.fleet = a.fleet AND p.agent = a.agent AND p.updated_us >= $1) \
                  ORDER BY a.last_seen_us LIMIT $2";
    let rows = tx.rows(silent, values![since_us, limit]).await?;
    let gone = rows.len() as u64;
    for row in rows {
        remove(tx, row.text(0)?, row.text(1)?).await?;
    }
    Ok(gone)
}

/// Its history goes by age, as everybody's.
async fn remove(tx: &mut Tx, fleet: String, agent: String) -> Result<(), StoreError> {
    let key = values![fleet, agent];
    tx.run("DELETE FROM rollout_agents WHERE fleet = $1 AND agent = $2", key.clone()).await?;
    tx.run("DELETE FROM agents WHERE fleet = $1 AND agent = $2", key).await?;
    Ok(())
}
