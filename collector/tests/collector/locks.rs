//! Somebody else's lock in PostgreSQL: an error that passes, not a collector that stands still.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use oddline_collector::store::{DatabaseAddress, OpenMode, Store, StoreError};
use oddline_testkit::{postgres::programs, waiting::until_async};

use crate::entries::postgres;

/// Longer than the lock is waited for, shorter than a connection would be.
const SECONDS_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_not_waited_for_without_end() {
    let Some(address) = postgres("locks: a locked table") else { return };
    let store = Store::open(&address, OpenMode::Serve).await.unwrap();
    assert!(store.servers().await.unwrap().is_empty());
    let lock = "BEGIN; LOCK TABLE episodes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
    let mut other = psql(&address, lock).spawn().unwrap();
    let begun = Instant::now();
    let found = async || matches!(store.servers().await, Err(StoreError::Unavailable(_)));
    until_async("the lock is met", || format!("{:?}", begun.elapsed()), found).await;
    assert!(begun.elapsed() < SECONDS_MAX, "{:?}", begun.elapsed());
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    assert!(psql(&address, end).status().unwrap().success());
    other.wait().unwrap();
    store.servers().await.unwrap();
    store.close().await;
}

/// A command that runs a script.
pub(crate) fn psql(address: &DatabaseAddress, script: &str) -> Command {
    let DatabaseAddress::Postgres(url) = address else { panic!("{address:?} is not PostgreSQL") };
    let mut command = Command::new(programs().unwrap().join("psql"));
    command.arg(url).args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "-c", script]);
    command.stdout(Stdio::null());
    command
}
