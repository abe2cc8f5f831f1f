//! Verdicts to events: the first odd record of an episode at once, then updates, then its end. Pure; event time only.
//!
//! Updates come when an episode has doubled (2, 4, 8, ... odd records): what lasts is told of less and less often, and
//! the last word is the end. What the flood limit holds back sends nothing until it ends.

use std::{collections::BTreeMap, sync::Arc};

use oddline_core::{
    episode::Step,
    event::{Episode, Event, Finite, List, Name, Reason, Sample, SourceName, Text},
    limits::STREAMS_MAX,
    profile::RecordView,
    stream::StreamName,
    time::EventTime,
    verdict::Verdict,
};
use oddline_detector::Judged;
use serde::{Deserialize, Serialize};

use super::flood::Flood;

/// Events of one source under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Episodes {
    open: BTreeMap<Arc<StreamName>, Open>,
    flood: Flood,
    latest: Option<EventTime>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    /// `None`: held back by the flood limit.
    episode: Option<Box<Episode>>,
    told: u64,
}

/// What surrounds a verdict.
pub struct Around<'a> {
    /// The source.
    pub source: &'a SourceName,
    /// How the model scores.
    pub view: &'a RecordView,
    /// The model's version.
    pub model: u64,
    /// The odd line as it may be shown.
    pub sample: Option<Sample>,
}

impl Episodes {
    /// Nothing under way; at most `flood_limit` episodes an hour travel one by one.
    #[must_use]
    pub fn new(flood_limit: u32) -> Self {
        Self { open: BTreeMap::new(), flood: Flood::new(flood_limit), latest: None }
    }

    /// Takes one verdict; appends what is to be told.
    pub fn take(&mut self, judged: &Judged, around: Around<'_>, events: &mut Vec<Event>) {
        let verdict = &judged.verdict;
        let latest = self.latest.map_or(verdict.time, |latest| latest.max(verdict.time));
        self.latest = Some(latest);
        if let Some(summary) = self.flood.due(around.source, latest) {
            events.push(Event::FloodSummary(summary));
        }
        match judged.step {
            Step::Quiet => {}
            Step::Opened => self.open(verdict, around, events),
            Step::Goes => self.go(verdict, &around, events),
            Step::Closed(_) => self.close(verdict, Event::EpisodeEnded, events),
            Step::NewLevel(_) => {
                self.extend(verdict, &around);
                self.close(verdict, Event::NewLevel, events);
            }
        }
    }

    /// What a replay still holds at the end of its file. Open episodes stay open: their end was not seen.
    pub fn rest(&mut self, source: &SourceName, events: &mut Vec<Event>) {
        events.extend(self.flood.rest(source).map(Event::FloodSummary));
    }

    fn open(&mut self, verdict: &Verdict, around: Around<'_>, events: &mut Vec<Event>) {
        // An evicted stream never ends its episode: the map is bounded as the streams are.
        if self.open.len() >= STREAMS_MAX {
            self.open.pop_first();
        }
        let admitted = self.flood.admit(verdict.time, &verdict.stream.component);
        let episode = admitted.then(|| Box::new(first(verdict, around)));
        if let Some(episode) = &episode {
            events.push(Event::EpisodeOpened(episode.clone()));
        }
        self.open.insert(Arc::clone(&verdict.stream), Open { episode, told: 1 });
    }

    fn go(&mut self, verdict: &Verdict, around: &Around<'_>, events: &mut Vec<Event>) {
        if !verdict.anomalous {
            return;
        }
        self.extend(verdict, around);
        let Some(open) = self.open.get_mut(&verdict.stream) else { return };
        let Some(episode) = &open.episode else { return };
        if episode.records >= 2 * open.told {
            open.told = episode.records;
            events.push(Event::EpisodeUpdated(episode.clone()));
        }
    }

    fn extend(&mut self, verdict: &Verdict, around: &Around<'_>) {
        let Some(episode) = self.open.get_mut(&verdict.stream).and_then(|open| open.episode.as_mut()) else { return };
        episode.last = episode.last.max(verdict.time);
        episode.records += 1;
        if verdict.score.value > episode.peak.get() {
            describe(episode, verdict, around.view);
        }
    }

    fn close(&mut self, verdict: &Verdict, how: fn(Box<Episode>) -> Event, events: &mut Vec<Event>) {
        let open = self.open.remove(&verdict.stream);
        events.extend(open.and_then(|open| open.episode).map(how));
    }
}

fn first(verdict: &Verdict, around: Around<'_>) -> Episode {
    let mut episode = Episode {
        source: around.source.clone(),
        number: verdict.number,
        server: Name::cut(&verdict.stream.server),
        component: Name::cut(&verdict.stream.component),
        kind: verdict.score.cause.into(),
        first: verdict.time,
        last: verdict.time,
        records: 1,
        peak: Finite::<f32>::nearest(verdict.score.value),
        threshold: Finite::<f32>::nearest(verdict.threshold),
        main_reason: Text::default(),
        reasons: List::default(),
        value: Finite::<f64>::nearest(verdict.value),
        expected: None,
        learning: verdict.learning,
        samples: around.sample.into_iter().collect(),
        model: around.model,
        by_clock: false,
    };
    describe(&mut episode, verdict, around.view);
    episode
}

/// The record with the largest score speaks for the episode.
fn describe(episode: &mut Episode, verdict: &Verdict, view: &RecordView) {
    episode.peak = Finite::<f32>::nearest(verdict.score.value);
    episode.value = Finite::<f64>::nearest(verdict.value);
    episode.expected = verdict.expected.and_then(Finite::<f64>::new);
    episode.main_reason = Text::cut(&verdict.main_reason());
    episode.reasons = verdict.reasons(view).iter().map(Reason::from).collect();
}
