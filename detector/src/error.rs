//! Why a model is refused, and what can go wrong while it runs.

use oddline_core::{amounts::size, profile::ProfileError};

/// A model file that is not used, with the reason. The model that was in use stays.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ModelOpenError {
    #[error("the model file has {}, at most {} are allowed", size(*found as u64), size(*limit as u64))]
    TooLarge { found: usize, limit: usize },
    #[error("not a valid ONNX file ({0}): it may be truncated or edited; copy it again or train a new one")]
    NotOnnx(String),
    #[error("the ONNX file lacks the metadata {0:?}: it was not made by oddline-trainer, or it was stripped")]
    NoMetadata(&'static str),
    #[error(
        "the model file has format {found:?}, this program reads format {expected:?}: train a model with this version"
    )]
    Format { found: String, expected: &'static str },
    #[error("the model file was edited or damaged since it was written: copy it again or train a new one")]
    Edited,
    #[error("metadata {key:?} is not readable: {reason}")]
    Metadata { key: &'static str, reason: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("the graph uses the operator {operator:?} (node {node:?}), which models of this format never do")]
    Operator { operator: String, node: String },
    #[error("the graph cannot be run: {0}")]
    Graph(String),
    #[error(
        "golden row {row}: the model gives {found} for feature {feature}, its file expects {expected}: \
             the file was edited or this machine computes wrongly"
    )]
    Golden { row: usize, feature: usize, found: f32, expected: f32 },
    #[error("the model runtime failed unexpectedly on this file")]
    Panicked,
}

/// A run of the model that failed; it cannot on a model that was opened.
#[derive(Debug, thiserror::Error)]
#[error("the model could not be run: {0}")]
pub struct InferError(pub(crate) String);
