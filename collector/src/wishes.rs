//! Which model each agent should run, told to the broker: the model's bytes once a fleet, the wish once an agent, all
//! retained. The store is the truth; what the broker keeps is made equal to it at every connection and after every
//! change, and what nobody refers to is cleared.

use std::collections::{BTreeMap, BTreeSet};

use oddline_core::{
    event::Text,
    id::{AgentName, FleetName, ModelHash},
    topic::{Channel, Topic},
    wire::{Desired, ModelId, SignedModel, encode_model},
};

use crate::{
    store::{Store, StoreError, Wish},
    subscribe::Link,
};

/// What the broker was told on this connection.
#[derive(Debug)]
pub struct Wishes {
    store: Store,
    link: Link,
    told: BTreeMap<Key, Told>,
}

/// A retained topic, in an order: models before wishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Model(FleetName, ModelHash),
    Desired(FleetName, AgentName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// The broker kept something from before; what, is not looked at.
    Before,
    /// The bytes that the topic's hash names, with this signature.
    Model(String),
    /// This wish.
    Desired(Vec<u8>),
}

impl Wishes {
    /// Nothing is told yet.
    #[must_use]
    pub fn new(store: Store, link: Link) -> Self {
        Self { store, link, told: BTreeMap::new() }
    }

    /// A new connection: perhaps to a broker that has forgotten everything.
    pub fn connected(&mut self) {
        self.told.clear();
    }

    /// The broker still has a message there.
    pub fn kept(&mut self, topic: Topic) {
        if let Some(key) = Key::of(topic) {
            self.told.entry(key).or_insert(Told::Before);
        }
    }

    /// Whether the broker has something that was not looked at yet.
    #[must_use]
    pub fn has_leftovers(&self) -> bool {
        self.told.values().any(|told| *told == Told::Before)
    }

    /// Tells what is new and clears what nobody wishes, in the fleets that `is_ours` names.
    ///
    /// # Errors
    /// When the store fails; what was told until then stays told.
    pub async fn tell(&mut self, is_ours: impl Fn(&FleetName) -> bool) -> Result<(), StoreError> {
        self.told.retain(|key, _| is_ours(key.fleet()));
        let wishes = self.store.wishes().await?.into_iter().filter(|wish| is_ours(&wish.who.fleet));
        let mut wanted: BTreeMap<Key, Told> = BTreeMap::new();
        for wish in wishes {
            let model = ModelId { sha256: wish.hash()?, version: wish.version };
            let Wish { who, rollback, signature, .. } = wish;
            // In the wish too: an agent that has refused a model looks at it again when its wish changes.
            let newest = (!signature.is_empty()).then(|| Text::cut(&signature));
            let desired = Desired { model, rollback, signature: newest };
            wanted.insert(Key::Model(who.fleet.clone(), model.sha256), Told::Model(signature));
            wanted.insert(Key::Desired(who.fleet, who.agent), Told::Desired(desired.to_json()));
        }
        for (key, told) in &wanted {
            if self.told.get(key) == Some(told) {
                continue;
            }
            let payload = match (key, told) {
                (Key::Model(_, hash), _) => self.bytes(*hash).await?,
                (Key::Desired(..), Told::Desired(json)) => json.clone(),
                (Key::Desired(..), Told::Before | Told::Model(_)) => continue,
            };
            self.link.publish(key.topic(), payload, true).await;
            self.told.insert(key.clone(), told.clone());
        }
        let gone: BTreeSet<Key> = self.told.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in gone {
            // An empty retained message takes the one before away.
            self.link.publish(key.topic(), Vec::new(), true).await;
            self.told.remove(&key);
        }
        Ok(())
    }

    async fn bytes(&self, hash: ModelHash) -> Result<Vec<u8>, StoreError> {
        let absent = || StoreError::Field { table: "models", what: format!("absence of {hash}") };
        let (bytes, signature) = self.store.model_bytes(&hash.to_string()).await?.ok_or_else(absent)?;
        let signed = SignedModel { signature: &signature, model: &bytes };
        encode_model(signed).map_err(|error| StoreError::Field { table: "models", what: error.to_string() })
    }
}

impl Key {
    fn of(topic: Topic) -> Option<Self> {
        match topic {
            Topic::Model(fleet, hash) => Some(Self::Model(fleet, hash)),
            Topic::Agent(fleet, agent, Channel::ModelDesired) => Some(Self::Desired(fleet, agent)),
            Topic::Agent(..) => None,
        }
    }

    fn fleet(&self) -> &FleetName {
        match self {
            Self::Model(fleet, _) | Self::Desired(fleet, _) => fleet,
        }
    }

    fn topic(&self) -> String {
        match self.clone() {
            Self::Model(fleet, hash) => Topic::Model(fleet, hash).to_string(),
            Self::Desired(fleet, agent) => Topic::Agent(fleet, agent, Channel::ModelDesired).to_string(),
        }
    }
}
