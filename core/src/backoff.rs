//! How long to wait before the next attempt: twice as long each time, between a half and the whole of it, so that
//! many who failed together do not come back together. Pure: the randomness is an argument.

use std::time::Duration;

/// Waits between attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// `first` after one failure, never more than `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// An attempt failed: the wait before the next. `random` is any number.
    pub fn failed(&mut self, random: u32) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).and_then(|factor| self.first.checked_mul(factor));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.unwrap_or(self.longest).min(self.longest);
        whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Attempts that failed since one succeeded.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let waits: Vec<_> = (0..100).map(|_| backoff.failed(u32::MAX).as_secs()).collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((waits[99], backoff.failures()), (60, 100));
        assert_eq!(backoff.failed(0), Duration::from_secs(30));
        backoff.succeeded();
        assert_eq!(backoff.failed(0), Duration::from_millis(500));
    }
}
