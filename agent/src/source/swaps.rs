//! A link that was led elsewhere more than once between two looks: which files it led to in between. Nothing keeps where a
//! link led; names and the times at which files were made tell it. Reads one folder and metadata; opens nothing.
//!
//! ```text
//!  app.log -> logs/app-1.log      the last look
//!  app.log -> logs/app-2.log      nobody looked: named alike, made between the others: read as a generation
//!  app.log -> logs/app-3.log      this look
//! ```
//!
//! A file of another name that was made in the same folder between the two looks may have been such a one, or a log of
//! its own: it is counted, not read.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{generations::Generation, identity::file_id};

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 4_096;

/// Where a link led between two files.
#[derive(Debug, Default)]
pub(super) struct PassedTargets {
    /// Files of the same log, oldest first.
    pub files: Vec<Generation>,
    /// Bytes of files that may have been.
    pub possible_bytes: u64,
}

/// What a link led to between `old` and `new`, paths without links. `unseen` is how long nobody has looked, where known.
pub(super) fn between(old: (&Path, &Metadata), new: (&Path, &Metadata), unseen: Option<Duration>) -> PassedTargets {
    let mut passed = PassedTargets::default();
    let Some((folder, name, rest)) = difference(old.0, new.0) else { return passed };
    let (from, to) = (TargetOrder::of(old.0, old.1), TargetOrder::of(new.0, new.1));
    let mut files = Vec::new();
    let extension = Path::new(&name).extension();
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten().take(ENTRIES_MAX) {
        let path = if rest.as_os_str().is_empty() { entry.path() } else { entry.path().join(&rest) };
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if path == old.0 || path == new.0 || !meta.is_file() || meta.len() == 0 {
            continue;
        }
        let at = TargetOrder::of(&path, &meta);
        if !(from < at && at < to) {
            continue;
        }
        let is_alike = entry.file_name().to_str().is_some_and(|own| kind(own) == kind(&name));
        if is_alike && kind(&name).contains('#') {
            files.push((at, Generation::passed(path, file_id(&meta), &meta)));
        } else if let Some(unseen) = unseen
            && rest.as_os_str().is_empty()
            && path.extension() == extension
            && to.made.checked_sub(unseen).is_some_and(|looked| looked <= at.made)
        {
            passed.possible_bytes += meta.len();
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    passed.files = files.into_iter().map(|(_, file)| file).collect();
    passed
}

/// When a target was made; of those that were made at one time, as the numbers in their names say. Whoever goes on from one
/// to a later one comes to an end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TargetOrder {
    made: SystemTime,
    numbers: Vec<u64>,
    path: PathBuf,
}

impl TargetOrder {
    fn of(path: &Path, meta: &Metadata) -> Self {
        // Where the file system does not tell when it was made, when it was last written.
        let made = meta.created().or_else(|_| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = path.to_string_lossy();
        let runs = text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
        Self { made, numbers: runs.map(|run| run.parse().unwrap_or(u64::MAX)).collect(), path: path.to_owned() }
    }
}

/// The folder in which two paths part, the name there in the new one, and what follows it, which is the same in both.
fn difference(old: &Path, new: &Path) -> Option<(PathBuf, String, PathBuf)> {
    let (mut old, mut new) = (old.components(), new.components());
    let mut folder = PathBuf::new();
    loop {
        let (a, b) = (old.next()?, new.next()?);
        if a == b {
            folder.push(a);
            continue;
        }
        let (a, b) = (a.as_os_str().to_str()?, b.as_os_str().to_str()?);
        // Where names differ by more than numbers only the files of one folder can be compared.
        let is_comparable = kind(a) == kind(b) || old.as_path().as_os_str().is_empty();
        return (old.as_path() == new.as_path() && is_comparable)
            .then(|| (folder, b.to_owned(), new.as_path().to_owned()));
    }
}

/// A name without its numbers.
fn kind(name: &str) -> String {
    let mut kind = String::with_capacity(name.len());
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if kind.ends_with('#') => {}
            true => kind.push('#'),
            false => kind.push(c),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_part_where_one_name_differs() {
        let parts = |old: &str, new: &str| {
            difference(Path::new(old), Path::new(new)).map(|(a, b, c)| format!("{} {b} {}", a.display(), c.display()))
        };
        assert_eq!(parts("/log/app-1.log", "/log/app-3.log").as_deref(), Some("/log app-3.log "));
        assert_eq!(parts("/releases/1/app.log", "/releases/3/app.log").as_deref(), Some("/releases 3 app.log"));
        assert_eq!(parts("/log/monday", "/log/tuesday").as_deref(), Some("/log tuesday "));
        assert_eq!(parts("/blue/app.log", "/green/app.log"), None);
        assert_eq!(parts("/1/a/x.log", "/2/b/x.log"), None);
        assert_eq!(parts("/log/app.log", "/log/app.log"), None);
    }
}
