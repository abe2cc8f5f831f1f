//! What a log says about its own held-out records: read apart, after everything was learnt, for the report alone.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use oddline_core::{stream::StreamName, time::EventTime};

use crate::dataset::{DatasetStream, InputLogs, load::stream_of};

/// One flag a held-out record, stream by stream.
#[derive(Debug)]
pub(super) struct InjectedTruth(Vec<Vec<bool>>);

impl InjectedTruth {
    /// Reads the column `anomalous` of the logs beside the held-out streams; `None` when there is none.
    ///
    /// # Errors
    /// When the logs cannot be read again, or are no longer the same.
    pub(super) fn read(logs: &InputLogs, held_out: &[DatasetStream], from: EventTime) -> Result<Option<Self>> {
        let mut flags: BTreeMap<StreamName, Vec<(EventTime, bool)>> =
            held_out.iter().map(|stream| (stream.name.clone(), Vec::new())).collect();
        if !logs.is_repeatable() {
            return Ok(None);
        }
        let read = logs.for_each(|item| {
            if item.time >= from
                && let Some(of_stream) = flags.get_mut(&stream_of(&item))
            {
                of_stream.push((item.time, item.record.anomalous.unwrap_or(false)));
            }
            Ok(())
        })?;
        if !read.has_truth {
            return Ok(None);
        }
        let of_stream = |stream: &DatasetStream| {
            let mut flags = flags.remove(&stream.name).unwrap_or_default();
            // The order in which the dataset has its records.
            flags.sort_by_key(|(time, _)| *time);
            flags.into_iter().map(|(_, anomalous)| anomalous).collect()
        };
        let flags: Vec<Vec<bool>> = held_out.iter().map(of_stream).collect();
        // Read a second time, the logs may have grown, or be others.
        let fits = flags.iter().zip(held_out).all(|(flags, stream)| flags.len() == stream.values.len());
        if !fits {
            bail!("the logs have changed meanwhile");
        }
        Ok(Some(Self(flags)))
    }

    /// The flags of the stream with this number.
    #[must_use]
    pub(super) fn of(&self, number: usize) -> &[bool] {
        &self.0[number]
    }
}
