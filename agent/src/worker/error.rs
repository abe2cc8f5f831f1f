//! Why the reading thread ends by itself.

use oddline_detector::InferError;

use super::sources::SetupError;
use crate::state::StateError;

/// Why the thread ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error("the model cannot be run: {0}")]
    Infer(#[from] InferError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The state file at the end.
    #[error("what was read last could not be committed and is read again after the next start: {0}")]
    Commit(StateError),
    /// The state file at the start.
    #[error(transparent)]
    State(#[from] StateError),
}
