//! Two agents under one name, against a real mosquitto.

use oddline_core::topic::Channel;
use oddline_link::session::message::ConnectionEvent;
use tokio::time::timeout;

use super::broker_test::{Broker, PATIENCE, topic};

#[tokio::test]
async fn two_agents_under_one_name_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start("publish::broker_test: one name", folder.path()) else { return };
    let begin = |seed| broker.settings("pi", seed).start(vec![topic("pi", Channel::Ack)]);
    let mut first = begin(1);
    assert!(matches!(timeout(PATIENCE, first.next()).await.unwrap(), ConnectionEvent::Up));
    let _second = begin(2);
    // The broker says why; where its word is lost with the connection, a row of short ones tells.
    let is_told = |why: &str| {
        why.contains("another client uses the name home/pi (session taken over)")
            || why.contains("if another client uses the name home/pi")
    };
    let told = async {
        loop {
            if let ConnectionEvent::Down { reason: why, .. } = first.next().await
                && is_told(&why)
            {
                return why;
            }
        }
    };
    let why = timeout(PATIENCE, told).await.unwrap();
    assert!(why.contains("another name"), "and what to do: {why}");
}
