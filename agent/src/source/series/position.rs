//! Where a file of a series stands among the others, and the place in all of them.

use std::{
    cmp::Ordering,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use oddline_core::series::series;
use serde::{Deserialize, Serialize};

use super::{super::reading::FilePosition, FORMER_MAX};

/// A place in a series: in each file that is looked at, oldest first; the last is the one that is followed. Goes to the
/// state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesPosition {
    pub(super) members: Vec<(String, FilePosition)>,
}

impl SeriesPosition {
    /// Of files with their positions, from a time when each was a log of its own.
    #[must_use]
    pub fn of(members: impl IntoIterator<Item = (PathBuf, FilePosition)>) -> Self {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let mut members: Vec<_> = members
            .into_iter()
            .filter_map(|(path, position)| Some((Place::of(&path, Some(position.modified())), name(&path)?, position)))
            .collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        let skipped = members.len().saturating_sub(FORMER_MAX + 1);
        Self { members: members.into_iter().skip(skipped).map(|(_, name, position)| (name, position)).collect() }
    }

    /// When the file that is followed was last written, as far as it was seen.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.members.iter().map(|(_, position)| position.modified()).max()
    }

    /// The names of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// The place in one of the files.
    #[must_use]
    pub fn member(&self, name: &OsStr) -> Option<&FilePosition> {
        self.members.iter().find(|(own, _)| OsStr::new(own) == name).map(|(_, position)| position)
    }
}

/// Where a file stands among the others: by its name, or by when it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) order: Option<Vec<u64>>,
    pub(super) modified: Option<SystemTime>,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn of(path: &Path, modified: Option<SystemTime>) -> Self {
        let order = series(path).and_then(|dated| dated.order);
        let modified = modified.or_else(|| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        Self { order, modified, path: path.to_owned() }
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let by_name = match (&self.order, &other.order) {
            (Some(own), Some(other)) => own.cmp(other),
            _ => self.modified.cmp(&other.modified),
        };
        by_name.then_with(|| self.path.cmp(&other.path))
    }
}
