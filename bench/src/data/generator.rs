//! The trainer's generator: three servers of six components, a week to learn from with a few anomalies that nobody
//! labelled, a week to judge.

use std::collections::BTreeMap;

use anyhow::Result;
use oddline_core::{stream::StreamName, time::EventTime};
use oddline_trainer::generate::{CurveShape, Phase, Scenario, records};

use super::{LabelledSeries, windows_of};

/// Seeds that nobody develops with.
pub(crate) const SEEDS: [u64; 3] = [7_001, 7_002, 7_003];

/// Streams, and of each the events that its records belong to, those too weak to be anomalous too.
pub(crate) struct GeneratedStreams {
    pub series: Vec<LabelledSeries>,
    pub events: Vec<Vec<Option<u32>>>,
}

/// A stream under way: times, values, whether each is anomalous, its event.
#[derive(Default)]
struct GeneratedColumns {
    times: Vec<EventTime>,
    values: Vec<f64>,
    anomalous: Vec<bool>,
    events: Vec<Option<u32>>,
    learnt: usize,
}

/// Both weeks of one seed.
///
/// # Errors
/// When the scenario cannot be met.
pub(crate) fn generate(shape: CurveShape, seed: u64) -> Result<GeneratedStreams> {
    let scenario = Scenario { shape, anomaly_rate: shape.anomaly_rate(), seed, ..Scenario::default() };
    let mut streams: BTreeMap<StreamName, GeneratedColumns> = BTreeMap::new();
    for record in records(&scenario)? {
        let name = StreamName { server: record.server.to_string(), component: record.component.to_owned() };
        let stream = streams.entry(name).or_default();
        stream.times.push(EventTime::from_micros(record.time_s * 1_000_000));
        stream.values.push(record.value);
        stream.anomalous.push(record.anomalous);
        stream.events.push(record.truth.and_then(|truth| u32::try_from(truth.event).ok()));
        stream.learnt += usize::from(record.phase == Phase::Training);
    }
    let (mut series, mut events) = (Vec::new(), Vec::new());
    for (name, stream) in streams {
        let GeneratedColumns { times, values, anomalous, events: of_stream, learnt } = stream;
        let windows = windows_of(&times, &anomalous);
        series.push(LabelledSeries { name, times, values, learnt, windows });
        events.push(of_stream);
    }
    Ok(GeneratedStreams { series, events })
}
