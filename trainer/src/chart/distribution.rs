//! How the scores (reconstruction errors, each divided by what training made usual) spread.

use super::super::evaluate::histogram::{BINS, ScoreHistogram, edge};
use super::axis::{Axis, Spacing, grouped, plain};
use super::canvas::{Canvas, ChartError, Ink, Rect};
use super::frame::{self, HEIGHT, PLOT, WIDTH};
use std::path::Path;

/// Lowest count on the axis: one record must still stand above the base line.
const COUNT_LOW: f64 = 0.7;
const OVERLAP: f64 = 0.55;

/// The scores of unseen records, with the truth or without.
#[derive(Debug, Clone, Copy)]
pub enum ErrorSeries<'a> {
    Unlabelled(&'a ScoreHistogram),
    Labelled { normal: &'a ScoreHistogram, anomalous: &'a ScoreHistogram },
}

struct Bars<'a> {
    name: &'static str,
    histogram: &'a ScoreHistogram,
    ink: Ink,
}

/// Draws the scores of the training data and the threshold.
///
/// # Errors
/// When the file cannot be written.
pub fn error_distribution(
    file: &Path,
    histogram: &ScoreHistogram,
    threshold: f64,
    title: &str,
) -> Result<(), ChartError> {
    unseen_data_errors(file, ErrorSeries::Unlabelled(histogram), threshold, title)
}

/// Draws the scores of unseen data and the threshold; where the truth is known, normal and
/// anomalous records in two translucent colours.
///
/// # Errors
/// When the file cannot be written.
pub fn unseen_data_errors(file: &Path, errors: ErrorSeries, threshold: f64, title: &str) -> Result<(), ChartError> {
    let sets = bars(errors);
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let (x, y) = axes(&sets, threshold);
    frame::heading(&mut canvas, title, &subtitle(&sets));
    frame::axes(&mut canvas, (&x, "reconstruction error (score)"), (&y, "records"));
    for set in &sets {
        fill(&mut canvas, set, (&x, &y));
    }
    frame::base_line(&mut canvas);
    let label = format!("threshold {}", plain(threshold));
    frame::marker(&mut canvas, x.px(threshold), &label, Ink::TEXT);
    if sets.len() > 1 {
        let entries: Vec<(&str, Ink)> = sets.iter().map(|set| (set.name, set.ink)).collect();
        frame::legend(&mut canvas, &entries);
    }
    canvas.save(file)
}

fn bars(errors: ErrorSeries) -> Vec<Bars> {
    match errors {
        ErrorSeries::Unlabelled(histogram) => vec![Bars { name: "records", histogram, ink: Ink::BLUE.fade(0.8) }],
        ErrorSeries::Labelled { normal, anomalous } => vec![
            Bars { name: "normal", histogram: normal, ink: Ink::BLUE.fade(OVERLAP) },
            Bars { name: "anomalous", histogram: anomalous, ink: Ink::ORANGE.fade(OVERLAP) },
        ],
    }
}

/// The x axis reaches over all bins in use and the threshold, the y axis over the fullest bin.
fn axes(sets: &[Bars], threshold: f64) -> (Axis, Axis) {
    let used = |bin: &usize| sets.iter().any(|set| set.histogram.bins()[*bin] > 0);
    let first = (0..BINS).find(used).map_or(1.0, edge);
    let last = (0..BINS).rfind(used).map_or(1.0, |bin| edge(bin + 1));
    let threshold = if threshold.is_finite() && threshold > 0.0 { threshold } else { first };
    let range = (first.min(threshold) / 1.3, last.max(threshold) * 1.3);
    let counts = sets.iter().flat_map(|set| set.histogram.bins());
    let fullest = counts.copied().max().unwrap_or(0).max(1) as f64;
    (
        Axis::new(Spacing::Log, range, (PLOT.left, PLOT.right)),
        Axis::new(Spacing::Log, (COUNT_LOW, fullest * 1.6), (PLOT.bottom, PLOT.top)),
    )
}

fn fill(canvas: &mut Canvas, set: &Bars, (x, y): (&Axis, &Axis)) {
    for (bin, count) in set.histogram.bins().iter().enumerate() {
        if *count > 0 {
            let bar = Rect {
                left: x.px(edge(bin)),
                top: y.px(*count as f64),
                right: x.px(edge(bin + 1)),
                bottom: PLOT.bottom,
            };
            canvas.rect(bar, set.ink);
        }
    }
}

/// A bin's edge is no more exact than that.
fn two_digits(value: f64) -> String {
    if !value.is_finite() {
        return "above 10,000".to_owned();
    }
    let unit = 10f64.powf(value.log10().floor() - 1.0);
    plain((value / unit).round() * unit)
}

/// Counts, the median and the far quantiles, and what lies beside the bins.
fn subtitle(sets: &[Bars]) -> String {
    let quantile = |h: &ScoreHistogram, q| h.quantile(q).map_or("-".to_owned(), two_digits);
    let describe = |set: &Bars| {
        let h = set.histogram;
        format!(
            "{} {} (median {}, .999 quantile {})",
            grouped(h.count()),
            set.name,
            quantile(h, 0.5),
            quantile(h, 0.999)
        )
    };
    let mut parts: Vec<String> = sets.iter().map(describe).collect();
    let sum = |of: fn(&ScoreHistogram) -> u64| sets.iter().map(|s| of(s.histogram)).sum::<u64>();
    for (count, what) in [
        (sum(ScoreHistogram::underflow), "below 0.0001"),
        (sum(ScoreHistogram::overflow), "above 10,000"),
        (sum(ScoreHistogram::not_a_number), "not a number"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", grouped(count)));
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_reaches_over_the_bins_and_the_threshold() {
        let mut histogram = ScoreHistogram::default();
        histogram.push(0.1);
        histogram.push(2.0);
        let sets = bars(ErrorSeries::Unlabelled(&histogram));
        let (x, _) = axes(&sets, 50.0);
        assert!(x.px(0.1) > PLOT.left && x.px(50.0) < PLOT.right);
        assert!(x.px(2.0) < x.px(50.0));
    }

    #[test]
    fn what_is_not_drawn_is_said() {
        let mut histogram = ScoreHistogram::default();
        for score in [0.0, 1.0, 1e9, f32::NAN] {
            histogram.push(score);
        }
        let text = subtitle(&bars(ErrorSeries::Unlabelled(&histogram)));
        assert!(text.starts_with("3 records (median "), "{text}");
        assert!(text.ends_with("1 below 0.0001; 1 above 10,000; 1 not a number"), "{text}");
    }

    #[test]
    fn quantiles_show_two_digits() {
        let values = [0.3311, 1.318, 52.48, 10_000.0, f64::INFINITY];
        assert_eq!(values.map(two_digits), ["0.33", "1.3", "52", "10k", "above 10,000"]);
    }

    #[test]
    fn an_empty_histogram_can_be_drawn() {
        let file = std::env::temp_dir().join(format!("oddline-dist-{}.png", std::process::id()));
        let empty = ScoreHistogram::default();
        for threshold in [1.0, 0.0, f64::NAN, f64::INFINITY] {
            error_distribution(&file, &empty, threshold, "empty").unwrap();
        }
        std::fs::remove_file(&file).unwrap();
    }
}
