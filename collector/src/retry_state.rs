//! How often, and for how long, the writer tries again what the database did not do.

use std::time::{Duration, Instant};

use crate::store::StoreError;

/// First wait before a transaction is tried again.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// A database that failed for so long needs a person: the program ends, and its supervisor starts it anew. Nothing is
/// lost, as nothing was acknowledged. A full disk is waited for without end: a new start would find it no emptier.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
/// Attempts that are told one by one, until the wait is at its longest; after them one in so many, every five minutes.
const ATTEMPTS_TOLD_MAX: u32 = 8;
const ATTEMPTS_PER_LINE: u32 = 30;
/// How long the database has been failing.
#[derive(Debug)]
pub(crate) struct RetryState {
    began: Instant,
    wait: Duration,
    attempts: u32,
}

impl Default for RetryState {
    fn default() -> Self {
        Self { began: Instant::now(), wait: RETRY_MIN, attempts: 0 }
    }
}

impl RetryState {
    /// Whether the same is to be tried again after this error.
    #[must_use]
    pub(crate) fn lasts(&self, error: &StoreError) -> bool {
        matches!(error, StoreError::Full(_)) || (error.is_passing() && self.began.elapsed() < GIVE_UP_AFTER)
    }

    /// The wait before the next attempt.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(RETRY_MAX);
        self.attempts = self.attempts.saturating_add(1);
        wait
    }

    /// Whether this attempt is worth a line.
    #[must_use]
    pub(crate) fn is_reported(&self) -> bool {
        self.attempts <= ATTEMPTS_TOLD_MAX || self.attempts.is_multiple_of(ATTEMPTS_PER_LINE)
    }

    /// How long it took, once it has succeeded; `None` when it did at once.
    #[must_use]
    pub(crate) fn took(&self) -> Option<Duration> {
        (self.attempts > 0).then(|| self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_others_for_five_minutes() {
        let long_ago = Instant::now().checked_sub(GIVE_UP_AFTER).unwrap();
        let patience = RetryState { began: long_ago, ..RetryState::default() };
        assert!(patience.lasts(&StoreError::Full(String::new())));
        assert!(
            !patience.lasts(&StoreError::Unknown(String::new())) && RetryState::default().lasts(&StoreError::Conflict)
        );
        assert!(!RetryState::default().lasts(&StoreError::Refused(String::new())));
    }

    #[test]
    fn waits_grow_and_lines_become_few() {
        let mut patience = RetryState::default();
        let told = (0..300).filter(|_| {
            assert!(patience.next_wait() <= RETRY_MAX);
            patience.is_reported()
        });
        assert_eq!(told.count(), 8 + 10);
        assert!(patience.took().is_some() && RetryState::default().took().is_none());
    }
}
