//! What a source's judging remembers over a restart, and over a change of the model.

use oddline_core::{
    event::{Event, Extras, ModelSwap, SourceName},
    format::{Format, Parser},
    pace::Pace,
    time::EventTime,
};
use oddline_detector::{Model, State};
use serde::{Deserialize, Serialize};

use super::{crowd::Crowd, episodes::Episodes};

/// Everything a source's judging remembers; goes to the state file with the position it belongs to.
#[derive(Serialize, Deserialize)]
pub struct Remembered {
    pub(super) parser: Parser,
    pub(super) judge: State,
    pub(super) pace: Pace,
    pub(super) episodes: Episodes,
    pub(super) previous: Option<EventTime>,
    pub(super) counts: Counts,
    /// Stays the last: see its reading.
    pub(super) crowd: Crowd,
}

/// The same where it is, to be written without a copy. Field by field as [`Remembered`], which reads it.
#[derive(Serialize)]
pub struct Remembers<'a> {
    pub(super) parser: &'a Parser,
    pub(super) judge: &'a State,
    pub(super) pace: &'a Pace,
    pub(super) episodes: &'a Episodes,
    pub(super) previous: Option<EventTime>,
    pub(super) counts: Counts,
    pub(super) crowd: Crowd,
}

impl Remembered {
    /// Nothing yet.
    pub(super) fn new(format: &Format, flood_limit: u32) -> Self {
        Self {
            parser: Parser::new(format.clone()),
            judge: State::default(),
            pace: Pace::default(),
            episodes: Episodes::new(flood_limit),
            previous: None,
            counts: Counts::default(),
            crowd: Crowd::default(),
        }
    }

    /// Goes on as it is configured now.
    pub(super) fn treated(mut self, format: &Format, flood_limit: u32) -> Self {
        self.parser.read_as(format);
        self.episodes.limit(flood_limit);
        self
    }

    /// The format it was read in, as configured then.
    #[must_use]
    pub fn format(&self) -> &Format {
        self.parser.format()
    }

    /// Episodes an hour that travelled one by one.
    #[must_use]
    pub fn flood_limit(&self) -> u32 {
        self.episodes.flood_limit()
    }

    /// Goes over from the model of version `from` to another, before [`Pipeline::new`] with it. The event to be told.
    pub fn adopt(&mut self, source: &SourceName, from: u64, model: &Model) -> Event {
        self.judge.adopt(model);
        let position = self.judge.number();
        Event::ModelSwap(ModelSwap {
            source: source.clone(),
            position,
            from: Some(from),
            to: model.version,
            extras: Extras::default(),
        })
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
