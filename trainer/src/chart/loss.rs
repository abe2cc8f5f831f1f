//! How the loss fell, epoch by epoch.

use std::path::Path;

use plotters::{
    element::{Circle, PathElement},
    style::{Color, RGBColor, WHITE},
};

use super::{
    frame::{self, HEIGHT, Plot, WIDTH},
    page::{BLUE, ChartError, ChartPage, Drawn, ORANGE, thick},
    scale::{Scale, plain},
};
use crate::say::counted;

/// From this ratio of the largest to the smallest loss on, the axis is logarithmic: otherwise the
/// first epochs flatten all others.
const LOG_FROM_RATIO: f64 = 8.0;

/// Draws training and validation loss. Element 0 is epoch 1 and `best_epoch` counts from 1 too;
/// losses that are not finite leave gaps; either slice may be empty.
///
/// # Errors
/// When the file cannot be written.
pub fn loss_curves(file: &Path, train: &[f32], validation: &[f32], best_epoch: usize) -> Result<(), ChartError> {
    page(train, validation, best_epoch)?.save(file)
}

fn page(train: &[f32], validation: &[f32], best_epoch: usize) -> Result<ChartPage, ChartError> {
    let epochs = train.len().max(validation.len());
    let (x, y) = axes(train, validation, epochs);
    let best = validation.get(best_epoch.wrapping_sub(1)).map(|loss| f64::from(*loss));
    let loss = best.map_or_else(String::new, |loss| format!(", with a validation loss of {}", plain(loss)));
    let subtitle = format!("{}; the model of epoch {best_epoch} is kept{loss}", counted(epochs, "epoch"));
    ChartPage::draw(WIDTH, HEIGHT, |root| {
        let title = ("Training and validation loss", subtitle.as_str());
        let mut plot = frame::plot(root, title, (x, "epoch"), (y, "loss"))?;
        curve(&mut plot, train, BLUE)?;
        curve(&mut plot, validation, ORANGE)?;
        if (1..=epochs).contains(&best_epoch) {
            frame::marker(root, &mut plot, best_epoch as f64, &format!("best epoch: {best_epoch}"))?;
            let place = best.filter(|loss| loss.is_finite()).map(|loss| (best_epoch as f64, loss));
            plot.draw_series(place.map(|place| Circle::new(place, thick(7.0), WHITE.filled())))?;
            plot.draw_series(place.map(|place| Circle::new(place, thick(5.0), ORANGE.filled())))?;
        }
        frame::legend(root, &[("training", BLUE), ("validation", ORANGE)])
    })
}

fn axes(train: &[f32], validation: &[f32], epochs: usize) -> (Scale, Scale) {
    let losses = train.iter().chain(validation).map(|l| f64::from(*l));
    let finite: Vec<f64> = losses.filter(|loss| loss.is_finite()).collect();
    let high = finite.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let low = finite.iter().copied().fold(high, f64::min);
    // Half an epoch of air on the left keeps the first point off the axis.
    let last = (epochs as f64).max(2.0);
    let x = Scale::linear(1.0 - 0.01 * last..last);
    let is_log = low > 0.0 && high / low >= LOG_FROM_RATIO;
    (x, if is_log { Scale::log(low / 1.15..high * 1.15) } else { Scale::linear(low.min(0.0)..high * 1.05) })
}

/// Losses that are not finite leave gaps.
fn curve(plot: &mut Plot<'_, '_>, losses: &[f32], color: RGBColor) -> Drawn {
    let points: Vec<(f64, f64)> = (1..).zip(losses).map(|(epoch, loss)| (f64::from(epoch), f64::from(*loss))).collect();
    let is_whole = |pair: &&[(f64, f64)]| pair.iter().all(|(_, loss)| loss.is_finite());
    let style = color.stroke_width(thick(2.0));
    plot.draw_series(points.windows(2).filter(is_whole).map(|pair| PathElement::new(pair.to_vec(), style)))?;
    let finite = points.iter().filter(|(_, loss)| loss.is_finite());
    plot.draw_series(finite.map(|point| Circle::new(*point, thick(1.0), color.filled())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_curves_are_on_the_page() {
        let page = page(&[0.5, 0.4, 0.3], &[0.7, 0.6, 0.65], 2).unwrap();
        assert_eq!((page.width, page.height), (WIDTH, HEIGHT));
        let swatch = 15 * 12;
        for color in [BLUE, ORANGE] {
            assert!(page.count(color) > swatch + 1_000, "a line from one side to the other: {}", page.count(color));
        }
        assert_ne!(page, super::page(&[0.5, 0.4, 0.3], &[0.7, 0.6, 0.65], 3).unwrap(), "the best epoch is marked");
    }

    #[test]
    fn gaps_part_the_curve() {
        let blue = |losses: &[f32]| page(losses, &[], 9).unwrap().count(BLUE);
        let (whole, parted) = (blue(&[1.0, 1.0, 1.0, 1.0]), blue(&[1.0, f32::NAN, 1.0, 1.0]));
        assert!(parted < whole / 2 && parted > whole / 4, "{parted} of {whole}");
    }

    #[test]
    fn every_length_can_be_drawn() {
        let empty = page(&[], &[], 0).unwrap();
        let one = page(&[0.5], &[], 1).unwrap();
        let odd = page(&[0.5, f32::NAN, 0.0], &[0.7, 0.6, 0.6], 9).unwrap();
        assert!(empty != one && one != odd && odd != empty);
    }
}
