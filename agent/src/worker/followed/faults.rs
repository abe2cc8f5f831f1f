//! What is wrong with a source, told once however often it is met, and that it works again.

use std::time::Instant;

use oddline_core::event::{BoundedText, Event, Extras, SourceFault, SourceName};
use oddline_pipeline::PipelineOutput;

use super::{FollowedSource, RETRY_FIRST, SOUND_AFTER};
use crate::{clock, events::LogEvent, source::SourceError, worker::words::hangs};

impl FollowedSource {
    /// Its file system does not answer, or a call to it came back late. Told once, like any other fault.
    pub(crate) fn hangs(&mut self, why: &str, out: &mut PipelineOutput) {
        self.works_since = None;
        if self.failed.is_none() {
            out.events.push(hangs(&self.name, why));
        }
        self.failed = Some(why.to_owned());
    }

    /// It can be asked again after it hung.
    pub(crate) fn came_back(&mut self, why: &str) {
        self.works_since = None;
        self.failed = Some(why.to_owned());
    }

    pub(super) fn fails(&mut self, error: &SourceError, now: Instant, out: &mut PipelineOutput) {
        if self.works_since.is_some_and(|since| now.duration_since(since) >= SOUND_AFTER) {
            self.backoff.succeeded();
        }
        self.works_since = None;
        let (look_in, wait) = match error {
            // Its connection is made again by itself: what is waited for is only a look at it.
            SourceError::Broker { retry_in, .. } => (RETRY_FIRST, *retry_in),
            _ => {
                let wait = self.backoff.failed(clock::random_u32());
                (wait, wait)
            }
        };
        self.retry_at = Some(now + look_in);
        let why = error.to_string();
        // The same fault is told once, however often it is met.
        if self.failed.is_none() {
            LogEvent::SourceFails { why: why.clone(), retry_in: wait }.emit();
            let fault = SourceFault {
                source: SourceName::cut(&self.name),
                cause: BoundedText::cut(&why),
                extras: Extras::default(),
            };
            out.events.push(Event::SourceFailed(fault));
        }
        self.failed = Some(why);
    }

    /// Its lines are not understood, or what should be names in them are none: told once.
    pub(super) fn report_problem(&mut self, is_all: bool, out: &mut PipelineOutput) {
        if let Some(problem) = self.pipeline.take_names_grown() {
            self.is_dirty = true;
            LogEvent::NamesGrow { problem: format!("{}: {problem}", self.name) }.emit();
        }
        let Some(problem) = self.pipeline.take_problem(is_all) else { return };
        self.is_dirty = true;
        let problem = format!("{}: {problem}", self.name);
        let advice = "oddline-agent parse FILE shows how it is read: set format of its [[source]]";
        LogEvent::NotUnderstood { problem: format!("{problem}; {advice}") }.emit();
        let fault = SourceFault {
            source: SourceName::cut(&self.name),
            cause: BoundedText::cut(&problem),
            extras: Extras::default(),
        };
        out.events.push(Event::SourceFailed(fault));
    }

    pub(super) fn works(&mut self, now: Instant, out: &mut PipelineOutput) {
        self.retry_at = None;
        self.works_since.get_or_insert(now);
        if self.source.is_open() && !std::mem::replace(&mut self.is_told, true) {
            LogEvent::Follows { source: self.name.clone() }.emit();
        }
        if let Some(why) = self.failed.take() {
            LogEvent::SourceWorks { source: self.name.clone() }.emit();
            let fault = SourceFault {
                source: SourceName::cut(&self.name),
                cause: BoundedText::cut(&why),
                extras: Extras::default(),
            };
            out.events.push(Event::SourceRecovered(fault));
        }
    }
}
