//! Many streams in one picture: each with its labelled windows, its alerts and the part that was learnt from.

use std::path::Path;

use oddline_core::time::EventTime;
use oddline_trainer::chart::{
    ChartError,
    page::{AXIS, Area, BLUE, ChartPage, Drawn, MUTED, ORANGE, RED, SHADE, TEXT, legend_entry, letters, px, thick},
    scale::Scale,
};
use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement, Rectangle},
    style::{Color, RGBAColor},
};

use crate::data::LabelledSeries;

/// Of more streams the first are drawn and the title says so: keeps the page below 100 MB while it is drawn.
const PANELS_MAX: usize = 60;
const PANEL_WIDTH: f64 = 500.0;
const PANEL_HEIGHT: f64 = 172.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 92.0;
/// Columns of pixels that a line is reduced to.
const COLUMNS: f64 = PANEL_WIDTH - 50.0 - 16.0;
/// Opacity of a labelled window.
const WINDOW: f64 = 0.28;

/// Draws a panel a stream in a grid of up to three columns; `alerts` are a flag a record.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw(file: &Path, series: &[LabelledSeries], alerts: &[Vec<bool>]) -> Result<(), ChartError> {
    page(series, alerts)?.save(file)
}

fn page(series: &[LabelledSeries], alerts: &[Vec<bool>]) -> Result<ChartPage, ChartError> {
    let drawn = series.len().min(PANELS_MAX);
    let columns = match drawn {
        0..=1 => 1,
        2..=4 => 2,
        _ => 3,
    };
    let rows = drawn.div_ceil(columns).max(1);
    let width = 2.0 * MARGIN + columns as f64 * PANEL_WIDTH;
    let height = HEADING + rows as f64 * PANEL_HEIGHT + MARGIN;
    ChartPage::draw(width as u32, height as u32, |root| {
        heading(root, series.len() - drawn)?;
        let (_, below) = root.split_vertically(px(HEADING));
        let panels = below.margin(0, px(MARGIN), px(MARGIN), px(MARGIN)).split_evenly((rows, columns));
        for ((area, series), alerts) in panels.iter().zip(series).zip(alerts) {
            panel(area, series, alerts)?;
        }
        Ok(())
    })
}

fn heading(root: &Area<'_>, left_out: usize) -> Drawn {
    let more = if left_out == 0 { String::new() } else { format!(" (and {left_out} more)") };
    let title = format!("Labelled windows and alerts{more}");
    root.draw_text(&title, &letters(22.0, TEXT), (px(MARGIN), px(19.0)))?;
    let left = legend_entry(root, (px(MARGIN), px(63.0)), "learnt from", &SHADE)?;
    let left = legend_entry(root, (left, px(63.0)), "labelled window", &ORANGE.mix(WINDOW))?;
    legend_entry(root, (left, px(63.0)), "alert", &RED)?;
    Ok(())
}

fn panel(area: &Area<'_>, series: &LabelledSeries, alerts: &[bool]) -> Drawn {
    area.draw_text(&series.name.component, &letters(13.0, TEXT), (px(50.0), px(7.0)))?;
    let us = |time: EventTime| time.micros() as f64;
    let all = series.times.iter().map(|time| us(*time)).zip(series.values.iter().copied()).enumerate();
    let all: Vec<(usize, (f64, f64))> = all.filter(|(_, point)| point.1.is_finite()).collect();
    let (Some((_, first)), Some((_, last))) = (all.first(), all.last()) else {
        return area.draw_text("no values", &letters(11.0, MUTED), (px(50.0), px(30.0)));
    };
    let points: Vec<(f64, f64)> = all.iter().map(|(_, point)| *point).collect();
    let low = points.iter().map(|point| point.1).fold(f64::MAX, f64::min);
    let high = points.iter().map(|point| point.1).fold(f64::MIN, f64::max);
    let air = (high - low) * 0.06;
    let (low, high) = (low - air, high + air);
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(26.0))
        .margin_right(px(16.0))
        .margin_bottom(px(6.0))
        .x_label_area_size(px(26.0))
        .y_label_area_size(px(50.0))
        .build_cartesian_2d(Scale::time(first.0..last.0), Scale::linear(low..high))?;
    // A window of one record would be thinner than a pixel.
    let least = (last.0 - first.0) / COLUMNS * 1.5;
    let band = |from: f64, to: f64, color: RGBAColor| {
        Rectangle::new([(from, high), (to.max(from + least), low)], color.filled())
    };
    let learnt = series.times.get(series.learnt).filter(|_| series.learnt > 0);
    chart.draw_series(learnt.map(|to| band(first.0, us(*to), SHADE.mix(1.0))))?;
    let windows = series.windows.iter();
    chart.draw_series(windows.map(|window| band(us(window.start), us(window.end), ORANGE.mix(WINDOW))))?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_mesh().x_labels(6).y_labels(4).label_style(letters(11.0, MUTED));
    mesh.axis_style(AXIS.stroke_width(thick(1.0))).set_all_tick_mark_size(px(4.0)).y_label_offset(px(2.0)).draw()?;
    let line = thin(&points, |point| ((point.0 - first.0) / (last.0 - first.0) * COLUMNS).floor());
    let style = BLUE.stroke_width(thick(1.0));
    chart.draw_series(line.windows(2).map(|pair| PathElement::new(pair.to_vec(), style)))?;
    let alerts = all.iter().filter(|(at, _)| *at >= series.learnt && alerts[*at]);
    chart.draw_series(alerts.map(|(_, point)| Circle::new(*point, thick(3.0), RED.filled())))?;
    Ok(())
}

/// At most four points a column, in their order: the first, the lowest, the highest and the last, so that no spike is
/// lost.
fn thin(points: &[(f64, f64)], column: impl Fn(&(f64, f64)) -> f64) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for together in points.chunk_by(|a, b| column(a) == column(b)) {
        let last = together.len() - 1;
        let by_height = |a: &usize, b: &usize| together[*a].1.total_cmp(&together[*b].1);
        let lowest = (0..=last).min_by(by_height).unwrap_or(0);
        let highest = (0..=last).max_by(by_height).unwrap_or(last);
        let mut indices = vec![0, lowest, highest, last];
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.iter().map(|at| together[*at]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use oddline_core::stream::StreamName;

    use super::*;

    #[test]
    fn thinning_keeps_spikes_and_order() {
        let values = |i: usize| if i == 5_017 { 99.0 } else { (i % 7) as f64 };
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (i as f64 / 100.0, values(i))).collect();
        let thinned = thin(&points, |point| point.0.floor());
        assert!(thinned.len() <= 400 && thinned.contains(&points[5_017]));
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[9_999]));
        assert_eq!(thin(&[(0.0, 1.0), (3.0, 2.0)], |point| point.0), [(0.0, 1.0), (3.0, 2.0)]);
        assert_eq!(thin(&[], |point| point.0), []);
    }

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
        let (none, one) = (page(&series, &alerts(None)).unwrap(), page(&series, &alerts(Some(400))).unwrap());
        assert_eq!((none.width, none.height), (1048, 460));
        assert!(none.count(BLUE) > 1_000, "the line is drawn: {}", none.count(BLUE));
        assert!(one.count(RED) > none.count(RED) + 10, "the alert is drawn");
        assert_eq!(page(&series, &alerts(Some(100))).unwrap(), none, "not in the part learnt from");
        let empty = page(&[], &[]).unwrap();
        assert_eq!((empty.width, empty.count(BLUE)), (548, 0));
    }
}
