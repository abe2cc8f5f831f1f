//! Whether a line begins a record or belongs to the one before it: the lines of a stack trace, indented ones, and those
//! without a time where lines begin with one. Remembers what each program wrote last, so that none goes on with another's.
//! Keeps no text: a record is its first line.

use serde::{Deserialize, Serialize};

use super::{
    level,
    trace::{self, TraceRole, TraceState},
};
use crate::{record::Level, time::EventTime};

/// Programs whose lines are in between each other: more than write traces at one time.
const PROGRAMS_MAX: usize = 16;
/// The lines of a trace are written at once.
const NEAR_S: f64 = 5.0;
/// Lines in a row that belong to a record only for their indentation or for want of a time. After that it was no record
/// of many lines, but a program that writes in another way.
const RUN_MAX: u16 = 256;
/// Lines that show how a source's records begin.
const VOTES_MIN: u8 = 3;
/// At this many votes each counts half, so that a source may change.
const VOTES_MAX: u8 = 128;
/// For one record that begins in the other way there are so many that do not.
const TIMED_RATIO: u8 = 4;
const INDENTED_RATIO: u8 = 8;

/// What is remembered of a source's lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Continuation {
    timed: u8,
    untimed: u8,
    unindented: u8,
    indented: u8,
    run: u16,
    programs: Vec<ProgramTrace>,
}

/// What a program wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProgramTrace {
    key: u32,
    last: Option<EventTime>,
    state: TraceState,
    /// The record tells of something wrong.
    is_grave: bool,
    /// The record began with a time.
    is_timed: bool,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextPlace {
    /// A line of its own, without a time.
    Line,
    /// After a time of its own, or in a message that lost its indentation.
    Message,
    /// In a message as its program wrote it.
    WholeMessage,
}

/// A line as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextLine<'t> {
    /// Whose it is, by [`program_key`].
    pub key: u32,
    pub text: &'t str,
    pub place: TextPlace,
    pub time: Option<EventTime>,
    pub level: Option<Level>,
}

/// Tells programs apart.
pub(crate) fn program_key<'n>(names: impl IntoIterator<Item = &'n str>) -> u32 {
    names.into_iter().fold(0x811c_9dc5, |hash, name| {
        name.bytes().chain([0]).fold(hash, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    })
}

impl Continuation {
    /// Whether the line belongs to the record before it. Remembers it either way.
    pub(crate) fn continues(&mut self, line: &TextLine<'_>) -> bool {
        let at = self.programs.iter().position(|program| program.key == line.key);
        let before = at.map(|at| &self.programs[at]).filter(|program| is_near(program.last, line.time));
        let state = before.map_or(TraceState::Outside, |program| program.state);
        let is_trimmed = line.place == TextPlace::Message;
        let role = trace::role(line.text, state, is_trimmed);
        let is_indented = line.text.starts_with([' ', '\t']);
        let (mut continues, mut is_loose) = (false, false);
        if let Some(before) = before {
            continues = match role {
                TraceRole::Part(_) => true,
                TraceRole::Error(_) => false,
                TraceRole::Exception => before.is_grave || (line.place == TextPlace::Line && self.is_timed()),
                TraceRole::Nothing => {
                    is_loose = match line.place {
                        TextPlace::Line if is_indented => before.is_timed || self.is_unindented(),
                        TextPlace::Line => {
                            // In a trace: the text of an exception may have lines of its own.
                            let is_inside = state != TraceState::Outside && before.is_timed && self.untimed == 0;
                            (self.is_timed() || is_inside) && !tells_grave(line.text)
                        }
                        TextPlace::WholeMessage => is_indented,
                        TextPlace::Message => false,
                    };
                    is_loose
                }
            };
        }
        if continues && is_loose {
            self.run += 1;
            if self.run > RUN_MAX {
                (self.timed, self.unindented, continues) = (0, 0, false);
            }
        }
        if !continues {
            self.run = 0;
            if line.place == TextPlace::Line {
                self.vote(is_indented, false);
            }
        }
        self.remember(at, line, role, continues);
        continues
    }

    /// A record began that is no text: the next line may belong to it.
    pub(crate) fn begins(&mut self, key: u32, time: Option<EventTime>, level: Option<Level>) {
        self.run = 0;
        let at = self.programs.iter().position(|program| program.key == key);
        let line = TextLine { key, text: "", place: TextPlace::Message, time, level };
        self.remember(at, &line, TraceRole::Nothing, false);
    }

    /// A line of its own began with a time.
    pub(crate) fn vote_timed(&mut self) {
        self.vote(false, true);
    }

    fn vote(&mut self, is_indented: bool, is_timed: bool) {
        match (is_indented, is_timed) {
            (_, true) => (self.timed, self.unindented) = (self.timed + 1, self.unindented + 1),
            (true, false) => self.indented += 1,
            (false, false) => (self.untimed, self.unindented) = (self.untimed + 1, self.unindented + 1),
        }
        if self.timed.max(self.untimed).max(self.unindented).max(self.indented) >= VOTES_MAX {
            for votes in [&mut self.timed, &mut self.untimed, &mut self.unindented, &mut self.indented] {
                *votes /= 2;
            }
        }
    }

    /// Records begin with a time here.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed >= VOTES_MIN && self.untimed <= self.timed / TIMED_RATIO
    }

    /// Records begin at the first column here.
    fn is_unindented(&self) -> bool {
        self.unindented >= VOTES_MIN && self.indented <= self.unindented / INDENTED_RATIO
    }

    fn remember(&mut self, at: Option<usize>, line: &TextLine<'_>, role: TraceRole, continues: bool) {
        let state = match role {
            TraceRole::Part(state) | TraceRole::Error(state) => state,
            TraceRole::Exception => TraceState::Frames,
            // After indented lines a bracket may close.
            TraceRole::Nothing if continues => TraceState::Frames,
            TraceRole::Nothing => TraceState::Outside,
        };
        let begun = ProgramTrace {
            key: line.key,
            last: line.time,
            state,
            is_grave: line.level.is_some_and(|level| level >= Level::Warning) && role == TraceRole::Nothing,
            is_timed: line.place != TextPlace::Line,
        };
        // What was used last stands last: the first makes room.
        let Some(at) = at else {
            if self.programs.len() == PROGRAMS_MAX {
                self.programs.remove(0);
            }
            self.programs.push(begun);
            return;
        };
        self.programs[at..].rotate_left(1);
        let Some(known) = self.programs.last_mut() else { return };
        if continues {
            known.last = line.time.or(known.last);
            known.state = state;
            known.is_grave &= role != TraceRole::Exception;
        } else {
            *known = begun;
        }
    }
}

fn is_near(before: Option<EventTime>, time: Option<EventTime>) -> bool {
    match (before, time) {
        (Some(before), Some(time)) => time.seconds_since(before).abs() <= NEAR_S,
        _ => true,
    }
}

/// Whether a text begins with a warning or worse: it is a message of its own.
fn tells_grave(text: &str) -> bool {
    level::find(text).is_some_and(|spot| spot.start == 0 && spot.level >= Level::Warning)
}
