//! Many streams in one picture: each with its labelled windows, its alerts and the part that was learnt from.

use std::path::Path;

use oddline_core::time::EventTime;
use oddline_trainer::chart::{ChartError, Panel, PanelPage, ReducedSeries, SeriesPoint};

use crate::data::LabelledSeries;

/// Of more streams the first are drawn and the title says so: keeps the page below 100 MB while it is drawn.
const PANELS_MAX: usize = 60;
const PANEL_WIDTH: f64 = 500.0;
/// Stretches of time that a line is reduced to: half a pixel to one each.
const BUCKETS: usize = 868;

/// Draws a panel a stream in a grid of up to three columns; `alerts` are a flag a record.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw(file: &Path, series: &[LabelledSeries], alerts: &[Vec<bool>]) -> Result<(), ChartError> {
    page(series, alerts).draw()?.save(file)
}

fn page(series: &[LabelledSeries], alerts: &[Vec<bool>]) -> PanelPage {
    let drawn = series.len().min(PANELS_MAX);
    let columns = match drawn {
        0..=1 => 1,
        2..=4 => 2,
        _ => 3,
    };
    let left_out = series.len() - drawn;
    let more = if left_out == 0 { String::new() } else { format!(" (and {left_out} more)") };
    PanelPage {
        title: format!("Labelled windows and alerts{more}"),
        subtitle: String::new(),
        columns,
        panel_width: PANEL_WIDTH,
        panels: series.iter().zip(alerts).take(drawn).map(|(series, alerts)| panel(series, alerts)).collect(),
    }
}

fn panel(series: &LabelledSeries, alerts: &[bool]) -> Panel {
    let mut reduced = ReducedSeries::default();
    for (at, (time, value)) in series.times.iter().zip(&series.values).enumerate() {
        let anomalous = at >= series.learnt && alerts[at];
        let point = SeriesPoint { time_us: time.micros(), value: *value, usual: None, anomalous, labelled: false };
        reduced.push(point, BUCKETS);
    }
    let us = |time: EventTime| time.micros() as f64;
    let learnt = series.times.first().zip(series.times.get(series.learnt)).filter(|_| series.learnt > 0);
    Panel {
        name: series.name.component.clone(),
        learnt: learnt.map(|(from, to)| (us(*from), us(*to))),
        labelled: series.windows.iter().map(|window| (us(window.start), us(window.end))).collect(),
        line: reduced.line(),
        anomalous: reduced.anomalous(),
        ..Panel::default()
    }
}

#[cfg(test)]
mod tests {
    use oddline_core::stream::StreamName;

    use super::*;

    #[test]
    fn streams_and_alerts_are_on_the_page() {
        let stream = |values: Vec<f64>| LabelledSeries {
            name: StreamName { server: String::new(), component: "cpu".to_owned() },
            times: (0..values.len()).map(|i| EventTime::from_micros(i as i64 * 60_000_000)).collect(),
            learnt: values.len() / 2,
            values,
            windows: Vec::new(),
        };
        let wave = stream((0..500).map(|i| f64::from(i % 50)).collect());
        let series = [wave, stream(Vec::new()), stream(vec![3.0, 3.0])];
        let alerts = |at: Option<usize>| {
            let flags = |series: &LabelledSeries| (0..series.values.len()).map(|i| Some(i) == at).collect();
            series.iter().map(flags).collect::<Vec<Vec<bool>>>()
        };
        let (none, one) = (page(&series, &alerts(None)), page(&series, &alerts(Some(400))));
        let drawn = none.draw().unwrap();
        assert_eq!((drawn.width, drawn.height), (1048, 460));
        assert_eq!((none.panels.len(), none.panels[0].line.len(), none.panels[1].line.len()), (3, 500, 0));
        assert_eq!(none.panels[0].learnt, Some((0.0, 250.0 * 60e6)));
        assert_eq!(one.panels[0].anomalous, [(400.0 * 60e6, 0.0)]);
        assert_eq!(page(&series, &alerts(Some(100))).panels[0].anomalous, [], "not in the part learnt from");
        let empty = page(&[], &[]).draw().unwrap();
        assert_eq!((empty.width, empty.height), (548, 288));
    }
}
