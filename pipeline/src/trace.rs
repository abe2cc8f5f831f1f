//! What was found at which line, for whoever asks about lines instead of events. Stands beside the way of a line: with a
//! trace the same is judged and told as without one.
//!
//! Not every finding is made at the line it is about: a silence is about the record before it, the count of an interval
//! about all records in it. So the records that were asked for are followed until their streams have spoken again and
//! their interval is over. What only the wall clock would have told, it is asked for in every long pause beside them: as
//! if an agent had been listening all along.

use oddline_core::{
    activity::{
        ActivityNotice, SilentStream, StreamPace,
        pauses::PAUSE_MIN_S,
        rate::{RateFinding, interval},
    },
    budget::BudgetUse,
    event::Event,
    record::{Fault, Level, Record},
    stream::StreamName,
    time::EventTime,
};
use oddline_detector::{InferError, Judge, JudgedRow};

use super::{
    Pipeline, PipelineOutput, describe,
    episodes::EpisodeTracker,
    is_text, names,
    pending::{LineSpan, PendingItem, PendingQueue},
    reader::is_no_row,
};

/// Findings of a trace that asks for lines or an instant: a table of 64 columns and a bundle of records fit.
const FINDINGS_MAX: usize = 1_024;
/// Records of one instant that are followed.
const FOLLOWED_MAX: usize = 50;
/// The wall clock is asked once a minute, as by an agent ...
const CLOCK_STEP_S: f64 = 60.0;
/// ... for at most 15 days: beyond three times the longest pause that can be usual.
const CLOCK_STEPS_MAX: u32 = 15 * 24 * 60;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracedLines {
    /// Everything of the record that this line is part of.
    Line(u64),
    /// Everything of the records of this instant.
    Instant(EventTime),
    /// Whatever is odd.
    Odd,
}

/// The lines of a record, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineNumbers {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl LineNumbers {
    fn contains(self, line: u64) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct LineFinding {
    /// The record that it is about.
    pub lines: LineNumbers,
    /// The text of its lines.
    pub text: Vec<u8>,
    /// The lines at which it was found; other ones, where it is about a record before them. 0: what the clock would say if
    /// nothing more came.
    pub found_at: LineNumbers,
    /// What it is.
    pub what: FoundItem,
    /// What the agent says at that moment; nothing, where it is held back or part of an episode that was told.
    pub events: Vec<Event>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundItem {
    /// A record; what was found in it follows.
    Record(Box<RecordTrace>),
    /// A value of it was judged.
    Judged(Box<JudgedTrace>),
    /// When it came, or what it is called.
    Noticed(ActivityNotice),
    /// There were more names than places.
    Crowd,
}

/// A record as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordTrace {
    /// Its stream.
    pub stream: StreamName,
    /// Its time, or the one before it.
    pub time: Option<EventTime>,
    /// Its level.
    pub level: Option<Level>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// It carries no value: its rate is watched.
    pub is_text: bool,
    /// It has a time, and is a row of its table.
    pub is_usable: bool,
    /// How its stream had come before it; `None` for the first.
    pub pace: Option<StreamPace>,
}

/// A verdict with the limit that it was found by.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedTrace {
    /// The verdict.
    pub row: JudgedRow,
    /// The limit of its stream, in scores of the model; `None` where the model has one threshold for all.
    pub limit: Option<f64>,
    /// What was asked and used of the alert budget.
    pub budget: BudgetUse,
    /// The first odd record of the episode that is told and under way with it.
    pub episode: Option<EventTime>,
}

impl Pipeline {
    /// From now on collects what is found at lines, for [`Pipeline::findings`].
    pub fn trace(&mut self, asked: TracedLines) {
        self.trace = Some(Box::new(LineTrace::new(asked)));
    }

    /// What was found since the last call, in order.
    pub fn findings(&mut self) -> impl Iterator<Item = LineFinding> + '_ {
        self.trace.iter_mut().flat_map(|trace| trace.found.drain(..))
    }

    /// Whether something may still be found of the records that were asked for.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.is_pending() || self.trace.as_ref().is_some_and(|trace| !trace.followed.is_empty())
    }

    /// The log has ended: what the wall clock would say of the records that were asked for if nothing more came.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn wait_in_vain(&mut self, out: &mut PipelineOutput) -> Result<(), InferError> {
        self.idle(out)?;
        let Some(at) = self.pace.watermark() else { return Ok(()) };
        for now in LineTrace::clock_between(at, at.plus_seconds(f64::from(CLOCK_STEPS_MAX) * CLOCK_STEP_S)) {
            if !self.trace.as_ref().is_some_and(|trace| trace.is_waiting()) {
                break;
            }
            self.pace.clock(now, &mut self.notices);
            self.queue_notices(&LineSpan::default());
            self.emit(out);
        }
        Ok(())
    }

    /// Lets the trace know of a record before it is taken, and of what the wall clock would have said until then.
    pub(super) fn trace_record(&mut self, record: &Record<'_>, line: &LineSpan) {
        let Some(trace) = &mut self.trace else { return };
        let before = core::mem::replace(&mut trace.heard, record.time);
        let is_asked = trace.asks(line.lines(), record.time);
        trace.is_urgent |= is_asked;
        if !is_asked && trace.followed.is_empty() {
            return;
        }
        let (server, component) = names(record, &self.treatment);
        let traced = RecordTrace {
            stream: StreamName { server: server.to_owned(), component: component.to_owned() },
            time: record.time,
            level: record.level,
            fault: record.fault,
            is_text: is_text(record),
            is_usable: record.time.is_some() && !is_no_row(record),
            pace: self.pace.pace(server, component),
        };
        let passed = self.pace.watermark();
        self.waiting.push(PendingItem::Traced(Box::new(traced)), line, passed);
        // The watermark waits for a second record after a long pause.
        if let (Some(at), Some(until)) = (passed.max(before), record.time) {
            for now in LineTrace::clock_between(at, until) {
                self.pace.clock(now, &mut self.notices);
            }
            self.queue_notices(line);
        }
    }
}

impl LineFinding {
    /// What was noticed, in words; empty for a verdict or a record.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.what {
            FoundItem::Record(_) | FoundItem::Judged(_) => String::new(),
            FoundItem::Noticed(notice) => describe::notice_in_words(notice),
            FoundItem::Crowd => describe::CROWD_IN_WORDS.to_owned(),
        }
    }

    /// Whether it is odd in itself, as far as a replay says so too.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        match &self.what {
            FoundItem::Record(_) => false,
            FoundItem::Judged(judged) => judged.row.verdict.anomalous,
            FoundItem::Noticed(notice) => is_odd(notice),
            FoundItem::Crowd => true,
        }
    }
}

/// A record that was asked for, and what may still be found of it.
struct FollowedRecord {
    lines: LineNumbers,
    text: Vec<u8>,
    record: RecordTrace,
    /// The line at which its stream spoke again.
    spoke: Option<u64>,
    is_silent: bool,
    is_counted: bool,
}

/// Collects what is asked for.
pub(crate) struct LineTrace {
    asked: TracedLines,
    /// The time of the last record.
    heard: Option<EventTime>,
    /// The record whose findings come is one that is asked for.
    is_asked: bool,
    /// A record on this line is: its verdicts are wanted before the next line.
    pub(crate) is_urgent: bool,
    limits: Vec<RowLimit>,
    followed: Vec<FollowedRecord>,
    found: Vec<LineFinding>,
    asked_so_far: usize,
}

struct RowLimit {
    number: u64,
    limit: Option<f64>,
    budget: BudgetUse,
}

impl LineTrace {
    pub(crate) fn new(asked: TracedLines) -> Self {
        Self {
            asked,
            heard: None,
            is_asked: false,
            is_urgent: false,
            limits: Vec::new(),
            followed: Vec::new(),
            found: Vec::new(),
            asked_so_far: 0,
        }
    }

    /// Whether a record is asked for.
    fn asks(&self, lines: LineNumbers, time: Option<EventTime>) -> bool {
        match self.asked {
            TracedLines::Line(line) => lines.contains(line),
            TracedLines::Instant(instant) => time == Some(instant) && self.asked_so_far < FOLLOWED_MAX,
            TracedLines::Odd => false,
        }
    }

    /// The instants at which the wall clock is asked while event time goes from `at` to `until`: none in a short pause.
    fn clock_between(at: EventTime, until: EventTime) -> impl Iterator<Item = EventTime> {
        let pause = until.seconds_since(at);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to CLOCK_STEPS_MAX")]
        let steps = (pause / CLOCK_STEP_S).clamp(0.0, f64::from(CLOCK_STEPS_MAX)) as u32;
        let steps = if pause > PAUSE_MIN_S { 0..steps + 1 } else { 0..0 };
        steps.map(move |step| at.plus_seconds(f64::from(step) * CLOCK_STEP_S))
    }

    /// Notes the limits of what was just judged, while nothing else has been judged since.
    pub(crate) fn note_limits(&mut self, judge: &Judge, judged: &[JudgedRow]) {
        if self.asked == TracedLines::Odd {
            // Only the last one can be the last of all.
            let odd = judged.iter().rfind(|judged| judged.verdict.anomalous);
            self.limits.extend(odd.map(|odd| RowLimit::of(judge, odd)));
        } else if self.is_urgent {
            self.limits.extend(judged.iter().map(|judged| RowLimit::of(judge, judged)));
        }
    }

    /// Takes what has its turn in the queue, with what it made the agent say.
    pub(crate) fn take(
        &mut self,
        queue: &PendingQueue,
        row: Option<&JudgedRow>,
        episodes: &EpisodeTracker,
        events: &[Event],
    ) {
        let Some((item, passed)) = queue.front() else { return };
        let lines = queue.front_lines();
        let what = match item {
            PendingItem::Record => {
                let Some(row) = row.filter(|row| self.wants(row.verdict.anomalous)) else { return };
                FoundItem::Judged(Box::new(self.judged(row, episodes)))
            }
            PendingItem::Notice(notice) => {
                self.follow(notice, lines, events);
                if !self.wants(is_odd(notice)) {
                    return;
                }
                FoundItem::Noticed(notice.clone())
            }
            PendingItem::Crowd(_) if self.wants(true) => FoundItem::Crowd,
            PendingItem::Crowd(_) | PendingItem::Window(_) => return,
            PendingItem::Traced(record) => {
                self.record(record, lines, passed, queue.front_line());
                if !self.is_asked {
                    return;
                }
                FoundItem::Record(record.clone())
            }
        };
        let text = queue.front_line().unwrap_or_default().to_vec();
        self.push(LineFinding { lines, text, found_at: lines, what, events: events.to_vec() });
    }

    fn wants(&self, is_odd: bool) -> bool {
        if self.asked == TracedLines::Odd { is_odd } else { self.is_asked }
    }

    fn push(&mut self, finding: LineFinding) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(finding);
        }
    }

    fn judged(&self, row: &JudgedRow, episodes: &EpisodeTracker) -> JudgedTrace {
        let noted = self.limits.iter().find(|noted| noted.number == row.verdict.number);
        JudgedTrace {
            row: row.clone(),
            limit: noted.and_then(|noted| noted.limit),
            budget: noted.map_or_else(BudgetUse::default, |noted| noted.budget),
            episode: episodes.under_way(&row.verdict.stream),
        }
    }

    /// A record has its turn: others hear that its stream has spoken, and it may be one to follow.
    fn record(&mut self, record: &RecordTrace, lines: LineNumbers, passed: Option<EventTime>, text: Option<&[u8]>) {
        for followed in &mut self.followed {
            if followed.spoke.is_none() && followed.record.stream == record.stream {
                followed.spoke = Some(lines.last);
            }
            let over = |time: EventTime| passed.is_some_and(|passed| interval(passed) > interval(time));
            followed.is_counted = !followed.record.is_text || followed.record.time.is_none_or(over);
        }
        self.is_asked = self.asks(lines, record.time);
        if self.is_asked && record.is_usable && self.followed.len() < FOLLOWED_MAX {
            self.asked_so_far += 1;
            self.followed.push(FollowedRecord {
                lines,
                text: text.unwrap_or_default().to_vec(),
                record: record.clone(),
                spoke: None,
                is_silent: false,
                is_counted: false,
            });
        }
    }

    /// Whoever has nothing more to expect is followed no longer.
    pub(crate) fn forget(&mut self) {
        self.followed.retain(|followed| followed.spoke.is_none() || !followed.is_counted);
        self.is_asked = false;
        self.is_urgent = false;
        self.limits.clear();
    }

    /// The followed records that have not been followed by a silence yet.
    fn is_waiting(&self) -> bool {
        self.followed.iter().any(|followed| followed.spoke.is_none() && !followed.is_silent)
    }

    /// A notice may be about a record before it.
    fn follow(&mut self, notice: &ActivityNotice, lines: LineNumbers, events: &[Event]) {
        let mut found = Vec::new();
        for followed in self.followed.iter_mut().filter(|followed| followed.lines != lines) {
            let is_about = match notice {
                ActivityNotice::Silent(silent) => {
                    let ends_here = silent.by_clock && followed.spoke == Some(lines.last);
                    let is_its = followed.record.is_last_of(silent);
                    let is_first = is_its && (followed.spoke.is_none() || ends_here) && !followed.is_silent;
                    followed.is_silent |= is_first;
                    is_first
                }
                ActivityNotice::Rate { stream, finding } => followed.record.is_in(stream, finding),
                ActivityNotice::Spoke { .. }
                | ActivityNotice::NewComponent { .. }
                | ActivityNotice::NewLevel { .. } => false,
            };
            if is_about {
                found.push(LineFinding {
                    lines: followed.lines,
                    text: followed.text.clone(),
                    found_at: lines,
                    what: FoundItem::Noticed(notice.clone()),
                    events: events.to_vec(),
                });
            }
        }
        found.into_iter().for_each(|finding| self.push(finding));
    }
}

impl RecordTrace {
    /// Whether it may be the last one of a stream that is silent, or of a server: one of the last there.
    fn is_last_of(&self, silent: &SilentStream) -> bool {
        let StreamName { server, component } = &*silent.stream;
        let is_near = |time: EventTime| silent.last.seconds_since(time) <= silent.usual_s;
        self.stream.server == *server
            && (self.stream.component == *component || component.is_empty() && self.time.is_some_and(is_near))
    }

    /// Whether it was counted in an interval that is odd.
    fn is_in(&self, counter: &StreamName, finding: &RateFinding) -> bool {
        let of_level = match self.level {
            Some(level) if level >= Level::Error => "level.error",
            Some(Level::Warning) => "level.warning",
            _ => "",
        };
        let is_counted = counter.component == self.stream.component || counter.component == of_level;
        finding.odd
            && self.is_text
            && is_counted
            && counter.server == self.stream.server
            && self.time.is_some_and(|time| interval(time) == interval(finding.time))
    }
}

impl RowLimit {
    fn of(judge: &Judge, judged: &JudgedRow) -> Self {
        let mut limits = judge.state().budgets().limits();
        let limit = limits.find(|(name, _)| **name == judged.verdict.stream).map(|(_, limit)| limit);
        Self { number: judged.verdict.number, limit, budget: judge.budget_use() }
    }
}

fn is_odd(notice: &ActivityNotice) -> bool {
    match notice {
        ActivityNotice::Silent(silent) => !silent.by_clock,
        ActivityNotice::Spoke { .. } => false,
        ActivityNotice::Rate { finding, .. } => finding.odd,
        ActivityNotice::NewComponent { .. } | ActivityNotice::NewLevel { .. } => true,
    }
}
