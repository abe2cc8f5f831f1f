//! The ends of the reading thread that others hold: what they want of it, what they see of it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{Notify, oneshot};

use super::ActiveModel;
use crate::{figures::AgentFigures, publish::sink::EventOutput};

/// What others want of the thread.
pub(crate) enum WorkerCommand {
    /// Judge with this model from now on; answered when it does.
    Judge(Box<ActiveModel>, oneshot::Sender<Result<(), String>>),
    Stop,
}

/// What others see of the thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct StatusHandle {
    reading: Arc<Mutex<AgentFigures>>,
    beats: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
}

impl StatusHandle {
    /// The figures as they were last made.
    #[must_use]
    pub(crate) fn reading(&self) -> AgentFigures {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn show(&self, reading: AgentFigures) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// The thread has made progress.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread is to end: it waits less for what hangs.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Set when the thread is to end.
    #[must_use]
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// Grows while the thread makes progress.
    #[must_use]
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

/// Where events go after a commit.
pub(crate) enum EventSink {
    /// The delivery takes them from the spool.
    Delivery(Arc<Notify>),
    Sink(Box<EventOutput>),
}
