//! What is answered is what is stored, on both databases.

use std::collections::BTreeMap;

use oddline_collector::{
    clock::now_us,
    ingest::{self, IncomingMessage},
    store::{AgentReport, BatchBody, DatabaseAddress, ModelFile, ReceivedBatch, ReportBody, RolloutTarget, Store},
};
use oddline_core::{
    event::{BoundedText, Event, SpoolEntry},
    wire::{ModelId, ModelState, Refused},
};
use serde_json::Value;

use crate::{
    entries::{batch, episode, epoch, odd, stamp, stores, who},
    web::{Web, encoded, settings, start},
};

const HOUR_US: i64 = 3_600_000_000;
const ALWAYS: &str = "since=1970-01-01&until=2300-01-01";

async fn web(address: &DatabaseAddress, store: Store) -> Web {
    start(address, store, settings()).await
}

/// Sixty anomalies over five hours, three to a time.
async fn some(store: &Store) {
    for n in 1..=60_u64 {
        let who =
            who(if n.is_multiple_of(4) { "work" } else { "home" }, if n.is_multiple_of(7) { "pi" } else { "web" });
        let anomaly = episode(n, n, i64::try_from(n / 3).unwrap() * HOUR_US / 4);
        store.append(&[odd(&who, epoch(n), 1, anomaly)], 7_000_000).await.unwrap();
    }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_what_a_plain_search_leaves() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: filters", folder.path()).await {
        some(&store).await;
        let web = web(&address, store).await;
        let all = web.all(&format!("/api/v1/anomalies?{ALWAYS}"), "anomalies");
        assert_eq!(all.len(), 60);
        assert!(all.is_sorted_by(|a, b| a["last_us"].as_i64() >= b["last_us"].as_i64()), "newest first");
        type Test = fn(&Value) -> bool;
        let filters: [(&str, Test); 8] = [
            ("server=web-1", |a| a["server"] == "web-1"),
            ("component=cpu", |a| a["component"] == "cpu"),
            ("server=db-1&component=disk", |a| a["server"] == "db-1" && a["component"] == "disk"),
            ("kind=range", |a| a["kind"] == "range"),
            ("min_score=31.5", |a| a["peak"].as_f64().unwrap() >= 31.5),
            ("agent=pi&fleet=home", |a| a["agent"] == "pi" && a["fleet"] == "home"),
            ("fleet=work", |a| a["fleet"] == "work"),
            ("fleet=nowhere", |_| false),
        ];
        for (filter, test) in filters {
            let expected: Vec<Value> = all.iter().filter(|row| test(row)).cloned().collect();
            assert_eq!(expected.is_empty(), filter == "fleet=nowhere", "the filter tells rows apart: {filter}");
            let found = web.all(&format!("/api/v1/anomalies?{ALWAYS}&{filter}&limit=7"), "anomalies");
            assert_eq!(ids(&found), ids(&expected), "{filter} on {address}");
        }
        let (since, until) = ("1970-01-01T01:00:00Z", "1970-01-01T02:30:00%2B00:00");
        let found = web.all(&format!("/api/v1/anomalies?since={since}&until={until}&limit=5"), "anomalies");
        let within = |row: &&Value| (HOUR_US..HOUR_US * 5 / 2).contains(&row["last_us"].as_i64().unwrap());
        assert_eq!(found.len(), all.iter().filter(within).count());
        assert_eq!(found.len(), 18);
        assert_eq!(web.all("/api/v1/anomalies", "anomalies").len(), 0, "of the last day there is nothing");
        web.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hourly_counts_are_what_counting_gives() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: counts", folder.path()).await {
        some(&store).await;
        let web = web(&address, store).await;
        let all = web.all(&format!("/api/v1/anomalies?{ALWAYS}"), "anomalies");
        for (by, names) in [
            ("", vec![]),
            ("by=server&", vec!["server"]),
            ("by=server,component,kind&", vec!["server", "component", "kind"]),
            ("by=kind&fleet=home&", vec!["kind"]),
        ] {
            let mut expected: BTreeMap<(i64, Vec<String>), (i64, f64)> = BTreeMap::new();
            for row in all.iter().filter(|row| !by.contains("home") || row["fleet"] == "home") {
                let group = names.iter().map(|name| row[name].as_str().unwrap().to_owned()).collect();
                let hour = row["last_us"].as_i64().unwrap() / HOUR_US;
                let (count, peak) = expected.entry((hour, group)).or_insert((0, 0.0));
                *count += 1;
                *peak = row["peak"].as_f64().unwrap().max(*peak);
            }
            for limit in [3, 1_000] {
                let target = format!("/api/v1/counts?{by}since=1970-01-01&until=1970-01-03&limit={limit}");
                let found = web.all(&target, "counts");
                let found: BTreeMap<(i64, Vec<String>), (i64, f64)> = found
                    .iter()
                    .map(|row| {
                        let hour: jiff::Timestamp = row["hour"].as_str().unwrap().parse().unwrap();
                        let group = names.iter().map(|name| row[name].as_str().unwrap().to_owned()).collect();
                        let figures = (row["anomalies"].as_i64().unwrap(), row["peak"].as_f64().unwrap());
                        ((hour.as_microsecond() / HOUR_US, group), figures)
                    })
                    .collect();
                assert_eq!(found, expected, "{target} on {address}");
            }
        }
        assert_eq!(web.refused("/api/v1/counts?since=1970-01-01", 400)["parameter"], "since");
        web.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_anomaly_has_its_reasons_its_lines_its_history_and_its_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: one anomaly", folder.path()).await {
        let pi = who("home", "pi");
        let steps = [Event::EpisodeOpened, Event::EpisodeUpdated, Event::EpisodeEnded];
        // Another anomaly of the same source lies between.
        for (at, step) in (1..).zip(steps) {
            let own = step(Box::new(episode(7, at, 5_000_000 + i64::try_from(at).unwrap())));
            let other = Event::EpisodeOpened(Box::new(episode(100 + at, 1, 5_000_000)));
            let entries = [own, other].into_iter().map(|event| SpoolEntry { event, stamp: stamp() }).collect();
            let batch = ReceivedBatch {
                who: pi.clone(),
                epoch: epoch(1),
                first: 2 * at - 1,
                body: BatchBody::Entries(entries),
            };
            store.append(&[batch], 7_000_000 + i64::try_from(at).unwrap()).await.unwrap();
        }
        let web = web(&address, store).await;
        let all = web.all(&format!("/api/v1/anomalies?{ALWAYS}"), "anomalies");
        let id = all.iter().find(|row| row["records"] == 3).unwrap()["id"].as_str().unwrap();
        let whole = web.get(&format!("/api/v1/anomalies/{}", &id[..8]));
        assert_eq!((whole["id"].as_str(), whole["state"].as_str()), (Some(id), Some("ended")));
        assert_eq!(whole["reasons"][0]["feature"], "value");
        assert_eq!(whole["samples"][0], "Jan  5 cron[1]: took 9300 ms");
        let history = whole["history"].as_array().unwrap();
        let history: Vec<_> =
            history.iter().map(|step| (step["kind"].as_str().unwrap(), step["records"].as_u64())).collect();
        assert_eq!(history, [("episode_ended", Some(3)), ("episode_updated", Some(2)), ("episode_opened", Some(1))]);
        assert_eq!(whole["verdicts"], Value::Array(vec![]));

        let target = format!("/api/v1/anomalies/{id}/verdict");
        assert_eq!(web.post(&target, r#"{"verdict": "unsure"}"#).status, 200);
        let said = web.post(&target, r#"{"verdict": "real", "note": "a \"disk\"\nfailed", "author": "ada"}"#).json();
        assert_eq!(said["verdict"], "real");
        assert_eq!(said["verdicts"][0]["note"], "a \"disk\"\nfailed");
        assert_eq!(web.get(&format!("/api/v1/anomalies/{id}"))["verdicts"].as_array().unwrap().len(), 2);

        assert_eq!(web.refused("/api/v1/anomalies/zzzzzzzz", 404)["status"], 404);
        for wrong in ["abc", "UPPER", "%27%20OR%201=1", "..%2f..%2fetc"] {
            let problem = web.refused(&format!("/api/v1/anomalies/{wrong}"), 400);
            assert_eq!(problem["parameter"], "id", "{wrong}");
        }
        for (body, told) in [
            ("{}", "missing field `verdict`"),
            (r#"{"verdict": "fine"}"#, "none of ours"),
            (r#"{"verdict": "real", "notes": "x"}"#, "unknown field `notes`"),
            ("[", "EOF"),
            ("verdict=real", "expected"),
        ] {
            let answer = web.post(&target, body);
            assert_eq!(answer.status, 400, "{body}");
            assert!(answer.json()["error"].as_str().unwrap().contains(told), "{body}: {}", answer.text());
        }
        assert_eq!(web.post("/api/v1/anomalies/zzzzzzzz/verdict", r#"{"verdict": "real"}"#).status, 404);
        web.server.stop().await;
    }
}

fn heard(agent: &str, status: &str) -> AgentReport {
    match ingest::read(&format!("oddline/v1/home/{agent}/status"), status.as_bytes(), false).unwrap() {
        IncomingMessage::Heard(heard) => heard,
        other => panic!("{other:?}"),
    }
}

fn model(version: u64) -> ModelFile {
    ModelFile {
        sha256: format!("{version:064x}").parse().unwrap(),
        version,
        file: "m.onnx".to_owned(),
        bytes: vec![0; 1_000],
        signature: "untrusted comment: x\n".to_owned(),
        provenance: Some(r#"{"rows": 5}"#.to_owned()),
        report: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_models_and_roll_outs_are_shown_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: agents", folder.path()).await {
        let now = now_us();
        let up = r#"{"state":"up","figures":{"model":7,"lag_bytes":4096,"spooled":3,"failed_sources":["/x"]}}"#;
        store.record_report(&[heard("pi", up), heard("web-1", r#"{"state":"down"}"#)], now - HOUR_US).await.unwrap();
        let pi = who("home", "pi");
        store.append(&[batch(&pi, epoch(1), 1, 5)], now - HOUR_US).await.unwrap();
        store.append(&[odd(&pi, epoch(2), 1, episode(9, 1, now))], now - HOUR_US).await.unwrap();
        store.record_report(&[heard("old", r#"{"state":"up"}"#)], 1_000).await.unwrap();
        store.mark_quiet(2_000, 3_000).await.unwrap();
        for version in 1..=3 {
            store
                .push(&model(version), &RolloutTarget::Everyone(vec![pi.fleet.clone()]), now + version as i64)
                .await
                .unwrap();
        }
        let id = ModelId { sha256: model(3).sha256, version: 3 };
        let refused = Some(Refused { model: id, reason: BoundedText::cut("not signed") });
        let state = ModelState { refused, ..ModelState::default() };
        let said = ReportBody::Model(state.clone(), String::from_utf8(state.to_json()).unwrap());
        store.record_report(&[AgentReport { who: pi.clone(), said, retained: false }], now).await.unwrap();
        let web = web(&address, store).await;

        for limit in [1, 2, 100] {
            let agents = web.all(&format!("/api/v1/servers?fleet=home&limit={limit}"), "servers");
            let states: Vec<_> =
                agents.iter().map(|a| (a["agent"].as_str().unwrap(), a["state"].as_str().unwrap())).collect();
            assert_eq!(states, [("old", "quiet"), ("pi", "up"), ("web-1", "down")], "{limit} on {address}");
            let pi = &agents[1];
            assert_eq!((pi["lag_bytes"].as_i64(), pi["spooled"].as_i64()), (Some(4096), Some(3)));
            assert_eq!((pi["model"].as_i64(), pi["events"].as_i64()), (Some(7), Some(6)));
            assert_eq!(pi["anomalies_24h"].as_i64(), Some(1), "the others are of 1970");
            assert_eq!(pi["failed_sources"][0], "/x");
        }
        assert!(web.all("/api/v1/servers?fleet=work", "servers").is_empty());
        let models = web.all("/api/v1/models?limit=2", "models");
        assert_eq!(models.iter().map(|m| m["version"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(models[0]["provenance"]["rows"], 5);
        let rollouts = web.all("/api/v1/rollouts?limit=1", "rollouts");
        assert_eq!(rollouts.iter().map(|r| r["rollout"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((rollouts[0]["state"].as_str(), rollouts[1]["state"].as_str()), (Some("active"), Some("replaced")));
        assert_eq!((&rollouts[0]["agents"]["refused"], &rollouts[0]["agents"]["waiting"]), (&1.into(), &2.into()));
        assert_eq!(rollouts[0]["refusals"][0]["reason"], "not signed");

        let metrics = web.ask("GET", "/metrics", &[], "").text();
        for line in [
            "oddline_agents{state=\"down\"} 1",
            "oddline_agents{state=\"quiet\"} 1",
            "oddline_agents{state=\"up\"} 1",
            "oddline_queue_messages 0",
            "oddline_broker_connected 1",
            "oddline_http_requests_total{path=\"/api/v1/models\",status=\"2xx\"} 2",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
        }
        web.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_anything_in_them_are_filtered_and_paged() {
    let folder = tempfile::tempdir().unwrap();
    for (address, store) in stores("api: names", folder.path()).await {
        let names = ["a~b", "ä/🦀", "50%", "q'uote\"", "plus+and&", "  "];
        for (n, name) in (1..).zip(names) {
            let anomaly = oddline_core::event::Episode { server: BoundedText::cut(name), ..episode(n, n, 5_000_000) };
            store.append(&[odd(&who("home", "pi"), epoch(1), n, anomaly)], 7_000_000).await.unwrap();
        }
        let web = web(&address, store).await;
        for name in names {
            let found = web.all(&format!("/api/v1/anomalies?{ALWAYS}&server={}", encoded(name)), "anomalies");
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0]["server"], name);
        }
        let counts = web.all("/api/v1/counts?by=server&since=1970-01-01&until=1970-01-02&limit=1", "counts");
        let mut found: Vec<&str> = counts.iter().map(|count| count["server"].as_str().unwrap()).collect();
        found.sort_unstable();
        let mut expected = names;
        expected.sort_unstable();
        assert_eq!(found, expected, "{address}");
        web.server.stop().await;
    }
}
