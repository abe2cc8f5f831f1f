//! The agent's one durable file: read positions, judged streams and the spool move together in one transaction, so that
//! a kill at any instant neither skips nor repeats a line. Entries, positions and chunks are opaque bytes; what they
//! mean is their owners' business. Decides nothing about when to commit.
//!
//! ```text
//!  position, changed chunks, new entries -> commit -> [file] -> peek -> published -> ack -> deleted
//! ```
//!
//! After an error the file is opened again by itself at the next call; nothing that was committed is lost. A commit
//! that failed must be offered again unchanged: it may have reached the disk all the same, and is then not repeated.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

mod change;
mod error;
pub mod handover;
mod recover;
mod store;

pub use change::{CHUNK_BYTES_MAX, ENTRY_BYTES_MAX, SourceChange, StateCommit, StoredSource, VALUE_BYTES_MAX};
pub use error::StateError;

use store::{SpoolReach, StateStore, StateStoreError, StoreHead};

/// Undelivered bytes at which reading stops: the log files are the buffer then.
pub const SPOOL_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What may still come when the spool is full: the entries of lines that had been read.
pub const SPOOL_BYTES_MARGIN: u64 = 4 * 1024 * 1024;
/// Acknowledged bytes that may be sent again after a power cut: deleting needs no sync of its own until then.
const UNSYNCED_BYTES_MAX: u64 = 256 * 1024;

/// How the file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedState {
    Fresh,
    /// It goes on where it stopped.
    Resumed,
    /// It could not be believed; a new one was begun.
    SetAside {
        /// Where the old one is.
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    store: Option<StateStore>,
    head: StoreHead,
    /// What is in the file of each chunk.
    written: BTreeMap<(Vec<u8>, u32), u64>,
    failed: Option<FailedCommit>,
    unsynced_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct FailedCommit {
    number: u64,
    digest: u64,
}

impl StateFile {
    /// Opens the file, or begins one. `random` becomes the epoch of a new file.
    ///
    /// # Errors
    /// When another process has it open, or the disk fails.
    pub fn open(path: &Path, random: u64) -> Result<(Self, OpenedState), StateError> {
        let failed = |error| named(path, error);
        let io = |error| named(path, StateStoreError::Io(error));
        // Zero is left to those who know no epoch.
        let epoch = (random >> 1).max(1);
        let (opened, (store, head)) = match path.try_exists().map_err(io)? {
            false => (
                OpenedState::Fresh,
                StateStore::create(path, epoch, recover::count(path).map_err(io)?).map_err(failed)?,
            ),
            true => match StateStore::open(path) {
                Ok(found) => (OpenedState::Resumed, found),
                Err(StateStoreError::Damaged(why)) => {
                    let (to, number) = recover::set_aside(path).map_err(io)?;
                    (OpenedState::SetAside { to, why }, StateStore::create(path, epoch, number).map_err(failed)?)
                }
                Err(error) => return Err(failed(error)),
            },
        };
        let mut state = Self {
            path: path.to_owned(),
            store: Some(store),
            head,
            written: BTreeMap::new(),
            failed: None,
            unsynced_bytes: 0,
        };
        let mut written = BTreeMap::new();
        state.with(|store| {
            store.each_chunk(|key, index, bytes| {
                written.insert((key.to_vec(), index), digest(bytes));
            })
        })?;
        state.written = written;
        Ok((state, opened))
    }

    /// Names this file's sequences: 63 bits, another one for each file.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.head.epoch
    }

    /// Files that were set aside so far.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.head.set_aside
    }

    /// All sources, as committed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sources(&mut self) -> Result<Vec<StoredSource>, StateError> {
        self.with(StateStore::sources)
    }

    /// All sources without their chunks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn positions(&mut self) -> Result<Vec<StoredSource>, StateError> {
        self.with(StateStore::positions)
    }

    /// One source, as committed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn source(&mut self, key: &[u8]) -> Result<Option<StoredSource>, StateError> {
        self.with(|store| store.source(key))
    }

    /// A value, as committed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn value(&mut self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.with(|store| store.value(name))
    }

    /// All of it is on the disk when it returns, or none. Returns the sequences of the entries.
    ///
    /// # Errors
    /// When something is too large or the spool full (nothing has changed), or the disk is full or fails: offer the
    /// same commit again.
    pub fn commit(&mut self, commit: &StateCommit) -> Result<RangeInclusive<u64>, StateError> {
        self.check(commit)?;
        let digest = digest(commit);
        self.with(|_| Ok(()))?;
        if let Some(failed) = self.failed.take()
            && self.head.commits == failed.number
        {
            if failed.digest != digest {
                self.failed = Some(failed);
                return Err(StateError::Diverged { path: self.path.clone() });
            }
            return Ok(self.committed(commit));
        }
        let written = std::mem::take(&mut self.written);
        let is_written =
            |key: &[u8], index, bytes: &[u8]| written.get(&(key.to_vec(), index)) == Some(&self::digest(bytes));
        let mut head = self.head;
        head.commits += 1;
        head.last += commit.entries.len() as u64;
        head.spool_bytes += commit.entry_bytes();
        let done = self.with(|store| store.write(commit, &head, is_written));
        self.written = written;
        match done {
            Ok(()) => {
                self.head = head;
                self.unsynced_bytes = 0;
                Ok(self.committed(commit))
            }
            Err(error) => {
                self.failed = Some(FailedCommit { number: head.commits, digest });
                // It may have reached the disk all the same. Where that cannot be told now, the next call asks again.
                if self.with(|_| Ok(())).is_ok() && self.head.commits == head.commits {
                    self.failed = None;
                    return Ok(self.committed(commit));
                }
                Err(error)
            }
        }
    }

    /// Entries from a sequence on: as many as stay within `bytes_max`, but at least one when there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn peek(&mut self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
        self.with(|store| store.entries(from, bytes_max))
    }

    /// Deletes the entries up to and including a sequence. After a power cut some may be back.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn ack(&mut self, up_to: u64) -> Result<(), StateError> {
        let up_to = up_to.min(self.head.last);
        if up_to < self.head.first {
            return Ok(());
        }
        let bytes = self.with(|store| store.bytes_up_to(up_to))?;
        let unsynced = self.unsynced_bytes + bytes;
        let reach = if unsynced > UNSYNCED_BYTES_MAX { SpoolReach::Now } else { SpoolReach::WithTheNextCommit };
        self.with(|store| store.delete(up_to, reach))?;
        self.unsynced_bytes = if reach == SpoolReach::Now { 0 } else { unsynced };
        self.head.first = self.head.first.max(up_to + 1);
        self.head.spool_bytes = self.head.spool_bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Begins a new epoch, as an old copy of a file must: what waits gets sequences from 1 on. `random` becomes the
    /// epoch.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub fn renew(&mut self, random: u64) -> Result<(), StateError> {
        let waiting = self.with(|store| store.entries(0, usize::MAX))?;
        let mut head = self.head;
        head.epoch = (random >> 1).max(1);
        head.commits += 1;
        head.first = 1;
        head.last = waiting.len() as u64;
        self.with(|store| store.renumber(&waiting, &head))?;
        self.head = head;
        self.unsynced_bytes = 0;
        Ok(())
    }

    /// The first sequence that waits; one more than [`Self::last`] when none does.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.head.first
    }

    /// The highest sequence ever given out; 0 for none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.head.last
    }

    /// Bytes that wait to be delivered.
    #[must_use]
    pub fn spool_bytes(&self) -> u64 {
        self.head.spool_bytes
    }

    /// Whether reading should stop until something is delivered.
    #[must_use]
    pub fn is_spool_full(&self) -> bool {
        self.head.spool_bytes >= SPOOL_BYTES_MAX
    }

    fn check(&self, commit: &StateCommit) -> Result<(), StateError> {
        commit.check_sizes()?;
        let bytes = self.head.spool_bytes;
        // An empty spool takes anything: what it refused would be offered for ever.
        if !commit.entries.is_empty()
            && bytes > 0
            && bytes + commit.entry_bytes() > SPOOL_BYTES_MAX + SPOOL_BYTES_MARGIN
        {
            return Err(StateError::SpoolFull { path: self.path.clone(), bytes });
        }
        Ok(())
    }

    /// Remembers what the file holds now.
    fn committed(&mut self, commit: &StateCommit) -> RangeInclusive<u64> {
        for source in &commit.sources {
            for (index, bytes) in &source.chunks {
                self.written.insert((source.key.clone(), *index), digest(bytes));
            }
        }
        let counts: BTreeMap<_, _> = commit.sources.iter().map(|s| (s.key.as_slice(), s.chunk_count)).collect();
        self.written.retain(|(key, index), _| {
            !commit.removed.contains(key) && counts.get(key.as_slice()).is_none_or(|count| index < count)
        });
        self.head.last + 1 - commit.entries.len() as u64..=self.head.last
    }

    /// Opens the file again if need be, and closes it when it fails: after one error the library refuses everything.
    fn with<T>(&mut self, act: impl FnOnce(&StateStore) -> Result<T, StateStoreError>) -> Result<T, StateError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => {
                let (store, head) = StateStore::open(&self.path).map_err(|error| named(&self.path, error))?;
                self.head = head;
                self.unsynced_bytes = 0;
                store
            }
        };
        let result = act(&store).map_err(|error| named(&self.path, error));
        if result.is_ok() {
            self.store = Some(store);
        }
        result
    }
}

fn named(path: &Path, error: StateStoreError) -> StateError {
    let path = path.to_owned();
    match error {
        StateStoreError::Busy => StateError::Busy { path },
        StateStoreError::Damaged(why) => StateError::Damaged { path, why },
        StateStoreError::Io(error) => StateError::Io { path, error },
    }
}

fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_copy_begins_a_new_epoch_with_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let (mut state, _) = StateFile::open(&path, 1 << 20).unwrap();
        let entries = [b"a", b"b", b"c"].map(|e| e.to_vec()).to_vec();
        state.commit(&StateCommit { entries, ..StateCommit::default() }).unwrap();
        state.ack(1).unwrap();
        let (epoch, bytes) = (state.epoch(), state.spool_bytes());
        state.renew(7 << 20).unwrap();
        let expected = vec![(1, b"b".to_vec()), (2, b"c".to_vec())];
        assert_ne!(state.epoch(), epoch);
        assert_eq!((state.first(), state.last(), state.spool_bytes()), (1, 2, bytes));
        assert_eq!(state.peek(0, usize::MAX).unwrap(), expected);
        let epoch = state.epoch();
        drop(state);
        let (mut state, opened) = StateFile::open(&path, 3).unwrap();
        assert_eq!((opened, state.epoch(), state.last()), (OpenedState::Resumed, epoch, 2));
        assert_eq!(
            state.commit(&StateCommit { entries: vec![b"d".to_vec()], ..StateCommit::default() }).unwrap(),
            3..=3
        );
    }

    #[test]
    fn an_empty_spool_takes_what_is_larger_than_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut state, _) = StateFile::open(&dir.path().join("state"), 1).unwrap();
        let entries = vec![vec![0; ENTRY_BYTES_MAX]; 330];
        let commit = StateCommit { entries, ..StateCommit::default() };
        assert!(commit.entry_bytes() > SPOOL_BYTES_MAX + SPOOL_BYTES_MARGIN);
        assert_eq!(state.commit(&commit).unwrap(), 1..=330);
        assert!(matches!(state.commit(&commit), Err(StateError::SpoolFull { .. })));
        state.ack(330).unwrap();
        assert_eq!(state.commit(&commit).unwrap(), 331..=660);
    }

    #[test]
    fn a_commit_that_reached_the_disk_all_the_same_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let (mut state, _) = StateFile::open(&dir.path().join("state"), 1).unwrap();
        let commit = StateCommit { entries: vec![b"once".to_vec()], ..StateCommit::default() };
        let other = StateCommit { entries: vec![b"other".to_vec()], ..StateCommit::default() };
        state.commit(&commit).unwrap();
        // As after an error whose outcome could not be told.
        state.failed = Some(FailedCommit { number: state.head.commits, digest: digest(&commit) });
        state.store = None;
        assert!(matches!(state.commit(&other), Err(StateError::Diverged { .. })));
        assert_eq!(state.commit(&commit).unwrap(), 1..=1);
        assert_eq!(state.commit(&other).unwrap(), 2..=2);
        // And as after one that did not reach it.
        state.failed = Some(FailedCommit { number: state.head.commits + 1, digest: digest(&commit) });
        state.store = None;
        assert_eq!(state.commit(&commit).unwrap(), 3..=3);
        assert_eq!(state.peek(1, usize::MAX).unwrap().len(), 3);
    }
}
