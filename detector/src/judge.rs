//! Records in, verdicts out: the code of trainer, replay and agent.
//!
//! Records form blocks of [`BLOCK`] by their number in the source. A record's vector is made when it arrives; its row
//! in the inference is its place in the block; what verdicts change (a level following, a new level) is applied when
//! the block is full. So verdicts are the same whether rows are scored one by one as they trickle in or 64 at once.

use std::{collections::BTreeMap, sync::Arc};

use oddline_core::{
    budget::{BudgetTable, BudgetUse, ScoredRecord},
    episode::EpisodeStep,
    limits::{BLOCK, NAME_BYTES_MAX, RECORD_FEATURES},
    record::Record,
    score::{SCORE_MAX, ScoreCause, bounded, score},
    stream::{ObservedValue, StreamCounts, StreamName, StreamSlot, StreamTable},
    time::EventTime,
    verdict::Verdict,
    window::{WindowReading, WindowTable, WindowVerdict},
};
use serde::{Deserialize, Serialize};

use crate::{error::InferError, infer::Infer, open::OpenModel, window::WindowJudge};

/// What a source calls records that name neither server nor component.
#[derive(Debug, Clone, Copy)]
pub struct DefaultNames<'a> {
    /// Server of records without one.
    pub server: &'a str,
    /// Component of records without one.
    pub component: &'a str,
}

/// What came of a record on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordIntake {
    /// It will be judged; its number.
    Judged(u64),
    /// It carries no value: nothing to judge.
    NoValue,
    /// It carries no time, and none came before it.
    NoTime,
}

/// A verdict and what it did to its stream's episode.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRow {
    /// The verdict.
    pub verdict: Verdict,
    /// The stream's episode after it.
    pub step: EpisodeStep,
    /// Seconds since the stream's record before; 0 for the first.
    pub pause_s: f64,
}

/// Everything a judge knows; goes to the agent's state file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JudgeState {
    streams: StreamTable,
    settled: Vec<SettledRow>,
    number: u64,
    last_time: Option<EventTime>,
    budgets: BudgetTable,
    /// Stored apart: it came later.
    #[serde(skip)]
    windows: WindowTable,
}

impl JudgeState {
    /// Goes over to another model: what it knows of the streams takes the place of what was learnt here. Call it
    /// between two records, before [`Judge::with_state`] with that model.
    pub fn adopt(&mut self, model: &OpenModel) {
        self.streams.adopt(&model.profile);
        self.budgets.adopt(model.profile.budget.as_ref());
        self.windows.adopt(&model.profile);
        // What the block under way would still do belongs to the baselines that are gone.
        for settled in &mut self.settled {
            settled.what = StreamEffect::Nothing;
        }
    }

    /// Number of the next record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The limits of its streams.
    #[must_use]
    pub fn budgets(&self) -> &BudgetTable {
        &self.budgets
    }

    /// The windows of its servers, which are stored apart.
    #[must_use]
    pub fn windows(&self) -> &WindowTable {
        &self.windows
    }

    /// The same with these windows.
    #[must_use]
    pub fn with_windows(self, windows: WindowTable) -> Self {
        Self { windows, ..self }
    }

    /// Streams known, and how many of them are still being learnt.
    #[must_use]
    pub fn streams(&self) -> (usize, usize) {
        let learning = self.last_time.map_or(0, |now| self.streams.learning(now));
        (self.streams.len(), learning)
    }
}

/// A scored record of the block under way, as far as it matters when the block ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SettledRow {
    slot: StreamSlot,
    name: Arc<StreamName>,
    what: StreamEffect,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum StreamEffect {
    Follow(f64),
    Widen(f64),
    NewLevel,
    Nothing,
    Know(f64),
}

struct BlockRow {
    observed: ObservedValue,
    number: u64,
    time: EventTime,
    value: f64,
}

/// Judges one source's records with one model.
pub struct Judge {
    model: OpenModel,
    infer: Infer,
    windows: Option<WindowJudge>,
    state: JudgeState,
    waiting: Vec<BlockRow>,
}

impl Judge {
    /// A judge with a fresh state.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub fn new(model: &OpenModel) -> Result<Self, InferError> {
        Self::with_state(model, JudgeState::default())
    }

    /// A judge that goes on from a state.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub fn with_state(model: &OpenModel, state: JudgeState) -> Result<Self, InferError> {
        let (infer, windows) = (model.infer()?, WindowJudge::of(model)?);
        Ok(Self { infer, windows, model: model.clone(), state, waiting: Vec::with_capacity(BLOCK) })
    }

    /// Takes one record. When it fills a block, the block's verdicts are appended to `out`.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn push(
        &mut self,
        record: &Record<'_>,
        names: DefaultNames<'_>,
        out: &mut Vec<JudgedRow>,
    ) -> Result<RecordIntake, InferError> {
        let Some(value) = record.value else { return Ok(RecordIntake::NoValue) };
        let Some(time) = record.time.or(self.state.last_time) else { return Ok(RecordIntake::NoTime) };
        self.state.last_time = Some(time);
        let server = cut(record.server.as_deref().unwrap_or(names.server));
        let component = cut(record.component.as_deref().unwrap_or(names.component));
        let observed = self.state.streams.observe(&self.model.profile, server, component, time, value);
        if let Some(windows) = &mut self.windows {
            let reading = WindowReading { slot: observed.slot, name: &observed.name, time, value };
            windows.take(&mut self.state.windows, &self.model.profile, reading)?;
        }
        let number = self.state.number;
        self.state.number += 1;
        self.waiting.push(BlockRow { observed, number, time, value });
        if self.state.settled.len() + self.waiting.len() == BLOCK {
            self.flush(out)?;
            self.end_block();
        }
        Ok(RecordIntake::Judged(number))
    }

    /// Scores the records that wait for their block to fill; appends their verdicts to `out`.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn flush(&mut self, out: &mut Vec<JudgedRow>) -> Result<(), InferError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let first = self.state.settled.len();
        let mut rows = [[0.0; RECORD_FEATURES]; BLOCK];
        for (slot, row) in rows[first..].iter_mut().zip(&self.waiting) {
            *slot = row.observed.reading.map_or([0.0; RECORD_FEATURES], |r| r.vector);
        }
        let residuals = self.infer.residuals(&rows)?;
        let waiting = core::mem::take(&mut self.waiting);
        for (row, residual) in waiting.into_iter().zip(&residuals[first..]) {
            let judged = self.conclude(row, residual);
            out.push(judged);
        }
        Ok(())
    }

    /// The windows that the records since the last call have ended, in order. They wait for nothing.
    pub fn drain_windows(&mut self) -> impl Iterator<Item = WindowVerdict> + '_ {
        self.windows.iter_mut().flat_map(WindowJudge::drain)
    }

    /// The state, with nothing waiting: flush first.
    #[must_use]
    pub fn state(&self) -> &JudgeState {
        debug_assert!(self.waiting.is_empty(), "records that wait are not part of the state");
        &self.state
    }

    /// Number of the next record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.state.number
    }

    /// Streams known, and how many of them are still being learnt.
    #[must_use]
    pub fn streams(&self) -> (usize, usize) {
        self.state.streams()
    }

    /// How many streams of each character there are, of those that have one.
    #[must_use]
    pub fn characters(&self) -> BTreeMap<&'static str, u64> {
        self.state.streams.characters()
    }

    /// While full it takes no more memory, see [`Streams::set_full`].
    pub fn set_full(&mut self, is_full: bool) {
        self.state.streams.set_full(is_full);
    }

    /// What it remembers weighs so much in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state.streams.bytes() + self.state.budgets.bytes() + self.state.windows.bytes()
    }

    /// Normal episodes asked for and episodes told of, per server and day.
    #[must_use]
    pub fn budget_use(&self) -> BudgetUse {
        self.state.budgets.used(self.model.profile.budget.as_ref())
    }

    /// What happened to the streams so far.
    #[must_use]
    pub fn counts(&self) -> StreamCounts {
        self.state.streams.counts()
    }

    /// The model in use.
    #[must_use]
    pub fn model(&self) -> &OpenModel {
        &self.model
    }

    fn conclude(&mut self, row: BlockRow, residual: &[f32; RECORD_FEATURES]) -> JudgedRow {
        let view = &self.model.profile.record;
        let BlockRow { observed, number, time, value } = row;
        // Without a vector only the range speaks.
        let zero = [0.0; RECORD_FEATURES];
        let (vector, residual, loudness) =
            observed.reading.map_or((view.center, &zero, 1.0), |r| (r.vector, residual, r.loudness));
        let mut score = score(view, &vector, residual, observed.novelty, loudness);
        if observed.is_reset {
            score.cause = ScoreCause::Reset;
        }
        let pause_s =
            self.state.streams.tracker(observed.slot, &observed.name).map_or(0.0, |tracker| tracker.pause_s(time));
        // The streams' own limits all become the threshold. A counter that begins anew is an event, not the tail of a score.
        let budget = self.model.profile.budget.as_ref().filter(|_| !observed.is_reset);
        let of_reset = if observed.is_reset { view.threshold.value } else { 1.0 };
        let in_limits = budget.map_or(of_reset, |budget| {
            let score = f64::from(score.value);
            let record = ScoredRecord { time, pause_s, score, is_learning: observed.learning };
            let limit = self.state.budgets.limit(budget, observed.slot, &observed.name, record);
            bounded(f64::from(view.threshold.value) / limit)
        });
        score.value = (score.value * in_limits).min(SCORE_MAX);
        let anomalous = score.value >= view.threshold.value;
        let step = self
            .state
            .streams
            .tracker(observed.slot, &observed.name)
            .map_or(EpisodeStep::Quiet, |tracker| tracker.push(time, anomalous, score.value));
        let what = match (step, observed.reading) {
            (EpisodeStep::NewLevel(_), _) => StreamEffect::NewLevel,
            (EpisodeStep::Quiet, Some(reading)) => StreamEffect::Follow(reading.residual),
            (_, Some(reading)) if anomalous && score.cause == ScoreCause::Range => StreamEffect::Widen(reading.number),
            (_, None) if observed.novelty > 0.0 && !observed.is_reset => StreamEffect::Know(value),
            _ => StreamEffect::Nothing,
        };
        self.state.settled.push(SettledRow { slot: observed.slot, name: Arc::clone(&observed.name), what });
        let verdict = Verdict {
            number,
            time,
            stream: observed.name,
            value,
            expected: observed.expected,
            score,
            threshold: view.threshold.value,
            anomalous,
            learning: observed.learning,
            vector,
            residual: *residual,
            loudness: loudness / in_limits,
            figures: observed.figures,
        };
        JudgedRow { verdict, step, pause_s }
    }

    fn end_block(&mut self) {
        for SettledRow { slot, name, what } in self.state.settled.drain(..) {
            match what {
                StreamEffect::Follow(residual) => self.state.streams.settle(slot, &name, residual),
                StreamEffect::Widen(number) => self.state.streams.widen(slot, &name, number),
                StreamEffect::Know(value) => self.state.streams.know(slot, &name, value),
                StreamEffect::NewLevel => self.state.streams.relearn(slot, &name),
                StreamEffect::Nothing => {}
            }
        }
    }
}

/// Names come from foreign logs: bounded, on a character boundary.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}
