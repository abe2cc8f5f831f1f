//! What a model is learnt from, as one value: the streams of a dataset, each with the records that are kept, the baseline
//! fitted to these and the vectors it makes. Which records are odd is decided in [`crate::outliers`].

use std::{collections::BTreeMap, ops::Range};

use oddline_core::{
    limits::RECORD_FEATURES,
    stream::{Vector, baseline::Baseline, features, recurrence::RecurringPeak},
    time::EventTime,
};

use crate::{
    dataset::{Dataset, DatasetStream},
    error::DataError,
};

/// Share of each stream that baselines and weights are fitted on; what follows is held out for early stopping ...
const FIT_SHARE: f64 = 0.7;
/// ... up to this share; the last fifth stays unseen until the promise is measured on it.
const SEEN_SHARE: f64 = 0.8;

/// Fits a baseline to those of a stream's records that have a flag.
pub type FitBaseline = fn(&[EventTime], &[f64], &[bool]) -> Option<Baseline>;

#[derive(Debug, Clone)]
pub struct TrainingSet<'a> {
    pub dataset: &'a Dataset,
    pub streams: Vec<TrainingStream<'a>>,
    fit: FitBaseline,
}

#[derive(Debug, Clone)]
pub struct TrainingStream<'a> {
    pub records: &'a DatasetStream,
    /// Whether a record is learnt from, a flag each.
    pub keep: Vec<bool>,
    /// Fitted to the kept records of [`TrainingStream::fit_part`].
    pub baseline: Baseline,
    /// One vector a record, made as the judge makes it.
    pub vectors: Vec<Vector>,
}

impl<'a> TrainingSet<'a> {
    /// All records of all streams.
    ///
    /// # Errors
    /// When a stream has too few records to fit.
    pub fn new(dataset: &'a Dataset, fit: FitBaseline) -> Result<Self, DataError> {
        let whole = |stream: &'a DatasetStream| TrainingStream::fit(stream, vec![true; stream.values.len()], fit);
        Ok(Self { dataset, streams: dataset.streams.iter().map(whole).collect::<Result<_, _>>()?, fit })
    }

    /// Keeps other records of each stream and fits the baselines to these.
    ///
    /// # Errors
    /// When too few records of a stream are kept.
    pub fn keep(&mut self, which: impl Fn(&TrainingStream<'a>) -> Vec<bool>) -> Result<(), DataError> {
        for stream in &mut self.streams {
            *stream = TrainingStream::fit(stream.records, which(stream), self.fit)?;
        }
        Ok(())
    }

    /// Kept vectors of a part of each stream that has features.
    #[must_use]
    pub fn kept(&self, part: impl Fn(&TrainingStream<'a>) -> Range<usize>) -> Vec<Vec<Vector>> {
        self.featured().map(|stream| stream.kept(&stream.vectors, part(stream)).copied().collect()).collect()
    }

    /// Fits the baselines to all kept records, those that were held out too: what is measured is measured, and an agent
    /// should know the stream as it is by now.
    pub fn know_all(&mut self) {
        for stream in &mut self.streams {
            let DatasetStream { times, values, .. } = stream.records;
            if let Some(whole) = (self.fit)(times, values, &stream.keep)
                && whole.character.has_features() == stream.baseline.character.has_features()
            {
                let peaks = recurring(&whole, stream.records, values.len());
                stream.baseline = Baseline { loudness: stream.baseline.loudness, peaks, ..whole };
            }
        }
    }

    /// Streams whose records have features.
    pub fn featured(&self) -> impl Iterator<Item = &TrainingStream<'a>> {
        self.streams.iter().filter(|stream| stream.baseline.character.has_features())
    }

    /// Records that are not learnt from.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.streams.iter().flat_map(|stream| &stream.keep).filter(|keep| !**keep).count() as u64
    }

    /// Days of each server in a part of its streams, added up. A server's day is as long as its streams are on average:
    /// those of a folder of files need not overlap.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    pub fn server_days(&self, part: impl Fn(&TrainingStream<'a>) -> Range<usize>) -> f64 {
        let mut servers: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        for stream in &self.streams {
            let server = servers.entry(&stream.records.name.server).or_default();
            server.0 += stream.records.days(part(stream));
            server.1 += 1;
        }
        servers.values().map(|(days, streams)| days / *streams as f64).sum()
    }
}

impl<'a> TrainingStream<'a> {
    fn fit(records: &'a DatasetStream, keep: Vec<bool>, fit: FitBaseline) -> Result<Self, DataError> {
        let end = records.part(0.0, FIT_SHARE).end;
        let fit_on: Vec<bool> = keep.iter().enumerate().map(|(i, keep)| *keep && i < end).collect();
        let mut baseline = fit(&records.times, &records.values, &fit_on).ok_or_else(|| {
            let (server, component) = (&records.name.server, &records.name.component);
            DataError(format!("the stream {server}/{component} has too few usable records to fit"))
        })?;
        if !baseline.character.has_features() {
            let vectors = vec![[0.0; RECORD_FEATURES]; records.values.len()];
            return Ok(Self { records, keep, baseline, vectors });
        }
        baseline.peaks = recurring(&baseline, records, end);
        let mut memory = None;
        let read = |(time, value): (&EventTime, &f64)| {
            let reading = features::read(&mut memory, &baseline, *time, *value).reading();
            reading.map_or([0.0; RECORD_FEATURES], |reading| reading.vector)
        };
        let vectors = records.times.iter().zip(&records.values).map(read).collect();
        Ok(Self { records, keep, baseline, vectors })
    }

    /// The first part, which baselines and weights are fitted on.
    #[must_use]
    pub fn fit_part(&self) -> Range<usize> {
        self.records.part(0.0, FIT_SHARE)
    }

    /// What decides when a fit stops.
    #[must_use]
    pub fn held_out(&self) -> Range<usize> {
        self.records.part(FIT_SHARE, SEEN_SHARE)
    }

    /// What budgets are calibrated on before they are tried.
    #[must_use]
    pub fn seen(&self) -> Range<usize> {
        self.records.part(0.0, SEEN_SHARE)
    }

    /// The last fifth.
    #[must_use]
    pub fn unseen(&self) -> Range<usize> {
        self.records.part(SEEN_SHARE, 1.0)
    }

    /// Those of `all`, one a record, in a part that belong to kept records.
    pub fn kept<'s, T>(&'s self, all: &'s [T], part: Range<usize>) -> impl Iterator<Item = &'s T> {
        all[part.clone()].iter().zip(&self.keep[part]).filter(|(_, keep)| **keep).map(|(one, _)| one)
    }
}

/// Peaks that came at regular times in the first `end` records.
fn recurring(baseline: &Baseline, records: &DatasetStream, end: usize) -> Vec<RecurringPeak> {
    let mut memory = None;
    for (time, value) in records.times.iter().zip(&records.values).take(end) {
        let _reading = features::read(&mut memory, baseline, *time, *value);
    }
    memory.map_or_else(Vec::new, |memory| memory.recurring().to_vec())
}
