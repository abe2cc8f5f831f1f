//! Graphs that compute something else, or ask for more than a machine has: refused before anything is allocated.

use std::{fs, time::Instant};

use oddline_detector::ModelOpenError;

use crate::onnx::{FLOAT, GraphProto, INT64, TensorProto, decoded, floats, node, refusal, regraphed, sealed_with};

/// Far more than any refusal takes, far less than what these graphs ask for.
const SECONDS_MAX: f64 = 5.0;
const MEMORY_KIB_MAX: u64 = 1 << 20;

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: INT64,
        name: name.to_owned(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn set_integers(graph: &mut GraphProto, name: &str, values: &[i64]) {
    let tensor = graph.initializer.iter_mut().find(|t| t.name == name).unwrap();
    *tensor = integers(name, values);
}

/// Field `number` of a protobuf message holding `payload`.
fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 128 && number < 16, "one byte each");
    [&[number << 3 | 2, length], payload].concat()
}

#[track_caller]
fn refused_graph(bytes: &[u8], what: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test measures how long a hostile graph takes")]
    let begun = Instant::now();
    let refused = refusal(bytes, what);
    assert!(matches!(refused, ModelOpenError::Graph(_)), "{what}: {refused}");
    assert!(begun.elapsed().as_secs_f64() < SECONDS_MAX, "{what}: refused after {:?}", begun.elapsed());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MEMORY_KIB_MAX, "{what}: {peak} KiB at the peak");
    refused.to_string()
}

#[test]
fn tiles_without_end() {
    for copies in [1_000_000_000, i64::MAX, 1 << 40, -1, 0] {
        refused_graph(&regraphed(|g| set_integers(g, "record_copies", &[copies])), &format!("{copies} copies"));
    }
    refused_graph(&regraphed(|g| set_integers(g, "record_copies", &[8, 8])), "another rank");
    let chain = regraphed(|g| {
        g.initializer.push(integers("many", &[60_000]));
        g.node.push(node("Tile", "t1", &["record_l0_bias", "many"]));
        g.node.push(node("Tile", "t2", &["t1", "many"]));
        g.node.push(node("Tile", "t3", &["t2", "many"]));
    });
    let why = refused_graph(&chain, "a chain");
    assert!(why.contains("needs more than"), "{why}");
}

#[test]
fn a_column_times_a_row() {
    let grow = |operator: &'static str, inputs: &'static [&'static str]| {
        regraphed(move |g| {
            g.initializer.push(floats("column", &[30_000, 1], 30_000));
            g.initializer.push(floats("row", &[1, 30_000], 30_000));
            g.initializer.push(floats("one", &[1], 1));
            g.node.push(node(operator, "plane", inputs));
        })
    };
    for (operator, inputs) in [("Mul", ["column", "row"].as_slice()), ("Gemm", &["column", "row", "one"])] {
        let why = refused_graph(&grow(operator, inputs), operator);
        assert!(why.contains("needs more than"), "{why}");
    }
}

#[test]
fn tensors_that_do_not_hold_what_they_say() {
    for dims in [&[1 << 36][..], &[1 << 32, 1 << 32], &[-4], &[0], &[16, 2], &[]] {
        let bytes = regraphed(|g| {
            g.initializer.iter_mut().find(|t| t.name == "record_l0_bias").unwrap().dims = dims.to_vec();
        });
        refused_graph(&bytes, &format!("{dims:?}"));
    }
    let bytes = regraphed(|g| g.initializer[0].raw_data.truncate(7));
    refused_graph(&bytes, "seven bytes");
    for data_type in [0, 2, 6, 8, 10, 11, 16, 99, -1] {
        let bytes = regraphed(|g| g.initializer[0].data_type = data_type);
        refused_graph(&bytes, &format!("data type {data_type}"));
    }
}

#[test]
fn shapes_that_do_not_fit() {
    for shape in [&[1 << 40, -1][..], &[-1, -1], &[0, 8], &[-2, 8], &[7, -1], &[]] {
        refused_graph(&regraphed(|g| set_integers(g, "record_rows_shape", shape)), &format!("{shape:?}"));
    }
    let bytes =
        regraphed(|g| g.node.iter_mut().find(|n| n.op_type == "Reshape").unwrap().input[1] = "record".to_owned());
    refused_graph(&bytes, "a shape that is no constant");
}

#[test]
fn wires_that_lead_nowhere() {
    let renamed = |at: usize, to: &str| {
        let to = to.to_owned();
        regraphed(move |g| g.node[at].input[0] = to)
    };
    refused_graph(&renamed(0, "nothing"), "an input nobody makes");
    refused_graph(&renamed(0, "record_residual"), "a circle");
    refused_graph(&regraphed(|g| g.node.reverse()), "the wrong order");
    refused_graph(&regraphed(|g| g.node.push(g.node[0].clone())), "a node twice");
    refused_graph(&regraphed(|g| g.initializer.push(g.initializer[0].clone())), "a tensor twice");
    refused_graph(&regraphed(|g| g.node.clear()), "no nodes");
    refused_graph(&regraphed(|g| drop(g.node.pop())), "no output");
    refused_graph(&regraphed(|g| g.input.clear()), "no input");
    refused_graph(&regraphed(|g| g.node[0].output.push("more".to_owned())), "two outputs");
    refused_graph(&regraphed(|g| drop(g.node[0].input.pop())), "one input less");
    let many = regraphed(|g| (0..300).for_each(|i| g.node.push(node("Tanh", &format!("n{i}"), &["record"]))));
    refused_graph(&many, "three hundred nodes");
}

#[test]
fn what_models_of_this_format_never_have() {
    let mut model = decoded();
    let mut graph = model.graph.take().unwrap();
    refused_graph(&sealed_with(&model, &[]), "no graph");
    // An attribute (field 5 of a node), a sparse tensor (field 15 of a graph), data in another file (fields 13, 14).
    let attribute = field(5, &field(1, b"alpha"));
    let last: Vec<u8> = [field(2, b"x"), field(1, b"record"), field(4, b"Tanh"), attribute].concat();
    model.graph = Some(graph.clone());
    refused_graph(&sealed_with(&model, &field(7, &field(1, &last))), "an attribute");
    refused_graph(&sealed_with(&model, &field(7, &[0x7a, 0])), "a sparse tensor");
    let location = [field(1, b"location"), field(2, b"../secret")].concat();
    let outside = [vec![0x08, 0x04, 0x10, 0x01, 0x70, 0x01], field(8, b"far"), field(13, &location)].concat();
    refused_graph(&sealed_with(&model, &field(7, &field(5, &outside))), "data in another file");
    graph.node[0].op_type = "Loop".to_owned();
    graph.node[0].name = "again".to_owned();
    model.graph = Some(graph);
    let refused = refusal(&sealed_with(&model, &[]), "an operator");
    let named =
        matches!(&refused, ModelOpenError::Operator { operator, node } if operator == "Loop" && node == "again");
    assert!(named, "{refused}");
}

#[test]
fn changed_weights_show_in_the_golden_rows() {
    let weights = decoded().graph.unwrap().initializer.into_iter().filter(|t| t.data_type == FLOAT);
    for name in weights.map(|t| t.name) {
        let bytes = regraphed(|g| {
            let tensor = g.initializer.iter_mut().find(|t| t.name == name).unwrap();
            for value in tensor.raw_data.as_chunks_mut::<4>().0 {
                *value = (f32::from_le_bytes(*value) * 1.01 + 0.01).to_le_bytes();
            }
        });
        let refused = refusal(&bytes, &name);
        assert!(matches!(refused, ModelOpenError::Golden { .. }), "{name}: {refused}");
    }
    let refused = refusal(&regraphed(|g| g.node.iter_mut().for_each(|n| n.op_type = swapped(&n.op_type))), "Sub, Div");
    assert!(matches!(refused, ModelOpenError::Golden { .. } | ModelOpenError::Graph(_)), "{refused}");
}

fn swapped(operator: &str) -> String {
    match operator {
        "Sub" => "Mul",
        other => other,
    }
    .to_owned()
}
