//! What a pipeline tells of itself: counts, sizes, what of the budget is used. Changes nothing.

use std::collections::BTreeMap;

use oddline_core::{activity, budget::BudgetUse, stream, time::EventTime};

use super::{LineTally, Pipeline, PipelineCounts, SourceOptions};

impl Pipeline {
    /// How it is treated.
    #[must_use]
    pub fn treatment(&self) -> &SourceOptions {
        &self.treatment
    }

    /// What came of the lines so far.
    #[must_use]
    pub fn counts(&self) -> PipelineCounts {
        self.counts
    }

    /// What became of each line.
    #[must_use]
    pub fn tally(&self) -> &LineTally {
        &self.tally
    }

    /// What of the names in its records is no longer used, because they keep growing.
    #[must_use]
    pub fn names_grown(&self) -> Option<String> {
        self.reader.growth().problem()
    }

    /// What it holds weighs so much in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let learnt = self.judge.bytes() + self.pace.bytes() + self.episodes.bytes();
        learnt + self.reader.growth().bytes() + self.waiting.weight()
    }

    /// What did not go as usual with times, streams and counters.
    #[must_use]
    pub fn pace_counts(&self) -> activity::ActivityCounts {
        self.pace.counts()
    }

    /// Open episodes dropped because there were too many.
    #[must_use]
    pub fn episodes_forgotten(&self) -> u64 {
        self.episodes.forgotten()
    }

    /// Number of the next record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.judge.number()
    }

    /// Streams known, how many of them are still being learnt, and what happened to them.
    #[must_use]
    pub fn streams(&self) -> (usize, usize, stream::StreamCounts) {
        let (known, learning) = self.judge.streams();
        (known, learning, self.judge.counts())
    }

    /// Normal episodes asked for and episodes told of, per server and day.
    #[must_use]
    pub fn budget_use(&self) -> BudgetUse {
        self.judge.budget_use()
    }

    /// How many streams of each character there are, of those that have one.
    #[must_use]
    pub fn characters(&self) -> BTreeMap<&'static str, u64> {
        self.judge.characters()
    }

    /// Event time of the last record that had one.
    #[must_use]
    pub fn last_time(&self) -> Option<EventTime> {
        self.reader.last_time()
    }

    /// Whether a record of several lines is not whole yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.reader.parser().is_pending()
    }
}
