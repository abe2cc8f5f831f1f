//! The model file: trained weights as one ONNX file, and weights back out of one.
//!
//! ```text
//! views --check--> build (graph) --proto--> bytes --seal, read back, compare--> the file
//! bytes --proto--> read --check--> build again, compare--> View (a warm start)
//! ```
//!
//! A file holds one input and one output per view: `record` and `record_residual`. What they mean is
//! drawn in `graph`, what may be in them is said in `check`, the bytes are drawn in `proto`.
//! The same views and metadata give the same bytes: no clock, no hash order, no version of anything.
//! Refuses weights that could not be read back, computed, or carried (see [`ExportError`]).
//! Signing, naming and storing the file are done elsewhere; metadata is text that is not looked into.

mod check;
mod error;
mod graph;
mod proto;
mod read;
#[cfg(test)]
mod tests;

pub use check::BYTES_MAX;
pub use error::{ExportError, ModelPart};
pub use graph::OPS;
pub use read::decode_weights;

use oddline_core::seal::seal;
use proto::{GraphProto, ModelProto, OperatorSet, Property};

/// Of 2022: every runtime in use reads it.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
const PRODUCER: &str = "oddline";

/// One dense layer as Burn keeps it: `weight` row-major [inputs, outputs].
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    pub inputs: usize,
    pub outputs: usize,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The autoencoder of one view.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Lower-case letters and digits: the graph's input, and the prefix of every other name.
    pub name: String,
    pub center: Vec<f32>,
    /// Per feature, divided by: the standard deviation with its floor applied.
    pub scale: Vec<f32>,
    pub layers: Vec<Dense>,
    /// Per layer: tanh after it.
    pub tanh: Vec<bool>,
    /// Each feature is reconstructed from the others only; needs two layers or more.
    pub leave_one_out: bool,
}

/// Writes views and metadata as a model file.
///
/// # Errors
/// A view or a metadata key that must not be written, named; a file over [`BYTES_MAX`].
pub fn encode(views: &[View], metadata: &[(&str, String)]) -> Result<Vec<u8>, ExportError> {
    if views.is_empty() {
        return Err(ExportError::NoViews);
    }
    for view in views {
        check::check(view)?;
    }
    if let Some(view) = repeated(views.iter().map(|v| v.name.as_str())) {
        return Err(ExportError::DuplicateView { view });
    }
    if let Some(key) = repeated(metadata.iter().map(|(key, _)| *key)) {
        return Err(ExportError::DuplicateKey { key });
    }
    let mut bytes = proto::to_bytes(&model(views, metadata));
    seal(&mut bytes);
    check_read_back(&bytes, views)?;
    Ok(bytes)
}

fn model(views: &[View], metadata: &[(&str, String)]) -> ModelProto {
    let mut graph = GraphProto { name: PRODUCER.to_owned(), ..GraphProto::default() };
    for part in views.iter().map(graph::build) {
        graph.node.extend(part.nodes);
        graph.initializer.extend(part.initializers);
        graph.input.push(part.input);
        graph.output.push(part.output);
    }
    let property = |(key, value): &(&str, String)| Property { key: (*key).to_owned(), value: value.clone() };
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.to_owned(),
        graph: Some(graph),
        opset_import: vec![operator_set()],
        metadata_props: metadata.iter().map(property).collect(),
    }
}

fn operator_set() -> OperatorSet {
    OperatorSet { domain: String::new(), version: OPSET }
}

fn check_read_back(bytes: &[u8], views: &[View]) -> Result<(), ExportError> {
    for view in views {
        if decode_weights(bytes, &view.name)? != *view {
            let object = "what was read back".to_owned();
            return Err(ExportError::Foreign { view: view.name.clone(), object });
        }
    }
    Ok(())
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Some(name.to_owned());
        }
        seen.push(name);
    }
    None
}
