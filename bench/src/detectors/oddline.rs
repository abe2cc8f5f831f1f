//! Oddline: the judge that agents run, each stream with a fresh memory.

use anyhow::Result;
use oddline_detector::OpenModel;
use oddline_trainer::score_stream;

use crate::data::LabelledSeries;

/// # Errors
/// When the model cannot be run.
pub(crate) fn alerts(series: &[LabelledSeries], model: &OpenModel) -> Result<Vec<Vec<bool>>> {
    let of = |series: &LabelledSeries| {
        let judged = score_stream::series(&series.name, &series.times, &series.values, model)?;
        Ok(judged.iter().map(|row| row.verdict.anomalous).collect())
    };
    series.iter().map(of).collect()
}
