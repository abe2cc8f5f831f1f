//! This host as a source: its figures every few seconds, each a line of a table with a time, a component and a value, so that
//! they go the way of every other record. Nothing waits and nothing has a position: what was not read is not there, and is
//! no loss. [`reader`] says what is read, [`text`] what files mean, [`rates`] how counters become values.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use oddline_core::time::EventTime;

use super::{SourceItem, SourceLine};
use crate::clock;

mod rates;
mod reader;
mod text;
mod units;

pub use reader::SystemReader;

/// Before the first reading.
const HEADING: &str = "timestamp,component,value";

/// How often a host is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemInterval(pub Duration);

impl Default for SystemInterval {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// Reads when it is asked and the time has come.
#[derive(Debug)]
pub struct SystemMetrics {
    reader: SystemReader,
    interval: SystemInterval,
    due: Option<Instant>,
    waiting: VecDeque<String>,
    current: String,
    read_at: EventTime,
    number: u64,
}

impl SystemMetrics {
    #[must_use]
    pub fn new(reader: SystemReader, interval: SystemInterval) -> Self {
        Self {
            reader,
            interval,
            due: None,
            waiting: VecDeque::from([HEADING.to_owned()]),
            current: String::new(),
            read_at: clock::wall(),
            number: 0,
        }
    }

    /// The next line.
    pub fn next(&mut self, now: Instant) -> SourceItem<'_> {
        if self.due.is_none_or(|due| now >= due) && self.waiting.len() <= 1 {
            // From the last due time on, so that intervals do not drift; a long pause is not made up for.
            let next = self.due.unwrap_or(now) + self.interval.0;
            self.due = Some(if next > now { next } else { now + self.interval.0 });
            self.read_at = clock::wall();
            let values = self.reader.read(now);
            self.waiting.extend(values.iter().map(|(component, value)| row(self.read_at, None, component, *value)));
        }
        let Some(line) = self.waiting.pop_front() else { return SourceItem::End };
        self.current = line;
        self.number += 1;
        let bytes = self.current.as_bytes();
        SourceItem::Line(SourceLine { bytes, number: self.number, offset: 0, cut: false, modified: Some(self.read_at) })
    }
}

/// A row of the table, with or without the server.
#[must_use]
pub fn row(time: EventTime, server: Option<&str>, component: &str, value: f64) -> String {
    let server = server.map(|server| format!("{},", field(server))).unwrap_or_default();
    // Two digits are more than any of them means.
    format!("{time},{server}{},{}", field(component), (value * 100.0).round() / 100.0)
}

/// A field that may be anything, such as the name of a folder.
fn field(text: &str) -> String {
    let clean = text.replace(|c: char| c.is_control(), "?");
    if clean.contains([',', '"', ';']) { format!("\"{}\"", clean.replace('"', "\"\"")) } else { clean }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_reading_is_rows_and_comes_at_its_interval() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("proc")).unwrap();
        fs::write(dir.path().join("proc/loadavg"), "0.5 0 0 1/2 3\n").unwrap();
        let mut metrics = SystemMetrics::new(SystemReader::under(dir.path()), SystemInterval::default());
        let start = Instant::now();
        let mut rows = |seconds: u64| {
            let mut rows = Vec::new();
            while let SourceItem::Line(line) = metrics.next(start + Duration::from_secs(seconds)) {
                let row = String::from_utf8(line.bytes.to_vec()).unwrap();
                rows.push(row.split_once(',').map(|(_, rest)| rest.to_owned()).unwrap());
            }
            rows.retain(|row| !row.starts_with("units"));
            rows
        };
        assert_eq!(rows(0), ["component,value", "load1,0.5"]);
        assert!(rows(9).is_empty());
        assert_eq!(rows(10), ["load1,0.5"]);
        assert_eq!(rows(95), ["load1,0.5"]);
        assert!(rows(104).is_empty());
    }

    #[test]
    fn names_of_folders_stay_one_field() {
        let time = EventTime::from_micros(0);
        assert_eq!(row(time, Some("pi"), "disk./.used", 12.3456), "1970-01-01T00:00:00Z,pi,disk./.used,12.35");
        assert_eq!(row(time, None, "disk./a,\"b\".used", 1.0), "1970-01-01T00:00:00Z,\"disk./a,\"\"b\"\".used\",1");
    }
}
