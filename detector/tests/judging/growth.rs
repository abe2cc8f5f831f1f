//! Models of newer trainers: fields and views that this program does not know change nothing; what it must know it says.

use oddline_core::profile::ProfileError;
use oddline_detector::{ModelOpenError, OpenModel};
use serde_json::json;

use crate::{
    fixture::{assert_same, judge_all, judge_with, unseen},
    onnx::{decoded, floats, node, refusal, sealed, with_json},
};

const WIDTH: usize = 3;

#[test]
fn fields_of_a_newer_trainer_are_left() {
    let entries: Vec<_> = unseen().into_iter().take(2_000).collect();
    let (expected, _) = judge_all(&entries);
    let grown = [
        with_json("oddline.profile", |p| p["templates"] = json!([{"id": 7, "text": "took <number> ms"}])),
        with_json("oddline.profile", |p| p["record"]["smoothing"] = json!({"minutes": 5})),
        with_json("oddline.profile", |p| p["record"]["threshold"]["budget_used"] = json!(0.5)),
        with_json("oddline.profile", |p| p["baselines"][0]["character"] = json!("counter")),
        with_json("oddline.profile", |p| p["requires"] = json!([])),
        with_json("oddline.provenance", |p| p["samples"] = json!(12)),
    ];
    for bytes in grown {
        let (found, _) = judge_with(&OpenModel::open(&bytes).unwrap(), &entries);
        assert_same(&found, &expected, "a field more");
    }
}

#[test]
fn what_must_be_understood_is_named() {
    let bytes = with_json("oddline.profile", |p| {
        p["requires"] = json!(["templates"]);
        p["record"] = json!("in a shape that nobody here knows");
    });
    let refused = refusal(&bytes, "requires");
    assert!(
        matches!(&refused, ModelOpenError::Profile(ProfileError::Requires(word)) if word == "templates"),
        "{refused}"
    );
    assert!(refused.to_string().contains("install a newer version"), "{refused}");
}

/// A second input beside the record's: `session`, whose residual is the row divided by two.
fn with_session(residual: f32) -> Vec<u8> {
    let mut model = decoded();
    let graph = model.graph.as_mut().unwrap();
    let mut input = graph.input[0].clone();
    let mut output = graph.output[0].clone();
    for (value, name) in [(&mut input, "session"), (&mut output, "session_residual")] {
        value.name = name.to_owned();
        crate::onnx::set_width(value, WIDTH as i64);
    }
    graph.input.push(input);
    graph.output.push(output);
    let mut two = floats("two", &[1], 1);
    two.raw_data = 2.0_f32.to_le_bytes().to_vec();
    graph.initializer.push(two);
    graph.node.push(node("Div", "session_residual", &["session", "two"]));
    let golden = model.metadata_props.iter_mut().find(|p| p.key == "oddline.golden").unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&golden.value).unwrap();
    value["session"] = json!({"inputs": [[1.0, 2.0, 4.0]], "outputs": [[0.5, 1.0, residual]]});
    golden.value = value.to_string();
    sealed(&model)
}

#[test]
fn a_second_view_is_data() {
    let model = OpenModel::open(&with_session(2.0)).unwrap();
    let view = model.view("session").unwrap();
    assert_eq!(view.width, WIDTH);
    let rows = core::array::from_fn(|row| [row as f32, -1.0, 0.25]);
    let residuals = view.infer().unwrap().residuals(&rows).unwrap();
    assert!(rows.iter().zip(&residuals).all(|(row, residual)| row.map(|x| x / 2.0) == *residual));
    assert!(view.infer().unwrap().residuals(&[[0.0; WIDTH + 1]; 64]).is_err(), "another width is an error");
    assert!(model.view("record").is_some() && model.view("other").is_none());
    let entries: Vec<_> = unseen().into_iter().take(2_000).collect();
    assert_same(&judge_with(&model, &entries).0, &judge_all(&entries).0, "beside another view");
}

#[test]
fn golden_rows_of_every_view_must_be_met() {
    let refused = refusal(&with_session(2.5), "golden rows of another view");
    assert!(matches!(refused, ModelOpenError::Golden { row: 0, feature: 2, .. }), "{refused}");
    let view = |name: &str| {
        with_json("oddline.golden", |golden| golden[name] = json!({"inputs": [[1.0]], "outputs": [[1.0]]}))
    };
    assert!(matches!(refusal(&view("session"), "a view without a graph"), ModelOpenError::Graph(_)));
    let many = with_json("oddline.golden", |golden| {
        (0..4).for_each(|i| golden[format!("view{i}")] = golden["record"].clone());
    });
    assert!(matches!(refusal(&many, "five views"), ModelOpenError::Metadata { key: "oddline.golden", .. }));
}
