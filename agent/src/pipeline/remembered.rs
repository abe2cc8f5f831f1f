//! What a source's judging remembers over a restart, and over a change of the model.

use oddline_core::{
    event::{Event, ModelSwap, SourceName},
    format::Parser,
    pace::Pace,
    time::EventTime,
};
use oddline_detector::{Model, State};
use serde::{Deserialize, Serialize};

use super::episodes::Episodes;

/// Everything a source's judging remembers; goes to the state file with the position it belongs to.
#[derive(Serialize, Deserialize)]
pub struct Remembered {
    pub(super) parser: Parser,
    pub(super) judge: State,
    pub(super) pace: Pace,
    pub(super) episodes: Episodes,
    pub(super) previous: Option<EventTime>,
    pub(super) counts: Counts,
}

impl Remembered {
    /// Goes over from the model of version `from` to another, before [`Pipeline::new`] with it. The event to be told.
    pub fn adopt(&mut self, source: &SourceName, from: u64, model: &Model) -> Event {
        self.judge.adopt(model);
        let position = self.judge.number();
        Event::ModelSwap(ModelSwap { source: source.clone(), position, from: Some(from), to: model.version })
    }
}

/// What came of a source's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Records judged.
    pub judged: u64,
    /// Odd ones.
    pub anomalous: u64,
    /// Lines with something wrong in them.
    pub faults: u64,
    /// Lines with nothing to judge.
    pub unjudged: u64,
}
