//! Who hears the agent: a subscriber behind a broker, or a reader of its file.

use std::path::{Path, PathBuf};

use oddline_core::id::AgentName;

use crate::{
    agent::Link,
    authority::Validity,
    heard::{Heard, of_file},
    mosquitto::{AUTHORITY, Mosquitto},
    subscriber::Subscriber,
};

/// One agent's hearer.
pub enum Ears {
    /// Behind a broker.
    Broker {
        /// The broker.
        broker: Box<Mosquitto>,
        /// The collector.
        subscriber: Subscriber,
        /// Whom it hears.
        agent: AgentName,
    },
    /// Of a JSON-lines file.
    File(PathBuf),
}

impl Ears {
    /// A broker, a collector, and the agent's certificate. `None`, named for the report, where there is no broker.
    #[must_use]
    pub fn behind_broker(test: &str, folder: &Path, agent: &str) -> Option<Self> {
        let broker = Mosquitto::begin(test, folder)?;
        broker.authority().issue(agent, Validity::Valid, folder, agent);
        let subscriber = Subscriber::start(&broker);
        Some(Self::Broker { broker: Box::new(broker), subscriber, agent: agent.parse().expect("a good name") })
    }

    /// How the agent reaches them.
    #[must_use]
    pub fn link(&self) -> Link {
        match self {
            Self::Broker { broker, agent, .. } => Link::Broker {
                port: broker.port(),
                folder: broker.folder().to_owned(),
                trusts: AUTHORITY.to_owned(),
                identity: agent.to_string(),
                events: "postcard",
            },
            Self::File(path) => Link::File(path.clone()),
        }
    }

    /// What was heard, in the order of sequences (broker: de-duplicated by them) or of the file's lines (as they stand).
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        match self {
            Self::Broker { subscriber, agent, .. } => subscriber.stored().ledger.of(agent),
            Self::File(path) => of_file(path),
        }
    }

    /// How many entries were heard.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Broker { subscriber, agent, .. } => subscriber.stored().ledger.count(agent),
            Self::File(path) => of_file(path).len(),
        }
    }

    /// The newest record that opened an episode: it has been read, and that it has been read is stored.
    #[must_use]
    pub fn record(&self) -> Option<u64> {
        match self {
            Self::Broker { subscriber, agent, .. } => subscriber.stored().ledger.record(agent),
            Self::File(path) => of_file(path).iter().filter_map(Heard::record).max(),
        }
    }

    /// How many entries came again on their way, and what was wrong with what came.
    #[must_use]
    pub fn again_and_faults(&self) -> (u64, Vec<String>) {
        match self {
            Self::Broker { subscriber, agent, .. } => {
                let stored = subscriber.stored();
                (stored.ledger.again(agent), stored.ledger.faults().to_vec())
            }
            Self::File(_) => (0, Vec::new()),
        }
    }
}
