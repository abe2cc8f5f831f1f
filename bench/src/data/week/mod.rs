//! A week of one server that no model was made for: its own metrics and an application's, made up ([`host`]), and beside
//! them stretches of a week of real recordings without a label ([`recordings`]); twelve faults are planted in the former
//! ([`faults`]).

pub(crate) mod faults;
mod host;
mod recordings;

use std::{fmt::Write, path::Path};

use anyhow::Result;
use oddline_core::time::EventTime;

use self::faults::PlantedFault;

pub(crate) const DAYS: usize = 7;
/// Midnight of a Monday.
const START_US: i64 = 1_767_571_200_000_000;
const DAY_US: i64 = 86_400_000_000;

/// A record of the server.
pub(crate) struct WeekRow {
    pub time: EventTime,
    /// The number of its stream.
    pub stream: usize,
    pub value: f64,
}

pub(crate) struct ServerWeek {
    /// Names of the streams.
    pub streams: Vec<String>,
    /// How many of them are made up; they come first.
    pub made_up: usize,
    /// In order of time.
    pub rows: Vec<WeekRow>,
    pub faults: Vec<PlantedFault>,
}

impl ServerWeek {
    /// The week of one seed; with the recordings in the folders of `data`, where there is one.
    ///
    /// # Errors
    /// When a recording cannot be read.
    pub(crate) fn new(seed: u64, data: Option<&Path>) -> Result<Self> {
        let faults = faults::planted();
        let mut rows = Vec::new();
        let mut streams: Vec<String> = host::STREAMS.map(str::to_owned).to_vec();
        let made_up = streams.len();
        host::rows(seed, &faults, &mut rows);
        for recording in data.map(recordings::read).transpose()?.unwrap_or_default() {
            let stream = streams.len();
            rows.extend(recording.records.into_iter().map(|(time, value)| WeekRow { time, stream, value }));
            streams.push(recording.name);
        }
        rows.sort_by_key(|row| row.time);
        Ok(Self { streams, made_up, rows, faults })
    }

    /// Its lines: a table of times, components and values.
    pub(crate) fn log(&self) -> String {
        let mut log = "timestamp,component,value\n".to_owned();
        for row in &self.rows {
            let line = writeln!(log, "{},{},{}", row.time, self.streams[row.stream], row.value);
            line.expect("a string takes all");
        }
        log
    }
}

/// An instant of the week.
pub(crate) fn at(minute: f64) -> EventTime {
    EventTime::from_micros(START_US + (minute * 6e7) as i64)
}

/// The day of the week that an instant lies in, from 0.
pub(crate) fn day_of(time: EventTime) -> usize {
    usize::try_from((time.micros() - START_US).div_euclid(DAY_US)).unwrap_or(0).min(DAYS - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_week() {
        let log = |seed| ServerWeek::new(seed, None).unwrap().log();
        assert!(log(1) == log(1));
        assert!(log(1) != log(2));
    }

    #[test]
    fn faults_stand_apart_and_show_in_their_streams_alone() {
        let week = ServerWeek::new(1, None).unwrap();
        assert!(week.faults.windows(2).all(|pair| pair[0].window.end < pair[1].window.start));
        assert!(week.faults.iter().all(|fault| fault.window.end < at((DAYS * 1_440) as f64)));
        let known: BTreeSet<&str> = week.streams.iter().map(String::as_str).collect();
        assert!(week.faults.iter().flat_map(|fault| fault.kind.streams()).all(|stream| known.contains(stream)));
        let mut healthy = Vec::new();
        host::rows(1, &[], &mut healthy);
        // The one stream that stops misses its records.
        let values = |rows: &[WeekRow], name: &str| -> Vec<f64> {
            let of_stream = rows.iter().filter(|row| week.streams[row.stream] == name);
            of_stream.map(|row| row.value).collect()
        };
        for stream in host::STREAMS {
            let is_of_a_fault = week.faults.iter().any(|fault| fault.kind.streams().contains(&stream));
            assert_eq!(values(&week.rows, stream) != values(&healthy, stream), is_of_a_fault, "{stream}");
        }
        assert_eq!(values(&healthy, "queue.depth").len() - values(&week.rows, "queue.depth").len(), 120);
    }
}
