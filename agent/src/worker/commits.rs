//! When the reading thread commits, and what goes into a commit.

use std::time::{Duration, Instant};

use oddline_core::event::{ENTRY_BYTES_MAX, Event, SourceName, SpoolEntry};

use super::{EventSink, FollowedSource, Worker, flags::StateFlags};
use crate::{clock, events::LogEvent, state::StateCommit};

/// Without an event what was read is committed after this long: one sync a half minute does not wear out an SD card.
const COMMIT_EVERY: Duration = Duration::from_secs(30);
/// ... or after this many bytes: what a restart reads again.
const COMMIT_BYTES: u64 = 8 * 1024 * 1024;
/// What sources of one commit hold in memory at most, unless it is one alone: they are written from a copy.
const COMMIT_MEMORY_BYTES: u64 = 8 * 1024 * 1024;

impl Worker {
    /// Commits what is left once nothing more comes, and says whether that is done: what came on standard input comes
    /// only once, so that a full disk is waited for.
    pub(super) fn is_committed(&mut self, now: Instant) -> bool {
        if self.bytes > 0 || !self.out.events.is_empty() {
            self.begin_commit(now);
        }
        self.pending.is_none()
    }

    pub(super) fn commit_if_due(&mut self, now: Instant) {
        let is_new = self.sources.followed().iter().any(FollowedSource::is_new);
        let waits = !self.out.events.is_empty()
            || !self.noted.news(&self.sources).is_empty()
            || is_new
            || !self.sources.removed.is_empty();
        let is_old = self.bytes > 0 && now.duration_since(self.committed_at) >= COMMIT_EVERY;
        if waits || is_old || self.bytes >= COMMIT_BYTES {
            self.begin_commit(now);
        }
    }

    /// What found no room in the last commit, before anything else is read.
    pub(super) fn commit_rest(&mut self, now: Instant) {
        while self.pending.is_none() && !self.left.is_empty() {
            self.pending = Some(self.commit());
            self.commit_at = now;
            self.retry_commit(now);
        }
    }

    fn begin_commit(&mut self, now: Instant) {
        self.pending = Some(self.commit());
        self.commit_at = now;
        self.retry_commit(now);
        self.commit_rest(now);
    }

    /// What has changed since the last one, as much of it as is written at once: a source is in it with its events, or
    /// left with them.
    pub(super) fn commit(&mut self) -> StateCommit {
        let stamp = self.clock.stamp();
        let entry = |event| {
            let bytes = postcard::to_stdvec(&SpoolEntry { event, stamp }).expect("an event can always be written");
            assert!(bytes.len() <= ENTRY_BYTES_MAX, "the bounds of its parts keep an event within its own");
            bytes
        };
        self.left.clear();
        let (mut bytes, mut sources) = (0, Vec::new());
        for source in self.sources.followed().iter().filter(|source| source.is_dirty()) {
            if bytes > 0 && bytes + source.bytes() > COMMIT_MEMORY_BYTES {
                self.left.insert(SourceName::cut(source.name()));
            } else {
                bytes += source.bytes();
                sources.extend(source.change(&self.active));
            }
        }
        // What is noted speaks of all sources: it comes with the last of them.
        let is_last = self.left.is_empty();
        let noted = self.noted.news(&self.sources).into_iter().chain(StateFlags::along(&self.sources));
        let values = noted.filter(|_| is_last).collect();
        let events = std::mem::take(&mut self.out.events);
        let (now, later): (Vec<Event>, Vec<Event>) =
            events.into_iter().partition(|event| !self.left.contains(event.source()));
        self.out.events = later;
        StateCommit {
            sources,
            removed: std::mem::take(&mut self.sources.removed),
            entries: now.into_iter().map(entry).collect(),
            values,
        }
    }

    /// What the last commit held is on the disk.
    pub(super) fn set_committed(&mut self) {
        let left = &self.left;
        let is_in = |source: &&mut FollowedSource| !left.contains(&SourceName::cut(source.name()));
        self.sources.each().filter(is_in).for_each(FollowedSource::committed);
    }

    pub(super) fn retry_commit(&mut self, now: Instant) {
        if self.pending.is_none() || now < self.commit_at {
            return;
        }
        let commit = self.pending.take().expect("just looked at");
        let done = self.state.lock().commit(&commit);
        match done {
            Ok(_) => {
                if self.commit_backoff.failures() > 0 {
                    self.commit_backoff.succeeded();
                    LogEvent::StateWorks.emit();
                    self.figures.stopped = None;
                }
                self.set_committed();
                self.figures.commits += 1;
                self.figures.events += commit.entries.len() as u64;
                self.committed_at = now;
                self.bytes = 0;
                self.noted.committed(&commit);
                if let (EventSink::Delivery(wake), false) = (&self.outlet, commit.entries.is_empty()) {
                    wake.notify_one();
                }
            }
            Err(error) => {
                let is_first = self.commit_backoff.failures() == 0;
                let retry_in = self.commit_backoff.failed(clock::random_u32());
                self.commit_at = now + retry_in;
                if is_first {
                    LogEvent::StateFails { why: error.to_string(), retry_in }.emit();
                }
                self.figures.stopped = Some(error.to_string());
                self.pending = Some(commit);
            }
        }
    }
}
