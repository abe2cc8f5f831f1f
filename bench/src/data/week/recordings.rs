//! Real recordings for the week, each moved by whole days: of NAB's cloud servers and of the production series the first
//! stretch of seven days without a label, of one server of many metrics the first days of some. The recordings of the
//! services are too short, an hour.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use oddline_core::time::EventTime;
use oddline_trainer::dataset::{InputLogs, ReadOptions};

use super::{DAY_US, DAYS, START_US};
use crate::data::{LabelledSeries, asd, kpi, nab};

const CLOUD: &str = "realAWSCloudwatch";
const CLOUD_MAX: usize = 8;
/// Metrics of one server, each so many apart.
const METRICS_EVERY: usize = 4;
/// A week of hours is 168.
const RECORDS_MIN: usize = 150;

pub(super) struct RecordedWeek {
    pub name: String,
    pub records: Vec<(EventTime, f64)>,
}

pub(super) fn read(data: &Path) -> Result<Vec<RecordedWeek>> {
    let cloud =
        InputLogs::find(&[data.join("nab").join(CLOUD).to_string_lossy().into_owned()], ReadOptions::default())?;
    let cloud = nab::read(&cloud, &data.join("nab/windows.json"), 0.0)?;
    let mut all: Vec<RecordedWeek> =
        cloud.iter().filter_map(|series| quiet_week(series, &series.name.component)).take(CLOUD_MAX).collect();
    // One of each kind: what stands before the number of a name.
    let mut kinds = BTreeSet::new();
    for series in kpi::read(&data.join("kpi"))? {
        let kind = series.name.server.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        if !kinds.contains(&kind)
            && let Some(week) = quiet_week(&series, &series.name.server)
        {
            kinds.insert(kind);
            all.push(week);
        }
    }
    let servers = asd::read(&data.join("asd"))?;
    let metrics = servers.first().map_or(&[][..], |server| &server.series);
    let named = |series: &LabelledSeries| quiet_week(series, &format!("app.{}", series.name.component));
    all.extend(metrics.iter().step_by(METRICS_EVERY).filter_map(named));
    Ok(all)
}

/// The first seven days, from a midnight on, without a label.
fn quiet_week(series: &LabelledSeries, name: &str) -> Option<RecordedWeek> {
    let first = series.times.first()?.micros();
    let last = series.times.last()?.micros();
    let mut from = first.div_euclid(DAY_US) * DAY_US + if first.rem_euclid(DAY_US) == 0 { 0 } else { DAY_US };
    while from + DAYS as i64 * DAY_US <= last + DAY_US / 24 {
        let to = from + DAYS as i64 * DAY_US;
        let is_labelled = series.windows.iter().any(|w| w.start.micros() < to && w.end.micros() >= from);
        let place = |micros: i64| series.times.partition_point(|time| time.micros() < micros);
        let (begin, end) = (place(from), place(to));
        if !is_labelled && end - begin >= RECORDS_MIN {
            let moved = |at: usize| EventTime::from_micros(series.times[at].micros() - from + START_US);
            let records = (begin..end).map(|at| (moved(at), series.values[at])).collect();
            return Some(RecordedWeek { name: name.to_owned(), records });
        }
        from += DAY_US;
    }
    None
}
