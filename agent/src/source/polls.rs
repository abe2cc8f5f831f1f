//! How long something has been so, counted in polls.

use std::time::{Duration, Instant};

/// Polls in between count as one: a backlog elsewhere is no reason to look away sooner.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Times something was looked for in vain, at most one each [`POLL_EVERY`].
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Polls {
    pub count: u32,
    pub counted_at: Option<Instant>,
}

impl Polls {
    pub(super) fn count(&mut self, now: Instant) -> u32 {
        if self.counted_at.is_none_or(|at| now.saturating_duration_since(at) >= POLL_EVERY) {
            self.count += 1;
            self.counted_at = Some(now);
        }
        self.count
    }
}
