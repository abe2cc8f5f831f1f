//! What the state file holds beside the sources: that something was committed once, which patterns were looked for, and
//! when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{FollowedSources, PriorState};
use crate::state::{StateCommit, StateError, StateFile};

/// Set with the first commit: from then on files that appear are new.
pub(crate) const BEGAN: &str = "began";
/// The patterns whose files were looked for, as a list of texts in postcard.
const LOOKED_FOR: &str = "looked_for";
/// When they were last looked for: microseconds of the wall clock as eight bytes, the lowest first.
const LOOKED_AT: &str = "looked_at";

#[derive(Debug)]
pub(crate) struct StateFlags {
    began: bool,
    looked_for: Option<Vec<u8>>,
    looked_at: Option<SystemTime>,
}

impl StateFlags {
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn read(state: &mut StateFile, past: PriorState) -> Result<Self, StateError> {
        let micros = |bytes: Vec<u8>| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        let looked_at = state.value(LOOKED_AT)?.and_then(micros);
        Ok(Self {
            began: past == PriorState::Known,
            looked_for: state.value(LOOKED_FOR)?,
            looked_at: looked_at.and_then(|micros| UNIX_EPOCH.checked_add(Duration::from_micros(micros))),
        })
    }

    /// The patterns that were looked for in an earlier life.
    pub(crate) fn looked_for(&self) -> Option<Vec<u8>> {
        self.looked_for.clone()
    }

    /// When they were last looked for in an earlier life, as far as it was kept.
    pub(crate) fn looked_at(&self) -> Option<SystemTime> {
        self.looked_at
    }

    /// What goes along with every commit and is worth none of its own.
    pub(crate) fn along(sources: &FollowedSources) -> Option<(String, Option<Vec<u8>>)> {
        let since = sources.looked_at()?.duration_since(UNIX_EPOCH).ok()?;
        let micros = u64::try_from(since.as_micros()).ok()?;
        Some((LOOKED_AT.to_owned(), Some(micros.to_le_bytes().to_vec())))
    }

    /// What the state does not hold yet; nothing before the files were looked for once.
    pub(crate) fn news(&self, sources: &FollowedSources) -> Vec<(String, Option<Vec<u8>>)> {
        let Some(looked_for) = sources.looked_for() else { return Vec::new() };
        let began = (!self.began).then(|| (BEGAN.to_owned(), Some(Vec::new())));
        let is_changed = self.looked_for.as_ref() != Some(&looked_for);
        let looked_for = is_changed.then(|| (LOOKED_FOR.to_owned(), Some(looked_for)));
        began.into_iter().chain(looked_for).collect()
    }

    /// This is in the state now.
    pub(crate) fn committed(&mut self, commit: &StateCommit) {
        self.began |= commit.values.iter().any(|(name, _)| name == BEGAN);
        if let Some((_, value)) = commit.values.iter().find(|(name, _)| name == LOOKED_FOR) {
            self.looked_for.clone_from(value);
        }
    }
}
