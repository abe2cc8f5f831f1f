//! The broker is told what agents should run: when it is there again, when an agent or a fleet is new, and when a push by
//! another process is found.

use std::{collections::BTreeSet, time::Duration};

use log::warn;
use oddline_core::{id::FleetName, topic::MqttTopic};
use tokio::time::{Interval, MissedTickBehavior, interval};

use oddline_link::session::SessionHandle;

use crate::{desired_publisher::DesiredPublisher, store::Store};

/// How often a push of another process is looked for.
const TICK: Duration = Duration::from_secs(1);

/// What the broker was told, and what the store has.
#[derive(Debug)]
pub(crate) struct DesiredModels {
    publisher: DesiredPublisher,
    store: Store,
    tick: Interval,
    changes: i64,
    connected: bool,
}

impl DesiredModels {
    #[must_use]
    pub(crate) fn new(store: Store, link: SessionHandle) -> Self {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { publisher: DesiredPublisher::new(store.clone(), link), store, tick, changes: 0, connected: false }
    }

    /// The broker is there; what it knows has to be asked anew.
    pub(crate) fn connected(&mut self) {
        self.connected = true;
        self.publisher.connected();
    }

    pub(crate) fn lost(&mut self) {
        self.connected = false;
    }

    /// The broker still has a message on this topic.
    pub(crate) fn kept(&mut self, topic: MqttTopic) {
        self.publisher.kept(topic);
    }

    /// Waits for the next look.
    pub(crate) async fn tick(&mut self) {
        self.tick.tick().await;
    }

    /// Tells the broker where something is left of an earlier time or the store has changed; `held` are the fleets of this
    /// collector, `None` where it has all.
    pub(crate) async fn look(&mut self, held: Option<&BTreeSet<FleetName>>) {
        if self.publisher.has_leftovers() {
            self.publish(held).await;
        }
        match self.store.changes().await {
            Ok(changes) if changes != self.changes => {
                self.changes = changes;
                self.publish(held).await;
            }
            Ok(_) => {}
            Err(error) => warn!("{error}"),
        }
    }

    /// Tells the broker what agents should run.
    pub(crate) async fn publish(&mut self, held: Option<&BTreeSet<FleetName>>) {
        if !self.connected {
            return;
        }
        if let Err(error) = self.publisher.publish(|fleet| held.is_none_or(|held| held.contains(fleet))).await {
            warn!("models cannot be published: {error}");
            // The next look tries again.
            self.changes = -1;
        }
    }
}
