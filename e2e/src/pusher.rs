//! What a collector says about models: a model's bytes under its hash, and which model an agent is to run. Retained.

use std::{path::Path, process::Command, time::Duration};

use oddline_core::{
    id::{AgentName, FleetName, ModelHash},
    topic::{Channel, MqttTopic},
    wire::{DesiredModel, SignedModel, encode_model},
};
use rumqttc::{AsyncClient, Event, Packet, PubAckReason, PublishOptions, QoS};
use tokio::time::timeout;

use crate::{mosquitto::Mosquitto, subscriber::options};

/// A model is published within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes a model's bytes with their signature.
pub fn publish_model(broker: &Mosquitto, fleet: &FleetName, sha256: ModelHash, model: &[u8], signature: &str) {
    let payload = encode_model(SignedModel { model, signature }).expect("a test's model is within the bounds");
    retain(broker, MqttTopic::Model(fleet.clone(), sha256).to_string(), payload);
}

/// Says which model an agent is to run.
pub fn desire(broker: &Mosquitto, fleet: &FleetName, agent: &AgentName, desired: &DesiredModel) {
    let topic = MqttTopic::Agent(fleet.clone(), agent.clone(), Channel::ModelDesired);
    retain(broker, topic.to_string(), desired.to_json());
}

fn retain(broker: &Mosquitto, topic: String, payload: Vec<u8>) {
    let mut options = options(broker.folder(), broker.port());
    options.set_client_id("e2e-pusher".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let published = async {
        let client = AsyncClient::builder(options).capacity(4).try_build();
        let (client, mut events) = client.expect("these options are good");
        loop {
            match events.poll().await.expect("the broker is there") {
                Event::Incoming(Packet::ConnAck(_)) => {
                    let retained = PublishOptions::new(QoS::AtLeastOnce).retain(true);
                    client.try_publish(topic.as_str(), payload.clone(), retained).expect("an empty queue has room");
                }
                Event::Incoming(Packet::PubAck(ack)) => {
                    // Whoever comes later hears what is retained.
                    let is_kept = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                    assert!(is_kept, "{topic}: {:?}", ack.reason);
                    return;
                }
                _ => {}
            }
        }
    };
    let done = runtime.block_on(async { timeout(PATIENCE, published).await });
    assert!(done.is_ok(), "{topic} is not published");
}

/// A model file's hash, as the stock tool finds it.
///
/// # Panics
/// When the file is not there.
#[must_use]
pub fn hash_of(path: &Path) -> ModelHash {
    let output = Command::new("sha256sum").arg(path).output().expect("coreutils are there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().and_then(|hex| hex.parse().ok()).expect("a file that is there has a hash")
}
