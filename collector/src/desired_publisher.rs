//! Which model each agent should run, told to the broker: the model's bytes once a fleet, the wish once an agent, all
//! retained. The store is the truth; what the broker keeps is made equal to it at every connection and after every
//! change, and what nobody refers to is cleared.

use std::collections::{BTreeMap, BTreeSet};

use oddline_core::{
    event::BoundedText,
    id::{AgentName, FleetName, ModelHash},
    topic::{Channel, MqttTopic},
    wire::{DesiredModel, ModelId, SignedModel, encode_model},
};
use oddline_link::session::SessionHandle;

use crate::store::{DesiredRow, Store, StoreError};

/// What the broker was told on this connection.
#[derive(Debug)]
pub(crate) struct DesiredPublisher {
    store: Store,
    link: SessionHandle,
    told: BTreeMap<DesiredKey, PublishedDesire>,
}

/// A retained topic, in an order: models before wishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum DesiredKey {
    Model(FleetName, ModelHash),
    Desired(FleetName, AgentName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PublishedDesire {
    /// The broker kept something from before; what, is not looked at.
    Before,
    /// The bytes that the topic's hash names, with this signature.
    Model(String),
    Desired(Vec<u8>),
}

impl DesiredPublisher {
    #[must_use]
    pub(crate) fn new(store: Store, link: SessionHandle) -> Self {
        Self { store, link, told: BTreeMap::new() }
    }

    /// A new connection: perhaps to a broker that has forgotten everything.
    pub(crate) fn connected(&mut self) {
        self.told.clear();
    }

    /// The broker still has a message there.
    pub(crate) fn kept(&mut self, topic: MqttTopic) {
        if let Some(key) = DesiredKey::of(topic) {
            self.told.entry(key).or_insert(PublishedDesire::Before);
        }
    }

    /// Whether the broker has something that was not looked at yet.
    #[must_use]
    pub(crate) fn has_leftovers(&self) -> bool {
        self.told.values().any(|told| *told == PublishedDesire::Before)
    }

    /// Tells what is new and clears what nobody wishes, in the fleets that `is_ours` names.
    ///
    /// # Errors
    /// When the store fails; what was told until then stays told.
    pub(crate) async fn publish(&mut self, is_ours: impl Fn(&FleetName) -> bool) -> Result<(), StoreError> {
        self.told.retain(|key, _| is_ours(key.fleet()));
        let wishes = self.store.desired_models().await?.into_iter().filter(|wish| is_ours(&wish.who.fleet));
        let mut wanted: BTreeMap<DesiredKey, PublishedDesire> = BTreeMap::new();
        for wish in wishes {
            let model = ModelId { sha256: wish.sha256, version: wish.version };
            let DesiredRow { who, rollback, signature, .. } = wish;
            // In the wish too: an agent that has refused a model looks at it again when its wish changes.
            let newest = (!signature.is_empty()).then(|| BoundedText::cut(&signature));
            let desired = DesiredModel { model, rollback, signature: newest };
            wanted.insert(DesiredKey::Model(who.fleet.clone(), model.sha256), PublishedDesire::Model(signature));
            wanted.insert(DesiredKey::Desired(who.fleet, who.agent), PublishedDesire::Desired(desired.to_json()));
        }
        for (key, told) in &wanted {
            if self.told.get(key) == Some(told) {
                continue;
            }
            let payload = match (key, told) {
                (DesiredKey::Model(_, hash), _) => self.bytes(*hash).await?,
                (DesiredKey::Desired(..), PublishedDesire::Desired(json)) => json.clone(),
                (DesiredKey::Desired(..), PublishedDesire::Before | PublishedDesire::Model(_)) => continue,
            };
            self.link.publish(key.topic(), payload, true).await;
            self.told.insert(key.clone(), told.clone());
        }
        let gone: BTreeSet<DesiredKey> = self.told.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in gone {
            // An empty retained message takes the one before away.
            self.link.publish(key.topic(), Vec::new(), true).await;
            self.told.remove(&key);
        }
        Ok(())
    }

    async fn bytes(&self, hash: ModelHash) -> Result<Vec<u8>, StoreError> {
        let absent = || StoreError::Field { table: "models", what: format!("absence of {hash}") };
        let (bytes, signature) = self.store.model_bytes(hash).await?.ok_or_else(absent)?;
        let signed = SignedModel { signature: &signature, model: &bytes };
        encode_model(signed).map_err(|error| StoreError::Field { table: "models", what: error.to_string() })
    }
}

impl DesiredKey {
    fn of(topic: MqttTopic) -> Option<Self> {
        match topic {
            MqttTopic::Model(fleet, hash) => Some(Self::Model(fleet, hash)),
            MqttTopic::Agent(fleet, agent, Channel::ModelDesired) => Some(Self::Desired(fleet, agent)),
            MqttTopic::Agent(..) => None,
        }
    }

    fn fleet(&self) -> &FleetName {
        match self {
            Self::Model(fleet, _) | Self::Desired(fleet, _) => fleet,
        }
    }

    fn topic(&self) -> String {
        match self.clone() {
            Self::Model(fleet, hash) => MqttTopic::Model(fleet, hash).to_string(),
            Self::Desired(fleet, agent) => MqttTopic::Agent(fleet, agent, Channel::ModelDesired).to_string(),
        }
    }
}
