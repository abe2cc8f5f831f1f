//! What a client may cost, and what is no HTTP at all.

use std::{
    io::{BufReader, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use oddline_collector::serve::{ApiSettings, HttpLimits};
use oddline_testkit::waiting::pass_async;

use crate::{
    client::{connect, exchange, read},
    web::{on_sqlite, on_sqlite_at, settings},
};

const VERDICT: &str = "/api/v1/anomalies/zzzzzzzz/verdict";

#[tokio::test(flavor = "multi_thread")]
async fn too_many_and_too_large_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    let long = "x".repeat(20_000);
    assert_eq!(web.ask("GET", "/healthz", &[("x-long", &long)], "").status, 431);
    assert_eq!(web.refused(&format!("/api/v1/servers?fleet={}", &long[..5_000]), 414)["status"], 414);
    assert_eq!(web.refused(&format!("/api/v1/servers?fleet={}", &long[..300]), 400)["parameter"], "fleet");
    let body = format!(r#"{{"verdict": "real", "note": "{long}"}}"#);
    assert_eq!(web.post(VERDICT, &body).status, 413);
    let body = format!(r#"{{"verdict": "real", "note": "{}"}}"#, &long[..5_000]);
    assert_eq!(web.post(VERDICT, &body).json()["parameter"], "note");
    // Without a length it ends at the bound all the same.
    let mut chunked =
        web.request("POST", VERDICT, &[("content-type", "application/json"), ("transfer-encoding", "chunked")], "");
    for _ in 0..20 {
        chunked += &format!("400\r\n{}\r\n", &long[..1_024]);
    }
    assert_eq!(exchange(web.address, (chunked + "0\r\n\r\n").as_bytes()).unwrap().status, 413);
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { burst: 5, per_second: 1, ..HttpLimits::default() };
    let (began, passed_ms) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let shown = Arc::clone(&passed_ms);
    let clock = Arc::new(move || began + Duration::from_millis(shown.load(Relaxed)));
    let web = on_sqlite_at(folder.path(), ApiSettings { limits, ..settings() }, clock).await;
    let ask = || web.ask("GET", "/healthz", &[], "");
    let statuses = |count: usize| (0..count).map(|_| ask().status).collect::<Vec<_>>();
    assert_eq!(statuses(7), [200, 200, 200, 200, 200, 429, 429]);
    let refused = ask();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.json()["what_to_do"].as_str().unwrap().contains("wait"));
    for (at_ms, expected) in [(999, [429, 429, 429]), (1_000, [200, 429, 429]), (3_000, [200, 200, 429])] {
        passed_ms.store(at_ms, Relaxed);
        assert_eq!(statuses(3), expected, "after {at_ms} ms");
    }
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_us_waiting_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let limits = HttpLimits { head: Duration::from_millis(600), body: Duration::from_millis(300), ..settings().limits };
    let web = on_sqlite(folder.path(), ApiSettings { limits, ..settings() }).await;
    // Nothing at all: closed without a word.
    let asked = Instant::now();
    assert!(exchange(web.address, b"").is_none());
    // A byte now and then.
    let mut slow = connect(web.address);
    let mut text = web.request("GET", "/healthz", &[], "").into_bytes().into_iter();
    while asked.elapsed() < Duration::from_secs(10) {
        // The other side may have closed.
        if slow.write_all(&[text.next().unwrap()]).is_err() || text.len() < 20 {
            break;
        }
        pass_async(Duration::from_millis(50)).await;
        if asked.elapsed() > Duration::from_millis(1_800) {
            break;
        }
    }
    let answer = read(&mut BufReader::new(slow)).expect("an answer");
    assert_eq!(answer.status, 408);
    assert!(answer.json()["what_to_do"].is_string());
    // A head and no body.
    let mut lazy = connect(web.address);
    let head = web.request("POST", VERDICT, &[("content-type", "application/json"), ("content-length", "10")], "");
    lazy.write_all(head.as_bytes()).unwrap();
    assert_eq!(read(&mut BufReader::new(lazy)).unwrap().status, 408);
    // Between two requests it may rest, but not for long.
    let mut resting = connect(web.address);
    resting.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut resting = BufReader::new(resting);
    assert_eq!(read(&mut resting).unwrap().status, 200);
    assert!(read(&mut resting).is_none(), "closed");
    // The live stream is no rest: its heartbeats keep it.
    let (status, mut events) = web.listen(&[]);
    assert_eq!(status, 200);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        assert!(crate::client::chunk(&mut events).is_some(), "still open");
    }
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_do_not_keep_others_out_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let limits =
        HttpLimits { connections: 16, connections_each: 12, head: Duration::from_secs(2), ..settings().limits };
    let web = on_sqlite(folder.path(), ApiSettings { limits, ..settings() }).await;
    let held: Vec<_> = (0..12).map(|_| connect(web.address)).collect();
    // All are let in before the next one is looked at: they come in order.
    let turned_away = exchange(web.address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert_eq!(turned_away.status, 503);
    assert!(turned_away.json()["error"].as_str().unwrap().contains("connections"));
    let until = Instant::now() + Duration::from_secs(20);
    let mut refused = 0;
    while exchange(web.address, web.request("GET", "/healthz", &[], "").as_bytes()).is_none_or(|a| a.status == 503) {
        assert!(Instant::now() < until, "places are free again");
        refused += 1;
        pass_async(Duration::from_millis(50)).await;
    }
    drop(held);
    let metrics = web.ask("GET", "/metrics", &[], "").text();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("oddline_http_turned_away_total ")).unwrap();
    assert_eq!(counted.parse::<u32>().unwrap(), refused + 1);
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_nothing_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    let host = "host: localhost\r\n";
    let cases: Vec<Vec<u8>> = vec![
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 hello over TLS".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        format!("GET /healthz HTTP/1.1\r\n{host}bad header\r\n\r\n").into_bytes(),
        format!("GET /healthz HTTP/1.1\r\n{host}x: a\0b\r\n\r\n").into_bytes(),
        format!("GET /api/v1/servers?fleet=%zz%ff HTTP/1.1\r\n{host}connection: close\r\n\r\n").into_bytes(),
        format!("GET /api/v1/anomalies/%ff%fe HTTP/1.1\r\n{host}connection: close\r\n\r\n").into_bytes(),
        b"GET http://evil.example/healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_vec(),
        format!("POST {VERDICT} HTTP/1.1\r\n{host}content-length: -1\r\n\r\n").into_bytes(),
        format!("POST {VERDICT} HTTP/1.1\r\n{host}content-length: 5\r\ncontent-length: 6\r\n\r\n").into_bytes(),
        format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a/".repeat(200_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5_000)).into_bytes(),
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case[..case.len().min(80)]).into_owned();
        let mut stream = connect(web.address);
        // The server may close before it has read all.
        let _ = stream.write_all(&case);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.0 4"), "{shown}: {text}");
        assert_eq!(web.get("/healthz")["status"], "ok", "after {shown}");
    }
    web.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_database_is_said_and_the_queue_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    assert_eq!(web.get("/healthz")["status"], "ok");
    web.pulse.lock().unwrap().queued = 64;
    assert_eq!(web.get("/healthz")["status"], "ok", "full, and on its way");
    web.pulse.lock().unwrap().stands_for = Duration::from_secs(10);
    assert!(web.refused("/healthz", 503)["wrong"][0].as_str().unwrap().contains("queue"));
    assert!(web.ask("GET", "/metrics", &[], "").text().contains("\noddline_queue_messages 64\n"));
    web.pulse.lock().unwrap().queued = 0;
    // The file is still open; what is in it is not a database any more.
    web.store.clone().close().await;
    for file in ["collector.db", "collector.db-wal", "collector.db-shm"] {
        let path = folder.path().join(file);
        if path.exists() {
            std::fs::write(&path, vec![0xaa; 1 << 20]).unwrap();
        }
    }
    assert!(web.refused("/healthz", 503)["wrong"][0].as_str().unwrap().contains("database"));
    let problem = web.refused("/api/v1/anomalies", 503);
    assert!(!problem.to_string().contains("malformed"), "the database's own words stay inside: {problem}");
    web.server.stop().await;
}
