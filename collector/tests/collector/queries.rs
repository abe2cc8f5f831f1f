//! Questions and their answers, on both databases.

use oddline_collector::store::{
    AnomalyFilter, AnomalyKind, DatabaseAddress, ModelFile, OpenMode, PersonVerdict, RetentionPolicy, RolloutTarget,
    Store,
};

use crate::entries::{batch, episode, epoch, odd, stores, who};

/// All anomalies of all times.
pub(crate) fn everything() -> AnomalyFilter {
    AnomalyFilter {
        since_us: i64::MIN,
        until_us: i64::MAX,
        server: None,
        component: None,
        kind: None,
        min_score: None,
        agent: None,
        fleet: None,
    }
}

#[tokio::test]
async fn pages_meet_without_a_hole_and_filters_agree_with_a_plain_search() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("queries: pages", folder.path()).await {
        let pi = who("home", "pi");
        // Three to a time, so that pages end between equal times.
        let batches: Vec<_> =
            (1..=100).map(|n| odd(&pi, epoch(1), n, episode(n, n, 5_000_000 + (n / 3) as i64))).collect();
        for batch in batches {
            store.append(&[batch], 7_000_000).await.unwrap();
        }
        let all = store.anomalies(&everything(), None, 10_000).await.unwrap();
        assert_eq!((all.anomalies.len(), all.next), (100, None));
        let filters = [
            everything(),
            AnomalyFilter { server: Some("web-1".into()), ..everything() },
            AnomalyFilter { component: Some("cpu".into()), ..everything() },
            AnomalyFilter { server: Some("db-1".into()), component: Some("disk".into()), ..everything() },
            AnomalyFilter { kind: Some(AnomalyKind::Range), min_score: Some(50.0), ..everything() },
            AnomalyFilter { since_us: 5_000_010, until_us: 5_000_020, ..everything() },
            AnomalyFilter { agent: Some("other".into()), ..everything() },
            AnomalyFilter {
                fleet: Some("home".into()),
                agent: Some("pi".into()),
                min_score: Some(99.0),
                ..everything()
            },
        ];
        for filter in filters {
            let expected: Vec<&str> = all
                .anomalies
                .iter()
                .filter(|a| {
                    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
                    a.last_us >= filter.since_us
                        && a.last_us < filter.until_us
                        && is(&filter.server, &a.server)
                        && is(&filter.component, &a.component)
                        && filter.kind.is_none_or(|kind| a.kind == kind)
                        && is(&filter.agent, &a.agent)
                        && is(&filter.fleet, &a.fleet)
                        && filter.min_score.is_none_or(|score| a.peak >= score)
                })
                .map(|a| a.id.as_str())
                .collect();
            let (mut found, mut place) = (Vec::new(), None);
            loop {
                let page = store.anomalies(&filter, place.as_ref(), 7).await.unwrap();
                found.extend(page.anomalies.into_iter().map(|a| a.id));
                place = page.next;
                if place.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} on {address}");
        }
        assert_eq!(store.servers().await.unwrap(), ["db-1", "web-1"]);
        assert_eq!(store.components().await.unwrap(), ["cpu", "disk"]);
    }
}

#[tokio::test]
async fn an_anomaly_is_found_by_the_beginning_of_its_id_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("queries: verdicts", folder.path()).await {
        let pi = who("home", "pi");
        store.append(&[odd(&pi, epoch(1), 1, episode(1, 1, 5_000_000))], 7_000_000).await.unwrap();
        let id = store.anomalies(&everything(), None, 1).await.unwrap().anomalies.remove(0).id;
        for beginning in [&id[..4], &id[..10], &id] {
            assert_eq!(store.anomaly(beginning).await.unwrap()[0].id, id);
        }
        for none in ["", "abc", "zzzzzzzz", "' OR 1=1 --", &id.to_uppercase()] {
            assert!(store.anomaly(none).await.unwrap().is_empty(), "{none}");
        }
        assert!(!store.judge("0000000000000000", PersonVerdict::Real, None, None, 1).await.unwrap());
        assert!(store.judge(&id, PersonVerdict::Unsure, None, None, 1).await.unwrap());
        assert!(store.judge(&id, PersonVerdict::Real, Some("it was\0"), Some("me"), 2).await.unwrap());
        assert_eq!(store.anomaly(&id).await.unwrap()[0].verdict, Some(PersonVerdict::Real.into()));
        let said = store.verdicts(&id).await.unwrap();
        assert_eq!(said.iter().map(|row| row.verdict.as_str()).collect::<Vec<_>>(), ["real", "unsure"]);
        // The next word of the agent does not take the verdict away, nor does age.
        store.append(&[odd(&pi, epoch(1), 2, episode(1, 9, 6_000_000))], 8_000_000).await.unwrap();
        while store.trim(RetentionPolicy { since_us: i64::MAX, bytes_max: None }).await.unwrap().more {}
        let anomaly = &store.anomaly(&id).await.unwrap()[0];
        assert_eq!((anomaly.records, &anomaly.verdict), (9, &Some(PersonVerdict::Real.into())));
    }
}

#[tokio::test]
async fn what_is_too_much_goes_oldest_first_and_never_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("queries: retention", folder.path()).await {
        let pi = who("home", "pi");
        for at in 0..8 {
            store.append(&[batch(&pi, epoch(1), 1 + 500 * at, 500)], 1_000 + at as i64).await.unwrap();
        }
        let keep = RetentionPolicy { since_us: 1_003, bytes_max: None };
        let mut bites = 1;
        while store.trim(keep).await.unwrap().more {
            bites += 1;
        }
        assert!(bites >= 3, "in bites");
        let left = store.events(None, 10_000).await.unwrap();
        assert_eq!((left.len(), left[0].sequence), (2_500, 1_501));
        let done = store.append(&[batch(&pi, epoch(1), 1, 500)], 9_000).await.unwrap();
        assert_eq!(done.batches[0].acked, 4_000, "what was trimmed is not stored again");
        assert_eq!(store.events(None, 10_000).await.unwrap().len(), 2_500);
        assert!(store.bytes_used().await.is_ok());
        if matches!(address, DatabaseAddress::Sqlite(_)) {
            let used = store.bytes_used().await.unwrap();
            let keep = RetentionPolicy { since_us: 0, bytes_max: Some(used - 200_000) };
            while store.trim(keep).await.unwrap().more {}
            assert!(store.bytes_used().await.unwrap() <= used - 200_000);
            let left = store.events(None, 10_000).await.unwrap();
            assert!(left.len() < 2_500 && left.last().unwrap().sequence == 4_000, "{}", left.len());
        }
    }
}

#[tokio::test]
async fn of_invented_lives_only_the_newest_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (_, store) in stores("queries: lives", folder.path()).await {
        let (mad, calm) = (who("home", "mad"), who("home", "pi"));
        store.append(&[batch(&calm, epoch(1), 1, 5)], 1).await.unwrap();
        for life in 1..=600 {
            store.append(&[batch(&mad, epoch(life), 1, 1)], 1_000 + life as i64).await.unwrap();
        }
        let keep = RetentionPolicy { since_us: 0, bytes_max: None };
        while store.trim(keep).await.unwrap().more {}
        let mut kept = Vec::new();
        for life in 1..=600 {
            let acked = store.progress(&mad, epoch(life)).await.unwrap();
            kept.extend((acked == 1).then_some(life));
        }
        assert_eq!(kept, (585..=600).collect::<Vec<u64>>());
        assert_eq!(store.progress(&calm, epoch(1)).await.unwrap(), 5);
        assert_eq!(store.events(None, 10_000).await.unwrap().len(), 605, "events go by age only");
        // Their sequences go on where they were.
        let done = store.append(&[batch(&mad, epoch(600), 1, 3), batch(&calm, epoch(1), 6, 1)], 9_000).await.unwrap();
        assert_eq!(done.batches.iter().map(|done| done.acked).collect::<Vec<_>>(), [3, 6]);
    }
}

#[tokio::test]
async fn rows_do_not_go_for_what_stays_anyway() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&DatabaseAddress::Sqlite(folder.path().join("c.db")), OpenMode::Serve).await.unwrap();
    let pi = who("home", "pi");
    store.append(&[batch(&pi, epoch(1), 1, 500)], 1_000).await.unwrap();
    let before = store.bytes_used().await.unwrap();
    let model = ModelFile {
        sha256: "0".repeat(64).parse().unwrap(),
        version: 1,
        file: "m.onnx".to_owned(),
        bytes: vec![7; 4 << 20],
        signature: String::new(),
        provenance: None,
        report: None,
    };
    store.push(&model, &RolloutTarget::Agents(vec![pi]), 2_000).await.unwrap();
    assert!(store.bytes_used().await.unwrap() > before + (4 << 20));
    // Three quarters of it are for events and anomalies.
    let keep = RetentionPolicy { since_us: 0, bytes_max: Some((before + 100_000) / 3 * 4) };
    while store.trim(keep).await.unwrap().more {}
    assert_eq!(store.events(None, 10_000).await.unwrap().len(), 500);
}
