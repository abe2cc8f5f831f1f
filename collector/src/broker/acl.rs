//! Who may publish and read what: one table, from the grammar of [`Topic`]. No network, no library: the embedded broker
//! asks it about every packet and the files for mosquitto are written from it.
//!
//! ```text
//!                                            agent (its own name)   collector
//!  <fleet>/<agent>/birth, status, events,    write                  read
//!                  training, model/state
//!  <fleet>/<agent>/ack                       read                   write
//!  <fleet>/<agent>/model/desired             read                   write, read
//!  <fleet>/_models/<sha256>                  read (its fleet)       write, read
//! ```
//!
//! An agent reads exact topics only: no filter with a wildcard is ever its own. The collector may also use the filters
//! of [`Channel::of_fleet`] and [`Channel::of_all`] and [`models_of`]. It reads what it wrote itself to find wishes and
//! models that an earlier life of its database left behind.

use oddline_core::{
    id::{AgentName, FleetName, IdError, ModelHash},
    topic::{Channel, MqttTopic},
    wire::{JSON_BYTES_MAX, ROLLOUT_BYTES_MAX},
};

use oddline_link::client_id;

use crate::fleet::{COLLECTOR, ServedFleets, WORD_BYTES_MAX};

/// Somebody the broker has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    Collector,
    /// An agent, by its certificate, its user name or its client identifier.
    Agent {
        name: AgentName,
        /// Its fleet, when its certificate or its client identifier names one.
        fleet: Option<FleetName>,
    },
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// A name that no agent can have.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The collector's name, without its secret.
    #[error("{COLLECTOR:?} is the collector's own name")]
    Reserved,
    /// Neither user name nor an identifier of ours.
    #[error("neither a user name nor a client identifier oddline_<fleet>_<agent>")]
    Nameless,
    /// Another's client identifier: taking it would end the other's session.
    #[error("client identifier {0:?} belongs to another name")]
    ClientId(String),
}

/// Why a packet is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// Not a topic of ours, or a filter with wildcards that is not granted.
    #[error("no topic that may be used here")]
    Topic,
    /// A fleet that this collector does not serve.
    #[error("this collector does not serve the fleet")]
    Fleet,
    /// Another's topic, or the other direction of one's own.
    #[error("not granted to this name")]
    Other,
    /// Only some channels are kept for who comes later.
    #[error("this topic keeps no retained message")]
    Retained,
    /// More than the collector reads there.
    #[error("{0} bytes, at most {1} are taken here")]
    TooLarge(usize, usize),
}

/// What is done with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicAccess {
    Write,
    /// Getting what is published to it.
    Read,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRules {
    pub fleets: ServedFleets,
}

impl AccessRules {
    /// Whether `who` may publish to `topic`, with the retain flag or without.
    pub fn publish(&self, who: &Principal, topic: &str, retain: bool) -> Result<(), AccessDenied> {
        let topic: MqttTopic = topic.parse().map_err(|_| AccessDenied::Topic)?;
        self.allows(who, TopicAccess::Write, &topic)?;
        if retain && !is_retained(&topic) { Err(AccessDenied::Retained) } else { Ok(()) }
    }

    /// Whether the collector reads so many bytes there.
    pub fn size(topic: &str, bytes: usize) -> Result<(), AccessDenied> {
        let max = match topic.parse().map_err(|_| AccessDenied::Topic)? {
            MqttTopic::Agent(_, _, Channel::Events | Channel::Training) => JSON_BYTES_MAX,
            MqttTopic::Agent(_, _, Channel::ModelState) => ROLLOUT_BYTES_MAX,
            MqttTopic::Agent(_, _, Channel::Birth | Channel::Status) => WORD_BYTES_MAX,
            // What only the collector writes; a packet's own bound counts.
            MqttTopic::Agent(_, _, Channel::Ack | Channel::ModelDesired) | MqttTopic::Model(..) => usize::MAX,
        };
        if bytes <= max { Ok(()) } else { Err(AccessDenied::TooLarge(bytes, max)) }
    }

    /// Whether `who` may subscribe to `filter`.
    pub fn subscribe(&self, who: &Principal, filter: &str) -> Result<(), AccessDenied> {
        if let Ok(topic) = filter.parse() {
            return self.allows(who, TopicAccess::Read, &topic);
        }
        if *who == Principal::Collector && self.is_collectors_filter(filter) {
            Ok(())
        } else {
            Err(AccessDenied::Topic)
        }
    }

    /// Whether `who` may do this with one topic.
    pub fn allows(&self, who: &Principal, access: TopicAccess, topic: &MqttTopic) -> Result<(), AccessDenied> {
        let (MqttTopic::Agent(fleet, ..) | MqttTopic::Model(fleet, _)) = topic;
        if !self.fleets.serves(fleet) {
            return Err(AccessDenied::Fleet);
        }
        let granted = match who {
            Principal::Collector => match topic {
                MqttTopic::Agent(_, _, Channel::ModelDesired) | MqttTopic::Model(..) => true,
                MqttTopic::Agent(_, _, channel) => (access == TopicAccess::Read) == channel.is_from_agent(),
            },
            Principal::Agent { .. } => {
                (access == TopicAccess::Write) == is_from_agent(topic)
                    && match topic {
                        MqttTopic::Agent(fleet, agent, _) => who.is(fleet, agent),
                        MqttTopic::Model(fleet, _) => who.is_of(fleet),
                    }
            }
        };
        if granted { Ok(()) } else { Err(AccessDenied::Other) }
    }

    fn is_collectors_filter(&self, filter: &str) -> bool {
        let fleet = filter.split('/').nth(2).and_then(|level| level.parse().ok());
        let of_fleet = fleet.filter(|fleet| self.fleets.serves(fleet)).is_some_and(|fleet| {
            filter == models_of(&fleet) || channels_collectors_read().any(|channel| filter == channel.of_fleet(&fleet))
        });
        of_fleet || channels_collectors_read().any(|channel| filter == channel.of_all())
    }
}

/// Filter for all models of a fleet.
#[must_use]
pub fn models_of(fleet: &FleetName) -> String {
    let hash = ModelHash([0; 32]);
    MqttTopic::Model(fleet.clone(), hash).to_string().replace(&hash.to_string(), "+")
}

fn channels_collectors_read() -> impl Iterator<Item = Channel> {
    Channel::ALL.into_iter().filter(|channel| channel.is_from_agent() || *channel == Channel::ModelDesired)
}

impl Principal {
    /// An agent on this machine, where nobody proves a name: by user name, else by client identifier.
    pub fn by_word(user: Option<&str>, client_id: &str) -> Result<Self, UnknownName> {
        match user {
            Some(user) => Self::by_certificate(user, None),
            None => match client_id::owner(client_id) {
                Some((fleet, name)) => Ok(Self::Agent { name, fleet: Some(fleet) }),
                None => Err(UnknownName::Nameless),
            },
        }
    }

    /// An agent by what its certificate says: CN and, if it names one, O.
    ///
    /// # Errors
    /// When either is no name of ours.
    pub fn by_certificate(common_name: &str, organization: Option<&str>) -> Result<Self, UnknownName> {
        if common_name == COLLECTOR {
            return Err(UnknownName::Reserved);
        }
        let fleet = organization.map(str::parse).transpose()?;
        Ok(Self::Agent { name: common_name.parse()?, fleet })
    }

    /// A broker ends the session of a client identifier that comes a second time, so an agent may use only its own,
    /// `oddline_<fleet>_<agent>`: of the fleet that its certificate names, or of any that is served when it names none.
    pub fn may_be_client(&self, client_id: &str, fleets: &ServedFleets) -> Result<(), UnknownName> {
        let own = match self {
            Self::Collector => client_id.starts_with(COLLECTOR),
            Self::Agent { .. } => client_id::owner(client_id)
                .is_some_and(|(its_fleet, its_name)| self.is(&its_fleet, &its_name) && fleets.serves(&its_fleet)),
        };
        if own { Ok(()) } else { Err(UnknownName::ClientId(client_id[..client_id.floor_char_boundary(80)].to_owned())) }
    }

    /// Whether this is that agent.
    fn is(&self, its_fleet: &FleetName, its_name: &AgentName) -> bool {
        match self {
            Self::Collector => false,
            Self::Agent { name, .. } => name == its_name && self.is_of(its_fleet),
        }
    }

    /// Whether this is an agent of that fleet.
    fn is_of(&self, its_fleet: &FleetName) -> bool {
        match self {
            Self::Collector => false,
            Self::Agent { fleet, .. } => fleet.as_ref().is_none_or(|fleet| fleet == its_fleet),
        }
    }
}

const fn is_from_agent(topic: &MqttTopic) -> bool {
    match topic {
        MqttTopic::Agent(_, _, channel) => channel.is_from_agent(),
        MqttTopic::Model(..) => false,
    }
}

const fn is_retained(topic: &MqttTopic) -> bool {
    match topic {
        MqttTopic::Agent(_, _, channel) => channel.is_retained(),
        MqttTopic::Model(..) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agent(name: &str, fleet: Option<&str>) -> Principal {
        Principal::by_certificate(name, fleet).unwrap()
    }

    fn every() -> AccessRules {
        AccessRules { fleets: ServedFleets::Every }
    }

    fn only(fleets: &[&str]) -> AccessRules {
        AccessRules { fleets: ServedFleets::Only(fleets.iter().map(|f| f.parse().unwrap()).collect()) }
    }

    #[test]
    fn the_table_is_what_the_page_says() {
        let rules = only(&["home"]);
        let pi = agent("pi", None);
        for (channel, agent_writes) in [
            ("birth", true),
            ("status", true),
            ("events", true),
            ("training", true),
            ("model/state", true),
            ("ack", false),
            ("model/desired", false),
        ] {
            let own = format!("oddline/v1/home/pi/{channel}");
            assert_eq!(rules.publish(&pi, &own, false).is_ok(), agent_writes, "{own}");
            assert_eq!(rules.subscribe(&pi, &own).is_ok(), !agent_writes, "{own}");
            assert_eq!(rules.publish(&Principal::Collector, &own, false).is_ok(), !agent_writes, "{own}");
            let collector_reads = agent_writes || channel == "model/desired";
            assert_eq!(rules.subscribe(&Principal::Collector, &own).is_ok(), collector_reads, "{own}");
            for others in [format!("oddline/v1/home/web/{channel}"), format!("oddline/v1/shop/pi/{channel}")] {
                assert!(rules.publish(&pi, &others, false).is_err(), "{others}");
                assert!(rules.subscribe(&pi, &others).is_err(), "{others}");
            }
        }
        let model = format!("oddline/v1/home/_models/{}", "ab".repeat(32));
        assert_eq!(rules.subscribe(&pi, &model), Ok(()));
        assert_eq!(rules.publish(&pi, &model, true), Err(AccessDenied::Other));
        assert_eq!(rules.publish(&Principal::Collector, &model, true), Ok(()));
        assert_eq!(rules.subscribe(&Principal::Collector, &model), Ok(()));
    }

    #[test]
    fn wildcards_are_the_collectors_and_only_those_it_needs() {
        let rules = only(&["home"]);
        for filter in
            ["#", "+", "oddline/#", "oddline/v1/home/pi/#", "oddline/v1/home/pi/+", "oddline/v1/home/+/ack", "$SYS/#"]
        {
            for who in [Principal::Collector, agent("pi", None), Principal::by_word(None, "oddline_home_pi").unwrap()] {
                assert_eq!(rules.subscribe(&who, filter), Err(AccessDenied::Topic), "{who:?} {filter}");
            }
        }
        let home = "home".parse().unwrap();
        for channel in Channel::ALL {
            for filter in [channel.of_fleet(&home), channel.of_all()] {
                let granted = channel.is_from_agent() || channel == Channel::ModelDesired;
                assert_eq!(rules.subscribe(&Principal::Collector, &filter).is_ok(), granted, "{filter}");
                assert!(rules.subscribe(&agent("pi", None), &filter).is_err(), "{filter}");
            }
            assert!(rules.subscribe(&Principal::Collector, &channel.of_fleet(&"shop".parse().unwrap())).is_err());
        }
        assert_eq!(models_of(&home), "oddline/v1/home/_models/+");
        assert_eq!(rules.subscribe(&Principal::Collector, &models_of(&home)), Ok(()));
        assert!(rules.subscribe(&Principal::Collector, &models_of(&"shop".parse().unwrap())).is_err());
        assert!(rules.subscribe(&agent("pi", None), &models_of(&home)).is_err());
        assert!(rules.subscribe(&Principal::Collector, "$share/all/oddline/v1/home/+/events").is_err());
    }

    #[test]
    fn what_is_not_kept_cannot_be_retained() {
        let pi = agent("pi", Some("home"));
        for channel in Channel::ALL.into_iter().filter(|c| c.is_from_agent()) {
            let topic = format!("oddline/v1/home/pi/{}", channel.as_str());
            let wanted = if channel.is_retained() { Ok(()) } else { Err(AccessDenied::Retained) };
            assert_eq!(every().publish(&pi, &topic, true), wanted, "{topic}");
        }
    }

    #[test]
    fn no_more_is_taken_than_is_read() {
        for (channel, max) in [("events", 256), ("training", 256), ("birth", 64), ("status", 64), ("model/state", 16)] {
            let topic = format!("oddline/v1/home/pi/{channel}");
            assert_eq!(AccessRules::size(&topic, max * 1024), Ok(()), "{channel}");
            assert!(matches!(AccessRules::size(&topic, max * 1024 + 1), Err(AccessDenied::TooLarge(..))), "{channel}");
        }
        assert_eq!(AccessRules::size("elsewhere", 1), Err(AccessDenied::Topic));
    }

    #[test]
    fn a_certificate_that_names_its_fleet_is_of_no_other() {
        let pi = agent("pi", Some("home"));
        assert_eq!(every().publish(&pi, "oddline/v1/home/pi/events", false), Ok(()));
        assert_eq!(every().publish(&pi, "oddline/v1/shop/pi/events", false), Err(AccessDenied::Other));
        let models = |fleet: &str| format!("oddline/v1/{fleet}/_models/{}", ModelHash([1; 32]));
        assert_eq!(every().subscribe(&pi, &models("home")), Ok(()));
        assert_eq!(every().subscribe(&pi, &models("shop")), Err(AccessDenied::Other));
    }

    #[test]
    fn names_are_checked_at_the_door() {
        assert_eq!(Principal::by_certificate("collector", None), Err(UnknownName::Reserved));
        assert_eq!(Principal::by_word(Some("collector"), "x"), Err(UnknownName::Reserved));
        assert_eq!(Principal::by_word(None, "mosquitto-sub"), Err(UnknownName::Nameless));
        assert_eq!(Principal::by_word(None, "oddline_home"), Err(UnknownName::Nameless));
        for bad in ["", "a/b", "+", "#", "Pi", "pi_4"] {
            assert!(matches!(Principal::by_certificate(bad, None), Err(UnknownName::Name(_))), "{bad}");
            assert!(Principal::by_certificate("pi", Some(bad)).is_err(), "{bad}");
        }
        let by_id = Principal::by_word(None, "oddline_home_pi-4").unwrap();
        assert_eq!(every().publish(&by_id, "oddline/v1/home/pi-4/events", false), Ok(()));
        assert_eq!(every().publish(&by_id, "oddline/v1/home/pi/events", false), Err(AccessDenied::Other));
    }

    #[test]
    fn nobody_takes_anothers_client_identifier() {
        let (pi, fleets) = (agent("pi", None), ServedFleets::Only(["home".parse().unwrap()].into()));
        let home_pi = agent("pi", Some("home"));
        for (who, id, fine) in [
            (&pi, "", false),
            (&pi, "pi", false),
            (&pi, "oddline_home_pi", true),
            (&pi, "oddline_shop_pi", false),
            (&pi, "oddline_home_web-pi", false),
            (&pi, "oddline_home_web", false),
            (&pi, "oddline-home-pi", false),
            (&pi, "web", false),
            (&pi, "collector", false),
            (&home_pi, "oddline_home_pi", true),
            (&Principal::Collector, "collector-1", true),
            (&Principal::Collector, "oddline_home_pi", false),
        ] {
            assert_eq!(who.may_be_client(id, &fleets).is_ok(), fine, "{who:?} {id}");
        }
        assert!(home_pi.may_be_client("oddline_shop_pi", &ServedFleets::Every).is_err());
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-c-]{1,4}"
    }

    fn topic() -> impl Strategy<Value = MqttTopic> {
        let channel = proptest::sample::select(Channel::ALL.to_vec());
        prop_oneof![
            (name(), name(), channel).prop_map(|(fleet, agent, c)| MqttTopic::Agent(
                fleet.parse().unwrap(),
                agent.parse().unwrap(),
                c
            )),
            (name(), any::<[u8; 32]>())
                .prop_map(|(fleet, hash)| MqttTopic::Model(fleet.parse().unwrap(), ModelHash(hash))),
        ]
    }

    proptest! {
        /// Nobody but the owner and the collector, and never both write; models and wishes are read by both.
        #[test]
        fn a_topic_has_one_side_that_writes(topic in topic(), me in name(), fleet in proptest::option::of(name())) {
            let me = agent(&me, fleet.as_deref());
            for access in [TopicAccess::Read, TopicAccess::Write] {
                let (mine, collectors) = (
                    every().allows(&me, access, &topic).is_ok(),
                    every().allows(&Principal::Collector, access, &topic).is_ok(),
                );
                let is_read_by_both = access == TopicAccess::Read
                    && matches!(topic, MqttTopic::Model(..) | MqttTopic::Agent(_, _, Channel::ModelDesired));
                prop_assert!(!(mine && collectors) || is_read_by_both);
                if mine {
                    let Principal::Agent { name, fleet } = &me else { unreachable!() };
                    let (of, agent) = match &topic {
                        MqttTopic::Agent(of, agent, _) => (of, Some(agent)),
                        MqttTopic::Model(of, _) => (of, None),
                    };
                    prop_assert!(fleet.as_ref().is_none_or(|fleet| fleet == of));
                    prop_assert!(agent.is_none_or(|agent| agent == name));
                }
            }
        }

        /// What an agent may subscribe to matches no topic but itself, and is its own.
        #[test]
        fn no_filter_of_an_agent_reaches_another(
            filter in "(oddline/v1/([a-c-]{1,2}|[+#])/([a-c-]{1,2}|[+#]|_models)/(ack|model/desired|events|[+#]|[0-9a-f]{64}))|\\PC{0,20}",
            me in name(),
        ) {
            let me = agent(&me, Some("a"));
            if every().subscribe(&me, &filter).is_ok() {
                prop_assert!(!filter.contains(['+', '#', '$']));
                let topic: MqttTopic = filter.parse().unwrap();
                prop_assert!(every().allows(&me, TopicAccess::Read, &topic).is_ok());
            }
        }

        /// A client identifier gives the rights of one agent of one fleet, and no other certificate may use it.
        #[test]
        fn a_client_identifier_is_one_agents(topic in topic(), fleet in name(), agent in name()) {
            let id = client_id::of(&fleet.parse().unwrap(), &agent.parse().unwrap());
            let who = Principal::by_word(None, &id).unwrap();
            if let MqttTopic::Agent(of, its, channel) = &topic {
                let same = of.as_str() == fleet && its.as_str() == agent;
                prop_assert_eq!(every().allows(&who, TopicAccess::Write, &topic).is_ok(), same && channel.is_from_agent());
                let other = Principal::by_certificate(its.as_str(), Some(of.as_str())).unwrap();
                prop_assert_eq!(other.may_be_client(&id, &ServedFleets::Every).is_ok(), same);
            }
        }
    }
}
