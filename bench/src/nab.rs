//! Streams of the Numenta Anomaly Benchmark: learnt from on the first part of each, judged on the rest, beside the same
//! without the autoencoder and a windowed Gaussian.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use oddline_trainer::{
    calibrate::ThresholdTarget,
    clock,
    dataset::{Dataset, InputLogs, ReadOptions},
    train::{self, AblatedPart, TrainingRecipe},
};

use crate::{
    data::{LabelledSeries, nab},
    detectors::{gaussian, oddline},
    metrics::windows::{DetectorFigures, WindowFigures, tables},
    panels,
};

/// Streams of the Numenta Anomaly Benchmark with labelled windows
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with windows.json and folders of timestamp,value files, each file a stream
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder of streams in it
    #[arg(long, value_name = "NAME", default_value = "realAWSCloudwatch")]
    streams: String,
    /// The first part of every stream, which is learnt from and not judged
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    part: f64,
    /// Alert budgets per server and day, a table and a chart each
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1.0, 0.1])]
    alert_budget: Vec<f64>,
    /// Epochs at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    epochs: usize,
    /// Folder of the charts
    #[arg(long, value_name = "DIR", default_value = "target/bench/nab")]
    charts: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = args.data.join(&args.streams).to_string_lossy().into_owned();
    let logs = InputLogs::find(&[folder], ReadOptions::default())?;
    let series = nab::read(&logs, &args.data.join("windows.json"), args.part)?;
    let dataset = Dataset::load(&logs, args.part)?;
    fs::create_dir_all(&args.charts).with_context(|| args.charts.display().to_string())?;
    for budget in &args.alert_budget {
        println!("\n== {}, alert budget {budget} per server and day\n", args.streams);
        let judged = |without| {
            let aim = ThresholdTarget::Budget(*budget);
            let recipe = TrainingRecipe { aim, seed: 1, epochs: args.epochs, without };
            let made = train::make(&recipe, &dataset, None, None, clock::now())?;
            oddline::alerts(&series, &made.model)
        };
        let alerts = judged(None)?;
        let detectors = [
            figures("Oddline", &series, &alerts),
            figures("no autoencoder", &series, &judged(Some(AblatedPart::Autoencoder))?),
            figures("windowed Gaussian", &series, &gaussian::alerts(&series, *budget)),
        ];
        print!("{}", tables(&series, &detectors));
        let chart = args.charts.join(format!("budget_{budget}.png"));
        panels::draw(&chart, &series, &alerts)?;
        println!("chart: {}", chart.display());
    }
    Ok(())
}

fn figures(detector: &'static str, series: &[LabelledSeries], alerts: &[Vec<bool>]) -> DetectorFigures {
    let streams = series.iter().zip(alerts).map(|(series, alerts)| WindowFigures::of(series, alerts));
    DetectorFigures { detector, streams: streams.collect() }
}
