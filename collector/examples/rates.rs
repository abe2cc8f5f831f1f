//! How fast: events from simulated agents to committed rows, beside the bare SQLite insert rate of the same rows, in one
//! run. docs/performance-collector.md says how to repeat it.
//!
//! Wants the program beside it: `cargo build --release -p oddline-collector --bins --examples`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may die where it stands")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use oddline_collector::{
    store::{AgentKey, AnomalyFilter, AnomalyKind, BatchBody, DatabaseAddress, OpenMode, ReceivedBatch, Store},
    subscribe,
};
use oddline_core::{
    event::{BoundedText, ClockStamp, Episode, EpisodeKind, EpisodeReason, Event, Extras, Finite, SpoolEntry},
    id::{BootId, Epoch},
    time::EventTime,
    topic::{Channel, MqttTopic},
    wire::{decode_ack, encode_batch},
};
use oddline_link::{
    client_id,
    secrets::SecretFiles,
    session::{MqttSession, message::ConnectionEvent},
    settings::{BrokerAccess, LinkSettings},
};

/// Entries of a batch: 16 KiB, as agents pack them.
const BATCH: u64 = 48;
/// Batches in flight, as agents send them.
const FLIGHT: u64 = 4;
/// A question that has an answer takes no longer, 19 times of 20.
const ANSWER_MAX: Duration = Duration::from_millis(50);
const HOUR_US: i64 = 3_600_000_000;

fn main() {
    let _: Result<(), _> = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    match arguments.first().map(String::as_str) {
        Some("queries") => runtime.block_on(queries(folder.path(), number(1, 1_000_000))),
        Some("ingest") | None => runtime.block_on(ingest(folder.path(), number(1, 200_000))),
        Some("append") => {
            let address = arguments.get(1).expect("the address of an empty database").parse().unwrap();
            runtime.block_on(append(&address, &batches(number(2, 200_000))));
        }
        Some(other) => println!("{other:?} is none of ingest [EVENTS], append STORE [EVENTS], queries [ANOMALIES]"),
    }
}

/// Every third entry ends an episode, every third opens one.
fn entry(agent: u64, sequence: u64, newest_us: i64) -> SpoolEntry {
    let number = sequence / 3;
    let reason = |feature: &str| EpisodeReason {
        feature: BoundedText::cut(feature),
        observed: Finite::<f64>::nearest(9.25),
        expected: Finite::<f64>::new(4.5),
        share: Finite::<f32>::nearest(3.5),
    };
    let last = EventTime::from_micros(newest_us - i64::try_from(sequence % 1_000_000).unwrap() * 1_000_000);
    let episode = Episode {
        source: BoundedText::cut("/var/log/syslog"),
        number,
        server: BoundedText::cut(&format!("server-{agent:04}")),
        component: BoundedText::cut(["cpu", "disk", "memory", "requests"][usize::try_from(number % 4).unwrap()]),
        kind: if number.is_multiple_of(7) { EpisodeKind::Range } else { EpisodeKind::Score },
        first: last,
        last,
        records: 1 + sequence % 3,
        peak: Finite::<f32>::nearest((1 + number % 90) as f32),
        threshold: Finite::<f32>::nearest(1.0),
        main_reason: BoundedText::cut("value far from its usual level"),
        reasons: ["value", "change", "spread"].into_iter().map(reason).collect(),
        value: Finite::<f64>::nearest(9_300.0),
        expected: Finite::<f64>::new(120.5),
        learning: false,
        samples: [BoundedText::cut("Jan  5 00:00:07 server cron[1234]: backup of volume 7 took 9300 ms")]
            .into_iter()
            .collect(),
        model: 3,
        by_clock: false,
        extras: Extras::default(),
    };
    let event = match sequence % 3 {
        0 => Event::EpisodeOpened(Box::new(episode)),
        1 => Event::EpisodeUpdated(Box::new(episode)),
        _ => Event::EpisodeEnded(Box::new(episode)),
    };
    let stamp = ClockStamp { boot: BootId([7; 16]), monotonic_us: sequence, wall: EventTime::from_micros(newest_us) };
    SpoolEntry { event, stamp }
}

fn who(agent: u64) -> AgentKey {
    AgentKey { fleet: "bench".parse().unwrap(), agent: format!("agent-{agent}").parse().unwrap() }
}

/// Batches of 20 agents.
fn batches(events: u64) -> Vec<ReceivedBatch> {
    let now_us = oddline_collector::clock::now_us();
    let batch = |at: u64| {
        let (agent, first) = (at % 20, 1 + at / 20 * BATCH);
        let entries = (first..first + BATCH).map(|sequence| entry(agent, sequence, now_us)).collect();
        ReceivedBatch { who: who(agent), epoch: Epoch::from_random(agent), first, body: BatchBody::Entries(entries) }
    };
    (0..events / BATCH).map(batch).collect()
}

async fn append(address: &DatabaseAddress, batches: &[ReceivedBatch]) {
    let store = Store::open(address, OpenMode::Serve).await.unwrap();
    let began = Instant::now();
    for group in batches.chunks(80) {
        store.append(group, oddline_collector::clock::now_us()).await.unwrap();
    }
    report("store.append alone", batches.len() as u64 * BATCH, began.elapsed());
    store.close().await;
}

async fn ingest(folder: &Path, events: u64) {
    let path = folder.join("store.db");
    let batches = batches(events);
    let rows = batches.len() as u64 * BATCH;
    append(&DatabaseAddress::Sqlite(path.clone()), &batches).await;
    let bare = bare(&path, &folder.join("bare.db"));
    report("the same rows of events, bare SQLite", rows, bare.0);
    report("the same rows of events and episodes, bare SQLite", rows, bare.1);
    for agents in [1, 20, 1_000] {
        through_the_program(&folder.join(format!("program-{agents}")), agents, events.max(agents * BATCH)).await;
    }
    report(
        "the same rows of events and episodes, bare SQLite, again",
        rows,
        self::bare(&path, &folder.join("b2.db")).1,
    );
}

/// Copies the rows of a store with one prepared statement a table, in transactions of 4,096: what SQLite does when
/// nobody decodes, plans or acknowledges. The time for `events`, and for both tables with every word of an episode.
fn bare(from: &Path, to: &Path) -> (Duration, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let made = async {
                Store::open(&DatabaseAddress::Sqlite(to.to_owned()), OpenMode::Serve).await.unwrap().close().await;
            };
            runtime.unwrap().block_on(made);
        });
    });
    let source = rusqlite::Connection::open(from).unwrap();
    let mut target = rusqlite::Connection::open(to).unwrap();
    target.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA cache_size = -32768").unwrap();
    let mut copy = |table: &str, times: usize| {
        let mut select = source.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let rows: Vec<Vec<rusqlite::types::Value>> = select
            .query_map([], |row| (0..columns).map(|at| row.get(at)).collect())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let places = (1..=columns).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT OR REPLACE INTO {table} VALUES ({places})");
        let began = Instant::now();
        // An episode is written at each of its words.
        for row in rows.chunks(4_096) {
            let transaction = target.transaction().unwrap();
            {
                let mut insert = transaction.prepare(&sql).unwrap();
                for _ in 0..times {
                    for row in row {
                        insert.execute(rusqlite::params_from_iter(row)).unwrap();
                    }
                }
            }
            transaction.commit().unwrap();
        }
        began.elapsed()
    };
    let events = copy("events", 1);
    // A group of one transaction holds the words of an episode together: one write each, as the store does it.
    let both = events + copy("episodes", 1);
    (events, both)
}

fn report(what: &str, rows: u64, took: Duration) {
    println!("{what}: {rows} in {:.2} s, {:.0} a second", took.as_secs_f64(), rows as f64 / took.as_secs_f64());
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _: Result<(), _> = self.0.kill();
        let _: Result<_, _> = self.0.wait();
    }
}

impl Program {
    fn start(folder: &Path, port: u16) -> Self {
        fs::create_dir_all(folder).unwrap();
        let config = folder.join("collector.toml");
        let text = format!(
            "state = '{}'\n[embedded]\nlisten = '127.0.0.1:{port}'\n[api]\nenabled = false\n",
            folder.display()
        );
        fs::write(&config, text).unwrap();
        let program = std::env::current_exe().unwrap().with_file_name("../oddline-collector");
        let program: PathBuf = program.canonicalize().unwrap();
        let child = Command::new(program).arg("--config").arg(config).arg("run").stderr(Stdio::null()).spawn().unwrap();
        Self(child)
    }

    fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// All agents send all they have; the time until the last acknowledgement, and that of single batches afterwards.
async fn through_the_program(folder: &Path, agents: u64, events: u64) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::start(folder, port);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let each = events / agents / BATCH * BATCH;
    let mut fleet = Vec::new();
    for agent in 0..agents {
        let mut agent = Agent::connect(agent, port, each);
        agent.connected().await;
        fleet.push(agent);
    }
    let memory = program.memory_mib();
    let began = Instant::now();
    let tasks: Vec<_> = fleet
        .into_iter()
        .map(|mut agent| {
            tokio::spawn(async move {
                agent.deliver(each).await;
                agent
            })
        })
        .collect();
    let mut fleet = Vec::new();
    for task in tasks {
        fleet.push(task.await.unwrap());
    }
    report(&format!("{agents} agents -> embedded broker -> rows"), each * agents, began.elapsed());
    println!(
        "  memory of the collector: {memory} MiB with {agents} agents connected, {} MiB after",
        program.memory_mib()
    );
    let mut waits: Vec<Duration> = Vec::new();
    for round in 1..=200_u64 {
        let at = usize::try_from(round).unwrap() % fleet.len();
        let agent = &mut fleet[at];
        let began = Instant::now();
        agent.deliver(agent.acked + 1).await;
        waits.push(began.elapsed());
    }
    waits.sort();
    println!(
        "  from publish to committed and acknowledged, one entry: p50 {:.1} ms, p99 {:.1} ms",
        ms(waits[100]),
        ms(waits[198])
    );
}

fn ms(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1e3
}

struct Agent {
    who: AgentKey,
    epoch: Epoch,
    link: MqttSession,
    entries: Vec<Vec<u8>>,
    acked: u64,
    next: u64,
}

impl Agent {
    fn connect(number: u64, port: u16, each: u64) -> Self {
        let who = who(number);
        let settings = LinkSettings {
            broker: format!("mqtt://127.0.0.1:{port}").parse().unwrap(),
            client_id: client_id::of(&who.fleet, &who.agent),
            access: BrokerAccess::Files(SecretFiles::default()),
            jitter_seed: number,
        };
        let ack = MqttTopic::Agent(who.fleet.clone(), who.agent.clone(), Channel::Ack).to_string();
        let now_us = oddline_collector::clock::now_us();
        // A few more, for what is sent one by one.
        let packed = |sequence| postcard::to_stdvec(&entry(number, sequence, now_us)).unwrap();
        let entries = (1..=each + 300).map(packed).collect();
        Self {
            who,
            epoch: Epoch::from_random(number),
            link: subscribe::start(settings, vec![ack]),
            entries,
            acked: 0,
            next: 1,
        }
    }

    async fn connected(&mut self) {
        while !matches!(self.link.next().await, ConnectionEvent::Up) {}
    }

    async fn deliver(&mut self, last: u64) {
        let topic = MqttTopic::Agent(self.who.fleet.clone(), self.who.agent.clone(), Channel::Events).to_string();
        while self.acked < last {
            while self.next <= last && self.next < self.acked + 1 + FLIGHT * BATCH {
                let end = last.min(self.next + BATCH - 1);
                let range = usize::try_from(self.next - 1).unwrap()..usize::try_from(end).unwrap();
                let payload = encode_batch(self.epoch, self.next, &self.entries[range]).unwrap();
                self.link.handle().publish(topic.clone(), payload, false).await;
                self.next = end + 1;
            }
            match tokio::time::timeout(Duration::from_secs(30), self.link.next()).await {
                Ok(ConnectionEvent::Message(message)) => {
                    self.acked = self.acked.max(decode_ack(&message.payload).unwrap().acked);
                    self.link.handle().settle(message.receipt).await;
                }
                Ok(ConnectionEvent::Unheard) => {}
                Ok(ConnectionEvent::Up | ConnectionEvent::Down { .. } | ConnectionEvent::Refused { .. }) | Err(_) => {
                    println!("  {}: sends again from {}", self.who, self.acked + 1);
                    self.next = self.acked + 1;
                }
            }
        }
    }
}

/// Answers on a large store: how long each question takes.
async fn queries(folder: &Path, anomalies: u64) {
    let now_us = oddline_collector::clock::now_us();
    let store = Store::open(&DatabaseAddress::Sqlite(folder.join("store.db")), OpenMode::Serve).await.unwrap();
    let began = Instant::now();
    let mut first = 1;
    while first <= anomalies {
        let batches: Vec<ReceivedBatch> = (0..20)
            .map(|agent| {
                let opened = |sequence| entry(agent, 3 * sequence, now_us);
                let entries = (first..first + 200).map(opened).collect();
                ReceivedBatch {
                    who: who(agent),
                    epoch: Epoch::from_random(agent),
                    first,
                    body: BatchBody::Entries(entries),
                }
            })
            .collect();
        store.append(&batches, now_us).await.unwrap();
        first += 200;
        if first * 20 > anomalies {
            break;
        }
    }
    report("anomalies stored", (first - 1) * 20, began.elapsed());
    let all = AnomalyFilter {
        since_us: now_us - 24 * HOUR_US,
        until_us: i64::MAX,
        server: None,
        component: None,
        kind: None,
        min_score: None,
        agent: None,
        fleet: None,
    };
    let (named, range) = (|name: &str| Some(name.to_owned()), Some(AnomalyKind::Range));
    let questions = [
        ("the newest 50 of a day", all.clone()),
        ("of one server", AnomalyFilter { server: named("server-0007"), ..all.clone() }),
        ("of one component", AnomalyFilter { component: named("disk"), ..all.clone() }),
        (
            "of a server and component",
            AnomalyFilter { server: named("server-0007"), component: named("cpu"), ..all.clone() },
        ),
        ("with a score of 85 or more", AnomalyFilter { min_score: Some(85.0), ..all.clone() }),
        ("of a kind, of one agent", AnomalyFilter { kind: range, agent: named("agent-3"), ..all.clone() }),
        ("with a score that none has, in a day", AnomalyFilter { min_score: Some(1e6), ..all.clone() }),
        (
            "of two hours a week ago",
            AnomalyFilter { since_us: now_us - 170 * HOUR_US, until_us: now_us - 168 * HOUR_US, ..all },
        ),
    ];
    let mut slowest = Duration::ZERO;
    for (what, filter) in questions {
        let mut waits = Vec::new();
        let mut found = 0;
        for _ in 0..40 {
            let began = Instant::now();
            found = store.anomalies(&filter, None, 50).await.unwrap().anomalies.len();
            waits.push(began.elapsed());
        }
        waits.sort();
        println!("  {what}: {found} rows, p50 {:.2} ms, p95 {:.2} ms", ms(waits[20]), ms(waits[37]));
        if found > 0 {
            slowest = slowest.max(waits[37]);
        }
    }
    assert!(slowest <= ANSWER_MAX, "a question with an answer takes {:.1} ms (p95)", ms(slowest));
}
