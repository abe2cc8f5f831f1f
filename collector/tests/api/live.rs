//! The live stream.

use std::{
    io::BufReader,
    net::TcpStream,
    time::{Duration, Instant},
};

use oddline_collector::serve::{ApiSettings, HttpLimits};
use serde_json::{Value, json};

use crate::{
    client::chunk,
    entries::{episode, epoch, odd, stores, who},
    openapi::fits,
    web::{Web, on_sqlite, settings, start},
};

/// One event: its name, id and data.
type Said = (String, Option<String>, Value);

/// A client that reads events; heartbeats are passed over.
struct Events {
    reader: BufReader<TcpStream>,
    text: String,
}

impl Events {
    fn of(web: &Web, headers: &[(&str, &str)]) -> Self {
        let (status, reader) = web.listen(headers);
        assert_eq!(status, 200);
        Self { reader, text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Said> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.map(ToOwned::to_owned)
                };
                if let Some(name) = field("event") {
                    let data: Value = serde_json::from_str(&field("data").unwrap()).unwrap();
                    if name == "anomaly" {
                        fits(&json!({"$ref": "#/components/schemas/Anomaly"}), &data, "live");
                    }
                    return Some((name, field("id"), data));
                }
            }
            self.text += &String::from_utf8(chunk(&mut self.reader)?).unwrap();
        }
    }

    fn anomaly(&mut self) -> (String, i64) {
        let (name, id, data) = self.next().expect("an event");
        assert_eq!(name, "anomaly", "{data}");
        (id.unwrap(), data["records"].as_i64().unwrap())
    }
}

async fn add(web: &Web, sequence: u64, number: u64, records: u64) {
    let batch = odd(&who("home", "pi"), epoch(1), sequence, episode(number, records, 5_000_000));
    let now = oddline_collector::clock::now_us();
    let done = web.store.append(&[batch], now).await.unwrap();
    // As the writer does after its commit; nobody may listen.
    let _ = web.live.send(done.anomalies.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_told_in_order_and_told_again_to_who_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: live", folder.path()).await {
        let web = start(&address, store, settings()).await;
        add(&web, 1, 1, 1).await;
        let mut events = Events::of(&web, &[]);
        let (hello, _, data) = events.next().unwrap();
        assert_eq!(hello, "hello");
        assert!(data["now"].as_str().unwrap().ends_with('Z'));
        let mut last = String::new();
        for n in 2..=5 {
            add(&web, n, n, n * 10).await;
            let (id, records) = events.anomaly();
            assert_eq!(records, n as i64 * 10, "each at once, nothing of before on {address}");
            last = id;
        }
        // The same anomaly again: it is told with its new figures.
        add(&web, 6, 2, 99).await;
        assert_eq!(events.anomaly().1, 99);
        drop(events);
        for n in 7..=9 {
            add(&web, n, n, n * 10).await;
        }
        let mut back = Events::of(&web, &[("last-event-id", &last)]);
        assert_eq!(back.next().unwrap().0, "hello");
        let told: Vec<i64> = (0..4).map(|_| back.anomaly().1).collect();
        assert_eq!(told, [99, 70, 80, 90], "{address}");
        add(&web, 10, 10, 100).await;
        assert_eq!(back.anomaly().1, 100, "once, not again what was told again");
        // The other end ends it.
        let asked = Instant::now();
        web.server.stop().await;
        assert!(back.next().is_none());
        assert!(asked.elapsed() < Duration::from_secs(4), "nobody waits for listeners");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_collector_stored_is_found_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: live of others", folder.path()).await {
        let web = start(&address, store, settings()).await;
        let mut events = Events::of(&web, &[]);
        events.next().unwrap();
        let batch = odd(&who("home", "pi"), epoch(1), 1, episode(1, 4, 5_000_000));
        web.store.append(&[batch], oddline_collector::clock::now_us()).await.unwrap();
        assert_eq!(events.anomaly().1, 4, "{address}");
        web.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_told_and_more_than_can_be_seen_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    add(&web, 1, 1, 1).await;
    let mut events = Events::of(&web, &[]);
    events.next().unwrap();
    let id = web.get("/api/v1/anomalies?since=1970-01-01")["anomalies"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(web.post(&format!("/api/v1/anomalies/{id}/verdict"), r#"{"verdict": "real"}"#).status, 200);
    let (_, _, data) = events.next().unwrap();
    assert_eq!(data["verdict"], "real");
    let many: Vec<_> = (2..=1_001).map(|n| odd(&who("home", "pi"), epoch(n), 1, episode(n, 1, 5_000_000))).collect();
    let done = web.store.append(&many, oddline_collector::clock::now_us()).await.unwrap();
    let _ = web.live.send(done.anomalies.into());
    let mut told = 0;
    let skipped = loop {
        match events.next().unwrap() {
            (name, _, data) if name == "skipped" => break data["anomalies"].as_u64().unwrap(),
            (name, ..) => assert_eq!(name, "anomaly"),
        }
        told += 1;
    };
    assert_eq!(told + skipped, 1_000);
    assert!(told > 0 && skipped > 0);
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_the_listeners_and_a_strange_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { listeners: 2, ..settings().limits };
    let web = on_sqlite(folder.path(), ApiSettings { limits, ..settings() }).await;
    let mut first = Events::of(&web, &[]);
    first.next().unwrap();
    let second = Events::of(&web, &[]);
    assert_eq!(web.refused("/api/v1/live", 503)["status"], 503);
    assert!(web.ask("GET", "/metrics", &[], "").text().contains("oddline_http_listeners 2\n"));
    drop(second);
    // Noticed when the connection is; bounded by the client's patience.
    let until = Instant::now() + Duration::from_secs(20);
    while web.listen(&[]).0 == 503 {
        assert!(Instant::now() < until, "a place that is left is free");
        tokio::task::yield_now().await;
    }
    for strange in ["x", "1", "1~../", "x~0", "~"] {
        let answer = web.ask("GET", "/api/v1/live", &[("last-event-id", strange)], "");
        assert_eq!(answer.status, 400, "{strange}");
    }
    web.server.stop().await;
}
