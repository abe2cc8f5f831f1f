//! Which files: the paths that the configured patterns mean, as they appear, and which of them are one log named after the
//! time its files were begun. Leaves compressed files, rotated generations of a live log and second names of the same file
//! alone. Opens nothing.
//!
//! A folder means the files directly in it. Links are followed as the [`Opener`] allows, except to folders under `**`. A file
//! found under a name of its own is never taken by a link.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use oddline_core::{
    rotation::{RotationMark, infixed, is_compressed, mark, suffixed},
    series::series,
};

pub use super::pattern::{Pattern, PatternError};
use super::{
    error::SourceError,
    identity::{FileId, file_id},
    opener::{OpenedPath, Opener},
    pattern::GlobSegment,
};

/// Logs followed at once. Each holds a descriptor, twice while it is rotated, and the usual limit is 1,024.
pub const FILES_MAX: usize = 400;
/// Folder entries looked at in one scan: a pattern that means half the disk must not occupy the agent.
const ENTRIES_MAX: usize = 65_536;
/// Folders below each other that `**` means.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Default)]
pub struct Scan {
    /// Files that were not there before, in the order of the patterns, then of their names; links last.
    pub appeared: Vec<AppearedFile>,
    /// Files left out because [`FILES_MAX`] logs are followed: those that were written last are.
    pub left_out: usize,
    /// When the newest of those was written.
    pub left_out_modified: Option<SystemTime>,
    /// More entries than are looked at; the rest was not.
    pub cut: bool,
    /// Folders that cannot be listed.
    pub failed: Vec<(PathBuf, io::Error)>,
    /// Paths that a pattern means and that are not read: links that are not followed, the agent's own files.
    pub refused: Vec<(PathBuf, SourceError)>,
}

/// A file that a pattern means and that is not followed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppearedFile {
    pub path: PathBuf,
    /// The folder with the pattern of their names, of files named after the time they were begun.
    pub series: Option<PathBuf>,
    /// When it was last written.
    pub modified: SystemTime,
}

impl AppearedFile {
    /// What is followed: the series, or the file.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.series.as_deref().unwrap_or(&self.path)
    }
}

/// Finds files as they appear.
#[derive(Debug)]
pub struct Discover {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    opener: Opener,
    /// Files that are followed, and the log that each is of: itself, or its series.
    known: BTreeMap<PathBuf, PathBuf>,
    /// Whose file each was when it was first seen: a rename does not make it another's.
    owners: BTreeMap<FileId, PathBuf>,
}

impl Discover {
    /// Looks for what `include` means and `exclude` does not.
    #[must_use]
    pub fn new(include: Vec<Pattern>, exclude: Vec<Pattern>, opener: Opener) -> Self {
        Self { include, exclude, opener, known: BTreeMap::new(), owners: BTreeMap::new() }
    }

    /// Whether a path is meant at all, be it there or not.
    #[must_use]
    pub fn means(&self, path: &Path) -> bool {
        self.include.iter().any(|p| p.matches(path)) && !self.exclude.iter().any(|p| p.matches(path))
    }

    /// A file that is followed already, from an earlier run.
    pub fn adopt(&mut self, path: PathBuf) {
        let log = series_path(&path).unwrap_or_else(|| path.clone());
        self.known.insert(path, log);
    }

    /// A log that is not followed any more; it may appear again.
    pub fn forget(&mut self, log: &Path) {
        let known = &self.known;
        self.owners.retain(|_, owner| known.get(owner).is_none_or(|of| of != log));
        self.known.retain(|_, of| of != log);
    }

    /// A file that is to appear again.
    pub fn forget_file(&mut self, path: &Path) {
        self.owners.retain(|_, owner| owner != path);
        self.known.remove(path);
    }

    pub fn scan(&mut self) -> Scan {
        let mut walk = Walk::new(&self.opener);
        for pattern in &self.include {
            walk.descend(PathBuf::from("/"), &pattern.0, 0);
        }
        let Walk { found, entries, failed, mut refused, .. } = walk;
        // What such a link leads to is read under its own name.
        refused.retain(|(_, error)| !matches!(error, SourceError::Link { target, .. } if self.means(target)));
        let mut scan = Scan { failed, refused, cut: entries >= ENTRIES_MAX, ..Scan::default() };
        let mut files: Vec<DiscoveredFile> =
            found.into_iter().filter(|(path, _)| self.is_log(path)).map(DiscoveredFile::of).collect();
        let ids: BTreeSet<FileId> = files.iter().map(|file| file.id).collect();
        self.owners.retain(|id, _| ids.contains(id));
        let present = present(&files);
        if scan.failed.is_empty() && !scan.cut {
            // Of a series that goes on for years.
            self.known.retain(|path, of| path == of || present.contains(path));
        }
        files.retain(|file| self.known.contains_key(&file.path) || !self.is_generation(&file.path, &present));
        // A link takes no file that has a name of its own here.
        files.sort_by_key(|file| file.is_link);
        // Those that are followed keep their files, whatever sorts before them.
        files.sort_by_key(|file| file.is_link || !self.known.contains_key(&file.path));
        let mut appeared = Vec::new();
        for file in files {
            if self.known.contains_key(&file.path) {
                self.owners.entry(file.id).or_insert(file.path);
            } else if let Entry::Vacant(vacant) = self.owners.entry(file.id) {
                vacant.insert(file.path.clone());
                appeared.push((file.id, file.appeared()));
            }
        }
        self.choose(appeared, &mut scan);
        scan
    }

    /// Of more logs than are followed those that were written last.
    fn choose(&mut self, appeared: Vec<(FileId, AppearedFile)>, scan: &mut Scan) {
        let followed: BTreeSet<PathBuf> = self.known.values().cloned().collect();
        let mut modified: BTreeMap<PathBuf, SystemTime> = BTreeMap::new();
        for (_, file) in appeared.iter().filter(|(_, file)| !followed.contains(file.log())) {
            let at = modified.entry(file.log().to_owned()).or_insert(file.modified);
            *at = file.modified.max(*at);
        }
        let mut newest: Vec<(PathBuf, SystemTime)> = modified.into_iter().collect();
        newest.sort_by_key(|(_, modified)| Reverse(*modified));
        let room = FILES_MAX.saturating_sub(followed.len());
        scan.left_out_modified = newest.get(room).map(|(_, modified)| *modified);
        let left_out: BTreeSet<PathBuf> = newest.into_iter().skip(room).map(|(log, _)| log).collect();
        for (id, file) in appeared {
            if left_out.contains(file.log()) {
                self.owners.remove(&id);
                scan.left_out += 1;
            } else {
                self.known.insert(file.path.clone(), file.log().to_owned());
                scan.appeared.push(file);
            }
        }
    }

    fn is_log(&self, path: &Path) -> bool {
        !path.file_name().is_some_and(is_compressed) && !self.exclude.iter().any(|p| p.matches(path))
    }

    /// Whether a path is a rotated generation of another that is followed, that is there, or that is meant. A date alone
    /// makes no generation of what nobody has seen: programs name their logs so.
    fn is_generation(&self, path: &Path, present: &BTreeSet<PathBuf>) -> bool {
        let Some(name) = path.file_name() else { return false };
        let is_followed = |live: &Path| present.contains(live) || self.known.contains_key(live);
        let is_meant = |live: &Path| {
            let is_dated = live.file_name().is_some_and(|live| matches!(mark(name, live), Some(RotationMark::Date(_))));
            !is_dated && self.means(live)
        };
        suffixed(name).into_iter().map(|live| path.with_file_name(live)).any(|l| is_followed(&l) || is_meant(&l))
            || infixed(name).into_iter().map(|live| path.with_file_name(live)).any(|l| is_followed(&l))
    }
}

/// The folder with the pattern of the names, of a file named after the time it was begun.
#[must_use]
pub fn series_path(path: &Path) -> Option<PathBuf> {
    series(path).map(|dated| path.with_file_name(dated.pattern))
}

/// The paths of files, without the links to one of them: such a link is a second name of the newest, not a log of its own.
fn present(files: &[DiscoveredFile]) -> BTreeSet<PathBuf> {
    let plain: BTreeSet<FileId> = files.iter().filter(|file| !file.is_link).map(|file| file.id).collect();
    let named = files.iter().filter(|file| !file.is_link || !plain.contains(&file.id));
    named.map(|file| file.path.clone()).collect()
}

/// A file that a pattern means.
struct DiscoveredFile {
    path: PathBuf,
    id: FileId,
    is_link: bool,
    modified: SystemTime,
}

impl DiscoveredFile {
    fn of((path, found): (PathBuf, OpenedPath)) -> Self {
        let modified = found.meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self { id: file_id(&found.meta), is_link: found.is_link(), modified, path }
    }

    fn appeared(self) -> AppearedFile {
        AppearedFile { series: series_path(&self.path), path: self.path, modified: self.modified }
    }
}

struct Walk<'a> {
    opener: &'a Opener,
    found: Vec<(PathBuf, OpenedPath)>,
    entries: usize,
    failed: Vec<(PathBuf, io::Error)>,
    refused: Vec<(PathBuf, SourceError)>,
}

impl<'a> Walk<'a> {
    fn new(opener: &'a Opener) -> Self {
        Self { opener, found: Vec::new(), entries: 0, failed: Vec::new(), refused: Vec::new() }
    }

    fn descend(&mut self, at: PathBuf, parts: &[GlobSegment], depth: usize) {
        match parts.split_first() {
            None => self.arrive(at),
            Some((GlobSegment::Name(name), rest)) => self.descend(at.join(name), rest, depth),
            Some((part @ GlobSegment::Like(_), rest)) => {
                for name in self.list(&at).iter().filter(|name| part.means(name)) {
                    self.descend(at.join(name), rest, depth);
                }
            }
            Some((GlobSegment::AnyFolders, rest)) => {
                self.descend(at.clone(), rest, depth);
                if depth == DEPTH_MAX {
                    return;
                }
                for name in self.list(&at).iter().filter(|name| !name.starts_with('.')) {
                    let folder = at.join(name);
                    if fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
                        self.descend(folder, parts, depth + 1);
                    }
                }
            }
        }
    }

    /// A path that a pattern means: a file, or a folder of files.
    fn arrive(&mut self, path: PathBuf) {
        if fs::metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            for name in self.list(&path).iter().filter(|name| !name.starts_with('.')) {
                self.look(path.join(name));
            }
        } else {
            self.look(path);
        }
    }

    fn look(&mut self, path: PathBuf) {
        match self.opener.find(&path) {
            Ok(Some(found)) if found.meta.is_file() => self.found.push((path, found)),
            // Nothing to read. What cannot be looked at now may be later.
            Ok(Some(_) | None) | Err(SourceError::Open { .. }) => {}
            Err(error) => self.refused.push((path, error)),
        }
    }

    /// The names in a folder, sorted; none when it is no folder. Names that are not UTF-8 no pattern means.
    fn list(&mut self, folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return names;
            }
            Err(error) => {
                self.failed.push((folder.to_owned(), error));
                return names;
            }
        };
        for entry in entries.flatten() {
            if self.entries == ENTRIES_MAX {
                break;
            }
            self.entries += 1;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        names
    }
}
