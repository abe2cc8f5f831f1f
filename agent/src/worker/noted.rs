//! What the state file holds beside the sources: that something was committed once, and which patterns were looked for.

use super::{Past, Sources};
use crate::state::{Commit, State, StateError};

/// Set with the first commit: from then on files that appear are new.
pub const BEGAN: &str = "began";
/// The patterns whose files were looked for, as a list of texts in postcard.
const LOOKED_FOR: &str = "looked_for";

/// As it is there.
#[derive(Debug)]
pub struct Noted {
    began: bool,
    looked_for: Option<Vec<u8>>,
}

impl Noted {
    /// # Errors
    /// When the state cannot be read.
    pub fn read(state: &mut State, past: Past) -> Result<Self, StateError> {
        Ok(Self { began: past == Past::Known, looked_for: state.value(LOOKED_FOR)? })
    }

    /// The patterns that were looked for in an earlier life.
    pub fn looked_for(&self) -> Option<Vec<u8>> {
        self.looked_for.clone()
    }

    /// What the state does not hold yet; nothing before the files were looked for once.
    pub fn news(&self, sources: &Sources) -> Vec<(String, Option<Vec<u8>>)> {
        let Some(looked_for) = sources.looked_for() else { return Vec::new() };
        let began = (!self.began).then(|| (BEGAN.to_owned(), Some(Vec::new())));
        let is_changed = self.looked_for.as_ref() != Some(&looked_for);
        let looked_for = is_changed.then(|| (LOOKED_FOR.to_owned(), Some(looked_for)));
        began.into_iter().chain(looked_for).collect()
    }

    /// This is in the state now.
    pub fn committed(&mut self, commit: &Commit) {
        self.began |= commit.values.iter().any(|(name, _)| name == BEGAN);
        if let Some((_, value)) = commit.values.iter().find(|(name, _)| name == LOOKED_FOR) {
            self.looked_for.clone_from(value);
        }
    }
}
