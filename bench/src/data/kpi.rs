//! Production time series of cloud services: folders of `TimeStamp,Value,Label` files, each file a server of its own.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use oddline_core::{stream::StreamName, time::EventTime};

use super::{LabelledSeries, windows_of};

/// The share of each series to learn from.
const LEARNT: f64 = 0.4;

/// All series below a folder, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is none of these.
pub(crate) fn read(folder: &Path) -> Result<Vec<LabelledSeries>> {
    let mut files = Vec::new();
    for kind in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let kind = kind?.path();
        if kind.is_dir() {
            for file in fs::read_dir(kind)? {
                files.push(file?.path());
            }
        }
    }
    files.retain(|file| file.extension().is_some_and(|end| end == "csv"));
    files.sort();
    files.iter().map(|file| series(file).with_context(|| file.display().to_string())).collect()
}

fn series(file: &Path) -> Result<LabelledSeries> {
    let text = fs::read_to_string(file)?;
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split(',').map(|cell| cell.trim_matches('"'));
        let (time, value, label) = (cells.next(), cells.next(), cells.next());
        let time = time.and_then(EventTime::parse).with_context(|| format!("no time in {line:?}"))?;
        // A value left out is no record.
        let Some(Ok(value)) = value.map(str::parse::<f64>) else { continue };
        rows.push((time, value, label == Some("1")));
    }
    rows.sort_by_key(|row| row.0);
    let times: Vec<EventTime> = rows.iter().map(|row| row.0).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.2).collect();
    let server = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(LabelledSeries {
        name: StreamName { server, component: "value".to_owned() },
        windows: windows_of(&times, &labels),
        learnt: (rows.len() as f64 * LEARNT).round() as usize,
        values: rows.iter().map(|row| row.1).collect(),
        times,
    })
}
