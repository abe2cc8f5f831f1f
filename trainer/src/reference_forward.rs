//! The exported graph computed by plain loops: the golden rows of a model file come from here, so that a runtime is
//! checked against arithmetic anyone can read.

use oddline_core::stream::Vector;

use crate::export::{Dense, View};

/// Leave-one-out residuals of each row, in scales: z_j minus its reconstruction with z_j zeroed.
#[must_use]
pub fn residuals(view: &View, rows: &[Vector]) -> Vec<Vector> {
    rows.iter().map(|row| residual(view, row)).collect()
}

fn residual(view: &View, row: &Vector) -> Vector {
    let z: Vector = core::array::from_fn(|j| (row[j] - view.center[j]) / view.scale[j]);
    core::array::from_fn(|j| {
        let mut masked = z;
        masked[j] = 0.0;
        z[j] - forward(view, &masked)[j]
    })
}

/// Residuals of a row of a view that leaves nothing out, in scales: z minus its reconstruction.
#[must_use]
pub fn whole(view: &View, row: &[f32]) -> Vec<f32> {
    let z: Vec<f32> = row.iter().zip(&view.center).zip(&view.scale).map(|((x, c), s)| (x - c) / s).collect();
    z.iter().zip(forward(view, &z)).map(|(z, found)| z - found).collect()
}

fn forward(view: &View, z: &[f32]) -> Vec<f32> {
    view.layers.iter().zip(&view.tanh).fold(z.to_vec(), |x, (layer, squash)| {
        let mut y = dense(layer, &x);
        if *squash {
            y.iter_mut().for_each(|y| *y = libm::tanhf(*y));
        }
        y
    })
}

fn dense(layer: &Dense, x: &[f32]) -> Vec<f32> {
    let mut y = layer.bias.clone();
    for (x, weights) in x.iter().zip(layer.weight.chunks_exact(layer.outputs)) {
        y.iter_mut().zip(weights).for_each(|(y, w)| *y += x * w);
    }
    y
}
