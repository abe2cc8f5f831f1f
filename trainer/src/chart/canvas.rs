//! A white page to draw on in logical pixels, kept as a PNG file.
//!
//! Owns the drawing library, the font and the colours. Everything is drawn at twice the size and
//! averaged down, which smooths what the library leaves jagged and places glyphs by half pixels.

use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, RGBAColor, RGBColor, TextStyle, register_font};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::output::OutputFiles;

#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    #[error("cannot draw {}: {message}", file.display())]
    Draw { file: PathBuf, message: String },
    #[error("cannot write {}: {message}", file.display())]
    Write { file: PathBuf, message: String },
    #[error("cannot put {} in place: {source}", file.display())]
    Place { file: PathBuf, source: std::io::Error },
}

/// Red, green, blue and opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ink(u8, u8, u8, f64);

impl Ink {
    pub(super) const BLUE: Self = Self(0, 119, 187, 1.0);
    pub(super) const ORANGE: Self = Self(238, 119, 51, 1.0);
    pub(super) const RED: Self = Self(204, 51, 17, 1.0);
    pub(super) const TEXT: Self = Self(34, 34, 34, 1.0);
    pub(super) const MUTED: Self = Self(105, 105, 105, 1.0);
    pub(super) const AXIS: Self = Self(150, 150, 150, 1.0);
    pub(super) const GRID: Self = Self(232, 232, 232, 1.0);
    pub(super) const SHADE: Self = Self(226, 226, 226, 1.0);
    pub(super) const PAPER: Self = Self(255, 255, 255, 1.0);

    pub(super) const fn fade(self, opacity: f64) -> Self {
        Self(self.0, self.1, self.2, opacity)
    }

    fn style(self) -> RGBAColor {
        RGBColor(self.0, self.1, self.2).mix(self.3)
    }
}

/// Which end of a text stands at the given place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A rectangle in logical pixels, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Drawn pixels a logical pixel, in each direction.
const SCALE: u32 = 2;
const FAMILY: &str = "chart";
static FONT: &[u8] = include_bytes!("font/OpenSans-Regular.ttf");
/// Line height of the font over its em: the library takes the former for its size.
const LINE_PER_EM: f64 = 1.362;

pub(super) struct Canvas {
    width: u32,
    height: u32,
    /// RGB, `SCALE` times as wide and high as the page.
    pixels: Vec<u8>,
    /// The first thing that could not be drawn; reported by `save`.
    failure: Option<String>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let registered = register_font(FAMILY, FontStyle::Normal, FONT);
        Self {
            width,
            height,
            pixels: vec![255; (width * SCALE * height * SCALE * 3) as usize],
            failure: registered.is_err().then(|| "the font is damaged".to_owned()),
        }
    }

    pub(super) fn rect(&mut self, area: Rect, ink: Ink) {
        let (from, to) = (device(area.left, area.top), device(area.right, area.bottom));
        if to.0 > from.0 && to.1 > from.1 {
            self.draw(|backend| backend.draw_rect(from, to, &ink.style(), true));
        }
    }

    /// A straight line `width` logical pixels wide.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) {
        let (from, to) = (device(from.0, from.1), device(to.0, to.1));
        if from != to {
            let style = ink.style().stroke_width(device_width(width));
            self.draw(|backend| backend.draw_line(from, to, &style));
        }
    }

    /// Joins points by straight lines with round corners.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], width: f64, ink: Ink) {
        for pair in points.windows(2) {
            self.line(pair[0], pair[1], width, ink);
        }
        if width >= 2.0 {
            for point in points {
                self.dot(*point, width / 2.0, ink);
            }
        }
    }

    pub(super) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) {
        const DASH: f64 = 7.0;
        const GAP: f64 = 4.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let at = |s: f64| (from.0 + dx * s / length, from.1 + dy * s / length);
        let mut start = 0.0;
        while start < length {
            self.line(at(start), at((start + DASH).min(length)), width, ink);
            start += DASH + GAP;
        }
    }

    pub(super) fn dot(&mut self, centre: (f64, f64), radius: f64, ink: Ink) {
        let radius = (radius * f64::from(SCALE)).round() as u32;
        let centre = device(centre.0, centre.1);
        self.draw(|backend| backend.draw_circle(centre, radius, &ink.style(), true));
    }

    /// `em` is the font size, `baseline` the place of the letters' feet.
    pub(super) fn text(&mut self, text: &str, place: (f64, f64), align: Align, em: f64, ink: Ink) {
        let left = match align {
            Align::Left => place.0,
            Align::Centre => place.0 - text_width(text, em) / 2.0,
            Align::Right => place.0 - text_width(text, em),
        };
        // The library puts the baseline half a line below the given place.
        let position = device(left, place.1 - em * LINE_PER_EM / 2.0);
        let style = text_style(em, ink);
        self.draw(|backend| backend.draw_text(text, &style, position));
    }

    /// Writes the page as PNG, as [`OutputFiles`] writes.
    pub(super) fn save(self, file: &Path) -> Result<(), ChartError> {
        if let Some(message) = self.failure {
            return Err(ChartError::Draw { file: file.to_owned(), message });
        }
        let page = average(&self.pixels, self.width as usize, self.height as usize);
        let png = png(file, &page, (self.width, self.height))
            .map_err(|message| ChartError::Write { file: file.to_owned(), message })?;
        let placed = OutputFiles::open(file).and_then(|mut output| {
            output.write_all(&png)?;
            output.complete()
        });
        placed.map_err(|source| ChartError::Place { file: file.to_owned(), source })
    }

    fn draw<E: std::fmt::Display>(&mut self, act: impl FnOnce(&mut BitMapBackend<'_>) -> Result<(), E>) {
        let size = (self.width * SCALE, self.height * SCALE);
        let mut backend = BitMapBackend::with_buffer(&mut self.pixels, size);
        let outcome = act(&mut backend);
        drop(backend);
        if let Err(error) = outcome {
            self.failure.get_or_insert_with(|| error.to_string());
        }
    }
}

/// Logical pixels that a text of font size `em` takes; 0 if the font is damaged.
pub(super) fn text_width(text: &str, em: f64) -> f64 {
    let size = text_style(em, Ink::TEXT).font.box_size(text);
    size.map_or(0.0, |(width, _)| f64::from(width) / f64::from(SCALE))
}

fn device(x: f64, y: f64) -> (i32, i32) {
    let scale = f64::from(SCALE);
    ((x * scale).round() as i32, (y * scale).round() as i32)
}

fn device_width(width: f64) -> u32 {
    ((width * f64::from(SCALE)).round() as u32).max(1)
}

fn text_style(em: f64, ink: Ink) -> TextStyle<'static> {
    let size = em * LINE_PER_EM * f64::from(SCALE);
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal).color(&ink.style())
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

/// The library writes to a file that is called so.
fn png(file: &Path, page: &[u8], size: (u32, u32)) -> Result<Vec<u8>, String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new().prefix(".oddline-").suffix(".png").tempfile_in(folder);
    let aside = aside.map_err(|error| error.to_string())?;
    let mut backend = BitMapBackend::new(aside.path(), size);
    let outcome = backend.blit_bitmap((0, 0), size, page).and_then(|()| backend.present());
    drop(backend);
    outcome.map_err(|error| error.to_string())?;
    std::fs::read(aside.path()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_put_in_place_whole_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("oddline-canvas-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("page.png");
        std::fs::write(&file, "an older picture").unwrap();
        let mut canvas = Canvas::new(40, 30);
        canvas.text("x", (5.0, 20.0), Align::Left, 12.0, Ink::TEXT);
        canvas.save(&file).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn errors_name_the_file() {
        let file = Path::new("/nowhere/at/all/page.png");
        let error = Canvas::new(4, 4).save(file).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/page.png"), "{error}");
    }

    #[test]
    fn rectangles_end_where_they_should() {
        for (opacity, expected) in [(1.0, [255, 0, 127, 255]), (0.4, [255, 153, 204, 255])] {
            let mut canvas = Canvas::new(4, 1);
            let area = Rect { left: 1.0, top: 0.0, right: 2.5, bottom: 1.0 };
            canvas.rect(area, Ink(0, 0, 0, opacity));
            let page = average(&canvas.pixels, 4, 1);
            let red: Vec<u8> = page.iter().step_by(3).copied().collect();
            let near = |(got, wanted): (&u8, i32)| (i32::from(*got) - wanted).abs() <= 1;
            assert!(red.iter().zip(expected).all(near), "{red:?} at {opacity}");
        }
    }
}
