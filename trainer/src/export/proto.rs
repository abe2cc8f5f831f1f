//! The slice of ONNX's protobuf schema that a model file needs, as prost structs.
//!
//! ```text
//! ModelProto         1 ir_version  2 producer_name  7 graph  8 opset_import*  14 metadata_props*
//! |- OperatorSet     1 domain  2 version
//! |- Property        1 key  2 value
//! `- GraphProto      1 node*  2 name  5 initializer*  11 input*  12 output*
//!    |- NodeProto    1 input*  2 output*  3 name  4 op_type
//!    |- TensorProto  1 dims*  2 data_type  4 float_data*  7 int64_data*  8 name  9 raw_data
//!    `- ValueInfo    1 name  2 type
//!       `- TypeProto 1 tensor_type
//!          `- TensorType  1 elem_type  2 shape
//!             `- Shape    1 dim*
//!                `- Dim   1 dim_value  2 dim_param        (* repeated)
//! ```
//!
//! The numbers are those of the public `onnx.proto`. Absent on purpose: attributes (no operator we
//! write needs one), sub-graphs, external data, documentation strings. A decoder skips what it does
//! not know, so a file that carries them still reads. The schema's two `oneof`s (the kind of type,
//! the kind of dimension) are plain fields here: on the wire they are the same, and we write one kind.
//!
//! This is the only importer of prost; its traits and errors end here.

use prost::Message;

/// `TensorProto.data_type` of 32-bit floats.
pub(crate) const FLOAT: i32 = 1;
/// `TensorProto.data_type` of 64-bit integers.
pub(crate) const INT64: i32 = 7;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Property {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
}

/// Values in exactly one of `raw_data` (little-endian), `float_data` and `int64_data`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dim>,
}

/// A size (`dim_value`, never 0 here) or the name of one (`dim_param`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dim {
    #[prost(int64, tag = "1")]
    pub dim_value: i64,
    #[prost(string, tag = "2")]
    pub dim_param: String,
}

/// The bytes of a model: fields in the order of their numbers, so the same model gives the same bytes.
pub(crate) fn to_bytes(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// The model in some bytes, or why they are none.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<ModelProto, String> {
    ModelProto::decode(bytes).map_err(|e| e.to_string())
}
