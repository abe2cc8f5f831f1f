//! The connection to the broker: MQTT 5 over TCP or TLS, made again whenever it breaks. The only importer of rumqttc;
//! none of its types leave this folder.
//!
//! A message is acknowledged to the broker by its [`MessageReceipt`], after its rows are committed: the broker sends at most
//! [`UNSETTLED_MAX`] messages ahead, and gives them again to the next connection. What the broker forgets the agents
//! send again; nothing here is the only copy of anything.
//!
//! The client and its event loop are two futures side by side: a publish waits for room that only the event loop makes.

mod client;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use oddline_link::client::{describe, goodbye, is_refusal, refused};
use rumqttc::{AsyncClient, Event, EventLoop, ManualAck, Packet, PubAck, Publish, PublishOptions, QoS};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use self::client::{filter, options};
use crate::link::{
    backoff::ReconnectBackoff,
    settings::{LinkSettings, SecretError},
};

/// Messages that the broker sends ahead of our acknowledgements: 128 batches of 16 KiB fill a transaction, 128 of the
/// largest JSON batches are 32 MiB.
pub const UNSETTLED_MAX: u16 = 128;
/// Messages handed on and not taken yet: those of two connections, and a few reports. So handing on never waits, and
/// the connection stays alive while the database does not answer.
const HAPPENED_MAX: usize = UNCOUNTED_KEPT_FREE + 64;
/// Room that only messages take which the broker counts.
const UNCOUNTED_KEPT_FREE: usize = 2 * UNSETTLED_MAX as usize;
/// Commands not taken yet: acknowledgements of a transaction go out together.
const COMMANDS_MAX: usize = 1024;
/// Filters of one SUBSCRIBE: 32 KiB at most, which every broker takes.
const FILTERS_MAX: usize = 128;
/// Requests in the client's own queue.
const REQUESTS_MAX: usize = 256;
/// Longest wait between connections: agents wait for acknowledgements meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(10);
const GOODBYE_WAIT: Duration = Duration::from_secs(3);

/// What happens on the connection.
#[derive(Debug)]
pub enum SubscriptionEvent {
    /// It stands, and everything subscribed to is heard.
    Connected,
    /// It is gone and will be made again.
    Lost {
        why: String,
        retry_in: Duration,
    },
    /// The broker does not do something.
    Refused {
        why: String,
    },
    Message(ReceivedMessage),
}

#[derive(Debug)]
pub struct ReceivedMessage {
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// The broker had kept it.
    pub retained: bool,
    pub receipt: MessageReceipt,
}

/// Settles one message with the broker; of a connection that is gone it settles nothing.
#[derive(Debug)]
pub struct MessageReceipt {
    connection: u64,
    ack: Option<ManualAck>,
}

enum SubscriberCommand {
    Publish { topic: String, payload: Vec<u8>, qos: QoS, retain: bool },
    Settle(MessageReceipt),
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
}

/// Hands commands to the connection; clones hand to the same.
#[derive(Debug, Clone)]
pub struct CollectorLink(mpsc::Sender<SubscriberCommand>);

impl std::fmt::Debug for SubscriberCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Publish { topic, payload, .. } => write!(f, "Publish({topic}, {} bytes)", payload.len()),
            Self::Settle(_) => f.write_str("Settle"),
            Self::Subscribe(filters) => write!(f, "Subscribe({filters:?})"),
            Self::Unsubscribe(filters) => write!(f, "Unsubscribe({filters:?})"),
        }
    }
}

impl CollectorLink {
    /// Publishes at least once while a connection stands; dropped otherwise: it is said again at the next.
    pub async fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) {
        self.hand(SubscriberCommand::Publish { topic, payload, qos: QoS::AtLeastOnce, retain }).await;
    }

    /// Publishes at most once: for answers whose question is asked again.
    pub async fn answer(&self, topic: String, payload: Vec<u8>) {
        self.hand(SubscriberCommand::Publish { topic, payload, qos: QoS::AtMostOnce, retain: false }).await;
    }

    pub async fn settle(&self, receipt: MessageReceipt) {
        self.hand(SubscriberCommand::Settle(receipt)).await;
    }

    /// Listens to more, now and after each reconnect.
    pub async fn subscribe(&self, filters: Vec<String>) {
        self.hand(SubscriberCommand::Subscribe(filters)).await;
    }

    pub async fn unsubscribe(&self, filters: Vec<String>) {
        self.hand(SubscriberCommand::Unsubscribe(filters)).await;
    }

    async fn hand(&self, command: SubscriberCommand) {
        // A connection that has ended for good needs no commands.
        let _: Result<(), _> = self.0.send(command).await;
    }
}

/// A connection that keeps itself up. Ends when it is dropped or stopped.
#[derive(Debug)]
pub struct Subscriber {
    link: CollectorLink,
    happened: mpsc::Receiver<SubscriptionEvent>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Starts connecting in a task of its own. `filters` are subscribed to before [`Happened::Connected`] is reported.
    #[must_use]
    pub fn start(settings: LinkSettings, filters: Vec<String>) -> Self {
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        let (report, happened) = mpsc::channel(HAPPENED_MAX);
        let (stop, stopped) = oneshot::channel();
        let line = SubscribeLine { settings, filters: Mutex::new(filters.into_iter().collect()), report };
        let task = tokio::spawn(line.keep_up(taken, stopped));
        Self { link: CollectorLink(commands), happened, stop: Some(stop), task }
    }

    /// What hands commands to it.
    #[must_use]
    pub fn link(&self) -> CollectorLink {
        self.link.clone()
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> SubscriptionEvent {
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

enum SubscriptionEnd {
    Stopped,
    Broken(String),
}

struct SubscribeLine {
    settings: LinkSettings,
    filters: Mutex<BTreeSet<String>>,
    report: mpsc::Sender<SubscriptionEvent>,
}

impl SubscribeLine {
    async fn keep_up(self, mut commands: mpsc::Receiver<SubscriberCommand>, mut stopped: oneshot::Receiver<()>) {
        let mut backoff = ReconnectBackoff::new(self.settings.jitter_seed).at_most(WAIT_MAX);
        for connection in 0.. {
            let began = Instant::now();
            let stands = AtomicBool::new(false);
            let ended = self.connection(connection, &stands, &mut commands, &mut stopped).await;
            let SubscriptionEnd::Broken(why) = ended else { return };
            let held = if stands.into_inner() { began.elapsed() } else { Duration::ZERO };
            let retry_in = backoff.next_wait(held);
            if self.report.send(SubscriptionEvent::Lost { why, retry_in }).await.is_err() {
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
        commands: &mut mpsc::Receiver<SubscriberCommand>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> SubscriptionEnd {
        let secrets = match self.settings.access.secrets() {
            Ok(secrets) => secrets,
            Err(errors) => {
                return SubscriptionEnd::Broken(
                    errors.iter().map(SecretError::to_string).collect::<Vec<_>>().join("; "),
                );
            }
        };
        let options = match options(&self.settings, secrets) {
            Ok(options) => options,
            Err(why) => return SubscriptionEnd::Broken(why),
        };
        let (client, mut events) = match AsyncClient::builder(options).capacity(REQUESTS_MAX).try_build() {
            Ok(both) => both,
            Err(error) => return SubscriptionEnd::Broken(error.to_string()),
        };
        let poll = self.poll(connection, &client, &mut events, stands);
        tokio::pin!(poll);
        tokio::select! {
            why = &mut poll => return SubscriptionEnd::Broken(why),
            () = self.obey(connection, &client, commands, stopped) => {
                if stands.load(Ordering::Relaxed) && client.disconnect_with_timeout(GOODBYE_WAIT).await.is_ok() {
                    // Its end is the goodbye's end; a broker that does not answer has had its time.
                    let _: Result<String, _> = timeout(GOODBYE_WAIT, poll).await;
                }
            }
        }
        SubscriptionEnd::Stopped
    }

    /// Drives the connection until it breaks; the reason.
    async fn poll(&self, connection: u64, client: &AsyncClient, events: &mut EventLoop, stands: &AtomicBool) -> String {
        let mut awaited = 0_usize;
        loop {
            let packet = match events.poll().await {
                Ok(Event::Incoming(packet)) => packet,
                Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
                Err(error) => return describe(&error),
            };
            let report = match packet {
                Packet::ConnAck(_) => {
                    let filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let filters: Vec<String> = filters.into_iter().collect();
                    for some in filters.chunks(FILTERS_MAX) {
                        if let Err(error) = client.try_subscribe_many(some.iter().cloned().map(filter)) {
                            return error.to_string();
                        }
                        awaited += 1;
                    }
                    continue;
                }
                Packet::SubAck(ack) => {
                    let is_first = !stands.load(Ordering::Relaxed);
                    awaited = awaited.saturating_sub(1);
                    match refused(&ack) {
                        Some(why) if is_first => return why,
                        Some(why) => SubscriptionEvent::Refused { why },
                        None if is_first && awaited == 0 => {
                            stands.store(true, Ordering::Relaxed);
                            SubscriptionEvent::Connected
                        }
                        None => continue,
                    }
                }
                Packet::PubAck(PubAck { reason, .. }) if is_refusal(reason) => {
                    SubscriptionEvent::Refused { why: format!("the broker refused a message: {reason:?}") }
                }
                // Of what comes at most once the broker sends as much as it likes; the rest of the room is for what it
                // counts. Whoever sent it does not expect it to arrive.
                Packet::Publish(publish)
                    if publish.qos == QoS::AtMostOnce && self.report.capacity() <= UNCOUNTED_KEPT_FREE =>
                {
                    continue;
                }
                Packet::Publish(publish) => SubscriptionEvent::Message(message(connection, client, publish)),
                Packet::Disconnect(why) => return goodbye(&why),
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
        commands: &mut mpsc::Receiver<SubscriberCommand>,
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
                SubscriberCommand::Publish { topic, payload, qos, retain } => {
                    client.publish(topic, payload, PublishOptions::new(qos).retain(retain)).await
                }
                SubscriberCommand::Settle(MessageReceipt { connection: of, ack: Some(ack) }) if of == connection => {
                    client.manual_ack(ack).await
                }
                SubscriberCommand::Settle(_) => Ok(()),
                SubscriberCommand::Subscribe(filters) => client.subscribe_many(filters.into_iter().map(filter)).await,
                SubscriberCommand::Unsubscribe(filters) => client.unsubscribe_many(filters).await,
            };
            if let Err(error) = handed {
                // A topic the client does not take, or an event loop that is ending: neither is worth a connection.
                let _: Result<(), _> = self.report.try_send(SubscriptionEvent::Refused { why: error.to_string() });
            }
        }
    }

    /// What is listened to outlives a connection.
    fn note(&self, command: &SubscriberCommand) {
        let mut known = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        match command {
            SubscriberCommand::Subscribe(filters) => known.extend(filters.iter().cloned()),
            SubscriberCommand::Unsubscribe(filters) => known.retain(|filter| !filters.contains(filter)),
            SubscriberCommand::Publish { .. } | SubscriberCommand::Settle(_) => {}
        }
    }
}

fn message(connection: u64, client: &AsyncClient, publish: Publish) -> ReceivedMessage {
    let receipt = MessageReceipt { connection, ack: client.prepare_ack(&publish) };
    ReceivedMessage {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        receipt,
    }
}
