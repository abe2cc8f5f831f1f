//! Agents as the collector meets them, without logs: each has numbered entries and sends what is not acknowledged.

use std::time::Duration;

use oddline_collector::{store::AgentKey, subscribe};
use oddline_core::{
    id::Epoch,
    topic::{Channel, MqttTopic},
    wire::{Ack, decode_ack, encode_batch, encode_json},
};
use oddline_link::{
    client_id,
    secrets::SecretFiles,
    session::{MqttSession, message::ConnectionEvent},
    settings::{BrokerAccess, LinkSettings},
};
use tokio::time::{Instant, timeout};

use crate::entries::entry;

/// Entries of a batch, and batches in flight.
const BATCH: u64 = 20;
const FLIGHT: u64 = 4 * BATCH;
/// A real agent waits longer; this one makes up for what is lost sooner.
const ACK_WAIT: Duration = Duration::from_millis(1_500);

pub(crate) struct Agent {
    pub who: AgentKey,
    pub epoch: Epoch,
    pub acked: u64,
    json: bool,
    next: u64,
    link: MqttSession,
    waits_since: Instant,
}

pub(crate) fn topic(who: &AgentKey, channel: Channel) -> String {
    MqttTopic::Agent(who.fleet.clone(), who.agent.clone(), channel).to_string()
}

impl Agent {
    pub(crate) fn connect(who: AgentKey, epoch: Epoch, port: u16, json: bool) -> Self {
        let settings = LinkSettings {
            broker: format!("mqtt://127.0.0.1:{port}").parse().unwrap(),
            client_id: client_id::of(&who.fleet, &who.agent),
            access: BrokerAccess::Files(SecretFiles::default()),
            jitter_seed: epoch.get(),
        };
        let link = subscribe::start(settings, vec![topic(&who, Channel::Ack), topic(&who, Channel::ModelDesired)]);
        Self { who, epoch, acked: 0, json, next: 1, link, waits_since: Instant::now() }
    }

    /// Sends and listens until entries up to `last` are acknowledged.
    pub(crate) async fn deliver(&mut self, last: u64) {
        while self.acked < last {
            self.send(last).await;
            match timeout(Duration::from_millis(100), self.link.next()).await {
                Ok(happened) => self.happened(happened).await,
                Err(_) if self.waits_since.elapsed() > ACK_WAIT => self.rewind(),
                Err(_) => {}
            }
        }
    }

    pub(crate) async fn say(&self, channel: Channel, json: String) {
        self.link.handle().publish(topic(&self.who, channel), json.into_bytes(), channel.is_retained()).await;
    }

    /// As another would, where the broker does not mind.
    pub(crate) async fn say_as(&self, who: &AgentKey, channel: Channel, json: String) {
        self.link.handle().publish(topic(who, channel), json.into_bytes(), channel.is_retained()).await;
    }

    /// The next message on a topic other than `ack`.
    pub(crate) async fn heard(&mut self) -> (String, Vec<u8>) {
        loop {
            if let ConnectionEvent::Message(message) = self.link.next().await {
                self.link.handle().settle(message.receipt).await;
                if !message.topic.ends_with("/ack") {
                    return (message.topic, message.payload);
                }
            }
        }
    }

    pub(crate) async fn connected(&mut self) {
        while !matches!(self.link.next().await, ConnectionEvent::Up) {}
    }

    pub(crate) async fn listen(&self, filter: String) {
        self.link.handle().subscribe(vec![filter]).await;
    }

    async fn send(&mut self, last: u64) {
        while self.next <= last && self.next <= self.acked + FLIGHT {
            let first = self.next;
            let entries: Vec<_> = (first..=last.min(first + BATCH - 1)).map(entry).collect();
            self.next = first + entries.len() as u64;
            let payload = if self.json {
                encode_json(self.epoch, first, &entries)
            } else {
                let entries: Vec<Vec<u8>> = entries.iter().map(|e| postcard::to_stdvec(e).unwrap()).collect();
                encode_batch(self.epoch, first, &entries).unwrap()
            };
            self.link.handle().publish(topic(&self.who, Channel::Events), payload, false).await;
        }
    }

    async fn happened(&mut self, happened: ConnectionEvent) {
        match happened {
            ConnectionEvent::Up | ConnectionEvent::Down { .. } => self.rewind(),
            ConnectionEvent::Refused { reason } => panic!("{reason}"),
            ConnectionEvent::Unheard => {}
            ConnectionEvent::Message(message) => {
                self.link.handle().settle(message.receipt).await;
                if let Ok(Ack { epoch, acked }) = decode_ack(&message.payload)
                    && epoch == self.epoch
                    && acked > self.acked
                {
                    self.acked = acked;
                    self.next = self.next.max(acked + 1);
                    self.waits_since = Instant::now();
                }
            }
        }
    }

    fn rewind(&mut self) {
        self.next = self.acked + 1;
        self.waits_since = Instant::now();
    }
}
