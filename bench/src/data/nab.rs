//! The Numenta Anomaly Benchmark: folders of `timestamp,value` files, each file a stream, and beside them `windows.json`
//! (there `combined_windows.json`): an object that maps `folder/file.csv` to a list of
//! `["2014-02-26 13:45:00.000000", "2014-02-27 06:25:00.000000"]`, first and last moment, in UTC.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use oddline_core::time::EventTime;
use oddline_trainer::dataset::{InputLogs, load::stream_of};

use super::{LabelledSeries, LabelledWindow};

/// The streams of `logs`, each with its windows of the file `labels`; the first `part` of each is learnt from.
///
/// # Errors
/// When a file cannot be read or is none of these, or a stream has no entry in the labels.
pub(crate) fn read(logs: &InputLogs, labels: &Path, part: f64) -> Result<Vec<LabelledSeries>> {
    let in_labels = || labels.display().to_string();
    let text = fs::read_to_string(labels).with_context(in_labels)?;
    let mut windows = parse(&text).with_context(in_labels)?;
    let mut streams: BTreeMap<_, (Vec<EventTime>, Vec<f64>)> = BTreeMap::new();
    logs.for_each(|item| {
        let (times, values) = streams.entry(stream_of(&item)).or_default();
        times.push(item.time);
        values.push(item.value);
        Ok(())
    })?;
    let labelled = streams.into_iter().map(|(name, (times, values))| {
        let key = format!("{}/{}.csv", name.server, name.component);
        let windows = windows.remove(&key).with_context(|| format!("{}: no entry {key:?}", labels.display()))?;
        let learnt = (values.len() as f64 * part).round() as usize;
        Ok(LabelledSeries { name, times, values, learnt, windows })
    });
    labelled.collect()
}

fn parse(text: &str) -> Result<BTreeMap<String, Vec<LabelledWindow>>> {
    let raw: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(text).context("not a map of streams to lists of [start, end]")?;
    let windows = |(stream, pairs): (String, Vec<[String; 2]>)| {
        let windows = pairs.iter().map(window).collect::<Result<Vec<_>>>();
        let mut windows = windows.with_context(|| format!("windows of {stream:?}"))?;
        windows.sort_by_key(|window| window.start);
        Ok((stream, windows))
    };
    raw.into_iter().map(windows).collect()
}

fn window([start, end]: &[String; 2]) -> Result<LabelledWindow> {
    let time = |text: &String| EventTime::parse(text).with_context(|| format!("{text:?} is not a time"));
    let window = LabelledWindow { start: time(start)?, end: time(end)? };
    ensure!(window.start <= window.end, "a window from {start:?} ends before it starts, at {end:?}");
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_in_the_order_of_their_starts() {
        let text = r#"{"a/cpu.csv": [["2014-02-26 13:45:00.000000", "2014-02-27 06:25:00.000000"],
                                     ["2014-01-01 00:00:00", "2014-01-01 06:00:00"]], "a/quiet.csv": []}"#;
        let all = parse(text).unwrap();
        let starts: Vec<i64> = all["a/cpu.csv"].iter().map(|w| w.start.micros() / 1_000_000).collect();
        assert_eq!(starts, [1_388_534_400, 1_393_422_300]);
        assert!(all["a/quiet.csv"].is_empty());
    }

    #[test]
    fn what_is_no_window_is_named() {
        for (text, expected) in [
            ("{\n\"a\": 3}", "line 2"),
            (r#"{"a": [["2014-01-01 00:00:00"]]}"#, "invalid length 1"),
            (r#"{"a": [["2014-01-01 00:00:00", "soon"]]}"#, r#"windows of "a": "soon" is not a time"#),
            (r#"{"a": [["2014-01-02 00:00:00", "2014-01-01 00:00:00"]]}"#, "ends before it starts"),
        ] {
            let message = format!("{:#}", parse(text).unwrap_err());
            assert!(message.contains(expected), "{message}");
        }
    }
}
