//! The state file shared by the thread that fills it and the loop that empties it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    publish::Spool,
    state::{StateError, StateFile},
};

/// The one state file of the process. Each call holds it for one transaction.
#[derive(Debug, Clone)]
pub(crate) struct SharedState(Arc<Mutex<StateFile>>);

impl SharedState {
    /// Shares an open state file.
    #[must_use]
    pub(crate) fn new(state: StateFile) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The file, for one call. A thread that died while it held it has left it as its last commit did.
    pub(crate) fn lock(&self) -> MutexGuard<'_, StateFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool for SharedState {
    type Error = StateError;

    fn last(&mut self) -> Result<u64, StateError> {
        Ok(self.lock().last())
    }

    fn peek(&mut self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
        self.lock().peek(from, bytes_max)
    }

    fn ack(&mut self, up_to: u64) -> Result<(), StateError> {
        self.lock().ack(up_to)
    }

    fn is_passing(error: &StateError) -> bool {
        error.is_passing()
    }
}
