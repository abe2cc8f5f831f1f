//! burn-onnx, tract and plain Burn on one file: the same residuals to 1e-5.

use burn::tensor::{Device, Tensor, TensorData};
use oddline_conformance::export::{View, decode_weights};
use oddline_conformance::{FILE, VIEW, direct, fixture, generated};
use tract_onnx::prelude::{
    DatumExt, Framework, InferenceModelExt, IntoRunnable, Tensor as TractTensor, TractResult, tvec,
};

/// The batch the detector runs; its last rows are padding.
const BATCH: usize = 64;

#[test]
fn burn_onnx_agrees_with_tract() {
    compare("burn-onnx, tract", imported, tract);
}

#[test]
fn burn_onnx_agrees_with_plain_burn() {
    compare("burn-onnx, plain Burn", imported, plain);
}

#[test]
fn tract_agrees_with_plain_burn() {
    compare("tract, plain Burn", tract, plain);
}

type Reader = fn(&View, &[f32], usize) -> Vec<f32>;

fn compare(names: &str, left: Reader, right: Reader) {
    let view = decode_weights(FILE, VIEW).unwrap();
    let mut worst = 0f32;
    for (seed, rows) in [1, 2, 63, 64, 64, 64, 64].into_iter().enumerate() {
        let x = fixture::inputs(&view, rows, 100 + seed);
        let (left, right) = (left(&view, &x, rows), right(&view, &x, rows));
        assert_eq!((left.len(), right.len()), (x.len(), x.len()), "{names}: {rows} rows");
        for (i, (a, b)) in left.iter().zip(&right).enumerate() {
            let difference = (a - b).abs() / b.abs().max(1.0);
            assert!(difference <= 1e-5, "{names}: {rows} rows, value {i}: {a} and {b}");
            worst = worst.max(difference);
        }
    }
    println!("{names}: view {VIEW}, largest difference {worst:e}");
}

fn imported(view: &View, x: &[f32], rows: usize) -> Vec<f32> {
    let device = Device::flex();
    let model = generated::Model::from_embedded(&device);
    values(model.forward(tensor(view, x, rows, &device)))
}

fn plain(view: &View, x: &[f32], rows: usize) -> Vec<f32> {
    let device = Device::flex();
    values(direct::residuals(view, tensor(view, x, rows, &device), &device))
}

fn tensor(view: &View, x: &[f32], rows: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(x.to_vec(), [rows, view.center.len()]), device)
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

/// One view of the file at a fixed batch, padded with zeros.
fn tract(view: &View, x: &[f32], rows: usize) -> Vec<f32> {
    let width = view.center.len();
    let mut padded = x.to_vec();
    padded.resize(BATCH * width, 0.0);
    let run = || -> TractResult<Vec<f32>> {
        let mut graph = tract_onnx::onnx().model_for_read(&mut &FILE[..])?;
        graph.select_inputs_by_name([view.name.as_str()])?;
        graph.select_outputs_by_name([format!("{}_residual", view.name)])?;
        let graph = graph.with_input_fact(0, f32::fact([BATCH, width]).into())?;
        let model = graph.into_optimized()?.into_runnable()?;
        let input = TractTensor::from_shape(&[BATCH, width], &padded)?;
        let output = model.run(tvec!(input.into()))?;
        Ok(output[0].to_plain_array_view::<f32>()?.iter().copied().take(rows * width).collect())
    };
    run().unwrap()
}
