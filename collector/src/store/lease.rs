//! Whose fleet it is, when several collectors share one PostgreSQL: an advisory lock a fleet, held by a session that
//! does nothing else. It dies with its collector, and the others find the lock free. SQLite has one collector: all
//! fleets are its own.
//!
//! Each collector also holds a shared lock that all can count, and keeps no more than its share of the fleets. Two that
//! store for one fleet at the same time (a session broke and its collector has not noticed) do no harm: progress moves
//! only from where it was read.

use std::collections::BTreeSet;

use oddline_core::id::FleetName;
use sha2::{Digest as _, Sha256};

use super::{
    Store, StoreError,
    sql::{DedicatedConnection, Pool},
    values,
};

/// The fleets that this collector stores for.
#[derive(Debug)]
pub struct Leases {
    store: Store,
    session: Option<DedicatedConnection>,
    held: BTreeSet<FleetName>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    pub gained: Vec<FleetName>,
    pub lost: Vec<FleetName>,
}

impl Store {
    #[must_use]
    pub fn leases(&self) -> Leases {
        Leases { store: self.clone(), session: None, held: BTreeSet::new() }
    }
}

impl Leases {
    #[must_use]
    pub fn held(&self) -> &BTreeSet<FleetName> {
        &self.held
    }

    /// Whether other collectors may hold what is not held here.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        matches!(self.store.pool, Pool::Postgres(_))
    }

    /// Tries for more of the known fleets up to this collector's share, gives back what is beyond it. Call every few
    /// seconds. When the session is gone all fleets are: that is a change, not an error.
    ///
    /// # Errors
    /// When the database does not answer; `held` is empty then.
    pub async fn tend(&mut self, known: &BTreeSet<FleetName>) -> Result<Lease, StoreError> {
        let Pool::Postgres(pool) = &self.store.pool else {
            let gained: Vec<FleetName> = known.difference(&self.held).cloned().collect();
            self.held.extend(gained.iter().cloned());
            return Ok(Lease { gained, lost: Vec::new() });
        };
        let before = self.held.clone();
        if self.session.is_none() {
            self.held.clear();
            let mut session = DedicatedConnection::take(pool).await?;
            let sql = "SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_lock_shared($1)) AS member";
            session.rows(sql, values![member_key()]).await?;
            self.session = Some(session);
        }
        let session = self.session.as_mut().expect("it was just made");
        if let Err(error) = adjust(session, &mut self.held, known).await {
            self.session = None;
            self.held.clear();
            if before.is_empty() {
                return Err(error);
            }
        }
        let gained: Vec<FleetName> = self.held.difference(&before).cloned().collect();
        let lost: Vec<FleetName> = before.difference(&self.held).cloned().collect();
        if !gained.is_empty() || !lost.is_empty() {
            // Somebody else stores, or has stored, for them.
            self.store.remembered.forget();
        }
        Ok(Lease { gained, lost })
    }

    /// Gives all back.
    ///
    /// # Errors
    /// When the session cannot be ended; then it ends with the program.
    pub async fn release(mut self) -> Result<(), StoreError> {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}

async fn adjust(
    session: &mut DedicatedConnection,
    held: &mut BTreeSet<FleetName>,
    known: &BTreeSet<FleetName>,
) -> Result<(), StoreError> {
    let sql = "SELECT COUNT(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND ((CAST(classid AS BIGINT) << 32) | CAST(objid AS BIGINT)) = $1";
    let members = session.rows(sql, values![member_key()]).await?.first().map_or(Ok(1), |row| row.int(0))?;
    let members = usize::try_from(members).unwrap_or(1).max(1);
    let share = known.len().div_ceil(members);
    let unknown: Vec<FleetName> = held.difference(known).cloned().collect();
    while held.len() > share || !held.is_subset(known) {
        let Some(surplus) = unknown.iter().find(|fleet| held.remove(*fleet)).cloned().or_else(|| held.pop_last())
        else {
            break;
        };
        let sql = "SELECT CAST(CASE WHEN pg_advisory_unlock($1) THEN 1 ELSE 0 END AS BIGINT)";
        session.rows(sql, values![fleet_key(&surplus)]).await?;
    }
    for fleet in known {
        if held.len() >= share {
            break;
        }
        if held.contains(fleet) {
            continue;
        }
        let sql = "SELECT CAST(CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END AS BIGINT)";
        let rows = session.rows(sql, values![fleet_key(fleet)]).await?;
        if rows.first().map_or(Ok(false), |row| row.flag(0))? {
            held.insert(fleet.clone());
        }
    }
    Ok(())
}

/// The lock of a fleet: 64 bits of a hash, as other programs may use advisory locks in the same database.
fn fleet_key(fleet: &FleetName) -> i64 {
    key(&format!("oddline fleet {fleet}"))
}

fn member_key() -> i64 {
    key("oddline collector")
}

fn key(text: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
