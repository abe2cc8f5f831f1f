//! What the large charts share: title, axes with grid, a marked value and legend.

use plotters::{
    backend::BitMapBackend,
    chart::{ChartBuilder, ChartContext},
    coord::cartesian::Cartesian2d,
    element::Rectangle,
    series::DashedLineSeries,
    style::{
        Color, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    page::{AXIS, Area, Drawn, GRID, MUTED, TEXT, legend_entry, letters, px, thick},
    scale::Scale,
};

pub(super) const WIDTH: u32 = 1200;
pub(super) const HEIGHT: u32 = 700;
const LABEL_EM: f64 = 14.0;

pub(super) type Plot<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<Scale, Scale>>;

/// Title and, in smaller and lighter letters, what it was drawn from; below it the grid with its axes. The y axis's name
/// lies above it, to be read upright.
pub(super) fn plot<'a, 'b>(
    root: &Area<'b>,
    (title, subtitle): (&str, &str),
    (x, x_name): (Scale, &str),
    (y, y_name): (Scale, &str),
) -> Drawn<Plot<'a, 'b>> {
    let left = px(24.0);
    root.draw_text(title, &letters(23.0, TEXT), (left, px(21.0)))?;
    root.draw_text(subtitle, &letters(15.0, MUTED), (left, px(56.0)))?;
    root.draw_text(y_name, &letters(LABEL_EM, MUTED), (left, px(92.0)))?;
    let mut chart = ChartBuilder::on(root)
        .margin_top(px(118.0))
        .margin_right(px(32.0))
        .margin_bottom(px(22.0))
        .x_label_area_size(px(60.0))
        .y_label_area_size(px(84.0))
        .build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(11)
        .y_labels(8)
        .bold_line_style(GRID.stroke_width(thick(1.0)))
        .axis_style(AXIS.stroke_width(thick(1.0)));
    mesh.label_style(letters(LABEL_EM, TEXT)).axis_desc_style(letters(LABEL_EM, MUTED)).x_desc(x_name);
    mesh.set_all_tick_mark_size(px(5.0)).y_label_offset(px(2.5)).draw()?;
    Ok(chart)
}

/// A dashed upright line with its label at the top, on the side with more room.
pub(super) fn marker(root: &Area<'_>, chart: &mut Plot<'_, '_>, x: f64, label: &str) -> Drawn {
    let heights = chart.y_range();
    let line = [(x, heights.start), (x, heights.end)];
    chart.draw_series(DashedLineSeries::new(line, px(7.0), px(4.0), TEXT.stroke_width(thick(2.0))))?;
    let style = letters(LABEL_EM, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    let (width, _) = root.estimate_text_size(label, &style)?;
    let width = width.cast_signed();
    let (place, top) = chart.backend_coord(&(x, heights.end));
    let (columns, _) = chart.plotting_area().get_pixel_range();
    let fits_right = place + px(13.0) + width < columns.end;
    let left = if fits_right { place + px(9.0) } else { place - px(9.0) - width };
    let behind = [(left - px(4.0), top + px(3.0)), (left + width + px(4.0), top + px(26.0))];
    root.draw(&Rectangle::new(behind, WHITE.mix(0.85).filled()))?;
    root.draw_text(label, &style, (left, top + px(16.0)))
}

/// Swatches with names, ending at the plot's right edge above it.
pub(super) fn legend<C: Color>(root: &Area<'_>, entries: &[(&str, C)]) -> Drawn {
    let mut width = 0;
    for (name, _) in entries {
        width += px(44.0) + root.estimate_text_size(name, &letters(LABEL_EM, TEXT))?.0.cast_signed();
    }
    let mut left = px(f64::from(WIDTH) - 32.0 + 22.0) - width;
    for (name, color) in entries {
        left = legend_entry(root, (left, px(99.0)), name, color)?;
    }
    Ok(())
}
