//! Real streams with labelled windows: alerts per stream beside other models and a windowed Gaussian.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use oddline_core::{limits::EPISODE_GAP_RECORDS, profile::Threshold, stream::StreamName, time::EventTime};
use oddline_detector::OpenModel;

use crate::{
    chart::{self, Point, StreamPanel},
    evaluate::{
        baseline::{WindowedGaussian, threshold_for_budget},
        window_table::{self, DetectorResult, StreamResult, WindowEvaluation},
        windows::{LabelledWindow, LabelledWindows},
    },
    score_stream,
};

/// One stream as read, for the comparison detectors and the chart.
struct LabelledSeries {
    times: Vec<EventTime>,
    values: Vec<f64>,
    flagged: Vec<bool>,
    skipped: usize,
}

/// Collects a run over labelled streams. Keeps all values: meant for data sets, not for endless logs.
pub(super) struct Labelled {
    windows: LabelledWindows,
    series: BTreeMap<Arc<StreamName>, LabelledSeries>,
}

impl Labelled {
    /// Reads the labels.
    ///
    /// # Errors
    /// When the file cannot be read or is no such file.
    pub(super) fn begin(labels: &Path) -> Result<Self> {
        Ok(Self { windows: LabelledWindows::load(labels)?, series: BTreeMap::new() })
    }

    /// Takes one record; `judged` is `None` in the part that is skipped.
    pub(super) fn push(&mut self, stream: &Arc<StreamName>, time: EventTime, value: f64, judged: Option<bool>) {
        let series = self.series.entry(Arc::clone(stream)).or_insert_with(|| LabelledSeries {
            times: Vec::new(),
            values: Vec::new(),
            flagged: Vec::new(),
            skipped: 0,
        });
        series.times.push(time);
        series.values.push(value);
        series.flagged.push(judged.unwrap_or(false));
        series.skipped += usize::from(judged.is_none());
    }

    /// The table: this model, each model beside it, the windowed Gaussian.
    ///
    /// # Errors
    /// When a stream's labels cannot be told or a model beside cannot be opened.
    pub(super) fn finish(&self, threshold: &Threshold, beside: &[PathBuf]) -> Result<Vec<DetectorResult>> {
        let mut detectors = vec![self.result("Oddline", |s| Ok(s.flagged.clone()))?];
        for path in beside {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read the model {}", path.display()))?;
            let model = OpenModel::open(&bytes).with_context(|| format!("cannot use the model {}", path.display()))?;
            let label = if model.profile.record.autoencoder { "Other model" } else { "No autoencoder" };
            detectors.push(self.judged_by(label, &model)?);
        }
        detectors.push(self.gaussian(threshold)?);
        Ok(detectors)
    }

    /// Small multiples of all streams with windows and alerts.
    ///
    /// # Errors
    /// When the chart cannot be written.
    pub(super) fn draw(&self, file: &Path) -> Result<()> {
        let mut panels = Vec::new();
        for (name, series) in &self.series {
            let points = series.times.iter().zip(&series.values).zip(&series.flagged);
            panels.push(StreamPanel {
                name: name.component.clone(),
                note: String::new(),
                points: points
                    .map(|((time, value), flagged)| Point { time_us: time.micros(), value: *value, flagged: *flagged })
                    .collect(),
                windows_us: self.windows_of(name)?.iter().map(|w| (w.start_us, w.end_us)).collect(),
                split_us: series.times.get(series.skipped).map(|t| t.micros()),
            });
        }
        Ok(chart::streams(file, &panels, "Labelled windows shaded, alerts in red, the part learnt from in grey")?)
    }

    fn windows_of(&self, name: &StreamName) -> Result<&[LabelledWindow]> {
        let full = format!("{}/{}", name.server, name.component);
        Ok(self.windows.of_stream(&full).or_else(|_| self.windows.of_stream(&name.component))?)
    }

    fn result(&self, label: &str, flags: impl Fn(&LabelledSeries) -> Result<Vec<bool>>) -> Result<DetectorResult> {
        let mut streams = Vec::new();
        for (name, series) in &self.series {
            let flags = flags(series)?;
            streams.push(self.stream_result(name, series, &flags)?);
        }
        Ok(DetectorResult { label: label.to_owned(), streams })
    }

    fn stream_result(&self, name: &StreamName, series: &LabelledSeries, flags: &[bool]) -> Result<StreamResult> {
        let from = series.times.get(series.skipped).map_or(i64::MAX, |t| t.micros());
        let windows = self.windows_of(name)?;
        let mut table = WindowEvaluation::new(&name.component, windows, from, u64::from(EPISODE_GAP_RECORDS));
        for (time, flagged) in series.times.iter().zip(flags).skip(series.skipped) {
            table.push(time.micros(), *flagged);
        }
        Ok(table.finish())
    }

    fn judged_by(&self, label: &str, model: &OpenModel) -> Result<DetectorResult> {
        let mut streams = Vec::new();
        for (name, series) in &self.series {
            let out = score_stream::series(name, &series.times, &series.values, model)?;
            let flags: Vec<bool> = out.iter().map(|j| j.verdict.anomalous).collect();
            streams.push(self.stream_result(name, series, &flags)?);
        }
        Ok(DetectorResult { label: label.to_owned(), streams })
    }

    /// Its one threshold is set on the skipped parts to the budget the model was calibrated to.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn gaussian(&self, threshold: &Threshold) -> Result<DetectorResult> {
        let scores = |series: &LabelledSeries| -> Vec<f64> {
            let mut gaussian = WindowedGaussian::default();
            series.values.iter().map(|v| gaussian.push(*v)).collect()
        };
        let all: Vec<Vec<f64>> = self.series.values().map(&scores).collect();
        let fitted: Vec<Vec<f64>> =
            all.iter().zip(self.series.values()).map(|(s, series)| s[..series.skipped].to_vec()).collect();
        let days = |s: &LabelledSeries| match (s.times.first(), s.times.get(s.skipped.saturating_sub(1))) {
            (Some(first), Some(last)) => last.seconds_since(*first) / 86_400.0,
            _ => 0.0,
        };
        let server_days = self.series.values().map(days).sum::<f64>() / self.series.len().max(1) as f64;
        let budget = threshold.alert_budget.unwrap_or(threshold.expected);
        let gap = EPISODE_GAP_RECORDS as usize;
        let limit = threshold_for_budget(&fitted, gap, budget * server_days);
        let flag = |series: &LabelledSeries| -> Result<Vec<bool>> {
            Ok(scores(series).iter().map(|s| limit.is_some_and(|l| *s > l)).collect())
        };
        self.result("Windowed Gaussian", flag)
    }
}

/// The table as text and as JSON.
#[must_use]
pub(super) fn render(detectors: &[DetectorResult]) -> (String, serde_json::Value) {
    (window_table::text(detectors), window_table::json(detectors))
}
