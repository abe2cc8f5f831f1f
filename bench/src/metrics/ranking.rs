//! How well scores rank what is labelled above what is not: every record counts as it is, nothing is adjusted.

use oddline_core::limits::EPISODE_GAP_RECORDS;

use crate::detectors::budget::threshold_for_budget;

/// Average precision: the mean of the precision at each labelled record, from the highest score down; records of one
/// score come together. `None` where nothing is labelled.
pub(crate) fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let labelled = labels.iter().filter(|label| **label).count();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut seen, mut hits, mut sum) = (0, 0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let new = tied.iter().filter(|at| labels[**at]).count();
        seen += tied.len();
        hits += new;
        sum += new as f64 * hits as f64 / seen as f64;
    }
    (labelled > 0).then(|| sum / labelled as f64)
}

/// Runs of labelled records that a threshold with so many false episodes finds, and how many runs there are.
pub(crate) fn runs_found(scores: &[f64], labels: &[bool], false_episodes: f64) -> (usize, usize) {
    // A threshold below all scores finds nothing: everything would be odd.
    let lowest = scores.iter().copied().fold(f64::MAX, f64::min);
    let normal = scores.iter().zip(labels).map(|(score, label)| if *label { f64::NAN } else { *score }).collect();
    let limit = threshold_for_budget(&[normal], EPISODE_GAP_RECORDS as usize, false_episodes);
    let all: Vec<(bool, f64)> = labels.iter().copied().zip(scores.iter().copied()).collect();
    let runs = all.chunk_by(|a, b| a.0 == b.0).filter(|run| run[0].0);
    let is_found =
        |run: &[(bool, f64)]| run.iter().any(|(_, score)| *score > limit.map_or(lowest, |limit| limit.max(lowest)));
    runs.fold((0, 0), |(found, runs), run| (found + usize::from(is_found(run)), runs + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_by_hand() {
        let labels = [true, false, true, false];
        // Precision 1 at the first, 2/3 at the second.
        assert_eq!(average_precision(&[9.0, 8.0, 7.0, 1.0], &labels), Some(f64::midpoint(1.0, 2.0 / 3.0)));
        assert_eq!(average_precision(&[1.0; 4], &labels), Some(0.5));
        assert_eq!(average_precision(&[1.0; 4], &[false; 4]), None);
    }

    #[test]
    fn runs_found_by_hand() {
        let mut scores = vec![0.0; 40];
        let mut labels = vec![false; 40];
        (scores[5], scores[20], scores[30], scores[36]) = (5.0, 4.0, 3.0, 6.0);
        (labels[5], labels[6], labels[30]) = (true, true, true);
        // The one false episode allowed is 36; the next, 20, is the limit.
        assert_eq!(runs_found(&scores, &labels, 1.0), (1, 2));
        assert_eq!(runs_found(&scores, &labels, 0.5), (0, 2));
        // Both are allowed: the limit goes down to what all others have, and what is no more than these is not found.
        assert_eq!(runs_found(&scores, &labels, 2.0), (2, 2));
        scores[30] = 0.0;
        assert_eq!(runs_found(&scores, &labels, 2.0), (1, 2));
        assert_eq!(runs_found(&[0.0; 40], &labels, 2.0), (0, 2));
    }
}
