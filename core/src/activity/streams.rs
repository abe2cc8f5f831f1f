//! What is kept of one stream and of one server: when they spoke, how often, at which levels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{pauses::PauseStats, rate::RateModel};
use crate::{record::Level, room::EvictionClaim, stream::StreamName, time::EventTime};

/// Place of a server in its table.
pub(super) type ServerSlot = u32;

/// A stream or server is known after a day: what it did not do in a day is worth a word.
pub(super) const KNOWN_S: f64 = 86_400.0;
/// Records with a level before a level can be new.
const LEVELS_MIN: u32 = 200;
/// What appears within an hour of a new component came with it: an update, a restart.
const BATCH_S: f64 = 3_600.0;
/// New components of a batch that are told; the batch is the news, not its length.
const BATCH_TOLD: u8 = 3;

/// Whether a silence has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum SilenceState {
    /// There is none to tell.
    #[default]
    No,
    /// By the stream's own name.
    Itself,
    /// As a part of its server's.
    WithServer,
}

/// Counts one interval and judges it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RateCounter {
    pub(super) rate: RateModel,
    pub(super) count: u32,
}

/// One stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StreamActivity {
    pub(super) name: Arc<StreamName>,
    pub(super) server: ServerSlot,
    pub(super) rhythm: PauseStats,
    /// The watermark at its first record and at its last.
    pub(super) since: EventTime,
    pub(super) heard: EventTime,
    /// The largest time of its records.
    pub(super) last: EventTime,
    pub(super) told: SilenceState,
    pub(super) told_by_clock: SilenceState,
    /// Records with a level, and the highest of them.
    levelled: u32,
    top: Option<Level>,
    /// `None` for a stream of values, and beyond the bound.
    pub(super) counter: Option<Box<RateCounter>>,
}

impl StreamActivity {
    pub(super) fn new(name: Arc<StreamName>, server: ServerSlot, at: EventTime, time: EventTime) -> Self {
        Self {
            name,
            server,
            rhythm: PauseStats::default(),
            since: at,
            heard: at,
            last: time,
            told: SilenceState::No,
            told_by_clock: SilenceState::No,
            levelled: 0,
            top: None,
            counter: None,
        }
    }

    /// What stands behind its place.
    pub(super) fn claim(&self) -> EvictionClaim {
        let of_days = self.counter.as_ref().is_some_and(|counter| counter.rate.knows_a_day());
        EvictionClaim {
            learnt: of_days || self.levelled >= LEVELS_MIN || self.rhythm.usual_s().is_some(),
            seen: u64::from(self.levelled.max(self.rhythm.pauses())),
            last: self.heard.micros(),
        }
    }

    /// Since when it could have spoken.
    pub(super) fn waited_from(&self, resumed: Option<EventTime>) -> EventTime {
        resumed.map_or(self.heard, |resumed| resumed.max(self.heard))
    }

    /// Its longest usual pause and the pause that is too long, in seconds, when it has a rhythm.
    pub(super) fn limits(&self) -> Option<(f64, f64)> {
        let too_long = self.rhythm.too_long_s(self.heard.seconds_since(self.since))?;
        Some((self.rhythm.usual_s()?, too_long))
    }

    /// The watermark beyond which it is silent, when it has a rhythm.
    pub(super) fn deadline(&self, resumed: Option<EventTime>) -> Option<EventTime> {
        self.limits().map(|(_, too_long)| self.waited_from(resumed).plus_seconds(too_long))
    }

    /// Takes a record's level; true when a known stream has never been that high, and that is bad news.
    pub(super) fn is_new_level(&mut self, level: Level, at: EventTime) -> bool {
        let known = self.levelled >= LEVELS_MIN && at.seconds_since(self.since) >= KNOWN_S;
        self.levelled = self.levelled.saturating_add(1);
        let higher = self.top.is_none_or(|top| level > top);
        if higher {
            self.top = Some(level);
        }
        known && higher && level > Level::Warning
    }
}

/// One server of the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServerActivity {
    pub(super) name: String,
    pub(super) since: EventTime,
    /// Its streams; a server without any is a free place.
    pub(super) voices: u32,
    /// Whether it has said something in the interval under way.
    pub(super) spoke: bool,
    /// Whether its silence has been told.
    pub(super) quiet: bool,
    pub(super) quiet_by_clock: bool,
    batch: Option<PauseBatch>,
    pub(super) warnings: Option<Box<RateCounter>>,
    pub(super) errors: Option<Box<RateCounter>>,
}

/// Components that appeared together.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PauseBatch {
    began: EventTime,
    told: u8,
    is_news: bool,
}

impl ServerActivity {
    pub(super) fn new(name: &str, at: EventTime) -> Self {
        Self {
            name: name.to_owned(),
            since: at,
            voices: 0,
            spoke: false,
            quiet: false,
            quiet_by_clock: false,
            batch: None,
            warnings: None,
            errors: None,
        }
    }

    /// Takes a component that was never seen; true when that is worth a word. A server whose components come and go is
    /// left alone: a new one is news after a day without any.
    pub(super) fn is_news(&mut self, at: EventTime) -> bool {
        let known = at.seconds_since(self.since) >= KNOWN_S;
        let batch = self.batch.get_or_insert(PauseBatch { began: at, told: 0, is_news: known });
        let age = at.seconds_since(batch.began);
        if age >= BATCH_S {
            *batch = PauseBatch { began: at, told: 0, is_news: known && age >= KNOWN_S };
        }
        let news = batch.is_news && batch.told < BATCH_TOLD;
        batch.told += u8::from(news);
        news
    }

    /// The counter that a level goes to.
    pub(super) fn counter(&mut self, level: Level) -> Option<&mut Option<Box<RateCounter>>> {
        match level {
            Level::Trace | Level::Debug | Level::Info | Level::Notice => None,
            Level::Warning => Some(&mut self.warnings),
            Level::Error | Level::Critical | Level::Alert | Level::Emergency => Some(&mut self.errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hours: i64) -> EventTime {
        EventTime::from_micros(hours * 3_600_000_000)
    }

    #[test]
    fn a_component_is_news_after_a_day_without_any() {
        let mut server = ServerActivity::new("a", hour(0));
        let news: Vec<bool> = [0, 1, 23, 40, 50, 74, 74, 74, 74, 80, 103, 127].map(|h| server.is_news(hour(h))).into();
        let expected = [false, false, false, false, false, true, true, true, false, false, false, true];
        assert_eq!(news, expected);
    }

    #[test]
    fn a_level_is_new_once_above_warning_and_to_a_known_stream() {
        let name = Arc::new(StreamName { server: "a".to_owned(), component: "b".to_owned() });
        let known = || {
            let mut voice = StreamActivity::new(Arc::clone(&name), 0, hour(0), hour(0));
            (0..200).for_each(|_| assert!(!voice.is_new_level(Level::Info, hour(1))));
            voice
        };
        assert!(!known().is_new_level(Level::Critical, hour(23)), "too young");
        let mut voice = known();
        assert!(!voice.is_new_level(Level::Warning, hour(24)));
        assert!(voice.is_new_level(Level::Error, hour(25)));
        assert!(!voice.is_new_level(Level::Error, hour(26)));
        assert!(voice.is_new_level(Level::Emergency, hour(27)));
        assert!(!voice.is_new_level(Level::Critical, hour(28)));
    }
}
