//! What the agent shows of itself: to `status`, to the metrics and on its status topic. Values only.

use std::collections::BTreeMap;

use oddline_core::{activity, budget::BudgetUse, stream};
use serde::{Deserialize, Serialize};

use oddline_pipeline::{FaultSummary, LineTally, PipelineCounts};

/// One source as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceFigures {
    pub name: String,
    /// What is wrong with it, when something is.
    pub failed: Option<String>,
    /// Bytes that wait to be read, where that is known.
    pub lag_bytes: Option<u64>,
    pub streams: u64,
    /// Streams among them that are still being learnt.
    pub learning: u64,
    /// What its servers may tell and what they did.
    #[serde(default)]
    pub budget: Option<BudgetFigures>,
    /// How many have each character, of those that have one.
    #[serde(default)]
    pub characters: BTreeMap<String, u64>,
    /// What came of its lines since it is known.
    #[serde(flatten)]
    pub counts: PipelineCounts,
    #[serde(default, flatten)]
    pub classes: LineClasses,
    /// What was wrong with its lines, by kind.
    #[serde(default)]
    pub faulty: Vec<FaultSummary>,
    /// Why most of what was read cannot be what its writer meant.
    #[serde(default)]
    pub not_understood: Option<String>,
    /// Which of its names are used no more, because they keep growing.
    #[serde(default)]
    pub names_grown: Option<String>,
    /// What did not go as usual with its streams of values.
    pub judging: stream::StreamCounts,
    /// What did not go as usual with its times.
    pub pace: activity::ActivityCounts,
    /// Open episodes dropped because there were too many.
    pub forgotten: u64,
    /// Memory that what is learnt of it takes.
    pub memory_bytes: u64,
    /// Memory is full: it learns no further streams.
    pub is_full: bool,
}

/// Episodes per thousand servers and days, over the days remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BudgetFigures {
    /// Normal ones asked for.
    pub asked_milli: u64,
    /// All that were told of.
    pub used_milli: u64,
    /// Days of all servers remembered; older ones fade.
    pub server_days: u64,
}

impl BudgetFigures {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates and days, saturated")]
    pub(crate) fn of(used: BudgetUse) -> Option<Self> {
        let milli = |rate: f64| (rate * 1e3).round() as u64;
        let server_days = used.server_days.round() as u64;
        used.asked.map(|asked| Self { asked_milli: milli(asked), used_milli: milli(used.used), server_days })
    }
}

/// What became of lines: together, without the records beyond the first of their line, they are all that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LineClasses {
    /// Records with a value that was scored.
    pub scored: u64,
    /// Records without, watched for their rate, pauses and news.
    pub watched: u64,
    /// Records of which nothing can be used.
    pub unusable: u64,
    /// Lines that belong to the record before them.
    pub continued: u64,
    /// Headers, comments, empty lines.
    pub skipped: u64,
    /// Records without a time of their own.
    pub untimed: u64,
    /// Records beyond the first of their line.
    pub further: u64,
}

impl From<&LineTally> for LineClasses {
    fn from(tally: &LineTally) -> Self {
        let LineTally { scored, watched, unusable, continued, skipped, untimed, further, .. } = *tally;
        Self { scored, watched, unusable, continued, skipped, untimed, further }
    }
}

/// What the reading side knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentFigures {
    /// Every source that is followed, by name.
    pub sources: Vec<SourceFigures>,
    /// Memory that all of them may take.
    pub memory_bytes_max: u64,
    /// Files that match and are not followed because there are too many.
    pub left_out: u64,
    /// Input that was gone before it was read, since the start.
    pub gaps: u64,
    /// Its bytes, as far as they are known.
    pub gap_bytes: u64,
    /// Events made since the start.
    pub events: u64,
    /// Transactions since the start, each with one sync of the disk.
    pub commits: u64,
    /// Version of the model that judges.
    pub model: u64,
    /// Records it has judged since it was taken.
    pub judged_by_model: u64,
    pub last_sequence: u64,
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// State files set aside so far.
    pub set_aside: u64,
    /// Why nothing is read at the moment, when nothing is.
    pub stopped: Option<String>,
}

impl AgentFigures {
    #[must_use]
    pub(crate) fn total(&self) -> PipelineCounts {
        let mut total = PipelineCounts::default();
        for SourceFigures { counts, .. } in &self.sources {
            total.lines += counts.lines;
            total.judged += counts.judged;
            total.anomalous += counts.anomalous;
            total.faults += counts.faults;
            total.unjudged += counts.unjudged;
        }
        total
    }

    /// The classes of all lines.
    #[must_use]
    pub(crate) fn classes(&self) -> LineClasses {
        let mut total = LineClasses::default();
        for SourceFigures { classes, .. } in &self.sources {
            total.scored += classes.scored;
            total.watched += classes.watched;
            total.unusable += classes.unusable;
            total.continued += classes.continued;
            total.skipped += classes.skipped;
            total.untimed += classes.untimed;
            total.further += classes.further;
        }
        total
    }

    /// Bytes that wait to be read, as far as they are known.
    #[must_use]
    pub(crate) fn lag_bytes(&self) -> u64 {
        self.sources.iter().filter_map(|source| source.lag_bytes).sum()
    }

    /// Memory that what is learnt takes.
    #[must_use]
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.memory_bytes).sum()
    }

    /// Sources that learn no further streams because memory is full.
    #[must_use]
    pub(crate) fn full(&self) -> u64 {
        self.sources.iter().map(|source| u64::from(source.is_full)).sum()
    }

    /// How many streams of all sources have each character, the most frequent first.
    #[must_use]
    pub(crate) fn characters(&self) -> Vec<(&str, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in self.sources.iter().flat_map(|source| &source.characters) {
            *counts.entry(name).or_default() += count;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Streams that are still being learnt.
    #[must_use]
    pub(crate) fn learning(&self) -> u64 {
        self.sources.iter().map(|source| source.learning).sum()
    }
}
