//! How a log file is opened: without waiting for a writer, regular files only, and through which symbolic links. What
//! was opened is judged by its descriptor, never by its name.
//!
//! A daemon reads folders that other users write to, with rights they do not have. There a link is followed when root or
//! the agent's own user made it, or when its maker owns the file it leads to (as the kernel's `fs.protected_symlinks`
//! judges); this holds for each link on the way. Any other link is refused. The agent's own files are never logs.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::MetadataExt,
        },
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat, statat},
    io::Errno,
};

use super::{
    error::SourceError,
    identity::{FileId, file_id},
};

/// Links followed on the way to one file, as many as the kernel follows.
const LINKS_MAX: usize = 40;
/// A FIFO is opened at once, and then found to be none; a terminal does not become ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// The agent's own files: reading them would feed what it finds back to it.
#[derive(Debug, Clone, Default)]
pub struct OwnFiles {
    /// Folders; nothing below them is read.
    pub folders: Vec<PathBuf>,
    /// Files, with the numbered ones beside them.
    pub files: Vec<PathBuf>,
    /// Open files, such as standard error.
    pub ids: Vec<FileId>,
}

#[derive(Debug, Clone)]
pub struct Opener(Option<Arc<OwnFiles>>);

/// A path as it was found.
#[derive(Debug)]
pub struct OpenedPath {
    /// The same file without a link on the way.
    pub path: PathBuf,
    pub meta: Metadata,
    /// Who made the links on the way.
    makers: Vec<u32>,
}

impl OpenedPath {
    #[must_use]
    pub fn is_link(&self) -> bool {
        !self.makers.is_empty()
    }
}

impl Opener {
    /// Follows every link: for a file that somebody named on the command line with rights of their own.
    #[must_use]
    pub fn following_links() -> Self {
        Self(None)
    }

    /// Follows the links described above, and never to the agent's own files.
    #[must_use]
    pub fn guarded(own: OwnFiles) -> Self {
        let full = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
        let beside = |path: PathBuf| match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) if folder != Path::new("") => full(folder.to_owned()).join(name),
            _ => full(PathBuf::from(".")).join(path),
        };
        Self(Some(Arc::new(OwnFiles {
            folders: own.folders.into_iter().map(full).collect(),
            files: own.files.into_iter().map(beside).collect(),
            ids: own.ids,
        })))
    }

    /// Opens a file to be read; `None` when there is none. Its path without links comes with it.
    ///
    /// # Errors
    /// When it is no regular file, is reached through a link that is not followed, or cannot be opened.
    pub fn open(&self, path: &Path) -> Result<Option<(File, PathBuf)>, SourceError> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        let failed = |error: io::Error| if is_absent(&error) { Ok(None) } else { Err(SourceError::open(path, error)) };
        // Looked at first, because opening a device may do something.
        if !found.meta.is_file() {
            return Err(SourceError::NotAFile { path: path.to_owned() });
        }
        let opened = match &self.0 {
            Some(_) => open_plain(&found.path),
            None => openat(CWD, path, READ, Mode::empty()),
        };
        let file = match opened {
            Ok(file) => File::from(file),
            Err(error) => return failed(error.into()),
        };
        let meta = file.metadata().map_err(|error| SourceError::open(path, error))?;
        // It may have been exchanged since it was looked at.
        if !meta.is_file() {
            return Err(SourceError::NotAFile { path: path.to_owned() });
        }
        let found = OpenedPath { meta, ..found };
        self.check(path, &found)?;
        Ok(Some((file, found.path)))
    }

    /// Where a path leads and to what, without opening it; `None` when there is nothing.
    ///
    /// # Errors
    /// When it leads through a link that is not followed, to a file of the agent's own, or cannot be looked at.
    pub fn find(&self, path: &Path) -> Result<Option<OpenedPath>, SourceError> {
        let found = match &self.0 {
            None => follow(path),
            Some(_) => look(path),
        };
        match found {
            Ok(found) => {
                self.check(path, &found)?;
                Ok(Some(found))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(SourceError::open(path, error)),
        }
    }

    fn check(&self, path: &Path, found: &OpenedPath) -> Result<(), SourceError> {
        let Some(own) = &self.0 else { return Ok(()) };
        if own.holds(found) {
            return Err(SourceError::Own { path: path.to_owned() });
        }
        let us = rustix::process::geteuid().as_raw();
        let is_trusted = |maker: &u32| *maker == 0 || *maker == us || *maker == found.meta.uid();
        if found.makers.iter().all(is_trusted) {
            return Ok(());
        }
        Err(SourceError::Link { path: path.to_owned(), target: found.path.clone() })
    }
}

impl OwnFiles {
    fn holds(&self, found: &OpenedPath) -> bool {
        let is_numbered = |file: &PathBuf| {
            let rest = found.path.as_os_str().as_bytes().strip_prefix(file.as_os_str().as_bytes());
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix(b".").is_some_and(|n| n.iter().all(u8::is_ascii_digit))
            })
        };
        self.ids.contains(&file_id(&found.meta))
            || self.folders.iter().any(|folder| found.path.starts_with(folder))
            || self.files.iter().any(is_numbered)
    }
}

/// No such file: an answer, not a failure.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// As the kernel follows it.
fn follow(path: &Path) -> io::Result<OpenedPath> {
    Ok(OpenedPath { meta: fs::metadata(path)?, path: fs::canonicalize(path)?, makers: Vec::new() })
}

/// Notes each link on the way and who made it. A path without links is the kernel's to walk.
fn look(path: &Path) -> io::Result<OpenedPath> {
    match openat2(CWD, path, LOOK, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(file) => Ok(OpenedPath { path: path.to_owned(), meta: File::from(file).metadata()?, makers: Vec::new() }),
        Err(error) if is_refused(error) => {
            let OpenWay { folder, name, path, makers } = OpenWay::walk(path)?;
            let file = openat(folder, &name, LOOK | OFlags::NOFOLLOW, Mode::empty())?;
            Ok(OpenedPath { path, meta: File::from(file).metadata()?, makers })
        }
        Err(error) => Err(error.into()),
    }
}

/// There is a link, or this kernel or its filter does not know the call.
fn is_refused(error: Errno) -> bool {
    matches!(error, Errno::LOOP | Errno::NOSYS | Errno::PERM)
}

/// Opens a path that has no link on the way; one that has by now is an error.
fn open_plain(path: &Path) -> Result<OwnedFd, Errno> {
    match openat2(CWD, path, READ, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => {
            let way = OpenWay::walk(path)?;
            if !way.makers.is_empty() {
                return Err(Errno::LOOP);
            }
            openat(way.folder, &way.name, READ | OFlags::NOFOLLOW, Mode::empty())
        }
        done => done,
    }
}

/// The way to a file, walked part by part.
struct OpenWay {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
    makers: Vec<u32>,
}

impl OpenWay {
    fn walk(path: &Path) -> Result<Self, Errno> {
        let root = || openat(CWD, "/", LOOK | OFlags::DIRECTORY, Mode::empty());
        let mut folder = if path.is_absolute() { root()? } else { openat(CWD, ".", LOOK, Mode::empty())? };
        let mut at = PathBuf::from(if path.is_absolute() { "/" } else { "" });
        let mut parts: VecDeque<OsString> = parts(path).collect();
        let mut makers = Vec::new();
        loop {
            let name = parts.pop_front().unwrap_or_else(|| OsString::from("."));
            let stat = statat(folder.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                if makers.len() == LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                makers.push(stat.st_uid);
                let target = readlinkat(folder.as_fd(), &name, Vec::new())?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    (folder, at) = (root()?, PathBuf::from("/"));
                }
                self::parts(&target).rev().for_each(|part| parts.push_front(part));
                continue;
            }
            if name == ".." {
                at.pop();
            } else if name != "." {
                at.push(&name);
            }
            if parts.is_empty() {
                return Ok(Self { folder, name, path: at, makers });
            }
            let flags = LOOK | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            folder = openat(folder.as_fd(), &name, flags, Mode::empty())?;
        }
    }
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::FileTypeExt, process::Command};

    use super::*;

    #[test]
    fn opening_waits_for_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().canonicalize().unwrap().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // What stands here after it was looked at.
        assert!(File::from(open_plain(&fifo).unwrap()).metadata().unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_way_is_the_same_with_and_without_the_kernels_help() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/log"), "x").unwrap();
        std::os::unix::fs::symlink("../a/./log", root.join("a/link")).unwrap();
        for (path, links) in [("a/log", 0), ("a/link", 1)] {
            let way = OpenWay::walk(&root.join(path)).unwrap();
            assert_eq!((way.path, way.makers.len()), (root.join("a/log"), links));
            assert_eq!(look(&root.join(path)).unwrap().path, root.join("a/log"));
        }
        assert!(OpenWay::walk(&root.join("a/log/b")).is_err() && OpenWay::walk(&root.join("none/log")).is_err());
    }
}
