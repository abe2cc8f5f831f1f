//! What goes over a session and what happens to it, as values without a client library's types.

use std::{fmt, time::Duration};

use rumqttc::ManualAck;

/// What happens to the connection.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// It stands, and the broker has accepted the subscriptions.
    Up,
    /// It broke or did not come about; it is made again.
    Down {
        /// Names the broker.
        reason: String,
        retry_in: Duration,
    },
    /// The broker does not allow something; the connection goes on.
    Refused {
        reason: String,
    },
    /// The broker had nobody to give a message to.
    Unheard,
    Message(ReceivedMessage),
}

#[derive(Debug)]
pub struct ReceivedMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    /// The broker had kept it.
    pub retained: bool,
    /// For [`SessionCommand::Settle`] in a session that is kept; nothing to a clean one.
    pub receipt: MessageReceipt,
}

/// Settles one message with the broker; of a connection that is gone it settles nothing.
#[derive(Debug)]
pub struct MessageReceipt {
    pub(super) connection: u64,
    pub(super) ack: Option<ManualAck>,
}

/// A message to publish at least once (QoS 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// What a session is asked to do.
pub enum SessionCommand {
    /// Dropped while no connection stands: it is said again at the next.
    Publish(OutgoingMessage),
    /// Publishes at most once (QoS 0), for answers whose question is asked again.
    Answer {
        topic: String,
        payload: Vec<u8>,
    },
    Settle(MessageReceipt),
    /// Listens to more: until the connection ends, or for good where the session is kept.
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
}

impl fmt::Debug for SessionCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(OutgoingMessage { topic, payload, .. }) | Self::Answer { topic, payload } => {
                write!(f, "Publish({topic}, {} bytes)", payload.len())
            }
            Self::Settle(_) => f.write_str("Settle"),
            Self::Subscribe(filters) => write!(f, "Subscribe({filters:?})"),
            Self::Unsubscribe(filters) => write!(f, "Unsubscribe({filters:?})"),
        }
    }
}

/// The queue to the connection is full, or the connection is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the broker's connection is full")]
pub struct QueueFull;
