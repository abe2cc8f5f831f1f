//! How long to wait before trying again: exponential, with jitter, so that several collectors do not come back in the same
//! second. Pure; its randomness starts from a seed that the caller draws.

use std::time::Duration;

/// First wait.
pub const WAIT_MIN: Duration = Duration::from_millis(500);
/// Longest wait: agents wait for acknowledgements meanwhile; what they send is refused or queued.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
/// A connection that held this long was a good one: the next wait starts from the beginning.
pub const GOOD_AFTER: Duration = Duration::from_secs(30);

/// A sequence of waits.
#[derive(Debug)]
pub struct Backoff {
    random: u64,
    failures: u32,
}

impl Backoff {
    /// Starts from `seed`, which differs between agents.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: seed, failures: 0 }
    }

    /// The wait after a connection that held for `held` (zero when none came about): between half of the exponential
    /// step and the whole of it.
    pub fn next_wait(&mut self, held: Duration) -> Duration {
        if held >= GOOD_AFTER {
            self.failures = 0;
        }
        let step = WAIT_MIN.saturating_mul(1 << self.failures.min(16)).min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.5 + 0.5 * self.fraction())
    }

    /// The next number of a splitmix64 sequence (Steele, Lea, Flood 2014), in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_again_after_a_good_connection() {
        let mut backoff = Backoff::new(3);
        let mut step = WAIT_MIN;
        for _ in 0..100 {
            let wait = backoff.next_wait(Duration::ZERO);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            step = (step * 2).min(WAIT_MAX);
        }
        assert!(backoff.next_wait(GOOD_AFTER) <= WAIT_MIN);
    }

    #[test]
    fn two_agents_wait_differently() {
        let waits = |seed| -> Vec<Duration> {
            let mut backoff = Backoff::new(seed);
            (0..5).map(|_| backoff.next_wait(Duration::ZERO)).collect()
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(1), waits(1));
    }
}
