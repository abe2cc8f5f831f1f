//! A whole stream through the code that will judge it, alone and with a fresh memory.

use anyhow::Result;
use oddline_core::{record::Record, stream::StreamName, time::EventTime};
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
