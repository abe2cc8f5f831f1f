//! A client that says what it sees, and brokers to see it with.

use std::{
    net::SocketAddr,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use oddline_collector::broker::{BrokerLimits, BrokerLogin, BrokerSettings, EmbeddedBroker, ServedFleets};
use oddline_testkit::waiting::until_async;
use rumqttc::{
    AsyncClient, Broker as To, Event, LastWill, MqttOptions, Packet, PubAckReason, PublishOptions, QoS,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time::timeout};

/// Nothing here takes this long; a test that waits longer has found a fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The client's TLS takes the process's provider, and the broker's library brings a second one.
pub(crate) fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
}

/// PEM texts of a client.
#[derive(Clone)]
pub(crate) struct Papers {
    pub ca: Vec<u8>,
    pub own: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

#[derive(Debug)]
enum Seen {
    Connected,
    PubAck(PubAckReason),
    SubAck(Vec<SubscribeReasonCode>),
    Message(Message),
    Ended(String),
}

pub(crate) struct Client {
    client: AsyncClient,
    seen: mpsc::UnboundedReceiver<Seen>,
    messages: Vec<Message>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// As an agent's own `publish` module sets them.
pub(crate) fn options(id: &str, address: SocketAddr) -> MqttOptions {
    let mut options = MqttOptions::new(id, To::tcp("localhost", address.port()));
    options
        .set_keep_alive(30)
        .set_clean_start(true)
        .set_connect_timeout(Duration::from_secs(30))
        .set_max_packet_size(Some(1024 * 1024))
        .set_outgoing_inflight_upper_limit(64)
        .set_socket_connector(move |_, _| async move { TcpStream::connect(address).await });
    options
}

pub(crate) fn with_tls(mut options: MqttOptions, papers: &Papers) -> MqttOptions {
    provider();
    let tls = TlsConfiguration::Simple { ca: papers.ca.clone(), alpn: None, client_auth: papers.own.clone() };
    options.set_transport(Transport::tls_with_config(tls));
    options
}

pub(crate) fn with_will(mut options: MqttOptions, topic: &str) -> MqttOptions {
    options.set_last_will(LastWill::new(topic, "down", QoS::AtLeastOnce, true, None));
    options
}

/// On plain loopback: who says so.
pub(crate) async fn agent(broker: &EmbeddedBroker, name: &str) -> Client {
    Client::connect(named(broker.local_addr(), name)).await.unwrap()
}

pub(crate) fn named(address: SocketAddr, name: &str) -> MqttOptions {
    let mut options = options(&format!("oddline_home_{name}"), address);
    options.set_credentials(name, "");
    options
}

/// Each under an identifier of its own: the library refuses some that come back before their old session has left.
pub(crate) async fn collector(login: &BrokerLogin) -> Client {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let id = format!("collector-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut options = options(&id, login.address);
    options.set_credentials(login.user.clone(), login.password.clone());
    Client::connect(options).await.unwrap()
}

pub(crate) fn settings(limits: BrokerLimits) -> BrokerSettings {
    BrokerSettings { listen: ([127, 0, 0, 1], 0).into(), tls: None, fleets: ServedFleets::Every, limits }
}

pub(crate) async fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(settings(BrokerLimits::default())).await.unwrap()
}

pub(crate) fn topic(agent: &str, channel: &str) -> String {
    format!("oddline/v1/home/{agent}/{channel}")
}

impl Client {
    /// Connected, or why not.
    pub(crate) async fn connect(options: MqttOptions) -> Result<Self, String> {
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        let (tell, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let seen = match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => Seen::Connected,
                    Ok(Event::Incoming(Packet::PubAck(ack))) => Seen::PubAck(ack.reason),
                    Ok(Event::Incoming(Packet::SubAck(ack))) => Seen::SubAck(ack.return_codes),
                    Ok(Event::Incoming(Packet::Publish(publish))) => Seen::Message(Message {
                        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                        payload: publish.payload.to_vec(),
                        retain: publish.retain,
                    }),
                    Ok(_) => continue,
                    Err(error) => Seen::Ended(format!("{error}: {error:?}")),
                };
                let is_over = matches!(seen, Seen::Ended(_));
                if tell.send(seen).is_err() || is_over {
                    return;
                }
            }
        });
        let mut client = Self { client, seen, messages: Vec::new(), task };
        match client.next().await {
            Seen::Connected => Ok(client),
            Seen::Ended(why) => Err(why),
            Seen::PubAck(_) | Seen::SubAck(_) | Seen::Message(_) => unreachable!("before CONNACK"),
        }
    }

    async fn next(&mut self) -> Seen {
        timeout(PATIENCE, self.seen.recv()).await.expect("the broker is silent").expect("it told its end")
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) -> PubAckReason {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        self.client.publish(topic, payload.into(), options).await.unwrap();
        loop {
            match self.next().await {
                Seen::PubAck(reason) => return reason,
                Seen::Message(message) => self.messages.push(message),
                other => panic!("instead of a PUBACK: {other:?}"),
            }
        }
    }

    /// At most once: nobody answers.
    pub(crate) async fn shout(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client.publish(topic, payload.into(), PublishOptions::new(QoS::AtMostOnce)).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        loop {
            match self.next().await {
                Seen::SubAck(codes) => return codes[0],
                Seen::Message(message) => self.messages.push(message),
                other => panic!("instead of a SUBACK: {other:?}"),
            }
        }
    }

    pub(crate) async fn listen(&mut self, filter: &str) {
        let code = self.subscribe(filter).await;
        assert_eq!(code, SubscribeReasonCode::Success(QoS::AtLeastOnce), "{filter}");
    }

    pub(crate) async fn message(&mut self) -> Message {
        if !self.messages.is_empty() {
            return self.messages.remove(0);
        }
        loop {
            match self.next().await {
                Seen::Message(message) => return message,
                Seen::PubAck(_) => {}
                other => panic!("instead of a message: {other:?}"),
            }
        }
    }

    /// Why the connection ended.
    pub(crate) async fn end(&mut self) -> String {
        loop {
            if let Seen::Ended(why) = self.next().await {
                return why;
            }
        }
    }

    /// Whether it stands and the broker still answers it.
    pub(crate) async fn is_served(&mut self, own_topic: &str) -> bool {
        self.publish(own_topic, "still here", false).await == PubAckReason::Success
    }

    pub(crate) async fn goodbye(self) {
        self.client.disconnect().await.unwrap();
        let mut this = self;
        this.end().await;
    }

    /// Gone without a word.
    pub(crate) fn vanish(self) {
        self.task.abort();
    }
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, String::new, async || holds()).await;
}
