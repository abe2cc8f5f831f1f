//! A spool in memory, for tests: what is acknowledged is deleted, and how far is remembered.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Spool;

/// Entries by sequence. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct MemorySpool(Arc<Mutex<MemorySpoolInner>>);

#[derive(Debug, Default)]
struct MemorySpoolInner {
    last: u64,
    entries: BTreeMap<u64, Vec<u8>>,
}

impl MemorySpool {
    /// Appends an entry; its sequence.
    pub(super) fn append(&self, entry: Vec<u8>) -> u64 {
        let mut inner = self.inner();
        inner.last += 1;
        let last = inner.last;
        inner.entries.insert(last, entry);
        last
    }

    #[must_use]
    pub(super) fn waiting(&self) -> usize {
        self.inner().entries.len()
    }

    fn inner(&self) -> MutexGuard<'_, MemorySpoolInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool for MemorySpool {
    type Error = Infallible;

    fn last(&mut self) -> Result<u64, Infallible> {
        Ok(self.inner().last)
    }

    fn peek(&mut self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, Infallible> {
        let mut bytes = 0;
        let inner = self.inner();
        let fits = |(at, (_, entry)): &(usize, (&u64, &Vec<u8>))| {
            bytes += entry.len();
            *at == 0 || bytes <= bytes_max
        };
        Ok(inner
            .entries
            .range(from..)
            .enumerate()
            .take_while(fits)
            .map(|(_, (&sequence, entry))| (sequence, entry.clone()))
            .collect())
    }

    fn ack(&mut self, up_to: u64) -> Result<(), Infallible> {
        self.inner().entries.retain(|&sequence, _| sequence > up_to);
        Ok(())
    }

    fn is_passing(error: &Infallible) -> bool {
        match *error {}
    }
}
