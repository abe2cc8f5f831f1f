//! What goes over a session, as values without a client library's types.

use std::time::Duration;

/// A message to publish at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutgoingMessage {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// It stands, and the broker has accepted the subscriptions.
    Connected,
    /// It broke or did not come about. It will be tried again.
    Lost { why: String, retry_in: Duration },
    /// The broker does not allow something; the connection goes on.
    Refused { why: String },
    /// The broker had nobody to give a message to.
    Unheard,
    Message {
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
}

/// The queue to the connection is full, or the connection is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the broker's connection is full")]
pub(crate) struct QueueFull;
