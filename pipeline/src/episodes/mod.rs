//! Verdicts and notices to events: the first of an episode at once, then updates, then its end. Pure; event time only.
//!
//! Updates come when an episode has doubled (2, 4, 8, ... odd records): what lasts is told of less and less often, and
//! the last word is the end. What the flood limit holds back sends nothing until it ends. A silence is an
//! [`Event::Silence`] and ends like an episode; what is new is opened and ended at once.
//!
//! Values, pace and the wall clock have a flood limit each: odd values, which a strange log has by the hundred, do not
//! drown the one stream that stopped, and what the clock says moves nothing else. So have its numbers.

use std::{collections::BTreeMap, sync::Arc};

use oddline_core::{
    activity::{ActivityNotice, SilentStream},
    episode::EpisodeStep,
    event::{Episode, Event, NUMBERS_APART, NUMBERS_BY_CLOCK, SourceName},
    limits::{RATES_MAX, STREAMS_MAX},
    profile::RecordView,
    stream::StreamName,
    time::EventTime,
    weight,
    window::WindowVerdict,
};
use oddline_detector::JudgedRow;
use serde::{Deserialize, Serialize};

use super::{
    describe::{self, PipelineFinding},
    flood::FloodLimit,
    incidents::{IncidentPart, IncidentTable},
};
use crate::redactor::Redactor;

/// Episodes open at a time: one a stream of values, one a silent stream, one a counter. An evicted stream never ends
/// its own; beyond the bound the first by name is forgotten, and counted.
const OPEN_MAX: usize = 2 * STREAMS_MAX + RATES_MAX;

/// The same while memory is short.
const OPEN_FULL: usize = 64;

/// A node of a tree is two thirds full.
const NODE: usize = 2;

/// Events of one source under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EpisodeTracker {
    open: BTreeMap<EpisodeKey, OpenEvent>,
    flood: FloodLimit,
    flood_of_pace: FloodLimit,
    /// Where the source's event time stands.
    latest: Option<EventTime>,
    forgotten: u64,
    /// Episodes that no record opened so far, of event time and of the clock.
    apart: u64,
    by_clock: u64,
    flood_by_clock: FloodLimit,
    incidents: IncidentTable,
    #[serde(skip)]
    is_full: bool,
}

type EpisodeKey = (EpisodeTopic, Arc<StreamName>);

/// What an episode of a stream is about: it may have one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum EpisodeTopic {
    Values,
    Silence,
    SilenceByClock,
    Rate,
    Window,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenEvent {
    /// `None`: held back by the flood limit.
    episode: Option<Box<Episode>>,
    told: u64,
}

/// What surrounds what was found.
pub(crate) struct EpisodeContext<'a> {
    /// The source.
    pub source: &'a SourceName,
    /// How the model scores.
    pub view: &'a RecordView,
    /// The model's version.
    pub model: u64,
    /// The source's watermark when its line was read; `None` where nothing has one, and the time of what was found does.
    pub passed: Option<EventTime>,
    /// The odd line, to be shown : redacted once the flood limit has let its episode through.
    pub line: Option<&'a [u8]>,
    /// What may be shown.
    pub redactor: &'a dyn Redactor,
}

impl EpisodeTracker {
    /// Nothing under way; at most `flood_limit` episodes an hour travel one by one.
    #[must_use]
    pub(crate) fn new(flood_limit: u32) -> Self {
        Self {
            open: BTreeMap::new(),
            flood: FloodLimit::new(flood_limit),
            flood_of_pace: FloodLimit::new(flood_limit),
            latest: None,
            forgotten: 0,
            apart: 0,
            is_full: false,
            by_clock: 0,
            flood_by_clock: FloodLimit::new(flood_limit),
            incidents: IncidentTable::default(),
        }
    }

    /// From here on at most `flood_limit` episodes an hour travel one by one.
    pub(crate) fn limit(&mut self, flood_limit: u32) {
        for flood in [&mut self.flood, &mut self.flood_of_pace, &mut self.flood_by_clock] {
            flood.limit(flood_limit);
        }
    }

    /// How many may.
    #[must_use]
    pub(crate) fn flood_limit(&self) -> u32 {
        self.flood.per_hour()
    }

    /// While full no more are open at a time than now.
    pub(crate) fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// What is under way weighs so much in memory, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        let of_open = |(key, open): (&EpisodeKey, &OpenEvent)| {
            let episode = open.episode.as_ref().map_or(0, |episode| describe::bytes(episode));
            NODE * size_of::<(EpisodeKey, OpenEvent)>() + weight::name(&key.1) + episode
        };
        let floods = [&self.flood, &self.flood_of_pace, &self.flood_by_clock];
        self.open.iter().map(of_open).sum::<usize>()
            + floods.map(FloodLimit::bytes).iter().sum::<usize>()
            + self.incidents.bytes()
    }

    /// Open episodes dropped because there were too many.
    #[must_use]
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The first odd record of the episode that a stream's values are in, when it was told.
    #[must_use]
    pub(crate) fn under_way(&self, stream: &Arc<StreamName>) -> Option<EventTime> {
        let open = self.open.get(&(EpisodeTopic::Values, Arc::clone(stream)))?;
        open.episode.as_ref().map(|episode| episode.first)
    }

    /// Takes one verdict; appends what is to be told.
    pub(crate) fn take(&mut self, judged: &JudgedRow, around: EpisodeContext<'_>, events: &mut Vec<Event>) {
        let verdict = &judged.verdict;
        self.pass(verdict.time, &around, events);
        if judged.step != EpisodeStep::Quiet {
            let key = (EpisodeTopic::Values, Arc::clone(&verdict.stream));
            let seen = PipelineFinding::Verdict(verdict, around.view, judged.pause_s);
            self.step(key, judged.step, &seen, around, events);
        }
    }

    /// Takes one notice; appends what is to be told.
    pub(crate) fn note(&mut self, notice: &ActivityNotice, around: EpisodeContext<'_>, events: &mut Vec<Event>) {
        match notice {
            ActivityNotice::Silent(silent) => self.fall_silent(silent, around, events),
            ActivityNotice::Spoke { stream, time, by_clock } => {
                if !by_clock {
                    self.pass(*time, &around, events);
                }
                let open = self.open.remove(&(silence(*by_clock), Arc::clone(stream)));
                let ended = open.and_then(|open| open.episode).map(|episode| describe::spoke(episode, *time));
                events.extend(ended.map(Event::EpisodeEnded));
            }
            ActivityNotice::Rate { stream, finding } => {
                self.pass(finding.time, &around, events);
                let key = (EpisodeTopic::Rate, Arc::clone(stream));
                self.step(key, finding.step, &PipelineFinding::Rate(finding), around, events);
            }
            ActivityNotice::NewComponent { stream, time } => {
                self.tell_once(stream, *time, &PipelineFinding::Component(*time), around, events);
            }
            ActivityNotice::NewLevel { stream, time, level } => {
                self.tell_once(stream, *time, &PipelineFinding::Level(*time, *level), around, events);
            }
        }
    }

    /// Takes the judgement of a server's window; appends what is to be told.
    pub(crate) fn window(&mut self, verdict: &WindowVerdict, around: EpisodeContext<'_>, events: &mut Vec<Event>) {
        self.pass(verdict.time, &around, events);
        let key = (EpisodeTopic::Window, Arc::clone(&verdict.stream));
        let shown = verdict.parts.iter().map(|part| around.redactor.name(&part.metric)).collect();
        self.step(key, verdict.step, &PipelineFinding::Window(verdict, shown), around, events);
    }

    /// Another model judges from here on, which knows no windows: nothing else ends what they opened.
    pub(crate) fn end_windows(&mut self, events: &mut Vec<Event>) {
        let of_windows = self.open.extract_if(.., |key, _| key.0 == EpisodeTopic::Window);
        events.extend(of_windows.filter_map(|(_, open)| open.episode.map(Event::EpisodeEnded)));
    }

    /// There were more names than there are places. No flood holds it back: it comes once a day at most.
    pub(crate) fn crowd(&mut self, time: EventTime, server: &str, around: EpisodeContext<'_>, events: &mut Vec<Event>) {
        self.pass(time, &around, events);
        let stream = StreamName { server: server.to_owned(), component: String::new() };
        let seen = PipelineFinding::Crowd(time);
        let number = self.number(&seen);
        let part = IncidentPart::alone(number);
        let episode = Box::new(describe::first(number, &stream, &seen, part, around));
        events.extend([Event::EpisodeOpened(episode.clone()), Event::EpisodeEnded(episode)]);
    }

    /// The wall clock says that event time would be `until`: what it held back may be due.
    pub(crate) fn clock(
        &mut self,
        until: EventTime,
        source: &SourceName,
        redactor: &dyn Redactor,
        events: &mut Vec<Event>,
    ) {
        let summary = self.flood_by_clock.due(source, until, redactor);
        events.extend(summary.map(|mut summary| {
            summary.by_clock = true;
            Event::FloodSummary(summary)
        }));
    }

    /// What a replay still holds at the end of its file. Open episodes stay open: their end was not seen.
    pub(crate) fn rest(&mut self, source: &SourceName, redactor: &dyn Redactor, events: &mut Vec<Event>) {
        for flood in [&mut self.flood, &mut self.flood_of_pace] {
            events.extend(flood.rest(source, redactor).map(Event::FloodSummary));
        }
    }

    /// Event time goes on: a summary may be due.
    fn pass(&mut self, time: EventTime, around: &EpisodeContext<'_>, events: &mut Vec<Event>) {
        let latest = around.passed.unwrap_or(time);
        self.latest = Some(latest);
        for flood in [&mut self.flood, &mut self.flood_of_pace] {
            events.extend(flood.due(around.source, latest, around.redactor).map(Event::FloodSummary));
        }
    }

    fn step(
        &mut self,
        key: EpisodeKey,
        step: EpisodeStep,
        seen: &PipelineFinding<'_>,
        around: EpisodeContext<'_>,
        events: &mut Vec<Event>,
    ) {
        match step {
            EpisodeStep::Quiet => {}
            EpisodeStep::Opened => self.open(key, seen, around, events),
            EpisodeStep::Goes => self.go(&key, seen, events),
            EpisodeStep::Closed(_) => self.close(&key, Event::EpisodeEnded, events),
            EpisodeStep::NewLevel(_) => {
                self.extend(&key, seen);
                self.close(&key, Event::NewLevel, events);
            }
        }
    }

    fn open(
        &mut self,
        key: EpisodeKey,
        seen: &PipelineFinding<'_>,
        around: EpisodeContext<'_>,
        events: &mut Vec<Event>,
    ) {
        let number = self.number(seen);
        let now = self.latest.unwrap_or(seen.time());
        let flood = if key.0 == EpisodeTopic::Values { &mut self.flood } else { &mut self.flood_of_pace };
        let admitted = flood.admit(now, &key.1.component);
        let part = self.incidents.take(&key.1.server, number, seen.time(), seen.pause_s());
        let episode = admitted.then(|| Box::new(describe::first(number, &key.1, seen, part, around)));
        if let Some(episode) = &episode {
            events.push(Event::EpisodeOpened(episode.clone()));
        }
        self.keep(key, episode);
    }

    fn go(&mut self, key: &EpisodeKey, seen: &PipelineFinding<'_>, events: &mut Vec<Event>) {
        if !seen.is_odd() {
            return;
        }
        self.extend(key, seen);
        let Some(open) = self.open.get_mut(key) else { return };
        let Some(episode) = &open.episode else { return };
        if episode.records >= 2 * open.told {
            open.told = episode.records;
            events.push(Event::EpisodeUpdated(episode.clone()));
        }
    }

    fn extend(&mut self, key: &EpisodeKey, seen: &PipelineFinding<'_>) {
        let Some(episode) = self.open.get_mut(key).and_then(|open| open.episode.as_mut()) else { return };
        episode.last = episode.last.max(seen.time());
        episode.records += 1;
        if seen.score() > episode.peak.get() {
            seen.describe(episode);
        }
    }

    fn close(&mut self, key: &EpisodeKey, how: fn(Box<Episode>) -> Event, events: &mut Vec<Event>) {
        let open = self.open.remove(key);
        events.extend(open.and_then(|open| open.episode).map(how));
    }

    fn fall_silent(&mut self, silent: &SilentStream, around: EpisodeContext<'_>, events: &mut Vec<Event>) {
        let StreamName { server, component } = &*silent.stream;
        let (admitted, number, part) = if silent.by_clock {
            self.by_clock += 1;
            let number = NUMBERS_BY_CLOCK + self.by_clock;
            (
                self.flood_by_clock.admit(silent.until, component),
                number,
                self.incidents.look(server, number, silent.until),
            )
        } else {
            self.pass(silent.until, &around, events);
            self.apart += 1;
            let number = NUMBERS_APART + self.apart;
            let part = self.incidents.take(server, number, silent.until, silent.usual_s);
            (self.flood_of_pace.admit(silent.until, component), number, part)
        };
        let episode = admitted.then(|| {
            events.push(Event::Silence(describe::silence(silent, part, &around)));
            Box::new(describe::silent_episode(number, silent, part, around))
        });
        self.keep((silence(silent.by_clock), Arc::clone(&silent.stream)), episode);
    }

    /// News is over as soon as it is told.
    fn tell_once(
        &mut self,
        stream: &Arc<StreamName>,
        time: EventTime,
        seen: &PipelineFinding<'_>,
        around: EpisodeContext<'_>,
        events: &mut Vec<Event>,
    ) {
        self.pass(time, &around, events);
        let number = self.number(seen);
        let part = self.incidents.take(&stream.server, number, time, seen.pause_s());
        if self.flood_of_pace.admit(self.latest.unwrap_or(time), &stream.component) {
            let episode = Box::new(describe::first(number, stream, seen, part, around));
            events.extend([Event::EpisodeOpened(episode.clone()), Event::EpisodeEnded(episode)]);
        }
    }

    fn number(&mut self, seen: &PipelineFinding<'_>) -> u64 {
        seen.number().unwrap_or_else(|| {
            self.apart += 1;
            NUMBERS_APART + self.apart
        })
    }

    fn keep(&mut self, key: EpisodeKey, episode: Option<Box<Episode>>) {
        let most = if self.is_full { self.open.len().clamp(OPEN_FULL, OPEN_MAX) } else { OPEN_MAX };
        if self.open.len() >= most && !self.open.contains_key(&key) {
            self.open.pop_first();
            self.forgotten += 1;
        }
        self.open.insert(key, OpenEvent { episode, told: 1 });
    }
}

fn silence(by_clock: bool) -> EpisodeTopic {
    if by_clock { EpisodeTopic::SilenceByClock } else { EpisodeTopic::Silence }
}

#[cfg(test)]
mod tests;
