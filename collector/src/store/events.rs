//! Events as they came: for whoever compares them with a replay.

use oddline_core::{event::SpoolEntry, id::Epoch, wire::decode_entry};

use super::{AgentKey, Store, StoreError, append::number, rows, values};

#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    pub who: AgentKey,
    /// The life of its state file.
    pub epoch: Epoch,
    pub sequence: u64,
    /// When it came, microseconds.
    pub received_us: i64,
    pub entry: SpoolEntry,
}

impl Store {
    /// Events in the order of their keys, from behind `after` on.
    ///
    /// # Errors
    /// When the database fails, or holds an entry that cannot be read.
    pub async fn events(
        &self,
        after: Option<(&AgentKey, Epoch, u64)>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = "SELECT fleet, agent, epoch, sequence, received_us, entry FROM events \
                   WHERE (fleet, agent, epoch, sequence) > ($1, $2, $3, $4) \
                   ORDER BY fleet, agent, epoch, sequence LIMIT $5";
        let limit = i64::from(limit);
        let from = match after {
            Some((who, epoch, sequence)) => {
                values![who.fleet.as_str(), who.agent.as_str(), rows::epoch(epoch), number(sequence), limit]
            }
            None => values!["", "", 0_i64, 0_i64, limit],
        };
        let mut events = Vec::new();
        for row in self.pool.rows(sql, from).await? {
            let entry = decode_entry(&row.bytes("entry")?);
            events.push(StoredEvent {
                who: row.who("events")?,
                epoch: row.epoch("events")?,
                sequence: row.unsigned("events", "sequence")?,
                received_us: row.int("received_us")?,
                entry: entry.map_err(|e| StoreError::Field { table: "events", what: format!("entry: {e}") })?,
            });
        }
        Ok(events)
    }
}
