//! How the MQTT client is set up, as far as agents and collectors agree, and what its errors mean in words.

use std::time::Duration;

use rumqttc::{
    Broker, ConnectionError, Disconnect, DisconnectReasonCode, MqttOptions, PubAckReason, StateError, SubAck,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::net::TcpStream;

use crate::{address::BrokerAddress, secrets::Secrets, tls};

/// Bytes of a packet either way: a model of 512 KiB with its signature, a batch of events as JSON.
const PACKET_BYTES_MAX: u32 = 1024 * 1024;
/// A dead connection is noticed after one and a half of these.
const KEEP_ALIVE_S: u16 = 30;
/// TCP, TLS and CONNACK together: a handshake on a Raspberry Pi over a mobile link takes a few seconds.
const CONNECT_WAIT: Duration = Duration::from_secs(20);

/// Characters of what a broker says in its own words.
const REASON_CHARS_MAX: usize = 200;

/// Options of a client; what it does with its session is still to be set. An error when the broker wants TLS, and the
/// authority, the certificate or the key cannot be used.
pub(crate) fn options(broker: &BrokerAddress, client_id: String, secrets: Secrets) -> Result<MqttOptions, String> {
    let (host, port) = (broker.host.clone(), broker.port);
    let mut options = MqttOptions::new(client_id, Broker::tcp(host.clone(), port));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_connect_timeout(CONNECT_WAIT)
        .set_max_packet_size(Some(PACKET_BYTES_MAX))
        // rumqttc joins host and port to one text, which an IPv6 address does not survive.
        .set_socket_connector(move |_, _| {
            let host = host.clone();
            async move {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
        });
    let tls = if broker.tls { Some(tls::config(&secrets)?) } else { None };
    if let Some((user, password)) = secrets.user {
        options.set_credentials(user, password);
    }
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    Ok(options)
}

/// The first subscription that the broker refused.
pub(crate) fn refused(ack: &SubAck) -> Option<String> {
    let refusal = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
    refusal.map(|code| format!("the broker refused a subscription: {code:?}"))
}

/// Whether the broker did not take a message.
pub(crate) fn is_refusal(reason: PubAckReason) -> bool {
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

/// Why a connection ended or did not come about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// Another client has connected under the same client identifier.
    TakenOver,
    Broken(String),
}

impl From<String> for ConnectionEnd {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// Why the broker ended the connection.
pub(crate) fn goodbye(goodbye: &Disconnect) -> ConnectionEnd {
    ended(goodbye.reason_code, goodbye.properties.as_ref().and_then(|more| more.reason_string.as_deref()))
}

fn ended(reason: DisconnectReasonCode, said: Option<&str>) -> ConnectionEnd {
    if reason == DisconnectReasonCode::SessionTakenOver {
        return ConnectionEnd::TakenOver;
    }
    let mut text = format!("the broker ended the connection: {reason:?}");
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        let said: String = said.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        text += &format!(" ({said})");
    }
    ConnectionEnd::Broken(text)
}

/// What went wrong at the bottom of it: the layers above only say that they were there.
pub(crate) fn describe(error: &ConnectionError) -> ConnectionEnd {
    if let ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) = error {
        return ended(*reason_code, reason_string.as_deref());
    }
    let mut deepest: &dyn std::error::Error = error;
    loop {
        if let Some(told) = tls::about_time(deepest) {
            return ConnectionEnd::Broken(told);
        }
        let Some(cause) = deepest.source() else { break };
        deepest = cause;
    }
    let (whole, cause) = (error.to_string(), deepest.to_string());
    let text = if whole.contains(&cause) { cause } else { format!("{whole}: {cause}") };
    // rustls explains itself with a link, the system with a number.
    let text = text.split(": https://").next().unwrap_or(&text);
    let Some((words, _)) = text.split_once(" (os error ") else { return ConnectionEnd::Broken(text.to_owned()) };
    let mut words = words.to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    ConnectionEnd::Broken(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_the_broker_ended_it_is_said_in_its_words() {
        let ended = |reason_code| {
            let reason_string = Some("kicked\x1b[2J".to_owned());
            describe(&ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }))
        };
        assert_eq!(ended(DisconnectReasonCode::SessionTakenOver), ConnectionEnd::TakenOver);
        assert_eq!(goodbye(&Disconnect::new(DisconnectReasonCode::SessionTakenOver)), ConnectionEnd::TakenOver);
        let broken = |text: &str| ConnectionEnd::Broken(text.to_owned());
        let shutting_down = DisconnectReasonCode::ServerShuttingDown;
        assert_eq!(ended(shutting_down), broken("the broker ended the connection: ServerShuttingDown (kicked[2J)"));
        let other = goodbye(&Disconnect::new(shutting_down));
        assert_eq!(other, broken("the broker ended the connection: ServerShuttingDown"));
    }

    #[test]
    fn the_number_of_a_system_error_is_left_out() {
        let refused = std::io::Error::from_raw_os_error(111);
        assert_eq!(describe(&ConnectionError::Io(refused)), ConnectionEnd::Broken("connection refused".to_owned()));
    }
}
