//! A checked graph as the runtime's own: the seven operators a model may use, wired one by one, shapes known.
//!
//! The runtime's own reader of ONNX links every operator there is and infers what `shape` has reckoned already: without
//! it the agent is smaller (docs/performance.md), and no foreign bytes reach code that no model needs.
//!
//! Rows of a block lie turned: a feature of all records, then the next. So a product finds its operands as it wants them, and
//! what is the same for all records is one number beside many; row by row the runtime spends most of its time on copying
//! numbers into place. Each number is the sum of the same terms in the same order either way.

use std::collections::HashMap;

use oddline_core::limits::BLOCK;
use tract_onnx::{
    pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType},
    prelude::{Datum, OutletId, SpecialOps, TDim, TVec, Tensor, ToDim, TractResult, TypedFact, TypedModel},
    tract_core::{
        internal::{TractErrorContext, bail},
        ops::{
            array::Tile,
            binary::TypedBinOp,
            change_axes::{AxisOp, wire_with_rank_broadcast},
            einsum::EinSum,
            math,
        },
    },
};

use crate::shape::Tensors;

/// How a tensor of rows lies in the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowLayout {
    /// As the graph has it.
    Rows,
    /// `[columns, rows]`. Where a row is so many parts, such as a hidden layer for each feature that is left out, the first
    /// columns of all parts come first.
    Columns { parts: usize },
    /// The same numbers, each part of a row a row of its own: `[columns, parts * rows]`, the rows of a part together.
    Parts { parts: usize },
}

/// A tensor of the graph in the runtime.
#[derive(Debug, Clone, Copy)]
struct WiredTensor {
    outlet: OutletId,
    layout: RowLayout,
}

/// Wires what a view's input reaches; another view's nodes are left out. Input and output are turned: `[width, BLOCK]`.
pub(crate) fn view(graph: &GraphProto, tensors: &Tensors<'_>, name: &str, width: usize) -> TractResult<TypedModel> {
    let mut model = TypedModel::default();
    let outlet = model.add_source(name, TypedFact::dt_shape(f32::datum_type(), [width, BLOCK]))?;
    let input = WiredTensor { outlet, layout: RowLayout::Columns { parts: 1 } };
    let mut wiring = GraphWiring { model, wired: HashMap::from([(name, input)]), graph, tensors };
    for tensor in graph.initializer.iter().filter(|t| t.data_type == DataType::Float as i32) {
        let constant = Tensor::from_shape(tensors.shape(&tensor.name), &floats(tensor))?;
        let outlet = wiring.model.add_const(tensor.name.as_str(), constant)?;
        wiring.wired.insert(&tensor.name, WiredTensor { outlet, layout: RowLayout::Rows });
    }
    graph.node.iter().try_for_each(|node| wiring.add(node))?;
    let residual = format!("{name}_residual");
    let output = *wiring.wired.get(residual.as_str()).with_context(|| format!("nothing makes {residual:?}"))?;
    let output = wiring.turned(&residual, output)?;
    let mut model = wiring.model;
    model.select_output_outlets(&[output])?;
    Ok(model)
}

/// The model so far, with every tensor in it.
struct GraphWiring<'a> {
    model: TypedModel,
    wired: HashMap<&'a str, WiredTensor>,
    graph: &'a GraphProto,
    tensors: &'a Tensors<'a>,
}

impl<'a> GraphWiring<'a> {
    /// Adds a node whose tensors are there.
    fn add(&mut self, node: &'a NodeProto) -> TractResult<()> {
        let inputs: TVec<Option<WiredTensor>> =
            node.input.iter().map(|i| self.wired.get(i.as_str()).copied()).collect();
        let name = node.output[0].as_str();
        let wired = match (node.op_type.as_str(), inputs.as_slice()) {
            ("Div", [Some(a), Some(b)]) => self.binary(node, math::div(), [*a, *b])?,
            ("Mul", [Some(a), Some(b)]) => self.binary(node, math::mul(), [*a, *b])?,
            ("Sub", [Some(a), Some(b)]) => self.binary(node, math::sub(), [*a, *b])?,
            ("Tanh", [Some(x)]) => {
                WiredTensor { outlet: self.model.wire_node(name, math::tanh(), &[x.outlet])?[0], layout: x.layout }
            }
            ("Gemm", [Some(a), Some(b), Some(c)]) => self.gemm(node, [*a, *b, *c])?,
            ("Reshape", [Some(x), _]) => self.reshape(node, *x)?,
            ("Tile", [Some(x), _]) => {
                let times = self.tensors.integers(&node.input[1]).iter().map(ToDim::to_dim).collect();
                let x = self.as_rows(&node.input[0], *x, name)?;
                WiredTensor { outlet: self.model.wire_node(name, Tile::new(times), &[x])?[0], layout: RowLayout::Rows }
            }
            ("Div" | "Mul" | "Sub" | "Tanh" | "Gemm" | "Reshape" | "Tile", _) => return Ok(()),
            (operator, _) => bail!("the operator {operator:?} is not known"),
        };
        self.wired.insert(name, wired);
        Ok(())
    }

    /// Number by number, in the layout of the one that is turned.
    fn binary(&mut self, node: &NodeProto, op: TypedBinOp, [a, b]: [WiredTensor; 2]) -> TractResult<WiredTensor> {
        let (name, [left, right]) = (node.output[0].as_str(), [&node.input[0], &node.input[1]]);
        let (layout, outlets) = match (a.layout, b.layout) {
            (x, y) if x == y => (x, [a.outlet, b.outlet]),
            (layout, RowLayout::Rows) if self.is_for_all_rows(right) => {
                (layout, [a.outlet, self.as_column(right, b.outlet, layout, name)?])
            }
            (RowLayout::Rows, layout) if self.is_for_all_rows(left) => {
                (layout, [self.as_column(left, a.outlet, layout, name)?, b.outlet])
            }
            _ => (RowLayout::Rows, [self.as_rows(left, a, name)?, self.as_rows(right, b, name)?]),
        };
        let outlet = wire_with_rank_broadcast(name, &mut self.model, op, &outlets)?[0];
        Ok(WiredTensor { outlet, layout })
    }

    /// `a b + c`, ONNX's `Gemm` without attributes.
    fn gemm(&mut self, node: &NodeProto, [a, b, c]: [WiredTensor; 3]) -> TractResult<WiredTensor> {
        let name = node.output[0].as_str();
        let [left, right, bias] = [&node.input[0], &node.input[1], &node.input[2]];
        let layout = match a.layout {
            RowLayout::Columns { .. } => RowLayout::Columns { parts: self.parts_after(name) },
            layout => layout,
        };
        let mut weight = self.as_rows(right, b, name)?;
        let is_turned = c.layout == RowLayout::Rows && self.is_for_all_rows(bias);
        let (a, c, layout, axes) = if layout != RowLayout::Rows && is_turned {
            let (rows, columns) = (self.tensors.shape(right)[0], self.tensors.shape(right)[1]);
            let steps = [in_parts(0, a.layout, rows), in_parts(1, layout, columns)];
            weight = self.axes(&format!("{name}.{right}"), weight, steps.into_iter().flatten().flatten())?;
            (a.outlet, self.as_column(bias, c.outlet, layout, name)?, layout, "kn,km->mn")
        } else {
            (self.as_rows(left, a, name)?, self.as_rows(bias, c, name)?, RowLayout::Rows, "mk,kn->mn")
        };
        let product = EinSum::new(axes.parse()?, f32::datum_type());
        let product = self.model.wire_node(format!("{name}.product"), product, &[a, weight])?[0];
        let outlet = wire_with_rank_broadcast(name, &mut self.model, math::add(), &[product, c])?[0];
        Ok(WiredTensor { outlet, layout })
    }

    /// Into how many rows those of a tensor are taken apart further on.
    fn parts_after(&self, tensor: &str) -> usize {
        let user = self.graph.node.iter().find(|node| node.input.first().is_some_and(|input| input == tensor));
        match user.map(|node| (node.op_type.as_str(), node.output[0].as_str())) {
            Some(("Tanh", output)) => self.parts_after(output),
            Some(("Reshape", output)) => parts(self.tensors.shape(tensor), self.tensors.shape(output)).unwrap_or(1),
            _ => 1,
        }
    }

    /// A record's parts become rows of their own, or the other way round; anything else is done row by row.
    fn reshape(&mut self, node: &NodeProto, x: WiredTensor) -> TractResult<WiredTensor> {
        let (name, before) = (node.output[0].as_str(), node.input[0].as_str());
        let (from, to) = (self.tensors.shape(before), self.tensors.shape(name));
        let layout = match x.layout {
            RowLayout::Columns { parts: there } if parts(from, to) == Some(there) => RowLayout::Parts { parts: there },
            RowLayout::Parts { parts: there } if parts(to, from) == Some(there) => RowLayout::Columns { parts: there },
            _ => RowLayout::Rows,
        };
        let (outlet, step) = match layout {
            RowLayout::Rows => (self.as_rows(before, x, name)?, AxisOp::Reshape(0, dims(from), dims(to))),
            _ => (x.outlet, AxisOp::Reshape(0, dims(&[from[1], from[0]]), dims(&[to[1], to[0]]))),
        };
        Ok(WiredTensor { outlet: self.model.wire_node(name, step, &[outlet])?[0], layout })
    }

    /// Whether a tensor says the same of all rows: numbers of columns, or one number.
    fn is_for_all_rows(&self, tensor: &str) -> bool {
        matches!(self.tensors.shape(tensor), [] | [_] | [1, _])
    }

    /// The same as `[columns, 1]` for the node `user`, in the order of a layout.
    fn as_column(&mut self, tensor: &str, outlet: OutletId, layout: RowLayout, user: &str) -> TractResult<OutletId> {
        let shape = self.tensors.shape(tensor);
        let (missing, columns) = (2_usize.saturating_sub(shape.len()), shape.last().copied().unwrap_or(1));
        let turn = core::iter::repeat_n(AxisOp::Add(0), missing).chain([AxisOp::Move(0, 1)]);
        let steps = turn.chain(in_parts(0, layout, columns).into_iter().flatten());
        self.axes(&format!("{user}.{tensor}"), outlet, steps)
    }

    /// As the graph has it, for the node `user`.
    fn as_rows(&mut self, tensor: &str, x: WiredTensor, user: &str) -> TractResult<OutletId> {
        let shape = self.tensors.shape(tensor);
        let steps = match x.layout {
            RowLayout::Rows => return Ok(x.outlet),
            RowLayout::Columns { parts } => vec![
                AxisOp::Reshape(0, dims(&[shape[1]]), dims(&[shape[1] / parts, parts])),
                AxisOp::Move(2, 0),
                AxisOp::Move(1, 2),
                AxisOp::Reshape(1, dims(&[parts, shape[1] / parts]), dims(&[shape[1]])),
            ],
            RowLayout::Parts { parts } => vec![
                AxisOp::Reshape(1, dims(&[shape[0]]), dims(&[parts, shape[0] / parts])),
                AxisOp::Move(0, 2),
                AxisOp::Move(0, 1),
                AxisOp::Reshape(0, dims(&[shape[0] / parts, parts]), dims(&[shape[0]])),
            ],
        };
        self.axes(&format!("{user}.{tensor}"), x.outlet, steps)
    }

    /// `[columns, rows]`, each in its order.
    fn turned(&mut self, tensor: &str, x: WiredTensor) -> TractResult<OutletId> {
        if x.layout == (RowLayout::Columns { parts: 1 }) {
            return Ok(x.outlet);
        }
        let outlet = self.as_rows(tensor, x, "output")?;
        self.axes("output", outlet, [AxisOp::Move(0, 1)])
    }

    fn axes(&mut self, name: &str, outlet: OutletId, steps: impl IntoIterator<Item = AxisOp>) -> TractResult<OutletId> {
        steps.into_iter().enumerate().try_fold(outlet, |outlet, (number, step)| {
            Ok(self.model.wire_node(format!("{name}.axes{number}"), step, &[outlet])?[0])
        })
    }
}

/// Into how many rows each of the first shape is taken apart in the second.
fn parts(from: &[usize], to: &[usize]) -> Option<usize> {
    let (&[rows, _], &[more, _]) = (from, to) else { return None };
    (more > rows && more.is_multiple_of(rows)).then_some(more / rows)
}

/// Brings an axis of all columns into the order of a layout: there it is part by part.
fn in_parts(axis: usize, layout: RowLayout, columns: usize) -> Option<[AxisOp; 3]> {
    let RowLayout::Columns { parts } = layout else { return None };
    let each = columns / parts;
    // One number that stands for all columns has no order.
    (parts > 1 && each > 0).then(|| {
        [
            AxisOp::Reshape(axis, dims(&[columns]), dims(&[parts, each])),
            AxisOp::Move(axis, axis + 1),
            AxisOp::Reshape(axis, dims(&[each, parts]), dims(&[columns])),
        ]
    })
}

fn dims(shape: &[usize]) -> TVec<TDim> {
    shape.iter().map(ToDim::to_dim).collect()
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    let raw = tensor.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    tensor.float_data.iter().copied().chain(raw).collect()
}

#[cfg(test)]
mod tests {
    use tract_onnx::{
        pb::ValueInfoProto,
        prelude::{IntoRunnable, tvec},
    };

    use super::*;
    use crate::{infer::optimized, shape};

    /// Numbers between -1 and 1 that repeat late.
    fn number(i: usize) -> f32 {
        (i as f32 * 0.754_877).fract() * 2.0 - 1.0
    }

    fn initializer(name: &str, dims: &[i64], from: usize) -> TensorProto {
        let count: usize = dims.iter().map(|d| *d as usize).product();
        let (name, dims) = (name.to_owned(), dims.to_vec());
        let float_data = (from..from + count).map(number).collect();
        TensorProto { name, dims, data_type: DataType::Float as i32, float_data, ..TensorProto::default() }
    }

    fn shape_to(name: &str, dims: &[i64]) -> TensorProto {
        let (dims, int64_data) = (vec![dims.len() as i64], dims.to_vec());
        TensorProto { name: name.to_owned(), dims, data_type: DataType::Int64 as i32, int64_data, ..Default::default() }
    }

    fn node(op: &str, output: &str, inputs: &[&str]) -> NodeProto {
        let input = inputs.iter().map(|i| (*i).to_owned()).collect();
        NodeProto { op_type: op.to_owned(), output: vec![output.to_owned()], input, ..NodeProto::default() }
    }

    /// Parts taken apart and put together, numbers for columns and for all, a tensor beside its parts, and shapes that no
    /// layout fits.
    #[test]
    fn every_layout_gives_the_same_numbers() {
        let graph = GraphProto {
            input: vec![ValueInfoProto { name: "record".to_owned(), ..ValueInfoProto::default() }],
            initializer: vec![
                initializer("w0", &[8, 6], 0),
                initializer("b0", &[6], 100),
                initializer("of_part", &[1, 2], 200),
                initializer("of_column", &[6], 300),
                initializer("w1", &[6, 4], 400),
                initializer("b1", &[1, 4], 500),
                initializer("all", &[1], 600),
                shape_to("apart", &[-1, 2]),
                shape_to("together", &[-1, 6]),
                shape_to("other", &[32, 8]),
                shape_to("back", &[64, 4]),
            ],
            node: vec![
                node("Gemm", "wide", &["record", "w0", "b0"]),
                node("Mul", "scaled", &["wide", "of_column"]),
                node("Reshape", "parts", &["wide", "apart"]),
                node("Sub", "less", &["of_part", "parts"]),
                node("Reshape", "joined", &["less", "together"]),
                node("Sub", "both", &["joined", "scaled"]),
                node("Gemm", "narrow", &["both", "w1", "b1"]),
                node("Reshape", "odd", &["narrow", "other"]),
                node("Reshape", "even", &["odd", "back"]),
                node("Mul", "record_residual", &["even", "all"]),
            ],
            ..GraphProto::default()
        };
        let tensors = shape::check(&graph).unwrap();
        let model = optimized(view(&graph, &tensors, "record", 8).unwrap()).unwrap();
        let record = |row: usize, column: usize| number(row * 8 + column + 1_000);
        let turned: Vec<f32> = (0..8 * BLOCK).map(|i| record(i % BLOCK, i / BLOCK)).collect();
        let input = Tensor::from_shape(&[8, BLOCK], &turned).unwrap();
        let output = model.into_runnable().unwrap().run(tvec!(input.into())).unwrap();
        let found = output[0].to_plain_array_view::<f32>().unwrap();
        assert_eq!(found.shape(), [4, BLOCK]);
        for row in 0..BLOCK {
            let both: Vec<f32> = (0..6)
                .map(|j| {
                    let wide = (0..8).map(|k| record(row, k) * number(k * 6 + j)).sum::<f32>() + number(100 + j);
                    number(200 + j % 2) - wide - wide * number(300 + j)
                })
                .collect();
            for column in 0..4 {
                let narrow = (0..6).map(|k| both[k] * number(400 + k * 4 + column)).sum::<f32>() + number(500 + column);
                let (expected, found) = (narrow * number(600), found[[column, row]]);
                assert!((expected - found).abs() < 1e-4, "row {row}, column {column}: {found} for {expected}");
            }
        }
    }
}
