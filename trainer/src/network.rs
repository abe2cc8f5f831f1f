//! The autoencoder's shape in Burn, and its weights as plain numbers. Nothing else here or elsewhere but [`super::fit`]
//! knows Burn.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use oddline_core::{limits::RECORD_FEATURES, stream::Vector};
use rand::{RngExt, rngs::Xoshiro256PlusPlus};

use crate::export::Dense;

/// D-16-4-16-D: tanh, linear code, tanh, linear output.
const HIDDEN: usize = 16;
const CODE: usize = 4;
/// Rows that are reconstructed at once: what they become on their way stays in the nearest cache.
const ROWS: usize = 64;
/// Which layers end in tanh.
pub const TANH: [bool; 4] = [true, false, true, false];

/// The autoencoder of one view.
#[derive(Module, Debug)]
pub struct Autoencoder {
    layers: Vec<Linear>,
}

/// Random weights of the record view for `width` features.
#[must_use]
pub fn random_weights(width: usize, random: &mut Xoshiro256PlusPlus) -> Vec<Dense> {
    weights_of(&[width, HIDDEN, CODE, HIDDEN, width], random)
}

/// Random weights between layers of these sizes: uniform in +-1/sqrt(inputs), biases too.
#[must_use]
pub fn weights_of(sizes: &[usize], random: &mut Xoshiro256PlusPlus) -> Vec<Dense> {
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

    /// What each of the first `features` of a row is beyond what the others make of it: itself minus its reconstruction
    /// with itself zeroed. The others are 0.
    #[must_use]
    pub fn left_out_residuals(&self, rows: &[Vector], features: usize) -> Vec<Vector> {
        let mut residuals = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS) {
            let masked: Vec<Vector> = rows.iter().flat_map(|row| (0..features).map(|j| without(row, j))).collect();
            let found = numbers(self.forward(tensor(masked.as_flattened(), &Device::flex())));
            for (row, found) in rows.iter().zip(found.chunks_exact(features * RECORD_FEATURES)) {
                let of = |j: usize| if j < features { row[j] - found[j * RECORD_FEATURES + j] } else { 0.0 };
                residuals.push(core::array::from_fn(of));
            }
        }
        residuals
    }
}

fn without(row: &Vector, j: usize) -> Vector {
    let mut masked = *row;
    masked[j] = 0.0;
    masked
}

/// Leave-one-out residuals of standardised rows under these weights: [`crate::reference_forward`] in a tenth of the time.
#[must_use]
pub fn residuals(layers: &[Dense], rows: &[Vector]) -> Vec<Vector> {
    Autoencoder::from_weights(layers, &Device::flex()).left_out_residuals(rows, RECORD_FEATURES)
}

/// Rows of any width as these weights reconstruct them.
#[must_use]
pub fn reconstructed(layers: &[Dense], rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (network, width) = (Autoencoder::from_weights(layers, &Device::flex()), layers[0].inputs);
    let found = |rows: &[Vec<f32>]| numbers(network.forward(matrix(rows.concat(), width, &Device::flex())));
    rows.chunks(ROWS)
        .flat_map(|rows| found(rows).chunks_exact(width).map(<[f32]>::to_vec).collect::<Vec<_>>())
        .collect()
}

/// Rows of features.
#[must_use]
pub fn tensor(rows: &[f32], device: &Device) -> Tensor<2> {
    matrix(rows.to_vec(), RECORD_FEATURES, device)
}

/// Rows of `columns` numbers each.
#[must_use]
pub fn matrix(numbers: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = numbers.len() / columns;
    Tensor::from_data(TensorData::new(numbers, [rows, columns]), device)
}

/// tanh of each number. The library's own takes half of all training: it is computed number by number, and for the
/// gradient once more. Here the gradient sees the tangent, a line with the same value and slope.
fn tanh(x: Tensor<2>) -> Tensor<2> {
    let ([_, columns], is_tracked) = (x.dims(), x.is_autodiff());
    let plain = Device::flex();
    if !is_tracked {
        let mut y = numbers(x);
        y.iter_mut().for_each(|y| *y = rational_tanh(*y));
        return matrix(y, columns, &plain);
    }
    let before = numbers(x.clone().inner());
    let after: Vec<f32> = before.iter().map(|x| rational_tanh(*x)).collect();
    let slope: Vec<f32> = after.iter().map(|y| 1.0 - y * y).collect();
    let offset = before.iter().zip(&after).zip(&slope).map(|((x, y), slope)| y - x * slope).collect();
    x * matrix(slope, columns, &plain) + matrix(offset, columns, &plain)
}

/// tanh to the last digits of an f32, by sums and products alone and so the same on every machine: the rational minimax
/// fit that tract judges with.
fn rational_tanh(x: f32) -> f32 {
    const ODD: [f32; 7] =
        [-8.488_492_6e-14, 5.277_853e-11, -2.022_500_4e-8, 1.115_424_9e-5, 3.103_95e-3, 0.130_840_05, 1.0];
    const EVEN: [f32; 4] = [2.546_136_7e-4, 0.024_495_155, 0.464_173_32, 1.0];
    let x = x.clamp(-7.5, 7.5);
    let square = x * x;
    let sum = |terms: &[f32]| terms.iter().fold(0.0, |sum, term| sum * square + term);
    x * sum(&ODD) / sum(&EVEN)
}

/// A tensor's numbers in row-major order.
#[must_use]
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("the tensors here hold f32")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::{export::View, reference_forward};

    #[test]
    fn tanh_is_tanh_and_its_gradient_the_slope() {
        let numbers: Vec<f32> = (-4_000..=4_000).map(|i| i as f32 / 400.0).collect();
        for x in &numbers {
            assert!((rational_tanh(*x) - libm::tanhf(*x)).abs() < 1e-6, "{x}");
        }
        assert!(rational_tanh(f32::NAN).is_nan() && rational_tanh(f32::INFINITY) <= 1.0);
        let x = matrix(numbers.clone(), 1, &Device::flex().autodiff()).require_grad();
        let y = tanh(x.clone());
        let slopes = super::numbers(x.grad(&y.clone().sum().backward()).unwrap());
        for ((x, y), slope) in numbers.iter().zip(super::numbers(y)).zip(slopes) {
            let tanh = libm::tanhf(*x);
            assert!((y - tanh).abs() < 2e-6 && (slope - (1.0 - tanh * tanh)).abs() < 2e-6, "{x}: {y}, slope {slope}");
        }
    }

    #[test]
    fn residuals_are_those_of_plain_loops() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let layers = random_weights(RECORD_FEATURES, &mut random);
        let rows: Vec<Vector> = (0..150).map(|_| core::array::from_fn(|_| random.random_range(-8.0..8.0))).collect();
        let view = View {
            name: "record".to_owned(),
            center: vec![0.0; RECORD_FEATURES],
            scale: vec![1.0; RECORD_FEATURES],
            layers: layers.clone(),
            tanh: TANH.to_vec(),
            leave_one_out: true,
        };
        let (fast, plain) = (residuals(&layers, &rows), reference_forward::residuals(&view, &rows));
        assert_eq!(fast.len(), plain.len());
        for (fast, plain) in fast.as_flattened().iter().zip(plain.as_flattened()) {
            assert!((fast - plain).abs() < 1e-4, "{fast} and {plain}");
        }
        assert_eq!(residuals(&layers, &[]), Vec::<Vector>::new());
    }
}
