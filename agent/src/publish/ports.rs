//! The ends of the delivery loop that the rest of the agent holds: what it says, what it hears, what an operator sees.

use std::{sync::Arc, time::Duration};

use oddline_core::{
    id::{Epoch, ModelHash},
    topic::Channel,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::announce::AnnouncedBirth;

/// What other parts of the agent want said or asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutboundMessage {
    /// Who the agent is; said again at each connection, with what is acknowledged by then.
    Birth(Box<AnnouncedBirth>),
    /// The newest word on another retained channel; said again at each connection.
    Retain(Channel, Vec<u8>),
    /// Fetch this model's bytes; ends a fetch under way.
    Fetch(ModelHash),
    /// No model is wanted any more.
    FetchEnded,
}

/// What came in for other parts of the agent. Only the newest of each kind waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InboundMessage {
    /// `model/desired`; empty when nothing is desired.
    Desired(Vec<u8>),
    /// Bytes published as this model.
    Model(ModelHash, Vec<u8>),
}

/// What an operator should see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkReport {
    Connected,
    /// It broke or did not come about.
    Lost {
        why: String,
        retry_in: Duration,
    },
    /// The broker does not allow something.
    Refused {
        why: String,
    },
    /// Nobody listens to the events; said once until an acknowledgement comes.
    Unheard,
    /// No acknowledgement came in time; everything after this sequence goes out again.
    Overdue {
        acked: u64,
    },
    /// The spool cannot be read or written for the moment, as on a full disk; said once until it can.
    SpoolFails {
        why: String,
        retry_in: Duration,
    },
    SpoolWorks,
    /// An acknowledgement of another life of the state file came.
    OtherEpoch(Epoch),
    /// A message that cannot be read.
    Unreadable {
        topic: String,
        why: String,
    },
}

/// Counters and gauges of the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LinkFigures {
    pub connected: bool,
    pub connections: u64,
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Batches among them that held entries sent before.
    pub again: u64,
    pub acked: u64,
    /// Times an acknowledgement was overdue.
    pub overdue: u64,
    /// Messages that could not be read or belonged to another epoch.
    pub strange: u64,
}

/// The ends of the loop that others hold.
#[derive(Debug)]
pub(crate) struct DeliveryPorts {
    /// Told whenever entries were appended to the spool.
    pub wake: Arc<Notify>,
    pub outbound: mpsc::Receiver<OutboundMessage>,
    pub inbound: mpsc::Sender<InboundMessage>,
    pub figures: watch::Sender<LinkFigures>,
    pub stop: oneshot::Receiver<()>,
}
