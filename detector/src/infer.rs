//! Running a view's part of the graph, at one fixed shape.
//!
//! Always [`BLOCK`] rows, unused ones zero: a row's residual then depends neither on how many rows wait nor on what
//! stands beside it, so a live agent and a replay agree to the last bit.

use std::sync::Arc;

use oddline_core::limits::BLOCK;
use tract_onnx::{
    Onnx,
    pb::{GraphProto, ModelProto},
    prelude::{
        Framework, IntoRunnable, Tensor, TractError, TractResult, TypedModel, TypedRunnableModel, TypedSimpleState,
        tvec,
    },
    tract_core::optim::Optimizer,
};

use crate::{error::InferError, graph, shape::Tensors};

/// ONNX's schema, for those who look into a file before it runs.
pub(crate) use tract_onnx::pb;

/// A runnable graph, cheap to share.
type InferencePlan = Arc<TypedRunnableModel>;

/// One input of the graph with what it leads to: rows of numbers in, a residual for each number out.
#[derive(Clone)]
pub struct ViewModel {
    /// Name of the graph's input; its output has `_residual` appended.
    pub name: String,
    /// Numbers of a row.
    pub width: usize,
    plan: InferencePlan,
}

/// Reads the protobuf of an ONNX file.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<ModelProto, String> {
    Onnx::default().proto_model_for_read(&mut bytes).map_err(|e| e.root_cause().to_string())
}

impl ViewModel {
    /// Optimises a view's part of a checked graph for the fixed shape.
    pub(crate) fn plan(graph: &GraphProto, tensors: &Tensors<'_>, name: &str) -> Result<Self, String> {
        let width = match tensors.shape(name) {
            [BLOCK, width] => *width,
            shape => return Err(format!("its view {name:?} has the shape {shape:?}, not rows of numbers")),
        };
        let build = || optimized(graph::view(graph, tensors, name, width)?)?.into_runnable();
        let plan = build().map_err(|e| format!("{e:#}"))?;
        Ok(Self { name: name.to_owned(), width, plan })
    }

    /// A way to run it, one per thread.
    ///
    /// # Errors
    /// When the runtime cannot allocate its state.
    pub fn infer(&self) -> Result<Infer, InferError> {
        let state = self.plan.spawn().map_err(|e| InferError(format!("{e:#}")))?;
        Ok(Infer { state, width: self.width, columns: vec![0.0; BLOCK * self.width] })
    }
}

/// Computes what is constant and chooses the kernels. The runtime's own way between the two would lay out anew what [`graph`]
/// has laid out for them.
pub(crate) fn optimized(mut model: TypedModel) -> TractResult<TypedModel> {
    Optimizer::prop_consts().optimize(&mut model)?;
    Optimizer::codegen().optimize(&mut model)?;
    Ok(model)
}

/// One thread's way to run a view.
pub struct Infer {
    state: TypedSimpleState,
    width: usize,
    /// The rows turned, as the graph takes them.
    columns: Vec<f32>,
}

impl Infer {
    /// Residuals of a full block, row by row.
    ///
    /// # Errors
    /// When the runtime fails or gives another shape.
    pub fn residuals<const WIDTH: usize>(
        &mut self,
        rows: &[[f32; WIDTH]; BLOCK],
    ) -> Result<[[f32; WIDTH]; BLOCK], InferError> {
        let mut residuals = [[0.0; WIDTH]; BLOCK];
        self.block(rows.as_flattened(), residuals.as_flattened_mut())?;
        Ok(residuals)
    }

    /// The same where the width is known to the file only: the rows one behind the other.
    pub(crate) fn block(&mut self, rows: &[f32], residuals: &mut [f32]) -> Result<(), InferError> {
        let fail = |e: TractError| InferError(format!("{e:#}"));
        if rows.len() != self.columns.len() {
            return Err(InferError(format!("{} numbers are no block of rows of {}", rows.len(), self.width)));
        }
        for (number, row) in rows.chunks_exact(self.width).enumerate() {
            row.iter().zip(self.columns[number..].iter_mut().step_by(BLOCK)).for_each(|(value, at)| *at = *value);
        }
        let input = Tensor::from_shape(&[self.width, BLOCK], &self.columns).map_err(fail)?;
        let output = self.state.run(tvec!(input.into())).map_err(fail)?;
        let view = output[0].to_plain_array_view::<f32>().map_err(fail)?;
        let flat = view.as_slice().ok_or_else(|| InferError("the output is not contiguous".to_owned()))?;
        if flat.len() != residuals.len() {
            return Err(InferError(format!("the output has shape {:?}", view.shape())));
        }
        for (number, row) in residuals.chunks_exact_mut(self.width).enumerate() {
            row.iter_mut().zip(flat[number..].iter().step_by(BLOCK)).for_each(|(value, at)| *value = *at);
        }
        Ok(())
    }
}
