//! The reading thread: lines in, committed events out. It decides when to commit and when to stop reading; what a line
//! means is the pipeline's business, what is durable the state's.
//!
//! ```text
//!  round: [orders] -> each source: a turn -> commit when an event waits, else at intervals -> sink, or wake the delivery
//!                     (skipped while the spool is full or a commit has failed)
//! ```
//!
//! A turn of a file is taken on another thread, which is given up when its file system does not answer: `turns` and `away`.
//! A round that has found many events commits before the sources that are left have their turn.

mod appearances;
mod away;
mod commits;
mod error;
mod flags;
mod followed;
mod helper;
mod opened;
mod shown;
mod sources;
mod status;
mod stored;
#[cfg(test)]
mod tests;
mod turns;
mod words;

use std::{
    collections::BTreeSet,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use oddline_core::{
    event::{ENTRY_BYTES_MAX, SourceName},
    id::Epoch,
};
use oddline_detector::InferError;
use oddline_pipeline::PipelineOutput;
use tokio::sync::oneshot;

use self::flags::StateFlags;
pub(crate) use self::{
    error::WorkerError,
    flags::BEGAN,
    followed::{ActiveModel, FollowedSource, TURN_EVENTS_MAX, TurnOutcome},
    opened::snapshot,
    sources::{FollowedSources, KnownState, PriorState, opener},
    status::{EventSink, StatusHandle, WorkerCommand},
    stored::{position, remembered},
};
use crate::{
    clock::{self, BootClock},
    config::AgentConfig,
    events::LogEvent,
    figures::AgentFigures,
    publish::sink,
    source::backoff::Backoff,
    spool::SharedState,
    state::{ENTRY_BYTES_MAX as STATE_ENTRY_BYTES_MAX, SPOOL_BYTES_MARGIN, StateCommit},
};

/// Events after which a round commits: with the turn under way they stay within what a spool may still take.
const ROUND_EVENTS_MAX: usize = 256;
/// Between two looks at sources that gave nothing.
const POLL: Duration = Duration::from_secs(1);
/// The same where a line waits in memory already: journal and standard input.
const POLL_STREAMS: Duration = Duration::from_millis(250);
/// Figures are made at most this often.
const FIGURES_EVERY: Duration = Duration::from_millis(500);
/// First and longest wait before a failed write is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

const _: () = assert!(ENTRY_BYTES_MAX <= STATE_ENTRY_BYTES_MAX, "every event fits the state");
const _: () = assert!(
    ((ROUND_EVENTS_MAX + TURN_EVENTS_MAX) * ENTRY_BYTES_MAX) as u64 <= SPOOL_BYTES_MARGIN,
    "what a round finds fits a spool that is almost full"
);

pub(crate) struct Parts {
    pub config: AgentConfig,
    pub state: SharedState,
    /// What is known of what was read before.
    pub past: PriorState,
    pub active: ActiveModel,
    pub outlet: EventSink,
    pub board: StatusHandle,
    pub orders: Receiver<WorkerCommand>,
}

/// Reads, judges and commits until it is told to stop.
///
/// # Errors
/// When the model cannot be run, or the state file not be written at the end. What was committed is safe.
pub(crate) fn run(parts: Parts) -> Result<(), WorkerError> {
    let mut worker = Worker::new(parts)?;
    loop {
        worker.board.beat();
        let wait = worker.round()?;
        if worker.is_done() && worker.is_committed(Instant::now()) {
            return worker.finish();
        }
        match worker.orders.recv_timeout(wait) {
            Ok(WorkerCommand::Judge(active, answer)) => worker.judge_with(*active, answer)?,
            Ok(WorkerCommand::Stop) | Err(RecvTimeoutError::Disconnected) => return worker.finish(),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

struct Worker {
    sources: FollowedSources,
    /// Whose turn it is first in the next round.
    next: usize,
    state: SharedState,
    active: ActiveModel,
    outlet: EventSink,
    board: StatusHandle,
    orders: Receiver<WorkerCommand>,
    clock: BootClock,
    out: PipelineOutput,
    /// Offered to the state and not taken yet; offered again unchanged.
    pending: Option<StateCommit>,
    /// Those that have changed and are in a later commit than the one under way, with their events.
    left: BTreeSet<SourceName>,
    commit_backoff: Backoff,
    commit_at: Instant,
    sink_backoff: Backoff,
    sink_at: Instant,
    acked: u64,
    committed_at: Instant,
    bytes: u64,
    is_full: bool,
    figures: AgentFigures,
    figures_at: Option<Instant>,
    judged_before: u64,
    noted: StateFlags,
}

impl Worker {
    fn new(parts: Parts) -> Result<Self, WorkerError> {
        let Parts { config, state, past, active, outlet, board, orders } = parts;
        let (positions, first, noted) = {
            let mut state = state.lock();
            (state.positions()?, state.first(), StateFlags::read(&mut state, past)?)
        };
        let mut out = PipelineOutput::default();
        let known = KnownState { state: state.clone(), positions, past };
        let sources = FollowedSources::new(&config, known, &noted, &active, &board, &mut out)?;
        let now = Instant::now();
        let backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut worker = Self {
            sources,
            next: 0,
            state,
            active,
            outlet,
            board,
            orders,
            clock: BootClock::of_this_boot(),
            out,
            pending: None,
            left: BTreeSet::new(),
            commit_backoff: backoff.clone(),
            commit_at: now,
            sink_backoff: backoff,
            sink_at: now,
            acked: first - 1,
            committed_at: now,
            bytes: 0,
            is_full: false,
            figures: AgentFigures::default(),
            figures_at: None,
            judged_before: 0,
            noted,
        };
        worker.judged_before = worker.judged();
        Ok(worker)
    }

    /// One look at everything; how long to wait before the next.
    fn round(&mut self) -> Result<Duration, WorkerError> {
        let now = Instant::now();
        self.retry_commit(now);
        self.commit_rest(now);
        let mut wait = self.idle_wait();
        if self.pending.is_some() || self.is_spool_full() {
            self.sources.measure(now, &self.active, &mut self.out);
        } else {
            self.bytes += self.sources.welcome(&self.active, &mut self.out)?;
            self.sources.look(now, &self.active, &mut self.out)?;
            if self.read(now)? {
                wait = Duration::ZERO;
            }
            self.sources.report_full();
            self.commit_if_due(now);
        }
        self.drain(now);
        if wait > Duration::ZERO || self.figures_at.is_none_or(|at| now.duration_since(at) >= FIGURES_EVERY) {
            self.show(now);
        }
        Ok(wait)
    }

    /// Nothing will ever come again: standard input was closed, and nothing else is read.
    fn is_done(&self) -> bool {
        self.pending.is_none() && self.sources.are_closed()
    }

    /// A turn of each source, or of as many as it takes to find a round's events; whether any has more.
    fn read(&mut self, now: Instant) -> Result<bool, InferError> {
        let count = self.sources.followed().len();
        let first = self.next;
        let mut is_more = false;
        for step in 0..count {
            if self.out.events.len() >= ROUND_EVENTS_MAX {
                return Ok(true);
            }
            let at = (first + step) % count;
            let (bytes, turn) = self.sources.turn(at, now, &self.active, &mut self.out)?;
            if turn == TurnOutcome::Hangs {
                // Another round has its numbers.
                self.next = at;
                return Ok(true);
            }
            self.next = (at + 1) % count;
            self.bytes += bytes;
            is_more |= turn == TurnOutcome::More;
        }
        Ok(is_more)
    }

    fn idle_wait(&self) -> Duration {
        let has_streams = self.sources.followed().iter().any(|source| source.path().is_none());
        if has_streams { POLL_STREAMS } else { POLL }
    }

    fn is_spool_full(&mut self) -> bool {
        let (is_full, bytes) = {
            let state = self.state.lock();
            (state.is_spool_full(), state.spool_bytes())
        };
        if is_full != self.is_full {
            self.is_full = is_full;
            (if is_full { LogEvent::SpoolFull { bytes } } else { LogEvent::SpoolDrained }).emit();
            self.figures.stopped = is_full.then(|| "the spool is full: nothing is delivered".to_owned());
        }
        is_full
    }

    /// From the spool to the sink, where there is one.
    fn drain(&mut self, now: Instant) {
        let EventSink::Sink(sink) = &mut self.outlet else { return };
        if now < self.sink_at || self.state.lock().last() == self.acked {
            return;
        }
        let epoch = Epoch::from_random(self.state.lock().epoch());
        match sink::drain(&mut self.state, sink, epoch, self.acked) {
            Ok(acked) => {
                self.acked = acked;
                if self.sink_backoff.failures() > 0 {
                    self.sink_backoff.succeeded();
                    LogEvent::SinkWorks.emit();
                }
            }
            Err(error) => {
                self.acked = self.state.lock().first() - 1;
                let is_first = self.sink_backoff.failures() == 0;
                let retry_in = self.sink_backoff.failed(clock::random_u32());
                self.sink_at = now + retry_in;
                if is_first {
                    LogEvent::SinkFails { why: error.to_string(), retry_in }.emit();
                }
            }
        }
    }

    fn judge_with(
        &mut self,
        active: ActiveModel,
        answer: oneshot::Sender<Result<(), String>>,
    ) -> Result<(), WorkerError> {
        if self.pending.is_some() {
            // What waits to be committed was judged by the model before.
            let _: Result<(), _> = answer.send(Err("the state file cannot be written at the moment".to_owned()));
            return Ok(());
        }
        self.active = active;
        for source in self.sources.each() {
            source.swap(&self.active, &mut self.out)?;
        }
        self.judged_before = self.judged();
        LogEvent::Model { version: self.active.id.version }.emit();
        // Whoever asked may be gone.
        let _: Result<(), _> = answer.send(Ok(()));
        Ok(())
    }

    fn finish(mut self) -> Result<(), WorkerError> {
        let now = Instant::now();
        // Nothing was read while one waited.
        loop {
            let commit = self.pending.take().unwrap_or_else(|| self.commit());
            if self.bytes > 0 || commit != StateCommit::default() {
                self.state.lock().commit(&commit).map_err(WorkerError::Commit)?;
            }
            if self.left.is_empty() {
                break;
            }
            self.set_committed();
        }
        if let EventSink::Delivery(wake) = &self.outlet {
            wake.notify_one();
        }
        self.sink_at = now;
        self.drain(now);
        self.show(now);
        Ok(())
    }
}
