//! A small model file with made-up weights: two views, and golden vectors from a plain loop.
//!
//! The loop is written from the definition (zero one input, run the layers, keep one output) and
//! shares nothing with the exported graph.

use super::export::{Dense, ExportError, View, encode};

/// The bytes of the fixture.
pub fn file() -> Result<Vec<u8>, ExportError> {
    let views = [view("record", 8, 16, 1), view("window", 11, 16, 50)];
    let golden: Vec<String> = views.iter().map(|v| golden(v, 5)).collect();
    let metadata = [
        ("oddline.format", "1".to_owned()),
        ("oddline.version", "1".to_owned()),
        ("oddline.golden", format!("{{{}}}", golden.join(","))),
    ];
    encode(&views, &metadata)
}

fn view(name: &str, width: usize, hidden: usize, seed: usize) -> View {
    View {
        name: name.to_owned(),
        center: numbers(width, seed),
        scale: numbers(width, seed + 1).iter().map(|v| v.abs() + 0.1).collect(),
        layers: vec![
            dense(width, hidden, seed + 2),
            dense(hidden, 4, seed + 4),
            dense(4, hidden, seed + 6),
            dense(hidden, width, seed + 8),
        ],
        tanh: vec![true, false, true, false],
        leave_one_out: true,
    }
}

fn dense(inputs: usize, outputs: usize, seed: usize) -> Dense {
    Dense { inputs, outputs, weight: numbers(inputs * outputs, seed), bias: numbers(outputs, seed + 1) }
}

/// Inputs spread around the centre, wider with each row.
pub fn inputs(view: &View, rows: usize, seed: usize) -> Vec<f32> {
    let width = view.center.len();
    let noise = numbers(rows * width, seed);
    let spread = |i: usize| (1 + (i / width) % 5) as f32;
    let scaled = noise.iter().enumerate().map(|(i, v)| v * spread(i) * view.scale[i % width]);
    scaled.enumerate().map(|(i, v)| v + view.center[i % width]).collect()
}

fn golden(view: &View, rows: usize) -> String {
    let width = view.center.len();
    let inputs = inputs(view, rows, 9);
    let outputs: Vec<f32> = inputs.chunks(width).flat_map(|row| residual(view, row)).collect();
    let json = |values: &[f32]| {
        let rows: Vec<String> = values.chunks(width).map(|row| format!("{row:?}")).collect();
        rows.join(",")
    };
    format!("{:?}:{{\"inputs\":[{}],\"outputs\":[{}]}}", view.name, json(&inputs), json(&outputs))
}

fn residual(view: &View, row: &[f32]) -> Vec<f32> {
    let standard = row.iter().zip(&view.center).zip(&view.scale);
    let z: Vec<f64> = standard.map(|((x, c), s)| f64::from(x - c) / f64::from(*s)).collect();
    let without = |j: usize| {
        let mut masked = z.clone();
        masked[j] = 0.0;
        masked
    };
    (0..z.len()).map(|j| (z[j] - forward(view, without(j))[j]) as f32).collect()
}

fn forward(view: &View, input: Vec<f64>) -> Vec<f64> {
    view.layers.iter().zip(&view.tanh).fold(input, |x, (layer, tanh)| {
        let output = |o: usize| {
            let weights = layer.weight.iter().skip(o).step_by(layer.outputs);
            let products = x.iter().zip(weights).map(|(x, w)| x * f64::from(*w));
            let sum = f64::from(layer.bias[o]) + products.sum::<f64>();
            if *tanh { sum.tanh() } else { sum }
        };
        (0..layer.outputs).map(output).collect()
    })
}

/// Numbers in -1..1 without a library: fractions of the multiples of the golden ratio's.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| (((i + 31 * seed + 1) as f64 * 0.618_033_988_75).fract() * 2.0 - 1.0) as f32).collect()
}
