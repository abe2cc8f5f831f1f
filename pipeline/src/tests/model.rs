//! A model made by hand: its residual is the feature itself, so a test knows what is odd. Two servers with a fitted
//! stream each; everything else is learnt.

use std::sync::OnceLock;

use oddline_core::{
    limits::RECORD_FEATURES,
    profile::{Golden, GoldenView, ModelProfile, Provenance, RECORD, RecordView, StreamBaseline, Threshold, key},
    seal::seal,
    stream::{FEATURES, REVISION, baseline::Baseline},
};
use oddline_detector::OpenModel;

/// The level of the fitted streams `a/cpu` and `b/cpu`; their scatter is 1.
pub(crate) const LEVEL: f64 = 50.0;
/// The version.
pub(crate) const VERSION: u64 = 7;

/// The model, opened once.
pub(crate) fn model() -> &'static OpenModel {
    static MODEL: OnceLock<OpenModel> = OnceLock::new();
    MODEL.get_or_init(|| OpenModel::open(&file()).unwrap())
}

fn file() -> Vec<u8> {
    let ones = [1.0_f32; RECORD_FEATURES].map(f32::to_le_bytes).concat();
    let scale = tensor("scale", &ones);
    let node = [text(1, "record"), text(1, "scale"), text(2, "record_residual"), text(3, "div"), text(4, "Div")];
    let graph = [
        bytes(1, &node.concat()),
        text(2, "g"),
        bytes(5, &scale),
        bytes(11, &value_info("record")),
        bytes(12, &value_info("record_residual")),
    ];
    let opset = [text(1, ""), number(2, 17)].concat();
    let mut model = [number(1, 8), bytes(7, &graph.concat()), bytes(8, &opset)].concat();
    let golden = GoldenView { inputs: vec![vec![2.0; RECORD_FEATURES]], outputs: vec![vec![2.0; RECORD_FEATURES]] };
    let metadata = [
        (key::FORMAT, "1".to_owned()),
        (key::VERSION, VERSION.to_string()),
        (key::PROFILE, serde_json::to_string(&profile()).unwrap()),
        (key::PROVENANCE, serde_json::to_string(&provenance()).unwrap()),
        (key::GOLDEN, serde_json::to_string(&Golden::from([(RECORD.to_owned(), golden)])).unwrap()),
    ];
    for (key, value) in metadata {
        model.extend(bytes(14, &[text(1, key), text(2, &value)].concat()));
    }
    seal(&mut model);
    model
}

fn profile() -> ModelProfile {
    let baseline = Baseline {
        curve: [LEVEL, 0.0, 0.0, 0.0, 0.0],
        residual_scale: 1.0,
        step_scale: 1.0,
        gap_s: 60.0,
        gap_long_s: 300.0,
        still: 0.0,
        run: 1e6,
        min: LEVEL - 1e6,
        max: LEVEL + 1e6,
        margin: 1.0,
        loudness: 1.0,
        character: oddline_core::stream::character::StreamCharacter::Continuous,
        known: Vec::new(),
        resets: false,
        peaks: Vec::new(),
    };
    let of = |server: &str| StreamBaseline {
        server: server.to_owned(),
        component: "cpu".to_owned(),
        baseline: baseline.clone(),
    };
    let mut value_quantile = [1e6; RECORD_FEATURES];
    // Only the residual is judged: odd from 8 scales.
    value_quantile[0] = 8.0;
    ModelProfile {
        features: FEATURES.map(str::to_owned).to_vec(),
        revision: REVISION,
        record: RecordView {
            center: [0.0; RECORD_FEATURES],
            scale: [1.0; RECORD_FEATURES],
            residual_quantile: value_quantile,
            value_quantile,
            autoencoder: true,
            novelty: true,
            threshold: Threshold {
                value: 1.0,
                alert_budget: None,
                quantile: None,
                expected: 0.0,
                interval: (0.0, 0.0),
            },
        },
        baselines: vec![of("a"), of("b")],
        priors: Vec::new(),
        budget: None,
        requires: Vec::new(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        trainer: "by hand".to_owned(),
        data_sha256: String::new(),
        seed: 0,
        rows: 0,
        rows_trimmed: 0,
        newest: String::new(),
        validation_loss: 0.0,
        warm_start: None,
    }
}

fn tensor(name: &str, raw: &[u8]) -> Vec<u8> {
    [number(1, RECORD_FEATURES as u64), number(2, 1), text(8, name), bytes(9, raw)].concat()
}

fn value_info(name: &str) -> Vec<u8> {
    let dims = [bytes(1, &text(2, "N")), bytes(1, &number(1, RECORD_FEATURES as u64))].concat();
    let tensor = [number(1, 1), bytes(2, &dims)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

fn text(field: u8, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

fn number(field: u8, number: u64) -> Vec<u8> {
    [vec![field << 3], varint(number)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
