//! Three ways to compute one model: Burn that fitted it, the runtime that judges with it, and plain loops. And two ways
//! to give the runtime the graph: the detector's and its own.

use burn::tensor::{Device, Tensor, TensorData};
use oddline_core::{
    limits::{BLOCK, RECORD_FEATURES},
    stream::Vector,
};
use oddline_detector::JudgedRow;
use oddline_trainer::{
    export::{View, decode_weights},
    network::{Autoencoder, numbers},
    reference_forward,
};
use tract_onnx::prelude::{DatumExt, Framework, InferenceModelExt, IntoRunnable, Tensor as TractTensor, tvec};

use crate::fixture::{judge_all, model, model_bytes, unseen};

const TOLERANCE: f32 = 1e-5;

/// Leave-one-out residuals by Burn's forward pass, a pass a feature.
fn burn(view: &View, rows: &[Vector]) -> Vec<Vector> {
    let device = Device::flex();
    let network = Autoencoder::from_weights(&view.layers, &device);
    let z: Vec<Vector> =
        rows.iter().map(|r| core::array::from_fn(|j| (r[j] - view.center[j]) / view.scale[j])).collect();
    let mut residuals = z.clone();
    for j in 0..RECORD_FEATURES {
        let mut masked = z.clone();
        masked.iter_mut().for_each(|row| row[j] = 0.0);
        let data = TensorData::new(masked.as_flattened().to_vec(), [rows.len(), RECORD_FEATURES]);
        let output = numbers(network.forward(Tensor::<2>::from_data(data, &device)));
        let reconstructed = output.iter().skip(j).step_by(RECORD_FEATURES);
        residuals.iter_mut().zip(reconstructed).for_each(|(row, y)| row[j] -= y);
    }
    residuals
}

#[track_caller]
fn assert_close(found: &[Vector], expected: &[Vector], who: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        for (j, (f, e)) in f.iter().zip(e).enumerate() {
            let close = (f - e).abs() <= TOLERANCE * e.abs().max(1.0);
            assert!(close, "{who}: row {i}, feature {j}: {f} and {e}");
        }
    }
}

/// A block through the runtime's own reader of ONNX, which knows all operators.
fn read_by_the_runtime(blocks: &[[Vector; BLOCK]]) -> Vec<Vector> {
    let graph = tract_onnx::onnx().model_for_read(&mut &model_bytes()[..]).unwrap();
    let graph = graph.with_input_fact(0, f32::fact([BLOCK, RECORD_FEATURES]).into()).unwrap();
    // The second view is run too, on nothing.
    let width = model().profile.window.as_ref().unwrap().width();
    let graph = graph.with_input_fact(1, f32::fact([BLOCK, width]).into()).unwrap();
    let windows = TractTensor::from_shape(&[BLOCK, width], &vec![0.0_f32; BLOCK * width]).unwrap();
    let plan = graph.into_optimized().unwrap().into_runnable().unwrap();
    let residuals = |block: &[Vector; BLOCK]| {
        let input = TractTensor::from_shape(&[BLOCK, RECORD_FEATURES], block.as_flattened()).unwrap();
        let output = plan.run(tvec!(input.into(), windows.clone().into())).unwrap();
        let values: Vec<f32> = output[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect();
        values.as_chunks().0.to_vec()
    };
    blocks.iter().flat_map(residuals).collect()
}

#[test]
fn the_detector_wires_what_the_runtime_reads() {
    let (judged, _) = judge_all(&unseen());
    let rows: Vec<Vector> = judged.iter().step_by(7).take(64 * BLOCK).map(|j| j.verdict.vector).collect();
    let blocks = rows.as_chunks::<BLOCK>().0;
    let mut infer = model().infer().unwrap();
    let wired: Vec<Vector> = blocks.iter().flat_map(|block| infer.residuals(block).unwrap()).collect();
    assert!(wired.len() >= BLOCK, "{} rows", wired.len());
    let bits = |rows: &[Vector]| rows.as_flattened().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&wired), bits(&read_by_the_runtime(blocks)), "to the last bit");
}

#[test]
fn burn_the_runtime_and_plain_loops_agree() {
    let view = decode_weights(model_bytes(), "record").unwrap();
    let (judged, _) = judge_all(&unseen());
    let judged: Vec<JudgedRow> = judged.into_iter().step_by(7).take(64 * BLOCK).collect();
    let rows: Vec<Vector> = judged.iter().map(|j| j.verdict.vector).collect();
    assert!(rows.iter().flatten().any(|x| x.abs() >= 15.0), "clipped rows are among them");
    let mut infer = model().infer().unwrap();
    let blocks = rows.as_chunks::<BLOCK>().0;
    let runtime: Vec<Vector> = blocks.iter().flat_map(|block| infer.residuals(block).unwrap()).collect();
    let plain = reference_forward::residuals(&view, &rows);
    assert_close(&runtime, &plain, "runtime and plain loops");
    assert_close(&burn(&view, &rows), &plain, "Burn and plain loops");
    let said: Vec<Vector> =
        judged.iter().filter(|j| j.verdict.expected.is_some()).map(|j| j.verdict.residual).collect();
    let computed: Vec<Vector> =
        judged.iter().zip(&plain).filter(|(j, _)| j.verdict.expected.is_some()).map(|(_, r)| *r).collect();
    assert_close(&said, &computed, "a verdict's residuals and plain loops");
}
