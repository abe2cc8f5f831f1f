//! A collector that is set back to a backup while agents run behind a broker of their own: it says what it lost, and
//! everything from then on is stored.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::fs;

use oddline_collector::store::DatabaseAddress;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    collector::{self, Collector},
    fixture,
    mosquitto::{AUTHORITY, Mosquitto},
    writer::Writer,
};
use oddline_testkit::{Random, waiting::until};
use tempfile::TempDir;

const NAME: &str = "pi-1";

#[test]
fn what_a_backup_lacks_is_said_and_the_rest_goes_on() {
    let (test, folder) = ("e2e: a collector set back", TempDir::new().unwrap());
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    broker.authority().issue(NAME, Validity::Valid, broker.folder(), NAME);
    let database = folder.path().join("collector.db");
    let mut collector = Collector::new(
        &folder.path().join("collector"),
        DatabaseAddress::Sqlite(database.clone()),
        &collector::behind(&broker),
    );
    collector.start();
    let link = Link::Broker {
        port: broker.port(),
        folder: broker.folder().to_owned(),
        trusts: AUTHORITY.to_owned(),
        identity: NAME.to_owned(),
        events: "postcard",
    };
    let own = folder.path().join(NAME);
    fs::create_dir_all(own.join("logs")).unwrap();
    let mut agent = Agent::new(Setup::new(NAME, own.clone(), link));
    agent.start();
    let mut random = Random::for_test(test);
    let log = fixture::log(Some("server-01"), 6);
    let lines = log.iter().filter(|byte| **byte == b'\n').count();
    let mut writer = Writer::new(&own.join("logs/app.log"), log, random.fork());
    let name = NAME.parse().unwrap();
    let stored = |collector: &Collector| collector.stored(&name).last().map_or(0, |heard| heard.sequence);
    let grows = |collector: &Collector, from: u64| {
        until(
            || Some(stored(collector)).filter(|now| *now > from),
            || format!("{}\n{}", agent.said(), collector.said()),
        )
    };

    writer.write_lines(lines / 3);
    grows(&collector, 0);
    let backup = folder.path().join("backup.db");
    let _ = collector.ask(&["backup", backup.to_str().unwrap()]);
    let kept = stored(&collector);
    writer.write_lines(lines / 3);
    let lost = grows(&collector, kept);

    // The agent and the broker stay: neither has a reason to begin anew.
    collector.kill();
    for ending in ["", "-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{ending}", database.display())));
    }
    fs::copy(&backup, &database).unwrap();
    collector.start();
    writer.act_to_the_end();
    grows(&collector, lost);
    assert!(collector.said().contains("set back to a backup"), "{}", collector.said());
    let sequences: Vec<u64> = collector.stored(&name).iter().map(|heard| heard.sequence).collect();
    assert!(sequences.iter().is_sorted() && sequences.contains(&1), "{sequences:?}");
    agent.stop();
    collector.stop();
}
