//! How the scores (reconstruction errors, each divided by what training made usual) spread.

use std::path::Path;

use plotters::{
    element::Rectangle,
    style::{Color, RGBAColor},
};

use super::{
    frame::{self, HEIGHT, Plot, WIDTH},
    page::{BLUE, ChartError, ChartPage, Drawn, ORANGE},
    scale::{Scale, grouped, plain},
};
use crate::evaluate::histogram::{BINS, ScoreHistogram, edge};

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
    color: RGBAColor,
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
    page(&bars(errors), threshold, title)?.save(file)
}

fn page(sets: &[Bars<'_>], threshold: f64, title: &str) -> Result<ChartPage, ChartError> {
    let (x, y) = axes(sets, threshold);
    ChartPage::draw(WIDTH, HEIGHT, |root| {
        let names = ((x, "reconstruction error (score)"), (y, "records"));
        let mut plot = frame::plot(root, (title, &subtitle(sets)), names.0, names.1)?;
        sets.iter().try_for_each(|set| fill(&mut plot, set))?;
        if threshold.is_finite() {
            frame::marker(root, &mut plot, threshold, &format!("threshold {}", plain(threshold)))?;
        }
        let entries: Vec<(&str, RGBAColor)> = sets.iter().map(|set| (set.name, set.color)).collect();
        if entries.len() > 1 { frame::legend(root, &entries) } else { Ok(()) }
    })
}

fn bars(errors: ErrorSeries<'_>) -> Vec<Bars<'_>> {
    match errors {
        ErrorSeries::Unlabelled(histogram) => vec![Bars { name: "records", histogram, color: BLUE.mix(0.8) }],
        ErrorSeries::Labelled { normal, anomalous } => vec![
            Bars { name: "normal", histogram: normal, color: BLUE.mix(OVERLAP) },
            Bars { name: "anomalous", histogram: anomalous, color: ORANGE.mix(OVERLAP) },
        ],
    }
}

/// The x axis reaches over all bins in use and the threshold, the y axis over the fullest bin.
fn axes(sets: &[Bars<'_>], threshold: f64) -> (Scale, Scale) {
    let used = |bin: &usize| sets.iter().any(|set| set.histogram.bins()[*bin] > 0);
    let first = (0..BINS).find(used).map_or(1.0, edge);
    let last = (0..BINS).rfind(used).map_or(1.0, |bin| edge(bin + 1));
    let threshold = if threshold.is_finite() && threshold > 0.0 { threshold } else { first };
    let range = first.min(threshold) / 1.3..last.max(threshold) * 1.3;
    let counts = sets.iter().flat_map(|set| set.histogram.bins());
    let fullest = counts.copied().max().unwrap_or(0).max(1) as f64;
    (Scale::log(range), Scale::log(COUNT_LOW..fullest * 1.6))
}

fn fill(plot: &mut Plot<'_, '_>, set: &Bars<'_>) -> Drawn {
    let bins = set.histogram.bins().iter().enumerate().filter(|(_, count)| **count > 0);
    let bar = |(bin, count): (usize, &u64)| [(edge(bin), *count as f64), (edge(bin + 1), COUNT_LOW)];
    plot.draw_series(bins.map(|bin| Rectangle::new(bar(bin), set.color.filled())))?;
    Ok(())
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
    use plotters::coord::ranged1d::Ranged;

    use super::*;

    #[test]
    fn the_axis_reaches_over_the_bins_and_the_threshold() {
        let mut histogram = ScoreHistogram::default();
        histogram.push(0.1);
        histogram.push(2.0);
        let (x, _) = axes(&bars(ErrorSeries::Unlabelled(&histogram)), 50.0);
        let places = [0.1, 2.0, 50.0].map(|score| x.map(&score, (0, 1000)));
        assert!(0 < places[0] && places[0] < places[1] && places[1] < places[2] && places[2] < 1000, "{places:?}");
    }

    /// Pixels of a colour laid over white.
    fn over_white(page: &ChartPage, RGBAColor(r, g, b, opacity): RGBAColor) -> usize {
        let mixed = |c: u8| (f64::from(c) * opacity + 255.0 * (1.0 - opacity)).round() as i32;
        let near =
            |pixel: &&[u8]| pixel.iter().zip([r, g, b]).all(|(found, c)| (i32::from(*found) - mixed(c)).abs() < 3);
        page.pixels.chunks_exact(3).filter(near).count()
    }

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let (mut few, mut many) = (ScoreHistogram::default(), ScoreHistogram::default());
        (0..10).for_each(|_| few.push(0.1));
        (0..1000).for_each(|_| many.push(10.0));
        let sets = bars(ErrorSeries::Labelled { normal: &few, anomalous: &many });
        let page = page(&sets, 1.0, "two bars").unwrap();
        assert_eq!((page.width, page.height), (WIDTH, HEIGHT));
        let (few, many) = (over_white(&page, sets[0].color), over_white(&page, sets[1].color));
        assert!(few > 500 && many as f64 > 2.5 * few as f64, "{few} and {many} pixels");
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
        let empty = ScoreHistogram::default();
        let sets = bars(ErrorSeries::Unlabelled(&empty));
        let pages = [1.0, 0.0, f64::NAN, f64::INFINITY].map(|threshold| page(&sets, threshold, "empty").unwrap());
        assert_eq!(over_white(&pages[0], sets[0].color), 0);
        assert_ne!(pages[0], pages[2], "a threshold is drawn where there is one");
        assert_eq!(pages[2], pages[3]);
    }
}
