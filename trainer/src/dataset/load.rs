//! Training data in memory: times and values per stream, nothing else. The truth is not even kept.

use std::{collections::BTreeMap, ops::Range};

use anyhow::Result;
use oddline_core::{robust::spread, stream::StreamName, time::EventTime};

use super::{
    notes::Notes,
    read::{InputLogs, ReadItem},
};
use crate::error::DataError;

/// Records a stream needs to be fitted; shorter ones are left to learn on the agent.
pub const STREAM_RECORDS_MIN: usize = 200;

/// Records behind a gap of this many seconds that are ...
const STRAY_GAP_S: f64 = 30.0 * 86_400.0;
/// ... fewer than this share of their stream are strays of a wrong clock: they would stretch the time that the others
/// took.
const STRAY_SHARE: f64 = 0.01;

/// One stream's records, in order of time.
#[derive(Debug, Clone)]
pub struct DatasetStream {
    pub name: StreamName,
    /// Event times, sorted.
    pub times: Vec<EventTime>,
    pub values: Vec<f64>,
}

/// Everything a fit may see.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Streams long enough to fit, sorted by name.
    pub streams: Vec<DatasetStream>,
    /// Streams too short, with their records.
    pub short: Vec<(StreamName, usize)>,
    /// Records that came before an earlier one of their stream.
    pub unsorted: u64,
    /// Records with the same time as another of their stream.
    pub duplicates: u64,
    /// Records far in time from all others of their stream, left out.
    pub strays: u64,
    /// Streams whose values lie too far apart to have a scale, left out.
    pub boundless: Vec<StreamName>,
    /// What was wrong with the lines.
    pub notes: Notes,
    /// SHA-256 of the bytes read.
    pub sha256: String,
}

impl Dataset {
    /// Reads the first `part` (0..=1] of each stream's records.
    ///
    /// # Errors
    /// When the logs cannot be read, or no stream has enough records.
    pub fn load(logs: &InputLogs, part: f64) -> Result<Self> {
        let dataset = Self::read(logs, part)?;
        dataset.check()?;
        Ok(dataset)
    }

    /// Whether a model can be learnt from it.
    ///
    /// # Errors
    /// When no stream has enough records.
    pub fn check(&self) -> Result<(), DataError> {
        let message = if self.streams.is_empty() && self.short.is_empty() && self.boundless.is_empty() {
            format!(
                "there is no number to learn from in {} records: a model learns from values and named numbers (a column or \
                 key `value`, numbers of JSON lines and logfmt). For text alone --values numbers learns from the length of \
                 each line, HTTP status and bytes",
                self.notes.lines
            )
        } else if self.streams.is_empty() {
            let longest = self.short.iter().map(|(_, n)| *n).max().unwrap_or(0);
            format!(
                "too little data: at least {STREAM_RECORDS_MIN} records per stream are needed (the longest of {} streams has {longest})",
                self.short.len()
            )
        } else if self.streams.iter().all(|stream| stream.times.first() == stream.times.last()) {
            "no record has a time of its own: a model learns pauses, rates and how often an alert comes. Give the table a \
             column `timestamp`, or name the one it has with --fields timestamp=NAME"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(DataError(message))
    }

    /// As [`Dataset::load`], but streams may all be too short.
    ///
    /// # Errors
    /// When the logs cannot be read.
    pub fn read(logs: &InputLogs, part: f64) -> Result<Self> {
        let mut streams: BTreeMap<StreamName, Vec<(EventTime, f64)>> = BTreeMap::new();
        let read = logs.for_each(|item| {
            streams.entry(stream_of(&item)).or_default().push((item.time, item.value));
            Ok(())
        })?;
        let mut dataset = Self { notes: read.notes, sha256: read.sha256, ..Self::default() };
        for (name, records) in streams {
            dataset.add(name, records, part);
        }
        Ok(dataset)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a count")]
    fn add(&mut self, name: StreamName, mut records: Vec<(EventTime, f64)>, part: f64) {
        records.truncate((records.len() as f64 * part).round() as usize);
        self.unsorted += records.windows(2).filter(|w| w[1].0 < w[0].0).count() as u64;
        records.sort_by_key(|r| r.0);
        self.duplicates += records.windows(2).filter(|w| w[1].0 == w[0].0).count() as u64;
        let all = records.len();
        let together = without_strays(&records);
        records.truncate(together.end);
        records.drain(..together.start);
        self.strays += (all - records.len()) as u64;
        let values: Vec<f64> = records.iter().map(|r| r.1).collect();
        if !spread(&values).is_finite() {
            self.boundless.push(name);
        } else if records.len() < STREAM_RECORDS_MIN {
            self.short.push((name, records.len()));
        } else {
            let times = records.into_iter().map(|r| r.0).collect();
            self.streams.push(DatasetStream { name, times, values });
        }
    }

    /// Takes the records from `cut` on away: they judge what is learnt from the rest. Streams with too few records left
    /// count as short.
    #[must_use]
    pub fn split_off(&mut self, cut: EventTime) -> Vec<DatasetStream> {
        let mut newest = Vec::new();
        let mut older = Vec::new();
        for mut stream in std::mem::take(&mut self.streams) {
            let at = stream.times.partition_point(|time| *time < cut);
            let (times, values) = (stream.times.split_off(at), stream.values.split_off(at));
            if !times.is_empty() {
                newest.push(DatasetStream { name: stream.name.clone(), times, values });
            }
            if at < STREAM_RECORDS_MIN {
                self.short.push((stream.name, at));
            } else {
                older.push(stream);
            }
        }
        self.streams = older;
        newest
    }

    /// The instant before which the share `older` of all records lies; `None` without records.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    pub fn instant(&self, older: f64) -> Option<EventTime> {
        let mut times: Vec<EventTime> = self.streams.iter().flat_map(|s| s.times.iter().copied()).collect();
        let last = times.len().checked_sub(1)?;
        let at = (last as f64 * older) as usize;
        Some(*times.select_nth_unstable(at).1)
    }

    #[must_use]
    pub fn records(&self) -> usize {
        self.streams.iter().map(|s| s.values.len()).sum()
    }

    /// Time of the newest record.
    #[must_use]
    pub fn newest(&self) -> Option<EventTime> {
        self.streams.iter().filter_map(|s| s.times.last().copied()).max()
    }
}

/// The range of sorted records that belong together: without the few at either end behind a gap of a month.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a count")]
fn without_strays(records: &[(EventTime, f64)]) -> Range<usize> {
    let few = (records.len() as f64 * STRAY_SHARE) as usize;
    let is_gap = |at: usize| records[at].0.seconds_since(records[at - 1].0) > STRAY_GAP_S;
    let start = (1..=few).rev().find(|at| is_gap(*at)).unwrap_or(0);
    let end = (records.len() - few..records.len()).find(|at| *at > 0 && is_gap(*at)).unwrap_or(records.len());
    start..end
}

/// The stream that a reading belongs to.
#[must_use]
pub fn stream_of(item: &ReadItem<'_>) -> StreamName {
    StreamName {
        server: item.record.server.as_deref().unwrap_or(item.names.server).to_owned(),
        component: item.record.component.as_deref().unwrap_or(item.names.component).to_owned(),
    }
}

impl DatasetStream {
    /// The records of the share `from..to` of the stream, split by time order.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a count")]
    pub fn part(&self, from: f64, to: f64) -> Range<usize> {
        let at = |share: f64| (self.values.len() as f64 * share).round() as usize;
        at(from)..at(to)
    }

    /// Days from the first to the last record of a range.
    #[must_use]
    pub fn days(&self, range: Range<usize>) -> f64 {
        let times = &self.times[range];
        match (times.first(), times.last()) {
            (Some(first), Some(last)) => last.seconds_since(*first) / 86_400.0,
            _ => 0.0,
        }
    }
}
