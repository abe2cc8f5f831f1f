//! Session, delivery and spool tied together: one loop, in which every wait is for all of them. It decides nothing;
//! see [`super::delivery`].

use std::{collections::BTreeMap, time::Duration};

use oddline_core::{
    id::ModelHash,
    topic::{Channel, MqttTopic},
    wire::decode_ack,
};
use oddline_link::session::{
    MqttSession,
    message::{ConnectionEvent, OutgoingMessage, ReceivedMessage, SessionCommand},
};
use tokio::time::{Instant, sleep_until};

use super::{
    Spool,
    announce::{AnnouncedBirth, json},
    delivery::{AckOutcome, Delivery, PackError},
    ports::{DeliveryPorts, InboundMessage, LinkFigures, LinkReport, OutboundMessage},
    session::PublishSettings,
};
use crate::{clock, source::backoff::Backoff};

/// First and longest wait before a spool that failed for the moment is asked again.
const SPOOL_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why the loop ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError<E: std::error::Error> {
    /// The spool cannot be read or written, and will not by itself.
    #[error("the spool: {0}")]
    Spool(E),
    /// The spool holds what this program would not have written.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The state file is an old copy: what it now adds would be dropped as repetitions. It must begin a new epoch.
    #[error("the collector has entries up to {acked}, this state file has given out {last}: it is an old copy")]
    Ahead { acked: u64, last: u64 },
}

/// Delivers the spool's entries until it is stopped. The spool's calls may take as long as a transaction.
///
/// # Errors
/// When the spool fails for good; the session is ended then. One whose disk is full is waited for.
pub(crate) async fn drive<S: Spool>(
    settings: PublishSettings,
    delivery: Delivery,
    spool: &mut S,
    ports: DeliveryPorts,
    mut report: impl FnMut(LinkReport),
) -> Result<(), DriveError<S::Error>> {
    let session = settings.start([Channel::Ack, Channel::ModelDesired].map(|c| settings.topic(c)).to_vec());
    let mut driver = DeliveryDriver {
        figures: LinkFigures { acked: delivery.acked(), ..LinkFigures::default() },
        settings,
        delivery,
        session,
        birth: None,
        retained: BTreeMap::new(),
        wanted: None,
        desired: None,
        model: None,
        unheard: false,
        undeleted: None,
        spool_backoff: Backoff::new(SPOOL_RETRY.0, SPOOL_RETRY.1),
        spool_at: None,
        began: Instant::now(),
    };
    let ended = driver.run(spool, ports, &mut report).await;
    driver.session.stop().await;
    ended
}

struct DeliveryDriver {
    settings: PublishSettings,
    delivery: Delivery,
    session: MqttSession,
    birth: Option<Box<AnnouncedBirth>>,
    /// Newest word on each other retained channel.
    retained: BTreeMap<Channel, Vec<u8>>,
    wanted: Option<ModelHash>,
    desired: Option<InboundMessage>,
    model: Option<InboundMessage>,
    /// Whether it has been said that nobody listens.
    unheard: bool,
    /// Acknowledged up to here, and still in the spool.
    undeleted: Option<u64>,
    spool_backoff: Backoff,
    /// When a spool that failed is asked again.
    spool_at: Option<Instant>,
    figures: LinkFigures,
    began: Instant,
}

impl DeliveryDriver {
    async fn run<S: Spool>(
        &mut self,
        spool: &mut S,
        mut ports: DeliveryPorts,
        report: &mut impl FnMut(LinkReport),
    ) -> Result<(), DriveError<S::Error>> {
        loop {
            self.serve(spool, report)?;
            ports.figures.send_replace(self.figures);
            let due = self.delivery.due_ms().map(|ms| self.began + Duration::from_millis(ms));
            let waits = self.desired.is_some() || self.model.is_some();
            tokio::select! {
                happened = self.session.next() => self.happened(happened, spool, report)?,
                () = ports.wake.notified() => {}
                Some(outbound) = ports.outbound.recv() => self.say(outbound),
                Ok(place) = ports.inbound.reserve(), if waits => {
                    place.send(self.desired.take().or_else(|| self.model.take()).expect("one of them waits"));
                }
                () = sleep_until(due.unwrap_or(self.began)), if due.is_some() => {
                    if self.delivery.overdue(self.now_ms()) {
                        self.figures.overdue += 1;
                        report(LinkReport::Overdue { acked: self.delivery.acked() });
                    }
                }
                () = sleep_until(self.spool_at.unwrap_or(self.began)), if self.spool_at.is_some() => {}
                _ = &mut ports.stop => {
                    // What cannot be deleted now is sent once more after the next start, and dropped there.
                    let _: Result<_, _> = self.delete(spool);
                    return Ok(());
                }
            }
        }
    }

    /// Deletes what is acknowledged and sends what may go out. A spool that fails for the moment is asked again later.
    fn serve<S: Spool>(
        &mut self,
        spool: &mut S,
        report: &mut impl FnMut(LinkReport),
    ) -> Result<(), DriveError<S::Error>> {
        if self.spool_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        let deleted = self.delete(spool);
        // A disk that is full can be read all the same.
        let sent = self.send(spool);
        match deleted.and(sent) {
            Ok(()) => {
                self.spool_at = None;
                if self.spool_backoff.failures() > 0 {
                    self.spool_backoff.succeeded();
                    report(LinkReport::SpoolWorks);
                }
                Ok(())
            }
            Err(DriveError::Spool(error)) if S::is_passing(&error) => {
                let is_first = self.spool_backoff.failures() == 0;
                let retry_in = self.spool_backoff.failed(clock::random_u32());
                self.spool_at = Some(Instant::now() + retry_in);
                if is_first {
                    report(LinkReport::SpoolFails { why: error.to_string(), retry_in });
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn delete<S: Spool>(&mut self, spool: &mut S) -> Result<(), DriveError<S::Error>> {
        if let Some(up_to) = self.undeleted {
            spool.ack(up_to).map_err(DriveError::Spool)?;
            self.undeleted = None;
        }
        Ok(())
    }

    /// Everything that may go out now.
    fn send<S: Spool>(&mut self, spool: &mut S) -> Result<(), DriveError<S::Error>> {
        let last = spool.last().map_err(DriveError::Spool)?;
        while let Some(wanted) = self.delivery.wants(last) {
            let entries = spool.peek(wanted.from, wanted.bytes_max).map_err(DriveError::Spool)?;
            let packed = self.delivery.pack(&entries, self.now_ms())?;
            self.figures.batches += 1;
            self.figures.bytes += packed.payload.len() as u64;
            self.figures.again += u64::from(packed.again);
            self.publish(Channel::Events, packed.payload);
        }
        Ok(())
    }

    fn happened<S: Spool>(
        &mut self,
        happened: ConnectionEvent,
        spool: &mut S,
        report: &mut impl FnMut(LinkReport),
    ) -> Result<(), DriveError<S::Error>> {
        match happened {
            ConnectionEvent::Up => {
                self.figures.connected = true;
                self.figures.connections += 1;
                self.delivery.connected();
                self.announce();
                for (channel, payload) in self.retained.clone() {
                    self.publish(channel, payload);
                }
                if let Some(hash) = self.wanted {
                    self.subscribe(hash);
                }
                report(LinkReport::Connected);
            }
            ConnectionEvent::Down { reason, retry_in } => {
                self.figures.connected = false;
                self.delivery.lost();
                report(LinkReport::Lost { why: reason, retry_in });
            }
            ConnectionEvent::Refused { reason } => report(LinkReport::Refused { why: reason }),
            ConnectionEvent::Unheard => {
                self.delivery.on_ack_timeout(self.now_ms());
                if self.delivery.due_ms().is_some() && !self.unheard {
                    self.unheard = true;
                    report(LinkReport::Unheard);
                }
            }
            ConnectionEvent::Message(ReceivedMessage { topic, payload, .. }) => {
                self.message(topic, payload, spool, report)?;
            }
        }
        Ok(())
    }

    fn message<S: Spool>(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        spool: &mut S,
        report: &mut impl FnMut(LinkReport),
    ) -> Result<(), DriveError<S::Error>> {
        match topic.parse() {
            Ok(MqttTopic::Agent(_, _, Channel::Ack)) => match decode_ack(&payload) {
                Ok(ack) => {
                    let last = spool.last().map_err(DriveError::Spool)?;
                    match self.delivery.on_ack(ack, last, self.now_ms()) {
                        AckOutcome::Delete(up_to) => {
                            self.figures.acked = up_to;
                            self.unheard = false;
                            self.undeleted = Some(up_to);
                        }
                        AckOutcome::Nothing => {}
                        AckOutcome::Behind => self.announce(),
                        AckOutcome::OtherEpoch(epoch) => {
                            self.figures.strange += 1;
                            report(LinkReport::OtherEpoch(epoch));
                        }
                        AckOutcome::Ahead { acked, last } => return Err(DriveError::Ahead { acked, last }),
                    }
                }
                Err(error) => self.unreadable(topic, error.to_string(), report),
            },
            Ok(MqttTopic::Agent(_, _, Channel::ModelDesired)) => self.desired = Some(InboundMessage::Desired(payload)),
            Ok(MqttTopic::Model(_, hash)) if self.wanted == Some(hash) => {
                self.model = Some(InboundMessage::Model(hash, payload));
            }
            // A model that is no longer wanted was on its way.
            Ok(MqttTopic::Model(..)) => {}
            Ok(MqttTopic::Agent(..)) => self.unreadable(topic, "nothing is expected there".to_owned(), report),
            Err(error) => self.unreadable(topic, error.to_string(), report),
        }
        Ok(())
    }

    fn unreadable(&mut self, topic: String, why: String, report: &mut impl FnMut(LinkReport)) {
        self.figures.strange += 1;
        report(LinkReport::Unreadable { topic, why });
    }

    fn say(&mut self, outbound: OutboundMessage) {
        match outbound {
            OutboundMessage::Birth(birth) => {
                self.birth = Some(birth);
                if self.figures.connected {
                    self.announce();
                }
            }
            OutboundMessage::Retain(channel, payload) => {
                if self.figures.connected {
                    self.publish(channel, payload.clone());
                }
                self.retained.insert(channel, payload);
            }
            OutboundMessage::Fetch(hash) => {
                self.end_fetch();
                self.wanted = Some(hash);
                if self.figures.connected {
                    self.subscribe(hash);
                }
            }
            OutboundMessage::FetchEnded => self.end_fetch(),
        }
    }

    /// Says who this is, and from where on it has entries.
    fn announce(&self) {
        if let Some(birth) = &self.birth {
            let oldest = self.delivery.acked() + 1;
            self.publish(Channel::Birth, json(&AnnouncedBirth { oldest, ..AnnouncedBirth::clone(birth) }));
        }
    }

    fn end_fetch(&mut self) {
        self.model = None;
        if let Some(hash) = self.wanted.take().filter(|_| self.figures.connected) {
            // Without room the subscription ends with the connection; its bytes are dropped as unwanted.
            let _: Result<(), _> =
                self.session.try_hand_over(SessionCommand::Unsubscribe(vec![self.model_topic(hash)]));
        }
    }

    fn subscribe(&self, hash: ModelHash) {
        // Without room the model is asked for at the next connection; the queue is longer than what fills it.
        let _: Result<(), _> = self.session.try_hand_over(SessionCommand::Subscribe(vec![self.model_topic(hash)]));
    }

    fn model_topic(&self, hash: ModelHash) -> String {
        MqttTopic::Model(self.settings.fleet.clone(), hash).to_string()
    }

    fn publish(&self, channel: Channel, payload: Vec<u8>) {
        let message = OutgoingMessage { topic: self.settings.topic(channel), payload, retain: channel.is_retained() };
        // Without room it is as good as lost on the way: events go out again when their acknowledgement is overdue, the
        // rest with its next word.
        let _: Result<(), _> = self.session.try_hand_over(SessionCommand::Publish(message));
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
