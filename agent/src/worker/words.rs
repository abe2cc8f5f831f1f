//! What is said of a source in which something is wrong: why input is gone, that a file system does not answer.

use oddline_core::event::{BoundedText, Event, Extras, SourceFault, SourceName};

use super::helper::HANGS_AFTER;
use crate::{events::LogEvent, source::GapCause};

/// What is wrong with what hangs.
pub(super) fn does_not_answer(what: &str) -> String {
    format!("{what}: its file system has not answered for {} s", HANGS_AFTER.as_secs())
}

/// What is told of a source whose file system does not answer.
#[must_use]
pub(super) fn hangs(name: &str, why: &str) -> Event {
    LogEvent::SourceHangs { why: why.to_owned() }.emit();
    Event::SourceFailed(SourceFault {
        source: SourceName::cut(name),
        cause: BoundedText::cut(why),
        extras: Extras::default(),
    })
}

#[must_use]
pub(crate) fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Deleted => "a rotated file was deleted before it was read to its end",
        GapCause::Compressed => "a rotated file was compressed before it was read to its end",
        GapCause::Truncated => "the file was cut and nothing holds a copy of what it held",
        GapCause::Late => "a rotated file was written to after its successor",
        GapCause::Overrun => "messages came faster than they could be read",
        GapCause::Vacuumed => "the journal no longer holds the entries after the one that was read last",
        GapCause::Unended => "a line went on half a minute after it had stopped without an end",
        GapCause::Swapped => {
            "a link was changed twice at a time, and files that it may have led to in between were not read"
        }
    }
}
