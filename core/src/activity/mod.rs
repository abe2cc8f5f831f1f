//! When streams speak, beside what they say: silence, rate, and names and levels never seen. One per source; event time
//! only; bounded; overflow is counted.
//!
//! ```text
//!  Record -> watermark -> rhythm of its stream -> Silence
//!                     `-> count per interval ---> Rate
//!                     `-> first of its kind ----> Novelty
//! ```
//!
//! A pause is measured by the source's watermark, so that a server whose clock is slow is not silent. Whose pause is it?
//! A source that goes on after more than five minutes with a record that is overdue itself was off: nobody's. All
//! streams of a server that stop together are one silence of the server.
//!
//! Counts are of text records alone: records with values come by a clock, and [`rhythm`] watches that.

mod admission;
pub mod pauses;
pub mod rate;
mod silence;
mod streams;
pub mod watermark;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use self::{
    rate::{RateFinding, interval},
    streams::{RateCounter, ServerActivity, StreamActivity},
    watermark::{Watermark, WatermarkProgress},
};
use crate::{
    limits::RATES_MAX,
    record::Level,
    stream::{NameRef, StreamName},
    time::EventTime,
    weight,
};

/// A counter of a stream without a text record for so long is dropped, in seconds: it would count nothing for ever.
const COUNTED_S: f64 = 7.0 * 86_400.0;
/// Between two calls of the clock at most this much is believed, in seconds: a host that slept heard nothing.
const CLOCK_STEP_S: f64 = 60.0;

/// A record as far as its pace goes.
#[derive(Debug, Clone, Copy)]
pub struct ObservedRecord<'a> {
    /// The server.
    pub server: &'a str,
    /// The component.
    pub component: &'a str,
    /// Its time.
    pub time: EventTime,
    /// Its level.
    pub level: Option<Level>,
    /// It carries no value: its rate is watched.
    pub is_text: bool,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivityNotice {
    /// A stream, or with an empty component a server, has stopped.
    Silent(SilentStream),
    /// It speaks again.
    Spoke {
        /// Which one.
        stream: Arc<StreamName>,
        /// When.
        time: EventTime,
        /// It was the clock that had called it silent.
        by_clock: bool,
    },
    /// The rate of a stream, or of a server's errors or warnings (`level.error`, `level.warning`).
    Rate {
        /// Which one.
        stream: Arc<StreamName>,
        /// What an interval did to its episode.
        finding: RateFinding,
    },
    /// A component never seen on a server that is known.
    NewComponent {
        /// Which one.
        stream: Arc<StreamName>,
        /// When.
        time: EventTime,
    },
    /// A level above warning that a known stream has never reached.
    NewLevel {
        /// Which one.
        stream: Arc<StreamName>,
        /// When.
        time: EventTime,
        /// The level.
        level: Level,
    },
}

/// A stream or server that has stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct SilentStream {
    /// Which one; an empty component is the server as a whole.
    pub stream: Arc<StreamName>,
    /// The time of its last record.
    pub last: EventTime,
    /// How far the source's time has come.
    pub until: EventTime,
    /// Its longest usual pause, in seconds.
    pub usual_s: f64,
    /// The pause that is too long for it, in seconds.
    pub too_long_s: f64,
    /// The clock says so.
    pub by_clock: bool,
}

/// How a stream comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamPace {
    /// The largest time of its records.
    pub last: EventTime,
    /// Its longest usual pause, in seconds, when it has a rhythm.
    pub usual_s: Option<f64>,
    /// The pause that is too long for it, in seconds.
    pub too_long_s: Option<f64>,
}

/// What did not go as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActivityCounts {
    /// Streams dropped because there were too many.
    pub evicted: u64,
    /// Text records older than the interval under way: not counted in it.
    pub late: u64,
    /// Records that leap ahead of all others.
    pub ahead: u64,
    /// Times that the source's clock was set back.
    pub set_back: u64,
    /// Counters that found no place.
    pub uncounted: u64,
}

/// The pace of one source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "StoredActivity")]
pub struct SourceActivity {
    watermark: Watermark,
    /// Where the source went on after it was off.
    resumed: Option<EventTime>,
    /// The interval under way.
    interval: Option<i64>,
    voices: Vec<StreamActivity>,
    servers: Vec<ServerActivity>,
    counts: ActivityCounts,
    #[serde(skip)]
    index: HashMap<Arc<StreamName>, u32>,
    #[serde(skip)]
    counters: usize,
    /// No stream can fall silent before the watermark passes this; forgotten, it costs a look.
    #[serde(skip)]
    look_again: Option<EventTime>,
    #[serde(skip)]
    clock: Clock,
    #[serde(skip)]
    is_full: bool,
}

/// The fields of [`SourceActivity`] that are stored, in their order.
#[derive(Deserialize)]
struct StoredActivity {
    watermark: Watermark,
    resumed: Option<EventTime>,
    interval: Option<i64>,
    voices: Vec<StreamActivity>,
    servers: Vec<ServerActivity>,
    counts: ActivityCounts,
}

impl From<StoredActivity> for SourceActivity {
    fn from(kept: StoredActivity) -> Self {
        let StoredActivity { watermark, resumed, interval, voices, servers, counts } = kept;
        let index = (0..).zip(&voices).map(|(slot, v)| (Arc::clone(&v.name), slot)).collect();
        let of_server = |s: &ServerActivity| usize::from(s.warnings.is_some()) + usize::from(s.errors.is_some());
        let counters =
            voices.iter().filter(|v| v.counter.is_some()).count() + servers.iter().map(of_server).sum::<usize>();
        let rest = Self::default();
        Self { watermark, resumed, interval, voices, servers, counts, index, counters, ..rest }
    }
}

/// How long the source has given no record, by the wall clock. Not stored: after a restart it begins anew.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// What it showed at the last call.
    seen: Option<EventTime>,
    idle_s: f64,
    look_again: Option<EventTime>,
}

impl SourceActivity {
    /// Takes the next record.
    pub fn observe(&mut self, heard: ObservedRecord<'_>, out: &mut Vec<ActivityNotice>) {
        self.clock = Clock::default();
        let before = self.watermark.at().unwrap_or(heard.time);
        let progress = self.watermark.push(heard.time);
        let at = self.watermark.at().unwrap_or(heard.time);
        match progress {
            WatermarkProgress::On(_) => self.turn_interval(at, out),
            WatermarkProgress::SetBack => self.begin_anew(before, at),
            WatermarkProgress::Ahead => self.counts.ahead += 1,
            WatermarkProgress::Late => {}
        }
        let slot = match self.index.get(&NameRef { server: heard.server, component: heard.component }) {
            Some(&slot) => slot as usize,
            None => self.admit(heard, at, out),
        };
        self.end_pause(slot, progress, at, heard.time, out);
        self.count(slot, heard, progress, out);
        if matches!(progress, WatermarkProgress::On(_)) {
            self.look(at, out);
        }
    }

    /// The source is read to its end and the wall clock shows `now`: what has been silent for too long by it. Changes
    /// nothing that records are judged by. To be called at least once a minute. Gives where event time would stand.
    pub fn clock(&mut self, now: EventTime, out: &mut Vec<ActivityNotice>) -> Option<EventTime> {
        let at = self.watermark.at()?;
        let clock = &mut self.clock;
        if let Some(then) = clock.seen.replace(now) {
            clock.idle_s += now.seconds_since(then).clamp(0.0, CLOCK_STEP_S);
        }
        let until = at.plus_seconds(clock.idle_s);
        if clock.look_again.is_none_or(|next| until > next) {
            self.clock.look_again = Some(self.find_silent(until, true, out));
        }
        Some(until)
    }

    /// How far the source's event time has come.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark.at()
    }

    /// How a stream has come so far; `None` before its first record.
    #[must_use]
    pub fn pace(&self, server: &str, component: &str) -> Option<StreamPace> {
        let voice = &self.voices[*self.index.get(&NameRef { server, component })? as usize];
        let too_long_s = voice.limits().map(|(_, too_long_s)| too_long_s);
        Some(StreamPace { last: voice.last, usual_s: voice.rhythm.usual_s(), too_long_s })
    }

    /// While full it takes no more memory: a new stream takes the place of another one and is not counted.
    pub fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// What all of it weighs in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        weight::items::<StreamActivity>(self.voices.capacity())
            + weight::items::<ServerActivity>(self.servers.capacity())
            + weight::table::<(Arc<StreamName>, u32)>(self.index.capacity())
            + self.counters * weight::items::<RateCounter>(1)
            + self.voices.iter().map(|voice| weight::name(&voice.name)).sum::<usize>()
            + self.servers.iter().map(|server| weight::block(server.name.capacity())).sum::<usize>()
    }

    /// What did not go as usual so far.
    #[must_use]
    pub fn counts(&self) -> ActivityCounts {
        self.counts
    }

    /// Counts a record into the running interval of its stream and of its server's level. One that comes late is not counted.
    fn count(
        &mut self,
        slot: usize,
        heard: ObservedRecord<'_>,
        progress: WatermarkProgress,
        out: &mut Vec<ActivityNotice>,
    ) {
        let voice = &mut self.voices[slot];
        let server = &mut self.servers[voice.server as usize];
        if let Some(level) = heard.level
            && voice.is_new_level(level, voice.heard)
        {
            out.push(ActivityNotice::NewLevel { stream: Arc::clone(&voice.name), time: heard.time, level });
        }
        if !heard.is_text {
            return;
        }
        if progress == WatermarkProgress::Ahead || Some(interval(heard.time)) != self.interval {
            self.counts.late += u64::from(progress != WatermarkProgress::Ahead);
            return;
        }
        server.spoke = true;
        let of_level = heard.level.and_then(|level| server.counter(level));
        for counter in [Some(&mut voice.counter), of_level].into_iter().flatten() {
            if counter.is_none() {
                if self.is_full || self.counters >= RATES_MAX {
                    continue;
                }
                self.counters += 1;
            }
            let counter = counter.get_or_insert_default();
            counter.count = counter.count.saturating_add(1);
        }
    }

    /// Judges the interval that the watermark has left. One in which a server said nothing tells nothing about its
    /// streams.
    fn turn_interval(&mut self, at: EventTime, out: &mut Vec<ActivityNotice>) {
        let next = interval(at);
        let Some(over) = self.interval.replace(next).filter(|over| *over != next) else { return };
        for voice in &mut self.voices {
            let Some(counter) = &mut voice.counter else { continue };
            if at.seconds_since(voice.heard) > COUNTED_S {
                voice.counter = None;
                self.counters -= 1;
            } else if self.servers[voice.server as usize].spoke
                && let Some(finding) = counter.close(over)
            {
                out.push(ActivityNotice::Rate { stream: Arc::clone(&voice.name), finding });
            }
        }
        for server in self.servers.iter_mut().filter(|s| s.spoke) {
            server.spoke = false;
            for (counter, name) in [(&mut server.errors, "level.error"), (&mut server.warnings, "level.warning")] {
                if let Some(finding) = counter.as_mut().and_then(|counter| counter.close(over)) {
                    let stream = StreamName { server: server.name.clone(), component: name.to_owned() };
                    out.push(ActivityNotice::Rate { stream: Arc::new(stream), finding });
                }
            }
        }
    }

    /// The clock was set back: nobody has paused, and the interval under way is not whole.
    fn begin_anew(&mut self, before: EventTime, at: EventTime) {
        let back = at.seconds_since(before);
        self.counts.set_back += 1;
        self.resumed = Some(at);
        self.interval = Some(interval(at));
        self.look_again = None;
        for voice in &mut self.voices {
            voice.heard = at;
            voice.since = voice.since.plus_seconds(back);
            voice.last = at;
            voice.counter.iter_mut().for_each(|counter| counter.count = 0);
        }
        for server in &mut self.servers {
            server.since = server.since.plus_seconds(back);
            server.spoke = false;
            [&mut server.errors, &mut server.warnings].into_iter().flatten().for_each(|counter| counter.count = 0);
        }
    }
}

impl RateCounter {
    fn close(&mut self, over: i64) -> Option<RateFinding> {
        self.rate.push(over, core::mem::take(&mut self.count))
    }
}
