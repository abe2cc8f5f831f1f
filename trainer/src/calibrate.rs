//! The threshold: held-out records streamed through the detector.

use anyhow::Result;
use oddline_core::{profile::Threshold, record::Record};
use oddline_detector::{Judge, Model, Names};

use crate::{dataset::Dataset, train::Args};

pub fn run(args: &Args, dataset: &Dataset, model: &Model, from: f64) -> Result<Threshold> {
    let mut held: Vec<Vec<f32>> = vec![Vec::new(); dataset.streams.len()];
    let mut days = 0.0;
    for (s, stream) in dataset.streams.iter().enumerate() {
        let mut judge = Judge::new(model)?;
        let mut out = Vec::new();
        let names = Names { server: &stream.name.server, component: &stream.name.component };
        for (time, value) in stream.times.iter().zip(&stream.values) {
            judge.push(&Record { time: Some(*time), value: Some(*value), ..Record::default() }, names, &mut out)?;
        }
        judge.flush(&mut out)?;
        let range = stream.part(from, 1.0);
        days += stream.days(range.clone());
        held[s] = out[range].iter().map(|j| j.verdict.score.value).collect();
    }
    let mut all: Vec<f32> = held.iter().flatten().copied().collect();
    all.sort_by(f32::total_cmp);
    for q in [0.5, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999, 0.9999] {
        eprintln!("held q{q}: {}", all[(all.len() as f64 * q) as usize]);
    }
    let t: f32 = std::env::var("T").ok().and_then(|t| t.parse().ok()).unwrap_or(1.2);
    let _ = (args, days);
    Ok(Threshold { value: t, alert_budget: None, quantile: None, expected: 0.0, interval: (0.0, 0.0) })
}
