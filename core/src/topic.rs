//! Topics, built and parsed by one grammar. No payload is looked at here.
//!
//! ```text
//!  oddline/v1/<fleet>/<agent>/birth           agent      retained   JSON: program, version, sources, model
//!                             status          agent      retained   JSON: up | down (last will)
//!                             events          agent                 a batch (see wire)
//!                             training        agent
//!                             model/state     agent      retained   JSON: what runs, or why a model was refused
//!                             ack             collector             postcard (see wire)
//!                             model/desired   collector  retained   JSON: which model to run
//!  oddline/v1/<fleet>/_models/<sha256>        collector  retained   ONNX bytes and signature
//! ```
//!
//! No agent can be called `_models`: its name has no underscore.

use core::{fmt, str::FromStr};

use crate::id::{AgentName, FleetName, IdError, ModelHash};

const ROOT: &str = "oddline";
const VERSION: &str = "v1";
const MODELS: &str = "_models";

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MqttTopic {
    /// Of one agent.
    Agent(FleetName, AgentName, Channel),
    /// The bytes of one model.
    Model(FleetName, ModelHash),
}

/// What is said on an agent's topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Who the agent is.
    Birth,
    /// Whether it is there.
    Status,
    /// What it found.
    Events,
    /// Samples of normal values for the next model.
    Training,
    /// Which model it runs.
    ModelState,
    /// How far its events are stored.
    Ack,
    /// Which model it should run.
    ModelDesired,
}

/// Why a text is no topic of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It does not follow the grammar.
    #[error("topic {0:?} is none of oddline/v1/<fleet>/<agent>/<channel> and oddline/v1/<fleet>/_models/<sha256>")]
    Shape(String),
    /// A name in it is none.
    #[error("topic {topic:?}: {reason}")]
    Name {
        /// The topic, cut.
        topic: String,
        /// What is wrong with the name.
        reason: IdError,
    },
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Birth, Self::Status, Self::Events, Self::Training, Self::ModelState, Self::Ack, Self::ModelDesired];

    /// The last levels of its topic.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Birth => "birth",
            Self::Status => "status",
            Self::Events => "events",
            Self::Training => "training",
            Self::ModelState => "model/state",
            Self::Ack => "ack",
            Self::ModelDesired => "model/desired",
        }
    }

    /// Whether the broker keeps the last message for who comes later.
    #[must_use]
    pub const fn is_retained(self) -> bool {
        match self {
            Self::Birth | Self::Status | Self::ModelState | Self::ModelDesired => true,
            Self::Events | Self::Training | Self::Ack => false,
        }
    }

    /// Whether the agent writes it; otherwise the collector does and the agent may only read.
    #[must_use]
    pub const fn is_from_agent(self) -> bool {
        match self {
            Self::Birth | Self::Status | Self::Events | Self::Training | Self::ModelState => true,
            Self::Ack | Self::ModelDesired => false,
        }
    }

    /// Filter for this channel of every agent of a fleet.
    #[must_use]
    pub fn of_fleet(self, fleet: &FleetName) -> String {
        format!("{ROOT}/{VERSION}/{fleet}/+/{}", self.as_str())
    }

    /// Filter for this channel of every agent of every fleet.
    #[must_use]
    pub fn of_all(self) -> String {
        format!("{ROOT}/{VERSION}/+/+/{}", self.as_str())
    }
}

/// Whether only agents and collectors say something there: a topic, or a filter that matches none but theirs.
#[must_use]
pub fn is_own(topic: &str) -> bool {
    topic.split('/').next() == Some(ROOT)
}

impl fmt::Display for MqttTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(fleet, agent, channel) => write!(f, "{ROOT}/{VERSION}/{fleet}/{agent}/{}", channel.as_str()),
            Self::Model(fleet, hash) => write!(f, "{ROOT}/{VERSION}/{fleet}/{MODELS}/{hash}"),
        }
    }
}

impl FromStr for MqttTopic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let shown = || text[..text.floor_char_boundary(256)].to_owned();
        let shape = || TopicError::Shape(shown());
        let name = |reason| TopicError::Name { topic: shown(), reason };
        let mut levels = text.splitn(5, '/');
        let (Some(ROOT), Some(VERSION), Some(fleet), Some(who), Some(rest)) =
            (levels.next(), levels.next(), levels.next(), levels.next(), levels.next())
        else {
            return Err(shape());
        };
        let fleet = fleet.parse().map_err(name)?;
        if who == MODELS {
            return Ok(Self::Model(fleet, rest.parse().map_err(name)?));
        }
        let agent = who.parse().map_err(name)?;
        let channel = Channel::ALL.into_iter().find(|c| c.as_str() == rest).ok_or_else(shape)?;
        Ok(Self::Agent(fleet, agent, channel))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_topic_is_read_as_it_is_built() {
        let (fleet, agent): (FleetName, AgentName) = ("home".parse().unwrap(), "pi-4".parse().unwrap());
        for channel in Channel::ALL {
            let topic = MqttTopic::Agent(fleet.clone(), agent.clone(), channel);
            let text = topic.to_string();
            assert_eq!(text, format!("oddline/v1/home/pi-4/{}", channel.as_str()));
            assert_eq!(text.parse(), Ok(topic));
        }
        let topic = MqttTopic::Model(fleet.clone(), ModelHash([0xab; 32]));
        assert_eq!(topic.to_string(), format!("oddline/v1/home/_models/{}", "ab".repeat(32)));
        assert_eq!(topic.to_string().parse(), Ok(topic));
        assert_eq!(Channel::Events.of_fleet(&fleet), "oddline/v1/home/+/events");
        assert_eq!(Channel::ModelState.of_all(), "oddline/v1/+/+/model/state");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "oddline",
            "oddline/v1/home/pi",
            "oddline/v1/home/pi/",
            "oddline/v1/home/pi/events/",
            "oddline/v1/home/pi/Events",
            "oddline/v2/home/pi/events",
            "/oddline/v1/home/pi/events",
            "oddline/v1/home/+/events",
            "oddline/v1//pi/events",
            "oddline/v1/home/_models",
            "oddline/v1/home/_models/abc",
            "oddline/v1/home/_model/events",
        ] {
            assert!(bad.parse::<MqttTopic>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_the_same(text in "(oddline/v1/[a-z0-9-]{1,4}/[a-z_]{1,3}/[a-z/]{1,14})|\\PC{0,40}") {
            if let Ok(topic) = text.parse::<MqttTopic>() {
                prop_assert_eq!(topic.to_string(), text);
            }
        }
    }
}
