//! Fitting the window view: the metrics of each server together, through a second autoencoder. From records and the
//! baselines of their streams to weights and what the scores are measured in.
//!
//! The windows are made by the code that judges, from the final baselines. In training half of a window's numbers are zeroed,
//! so that each is learnt from what it stands beside; the windows furthest out are left out of the fit.

use std::{collections::BTreeMap, sync::Arc};

use oddline_core::{
    limits::WINDOW_METRICS_MAX,
    profile::{ModelProfile, WINDOW},
    robust::{median, quantile},
    stream::{StreamName, StreamSlot},
    time::EventTime,
    window::{
        ClosedWindow, INTERVAL_MAX_S, INTERVAL_MIN_S, METRICS_MIN, WindowReading, WindowTable, WindowVerdict,
        WindowView,
    },
};

use crate::{
    calibrate::ThresholdTarget,
    dataset::{Dataset, DatasetStream},
    export::View,
    network::{self, TANH},
    reference_forward,
    score_stream::{self, StreamPart},
    train::TrainingRecipe,
};

/// Windows below which an autoencoder's residuals mean nothing.
pub const WINDOWS_MIN: usize = 100;
/// Windows that it is fitted to, at most, evenly spread.
const WINDOWS_MAX: usize = 16_384;
/// A number that hardly varies in training must not turn a whisper into thunder.
const SCALE_MIN: f64 = 0.1;
/// Nor a residual that the network gives back to the last digit.
const RESIDUAL_MIN: f64 = 0.1;
/// Inputs are cut here in training.
const INPUT_CLIP: f32 = 8.0;
/// Share of the windows, those with the largest numbers, that are not learnt from: a log that nobody cleaned has anomalies.
const TRIMMED: f64 = 0.02;
/// Hidden layers of the autoencoder.
const HIDDEN: [usize; 3] = [64, 16, 64];
/// The threshold where no budget says more: this quantile of the training's smoothed scores, where it is ...
const THRESHOLD_QUANTILE: f64 = 0.999;
/// Windows have this share of the alert budget, beside the records'.
const BUDGET_SHARE: f64 = 0.25;

/// A fitted window view.
pub struct FittedWindows {
    pub view: View,
    pub window: WindowView,
    /// Some vectors, to be the file's golden rows.
    pub rows: Vec<Vec<f32>>,
}

/// Why a model has no window view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWindows {
    /// No server has two metrics that the model knows.
    Metrics,
    /// There are fewer windows than [`WINDOWS_MIN`].
    Few(usize),
}

/// Fits the view to the windows of all servers that the profile's baselines make of the records.
///
/// # Errors
/// When there is too little to learn from.
pub fn learn(recipe: &TrainingRecipe, dataset: &Dataset, profile: &ModelProfile) -> Result<FittedWindows, NoWindows> {
    let records = InOrder::of(&dataset.streams);
    let view = unfitted(&dataset.streams, profile).ok_or(NoWindows::Metrics)?;
    let mut profile = ModelProfile { window: Some(view), ..profile.clone() };
    let mut windows = Vec::new();
    records.windows(&profile, |_, closed| windows.push(closed));
    if windows.len() < WINDOWS_MIN {
        return Err(NoWindows::Few(windows.len()));
    }
    let width = windows[0].vector.len();
    let step = windows.len().div_ceil(WINDOWS_MAX).max(1);
    let rows: Vec<&[f32]> = windows.iter().step_by(step).map(|window| window.vector.as_slice()).collect();
    let (center, scale) = standardisation(&rows, width);
    let standard = |row: &&[f32]| -> Vec<f32> { (0..width).map(|j| (row[j] - center[j]) / scale[j]).collect() };
    let kept = near(rows.iter().map(standard).collect());
    let inputs: Vec<Vec<f32>> =
        kept.iter().map(|row| row.iter().map(|x| x.clamp(-INPUT_CLIP, INPUT_CLIP)).collect()).collect();
    let sizes: Vec<usize> = [&[width][..], &HIDDEN, &[width]].concat();
    let layers = crate::fit::fit_windows(&inputs, &sizes, recipe.epochs, recipe.seed);
    let view = View { name: WINDOW.to_owned(), center, scale, layers, tanh: TANH.to_vec(), leave_one_out: false };
    let fitted = profile.window.as_mut().expect("it was set above");
    fitted.residual_scale = residual_scale(&view, &kept);
    fitted.windows = windows.len() as u64;
    calibrate(recipe, &records, &view, &mut profile);
    let every = (windows.len() / GOLDEN_ROWS).max(1);
    let rows = windows.into_iter().step_by(every).take(GOLDEN_ROWS).map(|window| window.vector).collect();
    Ok(FittedWindows { view, window: profile.window.expect("it was set above"), rows })
}

/// Golden rows of this view: each has up to 126 numbers, and as many come out.
const GOLDEN_ROWS: usize = 4;

/// The metrics of the view and its interval: components that most servers have first. `None` when no server has two.
fn unfitted(streams: &[DatasetStream], profile: &ModelProfile) -> Option<WindowView> {
    let (mut servers, mut components) = (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    let mut gaps = Vec::new();
    for DatasetStream { name: StreamName { server, component }, .. } in streams {
        if let Some(baseline) = profile.baseline(server, component) {
            *servers.entry(server).or_default() += 1;
            *components.entry(component).or_default() += 1;
            gaps.push(baseline.gap_s);
        }
    }
    if servers.values().all(|metrics| *metrics < METRICS_MIN) {
        return None;
    }
    let mut order: Vec<(&str, usize)> = components.into_iter().collect();
    order.sort_by_key(|(_, servers)| std::cmp::Reverse(*servers));
    let mut metrics: Vec<String> = order.into_iter().take(WINDOW_METRICS_MAX).map(|(c, _)| c.to_owned()).collect();
    metrics.sort();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between the bounds")]
    let interval_s = median(&gaps).ceil().clamp(f64::from(INTERVAL_MIN_S), f64::from(INTERVAL_MAX_S)) as u32;
    let mut view =
        WindowView { interval_s, metrics, residual_scale: Vec::new(), threshold: 1.0, budget: None, windows: 0 };
    view.residual_scale = vec![1.0; view.width()];
    Some(view)
}

/// All records in the order of time, as a server writes them.
struct InOrder<'a> {
    streams: &'a [DatasetStream],
    names: Vec<Arc<StreamName>>,
    order: Vec<(usize, usize)>,
}

impl<'a> InOrder<'a> {
    fn of(streams: &'a [DatasetStream]) -> Self {
        let order = score_stream::in_order(&streams.iter().map(StreamPart::whole).collect::<Vec<_>>());
        Self { streams, names: streams.iter().map(|stream| Arc::new(stream.name.clone())).collect(), order }
    }

    /// Gives each window to `take`, with the table that it is of.
    fn windows(&self, profile: &ModelProfile, mut take: impl FnMut(&mut WindowTable, ClosedWindow)) -> WindowTable {
        let (mut table, mut closed) = (WindowTable::default(), Vec::new());
        for (stream, at) in &self.order {
            let (of, name) = (&self.streams[*stream], &self.names[*stream]);
            let slot = StreamSlot::try_from(*stream).expect("there are fewer streams than slots");
            let reading = WindowReading { slot, name, time: of.times[*at], value: of.values[*at] };
            table.take(profile, reading, &mut closed);
            closed.drain(..).for_each(|window| take(&mut table, window));
        }
        table
    }

    fn judge(&self, profile: &ModelProfile, view: &View) -> (WindowTable, Vec<WindowVerdict>) {
        let mut verdicts = Vec::new();
        let table = self.windows(profile, |table, window| {
            verdicts.extend(table.conclude(profile, &window, &reference_forward::whole(view, &window.vector)));
        });
        (table, verdicts)
    }

    fn newest(&self) -> EventTime {
        let newest = self.streams.iter().filter_map(|stream| stream.times.last()).max();
        newest.copied().unwrap_or(EventTime::from_micros(0))
    }
}

/// Mean and standard deviation of each number, the latter at least [`SCALE_MIN`].
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "statistics in f64, the model in f32")]
fn standardisation(rows: &[&[f32]], width: usize) -> (Vec<f32>, Vec<f32>) {
    let count = rows.len().max(1) as f64;
    let of = |j: usize| {
        let mean = rows.iter().map(|row| f64::from(row[j])).sum::<f64>() / count;
        let square = rows.iter().map(|row| (f64::from(row[j]) - mean) * (f64::from(row[j]) - mean)).sum::<f64>();
        (mean as f32, (square / count).sqrt().max(SCALE_MIN) as f32)
    };
    (0..width).map(of).unzip()
}

/// The rows without those furthest out.
fn near(rows: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let length = |row: &Vec<f32>| row.iter().map(|x| f64::from(x * x)).sum::<f64>();
    let limit = quantile(&mut rows.iter().map(length).collect::<Vec<_>>(), 1.0 - TRIMMED);
    rows.into_iter().filter(|row| length(row) <= limit).collect()
}

/// Deviation of each number's residual on standardised rows, at least [`RESIDUAL_MIN`].
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "statistics in f64, the model in f32")]
fn residual_scale(view: &View, rows: &[Vec<f32>]) -> Vec<f32> {
    let found = network::reconstructed(&view.layers, rows);
    let mut squares = vec![0.0; view.center.len()];
    for (row, found) in rows.iter().zip(&found) {
        for ((square, x), y) in squares.iter_mut().zip(row).zip(found) {
            *square += f64::from(x - y) * f64::from(x - y);
        }
    }
    squares.iter().map(|square| (square / rows.len().max(1) as f64).sqrt().max(RESIDUAL_MIN) as f32).collect()
}

/// Sets the threshold and, with a budget, where the servers' limits start from.
#[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
fn calibrate(recipe: &TrainingRecipe, records: &InOrder<'_>, view: &View, profile: &mut ModelProfile) {
    let unit = profile.record.threshold.value;
    // A threshold of 1 makes the smoothed scores readable: they are in units of the records' threshold.
    let (_, verdicts) = records.judge(profile, view);
    let mut scores: Vec<f64> = verdicts.iter().map(|verdict| f64::from(verdict.score / unit)).collect();
    let share = match recipe.aim {
        ThresholdTarget::Quantile(share) => share,
        ThresholdTarget::Budget(_) => THRESHOLD_QUANTILE,
    };
    let threshold = quantile(&mut scores, share).max(f64::from(f32::MIN_POSITIVE)) as f32;
    let asked = match recipe.aim {
        ThresholdTarget::Quantile(_) => None,
        ThresholdTarget::Budget(asked) => Some(asked * BUDGET_SHARE),
    };
    let set = |profile: &mut ModelProfile, budget| {
        let window = profile.window.as_mut().expect("the caller has set it");
        (window.threshold, window.budget) = (threshold, budget);
    };
    set(profile, asked.map(oddline_core::budget::BudgetProfile::unknown));
    if let Some(asked) = asked {
        let (table, _) = records.judge(profile, view);
        let learnt = table.budgets().learnt(asked, records.newest());
        set(profile, Some(learnt));
    }
}
