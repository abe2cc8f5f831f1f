//! Pages of a list that grows meanwhile.

use std::collections::BTreeSet;

use crate::{
    entries::{episode, epoch, odd, who},
    web::{encoded, on_sqlite, settings},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_once_while_others_are_added() {
    const ROWS: u64 = 2_500;
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    let pi = who("home", "pi");
    let base = 1_767_600_000_000_000_i64;
    // Seven to a time, so that pages end between equal times.
    let add = async |n: u64, at: u64| {
        let anomaly = episode(n, 1, base + i64::try_from(at / 7).unwrap());
        odd(&pi, epoch(n), 1, anomaly)
    };
    let mut batches = Vec::new();
    for n in 1..=ROWS {
        batches.push(add(n, n).await);
    }
    for part in batches.chunks(500) {
        web.store.append(part, 7_000_000).await.unwrap();
    }
    let first: BTreeSet<String> = {
        let all = web.all("/api/v1/anomalies?since=2026-01-01&limit=1000", "anomalies");
        all.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(first.len(), 2_500);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0_u64);
    loop {
        let page = web.get(&format!("/api/v1/anomalies?since=2026-01-01&limit=97{cursor}"));
        seen.extend(page["anomalies"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        pages += 1;
        // Newer ones, as they come, and some at the very times that are being read.
        let (newer, between) = (ROWS + 10 * pages, 100_000 + pages);
        let added = [add(newer, newer).await, add(between, ROWS - pages * 50).await];
        web.store.append(&added, 8_000_000).await.unwrap();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    assert!(pages > 25);
    let unique: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(unique.len(), seen.len(), "nothing twice");
    assert!(first.is_subset(&unique), "{} are missing", first.difference(&unique).count());
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relative_time_means_the_same_on_every_page() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    let now = oddline_collector::clock::now_us();
    for n in 1..=3 {
        let anomaly = episode(n, 1, now - 3_600_000_000 + 300_000 * i64::try_from(n).unwrap());
        web.store.append(&[odd(&who("home", "pi"), epoch(n), 1, anomaly)], 7_000_000).await.unwrap();
    }
    let since = now - 3_600_000_000;
    let page = web.get("/api/v1/anomalies?since=1h&limit=1");
    let Some(next) = page["next"].as_str() else { return assert!(page["anomalies"].as_array().unwrap().is_empty()) };
    let held: i64 = next.split('~').nth(1).unwrap().parse().unwrap();
    assert!(held >= since, "the bound of the first page");
    // Asked again much later the bound is still that of the first page.
    let cursor = next.replace(&held.to_string(), &since.to_string());
    let rest = web.get(&format!("/api/v1/anomalies?since=0s&limit=10&cursor={}", encoded(&cursor)));
    assert_eq!(rest["anomalies"].as_array().unwrap().len(), 2);
    for bad in ["x", "1~2~../x", "1~x~0000", "~~", "9999999999999999999999~1~0000"] {
        let target = format!("/api/v1/anomalies?cursor={}", encoded(bad));
        assert_eq!(web.refused(&target, 400)["parameter"], "cursor", "{bad}");
    }
    for target in ["counts", "models", "rollouts"] {
        assert_eq!(web.refused(&format!("/api/v1/{target}?cursor=x"), 400)["parameter"], "cursor", "{target}");
    }
}
