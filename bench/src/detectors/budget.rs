//! A threshold that meets an alert budget on what a detector learnt from: the same promise for every detector.

/// The lowest threshold that meets an alert budget, flagging what scores **above** it: lowered
/// from the highest score as long as the flagged records of all streams, those at most
/// `merge_gap` positions apart merged, make at most `episodes_max` episodes (budget per day
/// times days). Going down from above matters: far below, everything merges into one episode.
/// `None` without a score that is a number.
pub(crate) fn threshold_for_budget(streams: &[Vec<f64>], merge_gap: usize, episodes_max: f64) -> Option<f64> {
    let mut order: Vec<(f64, usize, usize)> = Vec::new();
    for (stream, scores) in streams.iter().enumerate() {
        let numbers = scores.iter().enumerate().filter(|(_, s)| !s.is_nan());
        order.extend(numbers.map(|(position, score)| (*score, stream, position)));
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut flagged: Vec<Vec<bool>> = streams.iter().map(|s| vec![false; s.len()]).collect();
    let mut episodes = 0i64;
    let lowest = order.last()?.0;
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        for (_, stream, position) in tied {
            episodes += episodes_added(&mut flagged[*stream], *position, merge_gap);
        }
        if episodes as f64 > episodes_max {
            return Some(tied[0].0);
        }
    }
    Some(lowest.next_down())
}

/// Flags one more record: a new episode, a part of a neighbouring one, or the bridge of two.
fn episodes_added(flagged: &mut [bool], position: usize, merge_gap: usize) -> i64 {
    let from = position.saturating_sub(merge_gap);
    let to = (position + merge_gap).min(flagged.len() - 1);
    let left = flagged[from..position].iter().rposition(|f| *f);
    let right = flagged[position + 1..=to].iter().position(|f| *f);
    flagged[position] = true;
    match (left, right) {
        (None, None) => 1,
        (Some(left), Some(right)) => {
            let apart = (position + 1 + right) - (from + left);
            if apart > merge_gap { -1 } else { 0 }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episodes_above(scores: &[f64], threshold: f64, merge_gap: usize) -> usize {
        let mut last = None;
        let mut episodes = 0;
        for (position, _) in scores.iter().enumerate().filter(|(_, s)| **s > threshold) {
            episodes += usize::from(last.is_none_or(|l| position - l > merge_gap));
            last = Some(position);
        }
        episodes
    }

    #[test]
    fn the_threshold_is_the_last_within_the_budget() {
        let scores = vec![1.0, 9.0, 2.0, 8.0, 1.0, 1.0, 7.0, 1.0, 1.0, 1.0, 6.0];
        // Merged at most 2 apart: 9 and 8 are one, 7 the second, 6 the third.
        for (budget, expected) in [(0.5, 9.0), (1.0, 7.0), (2.9, 6.0), (3.0, f64::NAN)] {
            let got = threshold_for_budget(std::slice::from_ref(&scores), 2, budget).unwrap();
            if expected.is_nan() {
                assert!(got < 2.0);
            } else {
                assert_eq!(got, expected, "budget {budget}");
            }
        }
        assert_eq!(threshold_for_budget(&[vec![], vec![f64::NAN]], 2, 1.0), None);
    }

    #[test]
    fn the_incremental_count_agrees_with_counting_afresh() {
        let mut state = 12_345u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64
        };
        for gap in [1, 3, 5] {
            let streams: Vec<Vec<f64>> = (0..3).map(|_| (0..200).map(|_| random()).collect()).collect();
            for budget in [1.0, 4.0, 11.0] {
                let threshold = threshold_for_budget(&streams, gap, budget).unwrap();
                let count = |t: f64| -> usize { streams.iter().map(|s| episodes_above(s, t, gap)).sum() };
                assert!(count(threshold) as f64 <= budget);
                assert!(count(threshold.next_down()) as f64 > budget);
            }
        }
    }
}
