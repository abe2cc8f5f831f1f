//! The database file: tables, transactions, and which of its failures mean damage. The only importer of redb.
//!
//! ```text
//!  meta       name               -> u64      format, epoch, set_aside, commits, last_sequence
//!  positions  source key         -> bytes    empty: none
//!  chunks     source key, index  -> bytes
//!  values     name               -> bytes
//!  spool      sequence           -> bytes    no holes, ends with last_sequence
//! ```

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
};

use super::{StateCommit, StoredSource};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const POSITIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("positions");
const CHUNKS: TableDefinition<'_, (&[u8], u32), &[u8]> = TableDefinition::new("chunks");
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
const SPOOL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("spool");

/// What the tables above look like.
const FORMAT: u64 = 1;
/// Pages that the library keeps in memory; its own bound is a gigabyte.
const CACHE_BYTES: usize = 512 * 1024;

/// The file cannot be used.
#[derive(Debug)]
pub(super) enum StateStoreError {
    Busy,
    Damaged(String),
    Io(io::Error),
}

/// What is known of the file without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreHead {
    pub epoch: u64,
    pub set_aside: u64,
    pub commits: u64,
    /// The first that waits; `last + 1` when none does.
    pub first: u64,
    pub last: u64,
    pub spool_bytes: u64,
}

/// When a change must have reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpoolReach {
    Now,
    WithTheNextCommit,
}

#[derive(Debug)]
pub(super) struct StateStore(Database);

impl StateStore {
    /// Opens a file and checks all of it.
    pub(super) fn open(path: &Path) -> Result<(Self, StoreHead), StateStoreError> {
        let open = || {
            let database = builder().open(path).map_err(failed)?;
            let head = read_head(&database)?;
            Ok((Self(database), head))
        };
        // The library asserts what no file written by it breaks; whoever else wrote to it must not end the program.
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(result) => result,
            Err(_) => Err(StateStoreError::Damaged("the database library panicked on it".to_owned())),
        }
    }

    /// Makes a file that appears under its name only when it is complete.
    pub(super) fn create(path: &Path, epoch: u64, set_aside: u64) -> Result<(Self, StoreHead), StateStoreError> {
        let unfinished = path.with_added_extension("new");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StateStoreError::Io(error)),
            Ok(()) | Err(_) => {}
        }
        // Nobody else may read it: it holds samples of logs.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&unfinished).map_err(StateStoreError::Io)?;
        let database = builder().create(&unfinished).map_err(failed)?;
        let head = StoreHead { epoch, set_aside, commits: 0, first: 1, last: 0, spool_bytes: 0 };
        let store = Self(database);
        store.write(&StateCommit::default(), &head, |_, _, _| false)?;
        fs::rename(&unfinished, path).map_err(StateStoreError::Io)?;
        sync_folder(path).map_err(StateStoreError::Io)?;
        Ok((store, head))
    }

    /// Everything or nothing of a commit, on the disk when it returns. `head` is how it will be afterwards; chunks that
    /// are there already are not written again.
    pub(super) fn write(
        &self,
        commit: &StateCommit,
        head: &StoreHead,
        is_written: impl Fn(&[u8], u32, &[u8]) -> bool,
    ) -> Result<(), StateStoreError> {
        let transaction = self.0.begin_write().map_err(failed)?;
        {
            write_meta(&mut transaction.open_table(META).map_err(failed)?, head)?;
            let mut positions = transaction.open_table(POSITIONS).map_err(failed)?;
            let mut chunks = transaction.open_table(CHUNKS).map_err(failed)?;
            for source in &commit.sources {
                let key = source.key.as_slice();
                positions.insert(key, source.position.as_slice()).map_err(failed)?;
                for (index, bytes) in source.chunks.iter().filter(|(index, bytes)| !is_written(key, *index, bytes)) {
                    chunks.insert((key, *index), bytes.as_slice()).map_err(failed)?;
                }
                chunks.retain_in((key, source.chunk_count)..=(key, u32::MAX), |_, _| false).map_err(failed)?;
            }
            for key in &commit.removed {
                positions.remove(key.as_slice()).map_err(failed)?;
                chunks.retain_in((key.as_slice(), 0)..=(key.as_slice(), u32::MAX), |_, _| false).map_err(failed)?;
            }
            let mut values = transaction.open_table(VALUES).map_err(failed)?;
            for (name, value) in &commit.values {
                match value {
                    Some(value) => drop(values.insert(name.as_str(), value.as_slice()).map_err(failed)?),
                    None => drop(values.remove(name.as_str()).map_err(failed)?),
                }
            }
            let mut spool = transaction.open_table(SPOOL).map_err(failed)?;
            let first = head.last + 1 - commit.entries.len() as u64;
            for (sequence, entry) in (first..).zip(&commit.entries) {
                spool.insert(sequence, entry.as_slice()).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    pub(super) fn delete(&self, up_to: u64, reach: SpoolReach) -> Result<(), StateStoreError> {
        let mut transaction = self.0.begin_write().map_err(failed)?;
        if reach == SpoolReach::WithTheNextCommit {
            transaction.set_durability(Durability::None).map_err(failed)?;
        }
        let mut spool = transaction.open_table(SPOOL).map_err(failed)?;
        spool.retain_in(..=up_to, |_, _| false).map_err(failed)?;
        drop(spool);
        transaction.commit().map_err(failed)
    }

    /// Puts the entries of the spool under sequences from 1 on. `head` is how it will be afterwards.
    pub(super) fn renumber(&self, entries: &[(u64, Vec<u8>)], head: &StoreHead) -> Result<(), StateStoreError> {
        let transaction = self.0.begin_write().map_err(failed)?;
        {
            write_meta(&mut transaction.open_table(META).map_err(failed)?, head)?;
            let mut spool = transaction.open_table(SPOOL).map_err(failed)?;
            spool.retain(|_, _| false).map_err(failed)?;
            for (sequence, (_, entry)) in (1..).zip(entries) {
                spool.insert(sequence, entry.as_slice()).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Entries from a sequence on: as many as stay within `bytes_max`, but at least one when there is one.
    pub(super) fn entries(&self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, StateStoreError> {
        let spool = self.0.begin_read().map_err(failed)?.open_table(SPOOL).map_err(failed)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        for entry in spool.range(from..).map_err(failed)? {
            let (sequence, entry) = entry.map_err(failed)?;
            bytes += entry.value().len();
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push((sequence.value(), entry.value().to_vec()));
        }
        Ok(found)
    }

    /// Bytes of the entries up to a sequence.
    pub(super) fn bytes_up_to(&self, up_to: u64) -> Result<u64, StateStoreError> {
        let spool = self.0.begin_read().map_err(failed)?.open_table(SPOOL).map_err(failed)?;
        let mut bytes = 0;
        for entry in spool.range(..=up_to).map_err(failed)? {
            bytes += entry.map_err(failed)?.1.value().len() as u64;
        }
        Ok(bytes)
    }

    pub(super) fn sources(&self) -> Result<Vec<StoredSource>, StateStoreError> {
        let positions = self.positions()?;
        let found = positions.into_iter().map(|source| self.source(&source.key));
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The same without their chunks, which are most of it.
    pub(super) fn positions(&self) -> Result<Vec<StoredSource>, StateStoreError> {
        let positions = self.0.begin_read().map_err(failed)?.open_table(POSITIONS).map_err(failed)?;
        let mut found = Vec::new();
        for row in positions.iter().map_err(failed)? {
            let (key, position) = row.map_err(failed)?;
            let (key, position) = (key.value().to_vec(), position.value().to_vec());
            found.push(StoredSource { key, position, chunks: Vec::new() });
        }
        Ok(found)
    }

    pub(super) fn source(&self, key: &[u8]) -> Result<Option<StoredSource>, StateStoreError> {
        let transaction = self.0.begin_read().map_err(failed)?;
        let positions = transaction.open_table(POSITIONS).map_err(failed)?;
        let Some(position) = positions.get(key).map_err(failed)?.map(|position| position.value().to_vec()) else {
            return Ok(None);
        };
        let table = transaction.open_table(CHUNKS).map_err(failed)?;
        let mut chunks = Vec::new();
        for row in table.range((key, 0)..=(key, u32::MAX)).map_err(failed)? {
            chunks.push(row.map_err(failed)?.1.value().to_vec());
        }
        Ok(Some(StoredSource { key: key.to_vec(), position, chunks }))
    }

    /// Shows each chunk, one at a time: all of them are more than may be held at once.
    pub(super) fn each_chunk(&self, mut show: impl FnMut(&[u8], u32, &[u8])) -> Result<(), StateStoreError> {
        let chunks = self.0.begin_read().map_err(failed)?.open_table(CHUNKS).map_err(failed)?;
        for row in chunks.iter().map_err(failed)? {
            let (key, bytes) = row.map_err(failed)?;
            let (source, index) = key.value();
            show(source, index, bytes.value());
        }
        Ok(())
    }

    /// A value by its name.
    pub(super) fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StateStoreError> {
        let values = self.0.begin_read().map_err(failed)?.open_table(VALUES).map_err(failed)?;
        Ok(values.get(name).map_err(failed)?.map(|value| value.value().to_vec()))
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Every page is verified against its checksum: a flipped bit is found before it is believed.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn write_meta(meta: &mut Table<'_, &'static str, u64>, head: &StoreHead) -> Result<(), StateStoreError> {
    let StoreHead { epoch, set_aside, commits, first: _, last, spool_bytes: _ } = *head;
    let rows =
        [("format", FORMAT), ("epoch", epoch), ("set_aside", set_aside), ("commits", commits), ("last_sequence", last)];
    for (name, value) in rows {
        meta.insert(name, value).map_err(failed)?;
    }
    Ok(())
}

fn read_head(database: &Database) -> Result<StoreHead, StateStoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let meta = transaction.open_table(META).map_err(failed)?;
    let get = |name: &str| match meta.get(name).map_err(failed)? {
        Some(value) => Ok(value.value()),
        None => Err(StateStoreError::Damaged(format!("it does not say its {name}"))),
    };
    let format = get("format")?;
    if format != FORMAT {
        return Err(StateStoreError::Damaged(format!("it is of format {format}, not {FORMAT}")));
    }
    let last = get("last_sequence")?;
    let spool = transaction.open_table(SPOOL).map_err(failed)?;
    let first = spool.first().map_err(failed)?.map_or(last + 1, |(sequence, _)| sequence.value());
    let mut spool_bytes = 0;
    for (expected, entry) in (first..).zip(spool.iter().map_err(failed)?) {
        let (sequence, entry) = entry.map_err(failed)?;
        if sequence.value() != expected {
            return Err(StateStoreError::Damaged(format!("entry {expected} of the spool is missing")));
        }
        spool_bytes += entry.value().len() as u64;
    }
    if first + spool.len().map_err(failed)? != last + 1 {
        return Err(StateStoreError::Damaged(format!("the spool does not end with entry {last}")));
    }
    Ok(StoreHead {
        epoch: get("epoch")?,
        set_aside: get("set_aside")?,
        commits: get("commits")?,
        first,
        last,
        spool_bytes,
    })
}

/// A file name survives a power cut only when its folder was synced.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => fs::File::open(folder)?.sync_all(),
        Some(_) | None => fs::File::open(".")?.sync_all(),
    }
}

fn failed(error: impl Into<redb::Error>) -> StateStoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StateStoreError::Busy,
        // So the library calls a file that is none of its own, and one that ends too early.
        redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            StateStoreError::Damaged(error.to_string())
        }
        redb::Error::Io(error) => StateStoreError::Io(error),
        error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_)) => {
            StateStoreError::Io(io::Error::other(error))
        }
        error => StateStoreError::Damaged(error.to_string()),
    }
}
