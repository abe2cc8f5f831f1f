//! A white page to draw on, kept as a PNG file: font, colours, and how it is written.
//!
//! Everything is drawn at twice the size and averaged down, which smooths what the library leaves jagged. So lengths go to
//! the library through [`px`].

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use plotters::{
    backend::{BitMapBackend, DrawingBackend},
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::Rectangle,
    style::{
        Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::output::OutputFiles;

pub(super) const BLUE: RGBColor = RGBColor(0, 119, 187);
pub(super) const ORANGE: RGBColor = RGBColor(238, 119, 51);
pub(super) const RED: RGBColor = RGBColor(204, 51, 17);
pub(super) const TEXT: RGBColor = RGBColor(34, 34, 34);
pub(super) const MUTED: RGBColor = RGBColor(105, 105, 105);
pub(super) const AXIS: RGBColor = RGBColor(150, 150, 150);
pub(super) const GRID: RGBColor = RGBColor(232, 232, 232);
pub(super) const SHADE: RGBColor = RGBColor(226, 226, 226);

/// Drawn pixels a pixel of the page, in each direction.
const SCALE: u32 = 2;
const FAMILY: &str = "chart";
static FONT: &[u8] = include_bytes!("font/OpenSans-Regular.ttf");
/// Line height of the font over its em: the library takes the former for its size.
const LINE_PER_EM: f64 = 1.362;

pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(super) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    #[error("cannot draw the chart: {0}")]
    Draw(String),
    #[error("cannot write {}: {message}", file.display())]
    Write { file: PathBuf, message: String },
    #[error("cannot put {} in place: {source}", file.display())]
    Place { file: PathBuf, source: std::io::Error },
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartPage {
    pub width: u32,
    pub height: u32,
    /// RGB, row by row.
    pub pixels: Vec<u8>,
}

impl ChartPage {
    /// # Errors
    /// When the font is damaged or the library refuses.
    pub fn draw(width: u32, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Self, ChartError> {
        register_font(FAMILY, FontStyle::Normal, FONT)
            .map_err(|_invalid| ChartError::Draw("the font is damaged".to_owned()))?;
        let size = (width * SCALE, height * SCALE);
        let mut pixels = vec![255; (size.0 * size.1 * 3) as usize];
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        draw(&root).map_err(|error| ChartError::Draw(error.to_string()))?;
        drop(root);
        Ok(Self { width, height, pixels: average(&pixels, width as usize, height as usize) })
    }

    /// Writes the page as PNG, as [`OutputFiles`] writes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), ChartError> {
        let png = self.png(file).map_err(|message| ChartError::Write { file: file.to_owned(), message })?;
        let placed = OutputFiles::open(file).and_then(|mut output| {
            output.write_all(&png)?;
            output.complete()
        });
        placed.map_err(|source| ChartError::Place { file: file.to_owned(), source })
    }

    /// How many pixels have this very colour.
    #[cfg(test)]
    pub(super) fn count(&self, color: RGBColor) -> usize {
        self.pixels.chunks_exact(3).filter(|pixel| *pixel == [color.0, color.1, color.2]).count()
    }

    /// The library writes to a file that is called so.
    fn png(&self, file: &Path) -> Result<Vec<u8>, String> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let aside = tempfile::Builder::new().prefix(".oddline-").suffix(".png").tempfile_in(folder);
        let aside = aside.map_err(|error| error.to_string())?;
        let size = (self.width, self.height);
        let mut backend = BitMapBackend::new(aside.path(), size);
        let outcome = backend.blit_bitmap((0, 0), size, &self.pixels).and_then(|()| backend.present());
        drop(backend);
        outcome.map_err(|error| error.to_string())?;
        std::fs::read(aside.path()).map_err(|error| error.to_string())
    }
}

/// A length on the page in drawn pixels.
#[must_use]
pub(super) fn px(length: f64) -> i32 {
    (length * f64::from(SCALE)).round() as i32
}

/// The same, for the width of a line or the radius of a dot: at least one.
#[must_use]
pub(super) fn thick(length: f64) -> u32 {
    px(length).max(1).unsigned_abs()
}

/// Letters of the font size `em` whose left upper corner is their place.
#[must_use]
pub(super) fn letters(em: f64, color: RGBColor) -> TextStyle<'static> {
    let size = em * LINE_PER_EM * f64::from(SCALE);
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal).color(&color)
}

/// A swatch and its name from `left` on, centred at the height `middle`. Where the next one may begin.
///
/// # Errors
/// When the library refuses.
pub(super) fn legend_entry(area: &Area<'_>, (left, middle): (i32, i32), name: &str, swatch: &impl Color) -> Drawn<i32> {
    let corners = [(left, middle - px(6.0)), (left + px(15.0), middle + px(6.0))];
    area.draw(&Rectangle::new(corners, swatch.filled()))?;
    let style = letters(14.0, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    // The library puts letters a little above the middle.
    area.draw_text(name, &style, (left + px(22.0), middle + px(2.0)))?;
    let (width, _) = area.estimate_text_size(name, &style)?;
    Ok(left + px(22.0 + 22.0) + width.cast_signed())
}

/// Each pixel of the page from the `SCALE` x `SCALE` drawn ones.
fn average(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let scale = SCALE as usize;
    let row = width * scale * 3;
    let mut page = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for dy in 0..scale {
                    for dx in 0..scale {
                        let at = (y * scale + dy) * row + (x * scale + dx) * 3 + channel;
                        sum += u32::from(pixels[at]);
                    }
                }
                page.push((sum / (SCALE * SCALE)) as u8);
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use plotters::style::WHITE;

    use super::*;

    #[test]
    fn a_page_is_put_in_place_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.png");
        std::fs::write(&file, "an older picture").unwrap();
        let page =
            ChartPage::draw(40, 30, |root| root.draw_text("x", &letters(12.0, TEXT), (px(5.0), px(5.0)))).unwrap();
        assert!(page.pixels.iter().any(|byte| *byte < 128), "the letter is on the page");
        page.save(&file).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!((bytes[19], bytes[23]), (40, 30), "width and height");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_file() {
        let file = Path::new("/nowhere/at/all/page.png");
        let error = ChartPage::draw(4, 4, |_| Ok(())).unwrap().save(file).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/page.png"), "{error}");
    }

    #[test]
    fn what_is_drawn_is_averaged() {
        let black = Rectangle::new([(2, 0), (5, 2)], RGBColor(0, 0, 0).filled());
        let page = ChartPage::draw(4, 1, |root| root.draw(&black)).unwrap();
        let red: Vec<u8> = page.pixels.iter().step_by(3).copied().collect();
        assert_eq!(red, [255, 0, 127, 255]);
        assert_eq!((page.count(WHITE), page.count(BLUE)), (2, 0));
    }
}
