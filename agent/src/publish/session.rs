//! The agent's session with the broker: begun anew with each connection, since what must arrive is in the spool; its last
//! will says that the agent is down.

use oddline_core::{
    id::{AgentName, FleetName},
    topic::{Channel, MqttTopic},
};
use oddline_link::{
    backoff::WAIT_MAX,
    session::{
        MqttSession,
        message::OutgoingMessage,
        profile::{SessionKind, SessionProfile},
    },
    settings::LinkSettings,
};

use super::announce::{AnnouncedStatus, json};

/// Unacknowledged publishes: four batches and a few announcements.
const INFLIGHT_MAX: u16 = 64;
/// Messages handed over and not taken yet, each way: the driver hands over no more than it may have in flight.
const QUEUE_MAX: usize = 32;

/// Who the agent is, and its way to the broker.
#[derive(Debug, Clone)]
pub struct PublishSettings {
    pub fleet: FleetName,
    pub agent: AgentName,
    pub link: LinkSettings,
}

impl PublishSettings {
    /// The topic of one of the agent's own channels.
    pub(crate) fn topic(&self, channel: Channel) -> String {
        MqttTopic::Agent(self.fleet.clone(), self.agent.clone(), channel).to_string()
    }

    /// Starts connecting.
    #[must_use]
    pub(crate) fn start(&self, filters: Vec<String>) -> MqttSession {
        let down = json(&AnnouncedStatus::down());
        let will = OutgoingMessage { topic: self.topic(Channel::Status), payload: down, retain: true };
        let profile = SessionProfile {
            kind: SessionKind::Clean { will },
            inflight_max: INFLIGHT_MAX,
            commands_max: QUEUE_MAX,
            wait_max: WAIT_MAX,
        };
        MqttSession::start(self.link.clone(), profile, filters)
    }
}
