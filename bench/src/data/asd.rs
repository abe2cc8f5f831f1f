//! Servers of many metrics: `NAME.train.csv`, (mostly) normal, a column a metric and a row each five minutes, and
//! `NAME.test.csv`, with a last column `anomalous`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use oddline_core::{stream::StreamName, time::EventTime};

use super::{LabelledSeries, windows_of};

/// The share of the normal file to learn from; the rest of it is judged as days without an anomaly.
const LEARNT: f64 = 0.6;
const STEP_US: i64 = 300_000_000;
/// Some day to begin with: the files have no times.
const START_US: i64 = 1_700_006_400_000_000;

/// The streams of one server, the test behind the normal file.
pub(crate) struct Server {
    pub series: Vec<LabelledSeries>,
    /// Records of the normal file.
    pub normal: usize,
}

/// All servers of a folder, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is none of these.
pub(crate) fn read(folder: &Path) -> Result<Vec<Server>> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = file?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".train.csv").map(str::to_owned));
    }
    names.sort();
    names.iter().map(|name| server(folder, name).with_context(|| name.clone())).collect()
}

fn server(folder: &Path, name: &str) -> Result<Server> {
    let (metrics, mut rows) = table(&folder.join(format!("{name}.train.csv")))?;
    let normal = rows.len();
    rows.extend(table(&folder.join(format!("{name}.test.csv")))?.1);
    let times: Vec<EventTime> =
        (0..rows.len()).map(|at| EventTime::from_micros(START_US + at as i64 * STEP_US)).collect();
    let is_odd = |row: &Vec<f64>| row.get(metrics.len()).is_some_and(|label| *label > 0.0);
    let labels: Vec<bool> = rows.iter().map(is_odd).collect();
    let series = metrics.iter().enumerate().map(|(column, metric)| LabelledSeries {
        name: StreamName { server: name.to_owned(), component: metric.clone() },
        times: times.clone(),
        values: rows.iter().map(|row| row.get(column).copied().unwrap_or(f64::NAN)).collect(),
        learnt: (normal as f64 * LEARNT).round() as usize,
        windows: windows_of(&times, &labels),
    });
    Ok(Server { series: series.collect(), normal })
}

fn table(file: &Path) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut lines = text.lines();
    let heading = lines.next().context("no heading")?.split(',').map(str::to_owned).collect();
    let number = |cell: &str| cell.parse::<f64>().with_context(|| format!("{cell:?} is no number"));
    let rows = lines.map(|line| line.split(',').map(number).collect::<Result<Vec<f64>>>()).collect::<Result<_>>()?;
    Ok((heading, rows))
}
