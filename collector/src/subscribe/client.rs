//! How the MQTT client is set up, and what its errors mean in words.

use std::time::Duration;

use rumqttc::{
    AckMode, Broker, ConnectionError, MqttOptions, PersistedAckMode, PersistedSession, PubAckReason, QoS, SessionStore,
    SessionStoreError, SessionStoreKey, SubAck, SubscribeFilterInput, SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::net::TcpStream;

use super::UNSETTLED_MAX;
use crate::link::settings::{Secrets, Settings};

/// Our publishes at least once that the broker has not acknowledged: models and wishes.
const INFLIGHT_MAX: u16 = 256;
/// Bytes of a packet either way: a model of 512 KiB with its signature, a batch of events as JSON.
const PACKET_BYTES_MAX: u32 = 1024 * 1024;
/// A dead connection is noticed after one and a half of these.
const KEEP_ALIVE_S: u16 = 30;
/// TCP, TLS and CONNACK together.
const CONNECT_WAIT: Duration = Duration::from_secs(20);
/// How long a broker keeps messages for a collector that is away: longer than a restart, shorter than its memory. What
/// it drops then is sent again.
const SESSION_EXPIRY_S: u32 = 600;

/// What the client is told of its session: nothing of ours is under way. That is true after every break, as what was
/// published is published again from the store. Without it the client refuses the broker's half of the session, which
/// holds the batches that were on their way to us.
#[derive(Debug)]
struct NothingUnderWay;

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
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

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Our own retained messages do not come back, except those that the broker kept from before.
pub(super) fn filter(filter: String) -> SubscribeFilterInput {
    SubscribeFilterInput::new(filter, QoS::AtLeastOnce).no_local(true)
}

pub(super) fn options(settings: &Settings, secrets: Secrets) -> Result<MqttOptions, String> {
    let (host, port) = (settings.broker.host.clone(), settings.broker.port);
    let mut options = MqttOptions::new(settings.client_id.clone(), Broker::tcp(host.clone(), port));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_session_store(NothingUnderWay)
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

pub(super) fn refused(ack: &SubAck) -> Option<String> {
    let refusal = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
    refusal.map(|code| format!("the broker refused a subscription: {code:?}"))
}

pub(super) fn is_refusal(reason: PubAckReason) -> bool {
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
pub(super) fn describe(error: &ConnectionError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let (whole, cause) = (error.to_string(), deepest.to_string());
    let text = if whole.contains(&cause) { cause } else { format!("{whole}: {cause}") };
    // rustls explains itself with a link.
    text.split(": https://").next().unwrap_or(&text).to_owned()
}
