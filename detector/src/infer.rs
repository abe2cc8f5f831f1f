//! Running the graph, at one fixed shape.
//!
//! Always [`BLOCK`] rows, unused ones zero: a row's residual then depends neither on how many rows wait nor on what
//! stands beside it, so a live agent and a replay agree to the last bit.

use std::sync::Arc;

use oddline_core::{
    limits::{BLOCK, RECORD_FEATURES},
    stream::Vector,
};
use tract_onnx::{
    Onnx,
    pb::{GraphProto, ModelProto},
    prelude::{Framework, IntoRunnable, Tensor, TractError, TypedRunnableModel, TypedSimpleState, tvec},
};

use crate::{error::InferError, shape::Tensors, wire};

/// ONNX's schema, for those who look into a file before it runs.
pub(crate) use tract_onnx::pb;

/// Name of the record view's input; its output has `_residual` appended.
pub(crate) const RECORD: &str = "record";

/// A runnable graph, cheap to share.
pub(crate) type Plan = Arc<TypedRunnableModel>;

/// Reads the protobuf of an ONNX file.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<ModelProto, String> {
    Onnx::default().proto_model_for_read(&mut bytes).map_err(|e| e.root_cause().to_string())
}

/// Optimises the record view's part of a checked graph for the fixed shape.
pub(crate) fn plan(graph: &GraphProto, tensors: &Tensors<'_>) -> Result<Plan, String> {
    let build = || wire::record_view(graph, tensors)?.into_optimized()?.into_runnable();
    build().map_err(|e| format!("{e:#}"))
}

/// One thread's way to run a model.
pub struct Infer {
    state: TypedSimpleState,
}

impl Infer {
    pub(crate) fn new(plan: &Plan) -> Result<Self, InferError> {
        Ok(Self { state: plan.spawn().map_err(|e| InferError(format!("{e:#}")))? })
    }

    /// Residuals of a full block, row by row.
    ///
    /// # Errors
    /// When the runtime fails or gives another shape.
    pub fn residuals(&mut self, rows: &[Vector; BLOCK]) -> Result<[Vector; BLOCK], InferError> {
        let fail = |e: TractError| InferError(format!("{e:#}"));
        let input = Tensor::from_shape(&[BLOCK, RECORD_FEATURES], rows.as_flattened()).map_err(fail)?;
        let output = self.state.run(tvec!(input.into())).map_err(fail)?;
        let view = output[0].to_plain_array_view::<f32>().map_err(fail)?;
        let flat = view.as_slice().ok_or_else(|| InferError("the output is not contiguous".to_owned()))?;
        let (rows, rest) = flat.as_chunks::<RECORD_FEATURES>();
        match <&[Vector; BLOCK]>::try_from(rows) {
            Ok(rows) if rest.is_empty() => Ok(*rows),
            _ => Err(InferError(format!("the output has shape {:?}", view.shape()))),
        }
    }
}
