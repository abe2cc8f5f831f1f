//! Randomness that can be repeated: the seed is printed, and taken from the environment when it is there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Repeats a run.
const SEED_VARIABLE: &str = "ODDLINE_SEED";

/// A splitmix64 sequence (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A new seed, printed, or the one that the environment names.
    #[must_use]
    pub fn for_test(test: &str) -> Self {
        let named = std::env::var(SEED_VARIABLE).ok();
        let seed = named.map_or_else(moment, |text| text.parse().expect("ODDLINE_SEED is a number"));
        println!("{test}: repeat with {SEED_VARIABLE}={seed}");
        Self::new(seed)
    }

    /// For what need not be repeated.
    #[must_use]
    pub fn of_this_moment() -> Self {
        Self::new(moment())
    }

    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, for a part that runs beside this one.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Below `n`; 0 for 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// As [`Self::below`], for sizes.
    pub fn size_below(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("what is below a size is a size")
    }

    /// Fewer than `max` bytes.
    pub fn bytes_below(&mut self, max: usize) -> Vec<u8> {
        (0..self.size_below(max)).map(|_| self.byte()).collect()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    /// Between 0 and 1, neither of them.
    pub fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Shorter than `millis`.
    pub fn millis_below(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.below(millis))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[expect(clippy::disallowed_methods, reason = "a seed that differs from run to run; where it matters it is printed")]
fn moment() -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
    nanos ^ u64::from(std::process::id()) << 32
}
