//! How long to wait before trying again: exponential, with jitter, so that a thousand agents do not come back to a
//! restarted broker in the same second. Pure; its randomness starts from a seed that the caller draws.

use std::time::Duration;

use oddline_core::backoff::Backoff;

/// First wait.
pub const WAIT_MIN: Duration = Duration::from_millis(500);
/// Longest wait: an operator who repaired the broker sees the fleet back within a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// A connection that held this long was a good one: the next wait starts from the beginning.
pub const GOOD_AFTER: Duration = Duration::from_secs(30);

/// First and longest wait after another client took the session over: whoever comes back ends the other's connection.
pub const TAKEN_OVER_WAIT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// A connection that held this long had no rival, who waits [`TAKEN_OVER_WAIT`] at most.
const ALONE_AFTER: Duration = Duration::from_secs(1_200);

/// A sequence of waits.
#[derive(Debug)]
pub struct ReconnectBackoff {
    random: u64,
    waits: Backoff,
    taken_over: Backoff,
}

impl ReconnectBackoff {
    /// Starts from `seed`, which differs between programs; no wait is longer than [`WAIT_MAX`].
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (shortest, longest) = TAKEN_OVER_WAIT;
        Self { random: seed, waits: Backoff::new(WAIT_MIN, WAIT_MAX), taken_over: Backoff::new(shortest, longest) }
    }

    /// With another longest wait.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        Self { waits: Backoff::new(WAIT_MIN, longest), ..self }
    }

    /// The wait after a connection that held for `held` (zero when none came about): between half of the exponential
    /// step and the whole of it.
    pub fn next_wait(&mut self, held: Duration) -> Duration {
        if held >= GOOD_AFTER {
            self.waits.succeeded();
        }
        let random = self.random();
        self.waits.failed(random)
    }

    /// The wait after another client took the session over from a connection that held for `held`.
    pub fn next_wait_taken_over(&mut self, held: Duration) -> Duration {
        if held >= ALONE_AFTER {
            self.taken_over.succeeded();
        }
        let random = self.random();
        self.taken_over.failed(random)
    }

    /// The next number of a splitmix64 sequence (Steele, Lea, Flood 2014), its upper half.
    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_again_after_a_good_connection() {
        let mut backoff = ReconnectBackoff::new(3);
        let mut step = WAIT_MIN;
        for _ in 0..100 {
            let wait = backoff.next_wait(Duration::ZERO);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            step = (step * 2).min(WAIT_MAX);
        }
        assert!(backoff.next_wait(GOOD_AFTER) <= WAIT_MIN);
    }

    #[test]
    fn a_session_that_was_taken_over_waits_longer_each_time_until_it_had_no_rival() {
        let mut backoff = ReconnectBackoff::new(3);
        let (mut step, longest) = TAKEN_OVER_WAIT;
        for _ in 0..10 {
            let wait = backoff.next_wait_taken_over(longest);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            step = (step * 2).min(longest);
        }
        assert!(backoff.next_wait_taken_over(ALONE_AFTER) <= TAKEN_OVER_WAIT.0);
    }

    #[test]
    fn two_agents_wait_differently() {
        let waits = |seed| -> Vec<Duration> {
            let mut backoff = ReconnectBackoff::new(seed);
            (0..5).map(|_| backoff.next_wait(Duration::ZERO)).collect()
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(1), waits(1));
    }
}
