//! Three servers, three agents, one broker with TLS, client certificates and access rules: what is heard of each equals
//! the replay of its log.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::path::{Path, PathBuf};

use oddline_core::id::AgentName;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    authority::Validity,
    compare::Difference,
    fixture,
    mosquitto::{AUTHORITY, Mosquitto},
    replay::Replay,
    subscriber::Subscriber,
    writer::Writer,
};
use oddline_testkit::{
    Random,
    waiting::{PATIENCE, pass, until, within},
};
use tempfile::TempDir;

/// Days of each server's log.
const DAYS: u32 = 3;

fn link(broker: &Mosquitto, identity: &str, events: &'static str) -> Link {
    Link::Broker {
        port: broker.port(),
        folder: broker.folder().to_owned(),
        trusts: AUTHORITY.to_owned(),
        identity: identity.to_owned(),
        events,
    }
}

fn setup(folder: &Path, name: &str, link: Link) -> Setup {
    let folder = folder.join(name);
    std::fs::create_dir_all(folder.join("logs")).unwrap();
    Setup::new(name, folder, link)
}

/// One server's log, agent and the writer of the log.
struct Server {
    name: AgentName,
    agent: Agent,
    writer: Writer,
}

impl Server {
    fn begin(folder: &Path, server: &str, name: &str, link: Link, random: Random) -> Self {
        let mut agent = Agent::new(setup(folder, name, link));
        let writer = Writer::new(&log_path(folder, name), fixture::log(Some(server), DAYS), random);
        agent.start();
        Self { name: name.parse().unwrap(), agent, writer }
    }

    /// Writes until something is heard. Before its first commit nothing is promised: the agent begins with the live file.
    fn begins(&mut self, subscriber: &Subscriber) {
        self.writer.write_lines(2_000);
        let heard = || (subscriber.stored().ledger.count(&self.name) > 0).then_some(());
        until(heard, || format!("nothing is heard of {}; it said: {}", self.name, self.agent.said()));
    }

    /// Writes all of it without a rotation, before anything may be heard.
    fn writes_all(&mut self) {
        self.writer.write_lines(usize::MAX);
        assert!(self.writer.is_done());
    }

    fn expected(&self) -> Vec<String> {
        let model = fixture::model();
        Replay { program: self.agent.program(), model: &model, live: self.writer.live() }.of(self.writer.log())
    }

    /// How what was heard differs from what was expected; waits until enough was heard.
    fn difference(&self, subscriber: &Subscriber) -> Difference {
        let expected = self.expected();
        assert!(expected.len() >= 100, "{}: the log has enough to tell: {}", self.name, expected.len());
        let heard = || subscriber.stored().ledger.of(&self.name);
        let difference = || Difference::between(&expected, &heard());
        let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
        println!("e2e: fleet: {}: {found}", self.name);
        found
    }
}

fn log_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("logs/app.log")
}

#[test]
fn what_is_heard_of_each_server_equals_the_replay_of_its_log() {
    let folder = TempDir::new().unwrap();
    let Some(broker) = Mosquitto::begin("e2e: fleet", folder.path()) else { return };
    let mut random = Random::for_test("e2e: fleet");
    let subscriber = Subscriber::start(&broker);
    let mut servers: Vec<Server> = [("server-01", "web-1"), ("server-02", "web-2"), ("server-03", "pi-3")]
        .into_iter()
        .map(|(server, name)| {
            broker.authority().issue(name, Validity::Valid, folder.path(), name);
            Server::begin(folder.path(), server, name, link(&broker, name, "postcard"), random.fork())
        })
        .collect();
    servers.iter_mut().for_each(|server| server.begins(&subscriber));
    // All three at once, as time would have it.
    while servers.iter().any(|server| !server.writer.is_done()) {
        for server in servers.iter_mut().filter(|server| !server.writer.is_done()) {
            if let Some(record) = subscriber.stored().ledger.record(&server.name) {
                server.writer.was_read(record);
            }
            server.writer.act();
        }
        pass(random.millis_below(10));
    }
    for server in &mut servers {
        let difference = server.difference(&subscriber);
        assert!(difference.is_none(), "{}: {difference}\n{}", server.name, server.agent.said());
        server.agent.stop();
        let stored = subscriber.stored();
        assert!(stored.ledger.holes(&server.name).is_empty());
        let difference = Difference::between(&server.expected(), &stored.ledger.of(&server.name));
        assert!(difference.is_none(), "after its end: {difference}");
        let said = |channel: &str| {
            let topic = format!("oddline/v1/home/{}/{channel}", server.name);
            String::from_utf8(stored.said.get(&topic).cloned().unwrap_or_default()).unwrap()
        };
        assert!(said("birth").contains(&format!("\"{}\"", server.name)), "birth: {}", said("birth"));
        // The goodbye was heard before the agent ended.
        drop(stored);
        until(
            || {
                let topic = format!("oddline/v1/home/{}/status", server.name);
                let stored = subscriber.stored();
                stored.said.get(&topic).filter(|json| String::from_utf8_lossy(json).contains("\"down\"")).map(|_| ())
            },
            || format!("{} does not say goodbye", server.name),
        );
    }
    let stored = subscriber.stored();
    assert_eq!(stored.ledger.faults(), Vec::<String>::new());
    assert_eq!(stored.strange, Vec::<String>::new());
}

/// The names and numbers of JSON are not as exact as postcard's, so both sides are read from JSON once.
#[test]
fn events_as_json_are_the_same_events() {
    let folder = TempDir::new().unwrap();
    let Some(broker) = Mosquitto::begin("e2e: json", folder.path()) else { return };
    let subscriber = Subscriber::start(&broker);
    broker.authority().issue("pi-3", Validity::Valid, folder.path(), "pi-3");
    let random = Random::for_test("e2e: json");
    let mut server = Server::begin(folder.path(), "server-03", "pi-3", link(&broker, "pi-3", "json"), random);
    server.begins(&subscriber);
    server.writer.act_to_the_end();
    let once_read = |text: &String| {
        let event: oddline_core::event::Event = serde_json::from_str(text).unwrap();
        serde_json::to_string(&event).unwrap()
    };
    let expected: Vec<String> = server.expected().iter().map(once_read).collect();
    let difference = || Difference::between(&expected, &subscriber.stored().ledger.of(&server.name));
    let found = within(PATIENCE, || Some(difference()).filter(Difference::is_none)).unwrap_or_else(difference);
    println!("e2e: json: {found}");
    assert!(found.is_none(), "{found}\n{}", server.agent.said());
}

/// What the broker refuses is said, tried again, and delivered once the reason is gone.
struct Refused {
    folder: TempDir,
    broker: Mosquitto,
    subscriber: Subscriber,
}

impl Refused {
    fn new(test: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let broker = Mosquitto::begin(test, folder.path())?;
        broker.authority().issue("web-1", Validity::Valid, folder.path(), "web-1");
        let subscriber = Subscriber::start(&broker);
        Some(Self { folder, broker, subscriber })
    }

    /// An agent with this link says why it cannot deliver, and goes on trying; with the right link all is delivered.
    fn says_then_delivers(&self, wrong: Link, words: &[&str]) {
        let random = Random::for_test("e2e: refused");
        let mut server = Server::begin(self.folder.path(), "server-01", "web-1", wrong, random);
        server.writes_all();
        let told = |said: &str| {
            let lower = said.to_lowercase();
            words.iter().any(|word| lower.contains(word))
        };
        let said = server.agent.says(0, &format!("one of {words:?}"), told);
        println!("e2e: refused: {}", said.lines().find(|line| told(line)).unwrap_or_default());
        // And again: it has not given up.
        let mark = server.agent.said().len();
        server.agent.says(mark, &format!("one of {words:?} again"), told);
        assert!(server.agent.is_alive());
        assert_eq!(self.subscriber.stored().ledger.count(&server.name), 0, "nothing may come this way");
        server.agent.stop();
        // The same state, the right link.
        server.agent = Agent::new(setup(self.folder.path(), "web-1", link(&self.broker, "web-1", "postcard")));
        server.agent.start();
        let difference = server.difference(&self.subscriber);
        assert!(difference.is_none(), "{difference}\n{}", server.agent.said());
    }
}

#[test]
fn with_another_agents_certificate_nothing_is_said_under_this_name() {
    let Some(refused) = Refused::new("e2e: another's certificate") else { return };
    refused.broker.authority().issue("web-2", Validity::Valid, refused.folder.path(), "web-2");
    refused.says_then_delivers(link(&refused.broker, "web-2", "postcard"), &["refused", "notauthorized"]);
    let stored = refused.subscriber.stored();
    assert!(!stored.said.keys().any(|topic| topic.contains("/web-2/")), "{:?}", stored.said.keys());
}

#[test]
fn an_expired_certificate_is_refused_and_said_so() {
    let Some(refused) = Refused::new("e2e: expired certificate") else { return };
    refused.broker.authority().issue("web-1", Validity::Expired, refused.folder.path(), "old");
    refused.says_then_delivers(link(&refused.broker, "old", "postcard"), &["expired"]);
}

#[test]
fn a_broker_of_another_authority_is_not_trusted() {
    let Some(refused) = Refused::new("e2e: another authority") else { return };
    drop(oddline_e2e::authority::Authority::new("other", refused.folder.path()));
    let wrong = Link::Broker {
        port: refused.broker.port(),
        folder: refused.folder.path().to_owned(),
        trusts: "other".to_owned(),
        identity: "web-1".to_owned(),
        events: "postcard",
    };
    refused.says_then_delivers(wrong, &["certificate", "unknownissuer"]);
}

#[test]
fn a_broker_that_comes_later_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let Some(mut broker) = Mosquitto::prepare("e2e: late broker", folder.path()) else { return };
    broker.authority().issue("web-1", Validity::Valid, folder.path(), "web-1");
    let random = Random::for_test("e2e: late broker");
    let mut server = Server::begin(folder.path(), "server-01", "web-1", link(&broker, "web-1", "postcard"), random);
    server.writes_all();
    server.agent.says(0, "that nobody is there", |said| said.to_lowercase().contains("refused"));
    assert!(server.agent.is_alive());
    broker.start();
    let subscriber = Subscriber::start(&broker);
    let difference = server.difference(&subscriber);
    assert!(difference.is_none(), "{difference}\n{}", server.agent.said());
}
