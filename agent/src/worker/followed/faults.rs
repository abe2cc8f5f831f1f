//! What is wrong with a source, told once however often it is met, and that it works again.

use std::time::Instant;

use oddline_core::event::{Event, Extras, SourceFault, SourceName, Text};
use oddline_pipeline::Output;

use super::{Followed, SOUND_AFTER};
use crate::{clock, events::Told, source::SourceError, worker::words::hangs};

impl Followed {
    /// Its file system does not answer, or a call to it came back late. Told once, like any other fault.
    pub fn hangs(&mut self, why: &str, out: &mut Output) {
        self.works_since = None;
        if self.failed.is_none() {
            out.events.push(hangs(&self.name, why));
        }
        self.failed = Some(why.to_owned());
    }

    /// It can be asked again after it hung.
    pub fn came_back(&mut self, why: &str) {
        self.works_since = None;
        self.failed = Some(why.to_owned());
    }

    pub(super) fn fails(&mut self, error: &SourceError, now: Instant, out: &mut Output) {
        if self.works_since.is_some_and(|since| now.duration_since(since) >= SOUND_AFTER) {
            self.backoff.succeeded();
        }
        self.works_since = None;
        let wait = self.backoff.failed(clock::random_u32());
        self.retry_at = Some(now + wait);
        let why = error.to_string();
        // The same fault is told once, however often it is met.
        if self.failed.is_none() {
            Told::SourceFails { why: why.clone(), retry_in: wait }.emit();
            let fault =
                SourceFault { source: SourceName::cut(&self.name), cause: Text::cut(&why), extras: Extras::default() };
            out.events.push(Event::SourceFailed(fault));
        }
        self.failed = Some(why);
    }

    pub(super) fn works(&mut self, now: Instant, out: &mut Output) {
        self.retry_at = None;
        self.works_since.get_or_insert(now);
        if let Some(why) = self.failed.take() {
            Told::SourceWorks { source: self.name.clone() }.emit();
            let fault =
                SourceFault { source: SourceName::cut(&self.name), cause: Text::cut(&why), extras: Extras::default() };
            out.events.push(Event::SourceRecovered(fault));
        }
    }
}
