//! A view's weights as ONNX nodes. Pure: a view in, its part of the graph out.
//!
//! ```text
//! <view> [N, D] -- Sub center -- Div scale --> z [N, D] --------------------------------------.
//!                                              |                                              |
//!   first layer   Gemm wide_weight, wide_bias [N, D*H] (Tanh)                                 |
//!                 Reshape rows                [N*D, H]     a row per (record, hidden input)   |
//!   inner layers  Gemm (Tanh) ...             [N*D, G]                                        |
//!                 Reshape back                [N, D*G]                                        |
//!   last layer    Gemm pick_weight, bias      [N, D] (Tanh) = reconstruction                  |
//!                                              |                                              |
//!                                             Sub <-------------------------------------------'
//!                                              `--> <view>_residual [N, D]
//! ```
//!
//! Feature j is reconstructed from the others only. Zeroing input j is the same as zeroing row j of
//! the first weight, so D copies of it side by side, each with its own row zeroed, do all D passes in
//! one product; of the last layer's outputs only output j of pass j is wanted, so the last weight
//! becomes D blocks with one column each. Both are made from the weights by nodes without an input,
//! which runtimes evaluate once when they load (weights are in the file once, in the trainer's shape):
//!
//! ```text
//! l0_weight [D,H] -Reshape [D,1,H]- Mul others [D,D,1] = 1 - I -Reshape-> wide_weight [D, D*H]
//! l0_bias   [H]   -Tile D-----------------------------------------------> wide_bias   [D*H]
//! last weight [G,D] --------------- Mul own    [D,1,D] = I     -Reshape-> pick_weight [D*G, D]
//! ```
//!
//! Multiplying by 0 and 1 is exact, so this is the masked forward pass and not an approximation.
//! Tried and left, at 64 records, D of 8 and 32: the mask on the inputs, 3-D or reshaped to rows,
//! takes 1.5 to 2.9 times as long in tract and onnxruntime; subtracting `z_j W[j]` after the first
//! layer 1.4 to 2.1 times. Unfolded weights in the file are as fast, and 135 KB at D = 32 instead of
//! 14. Reshape sizes are constants with -1 for the batch, so `N` may stay symbolic.
//!
//! Without `leave_one_out` the layers are plain Gemms on [N, D].
//! Every name starts with `<view>_`, and a node is named after its output: two views share a file.
//! They share `N` too: a runtime that is given the whole file computes both at one batch size; one
//! that takes a view out of it (its input, its output) is free.

use super::proto::{Dim, FLOAT, INT64, NodeProto, ShapeProto, TensorProto, TensorType, TypeProto, ValueInfo};
use super::{Dense, View};

/// All operators a file may hold, standard domain, opset 17; none has an attribute.
pub const OPS: &[&str] = &["Div", "Gemm", "Mul", "Reshape", "Sub", "Tanh", "Tile"];

/// One view's share of a graph.
pub(super) struct ViewGraph {
    pub nodes: Vec<NodeProto>,
    pub initializers: Vec<TensorProto>,
    pub input: ValueInfo,
    pub output: ValueInfo,
}

/// Builds the nodes of a view that `check` has passed.
pub(super) fn build(view: &View) -> ViewGraph {
    let width = view.center.len();
    let mut b = Builder { prefix: &view.name, nodes: Vec::new(), initializers: Vec::new() };
    let center = b.floats("center", &[width], &view.center);
    let scale = b.floats("scale", &[width], &view.scale);
    let layers: Vec<Weights> = view.layers.iter().enumerate().map(|(i, l)| b.layer(i, l)).collect();

    let centered = b.node("Sub", "centered", &[&view.name, &center]);
    let z = b.node("Div", "z", &[&centered, &scale]);
    let reconstruction =
        if view.leave_one_out { leave_one_out(&mut b, view, layers, &z) } else { plain(&mut b, view, &layers, &z) };
    let residual = b.node("Sub", "residual", &[&z, &reconstruction]);

    let (input, output) = (batch(&view.name, width), batch(&residual, width));
    ViewGraph { nodes: b.nodes, initializers: b.initializers, input, output }
}

/// Names of a layer's tensors.
struct Weights {
    weight: String,
    bias: String,
}

fn plain(b: &mut Builder<'_>, view: &View, layers: &[Weights], z: &str) -> String {
    layers.iter().enumerate().fold(z.to_owned(), |x, (i, l)| b.dense(i, view.tanh[i], &x, l))
}

fn leave_one_out(b: &mut Builder<'_>, view: &View, mut layers: Vec<Weights>, z: &str) -> String {
    let last = layers.len() - 1;
    let (first_layer, last_layer) = (&view.layers[0], &view.layers[last]);
    layers[0] = unfold_first(b, first_layer, &layers[0]);
    layers[last] = unfold_last(b, last_layer, &layers[last]);
    let (hidden, joined) = (first_layer.outputs, last_layer.inputs * last_layer.outputs);

    let wide = b.dense(0, view.tanh[0], z, &layers[0]);
    let mut x = b.reshape("rows", &wide, &[-1, size(hidden)]);
    for (i, layer) in layers.iter().enumerate().take(last).skip(1) {
        x = b.dense(i, view.tanh[i], &x, layer);
    }
    let back = b.reshape("back", &x, &[-1, size(joined)]);
    b.dense(last, view.tanh[last], &back, &layers[last])
}

/// D copies of the first layer, each without its own input.
fn unfold_first(b: &mut Builder<'_>, layer: &Dense, names: &Weights) -> Weights {
    let (d, h) = (layer.inputs, layer.outputs);
    let others: Vec<f32> = identity(d).map(|v| 1.0 - v).collect();
    let others = b.floats("others", &[d, d, 1], &others);
    let split = b.reshape("split", &names.weight, &[size(d), 1, size(h)]);
    let kept = b.node("Mul", "kept", &[&split, &others]);
    let weight = b.reshape("wide_weight", &kept, &[size(d), size(d * h)]);
    let copies = b.integers("copies", &[size(d)]);
    let bias = b.node("Tile", "wide_bias", &[&names.bias, &copies]);
    Weights { weight, bias }
}

/// The last layer with D blocks of inputs, block j for output j only.
fn unfold_last(b: &mut Builder<'_>, layer: &Dense, names: &Weights) -> Weights {
    let (g, d) = (layer.inputs, layer.outputs);
    let own: Vec<f32> = identity(d).collect();
    let own = b.floats("own", &[d, 1, d], &own);
    let picked = b.node("Mul", "picked", &[&names.weight, &own]);
    let weight = b.reshape("pick_weight", &picked, &[size(d * g), size(d)]);
    Weights { weight, bias: names.bias.clone() }
}

fn identity(d: usize) -> impl Iterator<Item = f32> {
    (0..d * d).map(move |i| if i / d == i % d { 1.0 } else { 0.0 })
}

/// Collects nodes and initializers; prefixes every name with the view's.
struct Builder<'a> {
    prefix: &'a str,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Builder<'_> {
    fn node(&mut self, op: &str, output: &str, inputs: &[&str]) -> String {
        debug_assert!(OPS.contains(&op), "{op} is not on the list");
        let name = tensor_name(self.prefix, output);
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
        });
        name
    }

    fn reshape(&mut self, output: &str, x: &str, shape: &[i64]) -> String {
        let shape = self.integers(&format!("{output}_shape"), shape);
        self.node("Reshape", output, &[x, &shape])
    }

    fn dense(&mut self, layer: usize, tanh: bool, x: &str, names: &Weights) -> String {
        let y = self.node("Gemm", &format!("l{layer}"), &[x, &names.weight, &names.bias]);
        if tanh { self.node("Tanh", &format!("l{layer}_tanh"), &[&y]) } else { y }
    }

    fn layer(&mut self, index: usize, layer: &Dense) -> Weights {
        let weight = self.floats(&weight_name(index), &[layer.inputs, layer.outputs], &layer.weight);
        let bias = self.floats(&bias_name(index), &[layer.outputs], &layer.bias);
        Weights { weight, bias }
    }

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, dims.iter().map(|d| size(*d)).collect(), FLOAT, raw)
    }

    fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, vec![size(values.len())], INT64, raw)
    }

    fn initializer(&mut self, name: &str, dims: Vec<i64>, data_type: i32, raw_data: Vec<u8>) -> String {
        let name = tensor_name(self.prefix, name);
        let (float_data, int64_data) = (Vec::new(), Vec::new());
        self.initializers.push(TensorProto { dims, data_type, float_data, int64_data, name: name.clone(), raw_data });
        name
    }
}

pub(super) fn tensor_name(view: &str, name: &str) -> String {
    format!("{view}_{name}")
}

pub(super) fn weight_name(layer: usize) -> String {
    format!("l{layer}_weight")
}

pub(super) fn bias_name(layer: usize) -> String {
    format!("l{layer}_bias")
}

/// The type `f32 [N, width]`.
fn batch(name: &str, width: usize) -> ValueInfo {
    let n = Dim { dim_value: 0, dim_param: "N".to_owned() };
    let width = Dim { dim_value: size(width), dim_param: String::new() };
    let tensor = TensorType { elem_type: FLOAT, shape: Some(ShapeProto { dim: vec![n, width] }) };
    ValueInfo { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn size(n: usize) -> i64 {
    i64::try_from(n).expect("sizes are bounded by check")
}
