//! What goes over a session, as values without a client library's types.

use std::time::Duration;

/// A message to publish at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// It stands, and the broker has accepted the subscriptions.
    Connected,
    /// It broke or did not come about. It will be tried again.
    Lost {
        /// Why.
        why: String,
        /// After this time.
        retry_in: Duration,
    },
    /// The broker does not allow something; the connection goes on.
    Refused {
        /// What and why.
        why: String,
    },
    /// The broker had nobody to give a message to.
    Unheard,
    /// A message came.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
}

/// The queue to the connection is full, or the connection is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the broker's connection is full")]
pub struct QueueFull;
