//! A record in the terms of its stream: a rate, a distance, a pause, beside what is usual of each.

use super::{
    baseline::Baseline,
    character::StreamCharacter,
    features::{FeatureReading, StreamMemory},
};
use crate::time::EventTime;

/// What a record was, and what is usual in its stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordFigures {
    /// What kind of numbers the stream carries.
    pub character: StreamCharacter,
    /// The number that was judged: of a counter its rate in a second, of a wandering stream a distance.
    pub number: f64,
    /// What that usually is.
    pub usual: f64,
    /// The smallest and the largest that are known.
    pub range: (f64, f64),
    /// Of a stream of few values, when this one is not among them: these.
    pub known: Vec<f64>,
    /// The value before, of a counter.
    pub before: Option<f64>,
    /// Seconds since the record before.
    pub pause_s: Option<f64>,
    /// What that usually is.
    pub usual_pause_s: f64,
}

impl RecordFigures {
    /// Before the record is read into the memory.
    #[must_use]
    pub(super) fn before(baseline: &Baseline, memory: Option<&StreamMemory>, time: EventTime, value: f64) -> Self {
        Self {
            character: baseline.character,
            number: value,
            usual: baseline.curve[0],
            range: (baseline.min, baseline.max),
            known: Vec::new(),
            before: memory.and_then(StreamMemory::counted),
            pause_s: memory.map(|memory| time.seconds_since(memory.last_time())),
            usual_pause_s: baseline.gap_s,
        }
    }

    /// With what the memory made of it.
    #[must_use]
    pub(super) fn read(self, baseline: &Baseline, reading: &FeatureReading) -> Self {
        let usual = reading.number - reading.residual * baseline.residual_scale;
        Self { number: reading.number, usual, ..self }
    }
}
