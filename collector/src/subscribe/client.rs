//! How the MQTT client keeps a collector's session.

use oddline_link::client;
use rumqttc::{
    AckMode, MqttOptions, PersistedAckMode, PersistedSession, QoS, SessionStore, SessionStoreError, SessionStoreKey,
    SubscribeFilterInput,
};

use super::UNSETTLED_MAX;
use crate::link::settings::{LinkSettings, Secrets};

/// Our publishes at least once that the broker has not acknowledged: models and wishes.
const INFLIGHT_MAX: u16 = 256;
/// How long a broker keeps messages for a collector that is away: longer than a restart, shorter than its memory. What
/// it drops then is sent again.
const SESSION_EXPIRY_S: u32 = 600;

/// What the client is told of its session: nothing of ours is under way. That is true after every break, as what was
/// published is published again from the store. Without it the client refuses the broker's half of the session, which
/// holds the batches that were on their way to us.
#[derive(Debug)]
struct NothingUnderWay;

type SubscribeAnswer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> SubscribeAnswer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_EXPIRY_S),
            outgoing_inflight_upper_limit: Some(INFLIGHT_MAX),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(session)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> SubscribeAnswer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> SubscribeAnswer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Not "no local": a broker would then also keep back what an earlier life of this collector left with it.
pub(super) fn filter(filter: String) -> SubscribeFilterInput {
    SubscribeFilterInput::new(filter, QoS::AtLeastOnce)
}

pub(super) fn options(settings: &LinkSettings, secrets: Secrets) -> Result<MqttOptions, String> {
    let mut options = client::options(&settings.broker, settings.client_id.clone(), secrets)?;
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_session_store(NothingUnderWay)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(UNSETTLED_MAX))
        .set_outgoing_inflight_upper_limit(INFLIGHT_MAX);
    Ok(options)
}
