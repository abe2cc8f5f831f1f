//! The fleets of this collector: which are served, and which are known. What its parts agree on about a fleet's members is
//! here too, so that none of them has to ask another.
//!
//! A fleet that is known costs a subscription or a lease. With a broker that does not check names an
//! agent can invent any number: at the ceiling the fleet that was silent for longest makes room, but none that was heard
//! just now. Pure: when it is, is an argument.

use std::collections::{BTreeMap, BTreeSet};

use oddline_core::id::FleetName;

/// User name of the collector; no agent can have it.
pub const COLLECTOR: &str = "collector";
/// Bytes of a birth or status: a few hundred sources with long names.
pub const WORD_BYTES_MAX: usize = 64 * 1024;
pub const FLEETS_MAX: usize = 512;
/// Agents say something each minute. Fleets whose agents are all silent for so long can be forgotten: the next word makes
/// them known again.
const SILENT_US: i64 = 600_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedFleets {
    Every,
    Only(BTreeSet<FleetName>),
}

impl ServedFleets {
    /// These, or all when none is named.
    #[must_use]
    pub fn these(fleets: Vec<FleetName>) -> Self {
        if fleets.is_empty() { Self::Every } else { Self::Only(fleets.into_iter().collect()) }
    }

    #[must_use]
    pub fn serves(&self, fleet: &FleetName) -> bool {
        match self {
            Self::Every => true,
            Self::Only(fleets) => fleets.contains(fleet),
        }
    }
}

/// What becomes of a fleet that is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetMet {
    Known,
    /// It is known from now on.
    New,
    /// The same, and another is not any more.
    InsteadOf(FleetName),
    /// It is not known: all others were heard just now.
    NoRoom,
}

#[derive(Debug, Clone)]
pub struct KnownFleets {
    /// Named by the configuration: they stay.
    named: BTreeSet<FleetName>,
    heard_us: BTreeMap<FleetName, i64>,
    max: usize,
}

impl KnownFleets {
    /// Those that are named, and of those heard before the ones heard last.
    #[must_use]
    pub fn new(named: impl IntoIterator<Item = FleetName>, before: Vec<(FleetName, i64)>, max: usize) -> Self {
        let named: BTreeSet<FleetName> = named.into_iter().collect();
        let mut before: Vec<_> = before.into_iter().filter(|(fleet, _)| !named.contains(fleet)).collect();
        before.sort_by_key(|(_, heard_us)| std::cmp::Reverse(*heard_us));
        before.truncate(max.saturating_sub(named.len()));
        Self { named, heard_us: before.into_iter().collect(), max }
    }

    pub fn meet(&mut self, fleet: &FleetName, now_us: i64) -> FleetMet {
        if self.named.contains(fleet) {
            return FleetMet::Known;
        }
        if let Some(heard_us) = self.heard_us.get_mut(fleet) {
            *heard_us = now_us;
            return FleetMet::Known;
        }
        let mut met = FleetMet::New;
        if self.named.len() + self.heard_us.len() >= self.max {
            let oldest = self.heard_us.iter().min_by_key(|(_, heard_us)| **heard_us);
            // Heard in the future: the clock was set back.
            let silent = oldest.filter(|(_, heard_us)| now_us.abs_diff(**heard_us) >= SILENT_US.unsigned_abs());
            let Some((gone, _)) = silent else { return FleetMet::NoRoom };
            let gone = gone.clone();
            self.heard_us.remove(&gone);
            met = FleetMet::InsteadOf(gone);
        }
        self.heard_us.insert(fleet.clone(), now_us);
        met
    }

    #[must_use]
    pub fn names(&self) -> BTreeSet<FleetName> {
        self.named.iter().chain(self.heard_us.keys()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(name: &str) -> FleetName {
        name.parse().unwrap()
    }

    #[test]
    fn who_was_silent_for_longest_makes_room_and_comes_back_with_a_word() {
        let mut known = KnownFleets::new([fleet("named")], Vec::new(), 3);
        assert_eq!(known.meet(&fleet("named"), 0), FleetMet::Known);
        assert_eq!(known.meet(&fleet("invented"), 0), FleetMet::New);
        assert_eq!(known.meet(&fleet("home"), 1), FleetMet::New);
        assert_eq!(known.meet(&fleet("work"), 2), FleetMet::NoRoom, "all were heard just now");
        assert_eq!(known.meet(&fleet("home"), SILENT_US), FleetMet::Known);
        assert_eq!(known.meet(&fleet("work"), SILENT_US), FleetMet::InsteadOf(fleet("invented")));
        assert_eq!(known.meet(&fleet("invented"), SILENT_US + 1), FleetMet::NoRoom);
        assert_eq!(known.meet(&fleet("invented"), 3 * SILENT_US), FleetMet::InsteadOf(fleet("home")));
        assert_eq!(known.names(), ["invented", "named", "work"].map(fleet).into());
    }

    #[test]
    fn of_those_before_the_last_heard_are_known() {
        let before = (0..10).map(|at| (fleet(&format!("f{at}")), at)).collect();
        let known = KnownFleets::new([fleet("f1"), fleet("other")], before, 4);
        assert_eq!(known.names(), ["f1", "f8", "f9", "other"].map(fleet).into());
    }

    #[test]
    fn a_clock_that_was_set_back_blocks_nobody() {
        let mut known = KnownFleets::new([], vec![(fleet("old"), i64::MAX)], 1);
        assert_eq!(known.meet(&fleet("new"), 5), FleetMet::InsteadOf(fleet("old")));
    }
}
