//! Events in a JSON-lines file: the kill test in small, and what a collector makes of an agent that had no broker before.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::fs;

use oddline_collector::store::DatabaseAddress;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    collector::{self, Collector},
    ears::Ears,
    fixture,
    heard::of_file,
    mosquitto::{AUTHORITY, Mosquitto},
    storm::{Hindrance, Plan, Storm, kills},
    writer::Writer,
};
use oddline_testkit::{Random, waiting::until};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn every_event_stands_once_in_the_file() {
    let folder = TempDir::new().unwrap();
    let ears = Ears::File(folder.path().join("anomalies.jsonl"));
    let plan = Plan { test: "e2e: sink", kills: (kills() / 2).max(8), hindrance: Hindrance::None };
    let mut storm = Storm::begin(plan, ears, folder);
    storm.rage();
    storm.settle();
}

#[test]
fn what_went_into_a_file_is_not_missing_on_a_collector() {
    const NAME: &str = "pi-1";
    let (test, folder) = ("e2e: from a file to a collector", TempDir::new().unwrap());
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    broker.authority().issue(NAME, Validity::Valid, broker.folder(), NAME);
    let database = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let mut collector = Collector::new(&folder.path().join("collector"), database, &collector::behind(&broker));
    collector.start();
    let (own, file) = (folder.path().join(NAME), folder.path().join("anomalies.jsonl"));
    fs::create_dir_all(own.join("logs")).unwrap();
    let to_file = Setup::new(NAME, own.clone(), Link::File(file.clone()));
    let to_broker = Setup {
        link: Link::Broker {
            port: broker.port(),
            folder: broker.folder().to_owned(),
            trusts: AUTHORITY.to_owned(),
            identity: NAME.to_owned(),
            events: "postcard",
        },
        ..to_file.clone()
    };
    let log = fixture::log(Some("server-01"), 6);
    let lines = log.iter().filter(|byte| **byte == b'\n').count();
    let mut writer = Writer::new(&own.join("logs/app.log"), log, Random::for_test(test));
    let (mut in_file, mut in_store) = (0, 0);
    // There and back, and there again: the second time the collector has the epoch of the first.
    for part in [lines / 4, lines / 2] {
        let mut agent = Agent::new(to_file.clone());
        agent.start();
        writer.write_lines(part);
        let more = || Some(of_file(&file).len()).filter(|now| *now > in_file);
        until(more, || format!("nothing in the file: {}", agent.said()));
        agent.stop();
        in_file = of_file(&file).len();
        let mut agent = Agent::new(to_broker.clone());
        agent.start();
        if part == lines / 4 {
            writer.write_lines(lines / 4);
        } else {
            writer.act_to_the_end();
        }
        let stored = || collector.stored(&NAME.parse().unwrap()).len();
        until(|| Some(stored()).filter(|now| *now > in_store), || format!("{}\n{}", agent.said(), collector.said()));
        agent.stop();
        in_store = stored();
        let agents: Value = serde_json::from_str(&collector.ask(&["agents", "--json"])).unwrap();
        assert!(!agents.to_string().contains("never came"), "{agents}");
        assert!(!collector.said().contains("never come"), "{}", collector.said());
        let missing: Vec<u64> = agents.as_array().unwrap().iter().filter_map(|a| a["missing"].as_u64()).collect();
        assert_eq!(missing, [0], "{agents}");
    }
    collector.stop();
}
