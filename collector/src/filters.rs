//! Topics that a collector listens to: of all fleets, or of those that are its own.

use std::collections::BTreeSet;

use oddline_core::{id::FleetName, topic::Channel};

use crate::broker::acl::models_of;

/// What agents say and is kept here, and what a collector wished for them before.
const HEARD: [Channel; 5] =
    [Channel::Birth, Channel::Status, Channel::Events, Channel::ModelState, Channel::ModelDesired];

/// What one collector of all fleets listens to; where models are, what is left of earlier ones is found.
#[must_use]
pub(crate) fn all_filters(known: &BTreeSet<FleetName>) -> Vec<String> {
    HEARD.into_iter().map(Channel::of_all).chain(known.iter().map(models_of)).collect()
}

/// What one collector of several listens to for a fleet that is its own.
#[must_use]
pub(crate) fn filters_of(fleet: &FleetName) -> Vec<String> {
    HEARD.into_iter().map(|channel| channel.of_fleet(fleet)).chain([models_of(fleet)]).collect()
}
