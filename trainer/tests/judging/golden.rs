//! The model that the detector's tests have in their folder is what this trainer makes of the same log. When training
//! changes on purpose, `ODDLINE_PIN=1` writes it anew; its scores (`detector/tests/data/scores.csv`) follow the same way.

use std::{env, fs, path::PathBuf};

use oddline_detector::OpenModel;

use crate::fixture::{judge_with, model_bytes, unseen};

/// Another processor fits in other last bits, which three epochs make larger.
const TOLERANCE: f32 = 1e-3;

#[test]
fn the_committed_model_is_what_is_trained_today() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../detector/tests/data/golden.onnx");
    if env::var_os("ODDLINE_PIN").is_some() {
        fs::write(&path, model_bytes()).unwrap();
    }
    let committed = OpenModel::open(&fs::read(path).unwrap()).unwrap();
    let made = OpenModel::open(model_bytes()).unwrap();
    let entries: Vec<_> = unseen().into_iter().take(20_000).collect();
    let (expected, found) = (judge_with(&committed, &entries), judge_with(&made, &entries));
    assert_eq!(expected.len(), found.len());
    for (e, f) in expected.iter().zip(&found).map(|(e, f)| (&e.verdict, &f.verdict)) {
        let close = (e.score.value - f.score.value).abs() <= TOLERANCE * e.score.value.max(1.0);
        assert!(close, "record {}: {} and {}", e.number, e.score.value, f.score.value);
    }
}
