//! Access logs, read as the product reads them with `values = "numbers"`: status, bytes and durations of requests.
//! [`recorded`] are those of a real shop, under an hour each; [`generated`] is a healthy site's, made up, of two weeks,
//! because an hour says nothing of days and nights. Of LogHub's logs the one of Apache is an error log without numbers.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use oddline_core::{readings::ValueSelection, stream::StreamName, time::EventTime};
use oddline_trainer::dataset::{InputLogs, ReadArgs, ReadOptions, load::stream_of};

use super::{LabelledSeries, LabelledWindow, site};

/// The shop's logs of requests, each with its layout where its program was given one.
const LOGS: [(&str, Option<&str>); 5] = [
    ("app.jsonl", None),
    ("gateway.log", None),
    ("haproxy-rfc5424.log", None),
    ("nginx-access.log", None),
    (
        "nginx-timing.log",
        Some(
            "$msec $remote_addr $host \"$request\" $status bytes=$body_bytes_sent rt=$request_time \
             uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time upstream=$upstream_addr \
             rid=$request_id",
        ),
    ),
];
/// The share of the healthy part to learn from.
const RECORDED_LEARNT: f64 = 0.6;
const GENERATED_LEARNT: f64 = 0.5;
/// What a fault did may still show for so long.
const AFTER_FAULT_S: f64 = 45.0;
const DAYS: u32 = 14;
/// The length of a text is no value of a server.
const LENGTH: &str = ".length";

type StreamRecords = BTreeMap<StreamName, Vec<(EventTime, f64)>>;

/// The shop of the folder `services`: `train/` is healthy, `test/` has faults, whose times `labels.json` tells.
///
/// # Errors
/// When a file cannot be read or is none of these.
pub(crate) fn recorded(folder: &Path) -> Result<Vec<LabelledSeries>> {
    let mut streams = StreamRecords::new();
    for (log, layout) in LOGS {
        let parts = ["train", "test"].map(|part| folder.join(part).join(log));
        for part in parts {
            read(&part, "web01", layout, &mut streams).with_context(|| part.display().to_string())?;
        }
    }
    let file = folder.join("labels.json");
    let in_labels = || file.display().to_string();
    let labels: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).with_context(in_labels)?)?;
    let time = |seconds: &serde_json::Value| {
        let micros = seconds.as_f64().map(|seconds| (seconds * 1e6) as i64);
        micros.map(EventTime::from_micros).with_context(|| format!("{}: {seconds} is no time", in_labels()))
    };
    let (begin, split) = (time(&labels["traffic_start"])?, time(&labels["split"])?);
    let all = labels["labels"].as_array().with_context(|| format!("{}: no labels", in_labels()))?;
    let faults = all.iter().filter(|label| label["kind"] == "fault");
    let window = |fault: &serde_json::Value| {
        let end = time(&fault["end"])?.plus_seconds(AFTER_FAULT_S);
        Ok(LabelledWindow { start: time(&fault["start"])?, end })
    };
    let windows = faults.map(window).collect::<Result<Vec<_>>>()?;
    let until = begin.plus_seconds(split.seconds_since(begin) * RECORDED_LEARNT);
    Ok(series(streams, until, &windows))
}

/// The site's log, written to a file and read from there.
///
/// # Errors
/// When the file cannot be written or read.
pub(crate) fn generated(seed: u64) -> Result<Vec<LabelledSeries>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("access.log");
    fs::write(&file, site::access_log(seed, DAYS))?;
    let mut streams = StreamRecords::new();
    read(&file, "site", Some(site::LAYOUT), &mut streams)?;
    let until = site::start().plus_seconds(f64::from(DAYS) * 86_400.0 * GENERATED_LEARNT);
    Ok(series(streams, until, &[]))
}

fn read(log: &Path, server: &str, layout: Option<&str>, streams: &mut StreamRecords) -> Result<()> {
    let options = ReadArgs {
        server: Some(server.to_owned()),
        values: Some(ValueSelection::Numbers),
        log_format: layout.map(str::parse).transpose()?,
        ..ReadArgs::default()
    };
    let logs = InputLogs::find(&[log.to_string_lossy().into_owned()], options.over(ReadOptions::default())?)?;
    logs.for_each(|item| {
        streams.entry(stream_of(&item)).or_default().push((item.time, item.value));
        Ok(())
    })?;
    Ok(())
}

/// Streams in order of time, learnt from up to `until`.
fn series(streams: StreamRecords, until: EventTime, windows: &[LabelledWindow]) -> Vec<LabelledSeries> {
    let values = streams.into_iter().filter(|(name, _)| !name.component.ends_with(LENGTH));
    let sorted = values.map(|(name, mut records)| {
        records.sort_by_key(|record| record.0);
        let (times, values): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let learnt = times.partition_point(|time| *time < until);
        LabelledSeries { name, times, values, learnt, windows: windows.to_vec() }
    });
    sorted.collect()
}
