//! Bytes to a checked model: size, protobuf, metadata, operators, graph, golden rows. Anything wrong is a refusal
//! with its reason, never a panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use oddline_core::{
    limits::{BLOCK, GOLDEN_MAX, MODEL_BYTES_MAX},
    profile::{FORMAT, Golden, GoldenView, ModelProfile, Provenance, RECORD, WINDOW, key},
    seal::is_intact,
};

use crate::{
    error::{InferError, ModelOpenError},
    infer::{Infer, ViewModel, decode},
    shape,
};

/// The operators a model may use. Short on purpose: each one is code that runs on foreign bytes.
pub const OPERATORS: [&str; 7] = ["Div", "Gemm", "Mul", "Reshape", "Sub", "Tanh", "Tile"];

/// Views of one model: each is planned when the file is opened.
const VIEWS_MAX: usize = 4;
/// Golden rows must be met this closely; CPUs differ in the last bits.
const GOLDEN_TOLERANCE: f32 = 1e-5;

/// An opened model: everything judging needs. Cheap to share between threads.
#[derive(Clone)]
pub struct OpenModel {
    /// Grows from model to model.
    pub version: u64,
    /// How to score and what is usual.
    pub profile: Arc<ModelProfile>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Rows with expected residuals, by view.
    pub golden: Golden,
    /// The record view first, then others that the golden rows name.
    views: Arc<[ViewModel]>,
}

impl OpenModel {
    /// Opens a model file's bytes.
    ///
    /// # Errors
    /// Everything that makes the file unfit, see [`ModelOpenError`].
    pub fn open(bytes: &[u8]) -> Result<Self, ModelOpenError> {
        if bytes.len() > MODEL_BYTES_MAX {
            return Err(ModelOpenError::TooLarge { found: bytes.len(), limit: MODEL_BYTES_MAX });
        }
        // The runtime has panicked on malformed tensors before: foreign bytes must not take the process down.
        catch_unwind(AssertUnwindSafe(|| checked(bytes))).unwrap_or(Err(ModelOpenError::Panicked))
    }

    /// A way to run the record view, one per thread.
    ///
    /// # Errors
    /// When the runtime cannot allocate its state.
    pub fn infer(&self) -> Result<Infer, InferError> {
        self.views[0].infer()
    }

    /// Another view, where the model has it.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<&ViewModel> {
        self.views.iter().find(|view| view.name == name)
    }

    /// The same model judging by another profile: for calibration, before a threshold is known.
    #[must_use]
    pub fn with_profile(&self, profile: ModelProfile) -> Self {
        Self { profile: Arc::new(profile), ..self.clone() }
    }
}

fn checked(bytes: &[u8]) -> Result<OpenModel, ModelOpenError> {
    let proto = decode(bytes).map_err(ModelOpenError::NotOnnx)?;
    let metadata = |key: &'static str| {
        let mut entries = proto.metadata_props.iter().filter(|e| e.key == key);
        entries.next_back().map(|e| e.value.as_str()).ok_or(ModelOpenError::NoMetadata(key))
    };
    let format = metadata(key::FORMAT)?;
    if format != FORMAT {
        return Err(ModelOpenError::Format { found: format.to_owned(), expected: FORMAT });
    }
    if !is_intact(bytes) {
        return Err(ModelOpenError::Edited);
    }
    let unreadable = |key, reason: String| ModelOpenError::Metadata { key, reason };
    let version = metadata(key::VERSION)?;
    let version: u64 = version.parse().map_err(|_| unreadable(key::VERSION, format!("{version:?} is no number")))?;
    let profile = ModelProfile::from_json(metadata(key::PROFILE)?)?;
    let provenance =
        serde_json::from_str(metadata(key::PROVENANCE)?).map_err(|e| unreadable(key::PROVENANCE, e.to_string()))?;
    let golden: Golden =
        serde_json::from_str(metadata(key::GOLDEN)?).map_err(|e| unreadable(key::GOLDEN, e.to_string()))?;
    let graph = proto.graph.as_ref().ok_or_else(|| ModelOpenError::Graph("the file holds no graph".to_owned()))?;
    if let Some(node) = graph.node.iter().find(|n| !OPERATORS.contains(&n.op_type.as_str())) {
        return Err(ModelOpenError::Operator { operator: node.op_type.clone(), node: node.name.clone() });
    }
    let tensors = shape::check(graph).map_err(ModelOpenError::Graph)?;
    if golden.len() > VIEWS_MAX {
        return Err(unreadable(
            key::GOLDEN,
            format!("there are {} views, at most {VIEWS_MAX} are allowed", golden.len()),
        ));
    }
    let others = golden.keys().filter(|name| *name != RECORD);
    let names = core::iter::once(RECORD).chain(others.map(String::as_str));
    let views = names.map(|name| ViewModel::plan(graph, &tensors, name)).collect::<Result<_, _>>();
    let views = views.map_err(ModelOpenError::Graph)?;
    let model = OpenModel { version, profile: Arc::new(profile), provenance, golden, views };
    model.views.iter().try_for_each(|view| check_golden(view, model.golden.get(&view.name)))?;
    if let Some(window) = &model.profile.window
        && model.view(WINDOW).is_none_or(|view| view.width != window.width())
    {
        let reason = format!("its view {WINDOW:?} has not the {} numbers of its profile", window.width());
        return Err(ModelOpenError::Graph(reason));
    }
    Ok(model)
}

fn check_golden(view: &ViewModel, golden: Option<&GoldenView>) -> Result<(), ModelOpenError> {
    let width = view.width;
    let (inputs, expected) = golden
        .ok_or("there are no golden rows of the record view")
        .and_then(|golden| golden_rows(golden, width))
        .map_err(|reason| ModelOpenError::Metadata { key: key::GOLDEN, reason: reason.to_owned() })?;
    let run = |e: InferError| ModelOpenError::Graph(e.to_string());
    let mut found = vec![0.0; BLOCK * width];
    view.infer().and_then(|mut infer| infer.block(&inputs, &mut found)).map_err(run)?;
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        // Residuals of clipped inputs reach a few hundred scales: relative beyond one.
        let met = (found - expected).abs() <= GOLDEN_TOLERANCE * expected.abs().max(1.0);
        if !met {
            let (row, feature) = (at / width, at % width);
            return Err(ModelOpenError::Golden { row, feature, found: *found, expected: *expected });
        }
    }
    Ok(())
}

/// The inputs filled up to a block, and the outputs, each one row behind the other.
fn golden_rows(view: &GoldenView, width: usize) -> Result<(Vec<f32>, Vec<f32>), &'static str> {
    if view.inputs.is_empty() || view.inputs.len() > GOLDEN_MAX || view.inputs.len() != view.outputs.len() {
        return Err("there must be 1 to 16 golden rows, each with its output");
    }
    let is_row = |row: &Vec<f32>| row.len() == width && row.iter().all(|x| x.is_finite());
    if !view.inputs.iter().chain(&view.outputs).all(is_row) {
        return Err("a golden row is not made of finite numbers, one a feature");
    }
    let mut inputs = view.inputs.concat();
    inputs.resize(BLOCK * width, 0.0);
    Ok((inputs, view.outputs.concat()))
}
