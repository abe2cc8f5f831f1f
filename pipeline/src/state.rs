//! What a source's judging remembers over a restart, and over a change of the model. In the state file each part has a tag,
//! see [`oddline_core::sections`]: a part that is added later gets the next one and is read with `find`, a part that changes
//! gets another one.

use oddline_core::{
    activity::SourceActivity,
    event::{Event, Extras, ModelSwap, SourceName},
    format::{LogFormat, Parser},
    growth::NameGrowth,
    sections::{SectionError, SectionWriter, Sections},
    time::EventTime,
};
use oddline_detector::{JudgeState, OpenModel};
use serde::{Deserialize, Serialize};

use super::{clock_check::TimeMemory, episodes::EpisodeTracker, overflow::NameOverflow, tally::LineTally};

/// Tags of the parts. 1 is the caller's.
mod tag {
    pub(super) const PREVIOUS: u8 = 6;
    pub(super) const COUNTS: u8 = 7;
    pub(super) const CROWD: u8 = 8;
    pub(super) const TALLY: u8 = 9;
    pub(super) const TIMES: u8 = 10;
    pub(super) const GROWTH: u8 = 11;
    /// 2 was a parser that knew single lines only.
    pub(super) const PARSER: u8 = 12;
    /// 3 was a judge whose streams had no limits of their own, 13 one that counted no incidents.
    pub(super) const JUDGE: u8 = 14;
    /// 4 and 5 knew no incidents.
    pub(super) const PACE: u8 = 15;
    pub(super) const EPISODES: u8 = 16;
    pub(super) const WINDOWS: u8 = 17;
}

/// Everything a source's judging remembers; goes to the state file with the position it belongs to.
pub struct PipelineState {
    pub(super) parser: Parser,
    pub(super) judge: JudgeState,
    pub(super) pace: SourceActivity,
    pub(super) episodes: EpisodeTracker,
    pub(super) previous: Option<EventTime>,
    pub(super) counts: PipelineCounts,
    pub(super) crowd: NameOverflow,
    pub(super) tally: LineTally,
    pub(super) times: TimeMemory,
    pub(super) growth: NameGrowth,
}

/// The same where it is, to be written without a copy.
pub struct PipelineStateRef<'a> {
    pub(super) parser: &'a Parser,
    pub(super) judge: &'a JudgeState,
    pub(super) pace: &'a SourceActivity,
    pub(super) episodes: &'a EpisodeTracker,
    pub(super) previous: Option<EventTime>,
    pub(super) counts: PipelineCounts,
    pub(super) crowd: NameOverflow,
    pub(super) tally: &'a LineTally,
    pub(super) times: TimeMemory,
    pub(super) growth: &'a NameGrowth,
}

impl PipelineStateRef<'_> {
    /// Appends all parts; [`PipelineState::read`] reads them.
    pub fn write(&self, out: &mut SectionWriter) {
        out.add(tag::PARSER, self.parser);
        out.add(tag::JUDGE, self.judge);
        out.add(tag::PACE, self.pace);
        out.add(tag::EPISODES, self.episodes);
        out.add(tag::PREVIOUS, &self.previous);
        out.add(tag::COUNTS, &self.counts);
        out.add(tag::CROWD, &self.crowd);
        out.add(tag::TALLY, self.tally);
        out.add(tag::TIMES, &self.times);
        out.add(tag::GROWTH, self.growth);
        out.add(tag::WINDOWS, self.judge.windows());
    }
}

impl PipelineState {
    /// What was written, by this program or by another version of it.
    ///
    /// # Errors
    /// When a part without which nothing can go on is missing or something else.
    pub fn read(sections: &Sections<'_>) -> Result<Self, SectionError> {
        let judge: JudgeState = sections.need(tag::JUDGE)?;
        Ok(Self {
            parser: sections.need(tag::PARSER)?,
            judge: judge.with_windows(sections.find(tag::WINDOWS)?.unwrap_or_default()),
            pace: sections.need(tag::PACE)?,
            episodes: sections.need(tag::EPISODES)?,
            previous: sections.need(tag::PREVIOUS)?,
            counts: sections.need(tag::COUNTS)?,
            crowd: sections.find(tag::CROWD)?.unwrap_or_default(),
            tally: sections.find(tag::TALLY)?.unwrap_or_default(),
            times: sections.find(tag::TIMES)?.unwrap_or_default(),
            growth: sections.find(tag::GROWTH)?.unwrap_or_default(),
        })
    }

    /// Nothing yet.
    pub(super) fn new(format: &LogFormat, flood_limit: u32) -> Self {
        Self {
            parser: Parser::new(format.clone()),
            judge: JudgeState::default(),
            pace: SourceActivity::default(),
            episodes: EpisodeTracker::new(flood_limit),
            previous: None,
            counts: PipelineCounts::default(),
            crowd: NameOverflow::default(),
            tally: LineTally::default(),
            times: TimeMemory::default(),
            growth: NameGrowth::default(),
        }
    }

    /// Goes on as it is configured now.
    pub(super) fn treated(mut self, format: &LogFormat, flood_limit: u32) -> Self {
        if self.parser.format() != format {
            self.growth = NameGrowth::default();
        }
        self.parser.read_as(format);
        self.episodes.limit(flood_limit);
        self
    }

    /// The format it was read in, as configured then.
    #[must_use]
    pub fn format(&self) -> &LogFormat {
        self.parser.format()
    }

    /// Episodes an hour that travelled one by one.
    #[must_use]
    pub fn flood_limit(&self) -> u32 {
        self.episodes.flood_limit()
    }

    /// Goes over from the model of version `from` to another, before [`Pipeline::new`] with it; appends what is to be told.
    pub fn adopt(&mut self, source: &SourceName, from: u64, model: &OpenModel, events: &mut Vec<Event>) {
        self.judge.adopt(model);
        if model.profile.window.is_none() {
            self.episodes.end_windows(events);
        }
        events.push(Event::ModelSwap(ModelSwap {
            source: source.clone(),
            position: self.judge.number(),
            from: Some(from),
            to: model.version,
            extras: Extras::default(),
        }));
    }
}

/// What came of a source's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PipelineCounts {
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
