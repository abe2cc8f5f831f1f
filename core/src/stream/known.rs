//! The values of a stream that has few: which, how often each was seen, and whether they are steps of a scale or classes.
//!
//! States of a coarse sensor lie on a grid: one step further is hardly news, far from it is. Classes, such as status codes,
//! have no distance: a value never seen is as odd as the set is established. How likely the next record is one follows
//! from how many values were seen once (Good 1953).

use serde::{Deserialize, Serialize};

use super::character::{FEW_VALUES, unit};
use crate::weight;

/// Values on a grid fill this share of its places between the first and the last.
const DENSE: f64 = 0.5;
/// So many of them make a grid of any step; fewer only where the step is the unit they are written in, ...
const GRID_VALUES: usize = 4;
/// ... or this share of their size.
const GRID_SHARE: f64 = 0.05;
/// Of classes at most this share was seen once: what hardly ever repeats was measured.
const CLASSES_ONCE: f64 = 0.25;

/// The different values of a stream in ascending order, at most [`FEW_VALUES`], and how often each was seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KnownValues {
    pub(super) values: Vec<f64>,
    pub(super) seen: Vec<u32>,
}

impl KnownValues {
    /// Those of all these; `None` when there are too many.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut known = Self::default();
        values.into_iter().all(|value| known.take(value)).then_some(known)
    }

    /// Takes a record's value; false when it is one too many.
    pub fn take(&mut self, value: f64) -> bool {
        take(&mut self.values, &mut self.seen, value)
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What it weighs beside itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        weight::items::<f64>(self.values.capacity()) + weight::items::<u32>(self.seen.capacity())
    }
}

/// Counts a value among those known; false when it is one too many.
pub(super) fn take(values: &mut Vec<f64>, seen: &mut Vec<u32>, value: f64) -> bool {
    // Counts may be missing: a model of before says only which values there are.
    seen.resize(values.len(), 2);
    match values.binary_search_by(|v| v.total_cmp(&value)) {
        Ok(place) => seen[place] = seen[place].saturating_add(1),
        Err(_) if values.len() >= FEW_VALUES => return false,
        Err(place) => {
            values.insert(place, value);
            seen.insert(place, 1);
        }
    }
    true
}

/// Whether these values are classes: no grid, and nearly all were seen again.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub fn are_classes(values: &[f64], seen: &[u32]) -> bool {
    values.len() >= 2
        && seen.len() == values.len()
        && once(seen) as f64 <= CLASSES_ONCE * values.len() as f64
        && !are_steps(values)
}

/// The chance that the next record of a stream has a value that none before had.
#[must_use]
pub fn unseen_chance(seen: &[u32]) -> f64 {
    let records: f64 = seen.iter().map(|n| f64::from(*n)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let once = once(seen) as f64;
    ((once + 1.0) / (records + 1.0)).min(1.0)
}

fn once(seen: &[u32]) -> usize {
    seen.iter().filter(|n| **n <= 1).count()
}

/// Whether at least two values in ascending order lie on a grid that they fill.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn are_steps(values: &[f64]) -> bool {
    let (first, last) = (values[0], values[values.len() - 1]);
    let unit = values.iter().map(|value| unit(*value)).fold(1.0, f64::min);
    let gaps = values.windows(2).map(|pair| ((pair[1] - pair[0]) / unit).round());
    let step = unit * gaps.fold(0.0, common_divisor).max(1.0);
    let is_small = step < 1.5 * unit || step <= GRID_SHARE * first.abs().max(last.abs());
    let places = (last - first) / step + 1.0;
    values.len() as f64 >= DENSE * places && (is_small || values.len() >= GRID_VALUES)
}

/// Of whole numbers.
fn common_divisor(a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a, b);
    while b > 0.0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(values: &[f64]) -> bool {
        are_classes(values, &vec![9; values.len()])
    }

    #[test]
    fn codes_are_classes_and_steps_of_a_sensor_are_none() {
        assert!(classes(&[200.0, 301.0, 304.0, 404.0, 500.0]));
        assert!(classes(&[200.0, 404.0]));
        assert!(classes(&[200.0, 400.0, 500.0]));
        assert!(classes(&[0.0, 100.0]));
        for steps in
            [&[0.0, 1.0][..], &[21.0, 21.5], &[0.0, 1.0, 2.0, 5.0], &[53.7, 54.2, 54.7], &[0.0, 64.0, 128.0, 192.0]]
        {
            assert!(!classes(steps), "{steps:?}");
        }
        assert!(!classes(&[200.0]), "a constant");
        assert!(!classes(&[]));
    }

    #[test]
    fn bursts_of_all_heights_are_no_classes() {
        let known =
            KnownValues::of((0..2_000).map(|i| if i % 400 == 7 { 1e5 + f64::from(i * i) } else { 0.0 })).unwrap();
        assert_eq!(known.values.len(), 6);
        assert!(!are_classes(&known.values, &known.seen));
    }

    #[test]
    fn the_chance_of_a_new_value_falls_with_what_repeats() {
        let mut known = KnownValues::of((0..1_000).map(|i| [200.0, 200.0, 304.0, 404.0][i % 4])).unwrap();
        assert!((unseen_chance(&known.seen) - 1.0 / 1_001.0).abs() < 1e-12);
        assert!(known.take(507.0));
        assert!((unseen_chance(&known.seen) - 2.0 / 1_002.0).abs() < 1e-12);
        assert!(KnownValues::of((0..20).map(f64::from)).is_none());
    }
}
