//! What a program wants of its session, and how the MQTT client is set up for it.

use std::time::Duration;

use rumqttc::{
    AckMode, LastWill, MqttOptions, PersistedAckMode, PersistedSession, QoS, SessionStore, SessionStoreError,
    SessionStoreKey,
};

use super::message::OutgoingMessage;
use crate::{client, secrets::Secrets, settings::LinkSettings};

/// Room for reports beside the messages that the broker counts.
const REPORTS_MAX: usize = 64;

/// Bounds of a session, and what the broker keeps of it.
#[derive(Debug, Clone)]
pub struct SessionProfile {
    pub kind: SessionKind,
    /// Our publishes at least once that the broker has not acknowledged. The client's default table costs 14 MB.
    pub inflight_max: u16,
    /// Commands not taken yet.
    pub commands_max: usize,
    /// Longest wait between connections.
    pub wait_max: Duration,
}

#[derive(Debug, Clone)]
pub enum SessionKind {
    /// Each connection begins anew. Subscriptions end with it, messages are acknowledged as they come in, and the broker
    /// publishes `will` when it is lost; a session that is stopped publishes it itself.
    Clean { will: OutgoingMessage },
    /// Each connection begins anew and only listens: nothing is told of its end.
    Listening,
    /// The broker keeps subscriptions and messages from one connection to the next; each message is acknowledged by its
    /// receipt.
    Kept {
        /// How long the broker keeps them.
        expiry_s: u32,
        /// Messages that the broker sends ahead of their receipts.
        unsettled_max: u16,
    },
}

impl SessionProfile {
    /// Events not taken yet: the messages of two connections and a few reports where the broker counts them, so that
    /// handing on never waits and the connection stays alive while nobody takes them.
    pub(super) fn events_max(&self) -> usize {
        match self.kind {
            SessionKind::Clean { .. } | SessionKind::Listening => self.commands_max,
            SessionKind::Kept { .. } => self.kept_free() + REPORTS_MAX,
        }
    }

    /// Room for events that only messages take which the broker counts.
    pub(super) fn kept_free(&self) -> usize {
        match self.kind {
            SessionKind::Clean { .. } | SessionKind::Listening => 0,
            SessionKind::Kept { unsettled_max, .. } => 2 * usize::from(unsettled_max),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.kind, SessionKind::Kept { .. })
    }

    pub(super) fn options(&self, settings: &LinkSettings, secrets: Secrets) -> Result<MqttOptions, String> {
        let mut options = client::options(&settings.broker, settings.client_id.clone(), secrets)?;
        options.set_outgoing_inflight_upper_limit(self.inflight_max);
        match &self.kind {
            SessionKind::Clean { will: OutgoingMessage { topic, payload, retain } } => {
                let will = LastWill::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, *retain, None);
                options.set_clean_start(true).set_last_will(will);
            }
            SessionKind::Listening => {
                options.set_clean_start(true);
            }
            &SessionKind::Kept { expiry_s, unsettled_max } => {
                options
                    .set_clean_start(false)
                    .set_session_expiry_interval(Some(expiry_s))
                    .set_session_store(NothingUnderWay { expiry_s, inflight_max: self.inflight_max })
                    .set_ack_mode(AckMode::Manual)
                    .set_receive_maximum(Some(unsettled_max));
            }
        }
        Ok(options)
    }
}

/// What the client is told of a kept session: nothing of ours is under way. That is true after every break, as what was
/// published is published again from the store. Without it the client refuses the broker's half of the session, which
/// holds what was on its way to us.
#[derive(Debug)]
struct NothingUnderWay {
    expiry_s: u32,
    inflight_max: u16,
}

type StoreAnswer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> StoreAnswer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(self.expiry_s),
            outgoing_inflight_upper_limit: Some(self.inflight_max),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> StoreAnswer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> StoreAnswer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
