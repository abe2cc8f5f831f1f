//! Which models this agent has and may go to. Pure; what is decided here is stored by [`super::store`].
//!
//! A model is taken when its version is higher than any taken before: a collector without a key cannot bring back an old
//! one that was signed once. Going back is possible only to models that this agent has itself marked good, and to the
//! one that came with the package, and only by hand on this host: no wish that comes over the network is signed.

use oddline_core::wire::{DesiredModel, GOOD_MODELS_MAX, ModelId, ModelState};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelSlots {
    current: Option<ModelId>,
    /// Newest first; at most [`GOOD_MODELS_MAX`].
    good: Vec<ModelId>,
    factory: Option<ModelId>,
    /// The highest version ever taken.
    highest: u64,
    /// The model that was in use until its file could not be read: it may be fetched again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<ModelId>,
}

/// What a wish comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotDecision {
    Already,
    /// Its bytes are needed.
    Fetch,
    /// It must not be used.
    Refuse(SlotRefusal),
}

/// Why a model must not be used, by version and history alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SlotRefusal {
    #[error("version {version} is not higher than {highest}, the highest taken so far")]
    NotNewer {
        version: u64,
        /// What it must be higher than.
        highest: u64,
    },
    /// A rollback that came over the network.
    #[error("a rollback over the network is not signed: go back by hand on the host (oddline-agent model rollback)")]
    ByHand,
    /// A rollback to something else than a good one.
    #[error("version {version} was not marked good here, or too long ago: there is no way back to it")]
    NotGood { version: u64 },
}

impl ModelSlots {
    /// Slots of an agent that has nothing but the model of its package, or not even that.
    #[must_use]
    pub(crate) fn new(factory: Option<ModelId>) -> Self {
        let mut slots = Self::default();
        slots.set_factory(factory);
        slots.current = factory;
        slots
    }

    /// The package may bring another model with each version.
    pub(crate) fn set_factory(&mut self, factory: Option<ModelId>) {
        self.factory = factory;
        self.highest = self.highest.max(factory.map_or(0, |model| model.version));
    }

    /// What a wish comes to.
    #[must_use]
    pub(crate) fn answer(&self, desired: &DesiredModel) -> SlotDecision {
        let model = desired.model;
        if self.current == Some(model) {
            return SlotDecision::Already;
        }
        if desired.rollback {
            return SlotDecision::Refuse(SlotRefusal::ByHand);
        }
        match self.check_newer(model) {
            Ok(()) => SlotDecision::Fetch,
            Err(refusal) => SlotDecision::Refuse(refusal),
        }
    }

    /// Whether whoever is at this host may go back to a model.
    ///
    /// # Errors
    /// When it is neither marked good nor the package's.
    pub(crate) fn check_back(&self, model: ModelId) -> Result<(), SlotRefusal> {
        if self.good.contains(&model) || self.factory == Some(model) {
            return Ok(());
        }
        Err(SlotRefusal::NotGood { version: model.version })
    }

    /// Whether a model may be taken as a new one.
    ///
    /// # Errors
    /// When its version is not higher than any taken before, and it is not the one whose file was lost.
    pub(crate) fn check_newer(&self, model: ModelId) -> Result<(), SlotRefusal> {
        if model.version > self.highest || self.lost == Some(model) {
            return Ok(());
        }
        Err(SlotRefusal::NotNewer { version: model.version, highest: self.highest })
    }

    /// A model is in use from now on.
    pub(crate) fn take(&mut self, model: ModelId) {
        self.current = Some(model);
        self.highest = self.highest.max(model.version);
        self.lost = self.lost.filter(|lost| lost.version > model.version);
    }

    /// The model in use has proved itself.
    pub(crate) fn mark_good(&mut self) {
        let Some(model) = self.current.filter(|model| self.factory != Some(*model)) else { return };
        self.good.retain(|good| *good != model);
        self.good.insert(0, model);
        self.good.truncate(GOOD_MODELS_MAX);
    }

    /// The model in use cannot be used: the one to fall back to, the newest good one first. `None` when none is left.
    pub(crate) fn drop_current(&mut self) -> Option<ModelId> {
        let failed = self.current.take()?;
        self.good.retain(|good| *good != failed);
        self.lost.get_or_insert(failed);
        self.current = self.good.first().copied().or(self.factory.filter(|factory| *factory != failed));
        self.current
    }

    /// The highest version ever taken.
    #[must_use]
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    #[must_use]
    pub(crate) fn current(&self) -> Option<ModelId> {
        self.current
    }

    /// The model of the package.
    #[must_use]
    pub(crate) fn factory(&self) -> Option<ModelId> {
        self.factory
    }

    #[must_use]
    pub(crate) fn state(&self) -> ModelState {
        ModelState {
            current: self.current,
            good: self.good.iter().copied().collect(),
            factory: self.factory,
            fetching: None,
            refused: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use oddline_core::id::ModelHash;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn model(version: u64) -> ModelId {
        ModelId { sha256: ModelHash([u8::try_from(version).unwrap(); 32]), version }
    }

    fn wish(model: ModelId, rollback: bool) -> DesiredModel {
        DesiredModel { model, rollback, signature: None }
    }

    #[test]
    fn only_higher_versions_are_new() {
        let mut slots = ModelSlots::new(Some(model(3)));
        assert_eq!(slots.answer(&wish(model(3), false)), SlotDecision::Already);
        assert_eq!(slots.answer(&wish(model(4), false)), SlotDecision::Fetch);
        let refused = |version, highest| SlotDecision::Refuse(SlotRefusal::NotNewer { version, highest });
        assert_eq!(slots.answer(&wish(model(2), false)), refused(2, 3));
        slots.take(model(9));
        assert_eq!(slots.answer(&wish(model(4), false)), refused(4, 9));
        // The same version with other bytes is not new either.
        assert_eq!(slots.answer(&wish(ModelId { sha256: ModelHash([0; 32]), version: 9 }, false)), refused(9, 9));
    }

    #[test]
    fn the_way_back_leads_to_good_ones_and_the_factory_and_only_by_hand() {
        let mut slots = ModelSlots::new(Some(model(1)));
        for version in 2..=6 {
            slots.take(model(version));
            if version != 5 {
                slots.mark_good();
            }
        }
        let wished = |version| slots.answer(&wish(model(version), true));
        assert_eq!([1, 2, 3, 4, 5, 7].map(wished), [SlotDecision::Refuse(SlotRefusal::ByHand); 6]);
        assert_eq!(wished(6), SlotDecision::Already);
        let back = |version| slots.check_back(model(version));
        assert_eq!([3, 4, 1, 6].map(back), [Ok(()); 4]);
        for never in [2, 5, 7] {
            assert_eq!(back(never), Err(SlotRefusal::NotGood { version: never }), "{never}");
        }
        slots.take(model(3));
        assert!(matches!(
            slots.answer(&wish(model(6), false)),
            SlotDecision::Refuse(SlotRefusal::NotNewer { highest: 6, .. })
        ));
        assert_eq!(slots.check_back(model(6)), Ok(()));
    }

    #[test]
    fn an_unusable_model_falls_back_until_nothing_is_left() {
        let mut slots = ModelSlots::new(Some(model(1)));
        for version in [2, 3] {
            slots.take(model(version));
            slots.mark_good();
        }
        slots.take(model(4));
        assert_eq!(slots.drop_current(), Some(model(3)));
        assert_eq!(slots.drop_current(), Some(model(2)));
        assert_eq!(slots.drop_current(), Some(model(1)));
        assert_eq!(slots.drop_current(), None);
        assert_eq!(slots.drop_current(), None);
    }

    #[test]
    fn a_model_whose_file_was_lost_is_fetched_again() {
        let mut slots = ModelSlots::new(Some(model(1)));
        slots.take(model(2));
        slots.mark_good();
        slots.take(model(4));
        assert_eq!(slots.drop_current(), Some(model(2)));
        assert_eq!(slots.answer(&wish(model(4), false)), SlotDecision::Fetch);
        assert!(matches!(
            slots.answer(&wish(model(3), false)),
            SlotDecision::Refuse(SlotRefusal::NotNewer { highest: 4, .. })
        ));
        // Also after a start with the package's own model.
        slots.drop_current();
        slots.take(model(1));
        assert_eq!(slots.answer(&wish(model(4), false)), SlotDecision::Fetch);
        slots.take(model(4));
        assert_eq!(
            slots.answer(&wish(model(2), false)),
            SlotDecision::Refuse(SlotRefusal::NotNewer { version: 2, highest: 4 })
        );
    }

    proptest! {
        #[test]
        fn nothing_unsigned_or_old_gets_in(actions in vec((0..5_u8, 1..8_u64), 0..40)) {
            let mut slots = ModelSlots::new(None);
            let (mut highest, mut lost) = (0, None);
            for (action, version) in actions {
                match action {
                    0 | 1 => match slots.answer(&wish(model(version), action == 1)) {
                        SlotDecision::Already => prop_assert_eq!(slots.current(), Some(model(version))),
                        SlotDecision::Fetch => prop_assert!(version > highest || lost == Some(version)),
                        SlotDecision::Refuse(_) => {}
                    },
                    2 => if slots.check_newer(model(version)).is_ok() {
                        prop_assert!(version > highest || lost == Some(version));
                        slots.take(model(version));
                        (highest, lost) = (version.max(highest), None);
                    },
                    3 => slots.mark_good(),
                    _ => {
                        lost = lost.or(slots.current().map(|model| model.version));
                        slots.drop_current();
                    }
                }
                prop_assert!(slots.state().good.len() <= GOOD_MODELS_MAX);
                let json = serde_json::to_string(&slots).unwrap();
                prop_assert_eq!(&serde_json::from_str::<ModelSlots>(&json).unwrap(), &slots);
            }
        }
    }
}
