//! How fast one connection may talk: a token bucket on bytes, so that one agent cannot fill the memory that waits for
//! the collector. Pure: the time is an argument.

use std::time::Duration;

/// A bucket that holds the bytes of one second.
#[derive(Debug, Clone)]
pub(super) struct RateLimiter {
    bytes_per_s: f64,
    /// Bytes that may pass at once; below zero what has passed too early.
    left: f64,
    /// When it was counted last.
    at: Duration,
}

impl RateLimiter {
    #[must_use]
    pub(super) fn new(bytes_per_s: u32) -> Self {
        let bytes_per_s = f64::from(bytes_per_s.max(1));
        Self { bytes_per_s, left: bytes_per_s, at: Duration::ZERO }
    }

    /// Lets `bytes` pass at `now`, a time since any fixed moment that does not go back: how long to wait before the next.
    pub(super) fn pass(&mut self, bytes: usize, now: Duration) -> Duration {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.bytes_per_s;
        self.at = now.max(self.at);
        self.left = (self.left + gained).min(self.bytes_per_s) - bytes as f64;
        if self.left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.left / self.bytes_per_s) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever keeps the waits never gets more through than one second's bytes at once and the rate after that.
        #[test]
        fn the_rate_holds_over_any_time(steps in proptest::collection::vec((1_usize..2_000, 0_u64..800), 1..80)) {
            let mut pace = RateLimiter::new(1_000);
            let (mut now, mut passed, mut wait) = (Duration::ZERO, 0, Duration::ZERO);
            for (bytes, idle_ms) in steps {
                now += wait + Duration::from_millis(idle_ms);
                // What was let through before this chunk; a chunk is let through whole.
                prop_assert!(passed as f64 <= 1_000.0 + now.as_secs_f64() * 1_000.0 + 0.01);
                wait = pace.pass(bytes, now);
                passed += bytes;
            }
        }
    }

    #[test]
    fn who_is_slow_never_waits() {
        let mut pace = RateLimiter::new(1_000);
        for second in 0..100 {
            assert_eq!(pace.pass(1_000, Duration::from_secs(second)), Duration::ZERO);
        }
        assert_eq!(pace.pass(500, Duration::from_secs(99)), Duration::from_millis(500));
    }
}
