//! What an agent says of itself becomes its row, and a row of history where it changed.

use super::{
    AgentKey, AgentReport, AgentState, HistoryKind, ReportBody, Store, StoreError, StoredReport, StoredWord as _,
    agents::{AgentBirth, AgentMet, meet, note},
    append::number,
    rollouts, rows,
    sql::Tx,
    values,
};

/// Bytes of a boot identifier: 32 digits, and some for other tools.
const BOOT_BYTES_MAX: usize = 64;
/// Lives before the newest one that are told from a new one: of copies of one machine, some connect more often.
const LIVES_MAX: usize = 16;

impl Store {
    /// Takes what agents said, in one transaction; what became of each word.
    ///
    /// # Errors
    /// When the database fails; then nothing is stored.
    pub async fn record_report(&self, heard: &[AgentReport], now_us: i64) -> Result<Vec<StoredReport>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let mut done = Vec::with_capacity(heard.len());
        for word in heard {
            done.push(hear(&mut tx, word, now_us).await?);
        }
        tx.commit().await?;
        if done.iter().any(|done| done.missing > 0) {
            self.remembered.forget();
        }
        Ok(done)
    }
}

async fn hear(tx: &mut Tx, word: &AgentReport, now_us: i64) -> Result<StoredReport, StoreError> {
    let who = &word.who;
    let (fleet, agent) = (who.fleet.as_str(), who.agent.as_str());
    let met = meet(tx, who, now_us).await?;
    let mut done =
        StoredReport { is_new: met == AgentMet::New, no_room: met == AgentMet::NoRoom, ..StoredReport::default() };
    if done.no_room {
        return Ok(done);
    }
    let sql = "SELECT state, birth, model_state, quiet_since_us, life, life_before, contested_us FROM agents \
               WHERE fleet = $1 AND agent = $2";
    let row = tx.row(sql, values![fleet, agent]).await?;
    let Some(row) = row else {
        return Err(StoreError::Field { table: "agents", what: format!("absence of {who}") });
    };
    if !word.retained {
        let sql = "UPDATE agents SET last_seen_us = $3, quiet_since_us = NULL WHERE fleet = $1 AND agent = $2";
        tx.run(sql, values![fleet, agent, now_us]).await?;
        if row.int_or("quiet_since_us")?.is_some() {
            note(tx, who, now_us, HistoryKind::Heard, "{}").await?;
        }
    }
    match &word.said {
        ReportBody::Birth(birth, text) => {
            let text = &*rows::clean(text);
            if row.text_or("birth")?.as_deref() != Some(text) {
                let sql = "UPDATE agents SET birth = $3, version = $4 WHERE fleet = $1 AND agent = $2";
                tx.run(sql, values![fleet, agent, text, &rows::clean(&birth.version)]).await?;
                note(tx, who, now_us, HistoryKind::Birth, text).await?;
            }
            done.is_contested =
                take_turn(tx, who, birth, (row.text_or("life")?, row.text_or("life_before")?), now_us).await?;
            done.is_newly_contested =
                done.is_contested && !super::agents::is_recent(row.int_or("contested_us")?, now_us);
            let (acked, missing) = skip_to(tx, who, birth, now_us).await?;
            (done.acked, done.missing) = (Some((birth.epoch, acked)), missing);
        }
        ReportBody::Status { up, model, text } => {
            let (text, before) = (&*rows::clean(text), row.word("state")?);
            let state = match up {
                false => AgentState::Down,
                true if !word.retained || before == AgentState::Up => AgentState::Up,
                // The broker kept it, perhaps from before the agent's end.
                true => AgentState::Unknown,
            };
            done.turned = before != state;
            let model = model.and_then(|version| i64::try_from(version).ok());
            let sql = "UPDATE agents SET status = $3, model_version = COALESCE($4, model_version) \
                       WHERE fleet = $1 AND agent = $2";
            tx.run(sql, values![fleet, agent, text, model]).await?;
            if done.turned {
                let sql = "UPDATE agents SET state = $3, state_since_us = $4 WHERE fleet = $1 AND agent = $2";
                tx.run(sql, values![fleet, agent, state.as_str(), now_us]).await?;
                note(tx, who, now_us, HistoryKind::Status, text).await?;
            }
        }
        ReportBody::Model(state, text) => {
            let text = &*rows::clean(text);
            if row.text_or("model_state")?.as_deref() != Some(text) {
                let model = state.current.and_then(|model| i64::try_from(model.version).ok());
                let sql = "UPDATE agents SET model_state = $3, model_version = COALESCE($4, model_version) \
                           WHERE fleet = $1 AND agent = $2";
                tx.run(sql, values![fleet, agent, text, model]).await?;
                note(tx, who, now_us, HistoryKind::Model, text).await?;
            }
            rollouts::answered(tx, who, state, now_us).await?;
        }
    }
    Ok(done)
}

/// Keeps whose birth it is; whether that is one of the lives before the newest one again. A life ends when its state file is
/// lost or its machine starts anew, and never comes back, unless there are several at a time.
async fn take_turn(
    tx: &mut Tx,
    who: &AgentKey,
    birth: &AgentBirth,
    (newest, before): (Option<String>, Option<String>),
    now_us: i64,
) -> Result<bool, StoreError> {
    let boot = &birth.boot[..birth.boot.floor_char_boundary(BOOT_BYTES_MAX)];
    let life = rows::clean(&format!("{} {boot}", birth.epoch));
    if newest.as_deref() == Some(&*life) {
        return Ok(false);
    }
    let before: Vec<&str> = before.iter().flat_map(|before| before.lines()).collect();
    let is_contested = before.contains(&&*life);
    let others = newest.iter().map(String::as_str).chain(before).filter(|other| **other != *life).take(LIVES_MAX);
    let others = others.collect::<Vec<_>>().join("\n");
    let sql = "UPDATE agents SET life = $3, life_before = $4, contested_us = COALESCE($5, contested_us) \
               WHERE fleet = $1 AND agent = $2";
    let at_us = is_contested.then_some(now_us);
    tx.run(sql, values![who.fleet.as_str(), who.agent.as_str(), &life, &*others, at_us]).await?;
    if is_contested {
        note(tx, who, now_us, HistoryKind::Contested, "{}").await?;
    }
    Ok(is_contested)
}

/// Moves progress to just before the agent's oldest entry; where it stands then, and how many entries are missing.
async fn skip_to(tx: &mut Tx, who: &AgentKey, birth: &AgentBirth, now_us: i64) -> Result<(u64, u64), StoreError> {
    let key = values![who.fleet.as_str(), who.agent.as_str(), rows::epoch(birth.epoch)];
    let sql = "SELECT acked FROM progress WHERE fleet = $1 AND agent = $2 AND epoch = $3";
    let acked = tx.row(sql, key.clone()).await?.map_or(Ok(0), |row| row.unsigned("progress", "acked"))?;
    let before = birth.oldest.saturating_sub(1).min(super::SEQUENCE_MAX);
    if before <= acked {
        return Ok((acked, 0));
    }
    let missing = before - acked;
    let sql = "INSERT INTO progress (fleet, agent, epoch, acked, previous, missing, updated_us) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (fleet, agent, epoch) DO UPDATE SET \
               acked = excluded.acked, previous = excluded.previous, missing = progress.missing + excluded.missing, \
               updated_us = excluded.updated_us WHERE progress.acked = excluded.previous";
    let mut row = key;
    row.extend(values![number(before), number(acked), number(missing), now_us]);
    if tx.run(sql, row).await? == 1 { Ok((before, missing)) } else { Err(StoreError::Conflict) }
}
