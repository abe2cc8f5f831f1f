//! Since when a log that appears may have been there: it can be made and rotated between two looks, and what was rotated is
//! part of it. Knows no file, only times.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Logs that were left whose time is remembered.
const LEFT_MAX: usize = 1_000;
/// The kernel stamps files with a clock that is behind by up to a tick.
const TICK: Duration = Duration::from_secs(1);

/// When was looked for logs.
#[derive(Debug, Default)]
pub(super) struct FirstAppearances {
    /// The last look of the life before.
    before: Option<SystemTime>,
    /// The first look of this one.
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    /// When logs were left that may appear again: what they held before was read.
    left: BTreeMap<PathBuf, SystemTime>,
    /// Of those that are not remembered any more, the latest.
    forgotten: Option<SystemTime>,
}

impl FirstAppearances {
    /// Of a life that goes on from one whose last look was `before`.
    #[must_use]
    pub(super) fn after(before: Option<SystemTime>) -> Self {
        Self { before, ..Self::default() }
    }

    pub(super) fn looks(&mut self, now: SystemTime) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    #[must_use]
    pub(super) fn last(&self) -> Option<SystemTime> {
        self.last
    }

    pub(super) fn leaves(&mut self, path: &Path, now: SystemTime) {
        self.left.insert(path.to_owned(), now);
        if self.left.len() > LEFT_MAX
            && let Some(oldest) = self.left.iter().min_by_key(|(_, time)| **time).map(|(path, _)| path.clone())
        {
            self.forgotten = self.forgotten.max(self.left.remove(&oldest));
        }
    }

    /// What is made after this belongs to a log that has appeared now, in the first look for it or in a later one; `None`
    /// when nobody knows.
    #[must_use]
    pub(super) fn since(&self, path: &Path, in_first_look: bool) -> Option<SystemTime> {
        let looked = if in_first_look { self.before } else { self.first };
        let since = looked?.max(self.left.get(path).copied().or(self.forgotten).unwrap_or(SystemTime::UNIX_EPOCH));
        since.checked_sub(TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_as_old_as_the_first_look_unless_it_was_left() {
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        let mut appearances = FirstAppearances::after(Some(at(50)));
        appearances.looks(at(100));
        appearances.looks(at(105));
        assert_eq!((appearances.since(a, true), appearances.since(a, false)), (Some(at(49)), Some(at(99))));
        appearances.leaves(a, at(200));
        assert_eq!((appearances.since(a, false), appearances.since(b, false)), (Some(at(199)), Some(at(99))));
        (0..2_000).for_each(|n| appearances.leaves(Path::new(&format!("/{n}")), at(300 + n)));
        assert_eq!(appearances.left.len(), LEFT_MAX);
        // Of one whose time is not known any more nothing is read twice.
        assert_eq!(appearances.since(a, false), Some(at(1_298)));
        assert_eq!((appearances.last(), FirstAppearances::after(None).since(a, true)), (Some(at(105)), None));
    }
}
