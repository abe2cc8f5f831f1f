//! Many streams in one picture: each with its labelled windows, its alerts and its training part.

use super::axis::{Axis, Spacing};
use super::canvas::{Align, Canvas, ChartError, Ink, Rect, text_width};
use std::path::Path;

/// Panels drawn; of more streams the first are drawn and the title says so. Keeps the page
/// below 100 MB while it is drawn.
pub(super) const PANELS_MAX: usize = 60;

/// One value of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub time_us: i64,
    pub value: f64,
    pub flagged: bool,
}

/// One stream. Values that are not finite are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPanel {
    pub name: String,
    /// In the order of time.
    pub points: Vec<Point>,
    /// Labelled windows: first and last moment.
    pub windows_us: Vec<(i64, i64)>,
    /// End of the training part.
    pub split_us: Option<i64>,
}

const PANEL_WIDTH: f64 = 500.0;
const PANEL_HEIGHT: f64 = 172.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 92.0;
const SMALL_EM: f64 = 11.0;
const WINDOW_INK: Ink = Ink::ORANGE.fade(0.28);

/// Draws the panels in a grid of up to three columns.
///
/// # Errors
/// When the file cannot be written.
pub fn streams(file: &Path, panels: &[StreamPanel], title: &str) -> Result<(), ChartError> {
    let drawn = &panels[..panels.len().min(PANELS_MAX)];
    let columns = columns(drawn.len());
    let rows = drawn.len().div_ceil(columns).max(1);
    let width = 2.0 * MARGIN + columns as f64 * PANEL_WIDTH;
    let height = HEADING + rows as f64 * PANEL_HEIGHT + MARGIN;
    let mut canvas = Canvas::new(width as u32, height as u32);
    let left_out = panels.len() - drawn.len();
    heading(&mut canvas, title, left_out);
    for (number, panel) in drawn.iter().enumerate() {
        let left = MARGIN + (number % columns) as f64 * PANEL_WIDTH;
        let top = HEADING + (number / columns) as f64 * PANEL_HEIGHT;
        draw_panel(&mut canvas, panel, (left, top));
    }
    canvas.save(file)
}

fn columns(panels: usize) -> usize {
    match panels {
        0..=1 => 1,
        2..=4 => 2,
        _ => 3,
    }
}

fn heading(canvas: &mut Canvas, title: &str, left_out: usize) {
    let title = if left_out == 0 { title.to_owned() } else { format!("{title} (and {left_out} streams more)") };
    canvas.text(&title, (MARGIN, 40.0), Align::Left, 22.0, Ink::TEXT);
    let mut left = MARGIN;
    let baseline = 68.0;
    for (name, ink) in [("training part", Ink::SHADE), ("labelled window", WINDOW_INK)] {
        let swatch = Rect { left, top: baseline - 11.0, right: left + 15.0, bottom: baseline + 1.0 };
        canvas.rect(swatch, ink);
        left = legend_text(canvas, name, (left + 22.0, baseline));
    }
    canvas.dot((left + 5.0, baseline - 5.0), 4.0, Ink::RED);
    legend_text(canvas, "alert", (left + 16.0, baseline));
}

/// Gives the place where the next entry may begin.
fn legend_text(canvas: &mut Canvas, name: &str, place: (f64, f64)) -> f64 {
    canvas.text(name, place, Align::Left, 14.0, Ink::TEXT);
    place.0 + text_width(name, 14.0) + 26.0
}

fn draw_panel(canvas: &mut Canvas, panel: &StreamPanel, (left, top): (f64, f64)) {
    let area = Rect {
        left: left + 50.0,
        top: top + 26.0,
        right: left + PANEL_WIDTH - 16.0,
        bottom: top + PANEL_HEIGHT - 32.0,
    };
    canvas.text(&panel.name, (area.left, top + 19.0), Align::Left, 13.0, Ink::TEXT);
    let points: Vec<Point> = panel.points.iter().copied().filter(|p| p.value.is_finite()).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        canvas.text("no values", (area.left, area.top + 20.0), Align::Left, SMALL_EM, Ink::MUTED);
        return;
    };
    let times = (first.time_us as f64, last.time_us as f64);
    let x = Axis::new(Spacing::Linear, times, (area.left, area.right));
    let y = Axis::new(Spacing::Linear, value_range(&points), (area.bottom, area.top));
    shade(canvas, panel, area, &x);
    panel_axes(canvas, area, (&x, &y));
    let places = points.iter().map(|p| (x.px(p.time_us as f64), y.px(p.value)));
    canvas.polyline(&thin(places), 1.0, Ink::BLUE);
    for point in points.iter().filter(|p| p.flagged) {
        let place = (x.px(point.time_us as f64), y.px(point.value));
        canvas.dot(place, 3.0, Ink::RED);
    }
}

/// From the smallest to the largest value, with air for the marks.
fn value_range(points: &[Point]) -> (f64, f64) {
    let values = || points.iter().map(|p| p.value);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let air = (high - low) * 0.06;
    (low - air, high + air)
}

fn shade(canvas: &mut Canvas, panel: &StreamPanel, area: Rect, x: &Axis) {
    let mut band = |from: f64, to: f64, ink: Ink| {
        // A window of one record would be thinner than a pixel.
        let to = to.max(from + 1.5);
        let (left, right) = (from, to.min(area.right));
        canvas.rect(Rect { left, right, ..area }, ink);
    };
    if let Some(split) = panel.split_us {
        band(area.left, x.px(split as f64), Ink::SHADE);
    }
    for (start, end) in &panel.windows_us {
        band(x.px(*start as f64), x.px(*end as f64), WINDOW_INK);
    }
}

fn panel_axes(canvas: &mut Canvas, area: Rect, (x, y): (&Axis, &Axis)) {
    canvas.line((area.left, area.bottom), (area.right, area.bottom), 1.0, Ink::AXIS);
    for tick in y.ticks(4) {
        canvas.line((area.left - 4.0, tick.px), (area.left, tick.px), 1.0, Ink::AXIS);
        let place = (area.left - 7.0, tick.px + 4.0);
        canvas.text(&tick.label, place, Align::Right, SMALL_EM, Ink::MUTED);
    }
    for tick in x.time_ticks(6) {
        canvas.line((tick.px, area.bottom), (tick.px, area.bottom + 4.0), 1.0, Ink::AXIS);
        let place = (tick.px, area.bottom + 17.0);
        canvas.text(&tick.label, place, Align::Centre, SMALL_EM, Ink::MUTED);
    }
}

/// At most four points a pixel column, in their order: the first, the lowest, the highest and the
/// last, so that no spike is lost.
fn thin(places: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    let mut column: Vec<(f64, f64)> = Vec::new();
    for place in places {
        if column.first().is_some_and(|first| first.0.floor() != place.0.floor()) {
            keep_extremes(&column, &mut kept);
            column.clear();
        }
        column.push(place);
    }
    keep_extremes(&column, &mut kept);
    kept
}

fn keep_extremes(column: &[(f64, f64)], kept: &mut Vec<(f64, f64)>) {
    let Some(last) = column.len().checked_sub(1) else {
        return;
    };
    let by_height = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
    let lowest = (0..=last).min_by(by_height).unwrap_or(0);
    let highest = (0..=last).max_by(by_height).unwrap_or(last);
    let mut indices = [0, lowest, highest, last];
    indices.sort_unstable();
    for (place, index) in indices.iter().enumerate() {
        if place == 0 || indices[place - 1] != *index {
            kept.push(column[*index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_spikes_and_order() {
        let values = |i: usize| if i == 5_017 { 99.0 } else { (i % 7) as f64 };
        let places: Vec<(f64, f64)> = (0..10_000).map(|i| (i as f64 / 100.0, values(i))).collect();
        let thinned = thin(places.iter().copied());
        assert!(thinned.len() <= 400);
        assert!(thinned.contains(&places[5_017]));
        assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (places[0], places[9_999]));
        let few = [(0.0, 1.0), (3.0, 2.0)];
        assert_eq!(thin(few.into_iter()), few);
        assert_eq!(thin(std::iter::empty()), []);
    }

    #[test]
    fn odd_panels_can_be_drawn() {
        let file = std::env::temp_dir().join(format!("oddline-panels-{}.png", std::process::id()));
        let empty =
            StreamPanel { name: "empty".into(), points: Vec::new(), windows_us: vec![(0, 1)], split_us: Some(0) };
        let point = Point { time_us: 0, value: 3.0, flagged: true };
        let constant = StreamPanel { points: vec![point, point], ..empty.clone() };
        streams(&file, &[], "none").unwrap();
        streams(&file, &[empty, constant], "two").unwrap();
        std::fs::remove_file(&file).unwrap();
    }
}
