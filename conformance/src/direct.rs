//! The same autoencoder as plain Burn: the mask on the inputs, a pass for each feature.
//!
//! Written from the definition, not from the exported graph, which masks its weights instead.

use burn::tensor::{Device, Tensor, TensorData};

use super::export::View;

/// Residuals [N, D] of raw features [N, D].
pub fn residuals(view: &View, x: Tensor<2>, device: &Device) -> Tensor<2> {
    let [n, d] = x.dims();
    let z = (x - row(&view.center, device)) / row(&view.scale, device);
    if !view.leave_one_out {
        return z.clone() - forward(view, z, device);
    }
    let own: Tensor<3> = Tensor::<2>::eye(d, device).unsqueeze();
    let others = own.clone().neg().add_scalar(1.0);
    let masked = z.clone().reshape([n, 1, d]) * others;
    let passes = forward(view, masked.reshape([n * d, d]), device);
    let kept = passes.reshape([n, d, d]) * own;
    z - kept.sum_dim(2).reshape([n, d])
}

fn forward(view: &View, x: Tensor<2>, device: &Device) -> Tensor<2> {
    view.layers.iter().zip(&view.tanh).fold(x, |x, (layer, tanh)| {
        let weight = TensorData::new(layer.weight.clone(), [layer.inputs, layer.outputs]);
        let y = x.matmul(Tensor::from_data(weight, device)) + row(&layer.bias, device);
        if *tanh { y.tanh() } else { y }
    })
}

fn row(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
}
