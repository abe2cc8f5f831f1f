//! The same rules for mosquitto: its configuration and its access list as text. `packaging/mosquitto` holds both as
//! written for [`MosquittoSite::default`]; a test keeps them true, another one asks a real mosquitto.
//!
//! What mosquitto cannot express: it knows an agent by its certificate's CN only, so with several fleets on one broker
//! an agent name must be unique among all of them; and it keeps retained messages on any topic that may be written. It
//! reads `crl.pem` when it starts.

use std::path::PathBuf;

use oddline_core::{
    id::{AgentName, FleetName, ModelHash},
    topic::{Channel, MqttTopic},
};

use super::{
    acl::{AccessRules, Principal, TopicAccess},
    settings::BrokerLimits,
};
use crate::fleet::{COLLECTOR, ServedFleets};

/// Where things are on the machine that runs mosquitto.
#[derive(Debug, Clone)]
pub struct MosquittoSite {
    pub port: u16,
    /// PEM certificate of the authority.
    pub ca: PathBuf,
    /// PEM certificate of the broker.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// PEM list of revoked certificates.
    pub crl: PathBuf,
    pub acl: PathBuf,
}

impl Default for MosquittoSite {
    fn default() -> Self {
        let at = |name: &str| PathBuf::from("/etc/mosquitto/oddline").join(name);
        Self {
            port: 8883,
            ca: at("ca.pem"),
            certificate: at("server.pem"),
            key: at("server.key"),
            crl: at("crl.pem"),
            acl: at("acl"),
        }
    }
}

/// The text of `mosquitto.conf`.
#[must_use]
pub fn configuration(site: &MosquittoSite, limits: &BrokerLimits) -> String {
    let MosquittoSite { port, ca, certificate, key, crl, acl } = site;
    format!(
        "# mosquitto for Oddline: agents and the collector, each with a certificate whose CN is its name.\n\
         # `oddline-collector enroll-broker NAME --out DIR` makes the files, and crl.pem anew after `revoke`; acl is beside this one.\n\
         listener {port}\n\
         cafile {ca}\n\
         certfile {certificate}\n\
         keyfile {key}\n\
         # Read at start: restart mosquitto after revoking an agent.\n\
         crlfile {crl}\n\
         require_certificate true\n\
         use_identity_as_username true\n\
         # And as its client identifier, whatever it asks for: nobody ends or takes up another's session.\n\
         # Several collectors would end each other's: give them a listener of their own without this line.\n\
         use_username_as_clientid true\n\
         allow_anonymous false\n\
         acl_file {acl}\n\
         \n\
         # It may forget everything: agents and the collector say again what counts.\n\
         persistence false\n\
         \n\
         max_connections {connections}\n\
         # A model with its signature.\n\
         max_packet_size {packet}\n\
         max_inflight_messages 256\n\
         # What all agents retain comes at once when the collector subscribes.\n\
         max_queued_messages {queue}\n\
         max_keepalive 600\n",
        ca = ca.display(),
        certificate = certificate.display(),
        key = key.display(),
        crl = crl.display(),
        acl = acl.display(),
        connections = limits.connections,
        packet = limits.packet_bytes,
        queue = limits.collector_queue,
    )
}

/// The text of the access list.
#[must_use]
pub fn access_list(fleets: &ServedFleets) -> String {
    let starts: Vec<String> = match fleets {
        ServedFleets::Every => vec![start_of(&Channel::Birth.of_all())],
        ServedFleets::Only(fleets) => fleets.iter().map(|fleet| start_of(&Channel::Birth.of_fleet(fleet))).collect(),
    };
    let mut agents = String::from("# An agent; %u is the CN of its certificate.\n");
    let mut collector = format!("\n# The collector.\nuser {COLLECTOR}\n");
    for start in starts {
        for channel in Channel::ALL {
            let (topic, last) = (MqttTopic::Agent(fleet(), agent(), channel), channel.as_str());
            agents += &line("pattern", &probe(), &topic, &format!("{start}%u/{last}"));
            collector += &line("topic", &Principal::Collector, &topic, &format!("{start}+/{last}"));
        }
        let model = MqttTopic::Model(fleet(), ModelHash([0; 32]));
        // Its level that stands where an agent's name does.
        let text = model.to_string();
        let models = text.split('/').nth(3).expect("the grammar of topics");
        agents += &line("pattern", &probe(), &model, &format!("{start}{models}/+"));
        collector += &line("topic", &Principal::Collector, &model, &format!("{start}{models}/+"));
    }
    agents + &collector
}

/// What the rules say about one topic, for all that are like it.
fn line(keyword: &str, who: &Principal, like: &MqttTopic, filter: &str) -> String {
    let rules = AccessRules { fleets: ServedFleets::Every };
    let may = |access| rules.allows(who, access, like).is_ok();
    match (may(TopicAccess::Read), may(TopicAccess::Write)) {
        (true, true) => format!("{keyword} readwrite {filter}\n"),
        (true, false) => format!("{keyword} read {filter}\n"),
        (false, true) => format!("{keyword} write {filter}\n"),
        (false, false) => String::new(),
    }
}

/// A filter up to the agent's level.
fn start_of(births: &str) -> String {
    let end = format!("+/{}", Channel::Birth.as_str());
    births.strip_suffix(&end).expect("the grammar of filters").to_owned()
}

fn probe() -> Principal {
    Principal::Agent { name: agent(), fleet: Some(fleet()) }
}

fn fleet() -> FleetName {
    "fleet".parse().expect("lowercase letters")
}

fn agent() -> AgentName {
    "agent".parse().expect("lowercase letters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_what_the_rules_say() {
        let shipped = include_str!("../../../packaging/mosquitto/mosquitto.conf");
        assert_eq!(configuration(&MosquittoSite::default(), &BrokerLimits::default()), shipped);
        assert_eq!(access_list(&ServedFleets::Every), include_str!("../../../packaging/mosquitto/acl"));
    }

    #[test]
    fn each_fleet_has_its_lines() {
        let fleets = ServedFleets::Only(["home".parse().unwrap(), "shop".parse().unwrap()].into());
        let list = access_list(&fleets);
        assert!(list.contains("pattern write oddline/v1/shop/%u/model/state\n"));
        assert!(list.contains("pattern read oddline/v1/home/_models/+\n"));
        assert!(!list.contains("/+/+/") && !list.contains("v1/+"), "{list}");
        assert_eq!(list.matches("\npattern ").count(), 16);
        assert_eq!(list.matches("\ntopic ").count(), 16);
    }
}
