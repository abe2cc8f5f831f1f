//! Streams whose anomalies somebody labelled; a file a data set.

pub(crate) mod access;
pub(crate) mod asd;
pub(crate) mod generator;
pub(crate) mod kpi;
pub(crate) mod nab;
pub(crate) mod pi;
mod random;
mod site;
pub(crate) mod week;

use std::{collections::BTreeMap, ops::Range};

use oddline_core::{incident::EpisodeOpening, stream::StreamName, time::EventTime};

/// A stretch of time that counts as anomalous, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelledWindow {
    pub start: EventTime,
    pub end: EventTime,
}

/// A stream with its labels.
#[derive(Debug, Clone)]
pub(crate) struct LabelledSeries {
    pub name: StreamName,
    pub times: Vec<EventTime>,
    pub values: Vec<f64>,
    /// So many records, the first ones, are learnt from and not judged.
    pub learnt: usize,
    /// In the order of their starts.
    pub windows: Vec<LabelledWindow>,
}

impl LabelledWindow {
    pub(crate) fn contains(&self, time: EventTime) -> bool {
        (self.start..=self.end).contains(&time)
    }
}

impl LabelledSeries {
    /// Whether each record of the judged part is labelled.
    pub(crate) fn labels(&self) -> Vec<bool> {
        let (mut begun, mut until) = (self.windows.iter().peekable(), None);
        let is_labelled = |time: &EventTime| {
            while let Some(window) = begun.next_if(|window| window.start <= *time) {
                until = until.max(Some(window.end));
            }
            until.is_some_and(|until| *time <= until)
        };
        self.times[self.learnt..].iter().map(is_labelled).collect()
    }

    /// An episode that opens with this record.
    pub(crate) fn opening(&self, at: usize) -> EpisodeOpening<()> {
        let pause_s = at.checked_sub(1).map_or(0.0, |before| self.times[at].seconds_since(self.times[before]));
        EpisodeOpening { time: self.times[at], pause_s, what: () }
    }

    /// Days of the part that is learnt from.
    pub(crate) fn days_learnt(&self) -> f64 {
        days(&self.times[..self.learnt])
    }
}

/// Runs of labelled records, each from its first to its last.
pub(crate) fn windows_of(times: &[EventTime], labels: &[bool]) -> Vec<LabelledWindow> {
    let all: Vec<(bool, EventTime)> = labels.iter().copied().zip(times.iter().copied()).collect();
    let runs = all.chunk_by(|a, b| a.0 == b.0).filter(|run| run[0].0);
    runs.map(|run| LabelledWindow { start: run[0].1, end: run[run.len() - 1].1 }).collect()
}

/// Days of each server in a part of its streams, added up; a server's are those of its streams on average.
pub(crate) fn server_days(series: &[LabelledSeries], part: impl Fn(&LabelledSeries) -> Range<usize>) -> f64 {
    let mut servers: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for of in series {
        let server = servers.entry(&of.name.server).or_default();
        server.0 += days(&of.times[part(of)]);
        server.1 += 1.0;
    }
    servers.values().map(|(days, streams)| days / streams).sum()
}

/// Days from the first to the last.
pub(crate) fn days(times: &[EventTime]) -> f64 {
    match (times.first(), times.last()) {
        (Some(first), Some(last)) => last.seconds_since(*first) / 86_400.0,
        _ => 0.0,
    }
}
