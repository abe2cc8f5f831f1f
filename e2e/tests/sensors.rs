//! What other people's sensors say to a plain broker: an agent that sends its own events elsewhere listens, and goes on
//! after the broker was away.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use oddline_e2e::{
    agent::{Agent, Link, Setup},
    fixture,
};
use oddline_testkit::{MosquittoServer, mosquitto::open_to_all, not_run, waiting::until};
use serde_json::Value;
use tempfile::TempDir;

const CLIENT: &str = "mosquitto_pub";

struct Scene {
    folder: TempDir,
    broker: MosquittoServer,
    agent: Agent,
}

impl Scene {
    /// An agent that listens to `filters`, and a broker that does not run yet. `None` when one of the programs is missing.
    fn new(test: &str, filters: &[&str]) -> Option<Self> {
        if Command::new(CLIENT).arg("--help").stdout(Stdio::null()).status().is_err() {
            not_run(test, "mosquitto_pub is not installed");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let broker = MosquittoServer::prepare(test, folder.path(), open_to_all)?;
        let agent = Agent::new(Setup {
            name: "web-1".to_owned(),
            folder: folder.path().to_owned(),
            state_dir: None,
            model: fixture::model(),
            link: Link::File(folder.path().join("odd.jsonl")),
            files: folder.path().join("*.log"),
            env: Vec::new(),
        });
        let scene = Self { folder, broker, agent };
        let text = fs::read_to_string(scene.path("agent.toml")).unwrap();
        let mut text = text.replace("control = \"\"", &format!("control = {:?}", scene.path("control.sock")));
        for filter in filters {
            let broker = format!("mqtt://127.0.0.1:{}", scene.broker.port());
            text += &format!("[[source]]\nmqtt = \"{filter}\"\nbroker = \"{broker}\"\n");
        }
        fs::write(scene.path("agent.toml"), text).unwrap();
        Some(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.broker.port().to_string();
        let mut command = Command::new(CLIENT);
        let status = command.args(["-p", &port, "-t", topic, "-m", payload]).args(more).status().unwrap();
        assert!(status.success(), "{topic}: {status}");
    }

    /// Waits until something is so of the source called `name`.
    fn source(&self, name: &str, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let look = || {
            let config = self.path("agent.toml");
            let mut command = Command::new(self.agent.program());
            let output = command.args(["status", "--json", "--config"]).arg(config).output().unwrap();
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            let sources = status["reading"]["sources"].as_array()?.clone();
            sources.into_iter().find(|source| source["name"] == name)
        };
        until(|| look().filter(&is_it), || format!("{what}: {:?}\n{}", look(), self.agent.said()))
    }
}

#[test]
fn what_sensors_say_is_read_and_goes_on_after_the_broker_was_away() {
    let test = "what_sensors_say_is_read_and_goes_on_after_the_broker_was_away";
    let Some(mut scene) = Scene::new(test, &["sensors/#", "#"]) else { return };
    scene.agent.start();
    let (sensors, all) = ("mqtt sensors/#", "mqtt #");
    let is_away = |source: &Value| source["failed"].as_str().is_some_and(|why| why.contains("mqtt://127.0.0.1:"));
    let is_there = |source: &Value| source["failed"].is_null();
    for name in [sensors, all] {
        scene.source(name, "a broker that is away is not shown", is_away);
    }
    let mut lines = 0;
    for round in 1..=2 {
        scene.broker.start();
        for name in [sensors, all] {
            scene.source(name, "it does not connect", is_there);
        }
        scene.publish("sensors/kitchen/temperature", "21.5", &[]);
        scene.publish("sensors/kitchen", r#"{"temperature":21.5,"humidity":40}"#, &["-q", "1"]);
        scene.publish("sensors/plug/POWER", "ON", &["-q", "2"]);
        scene.publish("sensors/log", "pump started", &["-r"]);
        scene.publish("oddline/v1/home/other/status", r#"{"up":1}"#, &[]);
        scene.publish("garden/moisture", "40", &[]);
        lines += 4;
        let read = scene.source(sensors, "the messages do not come", |source| source["lines"] == lines);
        let shown = ["judged", "watched", "faults", "lag_bytes"].map(|figure| read[figure].as_u64());
        assert_eq!(shown, [4 * round, round, 0, 0].map(Some), "{read}");
        // Values of the four streams; a text has none.
        assert_eq!(read["streams"], 4, "round {round}: {read}");
        scene.source(all, "the messages of all topics do not come", |source| source["lines"] == lines + round);
        scene.broker.kill();
        scene.source(sensors, "that the broker is away is not shown", is_away);
        scene.source(all, "that the broker is away is not shown", is_away);
    }
    scene.agent.stop();
}

#[test]
fn what_a_broker_kept_is_no_new_record() {
    let Some(mut scene) = Scene::new("what_a_broker_kept_is_no_new_record", &["sensors/#"]) else { return };
    scene.broker.start();
    scene.publish("sensors/old", "1", &["-r"]);
    scene.agent.start();
    let name = "mqtt sensors/#";
    // What is said until it listens is not heard.
    until(
        || {
            scene.publish("sensors/new", "2", &[]);
            scene.source(name, "it is not followed", Value::is_object)["lines"].as_u64().filter(|lines| *lines > 0)
        },
        || format!("nothing is heard: {}", scene.agent.said()),
    );
    assert_eq!(scene.source(name, "no stream", |source| source["streams"] != 0)["streams"], 1);
    scene.agent.stop();
}
