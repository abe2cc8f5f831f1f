//! The library's retained messages, kept in [`Retained`].

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmqtt::{
    retain::RetainStorage,
    types::{Retain, TopicFilter, TopicName},
};

use super::retained::{NoRoom, Retained};

/// The retained messages, shared by the store and the hooks.
#[derive(Clone)]
pub(super) struct RetainedStore(Arc<Mutex<Retained<Retain>>>);

/// The library's view of it.
pub(super) struct RetainStore(pub RetainedStore);

impl RetainedStore {
    pub(super) fn new(count_max: usize, bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Retained::new(count_max, bytes_max))))
    }

    pub(super) fn check_room(&self, topic: &str, payload_bytes: usize) -> Result<(), NoRoom> {
        self.retained().check_room(topic, payload_bytes)
    }

    /// Messages, their bytes, refused ones.
    pub(super) fn count(&self) -> (usize, usize, u64) {
        let retained = self.retained();
        (retained.len(), retained.bytes(), retained.refused())
    }

    fn retained(&self) -> MutexGuard<'_, Retained<Retain>> {
        // Each change is made whole before the next can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type RetainOutcome<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// What `async_trait` would write: the trait is declared with it.
impl RetainStorage for RetainStore {
    fn enable(&self) -> bool {
        true
    }

    fn set<'s, 't, 'f>(
        &'s self,
        topic: &'t TopicName,
        retain: Retain,
        _expiry: Option<Duration>,
    ) -> RetainOutcome<'f, rmqtt::Result<()>>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        // A refusal is counted there. Said to the library it would end the publisher's connection; the hooks have
        // said it to the publisher already, except to a last will, whose publisher is gone.
        let _: Result<(), NoRoom> = self.0.retained().set(topic, retain.publish.payload.len(), retain);
        Box::pin(std::future::ready(Ok(())))
    }

    fn get<'s, 't, 'f>(&'s self, filter: &'t TopicFilter) -> RetainOutcome<'f, rmqtt::Result<Vec<(TopicName, Retain)>>>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        let found = self.0.retained().matching(filter);
        let found = found.into_iter().map(|(topic, retain)| (TopicName::from(topic), retain)).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn count<'s, 'f>(&'s self) -> RetainOutcome<'f, isize>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(std::future::ready(isize::try_from(self.0.count().0).unwrap_or(isize::MAX)))
    }

    fn max<'s, 'f>(&'s self) -> RetainOutcome<'f, isize>
    where
        's: 'f,
        Self: 'f,
    {
        self.count()
    }
}
