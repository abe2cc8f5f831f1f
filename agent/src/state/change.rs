//! What one transaction changes, and how large its parts may be. Values only; knows no file.

use super::StateError;

/// Bytes of one entry: as much as may be in flight at once.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a chunk: 64 streams that still learn, 6 KB each.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a value: a model file with its signature and to spare.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StateCommit {
    pub sources: Vec<SourceChange>,
    /// Keys of sources that are forgotten.
    pub removed: Vec<Vec<u8>>,
    /// New entries of the spool, in order. Each gets the next sequence.
    pub entries: Vec<Vec<u8>>,
    /// Values set (`Some`) or removed.
    pub values: Vec<(String, Option<Vec<u8>>)>,
}

/// One source as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceChange {
    /// Its name for ever: its path, or `journal`.
    pub key: Vec<u8>,
    /// The next byte not yet taken; empty for none.
    pub position: Vec<u8>,
    /// Its chunks that may have changed, by index. Those that did not are not written.
    pub chunks: Vec<(u32, Vec<u8>)>,
    /// How many chunks it has; those beyond are deleted.
    pub chunk_count: u32,
}

/// One source as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    pub key: Vec<u8>,
    /// The next byte not yet taken; empty for none.
    pub position: Vec<u8>,
    pub chunks: Vec<Vec<u8>>,
}

impl StateCommit {
    /// The bytes that its entries take in the spool.
    #[must_use]
    pub fn entry_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.len() as u64).sum()
    }

    pub(super) fn check_sizes(&self) -> Result<(), StateError> {
        let chunks = self.sources.iter().flat_map(|source| &source.chunks).map(|(_, bytes)| bytes.len());
        let values = self.values.iter().filter_map(|(_, value)| value.as_ref()).map(Vec::len);
        let entries = self.entries.iter().map(Vec::len);
        let largest = [
            ("a chunk", chunks.max(), CHUNK_BYTES_MAX),
            ("a value", values.max(), VALUE_BYTES_MAX),
            ("an entry", entries.max(), ENTRY_BYTES_MAX),
        ];
        for (what, bytes, bytes_max) in largest {
            if let Some(bytes) = bytes.filter(|bytes| *bytes > bytes_max) {
                return Err(StateError::TooLarge { what, bytes, bytes_max });
            }
        }
        Ok(())
    }
}
