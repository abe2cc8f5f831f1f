//! The autoencoder's shape in Burn, and its weights as plain numbers. Nothing else here or elsewhere but [`super::fit`]
//! knows Burn.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData, activation::tanh},
};
use oddline_core::limits::RECORD_FEATURES;
use rand::{RngExt, rngs::Xoshiro256PlusPlus};

use crate::export::Dense;

/// D-16-4-16-D: tanh, linear code, tanh, linear output.
const HIDDEN: usize = 16;
const CODE: usize = 4;
/// Which layers end in tanh.
pub const TANH: [bool; 4] = [true, false, true, false];

/// The autoencoder of one view.
#[derive(Module, Debug)]
pub struct Autoencoder {
    layers: Vec<Linear>,
}

/// Random weights for `width` features: uniform in +-1/sqrt(inputs), biases too.
#[must_use]
pub fn random_weights(width: usize, random: &mut Xoshiro256PlusPlus) -> Vec<Dense> {
    let sizes = [width, HIDDEN, CODE, HIDDEN, width];
    let mut layer = |inputs: usize, outputs: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a layer's width")]
        let reach = 1.0 / (inputs as f32).sqrt();
        let mut draw = |n: usize| (0..n).map(|_| random.random_range(-reach..reach)).collect();
        Dense { inputs, outputs, weight: draw(inputs * outputs), bias: draw(outputs) }
    };
    sizes.windows(2).map(|pair| layer(pair[0], pair[1])).collect()
}

/// Whether weights are those of the autoencoder that is fitted here, so that a fit can go on from them.
#[must_use]
pub fn has_shape(layers: &[Dense], tanh: &[bool]) -> bool {
    let sizes = [RECORD_FEATURES, HIDDEN, CODE, HIDDEN, RECORD_FEATURES];
    let fits = |(layer, pair): (&Dense, &[usize])| layer.inputs == pair[0] && layer.outputs == pair[1];
    tanh == TANH && layers.len() == TANH.len() && layers.iter().zip(sizes.windows(2)).all(fits)
}

impl Autoencoder {
    #[must_use]
    pub fn from_weights(layers: &[Dense], device: &Device) -> Self {
        let linear = |d: &Dense| Linear {
            weight: Param::from_data(TensorData::new(d.weight.clone(), [d.inputs, d.outputs]), device),
            bias: Some(Param::from_data(TensorData::new(d.bias.clone(), [d.outputs]), device)),
        };
        Self { layers: layers.iter().map(linear).collect() }
    }

    #[must_use]
    pub fn weights(&self) -> Vec<Dense> {
        let plain = |layer: &Linear| {
            let [inputs, outputs] = layer.weight.dims();
            let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |b| numbers(b.val()));
            Dense { inputs, outputs, weight: numbers(layer.weight.val()), bias }
        };
        self.layers.iter().map(plain).collect()
    }

    /// Reconstruction of `[rows, features]`.
    #[must_use]
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        self.layers.iter().zip(TANH).fold(rows, |x, (layer, squash)| {
            let y = layer.forward(x);
            if squash { tanh(y) } else { y }
        })
    }
}

/// A tensor's numbers in row-major order.
#[must_use]
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("the tensors here hold f32")
}
