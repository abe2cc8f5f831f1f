//! Which streams and servers are kept, and which goes when there is no room.

use std::sync::Arc;

use super::{
    ActivityNotice, ObservedRecord, SourceActivity,
    streams::{ServerActivity, ServerSlot, StreamActivity},
};
use crate::{
    limits::{RATES_MAX, STREAMS_MAX},
    room::loser,
    stream::{STREAMS_ALWAYS, StreamName},
    time::EventTime,
};

/// What each pause or level of a stream that has learnt nothing yet keeps it for, in microseconds: an hour.
const HEARD_WORTH: i64 = 3_600_000_000;

impl SourceActivity {
    #[expect(clippy::cast_possible_truncation, reason = "slots stay below STREAMS_MAX")]
    pub(super) fn admit(&mut self, heard: ObservedRecord<'_>, at: EventTime, out: &mut Vec<ActivityNotice>) -> usize {
        let stream = StreamName { server: heard.server.to_owned(), component: heard.component.to_owned() };
        let name = Arc::new(stream);
        let most = if self.is_full { self.voices.len().clamp(STREAMS_ALWAYS, STREAMS_MAX) } else { STREAMS_MAX };
        let full = self.voices.len() >= most;
        let slot = if full { self.evict() } else { self.voices.len() };
        let server = self.server(heard.server, at);
        // What was dropped for want of room comes back as if it were new: whoever tells this knows of that.
        if self.servers[server].is_news(at) {
            out.push(ActivityNotice::NewComponent { stream: Arc::clone(&name), time: heard.time });
        }
        self.servers[server].voices += 1;
        self.counts.uncounted += u64::from(heard.is_text && self.counters >= RATES_MAX);
        let voice = StreamActivity::new(Arc::clone(&name), server as ServerSlot, at, heard.time);
        if full {
            self.voices[slot] = voice;
        } else {
            self.voices.push(voice);
        }
        self.index.insert(name, slot as u32);
        slot
    }

    /// Makes room for a stream: one goes that has learnt nothing ([`crate::room`]), and its server with its last stream.
    fn evict(&mut self) -> usize {
        let slot = loser(self.voices.iter().map(StreamActivity::claim), HEARD_WORTH);
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
        let server = ServerActivity::new(name, at);
        if let Some(slot) = self.servers.iter().position(|s| s.voices == 0) {
            self.servers[slot] = server;
            return slot;
        }
        self.servers.push(server);
        self.servers.len() - 1
    }
}
