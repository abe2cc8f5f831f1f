//! What the large charts share: title, axes with grid, threshold lines and legend.

use super::axis::{Axis, Tick};
use super::canvas::{Align, Canvas, Ink, Rect, text_width};

pub(super) const WIDTH: u32 = 1200;
pub(super) const HEIGHT: u32 = 700;
/// The plot proper within the page.
pub(super) const PLOT: Rect = Rect { left: 84.0, top: 118.0, right: 1168.0, bottom: 618.0 };

pub(super) const LABEL_EM: f64 = 14.0;
const TITLE_EM: f64 = 23.0;

/// Title and, in smaller and lighter letters, what it was drawn from.
pub(super) fn heading(canvas: &mut Canvas, title: &str, subtitle: &str) {
    canvas.text(title, (24.0, 42.0), Align::Left, TITLE_EM, Ink::TEXT);
    canvas.text(subtitle, (24.0, 69.0), Align::Left, 15.0, Ink::MUTED);
}

/// Grid lines, tick labels and axis names. The y axis's name lies above it, to be read upright.
pub(super) fn axes(canvas: &mut Canvas, (x, x_name): (&Axis, &str), (y, y_name): (&Axis, &str)) {
    let area = PLOT;
    for Tick { px, label } in y.ticks(8) {
        canvas.line((area.left, px), (area.right, px), 1.0, Ink::GRID);
        canvas.text(&label, (area.left - 9.0, px + 5.0), Align::Right, LABEL_EM, Ink::TEXT);
    }
    for Tick { px, label } in x.ticks(11) {
        canvas.line((px, area.top), (px, area.bottom), 1.0, Ink::GRID);
        canvas.line((px, area.bottom), (px, area.bottom + 5.0), 1.0, Ink::AXIS);
        canvas.text(&label, (px, area.bottom + 23.0), Align::Centre, LABEL_EM, Ink::TEXT);
    }
    canvas.text(y_name, (24.0, area.top - 14.0), Align::Left, LABEL_EM, Ink::MUTED);
    let middle = (area.left + area.right) / 2.0;
    canvas.text(x_name, (middle, area.bottom + 54.0), Align::Centre, LABEL_EM, Ink::MUTED);
}

/// The line on which the plot stands; after the data, so that it stays whole.
pub(super) fn base_line(canvas: &mut Canvas) {
    let (left, right) = ((PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom));
    canvas.line(left, right, 1.5, Ink::AXIS);
}

/// A dashed upright line with its label at the top, on the side with more room.
pub(super) fn marker(canvas: &mut Canvas, px: f64, label: &str, ink: Ink) {
    canvas.dashes((px, PLOT.top - 4.0), (px, PLOT.bottom), 2.0, ink);
    let width = text_width(label, LABEL_EM);
    let fits_right = px + 12.0 + width < PLOT.right;
    let (place, align, left) =
        if fits_right { (px + 9.0, Align::Left, px + 5.0) } else { (px - 9.0, Align::Right, px - 13.0 - width) };
    let behind = Rect { left, top: PLOT.top + 3.0, right: left + width + 8.0, bottom: PLOT.top + 26.0 };
    canvas.rect(behind, Ink::PAPER.fade(0.85));
    canvas.text(label, (place, PLOT.top + 20.0), align, LABEL_EM, ink);
}

/// Swatches with names, ending at the plot's right edge above it.
pub(super) fn legend(canvas: &mut Canvas, entries: &[(&str, Ink)]) {
    let mut right = PLOT.right;
    for (name, ink) in entries.iter().rev() {
        let left = right - text_width(name, LABEL_EM);
        let baseline = PLOT.top - 14.0;
        canvas.text(name, (left, baseline), Align::Left, LABEL_EM, Ink::TEXT);
        let swatch = Rect { left: left - 23.0, top: baseline - 11.0, right: left - 8.0, bottom: baseline + 1.0 };
        canvas.rect(swatch, *ink);
        right = swatch.left - 22.0;
    }
}
