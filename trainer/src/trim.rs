//! Odd records in the training log, found without the truth: a log nobody cleaned holds anomalies too.
//!
//! Each feature's usual reach is taken from its 95 % quantile, which a few per cent of anomalies hardly move, and
//! stretched as a normal distribution would be. A record far beyond it is dropped together with its neighbours: the
//! rise to an anomaly and the memory of it are no more normal than the anomaly. Then the baselines are fitted again.

use oddline_core::{
    robust::quantile,
    stream::{JUDGED, Vector},
};

use crate::{dataset::Dataset, error::BadData, vectors};

/// From the 95 % to the 99.9 % quantile of |x| for normal x.
const STRETCH: f64 = 3.29 / 1.96;
/// Beyond the stretched reach by this factor (4.3 standard deviations) a record is odd.
const ODD: f64 = 1.3;
/// Reach below which a feature is not taken serious: most of its values are equal.
const REACH_MIN: f64 = 0.3;
const BEFORE: usize = 5;
const AFTER: usize = 15;
/// The reaches settle within two rounds.
const ROUNDS: usize = 3;
/// What happens more often than this a day is the stream's nature, not an anomaly.
const RECURRING_PER_DAY: f64 = 3.0;
/// Fewer are no habit.
const RECURRING_MIN: usize = 5;
/// A stream of which more than this share would go is kept whole: its scales are wrong, not its records.
const DROPPED_MAX: f64 = 0.3;

/// Which records to learn from: a flag a record and stream.
pub type Keep = Vec<Vec<bool>>;

/// Keeps everything.
#[must_use]
pub fn keep_all(dataset: &Dataset) -> Keep {
    dataset.streams.iter().map(|s| vec![true; s.values.len()]).collect()
}

/// Drops odd records and their neighbours.
///
/// # Errors
/// When a stream cannot be fitted.
pub fn keep_normal(dataset: &Dataset, fit_share: f64) -> Result<Keep, BadData> {
    let mut keep = keep_all(dataset);
    for _ in 0..ROUNDS {
        let rows = vectors::all(dataset, &keep, fit_share)?;
        let kept: Vec<&Vector> = rows
            .iter()
            .zip(&keep)
            .flat_map(|(rows, keep)| rows.vectors.iter().zip(keep).filter(|(_, keep)| **keep).map(|(v, _)| v))
            .collect();
        let usual = reaches(&kept);
        for ((stream, rows), keep) in dataset.streams.iter().zip(&rows).zip(&mut keep) {
            let days = stream.days(0..stream.values.len());
            *keep = around(&rows.vectors, days, |v| is_odd(v, &usual));
        }
    }
    Ok(keep)
}

struct Usual {
    center: f64,
    reach: f64,
}

fn reaches(rows: &[&Vector]) -> [Usual; JUDGED] {
    core::array::from_fn(|j| {
        let mut values: Vec<f64> = rows.iter().map(|v| f64::from(v[j])).collect();
        let center = quantile(&mut values, 0.5);
        values.iter_mut().for_each(|x| *x = (*x - center).abs());
        Usual { center, reach: (STRETCH * quantile(&mut values, 0.95)).max(REACH_MIN) }
    })
}

fn is_odd(vector: &Vector, usual: &[Usual; JUDGED]) -> bool {
    vector.iter().zip(usual).any(|(x, u)| (f64::from(*x) - u.center).abs() > ODD * u.reach)
}

/// False for odd rows and those around them. All true where they come so often, or are so many, that they are what the
/// stream is like: then its own loudness takes care of them.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn around(rows: &[Vector], days: f64, is_odd: impl Fn(&Vector) -> bool) -> Vec<bool> {
    let mut keep = vec![true; rows.len()];
    let (mut episodes, mut dropped_to) = (0, 0);
    for (i, _) in rows.iter().enumerate().filter(|(_, row)| is_odd(row)) {
        episodes += usize::from(i >= dropped_to);
        dropped_to = (i + AFTER + 1).min(rows.len());
        keep[i.saturating_sub(BEFORE)..dropped_to].fill(false);
    }
    let dropped = keep.iter().filter(|k| !**k).count();
    let recurring = episodes >= RECURRING_MIN && episodes as f64 > RECURRING_PER_DAY * days;
    if recurring || dropped as f64 > DROPPED_MAX * rows.len() as f64 { vec![true; rows.len()] } else { keep }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_go_with_an_odd_row_but_never_most_of_a_stream() {
        let mut rows = vec![[0.0_f32; 8]; 100];
        rows[50][0] = 9.0;
        let odd = |v: &Vector| v[0] > 5.0;
        let keep = around(&rows, 1.0, odd);
        assert_eq!(keep.iter().filter(|k| !**k).count(), BEFORE + 1 + AFTER);
        assert!(!keep[45] && !keep[65] && keep[44] && keep[66]);
        assert!(around(&[[9.0; 8]; 40], 1.0, odd).iter().all(|k| *k));
        for i in (0..100).step_by(17) {
            rows[i][0] = 9.0;
        }
        assert!(around(&rows, 1.0, odd).iter().all(|k| *k), "six a day are a habit");
        assert!(!around(&rows, 3.0, odd).iter().all(|k| *k), "six in three days are not");
    }

    #[test]
    fn a_feature_that_hardly_moves_is_not_odd_by_a_little() {
        let rows: Vec<Vector> = (0..1000).map(|i| [if i % 100 == 0 { 0.35 } else { 0.0 }; 8]).collect();
        let usual = reaches(&rows.iter().collect::<Vec<_>>());
        assert!(rows.iter().all(|r| !is_odd(r, &usual)));
        assert!(is_odd(&[0.4; 8], &usual));
    }
}
