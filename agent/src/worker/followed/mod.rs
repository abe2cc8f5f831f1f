//! One source that is followed: reading, judging, its place in the state, its faults.

mod faults;
mod held;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use oddline_core::{
    event::{BoundedText, Event, Extras, Gap, SourceName},
    wire::ModelId,
};
use oddline_detector::{InferError, OpenModel};
use oddline_pipeline::{Pipeline, PipelineOutput, SourceOptions};

use super::{
    stored::{StoredJudging, remembered, stored_bytes},
    words::cause,
};
use crate::{
    clock,
    events::LogEvent,
    figures::{BudgetFigures, SourceFigures},
    source::{LogSource, SourceGap, SourceItem, backoff::Backoff},
    state::{CHUNK_BYTES_MAX, SourceChange, StoredSource},
};

/// Lines taken from one source before the others have their turn.
const TURN_LINES_MAX: u32 = 2_048;
/// Bytes taken in one turn.
const TURN_BYTES_MAX: u64 = 512 * 1024;
pub(crate) const TURN_EVENTS_MAX: usize = 256;
/// First wait after a fault of a source.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// A source that has worked for this long begins again with the first wait.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// Whether a file is still at its path is looked at this often.
const THERE_EVERY: Duration = Duration::from_secs(5);
/// A source that gives nothing is shown the wall clock this often.
const CLOCK_EVERY: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) struct ActiveModel {
    pub id: ModelId,
    pub model: OpenModel,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnOutcome {
    /// There may be more at once.
    More,
    Idle,
    Closed,
    /// It has not come back: its file system does not answer.
    Hangs,
}

pub(crate) struct FollowedSource {
    key: Vec<u8>,
    name: String,
    path: Option<PathBuf>,
    source: LogSource,
    pipeline: Pipeline,
    backoff: Backoff,
    failed: Option<String>,
    retry_at: Option<Instant>,
    works_since: Option<Instant>,
    gone_since: Option<Instant>,
    clock_at: Option<Instant>,
    /// Bytes that wait, when it was last read.
    lag_bytes: Option<u64>,
    /// Whether its path led somewhere, and when that was looked at.
    is_there: (bool, Option<Instant>),
    is_dirty: bool,
    /// What it holds in memory, as it was last looked at.
    bytes: u64,
    is_full: bool,
    /// The state file has a position of it.
    is_known: bool,
    is_closed: bool,
    /// That it is followed was said, once it was opened.
    is_told: bool,
    /// Gaps and their bytes.
    pub gaps: (u64, u64),
}

/// What a source is called, in the state and in events.
pub(crate) struct SourceIdentity {
    pub key: Vec<u8>,
    /// In events and for people.
    pub name: String,
    /// Its path, where it is a file.
    pub path: Option<PathBuf>,
}

impl FollowedSource {
    /// Goes on where `stored` says, or begins. Events of a change of model since then are appended to `out`.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub(crate) fn new(
        identity: SourceIdentity,
        source: LogSource,
        treatment: SourceOptions,
        active: &ActiveModel,
        stored: Option<&StoredSource>,
        out: &mut PipelineOutput,
    ) -> Result<Self, InferError> {
        let SourceIdentity { key, name, path } = identity;
        let is_known = stored.is_some_and(|stored| !stored.position.is_empty());
        let stored = stored.filter(|stored| !stored.chunks.is_empty()).and_then(|stored| remembered(stored, &name));
        let resumed = stored.map(|StoredJudging { model, mut remembered }| {
            if model.sha256 != active.id.sha256 {
                remembered.adopt(&SourceName::cut(&name), model.version, &active.model, &mut out.events);
            }
            remembered
        });
        let pipeline = Pipeline::new(&name, treatment, &active.model, resumed)?;
        let mut followed = Self {
            key,
            name,
            path,
            source,
            pipeline,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LONGEST),
            failed: None,
            retry_at: None,
            works_since: None,
            gone_since: None,
            clock_at: None,
            lag_bytes: None,
            is_there: (true, None),
            // Where it begins is worth keeping before anything is taken.
            is_dirty: true,
            bytes: 0,
            is_full: false,
            is_known,
            is_closed: false,
            is_told: false,
            gaps: (0, 0),
        };
        followed.weigh();
        Ok(followed)
    }

    /// Reads for a while and judges all of it; bytes taken and what it came to. Where memory is full it takes no more.
    ///
    /// # Errors
    /// When the model cannot be run. What this turn took is then in no commit.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        is_full: bool,
        out: &mut PipelineOutput,
    ) -> Result<(u64, TurnOutcome), InferError> {
        if self.is_closed {
            return Ok((0, TurnOutcome::Closed));
        }
        if !self.is_due(now) {
            return Ok((0, TurnOutcome::Idle));
        }
        self.is_full = is_full;
        self.pipeline.set_full(is_full);
        let done = self.read(now, out);
        self.measure(now);
        done
    }

    /// Whether a turn would do anything.
    #[must_use]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.is_closed && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Looks at what is shown of it and at whether it is still there.
    pub(crate) fn measure(&mut self, now: Instant) {
        self.lag_bytes = self.source.lag_bytes();
        if self.path.is_some() && self.is_there.1.is_none_or(|at| now.duration_since(at) >= THERE_EVERY) {
            self.is_there = (self.source.is_there(), Some(now));
        }
    }

    fn read(&mut self, now: Instant, out: &mut PipelineOutput) -> Result<(u64, TurnOutcome), InferError> {
        let (mut bytes, mut lines) = (0, 0);
        let began = out.events.len();
        let turn = loop {
            match self.source.next_at(now) {
                Ok(SourceItem::File) => {
                    // A place to be committed in its time, also when nothing is in it: the one before is rotated away.
                    self.is_dirty = true;
                    bytes += 1;
                    self.pipeline.start_of_file();
                }
                Ok(SourceItem::Line(line)) => {
                    bytes += line.bytes.len() as u64 + 1;
                    lines += 1;
                    self.is_dirty = true;
                    self.pipeline.line(line.bytes, line.modified, out)?;
                }
                Ok(SourceItem::Gap(gap)) => self.gap(gap, out),
                Ok(SourceItem::Wait) => {
                    break if self.source.has_more() { TurnOutcome::More } else { TurnOutcome::Idle };
                }
                Ok(SourceItem::End) => {
                    self.by_the_clock(now, out)?;
                    break TurnOutcome::Idle;
                }
                Ok(SourceItem::Closed) => {
                    self.is_closed = true;
                    break TurnOutcome::Closed;
                }
                Err(error) => {
                    self.fails(&error, now, out);
                    break TurnOutcome::Idle;
                }
            }
            if lines >= TURN_LINES_MAX || bytes >= TURN_BYTES_MAX || out.events.len() - began >= TURN_EVENTS_MAX {
                break TurnOutcome::More;
            }
        };
        self.pipeline.idle(out)?;
        if lines > 0 {
            self.weigh();
            self.report_problem(false, out);
        }
        if self.retry_at.is_none_or(|at| at <= now) {
            self.works(now, out);
        }
        Ok((bytes, turn))
    }

    /// Read to its end: the wall clock may say what no record will.
    fn by_the_clock(&mut self, now: Instant, out: &mut PipelineOutput) -> Result<(), InferError> {
        if self.clock_at.is_some_and(|at| now.duration_since(at) < CLOCK_EVERY) {
            return Ok(());
        }
        let is_first = self.clock_at.replace(now).is_none();
        // It has been quiet for a while: what there is may be all.
        self.report_problem(!is_first, out);
        let before = out.events.len();
        self.pipeline.clock(clock::wall(), out)?;
        // What was told must be remembered as told.
        self.is_dirty |= out.events.len() > before;
        Ok(())
    }

    /// What goes to the state file; nothing when nothing was taken since [`FollowedSource::committed`].
    #[must_use]
    pub(crate) fn change(&self, active: &ActiveModel) -> Option<SourceChange> {
        if !self.is_dirty {
            return None;
        }
        let position = self.source.position();
        if position.is_none() && self.pipeline.counts().lines == 0 {
            return None;
        }
        let position =
            position.map_or_else(Vec::new, |at| postcard::to_stdvec(&at).expect("a position can always be written"));
        let bytes = stored_bytes(active.id, &self.pipeline.remembers());
        let chunks: Vec<(u32, Vec<u8>)> = (0..).zip(bytes.chunks(CHUNK_BYTES_MAX).map(<[u8]>::to_vec)).collect();
        let chunk_count = u32::try_from(chunks.len()).expect("a source is bounded");
        Some(SourceChange { key: self.key.clone(), position, chunks, chunk_count })
    }

    /// The last [`FollowedSource::change`] is on the disk.
    pub(crate) fn committed(&mut self) {
        self.is_dirty = false;
        self.is_known |= self.source.position().is_some();
    }

    /// Whether it is being read and the state file does not know of it: were its file rotated now and the process
    /// killed, nobody would look for what was read of it.
    #[must_use]
    pub(crate) fn is_new(&self) -> bool {
        !self.is_known && self.source.position().is_some()
    }

    /// Whether the state file has a position of it.
    #[must_use]
    pub(crate) fn is_in_state(&self) -> bool {
        self.is_known
    }

    /// Whether something of it is in no commit yet.
    #[must_use]
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Another model judges from the next record on.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub(crate) fn swap(&mut self, active: &ActiveModel, out: &mut PipelineOutput) -> Result<(), InferError> {
        self.pipeline.judge_with(&active.model, out)?;
        self.is_dirty = true;
        Ok(())
    }

    /// When its file was last written, where all of it is read and committed.
    pub(crate) fn idle_since(&self) -> Option<SystemTime> {
        let is_idle = self.is_known && !self.is_dirty && self.failed.is_none() && self.lag_bytes == Some(0);
        self.source.position().filter(|_| is_idle)?.modified()
    }

    /// Its place as the state file has it, without what was learnt.
    pub(crate) fn stored(&self) -> StoredSource {
        let position = self.source.position();
        let position =
            position.map_or_else(Vec::new, |at| postcard::to_stdvec(&at).expect("a position can always be written"));
        StoredSource { key: self.key.clone(), position, chunks: Vec::new() }
    }

    /// Further files of its series.
    pub(crate) fn add(&mut self, paths: Vec<PathBuf>) {
        self.source.add(paths);
    }

    /// The key in the state file.
    #[must_use]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The file, where it is one.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its file has been gone for this long, with all of it read.
    pub(crate) fn is_gone(&mut self, now: Instant, patience: Duration) -> bool {
        if self.is_there.0 || self.lag_bytes.unwrap_or(0) > 0 || self.failed.is_some() {
            self.gone_since = None;
            return false;
        }
        now.duration_since(*self.gone_since.get_or_insert(now)) >= patience
    }

    /// Whether it will never give anything again.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What is shown of it.
    #[must_use]
    pub(crate) fn figures(&self) -> SourceFigures {
        let (streams, learning, judging) = self.pipeline.streams();
        SourceFigures {
            name: self.name.clone(),
            failed: self.failed.clone(),
            lag_bytes: self.lag_bytes,
            streams: streams as u64,
            budget: BudgetFigures::of(self.pipeline.budget_use()),
            learning: learning as u64,
            characters: self.pipeline.characters().into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
            counts: self.pipeline.counts(),
            classes: self.pipeline.tally().into(),
            faulty: self.pipeline.tally().faults(),
            not_understood: self.pipeline.tally().problem(false).filter(|_| self.pipeline.tally().is_reported),
            names_grown: self.pipeline.names_grown(),
            judging,
            pace: self.pipeline.pace_counts(),
            forgotten: self.pipeline.episodes_forgotten(),
            memory_bytes: self.bytes,
            is_full: self.is_full,
        }
    }

    fn gap(&mut self, gap: SourceGap, out: &mut PipelineOutput) {
        self.is_dirty = true;
        self.gaps = (self.gaps.0 + 1, self.gaps.1 + gap.bytes);
        let cause = cause(gap.cause);
        let SourceGap { bytes, exact, .. } = gap;
        LogEvent::Gap { source: self.name.clone(), bytes, exact, cause: cause.to_owned() }.emit();
        out.events.push(Event::Gap(Gap {
            source: SourceName::cut(&self.name),
            // Known to be missing; there may have been more.
            bytes: (gap.exact || gap.bytes > 0).then_some(gap.bytes),
            records: None,
            after: self.pipeline.last_time(),
            cause: BoundedText::cut(cause),
            extras: Extras::default(),
        }));
    }

    /// The paths that its files lie at.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.source.target(), self.path.as_deref()].into_iter().flatten()
    }
}
