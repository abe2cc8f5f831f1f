//! Streams whose anomalies somebody labelled; a file a data set.

pub(crate) mod nab;

use oddline_core::{stream::StreamName, time::EventTime};

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
    /// Days of the part that is learnt from.
    pub(crate) fn days_learnt(&self) -> f64 {
        days(&self.times[..self.learnt])
    }
}

/// Days from the first to the last.
pub(crate) fn days(times: &[EventTime]) -> f64 {
    match (times.first(), times.last()) {
        (Some(first), Some(last)) => last.seconds_since(*first) / 86_400.0,
        _ => 0.0,
    }
}
