//! Series over time on one page, a panel each, in a grid.

use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement, Polygon, Rectangle},
    style::{
        Color, RGBAColor,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    page::{
        AXIS, Area, BLUE, ChartError, ChartPage, Drawn, MUTED, ORANGE, RED, SHADE, TEXT, legend_entry, letters, px,
        thick,
    },
    scale::Scale,
};

const PANEL_HEIGHT: f64 = 172.0;
const MARGIN: f64 = 24.0;
const HEADING: f64 = 92.0;
const SUBTITLE: f64 = 26.0;
/// Room for the numbers of the y axis, at least.
const NUMBERS_MIN: f64 = 50.0;
const RIGHT: f64 = 16.0;
const NAME_EM: f64 = 13.0;
const LABEL_EM: f64 = 11.0;
const Y_LABELS: usize = 6;
/// A label of the time axis has about so much room.
const TIME_LABEL: f64 = 90.0;
/// Opacity of what is labelled, and of what is usual.
const LABELLED: f64 = 0.28;
const USUAL: f64 = 0.2;
/// Share of the values' range that is left free above and below.
const AIR: f64 = 0.06;
/// What is usual is shown up to this share of the values' range beyond it: a wide band must not flatten the line.
const BAND_REACH: f64 = 0.6;
/// Beyond it numbers cannot be told apart by the arithmetic of an axis.
const VALUE_MAX: f64 = 1e300;

/// One series. Times are microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    /// Above it; cut where it does not fit.
    pub name: String,
    /// At the right, beside the name.
    pub note: String,
    /// Times and values in order of time.
    pub line: Vec<(f64, f64)>,
    /// Runs of (time, low, high): where values are usual.
    pub usual: Vec<Vec<(f64, f64, f64)>>,
    /// From when to when was learnt from.
    pub learnt: Option<(f64, f64)>,
    /// From when to when it was anomalous in truth.
    pub labelled: Vec<(f64, f64)>,
    /// Times and values.
    pub anomalous: Vec<(f64, f64)>,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct PanelPage {
    pub title: String,
    /// Below it in smaller letters; may be empty.
    pub subtitle: String,
    /// Panels beside each other.
    pub columns: usize,
    pub panel_width: f64,
    pub panels: Vec<Panel>,
}

/// Axes of a panel.
struct PanelAxes {
    time: Scale,
    value: Scale,
}

impl PanelPage {
    /// # Errors
    /// When the library refuses.
    pub fn draw(&self) -> Result<ChartPage, ChartError> {
        let columns = self.columns.max(1);
        let rows = self.panels.len().div_ceil(columns).max(1);
        let heading = if self.subtitle.is_empty() { HEADING } else { HEADING + SUBTITLE };
        let width = 2.0 * MARGIN + columns as f64 * self.panel_width;
        let height = heading + rows as f64 * PANEL_HEIGHT + MARGIN;
        ChartPage::draw(width as u32, height as u32, |root| {
            self.heading(root, heading)?;
            let (_, below) = root.split_vertically(px(heading));
            let areas = below.margin(0, px(MARGIN), px(MARGIN), px(MARGIN)).split_evenly((rows, columns));
            let axes: Vec<Option<PanelAxes>> = self.panels.iter().map(Panel::axes).collect();
            let numbers = numbers_width(root, axes.iter().flatten())?;
            for ((area, panel), axes) in areas.iter().zip(&self.panels).zip(&axes) {
                panel.heading(area, numbers, self.panel_width)?;
                match axes {
                    Some(axes) => panel.draw(area, axes, numbers, self.panel_width)?,
                    None => area.draw_text("no values", &letters(LABEL_EM, MUTED), (numbers, px(30.0)))?,
                }
            }
            Ok(())
        })
    }

    fn heading(&self, root: &Area<'_>, height: f64) -> Drawn {
        root.draw_text(&self.title, &letters(22.0, TEXT), (px(MARGIN), px(19.0)))?;
        root.draw_text(&self.subtitle, &letters(15.0, MUTED), (px(MARGIN), px(52.0)))?;
        let has = |which: fn(&Panel) -> bool| self.panels.iter().any(which);
        let entries = [
            (has(|panel| panel.learnt.is_some()), "learnt from", SHADE.mix(1.0)),
            (has(|panel| !panel.usual.is_empty()), "usual", BLUE.mix(USUAL)),
            (has(|panel| !panel.labelled.is_empty()), "labelled as anomalous", ORANGE.mix(LABELLED)),
            (has(|panel| !panel.anomalous.is_empty()), "judged anomalous", RED.mix(1.0)),
        ];
        let mut left = px(MARGIN);
        for (_, name, color) in entries.iter().filter(|(is_shown, _, _)| *is_shown) {
            left = legend_entry(root, (left, px(height - 27.0)), name, color)?;
        }
        Ok(())
    }
}

/// Room that the numbers of all y axes need, so that those below each other are aligned.
fn numbers_width<'a>(root: &Area<'_>, axes: impl Iterator<Item = &'a PanelAxes>) -> Drawn<i32> {
    let mut widest = px(NUMBERS_MIN);
    for label in axes.flat_map(|axes| axes.value.labels(Y_LABELS)) {
        let (width, _) = root.estimate_text_size(&label, &letters(LABEL_EM, MUTED))?;
        widest = widest.max(width.cast_signed() + px(12.0));
    }
    Ok(widest)
}

impl Panel {
    /// `None` without a value.
    fn axes(&self) -> Option<PanelAxes> {
        let (first, last) = (self.line.first()?.0, self.line.last()?.0);
        let values = || self.line.iter().map(|point| bounded(point.1));
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        // A line of one height lies in the middle.
        let half = if high > low { 0.0 } else { (low.abs() * 0.05).max(1e-9) };
        let (low, high) = (low - half, high + half);
        let reach = (high - low) * BAND_REACH;
        let band = || self.usual.iter().flatten();
        let usual_low = band().map(|edge| edge.1).fold(low, f64::min).max(low - reach);
        let usual_high = band().map(|edge| edge.2).fold(high, f64::max).min(high + reach);
        let air = (usual_high - usual_low) * AIR;
        let time = if last > first { first..last } else { first - 30e6..first + 30e6 };
        Some(PanelAxes { time: Scale::time(time), value: Scale::linear(usual_low - air..usual_high + air) })
    }

    fn heading(&self, area: &Area<'_>, left: i32, width: f64) -> Drawn {
        let right = px(width - RIGHT);
        let style = letters(LABEL_EM, MUTED).pos(Pos::new(HPos::Right, VPos::Top));
        area.draw_text(&self.note, &style, (right, px(9.0)))?;
        let (note, _) = area.estimate_text_size(&self.note, &style)?;
        let room = right - left - note.cast_signed() - px(12.0);
        area.draw_text(&fitting(area, &self.name, room)?, &letters(NAME_EM, TEXT), (left, px(7.0)))
    }

    fn draw(&self, area: &Area<'_>, axes: &PanelAxes, numbers: i32, width: f64) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .margin_top(px(26.0))
            .margin_right(px(RIGHT))
            .margin_bottom(px(6.0))
            .x_label_area_size(px(26.0))
            .y_label_area_size(numbers)
            .build_cartesian_2d(axes.time, axes.value)?;
        let (times, heights) = (chart.x_range(), chart.y_range());
        let (columns, _) = chart.plotting_area().get_pixel_range();
        // A stretch of one record would be thinner than a pixel.
        let least = (times.end - times.start) / f64::from(columns.len() as u32) * 3.0;
        let stretch = |from: f64, to: f64, color: RGBAColor| {
            Rectangle::new([(from, heights.end), (to.max(from + least), heights.start)], color.filled())
        };
        chart.draw_series(self.learnt.map(|(from, to)| stretch(from, to, SHADE.mix(1.0))))?;
        let labelled = self.labelled.iter();
        chart.draw_series(labelled.map(|(from, to)| stretch(*from, *to, ORANGE.mix(LABELLED))))?;
        chart.draw_series(self.usual.iter().map(|run| Polygon::new(outline(run), BLUE.mix(USUAL))))?;
        let mut mesh = chart.configure_mesh();
        let labels = ((width - NUMBERS_MIN) / TIME_LABEL) as usize;
        mesh.disable_mesh().x_labels(labels).y_labels(Y_LABELS).label_style(letters(LABEL_EM, MUTED));
        mesh.axis_style(AXIS.stroke_width(thick(1.0)))
            .set_all_tick_mark_size(px(4.0))
            .y_label_offset(px(2.0))
            .draw()?;
        let style = BLUE.stroke_width(thick(1.0));
        let line: Vec<(f64, f64)> = self.line.iter().map(|(time, value)| (*time, bounded(*value))).collect();
        chart.draw_series(line.windows(2).map(|pair| PathElement::new(pair.to_vec(), style)))?;
        let alone = line.first().filter(|_| line.len() == 1);
        chart.draw_series(alone.map(|point| Circle::new(*point, thick(2.0), BLUE.filled())))?;
        let marks = self.anomalous.iter().map(|(time, value)| (*time, bounded(*value)));
        chart.draw_series(marks.map(|point| Circle::new(point, thick(3.0), RED.filled())))?;
        Ok(())
    }
}

fn bounded(value: f64) -> f64 {
    value.clamp(-VALUE_MAX, VALUE_MAX)
}

/// Along the upper edge and back along the lower one.
fn outline(run: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    let upper = run.iter().map(|(time, _, high)| (*time, *high));
    upper.chain(run.iter().rev().map(|(time, low, _)| (*time, *low))).collect()
}

/// The text without as much of its middle as does not fit into `room`.
fn fitting(area: &Area<'_>, text: &str, room: i32) -> Drawn<String> {
    let style = letters(NAME_EM, TEXT);
    let letters: Vec<char> = text.chars().collect();
    let mut kept = letters.len();
    loop {
        let shown = if kept == letters.len() { text.to_owned() } else { without_middle(&letters, kept) };
        let (width, _) = area.estimate_text_size(&shown, &style)?;
        if width.cast_signed() <= room || kept <= 2 {
            return Ok(shown);
        }
        // At least one letter less each time.
        kept = ((kept as f64 * f64::from(room.max(1)) / f64::from(width)) as usize).clamp(2, kept - 1);
    }
}

fn without_middle(letters: &[char], kept: usize) -> String {
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    letters[..head].iter().chain(&['\u{2026}']).chain(&letters[letters.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(records: u32) -> Panel {
        let line = (0..records).map(|i| (f64::from(i) * 60e6, f64::from(i % 50)));
        Panel { name: "cpu".to_owned(), line: line.collect(), ..Panel::default() }
    }

    fn page(panels: Vec<Panel>) -> ChartPage {
        let title = "Series".to_owned();
        PanelPage { title, subtitle: String::new(), columns: 2, panel_width: 500.0, panels }.draw().unwrap()
    }

    #[test]
    fn everything_given_is_on_the_page() {
        let plain = page(vec![wave(500)]);
        assert_eq!((plain.width, plain.height), (1048, 288));
        assert!(plain.count(BLUE) > 1_000, "the line: {}", plain.count(BLUE));
        assert_eq!(plain.count(RED), 0);
        let marked = page(vec![Panel { anomalous: vec![(3e9, 7.0)], ..wave(500) }]);
        assert!(marked.count(RED) > 15 * 12 + 10, "the mark, beside its legend");
        let others = [
            Panel { labelled: vec![(3e9, 3e9)], ..wave(500) },
            Panel { learnt: Some((0.0, 3e9)), ..wave(500) },
            Panel { usual: vec![vec![(0.0, 10.0, 20.0), (3e9, 10.0, 20.0)]], ..wave(500) },
            Panel { note: "7 anomalous".to_owned(), ..wave(500) },
        ];
        let pages: Vec<ChartPage> = others.into_iter().map(|panel| page(vec![panel])).collect();
        assert!(pages.iter().all(|other| *other != plain));
    }

    #[test]
    fn every_series_can_be_drawn() {
        let of = |values: &[f64]| Panel {
            line: (0..).zip(values).map(|(i, value)| (f64::from(i) * 60e6, *value)).collect(),
            ..Panel::default()
        };
        let page = page(vec![
            of(&[]),
            of(&[3.0]),
            of(&[3.0; 3]),
            of(&[f64::MAX, f64::MIN, 1e-300]),
            of(&[1e15, 1e15 + 1.0]),
            Panel { usual: vec![vec![(0.0, f64::MIN, f64::MAX)]], ..of(&[0.0, 1e-12]) },
        ]);
        assert!(page.count(BLUE) > 100);
        assert_eq!(
            PanelPage {
                title: String::new(),
                subtitle: String::new(),
                columns: 1,
                panel_width: 500.0,
                panels: Vec::new()
            }
            .draw()
            .unwrap()
            .count(BLUE),
            0
        );
    }

    #[test]
    fn a_wide_band_does_not_flatten_the_line() {
        let wide = Panel { usual: vec![vec![(0.0, -1e9, 1e9), (3e9, -1e9, 1e9)]], ..wave(500) };
        assert!(page(vec![wide]).count(BLUE) > page(vec![wave(500)]).count(BLUE) / 4);
    }

    #[test]
    fn long_names_lose_their_middle() {
        let long = format!("server-{}-end", "x".repeat(500));
        let page = ChartPage::draw(600, 40, |root| {
            let shown = fitting(root, &long, px(200.0))?;
            assert!(shown.starts_with("server-") && shown.ends_with("-end") && shown.contains('\u{2026}'), "{shown}");
            let (width, _) = root.estimate_text_size(&shown, &letters(NAME_EM, TEXT))?;
            assert!((px(150.0)..=px(200.0)).contains(&width.cast_signed()), "{width}");
            assert_eq!(fitting(root, "cpu", px(200.0))?, "cpu");
            assert!(fitting(root, &long, 0)?.chars().count() <= 3);
            Ok(())
        });
        assert!(page.is_ok());
    }
}
