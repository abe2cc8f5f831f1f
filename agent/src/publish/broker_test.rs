//! Against a real mosquitto with TLS, client certificates and access rules: what a collector stores equals what the
//! spool held, while the broker is killed and forgets everything.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use oddline_core::{
    event::{BoundedText, ClockStamp, Event, Extras, SourceFault, SpoolEntry},
    id::{AgentName, BootId, Epoch, FleetName, ModelHash},
    time::EventTime,
    topic::{Channel, MqttTopic},
    wire::{Ack, decode, decode_body, encode_ack},
};
use oddline_link::{
    client_id,
    secrets::SecretFiles,
    session::{
        MqttSession,
        message::{ConnectionEvent, OutgoingMessage, ReceivedMessage, SessionCommand},
    },
    settings::{BrokerAccess, LinkSettings},
};
use oddline_testkit::{MosquittoServer, free_port, mosquitto::with_certificates};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, timeout},
};

use super::{
    announce::{AnnouncedStatus, Presence},
    delivery::{Delivery, Encoding},
    drive::drive,
    memory::MemorySpool,
    ports::{DeliveryPorts, InboundMessage, LinkFigures, LinkReport, OutboundMessage},
    session::PublishSettings,
};

const EPOCH: Epoch = Epoch::from_random(0x5eed);
/// Nothing here takes this long; a test that waits longer has found a fault.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Broker {
    server: MosquittoServer,
    folder: PathBuf,
}

impl Broker {
    /// `None`, noted for the report, when there is no mosquitto.
    pub(super) fn start(test: &str, folder: &Path) -> Option<Self> {
        let mut server = MosquittoServer::prepare(test, folder, |port| with_certificates(port, folder))?;
        certificates(folder);
        let acl = "pattern readwrite oddline/v1/home/%u/#\npattern read oddline/v1/home/_models/#\n\
                   user collector\ntopic readwrite oddline/v1/#\n";
        fs::write(folder.join("acl"), acl).unwrap();
        server.start();
        Some(Self { server, folder: folder.to_owned() })
    }

    pub(super) fn settings(&self, name: &str, seed: u64) -> PublishSettings {
        let file = |suffix: &str| self.folder.join(format!("{name}.{suffix}"));
        let ca = Some(self.folder.join("ca.pem"));
        let files = SecretFiles { ca, identity: Some((file("pem"), file("key"))), user: None };
        settings(name, &format!("mqtts://localhost:{}", self.server.port()), files, seed)
    }
}

fn settings(name: &str, broker: &str, files: SecretFiles, seed: u64) -> PublishSettings {
    let (fleet, agent): (FleetName, AgentName) = ("home".parse().unwrap(), name.parse().unwrap());
    let link = LinkSettings {
        broker: broker.parse().unwrap(),
        client_id: client_id::of(&fleet, &agent),
        access: BrokerAccess::Files(files),
        jitter_seed: seed,
    };
    PublishSettings { fleet, agent, link }
}

/// A CA and certificates of the broker, an agent, another agent and the collector; a stranger's from another CA.
fn certificates(folder: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let ca = authority("oddline test");
    let other = authority("another authority");
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    for (name, issuer) in [("broker", &ca), ("pi", &ca), ("web", &ca), ("collector", &ca), ("stranger", &other)] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

pub(super) fn topic(agent: &str, channel: Channel) -> String {
    let (fleet, agent): (FleetName, AgentName) = ("home".parse().unwrap(), agent.parse().unwrap());
    MqttTopic::Agent(fleet, agent, channel).to_string()
}

fn entry(number: u64) -> Vec<u8> {
    let cause = BoundedText::cut(&format!("{number} ").repeat(1 + usize::try_from(number % 60).unwrap()));
    let event =
        Event::SourceFailed(SourceFault { source: BoundedText::cut("a.log"), cause, extras: Extras::default() });
    let stamp = ClockStamp { boot: BootId([7; 16]), monotonic_us: number, wall: EventTime::from_micros(0) };
    postcard::to_stdvec(&SpoolEntry { event, stamp }).unwrap()
}

/// What a collector does, as far as agents see it: stores, then acknowledges.
struct Collector {
    session: MqttSession,
    stored: BTreeMap<u64, SpoolEntry>,
    repeated: u64,
    connections: u64,
    seen: Vec<(String, Vec<u8>)>,
}

impl Collector {
    fn new(broker: &Broker) -> Self {
        let filters = [Channel::Events, Channel::Birth, Channel::Status].map(Channel::of_all).to_vec();
        let session = broker.settings("collector", 2).start(filters);
        Self { session, stored: BTreeMap::new(), repeated: 0, connections: 0, seen: Vec::new() }
    }

    async fn step(&mut self) {
        match self.session.next().await {
            ConnectionEvent::Up => self.connections += 1,
            ConnectionEvent::Down { .. } | ConnectionEvent::Unheard => {}
            ConnectionEvent::Refused { reason } => panic!("{reason}"),
            ConnectionEvent::Message(ReceivedMessage { topic, payload, .. }) if topic.ends_with("/events") => {
                let batch = decode(&payload).unwrap();
                for read in decode_body(&batch).unwrap() {
                    let (sequence, entry) = (read.sequence, read.entry.unwrap());
                    if let Some(known) = self.stored.insert(sequence, entry) {
                        assert_eq!(known, self.stored[&sequence]);
                        self.repeated += 1;
                    }
                }
                let acked = (1..).zip(self.stored.keys()).take_while(|(a, b)| a == *b).count() as u64;
                let payload = encode_ack(Ack { epoch: batch.header.epoch, acked });
                let ack = OutgoingMessage { topic: topic.replace("/events", "/ack"), payload, retain: false };
                self.session.try_hand_over(SessionCommand::Publish(ack)).unwrap();
            }
            ConnectionEvent::Message(ReceivedMessage { topic, payload, .. }) => self.seen.push((topic, payload)),
        }
    }

    /// Steps until `done`.
    async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let waits = async {
            while !done(self) {
                // Whatever is waited for may also come from the other side.
                let _: Result<(), _> = timeout(Duration::from_millis(50), self.step()).await;
            }
        };
        timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("waited too long until {what}"));
    }

    fn said(&self, topic: &str) -> Option<&[u8]> {
        self.seen.iter().rev().find(|(t, _)| t == topic).map(|(_, payload)| payload.as_slice())
    }
}

/// The other ends of a driver's ports.
struct Hands {
    wake: Arc<Notify>,
    outbound: mpsc::Sender<OutboundMessage>,
    inbound: mpsc::Receiver<InboundMessage>,
    figures: watch::Receiver<LinkFigures>,
    stop: oneshot::Sender<()>,
    reports: mpsc::UnboundedReceiver<LinkReport>,
}

/// An agent's delivery in a task of its own.
fn agent(settings: PublishSettings, spool: &MemorySpool, acked: u64) -> (Hands, tokio::task::JoinHandle<()>) {
    let wake = Arc::new(Notify::new());
    let (outbound, say) = mpsc::channel(8);
    let (hear, inbound) = mpsc::channel(1);
    let (watched, figures) = watch::channel(LinkFigures::default());
    let (stop, stopped) = oneshot::channel();
    let (tell, reports) = mpsc::unbounded_channel();
    let ports =
        DeliveryPorts { wake: Arc::clone(&wake), outbound: say, inbound: hear, figures: watched, stop: stopped };
    let mut spool = spool.clone();
    let task = tokio::spawn(async move {
        let delivery = Delivery::new(EPOCH, Encoding::Postcard, acked);
        let report = |report| tell.send(report).unwrap_or(());
        drive(settings, delivery, &mut spool, ports, report).await.unwrap();
    });
    (Hands { wake, outbound, inbound, figures, stop, reports }, task)
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_is_killed_and_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start("publish::broker_test: delivery", folder.path()) else { return };
    let spool = MemorySpool::default();
    let mut collector = Collector::new(&broker);
    collector.until("the collector is connected", |c| c.connections == 1).await;
    let (mut hands, task) = agent(broker.settings("pi", 1), &spool, 0);
    hands.outbound.send(OutboundMessage::Retain(Channel::Birth, b"{}".to_vec())).await.unwrap();

    let mut appended = 0;
    for round in 0..5_u64 {
        for _ in 0..400 {
            appended += 1;
            spool.append(entry(appended));
        }
        hands.wake.notify_one();
        if round % 2 == 0 {
            // In the middle of it.
            let enough = appended - 300;
            collector.until("some of it is stored", |c| c.stored.len() as u64 >= enough).await;
        }
        if round < 4 {
            broker.server.kill();
            broker.server.start();
            let (before, agent_before) = (collector.connections, hands.figures.borrow().connections);
            let back = |c: &Collector| c.connections > before && hands.figures.borrow().connections > agent_before;
            collector.until("both are back", back).await;
        }
    }
    collector.until("all is stored and deleted", |c| c.stored.len() as u64 == appended && spool.waiting() == 0).await;
    for (sequence, stored) in &collector.stored {
        assert_eq!(postcard::to_stdvec(stored).unwrap(), entry(*sequence));
    }
    let figures = *hands.figures.borrow();
    let reports: Vec<LinkReport> = std::iter::from_fn(|| hands.reports.try_recv().ok()).collect();
    assert!(
        reports.iter().all(|r| matches!(r, LinkReport::Connected | LinkReport::Lost { .. } | LinkReport::Unheard)),
        "{reports:?}"
    );
    println!(
        "{appended} entries in {} batches, {} connections; came again: {}",
        figures.batches, figures.connections, collector.repeated
    );
    assert!(figures.connections >= 5);

    // The birth was said again to the broker that had forgotten it; the goodbye is heard.
    let said = topic("pi", Channel::Birth);
    collector.until("the birth is said again", |c| c.said(&said).is_some()).await;
    hands.stop.send(()).unwrap();
    task.await.unwrap();
    let said = topic("pi", Channel::Status);
    collector.until("the goodbye is heard", |c| c.said(&said).is_some()).await;
    let status: AnnouncedStatus = serde_json::from_slice(collector.said(&said).unwrap()).unwrap();
    assert_eq!(status.state, Presence::Down);
}

#[tokio::test]
async fn a_restarted_agent_goes_on_where_it_was_and_its_will_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start("publish::broker_test: restart", folder.path()) else { return };
    let spool = MemorySpool::default();
    let mut collector = Collector::new(&broker);
    for life in 0..3_u64 {
        for number in 1..=100 {
            assert_eq!(spool.append(entry(100 * life + number)), 100 * life + number);
        }
        let acked = collector.stored.len() as u64;
        let (hands, task) = agent(broker.settings("pi", life), &spool, acked);
        let wanted = 100 * (life + 1);
        collector
            .until("this life's entries are stored", |c| c.stored.len() as u64 >= wanted && spool.waiting() == 0)
            .await;
        collector.seen.clear();
        // No goodbye: the broker notices that the connection is gone.
        task.abort();
        drop(hands);
        let said = topic("pi", Channel::Status);
        collector.until("the last will is heard", |c| c.said(&said).is_some()).await;
    }
    assert_eq!(collector.stored.len(), 300);
}

#[tokio::test]
async fn models_and_wishes_come_in_and_large_packets_pass() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start("publish::broker_test: models", folder.path()) else { return };
    let spool = MemorySpool::default();
    let mut collector = Collector::new(&broker);
    collector.until("the collector is connected", |c| c.connections == 1).await;
    let bytes: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    let hash = ModelHash([3; 32]);
    let retain = |topic: String, payload: Vec<u8>| {
        let message = OutgoingMessage { topic, payload, retain: true };
        collector.session.try_hand_over(SessionCommand::Publish(message)).unwrap();
    };
    retain(MqttTopic::Model("home".parse().unwrap(), hash).to_string(), bytes.clone());
    retain(topic("pi", Channel::ModelDesired), b"wish".to_vec());

    let (mut hands, task) = agent(broker.settings("pi", 1), &spool, 0);
    let heard = timeout(PATIENCE, hands.inbound.recv()).await.unwrap();
    assert_eq!(heard, Some(InboundMessage::Desired(b"wish".to_vec())));
    hands.outbound.send(OutboundMessage::Fetch(hash)).await.unwrap();
    let heard = timeout(PATIENCE, hands.inbound.recv()).await.unwrap();
    assert!(heard == Some(InboundMessage::Model(hash, bytes)), "the model came otherwise");
    hands.outbound.send(OutboundMessage::FetchEnded).await.unwrap();
    hands.stop.send(()).unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn strangers_and_other_names_are_refused_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start("publish::broker_test: refusals", folder.path()) else { return };
    // Another authority's certificate.
    let stranger = PublishSettings { agent: "pi".parse().unwrap(), ..broker.settings("stranger", 1) };
    let mut stranger = stranger.start(vec![topic("pi", Channel::Ack)]);
    let ConnectionEvent::Down { reason: why, .. } = timeout(PATIENCE, stranger.next()).await.unwrap() else { panic!() };
    println!("stranger: {why}");
    // A broker that the agent's CA does not know.
    let mut fooled = broker.settings("pi", 1);
    let BrokerAccess::Files(files) = &mut fooled.link.access else { panic!() };
    files.ca = Some(folder.path().join("stranger.pem"));
    let mut fooled = fooled.start(vec![topic("pi", Channel::Ack)]);
    let ConnectionEvent::Down { reason: why, .. } = timeout(PATIENCE, fooled.next()).await.unwrap() else { panic!() };
    println!("unknown broker: {why}");
    assert!(why.contains("certificate"), "{why}");
    // Under another's name.
    let mut liar = broker.settings("web", 1).start(vec![topic("web", Channel::Ack)]);
    assert!(matches!(timeout(PATIENCE, liar.next()).await.unwrap(), ConnectionEvent::Up));
    let lie = OutgoingMessage { topic: topic("pi", Channel::Events), payload: vec![1], retain: false };
    liar.try_hand_over(SessionCommand::Publish(lie)).unwrap();
    let ConnectionEvent::Refused { reason: why } = timeout(PATIENCE, liar.next()).await.unwrap() else { panic!() };
    println!("another's name: {why}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_tried_again() {
    let port = free_port();
    let broker = format!("mqtt://127.0.0.1:{port}");
    let settings = settings("pi", &broker, SecretFiles::default(), 4);
    let began = Instant::now();
    let mut session = settings.start(vec!["oddline/v1/home/pi/ack".to_owned()]);
    for _ in 0..3 {
        let ConnectionEvent::Down { reason: why, .. } = timeout(PATIENCE, session.next()).await.unwrap() else {
            panic!()
        };
        assert!(why.starts_with(&format!("broker {broker}: ")) && why.ends_with("connection refused"), "{why}");
    }
    assert!(began.elapsed() >= Duration::from_millis(700), "the waits between attempts were left out");
    timeout(Duration::from_secs(1), session.stop()).await.expect("nothing is to be said to nobody");
}
