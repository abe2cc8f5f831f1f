//! Programs of different ages on one database and on one wire: a new one reads what an old one stored, an old one uses
//! what a newer one has added to, and keeps what it does not know. `ODDLINE_PIN=1` writes the pinned schema anew.

use std::{env, fs, path::PathBuf};

use oddline_collector::{
    ingest::{self, IncomingMessage},
    store::{
        AnomalyKind, AnomalyRow, AppendOutcome, BatchBody, DatabaseAddress, OpenMode, OrNewer, PersonVerdict,
        ReceivedBatch, RolloutTarget, Store, StoreError,
    },
};
use oddline_core::{
    event::{EpisodeKind, Event, Extras, SpoolEntry},
    wire::{encode_batch, encode_json},
};
use serde_json::{Value, json};

use crate::{
    cli::ask,
    entries::{batch, entry, episode, epoch, odd, stamp, stores, who},
    queries::everything,
    words::model,
};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/collector/data").join(name)
}

/// Runs a few statements as another program would.
fn script(address: &DatabaseAddress, sql: &str) {
    match address {
        DatabaseAddress::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
        DatabaseAddress::Postgres(_) => assert!(crate::locks::psql(address, sql).status().unwrap().success()),
    }
}

async fn anomalies(store: &Store) -> Vec<AnomalyRow> {
    store.anomalies(&everything(), None, 100).await.unwrap().anomalies
}

#[tokio::test]
async fn the_schema_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap().close().await;
    let database = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'view' ORDER BY name";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let found: String = rows.map(|row| row.unwrap() + ";\n").collect();
    if env::var_os("ODDLINE_PIN").is_some() {
        fs::write(data("schema.sql"), &found).unwrap();
    }
    let pinned = fs::read_to_string(data("schema.sql")).unwrap();
    assert!(pinned == found, "the schema changed: a migration adds, and docs/store.md says it\n{found}");
}

/// `first.sql` is a database as the first program left it, dumped.
#[tokio::test]
async fn what_the_first_program_stored_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let address = DatabaseAddress::Sqlite(path.clone());
    let pi = who("home", "pi");
    if env::var_os("ODDLINE_PIN").is_some() && !data("first.sql").exists() {
        let store = Store::open(&address, OpenMode::Serve).await.unwrap();
        store.append(&[batch(&pi, epoch(1), 1, 24)], 7_000_000).await.unwrap();
        store.close().await;
        let dump = std::process::Command::new("sqlite3").arg(&path).arg(".dump").output().unwrap();
        fs::write(data("first.sql"), dump.stdout).unwrap();
        fs::remove_file(&path).unwrap();
    }
    script(&address, &fs::read_to_string(data("first.sql")).unwrap());
    let store = Store::open(&address, OpenMode::Serve).await.unwrap();
    let found: Vec<SpoolEntry> = store.events(None, 100).await.unwrap().into_iter().map(|event| event.entry).collect();
    assert_eq!(found, (1..=24).map(entry).collect::<Vec<_>>());
    let found = anomalies(&store).await;
    assert!(found.len() > 5 && found.iter().all(|anomaly| anomaly.extras == json!({})), "{}", found.len());
    let done = store.append(&[batch(&pi, epoch(1), 20, 10)], 8_000_000).await.unwrap();
    assert_eq!(
        (done.batches[0].outcome, done.batches[0].acked),
        (AppendOutcome::Stored(5), 29),
        "it goes on where it was"
    );
}

/// What a migration of a newer program may do without locking this one out, and what it does when it must.
#[tokio::test]
async fn a_newer_database_is_used_when_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("growth: newer database", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[odd(&pi, epoch(1), 1, episode(1, 1, 2_000_000))], 3_000_000).await.unwrap();
        store.close().await;
        let (none, now) = match address {
            DatabaseAddress::Sqlite(_) => ("x'00'", "0"),
            DatabaseAddress::Postgres(_) => ("'\\x00'", "now()"),
        };
        script(
            &address,
            &format!(
                "ALTER TABLE episodes ADD COLUMN newer TEXT; CREATE TABLE newer (name TEXT NOT NULL PRIMARY KEY); \
                 UPDATE episodes SET newer = 'x'; \
                 INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
                 VALUES (9000, 'newer', {now}, true, {none}, 0)"
            ),
        );
        for mode in [OpenMode::Serve, OpenMode::Use] {
            let store = Store::open(&address, mode).await.unwrap();
            assert_eq!(anomalies(&store).await.len(), 1, "{address}");
            store.close().await;
        }
        let store = Store::open(&address, OpenMode::Serve).await.unwrap();
        store.append(&[odd(&pi, epoch(1), 2, episode(2, 1, 2_000_000))], 3_000_000).await.unwrap();
        assert_eq!(anomalies(&store).await.len(), 2, "{address}");
        store.close().await;
        script(&address, "UPDATE meta SET value = '9000' WHERE name = 'oldest_schema'");
        for mode in [OpenMode::Serve, OpenMode::Use] {
            let refused = Store::open(&address, mode).await.unwrap_err();
            assert!(matches!(refused, StoreError::Newer { found: 9000, known: 4, .. }), "{address}: {refused}");
        }
    }
}

/// The batches that a message of a newer agent becomes.
fn taken(payload: &[u8]) -> Vec<ReceivedBatch> {
    match ingest::read("oddline/v1/home/pi/events", payload, false).unwrap() {
        IncomingMessage::Entries(_, batches) => batches,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_newer_agent_adds_is_kept_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("growth: newer agent", folder.path()).await {
        let mut extras = Extras::default();
        extras.set("severity", "critical").unwrap();
        extras.set("vector", &[0.5, -2.25]).unwrap();
        let grown = oddline_core::event::Episode { kind: EpisodeKind::Other(40), extras, ..episode(1, 1, 2_000_000) };
        let grown = SpoolEntry { event: Event::EpisodeOpened(Box::new(grown)), stamp: stamp() };
        let known = postcard::to_stdvec(&grown).unwrap();
        let newer = [200_u8, 1, 7, 7];
        let packed = encode_batch(epoch(1), 1, &[&known[..], &newer, &postcard::to_stdvec(&entry(1)).unwrap()]);
        let done = store.append(&taken(&packed.unwrap()), 3_000_000).await.unwrap();
        let outcomes: Vec<AppendOutcome> = done.batches.iter().map(|batch| batch.outcome).collect();
        assert_eq!(
            outcomes,
            [AppendOutcome::Stored(1), AppendOutcome::DeadLetter(1), AppendOutcome::Stored(1)],
            "{address}"
        );
        assert_eq!(done.batches[2].acked, 3, "the agent need not send it again");
        let found = anomalies(&store).await;
        let found = found.iter().find(|anomaly| anomaly.kind == AnomalyKind::Other).unwrap();
        assert_eq!(found.extras, json!({"severity": "critical", "vector": [0.5, -2.25]}));
        assert_eq!(store.events(None, 10).await.unwrap()[0].entry, grown, "as it was sent");
        let letters = store.dead_letters(0, 10).await.unwrap();
        assert_eq!((letters[0].first, letters[0].last, letters.len()), (2, 2, 1));
        assert!(letters[0].reason.contains("event 200"), "{}", letters[0].reason);
        // After an upgrade the letter is read by a program that knows the event.
        let upgraded = |payload: &[u8]| {
            assert!(ingest::entries(payload).is_err());
            Ok((2, vec![entry(1)]))
        };
        assert_eq!(store.retry(upgraded, 4_000_000).await.unwrap().entries, 1, "{address}");
        let sequences: Vec<u64> = store.events(None, 10).await.unwrap().iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [1, 2, 3], "{address}");
        let text = encode_json(epoch(1), 4, &[grown.clone(), grown.clone()]);
        let mut value: Value = serde_json::from_slice(&text).unwrap();
        value["entries"][1]["event"] = json!({"newer": {"a": 1}});
        let batches = taken(value.to_string().as_bytes());
        assert!(matches!(&batches[0].body, BatchBody::Entries(entries) if *entries == [grown.clone()]));
        assert!(matches!(&batches[1].body, BatchBody::Unreadable { count: 1, .. }));
        assert_eq!(store.append(&batches, 5_000_000).await.unwrap().batches[1].acked, 5);
    }
}

#[tokio::test]
async fn words_of_a_newer_program_are_shown_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("growth: newer words", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[odd(&pi, epoch(1), 1, episode(1, 1, 2_000_000))], 3_000_000).await.unwrap();
        let id = anomalies(&store).await.remove(0).id;
        store.judge(&id, PersonVerdict::Real, None, None, 4_000_000).await.unwrap();
        store.push(&model(1), &RolloutTarget::Everyone(vec![pi.fleet.clone()]), 5_000_000).await.unwrap();
        store.mark_quiet(9_000_000, 10_000_000).await.unwrap();
        script(
            &address,
            "UPDATE agents SET state = 'asleep', quiet_since_us = NULL; UPDATE agent_history SET kind = 'renamed'; \
             UPDATE episodes SET kind = 'drift', state = 'paused', verdict = 'known'; UPDATE verdicts SET verdict = 'known'; \
             UPDATE rollouts SET state = 'halted'; UPDATE rollout_agents SET state = 'testing'",
        );
        let agent = store.agents().await.unwrap().remove(0);
        assert_eq!(agent.state, OrNewer::Newer("asleep".to_owned()), "{address}");
        assert_eq!(store.agent_states().await.unwrap(), [(agent.state, 1)]);
        assert_eq!(store.history(&pi, 0, 10).await.unwrap()[0].kind.as_str(), "renamed");
        let row = serde_json::to_value(&anomalies(&store).await[0]).unwrap();
        assert_eq!(
            (&row["kind"], &row["state"], &row["verdict"]),
            (&json!("drift"), &json!("paused"), &json!("known"))
        );
        assert_eq!(store.steps(&id).await.unwrap().len(), 1);
        assert_eq!(store.verdicts(&id).await.unwrap()[0].verdict.as_str(), "known");
        let rollout = store.rollouts(i64::MAX, 1).await.unwrap().remove(0);
        assert_eq!((rollout.state.as_str(), rollout.agents.waiting), ("halted", 0));
        let DatabaseAddress::Sqlite(path) = &address else { continue };
        let since = ["--since", "1970-01-01"];
        for (arguments, word) in [
            (&["agents"][..], "asleep"),
            (&["anomalies", since[0], since[1]], "drift"),
            (&["anomalies", &id], "paused"),
            (&["rollouts"], "testing"),
            (&["rollouts", "--json"], "halted"),
        ] {
            let (code, text, said) = ask(path, arguments);
            assert!(code == 0 && text.contains(word), "{arguments:?}: {text}{said}");
        }
    }
}
