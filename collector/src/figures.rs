//! What the collector counts while it takes in messages, for whoever asks: the API, the health check.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What was done since the start.
#[derive(Debug, Default)]
pub struct CollectorFigures {
    /// Messages taken from the broker.
    pub messages: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    pub refused: AtomicU64,
    pub entries: AtomicU64,
    /// Batches that were there already.
    pub repeated: AtomicU64,
    /// Batches before which something was missing.
    pub gaps: AtomicU64,
    /// Batches kept as dead letters.
    pub dead_letters: AtomicU64,
    /// Entries that an earlier collector acknowledged and this store never had.
    pub missing: AtomicU64,
    pub transactions: AtomicU64,
    /// Microseconds in them.
    pub commit_us: AtomicU64,
    /// Transactions that failed and were tried again.
    pub failures: AtomicU64,
    /// When the newest transaction ended well, microseconds.
    pub stored_us: AtomicI64,
    /// 1 while the newest transaction has failed.
    pub failing: AtomicU64,
    pub connections: AtomicU64,
    /// 1 while one stands.
    pub connected: AtomicU64,
    /// Messages that wait for the writer or are in its hands.
    pub queued: AtomicU64,
    /// When the writer last got on, microseconds: it settled a message, or was given one while it had none.
    pub moved_us: AtomicI64,
}

impl CollectorFigures {
    /// One more message waits; said before it does.
    pub fn queue(&self, now_us: i64) {
        if self.queued.fetch_add(1, Relaxed) == 0 {
            self.moved_us.store(now_us, Relaxed);
        }
    }

    /// So many wait no longer.
    pub fn settle(&self, messages: usize, now_us: i64) {
        self.queued.fetch_sub(messages as u64, Relaxed);
        self.moved_us.store(now_us, Relaxed);
    }

    /// How long messages wait that do not move.
    #[must_use]
    pub fn stands_for(&self, now_us: i64) -> Duration {
        if self.queued.load(Relaxed) == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(u64::try_from(now_us - self.moved_us.load(Relaxed)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_settled_waits_no_longer() {
        let figures = CollectorFigures::default();
        assert_eq!(figures.stands_for(9_000_000), Duration::ZERO);
        for _ in 0..128 {
            figures.queue(1_000_000);
        }
        assert_eq!(figures.queued.load(Relaxed), 128);
        assert_eq!(figures.stands_for(3_000_000), Duration::from_secs(2));
        figures.settle(100, 4_000_000);
        assert_eq!(figures.stands_for(4_500_000), Duration::from_millis(500), "it gets on");
        figures.settle(28, 5_000_000);
        assert_eq!(figures.queued.load(Relaxed), 0);
        assert_eq!(figures.stands_for(60_000_000), Duration::ZERO, "nothing to do is no standstill");
        figures.queue(61_000_000);
        assert_eq!(figures.stands_for(61_000_000), Duration::ZERO);
        assert_eq!(figures.stands_for(60_000_000), Duration::ZERO, "a clock set back");
    }
}
