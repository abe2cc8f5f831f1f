//! Which fleets are ours. A fleet is known once an agent of it is heard; of several collectors each holds a lease on its own,
//! and what is gained or lost is subscribed to or not any more. One collector has all that are known.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use log::{error, info, warn};
use oddline_core::id::FleetName;
use oddline_link::session::SessionHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    broker::acl::models_of,
    clock::now_us,
    figures::CollectorFigures,
    filters::filters_of,
    fleet::{FLEETS_MAX, FleetMet, KnownFleets},
    store::{Leases, Store, StoreError},
};

/// How often the leases are looked at.
const TICK: Duration = Duration::from_secs(1);

/// The fleets that are known, and those of them that are ours.
#[derive(Debug)]
pub(crate) struct FleetLeases {
    store: Store,
    link: SessionHandle,
    figures: Arc<CollectorFigures>,
    leases: Leases,
    known: KnownFleets,
    tick: Interval,
    /// Whether it was told that no further fleet is taken.
    is_full: bool,
}

impl FleetLeases {
    /// Begins; without other collectors all that are known are ours, and nobody of them is taken for up until heard.
    pub(crate) async fn begin(
        store: Store,
        link: SessionHandle,
        figures: Arc<CollectorFigures>,
        known: KnownFleets,
    ) -> Result<Self, StoreError> {
        let mut leases = store.leases();
        if !leases.are_shared() {
            leases.tend(&known.names()).await?;
            if let Err(error) = store.doubt(None, now_us()).await {
                warn!("agents are shown as they were: {error}");
            }
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { store, link, figures, leases, known, tick, is_full: false })
    }

    /// The fleets of this collector; `None` where it has all.
    #[must_use]
    pub(crate) fn held(&self) -> Option<&BTreeSet<FleetName>> {
        self.leases.are_shared().then(|| self.leases.held())
    }

    /// Whether a fleet is ours; with one collector every fleet is.
    #[must_use]
    pub(crate) fn is_ours(&self, fleet: &FleetName) -> bool {
        self.held().is_none_or(|held| held.contains(fleet))
    }

    /// An agent of a fleet is heard: whether its fleet is ours; with one collector every fleet is, up to the bound.
    pub(crate) async fn meet(&mut self, fleet: &FleetName) -> bool {
        let shared = self.leases.are_shared();
        match self.known.meet(fleet, now_us()) {
            FleetMet::NoRoom => {
                if !self.is_full {
                    error!("{FLEETS_MAX} fleets are known: agents of further ones are not heard until some are silent");
                }
                self.is_full = true;
                self.figures.refused.fetch_add(1, Relaxed);
                return false;
            }
            met @ (FleetMet::New | FleetMet::InsteadOf(_)) if !shared => {
                if let FleetMet::InsteadOf(gone) = met {
                    self.link.unsubscribe(vec![models_of(&gone)]).await;
                }
                self.link.subscribe(vec![models_of(fleet)]).await;
            }
            // Of several collectors the next look at the leases takes it, and gives back what is not known any more.
            FleetMet::Known | FleetMet::New | FleetMet::InsteadOf(_) => {}
        }
        self.is_ours(fleet)
    }

    /// Waits for the next look.
    pub(crate) async fn tick(&mut self) {
        self.tick.tick().await;
    }

    /// Takes over and gives back; whether a fleet was gained.
    pub(crate) async fn look(&mut self) -> bool {
        if !self.leases.are_shared() {
            return false;
        }
        let lease = match self.leases.tend(&self.known.names()).await {
            Ok(lease) => lease,
            Err(error) => {
                warn!("no fleet can be taken: {error}");
                return false;
            }
        };
        for fleet in lease.lost {
            info!("fleet {fleet} is no longer ours");
            self.link.unsubscribe(filters_of(&fleet)).await;
        }
        let gained = !lease.gained.is_empty();
        if gained && let Err(error) = self.store.doubt(Some(&lease.gained), now_us()).await {
            warn!("{error}");
        }
        for fleet in lease.gained {
            info!("fleet {fleet} is ours");
            self.link.subscribe(filters_of(&fleet)).await;
        }
        gained
    }

    /// Gives all back.
    ///
    /// # Errors
    /// When the session cannot be ended; then it ends with the program.
    pub(crate) async fn release(self) -> Result<(), StoreError> {
        self.leases.release().await
    }
}
