//! What the state file holds of a source, written and read back.

use oddline_core::{
    sections::{SectionError, SectionWriter, Sections},
    wire::ModelId,
};
use oddline_pipeline::{PipelineState, PipelineStateRef};

use crate::{events::LogEvent, source::SourcePosition, state::StoredSource};

/// Tag of the model that judged; those above it are the pipeline's.
const MODEL: u8 = 1;

/// What the state file holds of a source's judging.
pub(crate) struct StoredJudging {
    pub model: ModelId,
    /// What it goes on from.
    pub remembered: PipelineState,
}

/// The bytes of [`StoredJudging`], written without a copy of it.
#[must_use]
pub(super) fn stored_bytes(model: ModelId, remembers: &PipelineStateRef<'_>) -> Vec<u8> {
    let mut out = SectionWriter::default();
    out.add(MODEL, &model);
    remembers.write(&mut out);
    out.finish()
}

/// What a source goes on from; said and `None` when it cannot be read.
#[must_use]
pub(crate) fn remembered(stored: &StoredSource, name: &str) -> Option<StoredJudging> {
    let bytes = stored.chunks.concat();
    let read = || -> Result<StoredJudging, SectionError> {
        let sections = Sections::split(&bytes)?;
        Ok(StoredJudging { model: sections.need(MODEL)?, remembered: PipelineState::read(&sections)? })
    };
    read().inspect_err(|why| LogEvent::Forgotten { source: name.to_owned(), why: why.to_string() }.emit()).ok()
}

/// A stored position, when it can be read. What a newer program put behind it is left.
#[must_use]
pub(crate) fn position(stored: &StoredSource) -> Option<SourcePosition> {
    match postcard::take_from_bytes(&stored.position) {
        Ok((position, _newer)) => Some(position),
        Err(_) => None,
    }
}
