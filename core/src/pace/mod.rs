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

pub mod rate;
pub mod rhythm;
mod voice;
pub mod watermark;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use self::{
    rate::{Finding, interval},
    rhythm::PAUSE_MIN_S,
    voice::{Counter, Server, ServerSlot, Told, Voice},
    watermark::{Progress, Watermark},
};
use crate::{
    limits::{RATES_MAX, STREAMS_MAX},
    record::Level,
    stream::{NameRef, StreamName},
    time::EventTime,
};

/// A counter of a stream without a text record for so long is dropped, in seconds: it would count nothing for ever.
const COUNTED_S: f64 = 7.0 * 86_400.0;
/// Between two calls of the clock at most this much is believed, in seconds: a host that slept heard nothing.
const CLOCK_STEP_S: f64 = 60.0;

/// A record as far as its pace goes.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
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
pub enum Notice {
    /// A stream, or with an empty component a server, has stopped.
    Silent(Silent),
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
        finding: Finding,
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
pub struct Silent {
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

/// What did not go as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
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
#[serde(from = "Kept")]
pub struct Pace {
    watermark: Watermark,
    /// Where the source went on after it was off.
    resumed: Option<EventTime>,
    /// The interval under way.
    interval: Option<i64>,
    voices: Vec<Voice>,
    servers: Vec<Server>,
    counts: Counts,
    #[serde(skip)]
    index: HashMap<Arc<StreamName>, u32>,
    #[serde(skip)]
    counters: usize,
    /// No stream can fall silent before the watermark passes this; forgotten, it costs a look.
    #[serde(skip)]
    look_again: Option<EventTime>,
    #[serde(skip)]
    clock: Clock,
}

/// The fields of [`Pace`] that are stored, in their order.
#[derive(Deserialize)]
struct Kept {
    watermark: Watermark,
    resumed: Option<EventTime>,
    interval: Option<i64>,
    voices: Vec<Voice>,
    servers: Vec<Server>,
    counts: Counts,
}

impl From<Kept> for Pace {
    fn from(kept: Kept) -> Self {
        let Kept { watermark, resumed, interval, voices, servers, counts } = kept;
        let index = (0..).zip(&voices).map(|(slot, v)| (Arc::clone(&v.name), slot)).collect();
        let of_server = |s: &Server| usize::from(s.warnings.is_some()) + usize::from(s.errors.is_some());
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

impl Pace {
    /// Takes the next record.
    pub fn hear(&mut self, heard: Heard<'_>, out: &mut Vec<Notice>) {
        self.clock = Clock::default();
        let before = self.watermark.at().unwrap_or(heard.time);
        let progress = self.watermark.push(heard.time);
        let at = self.watermark.at().unwrap_or(heard.time);
        match progress {
            Progress::On(_) => self.turn_interval(at, out),
            Progress::SetBack => self.begin_anew(before, at),
            Progress::Ahead => self.counts.ahead += 1,
            Progress::Late => {}
        }
        let slot = match self.index.get(&NameRef { server: heard.server, component: heard.component }) {
            Some(&slot) => slot as usize,
            None => self.admit(heard, at, out),
        };
        self.end_pause(slot, progress, at, heard.time, out);
        self.count(slot, heard, progress, out);
        if matches!(progress, Progress::On(_)) {
            self.look(at, out);
        }
    }

    /// The source is read to its end and the wall clock shows `now`: what has been silent for too long by it. Changes
    /// nothing that records are judged by. To be called at least once a minute. Gives where event time would stand.
    pub fn clock(&mut self, now: EventTime, out: &mut Vec<Notice>) -> Option<EventTime> {
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

    /// What did not go as usual so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The record's stream has spoken: a pause is over, and with it perhaps a silence.
    fn end_pause(&mut self, slot: usize, progress: Progress, at: EventTime, time: EventTime, out: &mut Vec<Notice>) {
        let voice = &mut self.voices[slot];
        let pause = at.seconds_since(voice.waited_from(self.resumed));
        let stepped = matches!(progress, Progress::On(step) if step > PAUSE_MIN_S);
        let usual = if stepped { voice.rhythm.usual_s() } else { None };
        if stepped && usual.is_none_or(|usual| pause > usual) {
            self.resumed = Some(at);
        }
        // A pause of the source says nothing about the stream, unless it is all that the source ever does.
        if usual.is_none_or(|usual| pause <= usual) {
            voice.rhythm.pause(pause);
        }
        voice.heard = at;
        voice.last = voice.last.max(time);
        for (told, by_clock) in [(&mut voice.told, false), (&mut voice.told_by_clock, true)] {
            if core::mem::take(told) == Told::Itself {
                out.push(Notice::Spoke { stream: Arc::clone(&voice.name), time, by_clock });
            }
        }
        let server = voice.server as usize;
        let Server { quiet, quiet_by_clock, .. } = self.servers[server];
        if quiet || quiet_by_clock {
            self.end_server_pause(server, at, time, out);
        }
    }

    fn end_server_pause(&mut self, slot: usize, at: EventTime, time: EventTime, out: &mut Vec<Notice>) {
        let server = &mut self.servers[slot];
        let (quiet, by_clock) = (core::mem::take(&mut server.quiet), core::mem::take(&mut server.quiet_by_clock));
        let stream = whole(server);
        for by_clock in [quiet.then_some(false), by_clock.then_some(true)].into_iter().flatten() {
            out.push(Notice::Spoke { stream: Arc::clone(&stream), time, by_clock });
        }
        for voice in self.voices.iter_mut().filter(|v| v.server as usize == slot) {
            if voice.told_by_clock == Told::WithServer {
                voice.told_by_clock = Told::No;
            }
            // Each of its streams has its own time to come back.
            if quiet && voice.told != Told::Itself {
                voice.told = Told::No;
                voice.heard = at;
            }
        }
    }

    fn count(&mut self, slot: usize, heard: Heard<'_>, progress: Progress, out: &mut Vec<Notice>) {
        let voice = &mut self.voices[slot];
        let server = &mut self.servers[voice.server as usize];
        if let Some(level) = heard.level
            && voice.is_new_level(level, voice.heard)
        {
            out.push(Notice::NewLevel { stream: Arc::clone(&voice.name), time: heard.time, level });
        }
        if !heard.is_text {
            return;
        }
        if progress == Progress::Ahead || Some(interval(heard.time)) != self.interval {
            self.counts.late += u64::from(progress != Progress::Ahead);
            return;
        }
        server.spoke = true;
        let of_level = heard.level.and_then(|level| server.counter(level));
        for counter in [Some(&mut voice.counter), of_level].into_iter().flatten() {
            if counter.is_none() {
                if self.counters >= RATES_MAX {
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
    fn turn_interval(&mut self, at: EventTime, out: &mut Vec<Notice>) {
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
                out.push(Notice::Rate { stream: Arc::clone(&voice.name), finding });
            }
        }
        for server in self.servers.iter_mut().filter(|s| s.spoke) {
            server.spoke = false;
            for (counter, name) in [(&mut server.errors, "level.error"), (&mut server.warnings, "level.warning")] {
                if let Some(finding) = counter.as_mut().and_then(|counter| counter.close(over)) {
                    let stream = StreamName { server: server.name.clone(), component: name.to_owned() };
                    out.push(Notice::Rate { stream: Arc::new(stream), finding });
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

    fn look(&mut self, at: EventTime, out: &mut Vec<Notice>) {
        if self.look_again.is_none_or(|next| at > next) {
            self.look_again = Some(self.find_silent(at, false, out));
        }
    }

    /// Tells of every stream whose deadline `until` has passed; gives the next instant at which one may.
    fn find_silent(&mut self, until: EventTime, by_clock: bool, out: &mut Vec<Notice>) -> EventTime {
        // Whoever speaks from now on has at least that long.
        let mut next = until.plus_seconds(PAUSE_MIN_S);
        let mut overdue = Vec::new();
        for (slot, voice) in self.voices.iter().enumerate() {
            let told = if by_clock { voice.told_by_clock } else { voice.told };
            if told != Told::No {
                continue;
            }
            let soonest = voice.waited_from(self.resumed).plus_seconds(PAUSE_MIN_S);
            if soonest >= until {
                next = next.min(soonest);
                continue;
            }
            match voice.deadline(self.resumed) {
                Some(deadline) if deadline < until => overdue.push(slot),
                Some(deadline) => next = next.min(deadline),
                None => {}
            }
        }
        if !overdue.is_empty() {
            self.fall_silent(&overdue, until, by_clock, out);
        }
        next
    }

    fn fall_silent(&mut self, overdue: &[usize], until: EventTime, by_clock: bool, out: &mut Vec<Notice>) {
        let mut latest = vec![EventTime::from_micros(i64::MIN); self.servers.len()];
        for voice in &self.voices {
            let latest = &mut latest[voice.server as usize];
            *latest = voice.heard.max(*latest);
        }
        for &slot in overdue {
            let voice = &mut self.voices[slot];
            let server = &mut self.servers[voice.server as usize];
            let Some((usual_s, too_long_s)) = voice.limits() else { continue };
            let stopped = server.voices > 1 && latest[voice.server as usize] <= voice.heard.plus_seconds(usual_s);
            let told = if by_clock { &mut voice.told_by_clock } else { &mut voice.told };
            *told = if stopped { Told::WithServer } else { Told::Itself };
            let quiet = if by_clock { &mut server.quiet_by_clock } else { &mut server.quiet };
            if stopped && core::mem::replace(quiet, true) {
                continue;
            }
            let stream = if stopped { whole(server) } else { Arc::clone(&voice.name) };
            out.push(Notice::Silent(Silent { stream, last: voice.last, until, usual_s, too_long_s, by_clock }));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "slots stay below STREAMS_MAX")]
    fn admit(&mut self, heard: Heard<'_>, at: EventTime, out: &mut Vec<Notice>) -> usize {
        let stream = StreamName { server: heard.server.to_owned(), component: heard.component.to_owned() };
        let name = Arc::new(stream);
        let full = self.voices.len() >= STREAMS_MAX;
        let slot = if full { self.evict() } else { self.voices.len() };
        let server = self.server(heard.server, at);
        // What was dropped for want of room comes back as if it were new.
        if self.servers[server].is_news(at) && self.counts.evicted == 0 {
            out.push(Notice::NewComponent { stream: Arc::clone(&name), time: heard.time });
        }
        self.servers[server].voices += 1;
        self.counts.uncounted += u64::from(heard.is_text && self.counters >= RATES_MAX);
        let voice = Voice::new(Arc::clone(&name), server as ServerSlot, at, heard.time);
        if full {
            self.voices[slot] = voice;
        } else {
            self.voices.push(voice);
        }
        self.index.insert(name, slot as u32);
        slot
    }

    /// Makes room for a stream: the one not heard for longest goes, and its server with its last stream.
    fn evict(&mut self) -> usize {
        let slot = self.voices.iter().enumerate().min_by_key(|(_, v)| v.heard).map_or(0, |(slot, _)| slot);
        let voice = &self.voices[slot];
        self.index.remove(&voice.name);
        self.counters -= usize::from(voice.counter.is_some());
        self.counts.evicted += 1;
        let server = &mut self.servers[voice.server as usize];
        server.voices -= 1;
        if server.voices == 0 {
            self.counters -= usize::from(server.warnings.take().is_some());
            self.counters -= usize::from(server.errors.take().is_some());
        }
        slot
    }

    fn server(&mut self, name: &str, at: EventTime) -> usize {
        if let Some(slot) = self.servers.iter().position(|s| s.voices > 0 && s.name == name) {
            return slot;
        }
        let server = Server::new(name, at);
        if let Some(slot) = self.servers.iter().position(|s| s.voices == 0) {
            self.servers[slot] = server;
            return slot;
        }
        self.servers.push(server);
        self.servers.len() - 1
    }
}

impl Counter {
    fn close(&mut self, over: i64) -> Option<Finding> {
        self.rate.push(over, core::mem::take(&mut self.count))
    }
}

/// A server as a whole.
fn whole(server: &Server) -> Arc<StreamName> {
    Arc::new(StreamName { server: server.name.clone(), component: String::new() })
}
