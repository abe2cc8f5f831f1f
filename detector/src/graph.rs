//! A checked graph as the runtime's own: the seven operators a model may use, wired one by one, shapes known.
//!
//! The runtime's own reader of ONNX links every operator there is and infers what `shape` has reckoned already: without
//! it the agent is smaller (docs/performance.md), and no foreign bytes reach code that no model needs.

use std::collections::HashMap;

use oddline_core::limits::BLOCK;
use tract_onnx::{
    pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType},
    prelude::{Datum, OutletId, SpecialOps, TVec, Tensor, ToDim, TractResult, TypedFact, TypedModel},
    tract_core::{
        axes::AxesMapping,
        internal::{TractErrorContext, bail},
        ops::{
            array::Tile,
            change_axes::{AxisOp, wire_with_rank_broadcast},
            einsum::EinSum,
            math,
        },
    },
};

use crate::shape::Tensors;

/// Wires what a view's input reaches; another view's nodes are left out.
pub(crate) fn view(graph: &GraphProto, tensors: &Tensors<'_>, name: &str, width: usize) -> TractResult<TypedModel> {
    let mut model = TypedModel::default();
    let input = model.add_source(name, TypedFact::dt_shape(f32::datum_type(), [BLOCK, width]))?;
    let mut wiring = GraphWiring { model, outlets: HashMap::from([(name, input)]), tensors };
    for tensor in graph.initializer.iter().filter(|t| t.data_type == DataType::Float as i32) {
        let constant = Tensor::from_shape(tensors.shape(&tensor.name), &floats(tensor))?;
        let outlet = wiring.model.add_const(tensor.name.as_str(), constant)?;
        wiring.outlets.insert(&tensor.name, outlet);
    }
    graph.node.iter().try_for_each(|node| wiring.add(node))?;
    let GraphWiring { mut model, outlets, .. } = wiring;
    let residual = format!("{name}_residual");
    let output = outlets.get(residual.as_str()).with_context(|| format!("nothing makes {residual:?}"))?;
    model.select_output_outlets(&[*output])?;
    Ok(model)
}

/// The model so far, with the outlet of every tensor in it.
struct GraphWiring<'a> {
    model: TypedModel,
    outlets: HashMap<&'a str, OutletId>,
    tensors: &'a Tensors<'a>,
}

impl<'a> GraphWiring<'a> {
    /// Adds a node whose tensors are there.
    fn add(&mut self, node: &'a NodeProto) -> TractResult<()> {
        let outlets: TVec<Option<OutletId>> =
            node.input.iter().map(|i| self.outlets.get(i.as_str()).copied()).collect();
        let name = node.output[0].as_str();
        let made = match (node.op_type.as_str(), outlets.as_slice()) {
            ("Div", [Some(a), Some(b)]) => wire_with_rank_broadcast(name, &mut self.model, math::div(), &[*a, *b])?,
            ("Mul", [Some(a), Some(b)]) => wire_with_rank_broadcast(name, &mut self.model, math::mul(), &[*a, *b])?,
            ("Sub", [Some(a), Some(b)]) => wire_with_rank_broadcast(name, &mut self.model, math::sub(), &[*a, *b])?,
            ("Tanh", [Some(x)]) => self.model.wire_node(name, math::tanh(), &[*x])?,
            ("Gemm", [Some(a), Some(b), Some(c)]) => self.gemm(name, *a, *b, *c)?,
            ("Reshape", [Some(x), _]) => {
                let dims = |tensor: &str| self.tensors.shape(tensor).iter().map(ToDim::to_dim).collect::<TVec<_>>();
                let reshape = AxisOp::Reshape(0, dims(&node.input[0]), dims(name));
                self.model.wire_node(name, reshape, &[*x])?
            }
            ("Tile", [Some(x), _]) => {
                let times = self.tensors.integers(&node.input[1]).iter().map(ToDim::to_dim).collect();
                self.model.wire_node(name, Tile::new(times), &[*x])?
            }
            ("Div" | "Mul" | "Sub" | "Tanh" | "Gemm" | "Reshape" | "Tile", _) => return Ok(()),
            (operator, _) => bail!("the operator {operator:?} is not known"),
        };
        self.outlets.insert(name, made[0]);
        Ok(())
    }

    /// `a b + c`, ONNX's `Gemm` without attributes.
    fn gemm(&mut self, name: &str, a: OutletId, b: OutletId, c: OutletId) -> TractResult<TVec<OutletId>> {
        let axes = AxesMapping::for_numpy_matmul(2, false, false, false)?;
        let product = self.model.wire_node(format!("{name}.product"), EinSum::new(axes, f32::datum_type()), &[a, b])?;
        wire_with_rank_broadcast(name, &mut self.model, math::add(), &[product[0], c])
    }
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    let raw = tensor.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    tensor.float_data.iter().copied().chain(raw).collect()
}
