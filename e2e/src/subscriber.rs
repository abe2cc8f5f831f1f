//! A small honest collector: it stores, then acknowledges. Its memory is never lost, as a collector's database is not.
//! The only importer of rumqttc.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use oddline_core::{
    topic::{Channel, MqttTopic},
    wire::encode_ack,
};
use oddline_testkit::waiting::{pass_async, until};
use rumqttc::{
    AsyncClient, Broker, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS, SubscribeFilterInput,
    TlsConfiguration, Transport,
};
use tokio::time::timeout;

use crate::{
    ledger::Ledger,
    mosquitto::{AUTHORITY, COLLECTOR, Mosquitto},
};

/// Everything an agent sends is far below.
const PACKET_BYTES_MAX: u32 = 1024 * 1024;
/// Messages handed to the client and not sent yet.
const QUEUE_MAX: usize = 1_000;
/// Between two attempts to connect, and two looks whether to end.
const TURN: Duration = Duration::from_millis(50);

/// The collector; ends when dropped.
pub struct Subscriber {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stored: Mutex<Stored>,
    /// Stores, but does not acknowledge.
    silent: AtomicBool,
    stop: AtomicBool,
}

/// What it has.
#[derive(Default)]
pub struct Stored {
    /// The events.
    pub ledger: Ledger,
    /// Newest payload by topic, of everything else that was said.
    pub said: BTreeMap<String, Vec<u8>>,
    /// Connections so far.
    pub connections: u64,
    /// What was on no topic of an agent.
    pub strange: Vec<String>,
}

impl Subscriber {
    /// Connects, and goes on connecting; waits until it hears.
    #[must_use]
    pub fn start(broker: &Mosquitto) -> Self {
        let shared = Arc::new(Shared::default());
        let options = options(broker.folder(), broker.port());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(listen(options, &of_thread));
        });
        let subscriber = Self { shared, thread: Some(thread) };
        let connected = || (subscriber.stored().connections > 0).then_some(());
        until(connected, || "the subscriber is not connected".to_owned());
        subscriber
    }

    /// What it has, to be looked at.
    pub fn stored(&self) -> MutexGuard<'_, Stored> {
        self.shared.stored.lock().expect("the subscriber's thread does not die")
    }

    /// Stores from now on without a word.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    /// Acknowledges again.
    pub fn speak(&self) {
        self.shared.silent.store(false, Ordering::Relaxed);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A test that already fails must not be failed again.
            drop(thread.join());
        }
    }
}

/// How a collector connects.
pub(crate) fn options(folder: &Path, port: u16) -> MqttOptions {
    // A workspace may bring a second provider: then the choice is ours to make. Made before, it stays.
    let _: Result<(), _> = rustls::crypto::ring::default_provider().install_default();
    let read = |name: String| fs::read(folder.join(name)).expect("the certificates are there");
    let identity = (read(format!("{COLLECTOR}.pem")), read(format!("{COLLECTOR}.key")));
    let ca = read(format!("{AUTHORITY}.pem"));
    let mut options = MqttOptions::new("e2e-collector", Broker::tcp("localhost", port));
    options.set_clean_start(true).set_max_packet_size(Some(PACKET_BYTES_MAX)).set_transport(
        Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth: Some(identity) }),
    );
    options
}

async fn listen(options: MqttOptions, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let client = AsyncClient::builder(options.clone()).capacity(QUEUE_MAX).try_build();
        let (client, mut events) = client.expect("these options are good");
        connection(&client, &mut events, shared).await;
        pass_async(TURN).await;
    }
}

/// Until it breaks or is to stop.
async fn connection(client: &AsyncClient, events: &mut EventLoop, shared: &Shared) {
    let stopped = async {
        while !shared.stop.load(Ordering::Relaxed) {
            pass_async(TURN).await;
        }
    };
    let heard = async {
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Packet::ConnAck(_)) => subscribe(client),
                Event::Incoming(Packet::SubAck(_)) => lock(shared).connections += 1,
                Event::Incoming(Packet::Publish(publish)) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    take(client, shared, topic, &publish.payload);
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        () = stopped => {}
        () = heard => {}
    }
    // What may still be said is said; a broker that is gone is not waited for.
    let _: Result<_, _> = timeout(TURN, client.disconnect()).await;
}

fn subscribe(client: &AsyncClient) {
    let channels = [Channel::Events, Channel::Birth, Channel::Status, Channel::Training, Channel::ModelState];
    let filters = channels.map(|channel| SubscribeFilterInput::new(channel.of_all(), QoS::AtLeastOnce));
    client.try_subscribe_many(filters).expect("an empty queue has room");
}

fn take(client: &AsyncClient, shared: &Shared, topic: String, payload: &[u8]) {
    let mut stored = lock(shared);
    let Ok(MqttTopic::Agent(fleet, agent, channel)) = topic.parse::<MqttTopic>() else {
        stored.strange.push(topic);
        return;
    };
    if channel != Channel::Events {
        stored.said.insert(topic, payload.to_vec());
        return;
    }
    let Some(ack) = stored.ledger.take(&agent, payload) else { return };
    if !shared.silent.load(Ordering::Relaxed) {
        let ack_topic = MqttTopic::Agent(fleet, agent, Channel::Ack).to_string();
        // One that finds no room is made up for by the next, or by the agent sending again.
        let _: Result<_, _> = client.try_publish(ack_topic, encode_ack(ack), PublishOptions::new(QoS::AtLeastOnce));
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Stored> {
    shared.stored.lock().expect("no holder of this lock dies")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oddline_core::{
        event::{BoundedText, ClockStamp, Event as Told, Extras, SourceFault, SpoolEntry},
        id::{AgentName, BootId, Epoch},
        time::EventTime,
        wire::{decode_ack, encode_json},
    };
    use tempfile::TempDir;

    use super::*;
    use crate::authority::Validity;

    const EPOCH: Epoch = Epoch::from_random(4);
    const EVENTS: &str = "oddline/v1/home/pi/events";

    fn batch(first: u64) -> Vec<u8> {
        let event = Told::SourceFailed(SourceFault {
            source: BoundedText::cut("a"),
            cause: BoundedText::cut("b"),
            extras: Extras::default(),
        });
        let stamp = ClockStamp { boot: BootId([1; 16]), monotonic_us: first, wall: EventTime::from_micros(0) };
        encode_json(EPOCH, first, &[SpoolEntry { event, stamp }])
    }

    /// Publishes as an agent does; what is acknowledged.
    async fn publish(broker: &Mosquitto, identity: &str, first: u64) -> Option<u64> {
        let mut options = options(broker.folder(), broker.port());
        let read = |ending| fs::read(broker.folder().join(format!("{identity}.{ending}"))).unwrap();
        let ca = fs::read(broker.folder().join("ca.pem")).unwrap();
        let client_auth = Some((read("pem"), read("key")));
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth }));
        options.set_client_id(identity.to_owned());
        let (client, mut events) = AsyncClient::builder(options).capacity(9).try_build().unwrap();
        loop {
            match events.poll().await.ok()? {
                Event::Incoming(Packet::ConnAck(_)) => {
                    client.try_subscribe("oddline/v1/home/pi/ack", QoS::AtLeastOnce).unwrap();
                }
                Event::Incoming(Packet::SubAck(_)) => {
                    client.try_publish(EVENTS, batch(first), PublishOptions::new(QoS::AtLeastOnce)).unwrap();
                }
                Event::Incoming(Packet::PubAck(ack)) if identity != "pi" => {
                    println!("{identity}: {:?}", ack.reason);
                    return None;
                }
                Event::Incoming(Packet::Publish(publish)) => return Some(decode_ack(&publish.payload).unwrap().acked),
                _ => {}
            }
        }
    }

    #[test]
    fn it_stores_acknowledges_and_hears_no_liar_through_a_broker_that_forgets() {
        let folder = TempDir::new().unwrap();
        let Some(mut broker) = Mosquitto::begin("e2e: subscriber", folder.path()) else { return };
        for name in ["pi", "liar"] {
            broker.authority().issue(name, Validity::Valid, folder.path(), name);
        }
        let pi: AgentName = "pi".parse().unwrap();
        let subscriber = Subscriber::start(&broker);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let publish = |broker: &Mosquitto, identity, first| {
            runtime
                .block_on(async { timeout(Duration::from_secs(30), publish(broker, identity, first)).await.unwrap() })
        };
        assert_eq!(publish(&broker, "pi", 1), Some(1));
        assert_eq!(publish(&broker, "liar", 2), None);
        let before = subscriber.stored().connections;
        broker.kill();
        broker.start();
        until(|| (subscriber.stored().connections > before).then_some(()), || "it does not come back".to_owned());
        assert_eq!(publish(&broker, "pi", 3), Some(1), "2 is missing: the liar's was not to be heard");
        assert_eq!(subscriber.stored().ledger.holes(&pi), [(2, 2)]);
        assert_eq!(publish(&broker, "pi", 2), Some(3));
    }
}
