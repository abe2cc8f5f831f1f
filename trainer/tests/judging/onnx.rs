//! A model file's protobuf, to compare two of them.

#[allow(dead_code, reason = "files are read here, not written")]
#[path = "../../src/export/proto.rs"]
mod proto;

pub(crate) use proto::ModelProto;

/// A model file without its checksum.
pub(crate) fn decode(bytes: &[u8]) -> ModelProto {
    let mut model = proto::from_bytes(bytes).unwrap();
    model.metadata_props.retain(|p| p.key != "oddline.checksum");
    model
}
