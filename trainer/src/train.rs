//! From training logs to a calibrated model, stage by stage.

use std::path::PathBuf;

use anyhow::{Context, Result};
use oddline_core::{
    limits::RECORD_FEATURES,
    profile::{FORMAT, Golden, GoldenView, Profile, Provenance, RecordView, Threshold, key},
    robust::quantile,
    score::score,
    stream::{FEATURES, REVISION, Vector},
};
use oddline_detector::Model;

use crate::{
    calibrate,
    dataset::{Dataset, Logs},
    export::{self, Dense, View},
    fit,
    network::TANH,
    vectors::{self, Rows},
};

/// Learns what is normal from logs and writes the model
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Training log: a file, a folder (each file a stream), or - for standard input
    #[arg(long, value_name = "PATH", default_value = "logs/server_logs.txt")]
    pub logs: PathBuf,
    /// The model to write
    #[arg(long, value_name = "FILE", default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// Folder of the charts
    #[arg(long, value_name = "DIR", default_value = "charts")]
    pub charts: PathBuf,
    /// False episodes per server and day that may be expected
    #[arg(long, value_name = "N", default_value_t = 1.0, conflicts_with = "quantile")]
    pub alert_budget: f64,
    /// Put the threshold at this quantile of the normal scores instead
    #[arg(long, value_name = "SHARE")]
    pub quantile: Option<f64>,
    /// Learn from the first part of each stream only
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub train_part: f64,
    /// Same seed and log, same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Epochs at most; training stops earlier when nothing is gained
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub epochs: usize,
    /// Start from the weights of this model
    #[arg(long, value_name = "FILE")]
    pub warm_start: Option<PathBuf>,
    /// Leave a part out, to see what it is worth
    #[arg(long, value_enum)]
    pub without: Option<Without>,
}

/// Parts that can be left out.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Scores from the features alone
    Autoencoder,
    /// No check of the seen range
    Novelty,
    /// Keep odd training records
    Trimming,
}

const STD_FLOOR: f64 = 0.1;
/// Share of each stream fitted on; the rest is held out for early stopping and the threshold.
const FIT_SHARE: f64 = 0.7;
const RESIDUAL_QUANTILE: f64 = 0.9995;
const VALUE_QUANTILE: f64 = 0.9995;

/// A model after one round of fitting.
struct Round {
    rows: Vec<Rows>,
    view: View,
    record: RecordView,
    outcome: fit::Outcome,
}

pub fn run(args: &Args) -> Result<()> {
    let logs = Logs::find(&args.logs)?;
    let dataset = Dataset::load(&logs, args.train_part)?;
    let trimming = args.without != Some(Without::Trimming);
    let mut keep: Vec<Vec<bool>> =
        dataset.streams.iter().map(|s| { let n = s.part(0.0, FIT_SHARE).end; (0..s.values.len()).map(|i| i < n || true).collect() }).collect();
    let fit_count = keep.iter().flatten().filter(|k| **k).count();
    if trimming {
        for pass in 0..3 {
            let n = drop_odd(&dataset, &mut keep)?;
            eprintln!("pass {pass}: dropped {n}");
        }
    }
    let last = round(args, &dataset, &keep, args.epochs)?;
    eprintln!("epochs {} best {} loss {:?} val {:?}", last.outcome.train.len(), last.outcome.best_epoch, last.outcome.train.last(), last.outcome.validation.last());
    let left = keep.iter().flatten().filter(|k| **k).count();
    let mut profile = profile(&dataset, &last);
    let bytes = encode(args, &dataset, &last, &profile, left, fit_count - left)?;
    let model = Model::open(&bytes)?;
    profile.record.threshold = calibrate::run(args, &dataset, &model, FIT_SHARE)?;
    eprintln!("threshold {:?}", profile.record.threshold);
    let bytes = encode(args, &dataset, &last, &profile, left, fit_count - left)?;
    Model::open(&bytes).context("the model just made does not open")?;
    std::fs::create_dir_all(args.model.parent().unwrap())?;
    std::fs::write(&args.model, &bytes)?;
    Ok(())
}

fn round(args: &Args, dataset: &Dataset, keep: &[Vec<bool>], epochs: usize) -> Result<Round> {
    let rows: Vec<Rows> = fit_rows(dataset, keep)?;
    let in_part = |from: f64, to: f64| -> Vec<Vector> { dataset.streams.iter().zip(&rows).zip(keep).flat_map(|((s, r), k)| { let p = s.part(from, to); r.vectors[p.clone()].iter().zip(&k[p]).filter(|(_, k)| **k).map(|(v, _)| *v).collect::<Vec<_>>() }).collect() };
    let kept: Vec<Vector> = in_part(0.0, FIT_SHARE);
    let held: Vec<Vector> = in_part(FIT_SHARE, 1.0);
    let (center, scale) = vectors::standardisation(&kept, STD_FLOOR);
    let z = |v: &Vector| -> Vector { core::array::from_fn(|j| ((v[j] - center[j]) / scale[j]).clamp(-8.0, 8.0)) };
    let plan = fit::Plan { epochs, seed: args.seed, start: None, label: "fitting" };
    let outcome = fit::fit(&kept.iter().map(z).collect::<Vec<_>>(), &held.iter().map(z).collect::<Vec<_>>(), &plan);
    let view = View {
        name: "record".to_owned(),
        center: center.to_vec(),
        scale: scale.to_vec(),
        layers: outcome.weights.clone(),
        tanh: TANH.to_vec(),
        leave_one_out: true,
    };
    let mut record = RecordView {
        center,
        scale,
        residual_quantile: [1.0; RECORD_FEATURES],
        value_quantile: [1.0; RECORD_FEATURES],
        autoencoder: args.without != Some(Without::Autoencoder),
        novelty: args.without != Some(Without::Novelty),
        threshold: Threshold { value: 1.0, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) },
    };
    let residuals = residuals(&view, &kept);
    for j in 0..RECORD_FEATURES {
        let mut r: Vec<f64> = residuals.iter().map(|r| f64::from(r[j].abs())).collect();
        record.residual_quantile[j] = (quantile(&mut r, RESIDUAL_QUANTILE).max(3.5 * rms(&r)) as f32).max(0.1);
        let mut x: Vec<f64> = kept.iter().map(|v| f64::from(((v[j] - center[j]) / scale[j]).abs())).collect();
        record.value_quantile[j] = (quantile(&mut x, VALUE_QUANTILE).max(3.5 * rms(&x)) as f32).max(0.1);
    }
    eprintln!("Q {:?}\nQ' {:?}\nscale {:?}", record.residual_quantile, record.value_quantile, record.scale);
    Ok(Round { rows, view, record, outcome })
}

/// Residuals of rows by the weights of a view, as the graph computes them.
fn residuals(view: &View, rows: &[Vector]) -> Vec<Vector> {
    let forward = |z: &Vector| -> Vector {
        let mut x: Vec<f32> = z.to_vec();
        for (layer, squash) in view.layers.iter().zip(&view.tanh) {
            x = dense(layer, &x, *squash);
        }
        core::array::from_fn(|j| x[j])
    };
    rows.iter().map(|row| {
        let z: Vector = core::array::from_fn(|j| (row[j] - view.center[j]) / view.scale[j]);
        core::array::from_fn(|j| { let mut m = z; m[j] = 0.0; z[j] - forward(&m)[j] })
    }).collect()
}

fn dense(layer: &Dense, x: &[f32], squash: bool) -> Vec<f32> {
    let mut y = layer.bias.clone();
    for (i, x) in x.iter().enumerate() {
        let w = &layer.weight[i * layer.outputs..(i + 1) * layer.outputs];
        y.iter_mut().zip(w).for_each(|(y, w)| *y += x * w);
    }
    if squash { y.iter_mut().for_each(|y| *y = y.tanh()); }
    y
}

fn drop_odd(dataset: &Dataset, keep: &mut [Vec<bool>]) -> Result<usize> {
    let env = |k: &str, d: f64| std::env::var(k).ok().and_then(|t| t.parse().ok()).unwrap_or(d);
    let rows: Vec<Rows> = fit_rows(dataset, keep)?;
    let kept: Vec<Vector> = rows.iter().zip(keep.iter()).flat_map(|(r, k)| r.vectors.iter().zip(k).filter(|(_, k)| **k).map(|(v, _)| *v)).collect();
    let mut limits = [0.0; 6];
    let mut centers = [0.0; 6];
    for j in 0..6 {
        let mut x: Vec<f64> = kept.iter().map(|v| f64::from(v[j])).collect();
        centers[j] = quantile(&mut x, 0.5);
        let mut x: Vec<f64> = x.iter().map(|x| (x - centers[j]).abs()).collect();
        limits[j] = (env("RAISE", 1.68) * quantile(&mut x, 0.95)).max(0.3);
    }
    eprintln!("limits {limits:?}");
    let cut = env("CUT", 1.3);
    let (before, after) = (env("BEFORE", 5.0) as usize, env("AFTER", 15.0) as usize);
    let mut dropped = 0;
    for (rows, keep) in rows.iter().zip(keep.iter_mut()) {
        keep.fill(true);
        for (i, v) in rows.vectors.iter().enumerate() {
            let odd = (0..6).any(|j| (f64::from(v[j]) - centers[j]).abs() > cut * limits[j]);
            if odd {
                let end = (i + after + 1).min(keep.len());
                keep[i.saturating_sub(before)..end].fill(false);
            }
        }
        dropped += keep.iter().filter(|k| !**k).count();
    }
    Ok(dropped)
}

fn fit_rows(dataset: &Dataset, keep: &[Vec<bool>]) -> Result<Vec<Rows>> {
    dataset.streams.iter().zip(keep).map(|(s, k)| { let n = s.part(0.0, FIT_SHARE).end; let k: Vec<bool> = k.iter().enumerate().map(|(i, k)| *k && i < n).collect(); vectors::rows(s, &k).context("a stream is too short") }).collect::<Result<_>>()
}

fn profile(dataset: &Dataset, round: &Round) -> Profile {
    let (baselines, priors) = vectors::catalogue(dataset, &round.rows);
    Profile { features: FEATURES.map(str::to_owned).to_vec(), revision: REVISION, record: round.record.clone(), baselines, priors }
}

fn encode(args: &Args, dataset: &Dataset, round: &Round, profile: &Profile, rows: usize, trimmed: usize) -> Result<Vec<u8>> {
    let inputs: Vec<Vector> = round.rows[0].vectors.iter().step_by(97).take(8).copied().collect();
    let outputs = residuals(&round.view, &inputs);
    let golden = Golden { record: GoldenView { inputs: inputs.iter().map(|v| v.to_vec()).collect(), outputs: outputs.iter().map(|v| v.to_vec()).collect() } };
    let provenance = Provenance {
        trainer: format!("oddline-trainer {}", env!("CARGO_PKG_VERSION")),
        data_sha256: dataset.sha256.clone(), seed: args.seed, rows: rows as u64, rows_trimmed: trimmed as u64,
        newest: dataset.newest().map(|t| t.to_string()).unwrap_or_default(), validation_loss: 0.0, warm_start: None,
    };
    Ok(export::encode(std::slice::from_ref(&round.view), &[
        (key::FORMAT, FORMAT.to_owned()), (key::VERSION, "1".to_owned()),
        (key::PROFILE, serde_json::to_string(profile)?), (key::PROVENANCE, serde_json::to_string(&provenance)?),
        (key::GOLDEN, serde_json::to_string(&golden)?)])?)
}

fn rms(x: &[f64]) -> f64 { (x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64).sqrt() }
