//! Agents, broker and collector are killed in random order while logs flow. At the end the rows of `events` equal the
//! replay of every server's log: nothing lost, nothing twice.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::path::{Path, PathBuf};

use oddline_collector::store::Address;
use oddline_core::id::AgentName;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    collector::Collector,
    compare::Difference,
    fixture,
    mosquitto::{AUTHORITY, COLLECTOR, Mosquitto, free_port},
    postgres::Postgres,
    random::Random,
    replay::Replay,
    waiting::{PATIENCE, pass, within},
    writer::Writer,
};
use tempfile::TempDir;

const SERVERS: [(&str, &str); 3] = [("server-01", "web-1"), ("server-02", "web-2"), ("server-03", "pi-3")];
/// Days of log for so many kills: while they last, something flows.
const DAYS_PER_KILL: (u32, u32) = (2, 20);
const DAYS_MAX: u32 = 20;
/// Kills of the pairing that is the default, and of each other one; other numbers by the environment.
const KILLS: (u32, &str) = (20, "ODDLINE_KILLS");
const KILLS_OTHERS: (u32, &str) = (5, "ODDLINE_KILLS_OTHERS");
/// Longest time between two kills.
const LIFE_MS: u64 = 1_500;
/// A killed program stays away for so long at most.
const AWAY_MS: u64 = 300;
/// Between two writes.
const WRITE_MS: u64 = 15;

struct Server {
    name: AgentName,
    agent: Agent,
    writer: Writer,
}

struct Fleet {
    test: &'static str,
    random: Random,
    servers: Vec<Server>,
    collector: Collector,
    broker: Option<Mosquitto>,
    killed: [u32; 3],
    // After what runs in it: it goes last.
    _folder: TempDir,
}

fn kills((default, variable): (u32, &str)) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Fleet {
    fn begin(test: &'static str, folder: TempDir, address: Address, broker: Option<Mosquitto>, kills: u32) -> Self {
        let days = (kills * DAYS_PER_KILL.0 / DAYS_PER_KILL.1).clamp(DAYS_PER_KILL.0, DAYS_MAX);
        let mut random = Random::for_test(test);
        let port = free_port();
        let settings = match &broker {
            None => format!("[embedded]\nlisten = \"127.0.0.1:{port}\"\n"),
            Some(broker) => {
                let file = |name: String| broker.folder().join(name);
                format!(
                    "[broker]\nurl = \"mqtts://localhost:{}\"\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
                    broker.port(),
                    file(format!("{AUTHORITY}.pem")),
                    file(format!("{COLLECTOR}.pem")),
                    file(format!("{COLLECTOR}.key"))
                )
            }
        };
        let mut collector = Collector::new(&folder.path().join("collector"), address, &settings);
        collector.start();
        let server = |(server, name): (&str, &str)| {
            let link = match &broker {
                None => Link::Plain { port },
                Some(broker) => {
                    broker.authority().issue(name, Validity::Valid, broker.folder(), name);
                    let (trusts, identity) = (AUTHORITY.to_owned(), name.to_owned());
                    let folder = broker.folder().to_owned();
                    Link::Broker { port: broker.port(), folder, trusts, identity, events: "postcard" }
                }
            };
            Server::begin(folder.path(), name, link, fixture::log(Some(server), days), random.fork())
        };
        let servers = SERVERS.into_iter().map(server).collect();
        Self { test, random, servers, collector, broker, killed: [0; 3], _folder: folder }
    }

    fn rage(&mut self, kills: u32) {
        for _ in 0..kills {
            let life = self.random.millis_below(LIFE_MS);
            self.live(life);
            let agents = self.servers.len() as u64;
            match self.random.below(agents + 2) {
                at if at < agents => {
                    let at = usize::try_from(at).unwrap();
                    self.killed[0] += u32::from(self.servers[at].agent.kill());
                    self.stay_away();
                    self.servers[at].agent.start();
                }
                at if at == agents && self.broker.is_some() => {
                    self.broker.as_mut().unwrap().kill();
                    self.killed[1] += 1;
                    self.stay_away();
                    self.broker.as_mut().unwrap().start();
                }
                _ => {
                    // With it goes the broker in it and all that the broker remembers.
                    self.collector.kill();
                    self.killed[2] += 1;
                    self.stay_away();
                    self.collector.start();
                }
            }
        }
    }

    fn stay_away(&mut self) {
        let away = self.random.millis_below(AWAY_MS);
        self.live(away);
    }

    /// Logs go on being written.
    fn live(&mut self, time: std::time::Duration) {
        let until = std::time::Instant::now() + time;
        while std::time::Instant::now() < until {
            for server in self.servers.iter_mut().filter(|server| !server.writer.is_done()) {
                server.writer.act();
            }
            pass(self.random.millis_below(WRITE_MS));
        }
    }

    fn settle(mut self) {
        for server in &mut self.servers {
            server.writer.act_to_the_end();
        }
        let [agents, brokers, collectors] = self.killed;
        println!("{}: killed: agents {agents}, broker {brokers}, collector {collectors}", self.test);
        for server in &mut self.servers {
            let expected = server.expected();
            assert!(expected.len() >= 50, "{}: the log has enough to tell: {}", server.name, expected.len());
            let difference = || Difference::between(&expected, &self.collector.stored(&server.name));
            let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
            println!("{}: {}: {found}", self.test, server.name);
            assert!(found.is_none(), "{found}\nagent: {}\ncollector: {}", server.agent.said(), self.collector.said());
            server.agent.stop();
        }
        self.collector.stop();
        for server in &self.servers {
            // What came while all this ended is whole too, and nothing is missing in between.
            let stored = self.collector.stored(&server.name);
            let sequences: Vec<u64> = stored.iter().map(|heard| heard.sequence).collect();
            assert_eq!(sequences, (1..=stored.len() as u64).collect::<Vec<_>>(), "{}", server.name);
            let other: Vec<&str> = stored.iter().filter(|h| !h.is_replayed()).map(|h| h.text.as_str()).collect();
            assert!(other.is_empty(), "nothing went wrong that it had to tell of: {other:?}");
        }
    }
}

impl Server {
    fn begin(folder: &Path, name: &str, link: Link, log: Vec<u8>, random: Random) -> Self {
        let own: PathBuf = folder.join(name);
        std::fs::create_dir_all(own.join("logs")).unwrap();
        let setup = Setup {
            name: name.to_owned(),
            folder: own.clone(),
            state_dir: None,
            model: fixture::model(),
            link,
            files: own.join("logs/*.log"),
            env: Vec::new(),
        };
        let mut writer = Writer::new(&own.join("logs/app.log"), log, random);
        let mut agent = Agent::new(setup);
        agent.start();
        // Before its first commit nothing is promised: it might begin with the live file when others are rotated.
        writer.write_lines(500);
        let ready = || agent.said().contains("app.log is followed").then_some(());
        assert!(within(PATIENCE, ready).is_some(), "{}", agent.said());
        Self { name: name.parse().unwrap(), agent, writer }
    }

    fn expected(&self) -> Vec<String> {
        let model = fixture::model();
        Replay { program: self.agent.program(), model: &model, live: self.writer.live() }.of(self.writer.log())
    }
}

fn sqlite(folder: &TempDir) -> Address {
    Address::Sqlite(folder.path().join("collector.db"))
}

#[test]
fn embedded_broker_and_sqlite() {
    let folder = TempDir::new().unwrap();
    let address = sqlite(&folder);
    let kills = kills(KILLS);
    let mut fleet = Fleet::begin("e2e: fleet kill: embedded, SQLite", folder, address, None, kills);
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn mosquitto_and_sqlite() {
    let (test, folder) = ("e2e: fleet kill: mosquitto, SQLite", TempDir::new().unwrap());
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    let address = sqlite(&folder);
    let kills = kills(KILLS_OTHERS);
    let mut fleet = Fleet::begin(test, folder, address, Some(broker), kills);
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn embedded_broker_and_postgresql() {
    let (test, folder) = ("e2e: fleet kill: embedded, PostgreSQL", TempDir::new().unwrap());
    let at = TempDir::new().unwrap();
    let Some(server) = Postgres::begin(test, at.path()) else { return };
    let kills = kills(KILLS_OTHERS);
    let mut fleet = Fleet::begin(test, folder, server.address(), None, kills);
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn mosquitto_and_postgresql() {
    let (test, folder) = ("e2e: fleet kill: mosquitto, PostgreSQL", TempDir::new().unwrap());
    let at = TempDir::new().unwrap();
    let Some(server) = Postgres::begin(test, at.path()) else { return };
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    let kills = kills(KILLS_OTHERS);
    let mut fleet = Fleet::begin(test, folder, server.address(), Some(broker), kills);
    fleet.rage(kills);
    fleet.settle();
}
