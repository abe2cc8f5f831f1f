//! One source's way from a line to its events: parse, judge, report. Pure: lines, clocks and what may be shown of a line
//! come as arguments, so that a live agent, a replay and the trainer run the same code.
//!
//! ```text
//!  line -> Parser -> Record -+-> Judge -> Verdict -+-> Episodes -> Event
//!                     |      `-> Pace  -> Notice  -'
//!                     `-> a server's windows -> WindowVerdict -> Episodes
//! ```
//!
//! [`reader`] is the first step, which the trainer takes alone: from lines to records and to the numbers that are judged,
//! each in a stream of its own. What [`Pace`] notices never goes through the judge: verdicts are those of the trainer's
//! test on the same records.

mod clock_check;
mod describe;
mod episodes;
mod flood;
mod gauges;
mod incidents;
mod output;
mod overflow;
mod pending;
pub mod reader;
pub mod redactor;
mod state;
mod tally;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use oddline_core::{
    activity::{ActivityNotice, ObservedRecord, SourceActivity},
    episode::EpisodeStep,
    event::SourceName,
    format::{LogFormat, ParsedLine, TimeOptions},
    limits::NAME_BYTES_MAX,
    readings::ValueSelection,
    record::Record,
    time::EventTime,
};
use oddline_detector::{DefaultNames, InferError, Judge, JudgedRow, OpenModel, RecordIntake};

use self::{
    episodes::{EpisodeContext, EpisodeTracker},
    overflow::NameOverflow,
    pending::{LineSpan, PendingItem, PendingQueue},
    reader::{LineReader, each_reading, is_no_row},
    trace::LineTrace,
};
pub use self::{
    output::{OutputWanted, PipelineOutput},
    redactor::{Redactor, Unredacted},
    state::{PipelineCounts, PipelineState, PipelineStateRef},
    tally::{FaultSummary, LineTally},
    trace::{FoundItem, JudgedTrace, LineFinding, LineNumbers, RecordTrace, TracedLines},
};

/// Seconds after which nothing more comes of a record that is not whole: the same as of a line without an end.
const UNFINISHED_S: f64 = 30.0;

/// How one source is treated.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// The format of its lines.
    pub format: LogFormat,
    /// What records are called that name no server.
    pub server: String,
    /// What records are called that name no component.
    pub component: String,
    /// Which numbers of its records are judged.
    pub values: ValueSelection,
    /// How its times are read.
    pub times: TimeOptions,
    /// What events show of lines and names.
    pub redactor: Arc<dyn Redactor>,
    /// Episodes an hour that travel one by one.
    pub flood_limit: u32,
}

/// One source.
pub struct Pipeline {
    source: SourceName,
    treatment: SourceOptions,
    reader: LineReader,
    judge: Judge,
    pace: SourceActivity,
    episodes: EpisodeTracker,
    counts: PipelineCounts,
    crowd: NameOverflow,
    tally: LineTally,
    waiting: PendingQueue,
    /// Since when nothing came for a record of several lines that is not whole.
    unfinished_since: Option<EventTime>,
    /// The first line of a record that is not whole, and the lines of those that are being taken.
    begun: Option<u64>,
    lines: LineNumbers,
    /// What somebody asks about lines.
    trace: Option<Box<LineTrace>>,
    // Taken, filled and emptied at each line: they keep their memory.
    judged: Vec<JudgedRow>,
    notices: Vec<ActivityNotice>,
    component: String,
}

impl Pipeline {
    /// A source that begins, or goes on from what it remembered.
    ///
    /// # Errors
    /// When the model runtime cannot allocate.
    pub fn new(
        source: &str,
        treatment: SourceOptions,
        model: &OpenModel,
        remembered: Option<PipelineState>,
    ) -> Result<Self, InferError> {
        let remembered = match remembered {
            Some(remembered) => remembered.treated(&treatment.format, treatment.flood_limit),
            None => PipelineState::new(&treatment.format, treatment.flood_limit),
        };
        Ok(Self {
            source: SourceName::cut(source),
            judge: Judge::with_state(model, remembered.judge)?,
            reader: LineReader::resumed(remembered.parser, remembered.previous, remembered.times, treatment.times)
                .with_growth(remembered.growth),
            treatment,
            pace: remembered.pace,
            episodes: remembered.episodes,
            counts: remembered.counts,
            crowd: remembered.crowd,
            tally: remembered.tally,
            waiting: PendingQueue::default(),
            unfinished_since: None,
            begun: None,
            lines: LineNumbers::default(),
            trace: None,
            judged: Vec::new(),
            notices: Vec::new(),
            component: String::new(),
        })
    }

    /// Another model judges from the next record on.
    ///
    /// # Errors
    /// When either model cannot be run.
    pub fn judge_with(&mut self, model: &OpenModel, out: &mut PipelineOutput) -> Result<(), InferError> {
        self.idle(out)?;
        let from = self.judge.model().version;
        let mut remembered = self.remembered();
        remembered.adopt(&self.source, from, model, &mut out.events);
        self.judge = Judge::with_state(model, remembered.judge)?;
        Ok(())
    }

    /// What follows is another file of the source.
    pub fn start_of_file(&mut self) {
        self.reader.start_of_file();
    }

    /// Takes one line; appends what is to be told and, for whoever wants them, the verdicts.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn line(
        &mut self,
        bytes: &[u8],
        modified: Option<EventTime>,
        out: &mut PipelineOutput,
    ) -> Result<(), InferError> {
        self.counts.lines += 1;
        self.unfinished_since = None;
        let was_untimed = self.reader.last_time().is_none();
        let records = self.tally.records();
        let parsed = self.reader.read(bytes, modified);
        let is_pending = self.reader.parser().is_pending();
        self.number_lines(is_pending);
        match &parsed {
            ParsedLine::Record(record) => {
                let joined = self.reader.parser().joined().map(|text| text.as_bytes().to_vec());
                self.record(record, joined.as_deref().unwrap_or(bytes), was_untimed)?;
            }
            ParsedLine::Continued | ParsedLine::Pending | ParsedLine::Skipped => self.tally.count(&parsed, |_| false),
        }
        self.further(bytes, modified)?;
        let goes_on = self.begun.filter(|_| self.tally.records() == records);
        self.begun = is_pending.then(|| goes_on.unwrap_or(self.counts.lines));
        if self.trace.as_ref().is_some_and(|trace| trace.is_urgent) {
            self.flush()?;
        }
        self.emit(out);
        if let Some(trace) = &mut self.trace {
            trace.forget();
        }
        Ok(())
    }

    /// The records that come now are of the line that was read, or end with it; one that begins with it has ended those
    /// before.
    fn number_lines(&mut self, is_pending: bool) {
        let line = self.counts.lines;
        let first = self.begun.unwrap_or(line);
        let last = if is_pending && first < line { line - 1 } else { line };
        self.lines = LineNumbers { first, last };
    }

    /// Judges what waits for its block to fill.
    fn flush(&mut self) -> Result<(), InferError> {
        self.judge.flush(&mut self.judged)?;
        if let Some(trace) = &mut self.trace {
            trace.note_limits(&self.judge, &self.judged);
        }
        Ok(())
    }

    /// The records that a line holds or ends besides its own.
    fn further(&mut self, bytes: &[u8], modified: Option<EventTime>) -> Result<(), InferError> {
        while let Some(record) = self.reader.further(modified) {
            self.tally.further += 1;
            let text = self.reader.parser().joined().map(|text| text.as_bytes().to_vec());
            self.record(&record, text.as_deref().unwrap_or(bytes), false)?;
        }
        Ok(())
    }

    /// Nothing more comes of a record that is not whole.
    fn end_pending(&mut self) -> Result<(), InferError> {
        self.reader.flush(None);
        self.number_lines(false);
        self.begun = None;
        self.further(&[], None)
    }

    /// Takes one record, of the line or lines `bytes`.
    fn record(&mut self, record: &Record<'_>, bytes: &[u8], was_untimed: bool) -> Result<(), InferError> {
        self.counts.faults += u64::from(record.fault.is_some());
        let redactor = &*self.treatment.redactor;
        self.tally.note(record, || redactor.sample(bytes).map_or_else(String::new, |sample| sample.to_string()));
        let text = if self.treatment.redactor.shows_lines() { bytes } else { &[] };
        let line = self.waiting.keep(text, self.lines);
        let evicted = self.evicted();
        if was_untimed && self.reader.last_time().is_some() && self.tally.records() > 0 {
            // What came before, such as a banner, was given the time of its file's end.
            self.pace = SourceActivity::default();
        }
        self.trace_record(record, &line);
        let judged = if is_no_row(record) {
            0
        } else {
            self.observe_activity(record, &line);
            self.judge(record, &line)?
        };
        self.tally.count_record(record, judged > 0);
        if self.evicted() > evicted
            && let Some(now) = self.pace.watermark().or(self.reader.last_time())
            && self.crowd.evicted(now)
        {
            self.waiting.push(PendingItem::Crowd(now), &line, self.pace.watermark());
        }
        self.counts.judged += judged;
        self.counts.unjudged += u64::from(judged == 0);
        Ok(())
    }

    /// Judges what waits for its block to fill: nothing more is there to read for now.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn idle(&mut self, out: &mut PipelineOutput) -> Result<(), InferError> {
        self.flush()?;
        self.emit(out);
        Ok(())
    }

    /// The source is read to its end, and the wall clock shows `now`: tells, marked `by_clock`, what has been silent
    /// for too long by it. Moves nothing that a replay tells too. To be called at least once a minute while nothing is
    /// there to read; only the steps of `now` count, and none of more than a minute.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn clock(&mut self, now: EventTime, out: &mut PipelineOutput) -> Result<(), InferError> {
        if self.reader.parser().is_pending() {
            let since = *self.unfinished_since.get_or_insert(now);
            if now.seconds_since(since) >= UNFINISHED_S {
                self.unfinished_since = None;
                self.end_pending()?;
            }
        }
        self.idle(out)?;
        let until = self.pace.clock(now, &mut self.notices);
        self.queue_notices(&LineSpan::default());
        self.emit(out);
        if let Some(until) = until {
            self.episodes.clock(until, &self.source, &*self.treatment.redactor, &mut out.events);
        }
        Ok(())
    }

    /// What a replay still holds at the end of its file.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn finish(&mut self, out: &mut PipelineOutput) -> Result<(), InferError> {
        self.end_pending()?;
        self.idle(out)?;
        self.episodes.rest(&self.source, &*self.treatment.redactor, &mut out.events);
        Ok(())
    }

    /// Everything to go on from, to be written. Call [`Pipeline::idle`] first: what waits is not part of it.
    #[must_use]
    pub fn remembers(&self) -> PipelineStateRef<'_> {
        let Self { reader, pace, episodes, counts, crowd, tally, .. } = self;
        let (judge, previous) = (self.judge.state(), reader.last_time());
        PipelineStateRef {
            parser: reader.parser(),
            judge,
            pace,
            episodes,
            previous,
            counts: *counts,
            crowd: *crowd,
            tally,
            times: reader.memory(),
            growth: reader.growth(),
        }
    }

    /// A copy of it.
    #[must_use]
    pub fn remembered(&self) -> PipelineState {
        PipelineState {
            parser: self.reader.parser().clone(),
            judge: self.judge.state().clone(),
            pace: self.pace.clone(),
            episodes: self.episodes.clone(),
            previous: self.reader.last_time(),
            counts: self.counts,
            crowd: self.crowd,
            tally: self.tally.clone(),
            times: self.reader.memory(),
            growth: self.reader.growth().clone(),
        }
    }

    /// Why most of what was read cannot be what its writer meant, once: the next call returns nothing, until it is
    /// understood and then no more.
    pub fn take_problem(&mut self, is_all: bool) -> Option<String> {
        let problem = self.tally.problem(is_all);
        if problem.is_none() || self.tally.is_reported {
            return None;
        }
        self.tally.is_reported = true;
        problem
    }

    /// The same once: the next call returns nothing.
    pub fn take_names_grown(&mut self) -> Option<String> {
        self.reader.take_growth()
    }

    /// While full it takes no more memory for what it learns: names that are not known take places of others.
    pub fn set_full(&mut self, is_full: bool) {
        self.judge.set_full(is_full);
        self.pace.set_full(is_full);
        self.episodes.set_full(is_full);
    }

    /// Lets [`Pace`] hear the record.
    fn observe_activity(&mut self, record: &Record<'_>, line: &LineSpan) {
        let Some(time) = record.time else { return };
        let (server, component) = names(record, &self.treatment);
        let heard = ObservedRecord { server, component, time, level: record.level, is_text: is_text(record) };
        self.pace.observe(heard, &mut self.notices);
        self.queue_notices(line);
    }

    /// Streams that had to go so far.
    fn evicted(&self) -> u64 {
        self.judge.counts().evicted + self.pace.counts().evicted
    }

    fn queue_notices(&mut self, line: &LineSpan) {
        for notice in self.notices.drain(..) {
            if matches!(&notice, ActivityNotice::NewComponent { time, .. } if self.crowd.is_doubtful(*time)) {
                continue;
            }
            self.waiting.push(PendingItem::Notice(notice), line, self.pace.watermark());
        }
    }

    /// Judges the values of a record. How many there were.
    fn judge(&mut self, record: &Record<'_>, line: &LineSpan) -> Result<u64, InferError> {
        let names = DefaultNames { server: &self.treatment.server, component: &self.treatment.component };
        let passed = self.pace.watermark();
        let mut judged = 0;
        each_reading(record, names.component, self.treatment.values, &mut self.component, |reading| {
            // The verdict on this very record may come back with the push that fills its block.
            self.waiting.push(PendingItem::Record, line, passed);
            let known = self.judged.len();
            let intake = self.judge.push(reading, names, &mut self.judged)?;
            if let Some(trace) = &mut self.trace
                && self.judged.len() > known
            {
                trace.note_limits(&self.judge, &self.judged[known..]);
            }
            if matches!(intake, RecordIntake::Judged(_)) {
                judged += 1;
            } else {
                self.waiting.take_back();
            }
            for window in self.judge.drain_windows().filter(|window| window.step != EpisodeStep::Quiet) {
                self.waiting.push(PendingItem::Window(Box::new(window)), line, passed);
            }
            Ok(())
        })?;
        Ok(judged)
    }

    /// Tells what has its turn: verdicts that are there, and notices that no missing verdict stands before.
    fn emit(&mut self, out: &mut PipelineOutput) {
        let redactor = &*self.treatment.redactor;
        let model = self.judge.model();
        let mut judged = self.judged.drain(..);
        while let Some((item, passed)) = self.waiting.front() {
            let told = out.events.len();
            let mut row = None;
            let around = |line| {
                let (source, view) = (&self.source, &model.profile.record);
                EpisodeContext { source, view, model: model.version, passed, line, redactor }
            };
            match item {
                PendingItem::Notice(notice) => {
                    let shown = matches!(notice, ActivityNotice::NewComponent { .. } | ActivityNotice::NewLevel { .. });
                    let line = shown.then(|| self.waiting.front_line()).flatten();
                    self.episodes.note(notice, around(line), &mut out.events);
                }
                PendingItem::Window(window) => self.episodes.window(window, around(None), &mut out.events),
                PendingItem::Crowd(time) => {
                    self.episodes.crowd(*time, &self.treatment.server, around(None), &mut out.events);
                }
                PendingItem::Record => {
                    let Some(judged) = judged.next() else { break };
                    self.counts.anomalous += u64::from(judged.verdict.anomalous);
                    let line = if judged.step == EpisodeStep::Opened { self.waiting.front_line() } else { None };
                    self.episodes.take(&judged, around(line), &mut out.events);
                    row = Some(judged);
                }
                PendingItem::Traced(_) => {}
            }
            if let Some(trace) = &mut self.trace {
                trace.take(&self.waiting, row.as_ref(), &self.episodes, &out.events[told..]);
            }
            let is_wanted = |odd: bool| out.wanted == OutputWanted::All || (odd && out.wanted == OutputWanted::Odd);
            out.judged.extend(row.filter(|row| is_wanted(row.verdict.anomalous)));
            self.waiting.pop();
        }
        debug_assert!(judged.next().is_none(), "each verdict belongs to a record that waits");
        drop(judged);
        self.waiting.forget();
    }
}

/// The server and the component that a record is of.
fn names<'a>(record: &'a Record<'_>, treatment: &'a SourceOptions) -> (&'a str, &'a str) {
    let server = record.server.as_deref().unwrap_or(&treatment.server);
    (cut(server), cut(record.component.as_deref().unwrap_or(&treatment.component)))
}

/// Whether it carries no value: its rate is watched.
fn is_text(record: &Record<'_>) -> bool {
    record.value.is_none() && (record.message.is_some() || !record.numbers.is_empty())
}

/// As the judge cuts names.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}
