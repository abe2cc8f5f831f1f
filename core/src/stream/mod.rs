//! The streams of one source: which exist, what each remembers, how each adapts. Bounded; eviction is counted, and
//! takes from strangers first ([`crate::room`]).
//!
//! A stream is one (server, component). A stream the model knows starts from the model's baseline; any other learns
//! its own ([`learn`]). Nothing here looks at a verdict while a vector is made: what verdicts change (a baseline moving,
//! a new level) is applied by [`StreamTable::settle`] and [`StreamTable::relearn`], which the judge calls between blocks, so that
//! a live agent and a replay make the same vectors.

pub mod baseline;
pub mod character;
pub mod daily;
pub mod features;
mod figures;
mod fit;
pub mod known;
pub mod learn;
pub mod recurrence;
mod state;

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Serialize, Serializer};

use self::{
    baseline::Baseline,
    features::{FeatureReading, StreamMemory},
    learn::SeenRange,
    state::{MemoryGrowth, StreamOutcome, StreamState},
};
pub use self::{
    features::{FEATURES, JUDGED, REVISION, Vector},
    figures::RecordFigures,
};
use crate::{
    episode::EpisodeRun,
    limits::{LEARNING_MAX, STREAMS_MAX},
    profile::ModelProfile,
    room::loser,
    time::EventTime,
    weight,
};

/// A level follows normal records: half of a lasting change within a day ...
const FOLLOW_S: f64 = 86_400.0 / core::f64::consts::LN_2;
/// ... as long as a record counts between these shares of its residual.
const FOLLOW: (f64, f64) = (1.0 / 20_000.0, 1.0 / 100.0);
/// A single record counts as at most this many residual scales.
const FOLLOW_CLIP: f64 = 3.0;

/// What each record of a stream that has learnt nothing yet keeps it for, in records of the source: one that has half of
/// what it needs outlives a hundred full tables of strangers.
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
const SEEN_WORTH: i64 = STREAMS_MAX as i64;

/// Streams a source may always have, however short memory is.
pub(crate) const STREAMS_ALWAYS: usize = 8;

/// Name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamName {
    /// The server.
    pub server: String,
    /// The component on it.
    pub component: String,
}

/// The same, borrowed, to look one up.
#[derive(Hash)]
pub(crate) struct NameRef<'a> {
    pub(crate) server: &'a str,
    pub(crate) component: &'a str,
}

impl Equivalent<Arc<StreamName>> for NameRef<'_> {
    fn equivalent(&self, key: &Arc<StreamName>) -> bool {
        self.server == key.server && self.component == key.component
    }
}

/// Place of a stream in its [`StreamTable`]; another stream may take it over after an eviction.
pub type StreamSlot = u32;

/// What one record was to its stream.
#[derive(Debug, Clone)]
pub struct ObservedValue {
    /// Where the stream is kept.
    pub slot: StreamSlot,
    /// The stream.
    pub name: Arc<StreamName>,
    /// The vector; `None` while too few records are known, and of a stream of few values.
    pub reading: Option<FeatureReading>,
    /// What was expected, where anything was.
    pub expected: Option<f64>,
    /// How far outside what was seen so far, in usual margins; 0 inside.
    pub novelty: f32,
    /// The novelty is that a counter began anew.
    pub is_reset: bool,
    /// What it was in the terms of the stream; `None` while nothing is known of it.
    pub figures: Option<RecordFigures>,
    /// The stream has no fitted profile yet.
    pub learning: bool,
}

/// All streams of one source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "StoredStreams")]
pub struct StreamTable {
    streams: Vec<StreamState>,
    index: HashMap<Arc<StreamName>, StreamSlot>,
    learning: usize,
    counts: StreamCounts,
    is_full: bool,
}

/// What happened to streams so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamCounts {
    /// Records read.
    pub records: u64,
    /// Streams dropped because there were too many.
    pub evicted: u64,
    /// Records older than the one before them in their stream.
    pub late: u64,
    /// Streams that closed an episode as a new level.
    pub new_levels: u64,
    /// Records judged by nothing but their stream's range, because too many streams learn.
    pub by_range: u64,
}

/// The form streams are stored in: the index and the count of learners are derived.
#[derive(Deserialize)]
struct StoredStreams {
    streams: Vec<StreamState>,
    counts: StreamCounts,
}

/// Writes [`StoredStreams`] without a copy of it.
impl Serialize for StreamTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Kept<'a> {
            streams: &'a [StreamState],
            counts: StreamCounts,
        }
        Kept { streams: &self.streams, counts: self.counts }.serialize(serializer)
    }
}

impl From<StoredStreams> for StreamTable {
    fn from(kept: StoredStreams) -> Self {
        let index = (0..).zip(&kept.streams).map(|(slot, s)| (Arc::clone(&s.name), slot)).collect();
        let learning = kept.streams.iter().filter(|s| s.learner.is_some()).count();
        Self { streams: kept.streams, index, learning, counts: kept.counts, is_full: false }
    }
}

impl StreamTable {
    /// Reads one record into its stream.
    pub fn observe(
        &mut self,
        profile: &ModelProfile,
        server: &str,
        component: &str,
        time: EventTime,
        value: f64,
    ) -> ObservedValue {
        let slot = match self.index.get(&NameRef { server, component }) {
            Some(&slot) => slot,
            None => self.admit(profile, server, component),
        };
        self.counts.records += 1;
        let stream = &mut self.streams[slot as usize];
        stream.touched = self.counts.records;
        let before = stream.learner.is_some();
        let growth = MemoryGrowth { may_learn: !self.is_full && self.learning < LEARNING_MAX, is_full: self.is_full };
        let StreamOutcome { reading, expected, novelty, is_reset, figures } =
            stream.observe(profile, time, value, growth);
        self.learning += usize::from(!before && stream.learner.is_some());
        self.counts.by_range += u64::from(stream.range.is_some());
        self.counts.late += u64::from(reading.is_some_and(|r| r.late));
        let learning = stream.learner.as_ref().is_some_and(|l| !l.is_done(time)) || stream.baseline.is_none();
        ObservedValue { slot, name: Arc::clone(&stream.name), reading, expected, novelty, is_reset, figures, learning }
    }

    /// Lets the stream's level follow a normal record's residual (in residual scales). Ignored when the stream was
    /// evicted since.
    pub fn settle(&mut self, slot: StreamSlot, name: &Arc<StreamName>, residual: f64) {
        if let Some(baseline) = self.live(slot, name).and_then(|s| s.baseline.as_mut()) {
            let share = (baseline.gap_s / FOLLOW_S).clamp(FOLLOW.0, FOLLOW.1);
            baseline.curve[0] += share * residual.clamp(-FOLLOW_CLIP, FOLLOW_CLIP) * baseline.residual_scale;
        }
    }

    /// Takes a number outside the seen range as seen: it was reported once.
    pub fn widen(&mut self, slot: StreamSlot, name: &Arc<StreamName>, number: f64) {
        let baseline = self.live(slot, name).and_then(|s| s.baseline.as_mut());
        if let Some(baseline) = baseline.filter(|baseline| baseline.character.has_features()) {
            baseline.widen(number);
        }
    }

    /// Takes a value of a stream of few values as seen: it was reported once. When there are too many by then, the stream
    /// starts to learn again. Of any other stream a value is not the number that is judged, and nothing is taken.
    pub fn know(&mut self, slot: StreamSlot, name: &Arc<StreamName>, value: f64) {
        let Some(stream) = self.live(slot, name) else { return };
        let Some(baseline) = stream.baseline.as_mut().filter(|b| !b.character.has_features()) else { return };
        if baseline.take_known(value) {
            return;
        }
        let range = SeenRange::known(baseline.min, baseline.max);
        if stream.learner.is_some() {
            // It has learnt that they are many, and goes on.
            stream.baseline = None;
            stream.memory = None;
        } else {
            self.start_again(slot, name);
            if let Some(stream) = self.live(slot, name) {
                stream.range = Some(range);
            }
        }
    }

    /// Takes what was seen lately as a new level: the stream goes on from there, and starts to learn again.
    pub fn relearn(&mut self, slot: StreamSlot, name: &Arc<StreamName>) {
        let Some(stream) = self.live(slot, name) else { return };
        let mut baseline = stream.baseline.take();
        // Without a memory this is the second time in one block: it was moved already.
        if let Some((baseline, memory)) = baseline.as_mut().zip(stream.memory.take()) {
            let (distance, spread) = memory.lately();
            baseline.peaks = memory.recurring().to_vec();
            baseline.move_level(distance, spread);
        }
        self.start_again(slot, name);
        if let Some(stream) = self.live(slot, name) {
            stream.baseline = baseline;
        }
        self.counts.new_levels += 1;
    }

    fn start_again(&mut self, slot: StreamSlot, name: &Arc<StreamName>) {
        let was_learning = self.live(slot, name).is_some_and(|stream| {
            stream.baseline = None;
            stream.memory = None;
            stream.starts_again = true;
            stream.learner.take().is_some()
        });
        self.learning -= usize::from(was_learning);
    }

    /// The stream's episode tracker; `None` when the stream was evicted since.
    pub fn tracker(&mut self, slot: StreamSlot, name: &Arc<StreamName>) -> Option<&mut EpisodeRun> {
        self.live(slot, name).map(|s| &mut s.tracker)
    }

    /// While full they take no more memory: a new stream takes the place of another one, nothing begins to learn, and
    /// what learns keeps as many readings as it has.
    pub fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// What all of them weigh in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_stream = |s: &StreamState| {
            weight::name(&s.name)
                + s.learner.as_ref().map_or(0, |learner| learner.bytes())
                + s.memory.as_ref().map_or(0, StreamMemory::bytes)
                + s.baseline.as_ref().map_or(0, Baseline::bytes)
        };
        weight::items::<StreamState>(self.streams.capacity())
            + weight::table::<(Arc<StreamName>, StreamSlot)>(self.index.capacity())
            + self.streams.iter().map(of_stream).sum::<usize>()
    }

    /// Streams known now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether no stream is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Streams that are still being learnt at this event time.
    #[must_use]
    pub fn learning(&self, now: EventTime) -> usize {
        let learns = |stream: &&StreamState| stream.learner.as_ref().is_some_and(|learner| !learner.is_done(now));
        self.streams.iter().filter(|stream| stream.baseline.is_none() || learns(stream)).count()
    }

    /// How many streams of each character there are, of those that have one.
    #[must_use]
    pub fn characters(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for baseline in self.streams.iter().filter_map(|stream| stream.baseline.as_ref()) {
            *counts.entry(baseline.character.name()).or_default() += 1;
        }
        counts
    }

    /// Goes over to another model: a stream that it knows takes its baseline, which is newer than what was learnt here;
    /// any other keeps its own.
    pub fn adopt(&mut self, profile: &ModelProfile) {
        for stream in &mut self.streams {
            let StreamName { server, component } = &*stream.name;
            if let Some(baseline) = profile.baseline(server, component) {
                stream.baseline = Some(baseline.clone());
                stream.memory = None;
                stream.range = None;
                stream.starts_again = false;
                self.learning -= usize::from(stream.learner.take().is_some());
            }
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> StreamCounts {
        self.counts
    }

    fn live(&mut self, slot: StreamSlot, name: &Arc<StreamName>) -> Option<&mut StreamState> {
        self.streams.get_mut(slot as usize).filter(|s| s.name == *name)
    }

    #[expect(clippy::cast_possible_truncation, reason = "slots stay below STREAMS_MAX")]
    fn admit(&mut self, profile: &ModelProfile, server: &str, component: &str) -> StreamSlot {
        let name = Arc::new(StreamName { server: server.to_owned(), component: component.to_owned() });
        let stream = StreamState {
            name: Arc::clone(&name),
            baseline: profile.baseline(server, component).cloned(),
            learner: None,
            range: None,
            memory: None,
            starts_again: false,
            tracker: EpisodeRun::default(),
            touched: 0,
        };
        let streams_max =
            if self.is_full { self.streams.len().clamp(STREAMS_ALWAYS, STREAMS_MAX) } else { STREAMS_MAX };
        let slot = if self.streams.len() < streams_max {
            self.streams.push(stream);
            self.streams.len() - 1
        } else {
            let slot = loser(self.streams.iter().map(StreamState::claim), SEEN_WORTH);
            let old = core::mem::replace(&mut self.streams[slot], stream);
            self.index.remove(&old.name);
            self.learning -= usize::from(old.learner.is_some());
            self.counts.evicted += 1;
            slot
        } as StreamSlot;
        self.index.insert(name, slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{RecordView, Threshold};

    fn knowing_nothing() -> ModelProfile {
        let threshold =
            Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) };
        let record = RecordView {
            center: Default::default(),
            scale: Default::default(),
            residual_quantile: Default::default(),
            value_quantile: Default::default(),
            autoencoder: true,
            novelty: true,
            threshold,
        };
        ModelProfile {
            features: Vec::new(),
            revision: REVISION,
            record,
            baselines: Vec::new(),
            priors: Vec::new(),
            budget: None,
            window: None,
            requires: Vec::new(),
        }
    }

    #[test]
    fn two_new_levels_in_one_block_leave_a_stream_that_is_judged() {
        let profile = knowing_nothing();
        let mut streams = StreamTable::default();
        let observe = |streams: &mut StreamTable, hour: i64, value: f64| {
            streams.observe(&profile, "web-1", "queue", EventTime::from_micros(hour * 3_600_000_000), value)
        };
        let wobble = |hour: i64| (hour as f64 * 0.754_877).fract();
        let last = (0..300).map(|hour| observe(&mut streams, hour, wobble(hour))).last().unwrap();
        for hour in 300..332 {
            let _ = observe(&mut streams, hour, 5.0 + wobble(hour));
        }
        streams.relearn(last.slot, &last.name);
        streams.relearn(last.slot, &last.name);
        assert!(observe(&mut streams, 332, 5.5).reading.is_some_and(|reading| reading.residual.abs() < 10.0));
        assert!(observe(&mut streams, 333, 300.0).reading.is_some_and(|reading| reading.residual > 10.0));
    }

    #[test]
    fn a_flood_of_names_takes_no_memory_while_it_is_full() {
        let profile = knowing_nothing();
        let mut streams = StreamTable::default();
        let mut number = 0;
        let mut observe = |streams: &mut StreamTable, component: &str| {
            number += 1;
            streams.observe(
                &profile,
                "web-1",
                component,
                EventTime::from_micros(number * 60_000_000),
                (number % 7) as f64,
            );
        };
        for i in 0..100 {
            for _ in 0..5 {
                observe(&mut streams, &format!("known-{i:04}"));
            }
        }
        streams.set_full(true);
        let before = streams.bytes();
        for i in 0..1_000 {
            observe(&mut streams, &format!("flood-{i:04}"));
        }
        assert_eq!((streams.len(), streams.counts().evicted), (100, 1_000));
        // The hash table may grow by what it keeps of names that were removed.
        assert!(streams.bytes() <= before / 20 * 21, "{} of {before} bytes", streams.bytes());
        assert!(
            streams.index.keys().any(|name| name.component == "known-0001"),
            "all but the first take from the flood"
        );
        streams.set_full(false);
        observe(&mut streams, "another");
        assert_eq!(streams.len(), 101);
        let mut empty = StreamTable::default();
        empty.set_full(true);
        for i in 0..20 {
            observe(&mut empty, &format!("known-{i}"));
        }
        assert_eq!(empty.len(), STREAMS_ALWAYS);
    }
}
