//! Editing a model file as a vandal with tools would: decoded, changed, written and sealed again.

use oddline_core::seal::seal;
use oddline_detector::{ModelOpenError, OpenModel};
use prost::Message as _;
use serde_json::Value;
pub(crate) use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::pb::{ValueInfoProto, tensor_shape_proto::dimension, type_proto};

use crate::fixture::model_bytes;

/// `TensorProto.data_type` of 32-bit floats.
pub(crate) const FLOAT: i32 = 1;
/// `TensorProto.data_type` of 64-bit integers.
pub(crate) const INT64: i32 = 7;

pub(crate) fn floats(name: &str, dims: &[i64], values: usize) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: FLOAT,
        name: name.to_owned(),
        raw_data: vec![0; 4 * values],
        ..TensorProto::default()
    }
}

pub(crate) fn node(operator: &str, output: &str, inputs: &[&str]) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: output.to_owned(),
        op_type: operator.to_owned(),
        ..NodeProto::default()
    }
}

/// Gives rows another number of columns.
pub(crate) fn set_width(value: &mut ValueInfoProto, width: i64) {
    let kind = value.r#type.as_mut().unwrap().value.as_mut().unwrap();
    let type_proto::Value::TensorType(tensor) = kind;
    tensor.shape.as_mut().unwrap().dim[1].value = Some(dimension::Value::DimValue(width));
}

/// The model without its checksum.
pub(crate) fn decoded() -> ModelProto {
    decode(model_bytes())
}

fn decode(bytes: &[u8]) -> ModelProto {
    let mut model = ModelProto::decode(bytes).unwrap();
    model.metadata_props.retain(|p| p.key != "oddline.checksum");
    model
}

pub(crate) fn sealed(model: &ModelProto) -> Vec<u8> {
    sealed_with(model, &[])
}

/// With bytes appended to the protobuf, which merge into it.
pub(crate) fn sealed_with(model: &ModelProto, appended: &[u8]) -> Vec<u8> {
    let mut bytes = model.encode_to_vec();
    bytes.extend_from_slice(appended);
    seal(&mut bytes);
    bytes
}

/// The model after a change.
pub(crate) fn edited(change: impl FnOnce(&mut ModelProto)) -> Vec<u8> {
    let mut model = decoded();
    change(&mut model);
    sealed(&model)
}

/// The model with another graph.
pub(crate) fn regraphed(change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    edited(|model| change(model.graph.as_mut().unwrap()))
}

/// The model with the text of one metadata entry replaced.
pub(crate) fn with_metadata(key: &str, text: impl FnOnce(&str) -> String) -> Vec<u8> {
    edited(|model| {
        let entry = model.metadata_props.iter_mut().find(|p| p.key == key).unwrap();
        entry.value = text(&entry.value);
    })
}

/// The same for an entry that holds JSON.
pub(crate) fn with_json(key: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_metadata(key, |text| {
        let mut value = serde_json::from_str(text).unwrap();
        change(&mut value);
        value.to_string()
    })
}

/// Why it is refused; a panic inside is no reason.
#[track_caller]
pub(crate) fn refusal(bytes: &[u8], what: &str) -> ModelOpenError {
    match OpenModel::open(bytes) {
        Ok(_) => panic!("{what}: opened"),
        Err(ModelOpenError::Panicked) => panic!("{what}: the runtime panicked on it"),
        Err(error) => error,
    }
}

#[test]
fn what_is_not_changed_opens() {
    OpenModel::open(&sealed(&decoded())).unwrap();
    OpenModel::open(&with_json("oddline.profile", |_| {})).unwrap();
    assert_eq!(sealed(&decoded()), model_bytes(), "nothing in the file is lost on the way");
}
