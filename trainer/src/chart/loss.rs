//! How the loss fell, epoch by epoch.

use super::axis::{Axis, Spacing, plain};
use super::canvas::{Canvas, ChartError, Ink};
use super::frame::{self, HEIGHT, PLOT, WIDTH};
use std::path::Path;

/// From this ratio of the largest to the smallest loss on, the axis is logarithmic: otherwise the
/// first epochs flatten all others.
const LOG_FROM_RATIO: f64 = 8.0;

/// Draws training and validation loss. Element 0 is epoch 1 and `best_epoch` counts from 1 too;
/// losses that are not finite leave gaps; either slice may be empty.
///
/// # Errors
/// When the file cannot be written.
pub fn loss_curves(file: &Path, train: &[f32], validation: &[f32], best_epoch: usize) -> Result<(), ChartError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let epochs = train.len().max(validation.len());
    let (x, y) = axes(train, validation, epochs);
    let best = validation.get(best_epoch.wrapping_sub(1)).copied();
    let subtitle = match best {
        Some(loss) => format!(
            "{epochs} epochs; the model of epoch {best_epoch} is kept, with a validation loss of {}",
            plain(f64::from(loss))
        ),
        None => format!("{epochs} epochs; the model of epoch {best_epoch} is kept"),
    };
    frame::heading(&mut canvas, "Training and validation loss", &subtitle);
    frame::axes(&mut canvas, (&x, "epoch"), (&y, "loss"));
    curve(&mut canvas, train, (&x, &y), Ink::BLUE);
    curve(&mut canvas, validation, (&x, &y), Ink::ORANGE);
    frame::base_line(&mut canvas);
    if (1..=epochs).contains(&best_epoch) {
        let px = x.px(best_epoch as f64);
        frame::marker(&mut canvas, px, &format!("best epoch: {best_epoch}"), Ink::TEXT);
        if let Some(loss) = best.filter(|loss| loss.is_finite()) {
            let place = (px, y.px(f64::from(loss)));
            canvas.dot(place, 7.0, Ink::PAPER);
            canvas.dot(place, 5.0, Ink::ORANGE);
        }
    }
    frame::legend(&mut canvas, &[("training", Ink::BLUE), ("validation", Ink::ORANGE)]);
    canvas.save(file)
}

fn axes(train: &[f32], validation: &[f32], epochs: usize) -> (Axis, Axis) {
    let losses = train.iter().chain(validation).map(|l| f64::from(*l));
    let finite: Vec<f64> = losses.filter(|loss| loss.is_finite()).collect();
    let high = finite.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let low = finite.iter().copied().fold(high, f64::min);
    let (spacing, range) = if low > 0.0 && high / low >= LOG_FROM_RATIO {
        (Spacing::Log, (low / 1.15, high * 1.15))
    } else {
        (Spacing::Linear, (low.min(0.0), high * 1.05))
    };
    // Half an epoch of air on the left keeps the first point off the axis.
    let last = (epochs as f64).max(2.0);
    let x = Axis::new(Spacing::Linear, (1.0 - 0.01 * last, last), (PLOT.left, PLOT.right));
    (x, Axis::new(spacing, range, (PLOT.bottom, PLOT.top)))
}

fn curve(canvas: &mut Canvas, losses: &[f32], (x, y): (&Axis, &Axis), ink: Ink) {
    for (first, run) in finite_runs(losses) {
        let place = |(i, loss): (usize, &f32)| (x.px((first + i + 1) as f64), y.px(f64::from(*loss)));
        let points: Vec<(f64, f64)> = run.iter().enumerate().map(place).collect();
        canvas.polyline(&points, 2.0, ink);
    }
}

/// Stretches of finite losses, with the index of each one's first.
fn finite_runs(losses: &[f32]) -> Vec<(usize, &[f32])> {
    let mut first = 0;
    let mut runs = Vec::new();
    for run in losses.split(|loss| !loss.is_finite()) {
        if !run.is_empty() {
            runs.push((first, run));
        }
        first += run.len() + 1;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_part_the_curve() {
        let losses = [1.0, 2.0, f32::NAN, f32::INFINITY, 3.0];
        let runs = finite_runs(&losses);
        assert_eq!(runs, [(0, &[1.0, 2.0][..]), (4, &[3.0][..])]);
    }

    #[test]
    fn every_length_can_be_drawn() {
        let file = std::env::temp_dir().join(format!("oddline-loss-{}.png", std::process::id()));
        for (train, validation, best) in
            [(&[][..], &[][..], 0), (&[0.5][..], &[][..], 1), (&[0.5, f32::NAN, 0.0][..], &[0.7, 0.6, 0.6][..], 9)]
        {
            loss_curves(&file, train, validation, best).unwrap();
        }
        std::fs::remove_file(&file).unwrap();
    }
}
