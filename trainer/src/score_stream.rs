//! Streams through the code that will judge them, with a fresh memory: one alone, or several in order of time.

use core::ops::Range;

use anyhow::Result;
use oddline_core::{record::Record, stream::StreamName, time::EventTime, window::WindowVerdict};
use oddline_detector::{DefaultNames, Judge, JudgedRow, OpenModel};

use crate::dataset::DatasetStream;

/// One verdict a record of the stream.
///
/// # Errors
/// When the model cannot be run.
pub fn stream(stream: &DatasetStream, model: &OpenModel) -> Result<Vec<JudgedRow>> {
    series(&stream.name, &stream.times, &stream.values, model)
}

/// One verdict a record: `times` and `values` belong together.
///
/// # Errors
/// When the model cannot be run.
pub fn series(name: &StreamName, times: &[EventTime], values: &[f64], model: &OpenModel) -> Result<Vec<JudgedRow>> {
    let names = DefaultNames { server: &name.server, component: &name.component };
    let (mut judge, mut out) = (Judge::new(model)?, Vec::with_capacity(values.len()));
    for (time, value) in times.iter().zip(values) {
        judge.push(&Record { time: Some(*time), value: Some(*value), ..Record::default() }, names, &mut out)?;
    }
    judge.flush(&mut out)?;
    Ok(out)
}

/// A part of a stream's records: `times` and `values` belong together.
#[derive(Debug, Clone)]
pub struct StreamPart<'a> {
    pub name: &'a StreamName,
    pub times: &'a [EventTime],
    pub values: &'a [f64],
    pub part: Range<usize>,
}

/// The windows that several streams in order of time make, as a server writes them.
///
/// # Errors
/// When the model cannot be run.
pub fn windows(streams: &[StreamPart<'_>], model: &OpenModel) -> Result<Vec<WindowVerdict>> {
    let (mut judge, mut judged, mut windows) = (Judge::new(model)?, Vec::new(), Vec::new());
    for (stream, at) in in_order(streams) {
        push(&mut judge, &streams[stream], at, &mut judged)?;
        judged.clear();
        windows.extend(judge.drain_windows());
    }
    Ok(windows)
}

/// Streams and places there, in order of time.
pub(crate) fn in_order(streams: &[StreamPart<'_>]) -> Vec<(usize, usize)> {
    let places = |(stream, of): (usize, &StreamPart<'_>)| of.part.clone().map(move |at| (stream, at));
    let mut order: Vec<(usize, usize)> = streams.iter().enumerate().flat_map(places).collect();
    order.sort_by_key(|(stream, at)| streams[*stream].times[*at]);
    order
}

fn push(judge: &mut Judge, of: &StreamPart<'_>, at: usize, out: &mut Vec<JudgedRow>) -> Result<()> {
    let StreamPart { name, times, values, .. } = of;
    let names = DefaultNames { server: &name.server, component: &name.component };
    let record = Record { time: Some(times[at]), value: Some(values[at]), ..Record::default() };
    judge.push(&record, names, out)?;
    Ok(())
}

impl<'a> StreamPart<'a> {
    /// All records of a stream.
    #[must_use]
    pub fn whole(stream: &'a DatasetStream) -> Self {
        let DatasetStream { name, times, values } = stream;
        Self { name, times, values, part: 0..values.len() }
    }
}

/// Several streams in order of time, as a server writes them. `take` is given each verdict with the number of its stream
/// and its place there.
///
/// # Errors
/// When the model cannot be run.
pub fn together(
    streams: &[StreamPart<'_>],
    model: &OpenModel,
    mut take: impl FnMut(usize, usize, JudgedRow),
) -> Result<Judge> {
    let order = in_order(streams);
    let (mut judge, mut judged, mut waiting) = (Judge::new(model)?, Vec::new(), order.iter());
    let mut emit = |judged: &mut Vec<JudgedRow>| {
        for (row, (stream, at)) in judged.drain(..).zip(waiting.by_ref()) {
            take(*stream, *at, row);
        }
    };
    for (stream, at) in &order {
        push(&mut judge, &streams[*stream], *at, &mut judged)?;
        emit(&mut judged);
    }
    judge.flush(&mut judged)?;
    emit(&mut judged);
    Ok(judge)
}
