//! Plain loopback: who may say and hear what, what is kept, and what a restart leaves.

use std::collections::BTreeMap;

use oddline_collector::broker::{BrokerError, BrokerLimits, EmbeddedBroker, ServedFleets};
use oddline_core::topic::Channel;
use rumqttc::{PubAckReason, QoS, SubscribeReasonCode};

use super::client::{Client, agent, broker, collector, named, options, settings, topic, until, with_will};

#[tokio::test]
async fn what_is_said_arrives_and_what_is_kept_is_kept() {
    let broker = broker().await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Events.of_all()).await;
    let mut pi = agent(&broker, "pi").await;
    assert_eq!(pi.publish(&topic("pi", "events"), "a batch", false).await, PubAckReason::Success);
    let heard = ear.message().await;
    assert_eq!((heard.topic.as_str(), heard.payload.as_slice()), ("oddline/v1/home/pi/events", b"a batch".as_slice()));

    // Both ways, and a model as large as one may be.
    let model = format!("oddline/v1/home/_models/{}", "ab".repeat(32));
    let bytes: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(ear.publish(&model, bytes.clone(), true).await, PubAckReason::Success);
    pi.listen(&topic("pi", "ack")).await;
    ear.publish(&topic("pi", "ack"), "acked", false).await;
    assert_eq!(pi.message().await.payload, b"acked");
    pi.listen(&model).await;
    let got = pi.message().await;
    assert!(got.retain && got.payload == bytes);

    // Cleared, it is gone.
    ear.publish(&model, "", true).await;
    assert_eq!(broker.figures().retained, 0);
    broker.stop().await;
}

#[tokio::test]
async fn all_of_many_retained_topics_come_back() {
    let broker = broker().await;
    for i in 0..150 {
        let name = format!("pi-{i}");
        let mut pi = agent(&broker, &name).await;
        for payload in [format!("old {i}"), format!("birth {i}")] {
            assert_eq!(pi.publish(&topic(&name, "birth"), payload, true).await, PubAckReason::Success);
        }
        pi.goodbye().await;
    }
    assert_eq!(broker.figures().retained, 150);
    for filter in [Channel::Birth.of_all(), Channel::Birth.of_fleet(&"home".parse().unwrap())] {
        let mut ear = collector(broker.login()).await;
        ear.listen(&filter).await;
        let mut heard = BTreeMap::new();
        while heard.len() < 150 {
            let message = ear.message().await;
            assert!(message.retain);
            assert_eq!(heard.insert(message.topic, message.payload), None);
        }
        for i in 0..150 {
            assert_eq!(heard[&topic(&format!("pi-{i}"), "birth")], format!("birth {i}").into_bytes());
        }
        ear.goodbye().await;
    }
}

#[tokio::test]
async fn nobody_writes_or_reads_under_anothers_name() {
    let broker = broker().await;
    let mut web = agent(&broker, "web").await;
    let mut pi = agent(&broker, "pi").await;
    let mut ear = collector(broker.login()).await;
    for channel in Channel::ALL {
        let (own, others) = (topic("pi", channel.as_str()), topic("web", channel.as_str()));
        let agent_writes = channel.is_from_agent();
        let wanted = |granted| if granted { PubAckReason::Success } else { PubAckReason::NotAuthorized };
        let heard = |granted| {
            if granted { SubscribeReasonCode::Success(QoS::AtLeastOnce) } else { SubscribeReasonCode::NotAuthorized }
        };
        assert_eq!(pi.publish(&own, "x", false).await, wanted(agent_writes), "{own}");
        assert_eq!(pi.publish(&others, "x", false).await, PubAckReason::NotAuthorized, "{others}");
        assert_eq!(pi.subscribe(&own).await, heard(!agent_writes), "{own}");
        assert_eq!(pi.subscribe(&others).await, SubscribeReasonCode::NotAuthorized, "{others}");
        assert_eq!(ear.publish(&own, "x", false).await, wanted(!agent_writes), "{own}");
        let collector_reads = agent_writes || channel == Channel::ModelDesired;
        assert_eq!(ear.subscribe(&own).await, heard(collector_reads), "{own}");
    }
    for filter in ["#", "+/#", "oddline/v1/home/+/ack", "oddline/v1/home/web/#", "oddline/v1/home/_models/+", "$SYS/#"]
    {
        assert_eq!(pi.subscribe(filter).await, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    for filter in ["#", "oddline/v1/#", "oddline/v1/+/+/ack"] {
        assert_eq!(ear.subscribe(filter).await, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    let model = format!("oddline/v1/home/_models/{}", "ab".repeat(32));
    assert_eq!(pi.publish(&model, "poison", true).await, PubAckReason::NotAuthorized);
    assert_eq!(pi.publish(&topic("pi", "events"), "kept?", true).await, PubAckReason::NotAuthorized);
    assert_eq!(pi.publish("elsewhere", "x", false).await, PubAckReason::NotAuthorized);
    // A refusal does not cost the connection.
    assert!(pi.is_served(&topic("pi", "events")).await && web.is_served(&topic("web", "events")).await);
    let figures = broker.figures();
    assert_eq!(figures.retained, 0);
    assert!(figures.publishes_refused >= 10 && figures.subscribes_refused >= 15, "{figures:?}");
}

#[tokio::test]
async fn a_last_will_is_ones_own_and_is_heard() {
    let broker = broker().await;
    let mut ear = collector(broker.login()).await;
    ear.listen(&Channel::Status.of_all()).await;
    let address = broker.local_addr();
    let refused = Client::connect(with_will(named(address, "pi"), &topic("web", "status"))).await;
    assert!(refused.err().unwrap().contains("NotAuthorized"));
    let refused = Client::connect(with_will(named(address, "pi"), &topic("pi", "events"))).await;
    assert!(refused.err().unwrap().contains("NotAuthorized"), "a retained will on a topic that keeps nothing");
    let pi = Client::connect(with_will(named(address, "pi"), &topic("pi", "status"))).await.unwrap();
    pi.vanish();
    let heard = ear.message().await;
    assert_eq!((heard.topic, heard.payload), (topic("pi", "status"), b"down".to_vec()));
    until("it is kept", || broker.figures().retained == 1).await;
}

#[tokio::test]
async fn names_on_loopback_cannot_be_the_collectors_nor_take_anothers_session() {
    let broker = broker().await;
    let mut pi = agent(&broker, "pi").await;
    let refusal = async |id: &str, user: Option<&str>, password: &str, address| {
        let mut options = options(id, address);
        if let Some(user) = user {
            options.set_credentials(user, password.to_owned());
        }
        Client::connect(options).await.err().unwrap_or_else(|| panic!("{id} {user:?} came in"))
    };
    let (door, inner) = (broker.local_addr(), broker.login().address);
    // Through the gate and straight to the library.
    for address in [door, inner] {
        for password in ["", "guess", &"0".repeat(64)] {
            let why = refusal("collector-1", Some("collector"), password, address).await;
            assert!(why.contains("BadUserNamePassword"), "{why}");
        }
    }
    // The secret does not make somebody else of the collector.
    assert!(refusal("oddline_home_pi", Some("collector"), &broker.login().password, inner).await.contains("NotAuth"));
    assert!(refusal("oddline_home_web", Some("web"), "", inner).await.contains("NotAuth"), "past the gate");
    assert!(refusal("mosquitto-sub", None, "", door).await.contains("NotAuth"));
    assert!(refusal("oddline_home_pi", Some("web"), "", door).await.contains("NotAuth"), "another's session");
    assert!(refusal("x", Some("Not A Name"), "", door).await.contains("NotAuth"));
    assert!(pi.is_served(&topic("pi", "events")).await);

    // Nothing but the identifier that agents use.
    let mut web = Client::connect(options("oddline_home_web", door)).await.unwrap();
    assert_eq!(web.publish(&topic("web", "events"), "x", false).await, PubAckReason::Success);
    assert_eq!(web.publish(&topic("pi", "events"), "x", false).await, PubAckReason::NotAuthorized);
    assert!(broker.figures().connects_refused >= 11, "{:?}", broker.figures());
}

#[tokio::test]
async fn whoever_comes_again_ends_ones_own_old_connection() {
    let broker = broker().await;
    let mut before = agent(&broker, "pi").await;
    before.listen(&topic("pi", "ack")).await;
    let mut after = agent(&broker, "pi").await;
    println!("the old one: {}", before.end().await);
    after.listen(&topic("pi", "ack")).await;
    let mut ear = collector(broker.login()).await;
    ear.publish(&topic("pi", "ack"), "to the new one", false).await;
    assert_eq!(after.message().await.payload, b"to the new one");
    until("one is left", || broker.figures().connections == 1).await;
}

#[tokio::test]
async fn fleets_that_are_not_served_are_refused() {
    let fleets = ServedFleets::Only(["shop".parse().unwrap()].into());
    let broker = EmbeddedBroker::start(oddline_collector::broker::BrokerSettings {
        fleets,
        ..settings(BrokerLimits::default())
    });
    let broker = broker.await.unwrap();
    let why = Client::connect(named(broker.local_addr(), "pi")).await.err().unwrap();
    assert!(why.contains("NotAuthorized"), "{why}");
    let mut options = options("oddline_shop_pi", broker.local_addr());
    options.set_credentials("pi", "");
    let mut pi = Client::connect(options).await.unwrap();
    assert_eq!(pi.publish(&topic("pi", "events"), "x", false).await, PubAckReason::NotAuthorized);
    assert_eq!(pi.publish("oddline/v1/shop/pi/events", "x", false).await, PubAckReason::Success);
}

#[tokio::test]
async fn a_restart_on_the_same_port_has_forgotten_everything() {
    let first = broker().await;
    let address = first.local_addr();
    let mut pi = agent(&first, "pi").await;
    pi.publish(&topic("pi", "birth"), "I am", true).await;
    let (secret, inner) = (first.login().password.clone(), first.login().address);
    first.stop().await;
    println!("the agent saw: {}", pi.end().await);

    let again = EmbeddedBroker::start(oddline_collector::broker::BrokerSettings {
        listen: address,
        ..settings(BrokerLimits::default())
    });
    let again = again.await.unwrap();
    assert_eq!(again.local_addr(), address);
    assert_eq!(again.figures().retained, 0);
    assert_ne!(again.login().password, secret);
    assert!(again.login().address != inner || Client::connect(options("x", inner)).await.is_err());
    let mut pi = agent(&again, "pi").await;
    assert_eq!(pi.publish(&topic("pi", "birth"), "I am", true).await, PubAckReason::Success);
    let mut ear = collector(again.login()).await;
    ear.listen(&Channel::Birth.of_all()).await;
    assert_eq!(ear.message().await.payload, b"I am");
    drop(again);
    // Dropped, it ends as well.
    pi.end().await;
}

#[tokio::test]
async fn it_does_not_start_where_it_must_not_or_cannot() {
    let open = oddline_collector::broker::BrokerSettings {
        listen: ([0, 0, 0, 0], 0).into(),
        ..settings(BrokerLimits::default())
    };
    assert!(matches!(EmbeddedBroker::start(open).await, Err(BrokerError::Exposed(_))));
    let first = broker().await;
    let taken =
        oddline_collector::broker::BrokerSettings { listen: first.local_addr(), ..settings(BrokerLimits::default()) };
    let error = EmbeddedBroker::start(taken).await.unwrap_err();
    assert!(matches!(error, BrokerError::Listen { .. }), "{error}");
    assert!(agent(&first, "pi").await.is_served(&topic("pi", "events")).await);
}

#[tokio::test]
async fn retained_memory_is_bounded_and_said_so() {
    let limits = BrokerLimits { retained: 3, retained_bytes: 4096, ..BrokerLimits::default() };
    let broker = EmbeddedBroker::start(settings(limits)).await.unwrap();
    let mut pi = agent(&broker, "pi").await;
    for channel in ["birth", "status", "model/state"] {
        assert_eq!(pi.publish(&topic("pi", channel), "x", true).await, PubAckReason::Success);
    }
    let mut web = agent(&broker, "web").await;
    assert_eq!(web.publish(&topic("web", "birth"), "x", true).await, PubAckReason::QuotaExceeded);
    assert_eq!(pi.publish(&topic("pi", "birth"), vec![b'x'; 5000], true).await, PubAckReason::QuotaExceeded);
    assert!(web.is_served(&topic("web", "events")).await);
    let figures = broker.figures();
    assert_eq!((figures.retained, figures.retained_refused), (3, 2));
    // Room is made, room is taken; also by a will, whose refusal nobody hears.
    assert_eq!(pi.publish(&topic("pi", "birth"), "", true).await, PubAckReason::Success);
    assert_eq!(web.publish(&topic("web", "birth"), "x", true).await, PubAckReason::Success);
    web.goodbye().await;
    // Another identifier: a session that is on its way out refuses its own.
    let mut options = options("oddline_shop_web", broker.local_addr());
    options.set_credentials("web", "");
    let web = Client::connect(with_will(options, &topic("web", "status"))).await.unwrap();
    web.vanish();
    until("the will is refused", || broker.figures().retained_refused == 3).await;
    assert_eq!(broker.figures().retained, 3);
}
