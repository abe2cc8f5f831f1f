//! The connection to the broker: MQTT 5 over TCP or TLS, made again whenever it breaks. The only importer of rumqttc;
//! none of its types leave this file.
//!
//! Each connection has a client of its own with a clean start: rumqttc's queue is lost when the broker forgets the
//! session, so nothing may depend on it. What must arrive is in the spool and is sent again.
//!
//! The client and its event loop are two futures side by side: a publish waits for room that only the event loop makes,
//! and an event loop that is dropped half-way loses bytes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use oddline_core::topic::{Channel, MqttTopic};
use oddline_link::client::{self, describe, goodbye, is_refusal, refused};
use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, PubAck, PubAckReason, PublishOptions, QoS,
    SubscribeFilterInput,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    announce::{AnnouncedStatus, json},
    backoff::ReconnectBackoff,
    message::{OutgoingMessage, QueueFull, SessionEvent},
    rival::EndedConnection,
    settings::{PublishSettings, SecretError, Secrets},
};

/// Unacknowledged publishes: four batches and a few announcements. The default's table costs 14 MB.
const INFLIGHT_MAX: u16 = 64;
/// Messages handed over and not taken yet, each way: the driver hands over no more than it may have in flight.
const QUEUE_MAX: usize = 32;
const GOODBYE_WAIT: Duration = Duration::from_secs(3);

enum SessionCommand {
    Publish(OutgoingMessage),
    Subscribe(String),
    Unsubscribe(String),
}

/// A connection that keeps itself up. Ends when it is dropped or stopped.
#[derive(Debug)]
pub(crate) struct MqttSession {
    commands: mpsc::Sender<SessionCommand>,
    happened: mpsc::Receiver<SessionEvent>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl MqttSession {
    /// Starts connecting, in a task of its own; must be called within a tokio runtime with I/O and time. `filters` are
    /// subscribed to before [`Happened::Connected`] is reported.
    #[must_use]
    pub(crate) fn start(settings: PublishSettings, filters: Vec<String>) -> Self {
        // Whoever builds this crate with others may bring a second one: then the choice is ours to make. Made before,
        // it stays.
        let _: Result<(), _> = rustls::crypto::ring::default_provider().install_default();
        let (commands, taken) = mpsc::channel(QUEUE_MAX);
        let (report, happened) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = oneshot::channel();
        let line = PublishLine { settings, filters, report };
        let task = tokio::spawn(line.keep_up(taken, stopped));
        Self { commands, happened, stop: Some(stop), task }
    }

    /// What happens next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> SessionEvent {
        let Some(happened) = self.happened.recv().await else {
            // The task ended though nobody stopped it; it only does by a panic.
            return std::future::pending().await;
        };
        happened
    }

    /// Hands over a message. What is handed over while no connection stands is dropped.
    ///
    /// # Errors
    /// When the queue is full; the message may be handed over again later.
    pub(crate) fn publish(&self, message: OutgoingMessage) -> Result<(), QueueFull> {
        self.hand_over(SessionCommand::Publish(message))
    }

    /// Subscribes to one more filter until the connection ends.
    pub(crate) fn subscribe(&self, filter: String) -> Result<(), QueueFull> {
        self.hand_over(SessionCommand::Subscribe(filter))
    }

    pub(crate) fn unsubscribe(&self, filter: String) -> Result<(), QueueFull> {
        self.hand_over(SessionCommand::Unsubscribe(filter))
    }

    fn hand_over(&self, command: SessionCommand) -> Result<(), QueueFull> {
        self.commands.try_send(command).map_err(|_| QueueFull)
    }

    /// Says goodbye: status `down`, DISCONNECT. Takes a few seconds at most.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A task that has already ended needs no goodbye.
            let _: Result<(), ()> = stop.send(());
        }
        // Nobody reads any more: the task must not wait for room.
        self.happened.close();
        if timeout(2 * GOODBYE_WAIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for MqttSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum SessionEnd {
    Stopped,
    Broken(String),
}

struct PublishLine {
    settings: PublishSettings,
    filters: Vec<String>,
    report: mpsc::Sender<SessionEvent>,
}

impl PublishLine {
    async fn keep_up(self, mut commands: mpsc::Receiver<SessionCommand>, mut stopped: oneshot::Receiver<()>) {
        let mut backoff = ReconnectBackoff::new(self.settings.jitter_seed);
        let mut ended = EndedConnection::default();
        loop {
            let began = Instant::now();
            let stands = AtomicBool::new(false);
            let SessionEnd::Broken(why) = self.connection(&stands, &mut commands, &mut stopped).await else { return };
            let held = if stands.into_inner() { began.elapsed() } else { Duration::ZERO };
            let why = why + &ended.another(held, &self.settings).unwrap_or_default();
            let retry_in = backoff.next_wait(held);
            if self.report.send(SessionEvent::Lost { why, retry_in }).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(retry_in) => {}
                _ = &mut stopped => return,
            }
            // What was handed over for the last connection is in the spool or announced again.
            while commands.try_recv().is_ok() {}
        }
    }

    async fn connection(
        &self,
        stands: &AtomicBool,
        commands: &mut mpsc::Receiver<SessionCommand>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> SessionEnd {
        let secrets = match self.settings.secrets() {
            Ok(secrets) => secrets,
            Err(errors) => {
                return SessionEnd::Broken(errors.iter().map(SecretError::to_string).collect::<Vec<_>>().join("; "));
            }
        };
        let options = match options(&self.settings, secrets) {
            Ok(options) => options,
            Err(why) => return SessionEnd::Broken(why),
        };
        let (client, mut events) = match AsyncClient::builder(options).capacity(QUEUE_MAX).try_build() {
            Ok(both) => both,
            Err(error) => return SessionEnd::Broken(error.to_string()),
        };
        let poll = self.poll(&client, &mut events, stands);
        tokio::pin!(poll);
        tokio::select! {
            why = &mut poll => return SessionEnd::Broken(why),
            goodbye = self.obey(&client, commands, stopped, stands) => {
                if goodbye {
                    // Its end is the goodbye's end; a broker that does not answer has had its time.
                    let _: Result<String, _> = timeout(GOODBYE_WAIT, poll).await;
                }
            }
        }
        SessionEnd::Stopped
    }

    /// Drives the connection until it breaks; the reason.
    async fn poll(&self, client: &AsyncClient, events: &mut EventLoop, stands: &AtomicBool) -> String {
        loop {
            let packet = match events.poll().await {
                Ok(Event::Incoming(packet)) => packet,
                Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
                Err(error) => return describe(&error),
            };
            let happened = match packet {
                Packet::ConnAck(_) => {
                    let filters = self.filters.iter().map(|f| SubscribeFilterInput::new(f.as_str(), QoS::AtLeastOnce));
                    if let Err(error) = client.try_subscribe_many(filters) {
                        return error.to_string();
                    }
                    continue;
                }
                Packet::SubAck(ack) => match (refused(&ack), stands.swap(true, Ordering::Relaxed)) {
                    (None, false) => SessionEvent::Connected,
                    (None, true) => continue,
                    (Some(why), false) => return why,
                    (Some(why), true) => SessionEvent::Refused { why },
                },
                Packet::PubAck(PubAck { reason, .. }) if is_refusal(reason) => {
                    SessionEvent::Refused { why: format!("the broker refused a message: {reason:?}") }
                }
                Packet::PubAck(PubAck { reason: PubAckReason::NoMatchingSubscribers, .. }) => SessionEvent::Unheard,
                Packet::Publish(publish) => SessionEvent::Message {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload.to_vec(),
                },
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
            // A closed channel is a session on its way out.
            let _: Result<(), _> = self.report.send(happened).await;
        }
    }

    /// Hands commands to the client until the session is stopped; true when a goodbye is on its way.
    async fn obey(
        &self,
        client: &AsyncClient,
        commands: &mut mpsc::Receiver<SessionCommand>,
        stopped: &mut oneshot::Receiver<()>,
        stands: &AtomicBool,
    ) -> bool {
        loop {
            let command = tokio::select! {
                biased;
                _ = &mut *stopped => break,
                command = commands.recv() => command,
            };
            let Some(command) = command else { break };
            let handed = match command {
                SessionCommand::Publish(OutgoingMessage { topic, payload, retain }) => {
                    client.publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce).retain(retain)).await
                }
                SessionCommand::Subscribe(filter) => client.subscribe(filter, QoS::AtLeastOnce).await,
                SessionCommand::Unsubscribe(filter) => client.unsubscribe(filter).await,
            };
            if let Err(error) = handed {
                // A topic the client does not take, or an event loop that is ending: neither is worth a connection.
                let _: Result<(), _> = self.report.try_send(SessionEvent::Refused { why: error.to_string() });
            }
        }
        stands.load(Ordering::Relaxed) && self.goodbye(client).await
    }

    async fn goodbye(&self, client: &AsyncClient) -> bool {
        let down = PublishOptions::new(QoS::AtLeastOnce).retained();
        let Ok(notice) =
            client.publish_tracked(status_topic(&self.settings), json(&AnnouncedStatus::down()), down).await
        else {
            return false;
        };
        // DISCONNECT would overtake a message that is not acknowledged; without it the last will says the same.
        timeout(GOODBYE_WAIT, notice.wait_async()).await.is_ok() && client.disconnect().await.is_ok()
    }
}

fn status_topic(settings: &PublishSettings) -> String {
    MqttTopic::Agent(settings.fleet.clone(), settings.agent.clone(), Channel::Status).to_string()
}

fn options(settings: &PublishSettings, secrets: Secrets) -> Result<MqttOptions, String> {
    let mut options = client::options(&settings.broker, settings.client_id(), secrets)?;
    let will = LastWill::new(status_topic(settings), json(&AnnouncedStatus::down()), QoS::AtLeastOnce, true, None);
    options.set_clean_start(true).set_outgoing_inflight_upper_limit(INFLIGHT_MAX).set_last_will(will);
    Ok(options)
}
