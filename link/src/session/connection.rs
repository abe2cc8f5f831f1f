//! One connection after another: each made, polled and fed with commands until it breaks.
//!
//! The client and its event loop are two futures side by side: a publish waits for room that only the event loop makes,
//! and an event loop that is dropped half-way loses bytes.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use rumqttc::{
    AsyncClient, ClientError, Event, EventLoop, Packet, PubAck, PubAckReason, Publish, PublishOptions, QoS,
    SubscribeFilterInput,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{
    GOODBYE_WAIT,
    message::{ConnectionEvent, MessageReceipt, OutgoingMessage, ReceivedMessage, SessionCommand},
    profile::{SessionKind, SessionProfile},
};
use crate::{
    client::{ConnectionEnd, describe, goodbye, is_refusal, refused},
    secrets::SecretError,
    settings::LinkSettings,
};

/// Filters of one SUBSCRIBE: 32 KiB at most, which every broker takes.
const FILTERS_MAX: usize = 128;

/// Since when a connection stands.
#[derive(Debug, Default)]
pub(super) struct StoodFor(OnceLock<Instant>);

impl StoodFor {
    fn stands(&self) -> bool {
        self.0.get().is_some()
    }

    /// For how long; zero when it never came about.
    pub(super) fn held(&self) -> Duration {
        self.0.get().map_or(Duration::ZERO, Instant::elapsed)
    }
}

pub(super) struct ConnectionLoop {
    pub settings: LinkSettings,
    pub profile: SessionProfile,
    /// What each connection subscribes to when it stands.
    pub filters: Mutex<BTreeSet<String>>,
    pub report: mpsc::Sender<ConnectionEvent>,
}

impl ConnectionLoop {
    /// A connection until the session is stopped; the error is why it broke.
    pub(super) async fn one(
        &self,
        number: u64,
        stood: &StoodFor,
        commands: &mut mpsc::Receiver<SessionCommand>,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Result<(), ConnectionEnd> {
        let listed =
            |errors: Vec<SecretError>| errors.iter().map(SecretError::to_string).collect::<Vec<_>>().join("; ");
        let secrets = self.settings.access.secrets().map_err(listed)?;
        let options = self.profile.options(&self.settings, secrets)?;
        let builder = AsyncClient::builder(options).capacity(self.profile.inflight_max.into());
        let (client, mut events) = builder.try_build().map_err(|error| error.to_string())?;
        let poll = self.poll(number, &client, &mut events, stood);
        tokio::pin!(poll);
        tokio::select! {
            end = &mut poll => return Err(end),
            () = self.obey(number, &client, commands, stopped) => {
                if stood.stands() && self.goodbye(&client).await {
                    // Its end is the goodbye's end; a broker that does not answer has had its time.
                    let _: Result<ConnectionEnd, _> = timeout(GOODBYE_WAIT, poll).await;
                }
            }
        }
        Ok(())
    }

    /// What is listened to outlives a connection where the session is kept.
    pub(super) fn note(&self, command: &SessionCommand) {
        let mut known = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        match command {
            SessionCommand::Subscribe(filters) if self.profile.is_kept() => known.extend(filters.iter().cloned()),
            SessionCommand::Unsubscribe(filters) if self.profile.is_kept() => known.retain(|f| !filters.contains(f)),
            SessionCommand::Subscribe(_)
            | SessionCommand::Unsubscribe(_)
            | SessionCommand::Publish(_)
            | SessionCommand::Answer { .. }
            | SessionCommand::Settle(_) => {}
        }
    }

    /// Drives the connection until it breaks; the reason.
    async fn poll(&self, number: u64, client: &AsyncClient, events: &mut EventLoop, stood: &StoodFor) -> ConnectionEnd {
        let mut awaited = 0_usize;
        loop {
            let packet = match events.poll().await {
                Ok(Event::Incoming(packet)) => packet,
                Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
                Err(error) => return describe(&error),
            };
            let event = match packet {
                Packet::ConnAck(_) => match self.subscribe_all(client) {
                    Ok(subscribes) => {
                        awaited = subscribes;
                        continue;
                    }
                    Err(error) => return error.to_string().into(),
                },
                Packet::SubAck(ack) => {
                    awaited = awaited.saturating_sub(1);
                    match refused(&ack) {
                        Some(why) if !stood.stands() => return why.into(),
                        Some(reason) => ConnectionEvent::Refused { reason },
                        None if awaited == 0 && stood.0.set(Instant::now()).is_ok() => ConnectionEvent::Up,
                        None => continue,
                    }
                }
                Packet::PubAck(PubAck { reason, .. }) if is_refusal(reason) => {
                    ConnectionEvent::Refused { reason: format!("the broker refused a message: {reason:?}") }
                }
                Packet::PubAck(PubAck { reason: PubAckReason::NoMatchingSubscribers, .. }) if self.has_room() => {
                    ConnectionEvent::Unheard
                }
                // Whoever publishes at most once does not expect it to arrive.
                Packet::Publish(publish) if publish.qos == QoS::AtMostOnce && !self.has_room() => continue,
                Packet::Publish(publish) => ConnectionEvent::Message(received(number, client, publish)),
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
            let _: Result<(), _> = self.report.send(event).await;
        }
    }

    /// In as many packets as it takes; their number.
    fn subscribe_all(&self, client: &AsyncClient) -> Result<usize, ClientError> {
        let filters: Vec<_> = self.filters.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let packets = filters.chunks(FILTERS_MAX);
        let count = packets.len();
        for some in packets {
            client.try_subscribe_many(some.iter().cloned().map(filter))?;
        }
        Ok(count)
    }

    /// Whether an event may be reported that the broker does not count: of those it sends as many as it likes.
    fn has_room(&self) -> bool {
        !self.profile.is_kept() || self.report.capacity() > self.profile.kept_free()
    }

    /// Hands commands to the client until it is stopped and none is left.
    async fn obey(
        &self,
        number: u64,
        client: &AsyncClient,
        commands: &mut mpsc::Receiver<SessionCommand>,
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
                SessionCommand::Publish(OutgoingMessage { topic, payload, retain }) => {
                    client.publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce).retain(retain)).await
                }
                SessionCommand::Answer { topic, payload } => {
                    client.publish(topic, payload, PublishOptions::new(QoS::AtMostOnce)).await
                }
                SessionCommand::Settle(MessageReceipt { connection, ack: Some(ack) }) if connection == number => {
                    client.manual_ack(ack).await
                }
                SessionCommand::Settle(_) => Ok(()),
                SessionCommand::Subscribe(filters) => client.subscribe_many(filters.into_iter().map(filter)).await,
                SessionCommand::Unsubscribe(filters) => client.unsubscribe_many(filters).await,
            };
            if let Err(error) = handed {
                // A topic the client does not take, or an event loop that is ending: neither is worth a connection.
                let _: Result<(), _> = self.report.try_send(ConnectionEvent::Refused { reason: error.to_string() });
            }
        }
    }

    /// Whether a DISCONNECT is on its way.
    async fn goodbye(&self, client: &AsyncClient) -> bool {
        if let SessionKind::Clean { will: OutgoingMessage { topic, payload, retain } } = &self.profile.kind {
            let options = PublishOptions::new(QoS::AtLeastOnce).retain(*retain);
            let Ok(notice) = client.publish_tracked(topic.clone(), payload.clone(), options).await else {
                return false;
            };
            // DISCONNECT would overtake a message that is not acknowledged; without it the broker says the same.
            if timeout(GOODBYE_WAIT, notice.wait_async()).await.is_err() {
                return false;
            }
        }
        client.disconnect_with_timeout(GOODBYE_WAIT).await.is_ok()
    }
}

/// Not "no local": a broker would then also keep back what an earlier life of this program left with it.
fn filter(filter: String) -> SubscribeFilterInput {
    SubscribeFilterInput::new(filter, QoS::AtLeastOnce)
}

fn received(connection: u64, client: &AsyncClient, publish: Publish) -> ReceivedMessage {
    let receipt = MessageReceipt { connection, ack: client.prepare_ack(&publish) };
    ReceivedMessage {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        receipt,
    }
}
