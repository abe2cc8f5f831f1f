//! Agents, broker and collector are killed in random order while logs flow, one more agent sends what nobody can read,
//! and old rows are removed meanwhile; once more while the disks of all of them fill up and are emptied at random. At the
//! end the rows of `events`, with those that were removed, equal the replay of every server's log: nothing lost, nothing
//! twice, nothing back. No program ends by itself.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use oddline_collector::{clock::now_us, store::DatabaseAddress};
use oddline_core::id::AgentName;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    collector::{self, Collector},
    compare::Difference,
    disk::SmallDisk,
    fixture,
    heard::Heard,
    mosquitto::{AUTHORITY, Mosquitto},
    poison::{self, Poison},
    replay::Replay,
    writer::Writer,
};
use oddline_link::secrets::SecretFiles;
use oddline_testkit::{
    PostgresServer, Random, free_port, not_run,
    waiting::{PATIENCE, pass, within},
};
use tempfile::TempDir;

/// The agent that sends what nobody can read.
const MAD: &str = "mad-4";
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
/// Old rows are removed before each of so many kills, and all at the end.
const KILLS_PER_TRIM: u32 = 4;
/// What came before goes. A transaction that took longer from its time stamp to its commit would go unseen.
const TRIM_AGE_US: i64 = 4_000_000;
/// Between two writes.
const WRITE_MS: u64 = 15;
/// Room for a state file and its spool, and for a database of all that the logs of the longest test tell.
const AGENT_DISK_MIB: u32 = 24;
const COLLECTOR_DISK_MIB: u32 = 64;
/// One disk in so many is filled or emptied before each kill.
const ONE_DISK_IN: u64 = 2;

struct Server {
    name: AgentName,
    agent: Agent,
    writer: Writer,
    /// All that was stored when rows were about to be removed, by sequence.
    seen: BTreeMap<u64, Heard>,
    /// The first sequence that was left.
    left_from: u64,
}

/// Small disks of agents and collector; none where nothing fills up.
#[derive(Default)]
struct Disks {
    of_agents: Vec<Disk>,
    of_collector: Option<Disk>,
    filled: u32,
}

struct Disk {
    disk: SmallDisk,
    full: bool,
}

struct Fleet {
    test: &'static str,
    random: Random,
    servers: Vec<Server>,
    collector: Collector,
    broker: Option<Mosquitto>,
    poison: Poison,
    letters: Vec<(u64, u64)>,
    killed: [u32; 3],
    trimmed: u64,
    disks: Disks,
    // After what runs in it: it goes last.
    _folder: TempDir,
}

fn kills((default, variable): (u32, &str)) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Fleet {
    fn begin(
        test: &'static str,
        folder: TempDir,
        address: DatabaseAddress,
        broker: Option<Mosquitto>,
        kills: u32,
        disks: Disks,
    ) -> Self {
        let days = (kills * DAYS_PER_KILL.0 / DAYS_PER_KILL.1).clamp(DAYS_PER_KILL.0, DAYS_MAX);
        let mut random = Random::for_test(test);
        let port = free_port();
        let settings = match &broker {
            None => format!("[embedded]\nlisten = \"127.0.0.1:{port}\"\n"),
            Some(broker) => collector::behind(broker),
        };
        let mut collector = Collector::new(&folder.path().join("collector"), address, &settings);
        collector.start();
        let server = |(server, name): (&'static str, &'static str)| {
            let link = match &broker {
                None => Link::Plain { port },
                Some(broker) => {
                    broker.authority().issue(name, Validity::Valid, broker.folder(), name);
                    let (trusts, identity) = (AUTHORITY.to_owned(), name.to_owned());
                    let folder = broker.folder().to_owned();
                    Link::Broker { port: broker.port(), folder, trusts, identity, events: "postcard" }
                }
            };
            (name, link, fixture::log(Some(server), days), random.fork())
        };
        let parts: Vec<_> = SERVERS.into_iter().map(server).collect();
        let state = |at: usize| disks.of_agents.get(at).map(|disk| disk.disk.folder().join("state"));
        let servers = parts
            .into_iter()
            .enumerate()
            .map(|(at, (name, link, log, random))| Server::begin(folder.path(), name, state(at), link, log, random));
        let servers = servers.collect();
        let poison = poison(broker.as_ref(), port, random.below(u64::MAX));
        let (letters, killed, trimmed) = (Vec::new(), [0; 3], 0);
        Self { test, random, servers, collector, broker, poison, letters, killed, trimmed, disks, _folder: folder }
    }

    fn rage(&mut self, kills: u32) {
        for kill in 1..=kills {
            let life = self.random.millis_below(LIFE_MS);
            self.disks.change(&mut self.random);
            self.live(life);
            self.check_alive();
            if kill.is_multiple_of(KILLS_PER_TRIM) && !self.disks.of_collector.as_ref().is_some_and(|disk| disk.full) {
                self.trim(TRIM_AGE_US);
            }
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

    /// Nothing that happens to them makes one of them give up.
    fn check_alive(&mut self) {
        for Server { name, agent, .. } in &mut self.servers {
            assert!(agent.is_alive(), "{name} ended by itself: {}", agent.said());
        }
        assert!(self.collector.is_alive(), "the collector ended by itself: {}", self.collector.said());
    }

    /// Removes old rows beside whatever runs, and remembers them.
    fn trim(&mut self, age_us: i64) {
        let since_us = now_us() - age_us;
        for server in &mut self.servers {
            server.see(self.collector.stored(&server.name));
        }
        merge(&mut self.letters, self.collector.dead_letters(&MAD.parse().unwrap()));
        self.trimmed += self.collector.trim(since_us);
        for server in &mut self.servers {
            let left = self.collector.stored(&server.name).first().map(|heard| heard.sequence);
            let newest = server.seen.last_key_value().map_or(0, |(sequence, _)| *sequence);
            server.left_from = left.unwrap_or(newest + 1);
        }
    }

    fn stay_away(&mut self) {
        let away = self.random.millis_below(AWAY_MS);
        self.live(away);
    }

    /// Logs go on being written.
    fn live(&mut self, time: Duration) {
        let until = std::time::Instant::now() + time;
        while std::time::Instant::now() < until {
            for server in self.servers.iter_mut().filter(|server| !server.writer.is_done()) {
                server.writer.act();
            }
            pass(self.random.millis_below(WRITE_MS));
        }
    }

    fn settle(mut self) {
        self.disks.empty();
        for server in &mut self.servers {
            server.writer.act_to_the_end();
        }
        let [agents, brokers, collectors] = self.killed;
        println!(
            "{}: killed: agents {agents}, broker {brokers}, collector {collectors}; disks filled: {}",
            self.test, self.disks.filled
        );
        for server in &mut self.servers {
            let expected = server.expected();
            assert!(expected.len() >= 50, "{}: the log has enough to tell: {}", server.name, expected.len());
            let difference = |stored| Difference::between(&expected, &server.with_seen(stored));
            let look = || difference(self.collector.stored(&server.name));
            let found = within(PATIENCE, || Some(look()).filter(Difference::is_none)).unwrap_or_else(look);
            println!("{}: {}: {found}", self.test, server.name);
            assert!(found.is_none(), "{found}\nagent: {}\ncollector: {}", server.agent.said(), self.collector.said());
        }
        // Nothing is under way: all may go, and a collector that starts anew must not take it for missing.
        self.trim(0);
        self.collector.kill();
        self.collector.start();
        self.live(Duration::from_millis(LIFE_MS));
        for server in &mut self.servers {
            server.agent.stop();
        }
        let poisoned = self.poison.stop();
        self.collector.stop();
        for server in &self.servers {
            // What came while all this ended is whole too, and nothing is missing in between or came back.
            let stored = self.collector.stored(&server.name);
            let back = stored.iter().find(|heard| heard.sequence < server.left_from);
            assert!(back.is_none(), "{}: {back:?} was removed and is back", server.name);
            let all = server.with_seen(stored);
            let sequences: Vec<u64> = all.iter().map(|heard| heard.sequence).collect();
            assert_eq!(sequences, (1..=all.len() as u64).collect::<Vec<_>>(), "{}", server.name);
            let other: Vec<&str> = all.iter().filter(|h| !h.is_replayed()).map(|h| h.text.as_str()).collect();
            assert!(other.is_empty(), "nothing went wrong that it had to tell of: {other:?}");
        }
        merge(&mut self.letters, self.collector.dead_letters(&MAD.parse().unwrap()));
        let whole = (0..self.letters.len() as u64).map(|at| (at * poison::ENTRIES + 1, (at + 1) * poison::ENTRIES));
        assert_eq!(self.letters, whole.collect::<Vec<_>>(), "every unreadable batch is kept once");
        let kept = self.letters.len() as u64 * poison::ENTRIES;
        assert!(self.trimmed > 0, "old rows were removed");
        assert!(poisoned > 0 && (poisoned..=poisoned + poison::ENTRIES).contains(&kept), "{poisoned} of {kept}");
        println!("{}: {} rows removed meanwhile; {kept} unreadable entries kept", self.test, self.trimmed);
    }
}

impl Disks {
    /// One for each agent and one for the collector's database.
    fn mount(folder: &Path) -> Result<Self, String> {
        let mount = |name: &str, mib: u32| {
            SmallDisk::mount_sized(&folder.join(name), mib).map(|disk| Disk { disk, full: false })
        };
        let mut of_agents = Vec::new();
        for (_, name) in SERVERS {
            of_agents.push(mount(&format!("disk-of-{name}"), AGENT_DISK_MIB)?);
        }
        let of_collector = Some(mount("disk-of-collector", COLLECTOR_DISK_MIB)?);
        Ok(Self { of_agents, of_collector, filled: 0 })
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Disk> {
        self.of_agents.iter_mut().chain(&mut self.of_collector)
    }

    /// A full one is emptied, another one filled, at random.
    fn change(&mut self, random: &mut Random) {
        let mut filled = 0;
        for disk in self.all().filter(|_| random.once_in(ONE_DISK_IN)) {
            if disk.full {
                disk.disk.free();
            } else {
                disk.disk.fill();
            }
            disk.full = !disk.full;
            filled += u32::from(disk.full);
        }
        self.filled += filled;
    }

    fn empty(&mut self) {
        for disk in self.all().filter(|disk| disk.full) {
            disk.disk.free();
            disk.full = false;
        }
    }
}

/// Adds ranges that are not there yet.
fn merge(ranges: &mut Vec<(u64, u64)>, more: Vec<(u64, u64)>) {
    ranges.extend(more);
    ranges.sort_unstable();
    ranges.dedup();
}

fn poison(broker: Option<&Mosquitto>, port: u16, seed: u64) -> Poison {
    let (address, files) = match broker {
        None => (format!("mqtt://127.0.0.1:{port}"), SecretFiles::default()),
        Some(broker) => {
            let file = |name: String| broker.folder().join(name);
            broker.authority().issue(MAD, Validity::Valid, broker.folder(), MAD);
            let identity = Some((file(format!("{MAD}.pem")), file(format!("{MAD}.key"))));
            let ca = Some(file(format!("{AUTHORITY}.pem")));
            (format!("mqtts://localhost:{}", broker.port()), SecretFiles { ca, identity, user: None })
        }
    };
    Poison::begin(&"home".parse().unwrap(), &MAD.parse().unwrap(), &address, files, seed)
}

impl Server {
    fn begin(folder: &Path, name: &str, state: Option<PathBuf>, link: Link, log: Vec<u8>, random: Random) -> Self {
        let own: PathBuf = folder.join(name);
        std::fs::create_dir_all(own.join("logs")).unwrap();
        let setup = Setup { state_dir: state, ..Setup::new(name, own.clone(), link) };
        let mut writer = Writer::new(&own.join("logs/app.log"), log, random);
        let mut agent = Agent::new(setup);
        agent.start();
        // Before its first commit nothing is promised: it might begin with the live file when others are rotated.
        writer.write_lines(500);
        let ready =
            || agent.said().lines().any(|line| line.contains("reading ") && line.ends_with("app.log")).then_some(());
        assert!(within(PATIENCE, ready).is_some(), "{}", agent.said());
        Self { name: name.parse().unwrap(), agent, writer, seen: BTreeMap::new(), left_from: 0 }
    }

    fn see(&mut self, stored: Vec<Heard>) {
        for heard in stored {
            let text = heard.text.clone();
            let before = self.seen.insert(heard.sequence, heard);
            assert!(before.is_none_or(|before| before.text == text), "{}: a row has changed", self.name);
        }
    }

    /// What was seen and what is stored, each sequence once.
    fn with_seen(&self, stored: Vec<Heard>) -> Vec<Heard> {
        let mut all = self.seen.clone();
        all.extend(stored.into_iter().map(|heard| (heard.sequence, heard)));
        all.into_values().collect()
    }

    fn expected(&self) -> Vec<String> {
        let model = fixture::model();
        Replay { program: self.agent.program(), model: &model, live: self.writer.live() }.of(self.writer.log())
    }
}

fn sqlite(folder: &TempDir) -> DatabaseAddress {
    DatabaseAddress::Sqlite(folder.path().join("collector.db"))
}

#[test]
fn embedded_broker_and_sqlite() {
    let folder = TempDir::new().unwrap();
    let address = sqlite(&folder);
    let kills = kills(KILLS);
    let mut fleet = Fleet::begin("e2e: fleet kill: embedded, SQLite", folder, address, None, kills, Disks::default());
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn mosquitto_and_sqlite() {
    let (test, folder) = ("e2e: fleet kill: mosquitto, SQLite", TempDir::new().unwrap());
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    let address = sqlite(&folder);
    let kills = kills(KILLS_OTHERS);
    let mut fleet = Fleet::begin(test, folder, address, Some(broker), kills, Disks::default());
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn embedded_broker_and_postgresql() {
    let (test, folder) = ("e2e: fleet kill: embedded, PostgreSQL", TempDir::new().unwrap());
    let at = TempDir::new().unwrap();
    let Some(server) = PostgresServer::start(test, at.path()) else { return };
    let kills = kills(KILLS_OTHERS);
    let mut fleet = Fleet::begin(test, folder, server.url("postgres").parse().unwrap(), None, kills, Disks::default());
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn mosquitto_and_postgresql() {
    let (test, folder) = ("e2e: fleet kill: mosquitto, PostgreSQL", TempDir::new().unwrap());
    let at = TempDir::new().unwrap();
    let Some(server) = PostgresServer::start(test, at.path()) else { return };
    let Some(broker) = Mosquitto::begin(test, folder.path()) else { return };
    let kills = kills(KILLS_OTHERS);
    let mut fleet =
        Fleet::begin(test, folder, server.url("postgres").parse().unwrap(), Some(broker), kills, Disks::default());
    fleet.rage(kills);
    fleet.settle();
}

#[test]
fn disks_that_fill_up() {
    let (test, folder) = ("e2e: fleet kill: full disks", TempDir::new().unwrap());
    let disks = match Disks::mount(folder.path()) {
        Ok(disks) => disks,
        Err(why) => return not_run(test, &why),
    };
    let database = disks.of_collector.as_ref().map(|disk| disk.disk.folder().join("collector.db"));
    let kills = kills(KILLS);
    let mut fleet = Fleet::begin(test, folder, DatabaseAddress::Sqlite(database.unwrap()), None, kills, disks);
    fleet.rage(kills);
    fleet.settle();
}
