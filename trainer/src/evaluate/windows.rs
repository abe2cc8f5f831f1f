//! Labelled windows of real streams: which stretches of time count as anomalous.
//!
//! The file is the Numenta Anomaly Benchmark's `combined_windows.json`: an object that maps
//! `folder/file.csv` to a list of `["2014-02-26 13:45:00.000000", "2014-02-27 06:25:00.000000"]`,
//! first and last moment, both included, without a zone and taken as UTC. Knows nothing of verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest file read: the benchmark's own is 20 KB.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum WindowsError {
    #[error("cannot read the labelled windows {}: {source}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{}: {bytes} bytes of labelled windows, at most {FILE_BYTES_MAX} are read", file.display())]
    TooLarge { file: PathBuf, bytes: u64 },
    #[error("{}:{line}:{column}: not a map of stream names to lists of [start, end]: {message}", file.display())]
    Json { file: PathBuf, line: usize, column: usize, message: String },
    #[error("{}: stream {stream:?}, window {number}: {text:?} is not a time like \"2014-02-26 13:45:00\"", file.display())]
    Time {
        file: PathBuf,
        stream: String,
        /// Place in the stream's list, from 1.
        number: usize,
        text: String,
    },
    #[error("{}: stream {stream:?}, window {number}: it ends before it starts", file.display())]
    Order { file: PathBuf, stream: String, number: usize },
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    #[error("no labelled windows for stream {name:?}")]
    Unknown { name: String },
    #[error("stream {name:?} may be {first:?} or {second:?}: name its folder")]
    Ambiguous { name: String, first: String, second: String },
}

/// A stretch of time in microseconds since 1970, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LabelledWindow {
    pub start_us: i64,
    pub end_us: i64,
}

impl LabelledWindow {
    pub fn contains(&self, time_us: i64) -> bool {
        (self.start_us..=self.end_us).contains(&time_us)
    }
}

/// The windows of all streams of one file, each stream's in the order of their starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledWindows {
    by_name: BTreeMap<String, Vec<LabelledWindow>>,
}

impl LabelledWindows {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is no such file.
    pub fn load(file: &Path) -> Result<Self, WindowsError> {
        let read = |source| WindowsError::Read { file: file.to_owned(), source };
        let bytes = std::fs::metadata(file).map_err(read)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(WindowsError::TooLarge { file: file.to_owned(), bytes });
        }
        Self::parse(&std::fs::read_to_string(file).map_err(read)?, file)
    }

    /// `file` is only named in errors.
    ///
    /// # Errors
    /// The place and what is wrong there.
    pub fn parse(text: &str, file: &Path) -> Result<Self, WindowsError> {
        let raw: BTreeMap<String, Vec<[String; 2]>> =
            serde_json::from_str(text).map_err(|error| WindowsError::Json {
                file: file.to_owned(),
                line: error.line(),
                column: error.column(),
                message: error.to_string(),
            })?;
        let mut by_name = BTreeMap::new();
        for (stream, pairs) in raw {
            let mut windows = Vec::with_capacity(pairs.len());
            for (index, pair) in pairs.iter().enumerate() {
                windows.push(window(pair, file, &stream, index + 1)?);
            }
            windows.sort_by_key(|w| w.start_us);
            by_name.insert(stream, windows);
        }
        Ok(Self { by_name })
    }

    /// The windows of the stream called `name`: the whole key, the file's name alone, either
    /// without `.csv`, or a longer path that ends in the key. A stream without an anomaly has
    /// an empty list, which is not the same as an unknown stream.
    ///
    /// # Errors
    /// When no stream, or more than one, is called so.
    pub fn of_stream(&self, name: &str) -> Result<&[LabelledWindow], NameError> {
        let mut matches = self.by_name.iter().filter(|(key, _)| same(key, name));
        let Some((first, windows)) = matches.next() else {
            return Err(NameError::Unknown { name: name.to_owned() });
        };
        match matches.next() {
            None => Ok(windows),
            Some((second, _)) => {
                Err(NameError::Ambiguous { name: name.to_owned(), first: first.clone(), second: second.clone() })
            }
        }
    }

    /// All streams named in the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

/// Whether the shorter of two paths, without `.csv`, is the end of the other, folder by folder.
fn same(key: &str, name: &str) -> bool {
    let bare = |path: &str| path.strip_suffix(".csv").unwrap_or(path).to_owned();
    let (key, name) = (bare(key), bare(name));
    key.rsplit('/').zip(name.rsplit('/')).all(|(a, b)| a == b)
}

fn window(
    [start, end]: &[String; 2],
    file: &Path,
    stream: &str,
    number: usize,
) -> Result<LabelledWindow, WindowsError> {
    let time = |text: &String| {
        time_us(text).ok_or_else(|| WindowsError::Time {
            file: file.to_owned(),
            stream: stream.to_owned(),
            number,
            text: text.clone(),
        })
    };
    let (start_us, end_us) = (time(start)?, time(end)?);
    if end_us < start_us {
        return Err(WindowsError::Order { file: file.to_owned(), stream: stream.to_owned(), number });
    }
    Ok(LabelledWindow { start_us, end_us })
}

/// `2014-02-26 13:45:00`, with `T` for the blank, up to six decimals and a final `Z` if need be.
pub fn time_us(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (seconds, micros) = match text.split_once('.') {
        Some((seconds, decimals)) => (seconds, decimal_us(decimals)?),
        None => (text, 0),
    };
    let (date, clock) = seconds.split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    valid.then_some(seconds * 1_000_000 + micros)
}

fn decimal_us(decimals: &str) -> Option<i64> {
    let digits = decimals.bytes().all(|b| b.is_ascii_digit());
    let scale = 6u32.checked_sub(u32::try_from(decimals.len()).ok()?)?;
    if !digits || decimals.is_empty() {
        return None;
    }
    Some(decimals.parse::<i64>().ok()? * 10i64.pow(scale))
}

/// Exactly three numbers of the given widths.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, counted by whole years and then by months.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days_before = |y: i64| (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400;
    let years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    let months: i64 = (1..month).map(|m| days_in_month(year, m)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LabelledWindows, WindowsError> {
        LabelledWindows::parse(text, Path::new("labels/windows.json"))
    }

    #[test]
    fn times_by_known_seconds() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2014-02-26 13:45:00.000000", 1_393_422_300),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2000-03-01 00:00:00", 951_868_800),
            ("1969-12-31 23:59:59", -1),
        ] {
            assert_eq!(time_us(text), Some(seconds * 1_000_000), "{text}");
        }
        assert_eq!(time_us("1970-01-01 00:00:00.25"), Some(250_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2014-02-26",
            "2014-02-30 00:00:00",
            "2014-2-26 00:00:00",
            "2014-02-26 24:00:00",
            "2014-02-26 00:00:00.",
            "2014-02-26 00:00:00.1234567",
            "2014-02-26 00:00:00+01:00",
            "2014-02-26 00:00",
        ] {
            assert_eq!(time_us(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_match_with_or_without_folder_and_suffix() {
        let all = parse(
            r#"{"a/cpu.csv": [["2014-01-02 00:00:00", "2014-01-03 00:00:00"],
                              ["2014-01-01 00:00:00", "2014-01-01 06:00:00"]],
                "a/quiet.csv": [], "a/two.csv": [], "b/two.csv": []}"#,
        )
        .unwrap();
        for name in ["a/cpu.csv", "a/cpu", "cpu.csv", "cpu", "data/nab/a/cpu.csv"] {
            let windows = all.of_stream(name).unwrap();
            assert_eq!(windows.len(), 2, "{name}");
            assert!(windows[0].start_us < windows[1].start_us, "sorted");
        }
        assert_eq!(all.of_stream("quiet"), Ok(&[][..]));
        for name in ["pu", "b/cpu", "cpu.csv.csv", ""] {
            let unknown = NameError::Unknown { name: name.into() };
            assert_eq!(all.of_stream(name), Err(unknown));
        }
        assert!(matches!(all.of_stream("two"), Err(NameError::Ambiguous { .. })));
        assert!(all.of_stream("b/two").is_ok());
    }

    #[test]
    fn errors_name_file_and_place() {
        for (text, expected) in [
            ("{\n\"a\": 3}", "labels/windows.json:2:"),
            ("{\"a\": [[\"2014-01-01 00:00:00\"]]}", "labels/windows.json:1:"),
            (
                r#"{"a": [["2014-01-01 00:00:00", "2014-01-01 00:00:00"], ["soon", "2014-01-01 00:00:00"]]}"#,
                r#"labels/windows.json: stream "a", window 2: "soon" is not a time"#,
            ),
            (
                r#"{"a": [["2014-01-02 00:00:00", "2014-01-01 00:00:00"]]}"#,
                r#"stream "a", window 1: it ends before it starts"#,
            ),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let missing = LabelledWindows::load(Path::new("/nowhere/windows.json")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/windows.json"));
    }
}
