//! How large a graph's tensors become, reckoned before the runtime sees it: the runtime computes constants while it
//! loads, so a few foreign bytes (a tile repeated a million times, a column times a row) could ask it for any amount of
//! memory, and a failed allocation ends the process. Refuses every graph whose shapes it cannot tell.

use std::collections::HashMap;

use oddline_core::{
    limits::{BLOCK, RECORD_FEATURES},
    profile::RECORD,
};

use crate::infer::pb::{
    GraphProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType, tensor_shape_proto::dimension,
    type_proto,
};

/// Values of all tensors together, at a full block: 16 MiB. The widest view planned (128 features) takes half of it.
const VALUES_MAX: usize = 1 << 22;
/// Two views have 40; the runtime's optimiser takes its time over each.
const NODES_MAX: usize = 256;

type TensorShape = Vec<usize>;

/// What is known of a graph's tensors.
#[derive(Default)]
pub(crate) struct Tensors<'a> {
    shapes: HashMap<&'a str, TensorShape>,
    integers: HashMap<&'a str, Vec<i64>>,
    values: usize,
}

/// Says what a graph's tensors are, or why it must not be loaded.
pub(crate) fn check(graph: &GraphProto) -> Result<Tensors<'_>, String> {
    if graph.node.len() > NODES_MAX {
        return Err(format!("it has {} nodes, at most {NODES_MAX} are allowed", graph.node.len()));
    }
    let mut tensors = Tensors::default();
    tensors.add_given(graph)?;
    for node in &graph.node {
        let shape = tensors.output_shape(node).map_err(|why| format!("node {:?}: {why}", node.name))?;
        let [name] = node.output.as_slice() else { return Err(format!("node {:?} has not one output", node.name)) };
        tensors.add(name, shape)?;
    }
    match graph.output.iter().find(|output| !tensors.shapes.contains_key(output.name.as_str())) {
        None => Ok(tensors),
        Some(output) => Err(format!("nothing makes its output {:?}", output.name)),
    }
}

impl<'a> Tensors<'a> {
    /// A tensor's shape at a full block.
    pub(crate) fn shape(&self, tensor: &str) -> &[usize] {
        self.shapes.get(tensor).map_or(&[], Vec::as_slice)
    }

    /// A stored tensor's whole numbers.
    pub(crate) fn integers(&self, tensor: &str) -> &[i64] {
        self.integers.get(tensor).map_or(&[], Vec::as_slice)
    }

    fn add_given(&mut self, graph: &'a GraphProto) -> Result<(), String> {
        if !graph.sparse_initializer.is_empty() {
            return Err("it has sparse tensors".to_owned());
        }
        for tensor in &graph.initializer {
            self.add(&tensor.name, stored_shape(tensor)?)?;
            if tensor.data_type == DataType::Int64 as i32 {
                self.integers.insert(&tensor.name, integers(tensor));
            }
        }
        graph.input.iter().try_for_each(|input| self.add(&input.name, input_shape(input)?))
    }

    fn add(&mut self, name: &'a str, shape: TensorShape) -> Result<(), String> {
        let count = count(&shape).ok_or_else(|| format!("the tensor {name:?} has the impossible shape {shape:?}"))?;
        self.values = self.values.saturating_add(count);
        if self.values > VALUES_MAX {
            return Err(format!("with the tensor {name:?} {shape:?} it needs more than {VALUES_MAX} values"));
        }
        match self.shapes.insert(name, shape) {
            None => Ok(()),
            Some(_) => Err(format!("two tensors are called {name:?}")),
        }
    }

    fn output_shape(&self, node: &NodeProto) -> Result<TensorShape, String> {
        if !node.attribute.is_empty() {
            return Err("attributes are not allowed".to_owned());
        }
        let shape =
            |name: &String| self.shapes.get(name.as_str()).ok_or_else(|| format!("no tensor {name:?} before it"));
        let inputs: Vec<&TensorShape> = node.input.iter().map(shape).collect::<Result<_, _>>()?;
        let integers = |at: usize| self.integers.get(node.input[at].as_str()).ok_or("its second input is no constant");
        match (node.op_type.as_str(), inputs.as_slice()) {
            ("Div" | "Mul" | "Sub", [a, b]) => broadcast(a, b),
            ("Tanh", [x]) => Ok((*x).clone()),
            ("Gemm", [a, b, c]) => gemm(a, b, c),
            ("Reshape", [x, _]) => reshaped(x, integers(1)?),
            ("Tile", [x, _]) => tiled(x, integers(1)?),
            (operator, _) => Err(format!("{operator:?} with {} inputs", inputs.len())),
        }
    }
}

/// Values of a shape; `None` when there are none or more than can be counted.
fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, dim| n.checked_mul(*dim)).filter(|n| *n > 0)
}

/// A stored tensor's shape, when its bytes are as many as the shape says.
fn stored_shape(tensor: &TensorProto) -> Result<TensorShape, String> {
    let wrong = || format!("the tensor {:?} does not hold what its shape {:?} says", tensor.name, tensor.dims);
    let shape: TensorShape =
        tensor.dims.iter().map(|d| usize::try_from(*d)).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let typed = |size: usize, values: usize| match tensor.raw_data.len() {
        0 => Some(values),
        bytes if values == 0 && bytes % size == 0 => Some(bytes / size),
        _ => None,
    };
    let stored = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => typed(4, tensor.float_data.len()),
        Ok(DataType::Int64) => typed(8, tensor.int64_data.len()),
        _ => None,
    };
    if stored.is_some() && stored == count(&shape) { Ok(shape) } else { Err(wrong()) }
}

fn integers(tensor: &TensorProto) -> Vec<i64> {
    let raw = tensor.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
    tensor.int64_data.iter().copied().chain(raw).collect()
}

/// The record view's shape is ours; of another view a dimension without a number is the block, as rows are.
fn input_shape(input: &ValueInfoProto) -> Result<TensorShape, String> {
    if input.name == RECORD {
        return Ok(vec![BLOCK, RECORD_FEATURES]);
    }
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(format!("the input {:?} has no type", input.name));
    };
    let dim = |value: &Option<dimension::Value>| match value {
        Some(dimension::Value::DimValue(n)) => usize::try_from(*n).unwrap_or(0),
        Some(dimension::Value::DimParam(_)) | None => BLOCK,
    };
    Ok(tensor.shape.iter().flat_map(|s| &s.dim).map(|d| dim(&d.value)).collect())
}

fn broadcast(a: &[usize], b: &[usize]) -> Result<TensorShape, String> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let dim = |i| match (at(a, i), at(b, i)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        (x, y) => Err(format!("{x} values do not meet {y}")),
    };
    (0..rank).map(dim).collect()
}

fn gemm(a: &[usize], b: &[usize], c: &[usize]) -> Result<TensorShape, String> {
    match (a, b) {
        ([rows, k], [l, columns]) if k == l => {
            let shape = vec![*rows, *columns];
            if broadcast(&shape, c)? == shape { Ok(shape) } else { Err(format!("{c:?} cannot be added to {shape:?}")) }
        }
        _ => Err(format!("{a:?} cannot be multiplied with {b:?}")),
    }
}

fn reshaped(x: &[usize], to: &[i64]) -> Result<TensorShape, String> {
    let wrong = || format!("{x:?} cannot take the shape {to:?}");
    let known: TensorShape = to.iter().filter_map(|d| usize::try_from(*d).ok()).collect();
    let (all, known_count) = (count(x).ok_or_else(wrong)?, count(&known).ok_or_else(wrong)?);
    let open = to.len() - known.len();
    let fits = if open == 0 { all == known_count } else { open == 1 && all.is_multiple_of(known_count) };
    if !fits || to.iter().any(|d| *d < -1) {
        return Err(wrong());
    }
    Ok(to.iter().map(|d| usize::try_from(*d).unwrap_or(all / known_count)).collect())
}

fn tiled(x: &[usize], repeats: &[i64]) -> Result<TensorShape, String> {
    let wrong = || format!("{x:?} cannot be repeated {repeats:?} times");
    if x.len() != repeats.len() {
        return Err(wrong());
    }
    let dim = |(d, n): (&usize, &i64)| usize::try_from(*n).ok().and_then(|n| d.checked_mul(n)).ok_or_else(wrong);
    x.iter().zip(repeats).map(dim).collect()
}
