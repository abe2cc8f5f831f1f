//! One table of who may say and hear what, asked of the embedded broker and of mosquitto with the files written from
//! the same rules.

use std::{collections::BTreeSet, fs, time::SystemTime};

use oddline_collector::{
    broker::{
        BrokerLimits, BrokerSettings, EmbeddedBroker, ServedFleets, Tls,
        acl::{AccessRules, Principal, TopicAccess},
        mosquitto::{MosquittoSite, access_list, configuration},
    },
    enroll::{Authority, Request},
};
use oddline_core::{
    id::ModelHash,
    topic::{Channel, MqttTopic},
};
use oddline_testkit::MosquittoServer;
use rumqttc::PubAckReason;

use super::client::{Client, Papers, collector, options, topic, with_tls};

#[expect(clippy::disallowed_methods, reason = "TLS compares with the wall clock, so the certificates must")]
fn now() -> SystemTime {
    SystemTime::now()
}

struct Place {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path().join("authority"), now()).unwrap();
        Self { dir, authority }
    }

    fn papers(&self, agent: &str) -> Papers {
        let request = Request {
            agent: agent.parse().unwrap(),
            fleet: "home".parse().unwrap(),
            broker: "mqtts://localhost".to_owned(),
            trusted_keys: Vec::new(),
        };
        let folder = self.authority.enroll(&request, self.dir.path(), now()).unwrap().folder.join("tls");
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        Papers { ca: read("ca.pem"), own: Some((read("agent.pem"), read("agent.key"))) }
    }
}

/// A mosquitto with our files.
fn mosquitto(test: &str, place: &Place, fleets: &ServedFleets) -> Option<MosquittoServer> {
    let files = place.authority.server(&["localhost".to_owned()], now()).unwrap();
    let acl = place.dir.path().join("acl");
    fs::write(&acl, access_list(fleets)).unwrap();
    let site = |port| MosquittoSite {
        port,
        ca: files.ca,
        certificate: files.certificate,
        key: files.key,
        crl: place.authority.crl(),
        acl,
    };
    let configuration = |port| configuration(&site(port), &BrokerLimits::default());
    let mut server = MosquittoServer::prepare(test, place.dir.path(), configuration)?;
    server.start();
    Some(server)
}

struct Party {
    who: Principal,
    client: Client,
    /// Something it hears for certain, said last.
    last: MqttTopic,
}

fn agent_of(name: &str) -> Principal {
    Principal::by_certificate(name, Some("home")).unwrap()
}

fn of(name: &str, channel: Channel) -> MqttTopic {
    MqttTopic::Agent("home".parse().unwrap(), name.parse().unwrap(), channel)
}

/// Everything anybody tries: topics of both agents, of nobody, of another fleet, models.
fn topics() -> Vec<MqttTopic> {
    let mut topics: Vec<MqttTopic> =
        ["pi", "web", "nobody"].into_iter().flat_map(|name| Channel::ALL.map(|channel| of(name, channel))).collect();
    topics.extend(Channel::ALL.map(|c| MqttTopic::Agent("shop".parse().unwrap(), "pi".parse().unwrap(), c)));
    topics.push(MqttTopic::Model("home".parse().unwrap(), ModelHash([7; 32])));
    topics.push(MqttTopic::Model("shop".parse().unwrap(), ModelHash([7; 32])));
    topics
}

/// Tries all of it and compares with the rules.
async fn obeys(rules: &AccessRules, mut parties: Vec<Party>) {
    let topics = topics();
    for party in &mut parties {
        for topic in &topics {
            // Mosquitto grants every subscription and filters what it delivers; the embedded broker refuses.
            party.client.subscribe(&topic.to_string()).await;
        }
        for filter in ["#", "oddline/v1/+/+/ack", "oddline/v1/home/_models/+", "oddline/v1/+/+/events"] {
            party.client.subscribe(filter).await;
        }
    }
    let mut asked = 0;
    for (writer, party) in parties.iter_mut().enumerate() {
        for (number, topic) in topics.iter().enumerate() {
            let allowed = rules.allows(&party.who, TopicAccess::Write, topic).is_ok();
            let payload = format!("{writer} {number}");
            let said = party.client.publish(&topic.to_string(), payload, false).await;
            let wanted = if allowed { PubAckReason::Success } else { PubAckReason::NotAuthorized };
            // What nobody hears is allowed all the same.
            let said = if said == PubAckReason::NoMatchingSubscribers { PubAckReason::Success } else { said };
            assert_eq!(said, wanted, "{:?} writes {topic}", party.who);
            asked += 1;
        }
    }
    // By now everything has been delivered or not; one more of each marks the end of what there is to hear.
    for party in 0..parties.len() {
        let last = parties[party].last.clone();
        let writer = parties.iter().position(|p| rules.allows(&p.who, TopicAccess::Write, &last).is_ok()).unwrap();
        parties[writer].client.publish(&last.to_string(), "last", false).await;
    }
    for party in &mut parties {
        let mut heard = BTreeSet::new();
        loop {
            let message = party.client.message().await;
            if message.payload == b"last" && message.topic == party.last.to_string() {
                break;
            }
            heard.insert(message.topic);
        }
        for topic in &topics {
            // Somebody has to have said something there.
            let is_said = party_writes(rules, topic);
            let wanted = is_said && rules.allows(&party.who, TopicAccess::Read, topic).is_ok();
            assert_eq!(heard.contains(&topic.to_string()), wanted, "{:?} reads {topic}", party.who);
            asked += 1;
        }
    }
    println!("{asked} answers as the rules say");
}

fn party_writes(rules: &AccessRules, topic: &MqttTopic) -> bool {
    [agent_of("pi"), agent_of("web"), Principal::Collector]
        .iter()
        .any(|who| rules.allows(who, TopicAccess::Write, topic).is_ok())
}

fn rules() -> AccessRules {
    AccessRules { fleets: ServedFleets::Only(["home".parse().unwrap()].into()) }
}

#[tokio::test]
async fn mosquitto_obeys_the_table() {
    let place = Place::new();
    let rules = rules();
    let (pi, web) = (place.papers("pi"), place.papers("web"));
    let lost = place.papers("lost");
    place.authority.revoke(&"lost".parse().unwrap(), now()).unwrap();
    let Some(server) = mosquitto("broker: mosquitto_obeys_the_table", &place, &rules.fleets) else {
        return;
    };
    let address = ([127, 0, 0, 1], server.port()).into();
    let come = async |id: &str, papers: &Papers| Client::connect(with_tls(options(id, address), papers)).await;
    let (certificate, key) = place.authority.collector(now()).unwrap();
    let own = Papers { ca: pi.ca.clone(), own: Some((certificate.into(), key.into())) };
    let mut first = come("oddline_home_pi", &pi).await.unwrap();
    // Another's client identifier ends nothing.
    for id in ["oddline_home_pi", "pi"] {
        let mut rival = come(id, &web).await.unwrap();
        rival.publish(&topic("web", "status"), "x", false).await;
        first.publish(&topic("pi", "status"), "x", false).await;
    }
    let parties = vec![
        Party { who: agent_of("pi"), client: come("pi", &pi).await.unwrap(), last: of("pi", Channel::Ack) },
        Party { who: agent_of("web"), client: come("web", &web).await.unwrap(), last: of("web", Channel::Ack) },
        Party { who: Principal::Collector, client: come("c", &own).await.unwrap(), last: of("pi", Channel::Training) },
    ];
    obeys(&rules, parties).await;

    let refused = come("lost", &lost).await.err().unwrap();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    let nothing = Papers { own: None, ..pi.clone() };
    println!("no certificate: {}", come("none", &nothing).await.err().unwrap());
    let stranger = Place::new().papers("pi");
    println!("another authority's: {}", come("x", &Papers { own: stranger.own, ..pi }).await.err().unwrap());
}

#[tokio::test]
async fn the_embedded_broker_obeys_the_table() {
    let place = Place::new();
    let rules = rules();
    let (pi, web) = (place.papers("pi"), place.papers("web"));
    let files = place.authority.server(&["localhost".to_owned()], now()).unwrap();
    let tls = Tls { certificate: files.certificate, key: files.key, client_ca: files.ca, revoked: Some(files.revoked) };
    let (fleets, limits) = (rules.fleets.clone(), BrokerLimits::default());
    let settings = BrokerSettings { listen: ([127, 0, 0, 1], 0).into(), tls: Some(tls), fleets, limits };
    let broker = EmbeddedBroker::start(settings).await.unwrap();
    let come = async |id: &str, papers: &Papers| {
        Client::connect(with_tls(options(id, broker.local_addr()), papers)).await.unwrap()
    };
    let parties = vec![
        Party { who: agent_of("pi"), client: come("oddline_home_pi", &pi).await, last: of("pi", Channel::Ack) },
        Party { who: agent_of("web"), client: come("oddline_home_web", &web).await, last: of("web", Channel::Ack) },
        Party { who: Principal::Collector, client: collector(broker.login()).await, last: of("pi", Channel::Training) },
    ];
    obeys(&rules, parties).await;
}
