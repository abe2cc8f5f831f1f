//! What the state file holds of a source, read back.

use oddline_core::wire::ModelId;
use oddline_pipeline::{Remembered, Remembers};
use serde::{Deserialize, Serialize};

use crate::{
    events::{Told, say},
    source::Position,
    state::StoredSource,
};

/// What the state file holds of a source's judging.
#[derive(Deserialize)]
pub struct Stored {
    /// The model that judged.
    pub model: ModelId,
    /// What it goes on from.
    pub remembered: Remembered,
}

/// Writes [`Stored`] without a copy of it.
#[derive(Serialize)]
pub struct Stores<'a> {
    /// The model that judges.
    pub model: ModelId,
    /// What it goes on from.
    pub remembered: Remembers<'a>,
}

/// What a source goes on from; said and `None` when it cannot be read.
#[must_use]
pub fn remembered(stored: &StoredSource, name: &str) -> Option<Stored> {
    let bytes = stored.chunks.concat();
    let forgotten = |why: String| say(&Told::Forgotten { source: name.to_owned(), why });
    match postcard::take_from_bytes::<Stored>(&bytes) {
        Ok((stored, [])) => Some(stored),
        Ok((_, rest)) => {
            forgotten(format!("{} bytes too many", rest.len()));
            None
        }
        Err(error) => {
            forgotten(error.to_string());
            None
        }
    }
}

/// A stored position, when it can be read.
#[must_use]
pub fn position(stored: &StoredSource) -> Option<Position> {
    match postcard::take_from_bytes(&stored.position) {
        Ok((position, [])) => Some(position),
        Ok(_) | Err(_) => None,
    }
}
