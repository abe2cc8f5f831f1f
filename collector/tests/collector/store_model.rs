//! Random batches, repeated, reordered, cut by crashes: what is stored equals what a simple model says, on both
//! databases.

use std::collections::{BTreeMap, BTreeSet};

use oddline_collector::{
    ingest,
    store::{
        AgentKey, AnomalyKind, AnomalyState, AppendOutcome, BatchBody, DatabaseAddress, OpenMode, ReceivedBatch, Store,
    },
};
use oddline_core::id::Epoch;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::entries::{batch, entry, epoch, postgres, stores, who};

/// What may happen.
#[derive(Debug, Clone)]
enum Act {
    /// A batch arrives, alone or in a group; `unreadable` has a good header only.
    Batches(Vec<Sent>),
    /// The collector is started again.
    Restart,
    /// Everything stored so far is trimmed away.
    Trim,
    /// Dead letters are read again by a program that knows their events.
    Retry,
}

#[derive(Debug, Clone)]
struct Sent {
    agent: u8,
    life: u8,
    /// Relative to what is acknowledged: repeated, overlapping, next, or beyond a gap.
    from: i64,
    count: u64,
    unreadable: bool,
}

fn sent() -> impl Strategy<Value = Sent> {
    let from = prop_oneof![4 => Just(1_i64), 2 => -20..=0_i64, 1 => 2..6_i64];
    (0..3_u8, 0..2_u8, from, 1..40_u64, prop::bool::weighted(0.1))
        .prop_map(|(agent, life, from, count, unreadable)| Sent { agent, life, from, count, unreadable })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => prop::collection::vec(sent(), 1..5).prop_map(Act::Batches),
        1 => Just(Act::Restart),
        1 => Just(Act::Trim),
        1 => Just(Act::Retry),
    ]
}

type Key = (AgentKey, u64);

/// What must be stored.
#[derive(Debug, Default)]
struct Model {
    acked: BTreeMap<Key, u64>,
    events: BTreeSet<(AgentKey, u64, u64)>,
    letters: BTreeSet<(AgentKey, u64, u64)>,
}

impl Model {
    /// Applies a batch; the outcome expected.
    fn apply(&mut self, batch: &ReceivedBatch) -> (AppendOutcome, u64) {
        let key = (batch.who.clone(), batch.epoch.get());
        let acked = self.acked.entry(key).or_default();
        let last = batch.last();
        if last <= *acked {
            return (AppendOutcome::Repeated, *acked);
        }
        if batch.first > *acked + 1 {
            return (AppendOutcome::Gap, *acked);
        }
        let new: Vec<u64> = (batch.first..=last).filter(|sequence| sequence > acked).collect();
        *acked = last;
        let rows = new.iter().map(|sequence| (batch.who.clone(), batch.epoch.get(), *sequence));
        let count = new.len() as u64;
        match batch.body {
            BatchBody::Entries(_) => {
                self.events.extend(rows);
                (AppendOutcome::Stored(count), last)
            }
            BatchBody::Unreadable { .. } => {
                self.letters.extend(rows);
                (AppendOutcome::DeadLetter(count), last)
            }
        }
    }
}

/// The batch that is sent when `acked` is stored.
fn made(sent: &Sent, acked: u64) -> ReceivedBatch {
    let who = who(if sent.agent == 2 { "work" } else { "home" }, ["pi", "web-1", "pi"][usize::from(sent.agent)]);
    let first = acked.saturating_add_signed(sent.from).max(1);
    let mut batch = batch(&who, life(sent.life), first, sent.count);
    if sent.unreadable {
        let BatchBody::Entries(entries) = &batch.body else { unreachable!() };
        let payload = oddline_core::wire::encode_json(batch.epoch, first, entries);
        batch.body = BatchBody::Unreadable { count: sent.count, payload, reason: "newer\0".to_owned() };
    }
    batch
}

fn life(number: u8) -> Epoch {
    epoch(if number == 0 { 1 } else { u64::MAX })
}

async fn play(address: &DatabaseAddress, mut store: Store, acts: Vec<Act>) {
    let mut model = Model::default();
    let mut now_us = 1_000_000;
    for act in acts {
        now_us += 1_000;
        match act {
            Act::Batches(sent) => {
                // All of a group are made before any is stored: with two of one agent the second repeats or leaves a gap.
                let acked = |sent: &Sent| {
                    let batch = made(sent, 0);
                    model.acked.get(&(batch.who, batch.epoch.get())).copied().unwrap_or_default()
                };
                let batches: Vec<ReceivedBatch> = sent.iter().map(|sent| made(sent, acked(sent))).collect();
                let done = store.append(&batches, now_us).await.unwrap();
                assert_eq!(done.batches.len(), batches.len());
                for (batch, done) in batches.iter().zip(done.batches) {
                    assert_eq!((done.outcome, done.acked), model.apply(batch), "{batch:?}");
                }
            }
            Act::Restart => {
                store.close().await;
                store = Store::open(address, OpenMode::Serve).await.unwrap();
            }
            Act::Trim => {
                let keep = oddline_collector::store::RetentionPolicy { since_us: now_us, bytes_max: None };
                while store.trim(keep).await.unwrap().more {}
                model.events.clear();
                model.letters.clear();
            }
            Act::Retry => {
                store.retry(ingest::entries, now_us).await.unwrap();
                model.events.append(&mut model.letters);
            }
        }
        check(&store, &model).await;
    }
    store.close().await;
}

async fn check(store: &Store, model: &Model) {
    let rows = store.events(None, 100_000).await.unwrap();
    let stored: BTreeSet<(AgentKey, u64, u64)> =
        rows.iter().map(|row| (row.who.clone(), row.epoch.get(), row.sequence)).collect();
    assert_eq!(stored.len(), rows.len(), "no row twice");
    assert_eq!(stored, model.events);
    for row in &rows {
        assert_eq!(row.entry, entry(row.sequence), "what is stored is what was sent");
    }
    for ((who, epoch), acked) in &model.acked {
        assert_eq!(store.progress(who, Epoch::new(*epoch).unwrap()).await.unwrap(), *acked);
    }
    let letters = store.dead_letters(i64::MIN, 10_000).await.unwrap();
    let letters: BTreeSet<(AgentKey, u64, u64)> = letters
        .iter()
        .flat_map(|letter| (letter.first..=letter.last).map(|at| (letter.who.clone(), letter.epoch.get(), at)))
        .collect();
    assert_eq!(letters, model.letters);
}

#[test]
fn what_is_stored_equals_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = postgres("store_model: PostgreSQL");
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() });
    let cases = prop::collection::vec(act(), 1..25);
    runner
        .run(&cases, |acts| {
            number.set(number.get() + 1);
            let sqlite = DatabaseAddress::Sqlite(folder.path().join(format!("{}.db", number.get())));
            runtime.block_on(async {
                let store = Store::open(&sqlite, OpenMode::Serve).await.unwrap();
                play(&sqlite, store, acts.clone()).await;
            });
            Ok(())
        })
        .unwrap();
    if database.is_none() {
        return;
    }
    // Each case wants an empty database, which costs more than the case.
    let mut runner = TestRunner::new(ProptestConfig { cases: 8, max_shrink_iters: 20, ..ProptestConfig::default() });
    runner
        .run(&cases, |acts| {
            let address = postgres("store_model: PostgreSQL").unwrap();
            runtime.block_on(async {
                let store = Store::open(&address, OpenMode::Serve).await.unwrap();
                play(&address, store, acts.clone()).await;
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn an_episode_is_one_row_with_its_last_word() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("store_model: episodes", folder.path()).await {
        let pi = who("home", "pi");
        let filter = crate::queries::everything();
        let first = store.append(&[batch(&pi, epoch(1), 1, 40)], 1_000).await.unwrap();
        let all = store.anomalies(&filter, None, 1_000).await.unwrap().anomalies;
        assert_eq!(all.len(), first.anomalies.len());
        // The same again changes nothing, whichever way it comes.
        store.append(&[batch(&pi, epoch(1), 1, 40), batch(&pi, epoch(1), 20, 10)], 2_000).await.unwrap();
        assert_eq!(store.anomalies(&filter, None, 1_000).await.unwrap().anomalies, all);
        // Another life has its own numbers.
        store.append(&[batch(&pi, epoch(2), 1, 40)], 3_000).await.unwrap();
        assert_eq!(store.anomalies(&filter, None, 1_000).await.unwrap().anomalies.len(), 2 * all.len());
        let one = all.iter().find(|row| row.kind == AnomalyKind::Score && row.state == AnomalyState::Ended).unwrap();
        assert_eq!((one.records, one.samples[0].as_str()), (4, Some("Jan  5 cron[1]: took 9300 ms")));
    }
}

#[tokio::test]
async fn what_another_collector_has_stored_is_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("store_model: two stores", folder.path()).await {
        let other = Store::open(&address, OpenMode::Serve).await.unwrap();
        let pi = who("home", "pi");
        store.append(&[batch(&pi, epoch(1), 1, 50)], 1_000).await.unwrap();
        other.append(&[batch(&pi, epoch(1), 51, 50)], 2_000).await.unwrap();
        // Back again, with one that the other has stored, too.
        let batches = [batch(&pi, epoch(1), 41, 10), batch(&pi, epoch(1), 101, 10), batch(&pi, epoch(1), 121, 10)];
        let done = store.append(&batches, 3_000).await.unwrap().batches;
        let outcomes: Vec<AppendOutcome> = done.iter().map(|done| done.outcome).collect();
        assert_eq!(outcomes, [AppendOutcome::Repeated, AppendOutcome::Stored(10), AppendOutcome::Gap], "{address}");
        assert_eq!((done[1].acked, done[2].acked), (110, 110));
        let done = other.append(&[batch(&pi, epoch(1), 95, 20)], 4_000).await.unwrap().batches;
        assert_eq!((done[0].outcome, done[0].acked), (AppendOutcome::Stored(4), 114));
    }
}
