//! Bytes in, bytes out; damage; every refusal names its object.

use super::proto::{from_bytes, to_bytes};
use super::*;

/// Numbers without a library: the fractional part of a multiple of the golden ratio, in -1..1.
fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i + 7 * seed + 1) as f32 * 0.618_034).fract() * 2.0 - 1.0).collect()
}

fn dense(inputs: usize, outputs: usize, seed: usize) -> Dense {
    Dense { inputs, outputs, weight: values(inputs * outputs, seed), bias: values(outputs, seed + 1) }
}

fn view(name: &str, leave_one_out: bool) -> View {
    View {
        name: name.to_owned(),
        center: values(5, 1),
        scale: values(5, 2).iter().map(|v| v.abs() + 0.1).collect(),
        layers: vec![dense(5, 6, 3), dense(6, 2, 4), dense(2, 6, 5), dense(6, 5, 6)],
        tanh: vec![true, false, true, false],
        leave_one_out,
    }
}

fn small() -> View {
    View {
        name: "a".to_owned(),
        center: vec![0.5, -1.0],
        scale: vec![1.0, 2.0],
        layers: vec![dense(2, 1, 1), dense(1, 2, 2)],
        tanh: vec![true, false],
        leave_one_out: true,
    }
}

fn metadata() -> Vec<(&'static str, String)> {
    vec![("oddline.format", "1".to_owned()), ("oddline.version", "7".to_owned())]
}

#[test]
fn the_same_views_give_the_same_bytes() {
    let views = [view("record", true), view("window", false)];
    assert_eq!(encode(&views, &metadata()), encode(&views, &metadata()));
}

#[test]
fn weights_come_back_as_they_were() {
    let views = [view("record", true), view("window", false), small()];
    let bytes = encode(&views, &metadata()).unwrap();
    for view in &views {
        assert_eq!(decode_weights(&bytes, &view.name).as_ref(), Ok(view));
    }
}

#[test]
fn the_file_holds_only_listed_operators_and_unique_names() {
    let bytes = encode(&[view("record", true), view("window", true)], &metadata()).unwrap();
    let model = from_bytes(&bytes).unwrap();
    let graph = model.graph.unwrap();
    let mut found: Vec<_> = graph.node.iter().map(|n| n.op_type.as_str()).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, OPS);
    let inputs = graph.input.iter().map(|i| &i.name);
    let names = graph.node.iter().map(|n| &n.name).chain(graph.initializer.iter().map(|t| &t.name));
    assert_eq!(repeated(names.chain(inputs).map(String::as_str)), None);
    assert_eq!(graph.output[1].name, "window_residual");
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    assert_eq!(model.metadata_props[1].value, "7");
}

#[test]
fn values_in_typed_fields_are_read_too() {
    let bytes = encode(&[small()], &[]).unwrap();
    let mut model = from_bytes(&bytes).unwrap();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let raw = std::mem::take(&mut tensor.raw_data);
        if tensor.data_type == proto::FLOAT {
            tensor.float_data = raw.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
        } else {
            tensor.int64_data = raw.as_chunks().0.iter().map(|v| i64::from_le_bytes(*v)).collect();
        }
    }
    assert_eq!(decode_weights(&to_bytes(&model), "a"), Ok(small()));
}

#[test]
fn a_cut_file_is_refused_and_never_panics() {
    let bytes = encode(&[small()], &[]).unwrap();
    // Cut off exactly, the checksum is missed by whoever opens the model; the weights are whole.
    let unsealed = to_bytes(&model(&[small()], &[])).len();
    for length in (0..bytes.len()).filter(|length| *length != unsealed) {
        let found = decode_weights(&bytes[..length], "a");
        assert!(found.is_err(), "cut at {length}: {found:?}");
    }
    assert_eq!(decode_weights(&[], "a"), Err(ExportError::NoGraph));
}

#[test]
fn a_flipped_byte_never_panics_and_never_changes_the_shape() {
    let bytes = encode(&[small()], &metadata()).unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x02, 0x08, 0x40, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(found) = decode_weights(&damaged, "a") {
                assert_eq!((found.layers.len(), found.tanh), (2, vec![true, false]), "byte {at} ^ {flip}");
            }
        }
    }
}

#[test]
fn a_graph_that_is_not_ours_is_refused() {
    let model = from_bytes(&encode(&[small()], &[]).unwrap()).unwrap();
    let read = |change: &dyn Fn(&mut GraphProto)| {
        let mut model = model.clone();
        change(model.graph.as_mut().unwrap());
        decode_weights(&to_bytes(&model), "a").unwrap_err().to_string()
    };
    let tail = "is not what this version writes for these weights";
    assert_eq!(read(&|g| g.node[0].op_type = "Add".into()), format!("view a: node a_centered {tail}"));
    assert_eq!(
        read(&|g| g.node.retain(|n| n.name != "a_residual")),
        format!("view a: the number of nodes, 13, {tail}")
    );
    assert_eq!(read(&|g| g.input[0].r#type = None), format!("view a: input a {tail}"));
    assert_eq!(read(&|g| g.output.clear()), format!("view a: output a_residual {tail}"));
    let own = |g: &mut GraphProto| {
        g.initializer.iter_mut().find(|t| t.name == "a_own").unwrap().raw_data[3] = 0;
    };
    assert_eq!(read(&own), format!("view a: tensor a_own {tail}"));
    assert_eq!(read(&|g| g.initializer.clear()), "tensor a_center: not in the file");
    assert_eq!(read(&|g| g.initializer[0].data_type = 11), "tensor a_center: data type 11, expected 1");
    assert_eq!(
        read(&|g| g.initializer[2].dims = vec![2, -1]),
        "tensor a_l0_weight: shape [2, -1], expected 2 sizes, all above 0"
    );
    assert_eq!(
        read(&|g| g.initializer[2].dims = vec![i64::MAX, i64::MAX]),
        format!("tensor a_l0_weight: 8 bytes of values, expected {}", usize::MAX)
    );
    assert_eq!(decode_weights(&to_bytes(&model), "b").unwrap_err().to_string(), "view b: not in the file");
}

#[test]
fn a_refusal_names_the_object() {
    let refused = |change: &dyn Fn(&mut View)| {
        let mut view = view("record", true);
        change(&mut view);
        encode(&[view], &[]).unwrap_err().to_string()
    };
    assert!(refused(&|v| v.name = "a_b".into()).starts_with("view \"a_b\": a name is"));
    assert_eq!(refused(&|v| v.layers.clear()), "view record: 0 layers, expected 2 to 16");
    assert_eq!(refused(&|v| v.scale.truncate(4)), "view record: scale: expected 5 values, found 4");
    assert_eq!(refused(&|v| v.tanh.truncate(3)), "view record: tanh flags: expected 4 values, found 3");
    assert_eq!(
        refused(&|v| v.layers[1].weight.truncate(11)),
        "view record: layer 1 weight: expected 12 values, found 11"
    );
    assert_eq!(refused(&|v| v.layers[1] = dense(5, 2, 1)), "view record: layer 1: expected 6 inputs, found 5");
    assert_eq!(refused(&|v| v.layers[3] = dense(6, 4, 1)), "view record: the last layer has 4 outputs, expected 5");
    assert_eq!(
        refused(&|v| v.layers[2] = dense(2, 0, 1)),
        "view record: layer 2: a layer has at least one input and one output"
    );
    assert_eq!(
        refused(&|v| v.layers[2].bias[4] = f32::NAN),
        "view record: layer 2 bias: value at index 4 is not finite"
    );
    assert_eq!(refused(&|v| v.scale[1] = 0.0), "view record: scale at index 1 is 0, expected more than 0");
    assert_eq!(
        refused(&|v| {
            v.layers[0] = dense(5, 50_000, 1);
            v.layers[1] = dense(50_000, 2, 1);
        }),
        "view record: leave-one-out weights unfold to 1250000 values, at most 1048576 are allowed"
    );
}

#[test]
fn files_and_keys_have_limits() {
    assert_eq!(encode(&[], &[]), Err(ExportError::NoViews));
    let twice = encode(&[small(), small()], &[]);
    assert_eq!(twice, Err(ExportError::DuplicateView { view: "a".to_owned() }));
    let keys = [("k", String::new()), ("k", String::new())];
    assert_eq!(encode(&[small()], &keys), Err(ExportError::DuplicateKey { key: "k".to_owned() }));
    let long = encode(&[small()], &[("k", "x".repeat(BYTES_MAX))]);
    assert!(matches!(long, Err(ExportError::TooLarge { found }) if found > BYTES_MAX));
}
