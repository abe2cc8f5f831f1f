//! Batches that were kept aside and are tried again, on both databases.

use oddline_collector::{
    ingest,
    store::{AgentKey, BatchBody, DatabaseAddress, ReceivedBatch},
};
use oddline_core::wire::encode_json;

use crate::entries::{batch, epoch, stores, who};

/// A batch that nothing could be made of when it came.
fn unreadable(who: &AgentKey, first: u64, count: u64) -> ReceivedBatch {
    let mut batch = batch(who, epoch(1), first, count);
    let BatchBody::Entries(entries) = &batch.body else { unreachable!() };
    let payload = encode_json(batch.epoch, first, entries);
    batch.body = BatchBody::Unreadable { count, payload, reason: "newer".to_owned() };
    batch
}

/// The database takes entry 2 no more.
fn refuse_the_second(address: &DatabaseAddress) {
    match address {
        DatabaseAddress::Sqlite(path) => {
            let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.sequence = 2 BEGIN \
                          SELECT RAISE(ABORT, 'not this one'); END";
            rusqlite::Connection::open(path).unwrap().execute_batch(refuse).unwrap();
        }
        DatabaseAddress::Postgres(_) => {
            let refuse = "ALTER TABLE events ADD CONSTRAINT refuse CHECK (sequence <> 2)";
            assert!(crate::locks::psql(address, refuse).status().unwrap().success());
        }
    }
}

#[tokio::test]
async fn a_letter_that_the_database_refuses_is_left_and_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("letters: refused", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[unreadable(&pi, 1, 3)], 1_000).await.unwrap();
        store.append(&[unreadable(&pi, 4, 3)], 2_000).await.unwrap();
        refuse_the_second(&address);
        let done = store.retry(ingest::entries, 3_000).await.unwrap();
        assert_eq!((done.letters, done.entries, done.left), (1, 3, 1), "{address}");
        let left = store.dead_letters(0, 10).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].first, left[0].retried_us), (1, Some(3_000)));
        assert!(left[0].reason.starts_with("the database refused it: "), "{}", left[0].reason);
        assert_eq!(store.events(None, 10).await.unwrap().len(), 3, "of a refused letter nothing is stored");
        assert_eq!(store.retry(ingest::entries, 4_000).await.unwrap().left, 1, "again, and it ends");
    }
}
