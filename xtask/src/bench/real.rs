//! Streams that nobody here made, with labelled windows: fitted on the first part of each, judged on the rest; the same
//! without the autoencoder, and a windowed Gaussian with a threshold from the same first part.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::gaussian;
use crate::pipeline::{Profile, Trainer, Without};
use crate::{shell, table};

#[derive(clap::Args)]
pub struct Args {
    /// A folder of `timestamp,value` files, each a stream; `windows.json` is in it or beside it
    #[arg(long)]
    data: PathBuf,
    /// The first part of every stream, which is fitted and not judged
    #[arg(long, default_value_t = 0.4)]
    part: f64,
}

pub fn run(args: &Args) -> Result<()> {
    let data =
        fs::canonicalize(&args.data).with_context(|| format!("opening {}", args.data.display()))?;
    let labels = labels_of(&data)?;
    let trainer = Trainer::build(Profile::Dev, "bench/real")?;
    for without in [Without::Nothing, Without::Autoencoder] {
        println!("\n== without: {}", without.name());
        let trainer = trainer.in_folder(&format!("without_{}", without.name()))?;
        shell::must(&mut trainer.train_on_part(&data, args.part, without))?;
        let report = trainer.dir().join("report.json");
        shell::must(&mut trainer.test_after_part(&data, args.part, &labels, &report))?;
        println!("charts: {}", trainer.dir().join("charts").display());
    }
    println!(
        "\n== windowed Gaussian\n{}",
        baseline(&data, &labels, args.part)?
    );
    Ok(())
}

fn labels_of(data: &Path) -> Result<PathBuf> {
    let beside = data.parent().unwrap_or(data);
    [data, beside]
        .iter()
        .map(|dir| dir.join("windows.json"))
        .find(|file| file.is_file())
        .with_context(|| format!("no windows.json in {} or beside it", data.display()))
}

/// The windowed Gaussian's table, a row per stream.
fn baseline(data: &Path, labels: &Path, part: f64) -> Result<String> {
    let labels: Value = serde_json::from_slice(&fs::read(labels)?)?;
    let mut files: Vec<PathBuf> = fs::read_dir(data)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "csv"));
    files.sort();
    ensure!(!files.is_empty(), "no .csv file in {}", data.display());
    let mut rows = Vec::new();
    let mut sums = [0; 3];
    for file in &files {
        let found = judged(file, windows_of(&labels, file), part)?;
        let counts = [found.windows, found.found, found.false_alerts];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        rows.push(row(name, counts));
    }
    rows.push(row("all".to_owned(), sums));
    Ok(table::markdown(
        &["stream", "windows", "found", "missed", "alerts outside"],
        &rows,
    ))
}

fn row(name: String, [windows, found, outside]: [usize; 3]) -> Vec<String> {
    vec![
        name,
        windows.to_string(),
        found.to_string(),
        (windows - found).to_string(),
        outside.to_string(),
    ]
}

/// `{"folder/file.csv": [["2014-02-26 13:45:00.000000", end], ...]}`
fn windows_of(labels: &Value, file: &Path) -> Vec<(String, String)> {
    let name = file.file_name().unwrap_or_default();
    let Some((_, windows)) = labels
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| Path::new(key).file_name() == Some(name))
    else {
        return Vec::new();
    };
    let second = |value: &Value| Some(value.as_str()?.get(..19)?.to_owned());
    let windows = windows.as_array().into_iter().flatten();
    windows
        .filter_map(|window| Some((second(&window[0])?, second(&window[1])?)))
        .collect()
}

/// Threshold from the first part, alerts from the rest. Times are compared as the texts they are: they sort.
fn judged(file: &Path, windows: Vec<(String, String)>, part: f64) -> Result<gaussian::Found> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let Some((time, value)) = line.split_once(',') else {
            continue;
        };
        times.push(time);
        values.push(
            value
                .trim()
                .parse::<f64>()
                .with_context(|| format!("{}: {line}", file.display()))?,
        );
    }
    let fitted = (part * values.len() as f64) as usize;
    let scores = gaussian::scores(&values);
    let threshold = scores[..fitted].iter().copied().fold(0.0, f64::max);
    let alerts: Vec<usize> = (fitted..values.len())
        .filter(|&at| scores[at] > threshold)
        .map(|at| at - fitted)
        .collect();
    let times = &times[fitted..];
    let positions: Vec<(usize, usize)> = windows
        .iter()
        .map(|(start, end)| {
            let first = times.partition_point(|time| *time < start.as_str());
            (first, times.partition_point(|time| *time <= end.as_str()))
        })
        .filter(|(first, after)| first < after)
        .map(|(first, after)| (first, after - 1))
        .collect();
    Ok(gaussian::compare(&alerts, &positions))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows_are_found_by_the_files_name() {
        let labels =
            json!({"folder/a.csv": [["2014-02-26 13:45:00.000000", "2014-02-27 06:25:00.000000"]]});
        let found = windows_of(&labels, Path::new("/elsewhere/a.csv"));
        assert_eq!(
            found,
            [(
                "2014-02-26 13:45:00".to_owned(),
                "2014-02-27 06:25:00".to_owned()
            )]
        );
        assert_eq!(windows_of(&labels, Path::new("b.csv")), []);
    }
}
