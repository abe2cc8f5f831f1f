//! A model made by hand: its residual is the feature itself, so a test knows what is odd. Two servers with a fitted
//! stream each; everything else is learnt.

use std::sync::OnceLock;

use oddline_core::{
    limits::RECORD_FEATURES,
    profile::{
        Golden, GoldenView, ModelProfile, Provenance, RECORD, RecordView, StreamBaseline, Threshold, WINDOW, key,
    },
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
    MODEL.get_or_init(|| OpenModel::open(&file_of(&profile())).unwrap())
}

/// The file of a model with this profile.
pub(crate) fn file_of(profile: &ModelProfile) -> Vec<u8> {
    let windows = profile.window.as_ref().map(|window| (WINDOW, window.width()));
    let views: Vec<(&str, usize)> = [Some((RECORD, RECORD_FEATURES)), windows].into_iter().flatten().collect();
    let graph: Vec<Vec<u8>> =
        [text(2, "g")].into_iter().chain(views.iter().map(|(view, width)| part(view, *width))).collect();
    let opset = [text(1, ""), number(2, 17)].concat();
    let mut model = [number(1, 8), bytes(7, &graph.concat()), bytes(8, &opset)].concat();
    let row = |(view, width): &(&str, usize)| {
        let rows = vec![vec![2.0; *width]];
        ((*view).to_owned(), GoldenView { inputs: rows.clone(), outputs: rows })
    };
    let golden: Golden = views.iter().map(row).collect();
    let metadata = [
        (key::FORMAT, "1".to_owned()),
        (key::VERSION, VERSION.to_string()),
        (key::PROFILE, serde_json::to_string(profile).unwrap()),
        (key::PROVENANCE, serde_json::to_string(&provenance()).unwrap()),
        (key::GOLDEN, serde_json::to_string(&golden).unwrap()),
    ];
    for (key, value) in metadata {
        model.extend(bytes(14, &[text(1, key), text(2, &value)].concat()));
    }
    seal(&mut model);
    model
}

/// A view of the graph: its input is its residual.
fn part(view: &str, width: usize) -> Vec<u8> {
    let ones = vec![1.0_f32; width].into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let (scale, residual) = (format!("{view}_scale"), format!("{view}_residual"));
    let node = [text(1, view), text(1, &scale), text(2, &residual), text(3, &residual), text(4, "Div")];
    let parts = [
        bytes(1, &node.concat()),
        bytes(5, &tensor(&scale, &ones)),
        bytes(11, &value_info(view, width)),
        bytes(12, &value_info(&residual, width)),
    ];
    parts.concat()
}

/// What the model says.
pub(crate) fn profile() -> ModelProfile {
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
        known_seen: Vec::new(),
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
        window: None,
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
    [number(1, raw.len() as u64 / 4), number(2, 1), text(8, name), bytes(9, raw)].concat()
}

fn value_info(name: &str, width: usize) -> Vec<u8> {
    let dims = [bytes(1, &text(2, "N")), bytes(1, &number(1, width as u64))].concat();
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
