//! What can be wrong with weights about to be written, or with a file being read back.
//!
//! Every variant names its object: the view, the part of it, the tensor in the file.

use std::fmt;

use super::check::{BYTES_MAX, LAYERS_MAX, NAME_BYTES_MAX, UNFOLDED_MAX};

/// A part of a view, for messages. Layers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPart {
    Center,
    Scale,
    Weight(usize),
    Bias(usize),
    Tanh,
}

impl fmt::Display for ModelPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Center => write!(f, "center"),
            Self::Scale => write!(f, "scale"),
            Self::Weight(layer) => write!(f, "layer {layer} weight"),
            Self::Bias(layer) => write!(f, "layer {layer} bias"),
            Self::Tanh => write!(f, "tanh flags"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportError {
    #[error("a model file needs at least one view")]
    NoViews,
    #[error(
        "view {view:?}: a name is a lower-case letter, then lower-case letters and digits, {NAME_BYTES_MAX} at most"
    )]
    Name { view: String },
    #[error("view {view}: given twice")]
    DuplicateView { view: String },
    #[error("metadata key {key:?}: given twice")]
    DuplicateKey { key: String },
    #[error("view {view}: {found} layers, expected {expected_min} to {LAYERS_MAX}")]
    LayerCount { view: String, expected_min: usize, found: usize },
    #[error("view {view}: {part}: expected {expected} values, found {found}")]
    Length { view: String, part: ModelPart, expected: usize, found: usize },
    #[error("view {view}: layer {layer}: a layer has at least one input and one output")]
    EmptyLayer { view: String, layer: usize },
    #[error("view {view}: layer {layer}: expected {expected} inputs, found {found}")]
    Inputs { view: String, layer: usize, expected: usize, found: usize },
    #[error("view {view}: the last layer has {found} outputs, expected {expected}")]
    Outputs { view: String, expected: usize, found: usize },
    #[error("view {view}: {part}: value at index {index} is not finite")]
    NonFinite { view: String, part: ModelPart, index: usize },
    #[error("view {view}: scale at index {index} is {value}, expected more than 0")]
    ScaleNotPositive { view: String, index: usize, value: f32 },
    #[error("view {view}: leave-one-out weights unfold to {found} values, at most {UNFOLDED_MAX} are allowed")]
    Unfolded { view: String, found: usize },
    #[error("model file: {found} bytes, at most {BYTES_MAX} are allowed")]
    TooLarge { found: usize },
    #[error("model file: not a protobuf message of ONNX: {reason}")]
    NotProtobuf { reason: String },
    #[error("model file: no graph")]
    NoGraph,
    #[error("view {view}: not in the file")]
    MissingView { view: String },
    #[error("tensor {tensor}: not in the file")]
    MissingTensor { tensor: String },
    #[error("tensor {tensor}: data type {found}, expected {expected}")]
    DataType { tensor: String, expected: i32, found: i32 },
    #[error("tensor {tensor}: shape {found:?}, expected {expected} sizes, all above 0")]
    Rank { tensor: String, expected: usize, found: Vec<i64> },
    #[error("tensor {tensor}: {found} bytes of values, expected {expected}")]
    Data { tensor: String, expected: usize, found: usize },
    #[error("view {view}: {object} is not what this version writes for these weights")]
    Foreign { view: String, object: String },
}
