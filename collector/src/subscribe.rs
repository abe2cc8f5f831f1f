//! The connection to the broker: MQTT 5 over TCP or TLS, made again whenever it breaks. The only importer of rumqttc;
//! none of its types leave this file.
//!
//! A message is acknowledged to the broker by its [`Receipt`], after its rows are committed: the broker sends at most
//! [`UNSETTLED_MAX`] messages ahead, and gives them again to the next connection. What the broker forgets the agents
//! send again; nothing here is the only copy of anything.
//!
//! The client and its event loop are two futures side by side: a publish waits for room that only the event loop makes.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rumqttc::{
    AckMode, AsyncClient, Broker, BrokerSessionResumePolicy, ConnectionError, Event, EventLoop, ManualAck, MqttOptions,
    Packet, PubAck, PubAckReason, Publish, PublishOptions, QoS, SubAck, SubscribeFilterInput, SubscribeReasonCode,
    TlsConfiguration, Transport,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::link::{
    backoff::Backoff,
    settings::{SecretError, Secrets, Settings},
};

/// Messages that the broker sends ahead of our acknowledgements: 128 batches of 16 KiB fill a transaction, 128 of the
/// largest JSON batches are 32 MiB.
pub const UNSETTLED_MAX: u16 = 128;
/// Messages handed on and not taken yet: those of two connections, and a few reports. So handing on never waits, and
/// the connection stays alive while the database does not answer.
const HAPPENED_MAX: usize = 2 * UNSETTLED_MAX as usize + 64;
/// Commands not taken yet: acknowledgements of a transaction go out together.
const COMMANDS_MAX: usize = 1024;
/// Requests in the client's own queue.
const REQUESTS_MAX: usize = 256;
/// Our publishes that the broker has not acknowledged: `ack`s of a large fleet.
const INFLIGHT_MAX: u16 = 1024;
/// Bytes of a packet either way: a model of 512 KiB with its signature, a batch of events as JSON.
const PACKET_BYTES_MAX: u32 = 1024 * 1024;
/// A dead connection is noticed after one and a half of these.
const KEEP_ALIVE_S: u16 = 30;
/// TCP, TLS and CONNACK together.
const CONNECT_WAIT: Duration = Duration::from_secs(20);
/// Time for saying goodbye.
const GOODBYE_WAIT: Duration = Duration::from_secs(3);
/// How long a broker keeps messages for a collector that is away: longer than a restart, shorter than its memory. What
/// it drops then is sent again.
const SESSION_EXPIRY_S: u32 = 600;

/// What happens on the connection.
#[derive(Debug)]
pub enum Happened {
    /// It stands, and everything subscribed to is heard.
    Connected,
    /// It is gone and will be made again.
    Lost {
        /// Why.
        why: String,
        /// When.
        retry_in: Duration,
    },
    /// The broker does not do something.
    Refused {
        /// What it says.
        why: String,
    },
    /// A message.
    Message(Message),
}

/// A message that came.
#[derive(Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// The broker had kept it.
    pub retained: bool,
    /// What settles it.
    pub receipt: Receipt,
}

/// Settles one message with the broker; of a connection that is gone it settles nothing.
#[derive(Debug)]
pub struct Receipt {
    connection: u64,
    ack: Option<ManualAck>,
}

enum Command {
    Publish { topic: String, payload: Vec<u8>, retain: bool },
    Settle(Receipt),
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
}

/// Hands commands to the connection; clones hand to the same.
#[derive(Debug, Clone)]
pub struct Link(mpsc::Sender<Command>);

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Publish { topic, payload, .. } => write!(f, "Publish({topic}, {} bytes)", payload.len()),
            Self::Settle(_) => f.write_str("Settle"),
            Self::Subscribe(filters) => write!(f, "Subscribe({filters:?})"),
            Self::Unsubscribe(filters) => write!(f, "Unsubscribe({filters:?})"),
        }
    }
}

impl Link {
    /// Publishes at least once while a connection stands; dropped otherwise, as every receiver asks again.
    pub async fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.hand(Command::Publish { topic, payload, retain }).await;
    }

    /// Settles a message.
    pub async fn settle(&self, receipt: Receipt) {
        self.hand(Command::Settle(receipt)).await;
    }

    /// Listens to more, now and after each reconnect.
    pub async fn subscribe(&self, filters: Vec<String>) {
        self.hand(Command::Subscribe(filters)).await;
    }

    /// Listens to less.
    pub async fn unsubscribe(&self, filters: Vec<String>) {
        self.hand(Command::Unsubscribe(filters)).await;
    }

    async fn hand(&self, command: Command) {
        // A connection that has ended for good needs no commands.
        let _: Result<(), _> = self.0.send(command).await;
    }
}

/// A connection that keeps itself up. Ends when it is dropped or stopped.
#[derive(Debug)]
pub struct Subscriber {
    link: Link,
    happened: mpsc::Receiver<Happened>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Starts connecting in a task of its own. `filters` are subscribed to before [`Happened::Connected`] is reported.
    #[must_use]
    pub fn start(settings: Settings, filters: Vec<String>) -> Self {
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        let (report, happened) = mpsc::channel(HAPPENED_MAX);
        let (stop, stopped) = oneshot::channel();
        let line = Line { settings, filters: Mutex::new(filters.into_iter().collect()), report };
        let task = tokio::spawn(line.keep_up(taken, stopped));
        Self { link: Link(commands), happened, stop: Some(stop), task }
    }

    /// What hands commands to it.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Happened {
        match self.happened.recv().await {
            Some(happened) => happened,
            // The task ended though nobody stopped it; it only does by a panic.
            None => std::future::pending().await,
        }
    }

    /// Sends what was handed over, then says goodbye. Takes a few seconds at most.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A task that has already ended needs no goodbye.
            let _: Result<(), ()> = stop.send(());
        }
        self.happened.close();
        if timeout(2 * GOODBYE_WAIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a connection ended.
enum End {
    Stopped,
    Broken(String),
}

struct Line {
    settings: Settings,
    filters: Mutex<BTreeSet<String>>,
    report: mpsc::Sender<Happened>,
}

impl Line {
    async fn keep_up(self, mut commands: mpsc::Receiver<Command>, mut stopped: oneshot::Receiver<()>) {
        let mut backoff = Backoff::new(self.settings.jitter_seed);
        for connection in 0.. {
            let began = Instant::now();
            let stands = AtomicBool::new(false);
            let ended = self.connection(connection, &stands, &mut commands, &mut stopped).await;
            let End::Broken(why) = ended else { return };
            let held = if stands.into_inner() { began.elapsed() } else { Duration::ZERO };
            let retry_in = backoff.next_wait(held);
            if self.report.send(Happened::Lost { why, retry_in }).await.is_err() {
                return;
            }
            let wait = sleep(retry_in);
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    _ = &mut stopped => return,
                    command = commands.recv() => match command {
                        Some(command) => self.note(&command),
                        None => return,
                    },
                }
            }
        }
    }

    async fn connection(
        &self,
        connection: u64,
        stands: &AtomicBool,
        commands: &mut mpsc::Receiver<Command>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> End {
        let secrets = match self.settings.access.secrets() {
            Ok(secrets) => secrets,
            Err(errors) => {
                return End::Broken(errors.iter().map(SecretError::to_string).collect::<Vec<_>>().join("; "));
            }
        };
        let options = match options(&self.settings, secrets) {
            Ok(options) => options,
            Err(why) => return End::Broken(why),
        };
        let (client, mut events) = match AsyncClient::builder(options).capacity(REQUESTS_MAX).try_build() {
            Ok(both) => both,
            Err(error) => return End::Broken(error.to_string()),
        };
        let poll = self.poll(connection, &client, &mut events, stands);
        tokio::pin!(poll);
        tokio::select! {
            why = &mut poll => return End::Broken(why),
            () = self.obey(connection, &client, commands, stopped) => {
                if stands.load(Ordering::Relaxed) && client.disconnect_with_timeout(GOODBYE_WAIT).await.is_ok() {
                    // Its end is the goodbye's end; a broker that does not answer has had its time.
                    let _: Result<String, _> = timeout(GOODBYE_WAIT, poll).await;
                }
            }
        }
        End::Stopped
    }

    /// Drives the connection until it breaks; the reason.
    async fn poll(&self, connection: u64, client: &AsyncClient, events: &mut EventLoop, stands: &AtomicBool) -> String {
        loop {
            let packet = match events.poll().await {
                Ok(Event::Incoming(packet)) => packet,
                Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
                Err(error) => return describe(&error),
            };
            let report = match packet {
                Packet::ConnAck(_) => {
                    let filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    if let Err(error) = client.try_subscribe_many(filters.into_iter().map(filter)) {
                        return error.to_string();
                    }
                    continue;
                }
                Packet::SubAck(ack) => match (refused(&ack), stands.swap(true, Ordering::Relaxed)) {
                    (None, false) => Happened::Connected,
                    (None, true) => continue,
                    (Some(why), false) => return why,
                    (Some(why), true) => Happened::Refused { why },
                },
                Packet::PubAck(PubAck { reason, .. }) if is_refusal(reason) => {
                    Happened::Refused { why: format!("the broker refused a message: {reason:?}") }
                }
                Packet::Publish(publish) => Happened::Message(message(connection, client, publish)),
                Packet::Disconnect(goodbye) => return format!("the broker ended it: {:?}", goodbye.reason_code),
                Packet::Auth(_)
                | Packet::Connect(..)
                | Packet::PubAck(_)
                | Packet::PingReq
                | Packet::PingResp
                | Packet::Subscribe(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::Unsubscribe(_)
                | Packet::UnsubAck(_) => continue,
            };
            // A closed channel is a subscriber on its way out.
            let _: Result<(), _> = self.report.send(report).await;
        }
    }

    /// Hands commands to the client until it is stopped and none is left.
    async fn obey(
        &self,
        connection: u64,
        client: &AsyncClient,
        commands: &mut mpsc::Receiver<Command>,
        stopped: &mut oneshot::Receiver<()>,
    ) {
        loop {
            let command = tokio::select! {
                biased;
                command = commands.recv() => command,
                _ = &mut *stopped => return,
            };
            let Some(command) = command else { return };
            self.note(&command);
            let handed = match command {
                Command::Publish { topic, payload, retain } => {
                    client.publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce).retain(retain)).await
                }
                Command::Settle(Receipt { connection: of, ack: Some(ack) }) if of == connection => {
                    client.manual_ack(ack).await
                }
                Command::Settle(_) => Ok(()),
                Command::Subscribe(filters) => client.subscribe_many(filters.into_iter().map(filter)).await,
                Command::Unsubscribe(filters) => client.unsubscribe_many(filters).await,
            };
            if let Err(error) = handed {
                // A topic the client does not take, or an event loop that is ending: neither is worth a connection.
                let _: Result<(), _> = self.report.try_send(Happened::Refused { why: error.to_string() });
            }
        }
    }

    /// What is listened to outlives a connection.
    fn note(&self, command: &Command) {
        let mut known = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        match command {
            Command::Subscribe(filters) => known.extend(filters.iter().cloned()),
            Command::Unsubscribe(filters) => known.retain(|filter| !filters.contains(filter)),
            Command::Publish { .. } | Command::Settle(_) => {}
        }
    }
}

fn message(connection: u64, client: &AsyncClient, publish: Publish) -> Message {
    let receipt = Receipt { connection, ack: client.prepare_ack(&publish) };
    Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        receipt,
    }
}

/// Our own retained messages do not come back, except those that the broker kept from before.
fn filter(filter: String) -> SubscribeFilterInput {
    SubscribeFilterInput::new(filter, QoS::AtLeastOnce).no_local(true)
}

fn options(settings: &Settings, secrets: Secrets) -> Result<MqttOptions, String> {
    let (host, port) = (settings.broker.host.clone(), settings.broker.port);
    let mut options = MqttOptions::new(settings.client_id.clone(), Broker::tcp(host.clone(), port));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(UNSETTLED_MAX))
        .set_connect_timeout(CONNECT_WAIT)
        .set_max_packet_size(Some(PACKET_BYTES_MAX))
        .set_outgoing_inflight_upper_limit(INFLIGHT_MAX)
        // rumqttc joins host and port to one text, which an IPv6 address does not survive.
        .set_socket_connector(move |_, _| {
            let host = host.clone();
            async move {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
        });
    if let Some((user, password)) = secrets.user {
        options.set_credentials(user, password);
    }
    if settings.broker.tls {
        let tls = match secrets.ca {
            Some(ca) => TlsConfiguration::Simple { ca, alpn: None, client_auth: secrets.identity },
            None => return Err("TLS needs a CA certificate to trust".to_owned()),
        };
        options.set_transport(Transport::tls_with_config(tls));
    }
    Ok(options)
}

fn refused(ack: &SubAck) -> Option<String> {
    let refusal = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
    refusal.map(|code| format!("the broker refused a subscription: {code:?}"))
}

fn is_refusal(reason: PubAckReason) -> bool {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => false,
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::NotAuthorized
        | PubAckReason::TopicNameInvalid
        | PubAckReason::PacketIdentifierInUse
        | PubAckReason::QuotaExceeded
        | PubAckReason::PayloadFormatInvalid => true,
    }
}

/// What went wrong at the bottom of it: the layers above only say that they were there.
fn describe(error: &ConnectionError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let (whole, cause) = (error.to_string(), deepest.to_string());
    let text = if whole.contains(&cause) { cause } else { format!("{whole}: {cause}") };
    // rustls explains itself with a link.
    text.split(": https://").next().unwrap_or(&text).to_owned()
}
