//! What anybody on the network can fill has a share of its own: it lets go of its own oldest and takes nothing from others.

use oddline_collector::{
    ingest::{self, IncomingMessage},
    store::{
        AgentKey, AgentReport, AppendOutcome, BatchBody, DatabaseAddress, OpenMode, PersonVerdict, ReceivedBatch,
        RetentionPolicy, Store,
    },
};

use crate::{
    entries::{batch, episode, epoch, odd, stores, who},
    queries::everything,
};

const HOUR_US: i64 = 3_600_000_000;
const MIB: u64 = 1 << 20;

async fn trim(store: &Store, keep: RetentionPolicy) {
    while store.trim(keep).await.unwrap().more {}
}

async fn sqlite(folder: &std::path::Path) -> Store {
    Store::open(&DatabaseAddress::Sqlite(folder.join("c.db")), OpenMode::Serve).await.unwrap()
}

fn heard(who: &AgentKey, channel: &str, json: &str) -> AgentReport {
    let topic = format!("oddline/v1/{}/{}/{channel}", who.fleet, who.agent);
    match ingest::read(&topic, json.as_bytes(), false).unwrap() {
        IncomingMessage::Heard(heard) => heard,
        other => panic!("{other:?}"),
    }
}

async fn anomalies(store: &Store) -> Vec<(String, Option<String>)> {
    let page = store.anomalies(&everything(), None, 100_000).await.unwrap();
    page.anomalies.into_iter().map(|anomaly| (anomaly.id, anomaly.verdict.map(|verdict| verdict.to_string()))).collect()
}

#[tokio::test]
async fn notes_on_verdicts_push_out_no_event_and_no_anomaly() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).await;
    let pi = who("home", "pi");
    store.append(&[batch(&pi, epoch(1), 1, 2_000)], 1_000).await.unwrap();
    for number in 1..=300 {
        let odd = odd(&pi, epoch(2), number, episode(number, 1, 2_000_000));
        store.append(&[odd], 2_000).await.unwrap();
    }
    let before = anomalies(&store).await;
    let keep = RetentionPolicy { since_us: 0, bytes_max: Some(16 * MIB) };
    let note = "x".repeat(4_096);
    for at in 0..4_600 {
        let (id, _) = &before[at % 300];
        assert!(store.judge(id, PersonVerdict::Real, Some(&note), None, 10_000 + at as i64).await.unwrap());
    }
    trim(&store, keep).await;
    assert_eq!(store.events(None, 10_000).await.unwrap().len(), 2_300);
    let after = anomalies(&store).await;
    assert_eq!(after.len(), before.len());
    // An eighth of the size is theirs, the newest are left, and of the others it is no longer known that there was one.
    let mut notes = 0;
    for (id, verdict) in &after {
        let verdicts = store.verdicts(id).await.unwrap();
        assert_eq!(verdict.is_some(), !verdicts.is_empty(), "{id}");
        notes += verdicts.len();
    }
    assert!((200..=512).contains(&notes), "{notes} notes of 4 KiB");
    assert!(after.iter().filter(|(_, verdict)| verdict.is_some()).count() < 301);
}

#[tokio::test]
async fn of_the_verdicts_on_one_anomaly_the_last_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("shares: verdicts", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[odd(&pi, epoch(1), 1, episode(1, 1, 2_000_000))], 1_000).await.unwrap();
        let (id, _) = anomalies(&store).await.remove(0);
        for at in 1..=40 {
            store.judge(&id, PersonVerdict::Unsure, Some(&at.to_string()), None, at).await.unwrap();
        }
        let notes: Vec<String> = store.verdicts(&id).await.unwrap().into_iter().filter_map(|row| row.note).collect();
        assert_eq!(notes, (25..=40).rev().map(|at| at.to_string()).collect::<Vec<_>>());
    }
}

fn letter(who: &AgentKey, first: u64, bytes: usize) -> ReceivedBatch {
    let body = BatchBody::Unreadable { count: 1, payload: vec![7; bytes], reason: "newer".to_owned() };
    ReceivedBatch { who: who.clone(), epoch: epoch(1), first, body }
}

#[tokio::test]
async fn who_fills_dead_letters_or_history_loses_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).await;
    let (calm, mad) = (who("home", "pi"), who("home", "mad"));
    let said = |what: &str| format!(r#"{{"fleet":"home","agent":"{what}","epoch":"1","oldest":1}}"#);
    store.record_report(&[heard(&calm, "birth", &said("pi"))], 500).await.unwrap();
    store.append(&[letter(&calm, 1, 50_000), batch(&calm, epoch(1), 2, 1_000)], 1_000).await.unwrap();
    for at in 1..=200 {
        store.append(&[letter(&mad, at, 200_000)], 2_000 + at as i64).await.unwrap();
        let sources = "s".repeat(40_000);
        let json = format!(r#"{{"fleet":"home","agent":"mad","epoch":"1","oldest":1,"sources":["{sources}{at}"]}}"#);
        store.record_report(&[heard(&mad, "birth", &json)], 2_000 + at as i64).await.unwrap();
    }
    trim(&store, RetentionPolicy { since_us: 0, bytes_max: Some(32 * MIB) }).await;
    assert_eq!(store.events(None, 10_000).await.unwrap().len(), 1_000);
    let letters = store.dead_letters(0, 1_000).await.unwrap();
    assert_eq!(letters.iter().filter(|letter| letter.who == calm).count(), 1, "the calm one's stays");
    let of_mad: Vec<u64> = letters.iter().filter(|letter| letter.who == mad).map(|letter| letter.first).collect();
    assert!(!of_mad.is_empty() && of_mad.len() <= 10 && of_mad[0] == 200, "the newest: {of_mad:?}");
    assert_eq!(store.history(&calm, 0, 1_000).await.unwrap().len(), 1);
    let history = store.history(&mad, 0, 1_000).await.unwrap();
    assert!(history.len() <= 55, "{}", history.len());
    assert_eq!(store.progress(&mad, epoch(1)).await.unwrap(), 200, "none of it comes again");
}

#[tokio::test]
async fn invented_agents_end_at_a_ceiling_and_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).await;
    let up = r#"{"state":"up","figures":null}"#;
    let calm = who("home", "pi");
    store.append(&[batch(&calm, epoch(1), 1, 10)], 1_000).await.unwrap();
    for thousand in 0..10 {
        let words: Vec<AgentReport> =
            (0..1_000).map(|n| heard(&who("x", &format!("a-{thousand}-{n}")), "status", up)).collect();
        store.record_report(&words, 2_000).await.unwrap();
    }
    assert_eq!(store.agents().await.unwrap().len(), 10_000);
    // At the ceiling those who are known are heard, and no other.
    let newcomer = who("work", "new");
    let done = store.record_report(&[heard(&newcomer, "status", up), heard(&calm, "status", up)], 3_000).await.unwrap();
    assert!(done[0].no_room && !done[0].is_new && !done[1].no_room);
    let both = [batch(&newcomer, epoch(7), 1, 5), batch(&calm, epoch(1), 11, 5)];
    let done = store.append(&both, 4_000).await.unwrap().batches;
    assert_eq!((done[0].outcome, done[1].outcome), (AppendOutcome::NoRoom, AppendOutcome::Stored(5)));
    assert_eq!(store.events(None, 100).await.unwrap().len(), 15);
    // Nobody goes who has just spoken.
    let keep = RetentionPolicy { since_us: 0, bytes_max: None };
    trim(&store, keep).await;
    assert_eq!(store.agents().await.unwrap().len(), 10_000);
    // Hours later there is room again, and who delivers or speaks has stayed.
    let later = 2 * HOUR_US;
    let talkative = who("x", "a-3-14");
    store.record_report(&[heard(&talkative, "status", up)], later).await.unwrap();
    trim(&store, keep).await;
    let left: Vec<AgentKey> = store.agents().await.unwrap().into_iter().map(|agent| agent.who).collect();
    assert_eq!(left.len(), 7_500);
    assert!(left.contains(&calm) && left.contains(&talkative));
    let done = store.append(&[batch(&newcomer, epoch(7), 1, 5)], later + 1).await.unwrap().batches;
    assert_eq!((done[0].outcome, done[0].acked), (AppendOutcome::Stored(5), 5));
    // Who has not been heard for as long as rows are kept goes; what was acknowledged is remembered.
    trim(&store, RetentionPolicy { since_us: later, bytes_max: None }).await;
    let left: Vec<AgentKey> = store.agents().await.unwrap().into_iter().map(|agent| agent.who).collect();
    assert_eq!(left, [newcomer.clone(), talkative]);
    assert_eq!(store.progress(&calm, epoch(1)).await.unwrap(), 15);
    let done = store.append(&[batch(&calm, epoch(1), 11, 7)], later + 2).await.unwrap().batches;
    assert_eq!((done[0].outcome, done[0].acked), (AppendOutcome::Stored(2), 17));
}
