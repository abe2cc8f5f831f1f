//! From nothing to a row: an agent is enrolled, connects with its bundle to the collector's own broker over TLS, and what
//! it finds is stored; its certificate is taken back, and it is heard no more.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{fs, path::PathBuf, process::Command};

use oddline_collector::store::DatabaseAddress;
use oddline_core::id::AgentName;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    collector::Collector,
    compare::Difference,
    fixture,
    replay::Replay,
    writer::Writer,
};
use oddline_testkit::{
    Random, free_port,
    waiting::{PATIENCE, within},
};
use tempfile::TempDir;

const NAME: &str = "pi-3";

/// The folder with the bundle's certificates.
fn bundle(out: PathBuf) -> PathBuf {
    let found = Command::new("find").arg(&out).args(["-name", "agent.key"]).output().unwrap();
    let key = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim().to_owned());
    assert!(key.is_file(), "no key in the bundle: {}", out.display());
    key.parent().unwrap().to_owned()
}

#[test]
fn an_enrolled_agent_is_heard_until_it_is_revoked() {
    let folder = TempDir::new().unwrap();
    let port = free_port();
    let settings = format!("[embedded]\nlisten = \"127.0.0.1:{port}\"\nnames = [\"localhost\"]\n");
    let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
    let mut collector = Collector::new(&folder.path().join("collector"), address, &settings);
    collector.start();
    let out = folder.path().join("bundles");
    fs::create_dir(&out).unwrap();
    let broker = format!("mqtts://localhost:{port}");
    let said = collector.ask(&["enroll", NAME, "--fleet", "home", "--broker", &broker, "--out", out.to_str().unwrap()]);
    assert!(said.contains(NAME), "{said}");
    let own = folder.path().join(NAME);
    fs::create_dir_all(own.join("logs")).unwrap();
    let link = Link::Broker {
        port,
        folder: bundle(out),
        trusts: "ca".to_owned(),
        identity: "agent".to_owned(),
        events: "postcard",
    };
    let setup = Setup::new(NAME, own.clone(), link);
    let log = fixture::log(Some("server-03"), 1);
    let mut writer = Writer::new(&own.join("logs/app.log"), log, Random::for_test("e2e: enrolled"));
    // Before an agent's first look nothing is promised of a log that is rotated.
    writer.write_lines(500);
    let mut agent = Agent::new(setup);
    agent.start();
    agent.says(0, "that it follows the log", |said| {
        said.lines().any(|line| line.contains("reading ") && line.ends_with("app.log"))
    });
    writer.act_to_the_end();
    let (name, model): (AgentName, PathBuf) = (NAME.parse().unwrap(), fixture::model());
    let expected = Replay { program: agent.program(), model: &model, live: writer.live() }.of(writer.log());
    assert!(expected.len() >= 50, "the log has enough to tell: {}", expected.len());
    let difference = || Difference::between(&expected, &collector.stored(&name));
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("e2e: enrolled: {found}");
    assert!(found.is_none(), "{found}\nagent: {}\ncollector: {}", agent.said(), collector.said());
    assert!(collector.ask(&["agents"]).contains(NAME));

    // Taken back: cut off, refused at the door, and still trying.
    let mark = agent.said().len();
    assert!(collector.ask(&["revoke", NAME]).starts_with("revoked 1 certificate of"));
    agent.says(mark, "that it is cut off and refused", |said| said.matches("WARN broker ").count() >= 2);
    assert!(agent.is_alive());
    agent.stop();
    collector.stop();
}
