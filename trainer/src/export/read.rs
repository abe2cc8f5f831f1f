//! Weights back out of a model file, for a warm start.
//!
//! Reads the files this version writes, and refuses any other: after the weights are read, the view's
//! graph is built from them again and must be the file's, node for node and tensor for tensor. So a
//! file whose graph computes something else than its weights suggest is never trained on. Bytes may
//! be damaged in any way; the answer is then an error that names the object.

use super::check::{BYTES_MAX, LAYERS_MAX, check};
use super::graph::{bias_name, build, tensor_name, weight_name};
use super::proto::{FLOAT, GraphProto, INT64, TensorProto, from_bytes};
use super::{Dense, ExportError, IR_VERSION, View, operator_set};

/// Reads the named view of a model file.
///
/// # Errors
/// The bytes are no ONNX file, hold no such view, or hold something `encode` would not write.
pub fn decode_weights(bytes: &[u8], view: &str) -> Result<View, ExportError> {
    if bytes.len() > BYTES_MAX {
        return Err(ExportError::TooLarge { found: bytes.len() });
    }
    let model = from_bytes(bytes).map_err(|reason| ExportError::NotProtobuf { reason })?;
    let same_version = model.ir_version == IR_VERSION && model.opset_import == [operator_set()];
    let mut graph = model.graph.ok_or(ExportError::NoGraph)?;
    if !graph.input.iter().any(|i| i.name == view) {
        return Err(ExportError::MissingView { view: view.to_owned() });
    }
    graph.initializer.iter_mut().for_each(gather_raw);

    let weights = read_view(&graph, view)?;
    check(&weights)?;
    check_same_graph(&graph, &weights)?;
    if !same_version {
        let object = "the version of the format".to_owned();
        return Err(ExportError::Foreign { view: weights.name, object });
    }
    Ok(weights)
}

fn read_view(graph: &GraphProto, view: &str) -> Result<View, ExportError> {
    let (_, center) = floats(graph, &tensor_name(view, "center"), 1)?;
    let (_, scale) = floats(graph, &tensor_name(view, "scale"), 1)?;
    let has_node = |name: String| graph.node.iter().any(|n| n.name == tensor_name(view, &name));
    let count = (0..LAYERS_MAX).take_while(|i| has_node(format!("l{i}"))).count();
    let layers = (0..count).map(|i| read_layer(graph, view, i)).collect::<Result<_, _>>()?;
    let tanh = (0..count).map(|i| has_node(format!("l{i}_tanh"))).collect();
    let leave_one_out = has_node("wide_weight".to_owned());
    Ok(View { name: view.to_owned(), center, scale, layers, tanh, leave_one_out })
}

fn read_layer(graph: &GraphProto, view: &str, index: usize) -> Result<Dense, ExportError> {
    let (dims, weight) = floats(graph, &tensor_name(view, &weight_name(index)), 2)?;
    let (_, bias) = floats(graph, &tensor_name(view, &bias_name(index)), 1)?;
    Ok(Dense { inputs: dims[0], outputs: dims[1], weight, bias })
}

/// A float tensor of the given rank: its sizes, all above 0, and exactly as many values.
fn floats(graph: &GraphProto, name: &str, rank: usize) -> Result<(Vec<usize>, Vec<f32>), ExportError> {
    let tensor = find(graph, name)?;
    if tensor.data_type != FLOAT {
        let (tensor, found) = (name.to_owned(), tensor.data_type);
        return Err(ExportError::DataType { tensor, expected: FLOAT, found });
    }
    let dims: Vec<usize> = tensor.dims.iter().filter_map(|d| usize::try_from(*d).ok()).filter(|d| *d > 0).collect();
    if tensor.dims.len() != rank || dims.len() != rank {
        let (tensor, found) = (name.to_owned(), tensor.dims.clone());
        return Err(ExportError::Rank { tensor, expected: rank, found });
    }
    let expected = dims.iter().fold(size_of::<f32>(), |n, d| n.saturating_mul(*d));
    let found = tensor.raw_data.len();
    if found != expected {
        return Err(ExportError::Data { tensor: name.to_owned(), expected, found });
    }
    let (values, _) = tensor.raw_data.as_chunks();
    Ok((dims, values.iter().map(|v| f32::from_le_bytes(*v)).collect()))
}

fn find<'a>(graph: &'a GraphProto, name: &str) -> Result<&'a TensorProto, ExportError> {
    let tensor = graph.initializer.iter().find(|t| t.name == name);
    tensor.ok_or_else(|| ExportError::MissingTensor { tensor: name.to_owned() })
}

/// Other writers keep values in typed fields; afterwards they are where ours are.
fn gather_raw(tensor: &mut TensorProto) {
    if tensor.raw_data.is_empty() && tensor.data_type == FLOAT {
        tensor.raw_data = tensor.float_data.drain(..).flat_map(f32::to_le_bytes).collect();
    }
    if tensor.raw_data.is_empty() && tensor.data_type == INT64 {
        tensor.raw_data = tensor.int64_data.drain(..).flat_map(i64::to_le_bytes).collect();
    }
}

fn check_same_graph(graph: &GraphProto, view: &View) -> Result<(), ExportError> {
    let foreign = |object: String| Err(ExportError::Foreign { view: view.name.clone(), object });
    let expected = build(view);
    let prefix = tensor_name(&view.name, "");
    let nodes: Vec<_> = graph.node.iter().filter(|n| n.name.starts_with(&prefix)).collect();
    let node_pairs = expected.nodes.iter().zip(&nodes);
    if let Some((node, _)) = node_pairs.clone().find(|(a, b)| a != *b) {
        return foreign(format!("node {}", node.name));
    }
    if nodes.len() != expected.nodes.len() {
        return foreign(format!("the number of nodes, {},", nodes.len()));
    }
    for tensor in &expected.initializers {
        if find(graph, &tensor.name)? != tensor {
            return foreign(format!("tensor {}", tensor.name));
        }
    }
    if !graph.input.contains(&expected.input) {
        return foreign(format!("input {}", expected.input.name));
    }
    if !graph.output.contains(&expected.output) {
        return foreign(format!("output {}", expected.output.name));
    }
    Ok(())
}
