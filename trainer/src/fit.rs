//! Fitting the autoencoder to standardised rows: Adam, denoising, early stopping. Rows in, weights out.
//!
//! In training each input is zeroed with p = .3 and gets noise of .1, so that no feature can be copied through and each is
//! learnt from the others; validation measures what judging does: each feature reconstructed with itself left out.
//! All randomness comes from the seed, here and not from Burn: the same seed gives the same bytes.

use std::time::Duration;

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor},
};
use indicatif::{ProgressBar, ProgressStyle};
use oddline_core::{
    limits::RECORD_FEATURES,
    stream::{JUDGED, Vector},
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::SliceRandom};
use rand_distr::{Distribution, Normal};

use crate::{
    export::Dense,
    network::{Autoencoder, matrix, numbers, random_weights, tensor, weights_of},
};

const BATCH: usize = 256;
const LEARNING_RATE: f64 = 2e-3;
/// The rate shrinks by this factor whenever an epoch brings nothing.
const COOL: f64 = 0.5;
/// Epochs without gain that end the training.
const PATIENCE: usize = 4;
/// Less than this share better is no gain.
const GAIN: f64 = 1e-3;
const DROP: f32 = 0.3;
const NOISE: f32 = 0.1;
/// Of windows, which are few, ...
const WINDOW_BATCH: usize = 128;
/// ... so many numbers are zeroed: each is to be learnt from many others.
const WINDOW_DROP: f32 = 0.5;
/// Share of the rate up to each share of the epochs.
const WINDOW_RATES: [(f64, f64); 3] = [(0.6, 1.0), (0.85, 0.3), (1.0, 0.1)];
/// Rows that validation looks at, evenly spread: more changes the third digit.
const VALIDATION_ROWS: usize = 8_192;

#[derive(Debug, Clone)]
pub struct FitPlan {
    /// Epochs at most.
    pub epochs: usize,
    pub seed: u64,
    /// Weights to start from; random ones otherwise.
    pub start: Option<Vec<Dense>>,
}

#[derive(Debug, Clone)]
pub struct FitOutcome {
    /// Weights of the best epoch.
    pub weights: Vec<Dense>,
    /// Mean squared error of each epoch on the rows fitted, as corrupted.
    pub train: Vec<f32>,
    /// Mean squared leave-one-out error of each epoch on the validation rows.
    pub validation: Vec<f32>,
    /// The best epoch, from 1.
    pub best_epoch: usize,
}

/// Fits an autoencoder to `rows`, stopping by `validation`. Both standardised.
#[must_use]
pub fn fit(rows: &[Vector], validation: &[Vector], plan: &FitPlan) -> FitOutcome {
    let device = Device::flex().autodiff();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(plan.seed);
    let start = plan.start.clone().unwrap_or_else(|| random_weights(RECORD_FEATURES, &mut random));
    let mut network = Autoencoder::from_weights(&start, &device);
    let mut optimizer = AdamConfig::new().init();
    let validation = spread_out(validation, VALIDATION_ROWS);
    let bar = progress(plan);
    let mut outcome = FitOutcome { weights: start, train: Vec::new(), validation: Vec::new(), best_epoch: 0 };
    let (mut best, mut rate, mut stale) = (f64::INFINITY, LEARNING_RATE, 0);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let judged_only = judged_only();
    for epoch in 1..=plan.epochs {
        order.shuffle(&mut random);
        let mut sum = 0.0;
        for batch in order.chunks(BATCH) {
            let (corrupt, clean) = corrupted(rows, batch, &mut random);
            let output = network.forward(tensor(corrupt.as_flattened(), &device));
            let beyond = output - tensor(clean.as_flattened(), &Device::flex());
            let loss = (beyond * judged_only.clone()).square().mean();
            sum += f64::from(numbers(loss.clone().reshape([1]))[0]) * batch.len() as f64;
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(rate, network, gradients);
        }
        let judged = leave_one_out_error(&network.valid(), &validation);
        outcome.train.push((sum / rows.len() as f64) as f32);
        outcome.validation.push(judged as f32);
        bar.set_message(format!("loss {:.4}, validation {judged:.4}", sum / rows.len() as f64));
        bar.inc(1);
        if judged < best * (1.0 - GAIN) {
            (best, stale) = (judged, 0);
            outcome.best_epoch = epoch;
            outcome.weights = network.weights();
        } else {
            (rate, stale) = (rate * COOL, stale + 1);
            if stale >= PATIENCE {
                break;
            }
        }
    }
    bar.finish_and_clear();
    outcome
}

/// Fits an autoencoder of these layers to standardised rows of a server's metrics together: so many epochs, at a rate that
/// falls twice.
#[must_use]
pub fn fit_windows(rows: &[Vec<f32>], sizes: &[usize], epochs: usize, seed: u64) -> Vec<Dense> {
    let (device, plain) = (Device::flex().autodiff(), Device::flex());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = Autoencoder::from_weights(&weights_of(sizes, &mut random), &device);
    let mut optimizer = AdamConfig::new().init();
    let noise = Normal::new(0.0_f32, NOISE).expect("a positive deviation");
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for epoch in 0..epochs {
        let gone = epoch as f64 / epochs as f64;
        let rate = LEARNING_RATE * WINDOW_RATES.iter().find(|(until, _)| gone < *until).map_or(1.0, |(_, rate)| *rate);
        order.shuffle(&mut random);
        for batch in order.chunks(WINDOW_BATCH) {
            let clean: Vec<f32> = batch.iter().flat_map(|at| &rows[*at]).copied().collect();
            let corrupt = clean.iter().map(|x| {
                let is_dropped = random.random::<f32>() < WINDOW_DROP;
                if is_dropped { 0.0 } else { x + noise.sample(&mut random) }
            });
            let output = network.forward(matrix(corrupt.collect(), sizes[0], &device));
            let loss = (output - matrix(clean, sizes[0], &plain)).square().mean();
            network = optimizer.step(rate, network.clone(), GradientsParams::from_grads(loss.backward(), &network));
        }
    }
    network.weights()
}

fn progress(plan: &FitPlan) -> ProgressBar {
    let bar = ProgressBar::new(plan.epochs as u64);
    let style = "training [{bar:30}] epoch {pos}/{len}, up to {eta} left; {msg}";
    let style = ProgressStyle::with_template(style).expect("the template is constant");
    bar.set_style(style.progress_chars("=> "));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// At most `most` of the rows, evenly spread.
fn spread_out(rows: &[Vector], most: usize) -> Vec<Vector> {
    let step = rows.len().div_ceil(most).max(1);
    rows.iter().step_by(step).copied().collect()
}

/// A batch as the network gets it, and as it should give it back.
fn corrupted(rows: &[Vector], batch: &[usize], random: &mut Xoshiro256PlusPlus) -> (Vec<Vector>, Vec<Vector>) {
    let noise = Normal::new(0.0_f32, NOISE).expect("a positive deviation");
    let clean: Vec<Vector> = batch.iter().map(|&i| rows[i]).collect();
    let corrupt = clean
        .iter()
        .map(|row| row.map(|x| if random.random::<f32>() < DROP { 0.0 } else { x + noise.sample(random) }))
        .collect();
    (corrupt, clean)
}

/// A factor a feature that leaves the mean square of those that are judged.
fn judged_only() -> Tensor<2> {
    let factor = (RECORD_FEATURES as f32 / JUDGED as f32).sqrt();
    let factors: Vector = core::array::from_fn(|j| if j < JUDGED { factor } else { 0.0 });
    tensor(&factors, &Device::flex())
}

/// Mean squared error of each feature reconstructed from the others.
fn leave_one_out_error(network: &Autoencoder, rows: &[Vector]) -> f64 {
    if rows.is_empty() {
        return 0.0;
    }
    let residuals = network.left_out_residuals(rows, JUDGED);
    let sum: f64 = residuals.as_flattened().iter().map(|residual| f64::from(*residual).powi(2)).sum();
    sum / (rows.len() * JUDGED) as f64
}
