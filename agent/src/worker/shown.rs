//! What the reading thread shows of itself, as it stands.

use std::time::Instant;

use super::Worker;

impl Worker {
    pub(super) fn judged(&self) -> u64 {
        self.sources.figures().iter().map(|source| source.counts.judged).sum()
    }

    pub(super) fn show(&mut self, now: Instant) {
        self.figures_at = Some(now);
        self.figures.sources = self.sources.figures();
        self.figures.memory_bytes_max = self.sources.budget.pool();
        self.figures.left_out = self.sources.left_out as u64;
        (self.figures.gaps, self.figures.gap_bytes) = self.sources.gaps();
        self.figures.model = self.active.id.version;
        self.figures.judged_by_model = self.figures.total().judged.saturating_sub(self.judged_before);
        {
            let state = self.state.lock();
            self.figures.last_sequence = state.last();
            self.figures.waiting = state.last() + 1 - state.first();
            self.figures.waiting_bytes = state.spool_bytes();
            self.figures.set_aside = state.set_aside();
        }
        self.board.show(self.figures.clone());
    }
}
