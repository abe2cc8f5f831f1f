//! Bytes to a checked model: size, protobuf, metadata, operators, graph, golden rows. Anything wrong is a refusal
//! with its reason, never a panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use oddline_core::{
    limits::{BLOCK, GOLDEN_MAX, MODEL_BYTES_MAX, RECORD_FEATURES},
    profile::{FORMAT, Golden, GoldenView, Profile, Provenance, key},
    seal::is_intact,
    stream::Vector,
};

use crate::{
    error::{InferError, OpenError},
    infer::{Infer, Plan, decode, plan},
    shape,
};

/// The operators a model may use. Short on purpose: each one is code that runs on foreign bytes.
pub const OPERATORS: [&str; 7] = ["Div", "Gemm", "Mul", "Reshape", "Sub", "Tanh", "Tile"];

/// Golden rows must be met this closely; CPUs differ in the last bits.
const GOLDEN_TOLERANCE: f32 = 1e-5;

/// An opened model: everything judging needs. Cheap to share between threads.
#[derive(Clone)]
pub struct Model {
    /// Grows from model to model.
    pub version: u64,
    /// How to score and what is usual.
    pub profile: Arc<Profile>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Rows with expected residuals.
    pub golden: Golden,
    plan: Plan,
}

impl Model {
    /// Opens a model file's bytes.
    ///
    /// # Errors
    /// Everything that makes the file unfit, see [`OpenError`].
    pub fn open(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.len() > MODEL_BYTES_MAX {
            return Err(OpenError::TooLarge { found: bytes.len(), limit: MODEL_BYTES_MAX });
        }
        // The runtime has panicked on malformed tensors before: foreign bytes must not take the process down.
        catch_unwind(AssertUnwindSafe(|| checked(bytes))).unwrap_or(Err(OpenError::Panicked))
    }

    /// A way to run the model, one per thread.
    ///
    /// # Errors
    /// When the runtime cannot allocate its state.
    pub fn infer(&self) -> Result<Infer, InferError> {
        Infer::new(&self.plan)
    }

    /// The same model judging by another profile: for calibration, before a threshold is known.
    #[must_use]
    pub fn with_profile(&self, profile: Profile) -> Self {
        Self { profile: Arc::new(profile), ..self.clone() }
    }
}

fn checked(bytes: &[u8]) -> Result<Model, OpenError> {
    let proto = decode(bytes).map_err(OpenError::NotOnnx)?;
    let metadata = |key: &'static str| {
        let mut entries = proto.metadata_props.iter().filter(|e| e.key == key);
        entries.next_back().map(|e| e.value.as_str()).ok_or(OpenError::NoMetadata(key))
    };
    let format = metadata(key::FORMAT)?;
    if format != FORMAT {
        return Err(OpenError::Format { found: format.to_owned(), expected: FORMAT });
    }
    if !is_intact(bytes) {
        return Err(OpenError::Edited);
    }
    let unreadable = |key, reason: String| OpenError::Metadata { key, reason };
    let version = metadata(key::VERSION)?;
    let version: u64 = version.parse().map_err(|_| unreadable(key::VERSION, format!("{version:?} is no number")))?;
    let profile = Profile::from_json(metadata(key::PROFILE)?)?;
    let provenance =
        serde_json::from_str(metadata(key::PROVENANCE)?).map_err(|e| unreadable(key::PROVENANCE, e.to_string()))?;
    let golden: Golden =
        serde_json::from_str(metadata(key::GOLDEN)?).map_err(|e| unreadable(key::GOLDEN, e.to_string()))?;
    let graph = proto.graph.as_ref().ok_or_else(|| OpenError::Graph("the file holds no graph".to_owned()))?;
    if let Some(node) = graph.node.iter().find(|n| !OPERATORS.contains(&n.op_type.as_str())) {
        return Err(OpenError::Operator { operator: node.op_type.clone(), node: node.name.clone() });
    }
    let tensors = shape::check(graph).map_err(OpenError::Graph)?;
    let plan = plan(graph, &tensors).map_err(OpenError::Graph)?;
    let model = Model { version, profile: Arc::new(profile), provenance, golden, plan };
    check_golden(&model)?;
    Ok(model)
}

fn check_golden(model: &Model) -> Result<(), OpenError> {
    let (inputs, expected) = golden_rows(&model.golden.record)
        .map_err(|reason| OpenError::Metadata { key: key::GOLDEN, reason: reason.to_owned() })?;
    let run = |e: InferError| OpenError::Graph(e.to_string());
    let found = model.infer().and_then(|mut infer| infer.residuals(&inputs)).map_err(run)?;
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        for (feature, (f, e)) in found.iter().zip(expected).enumerate() {
            // Residuals of clipped inputs reach a few hundred scales: relative beyond one.
            let met = (f - e).abs() <= GOLDEN_TOLERANCE * e.abs().max(1.0);
            if !met {
                return Err(OpenError::Golden { row, feature, found: *f, expected: *e });
            }
        }
    }
    Ok(())
}

fn golden_rows(view: &GoldenView) -> Result<([Vector; BLOCK], Vec<Vector>), &'static str> {
    if view.inputs.is_empty() || view.inputs.len() > GOLDEN_MAX || view.inputs.len() != view.outputs.len() {
        return Err("there must be 1 to 16 golden rows, each with its output");
    }
    let row = |row: &Vec<f32>| Vector::try_from(row.as_slice()).ok().filter(|r| r.iter().all(|x| x.is_finite()));
    let wrong = "a golden row is not made of finite numbers, one a feature";
    let mut inputs = [[0.0; RECORD_FEATURES]; BLOCK];
    for (slot, input) in inputs.iter_mut().zip(&view.inputs) {
        *slot = row(input).ok_or(wrong)?;
    }
    let outputs = view.outputs.iter().map(|o| row(o).ok_or(wrong)).collect::<Result<_, _>>()?;
    Ok((inputs, outputs))
}
