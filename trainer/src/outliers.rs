//! Odd records in the training log, found without the truth: a log nobody cleaned holds anomalies too.
//!
//! Each feature's usual reach is taken from its 95 % quantile, which a few per cent of anomalies hardly move, and
//! stretched as a normal distribution would be. A record far beyond it is dropped together with its neighbours: the
//! rise to an anomaly and the memory of it are no more normal than the anomaly. Then the baselines are fitted again.
//! Of a stream that rests nothing is dropped: what is far from rest is all that it does, and its scale is taken from that.

use oddline_core::{
    robust::quantile,
    stream::{JUDGED, Vector, character::StreamCharacter},
};

use crate::{error::DataError, training_set::TrainingSet};

/// From the 95 % to the 99.9 % quantile of |x| for normal x.
const STRETCH: f64 = 3.29 / 1.96;
/// Beyond the stretched reach by this factor (4.3 standard deviations) a record is odd.
const ODD: f64 = 1.3;
/// Reach below which a feature is not taken serious: most of its values are equal.
const REACH_MIN: f64 = 0.3;
const BEFORE: usize = 5;
/// Records dropped behind a run of odd ones: its memory, which grows with the run ...
const AFTER_ONE: usize = 3;
const AFTER_EACH: usize = 2;
const AFTER: usize = 15;
/// The reaches settle within two rounds.
const ROUNDS: usize = 3;
/// A stream with more odd records than this is kept whole: they are what it is like, or its scales are wrong.
const ODD_MAX: f64 = 0.08;

/// Drops odd records and their neighbours.
///
/// # Errors
/// When too few records of a stream are left to fit.
pub fn drop_odd(set: &mut TrainingSet<'_>) -> Result<(), DataError> {
    for _ in 0..ROUNDS {
        set.keep(|stream| {
            let character = stream.baseline.character;
            if !character.has_features() || character == StreamCharacter::Sparse {
                return vec![true; stream.vectors.len()];
            }
            let usual = reaches(&stream.kept(&stream.vectors, 0..stream.vectors.len()).collect::<Vec<_>>());
            around(&stream.vectors, |v| is_odd(v, &usual))
        })?;
    }
    Ok(())
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

/// False for odd rows and those around them; all true where so many are odd that they are what the stream is like: then
/// its own loudness takes care of them.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn around(rows: &[Vector], is_odd: impl Fn(&Vector) -> bool) -> Vec<bool> {
    let odd: Vec<usize> = (0..rows.len()).filter(|i| is_odd(&rows[*i])).collect();
    let mut keep = vec![true; rows.len()];
    if odd.len() as f64 > ODD_MAX * rows.len() as f64 {
        return keep;
    }
    for run in odd.chunk_by(|a, b| b - a <= AFTER) {
        let (first, last) = (run[0], run[run.len() - 1]);
        let after = (AFTER_ONE + AFTER_EACH * run.len()).min(AFTER);
        keep[first.saturating_sub(BEFORE)..(last + after + 1).min(rows.len())].fill(false);
    }
    keep
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        stream::{StreamName, baseline::Baseline},
        time::EventTime,
    };

    use super::*;
    use crate::dataset::{Dataset, DatasetStream};

    #[test]
    fn neighbours_go_with_an_odd_row_but_never_most_of_a_stream() {
        let mut rows = vec![[0.0_f32; 8]; 100];
        rows[50][0] = 9.0;
        let odd = |v: &Vector| v[0] > 5.0;
        let keep = around(&rows, odd);
        assert_eq!(keep.iter().filter(|k| !**k).count(), BEFORE + 1 + AFTER_ONE + AFTER_EACH);
        assert!(!keep[45] && !keep[55] && keep[44] && keep[56]);
        for i in (0..100).step_by(10) {
            rows[i][0] = 9.0;
        }
        assert!(around(&rows, odd).iter().all(|k| *k), "a tenth of all records is what the stream is like");
    }

    #[test]
    fn what_rests_keeps_all_that_it_does() {
        let burst = |i: usize| if i.is_multiple_of(30) { 100.0 + (i % 700) as f64 } else { 0.0 };
        let stream = DatasetStream {
            name: StreamName { server: "web-1".to_owned(), component: "errors".to_owned() },
            times: (0..3_000).map(|i| EventTime::from_micros(i * 300_000_000)).collect(),
            values: (0..3_000).map(burst).collect(),
        };
        let dataset = Dataset { streams: vec![stream], ..Dataset::default() };
        let mut set = TrainingSet::new(&dataset, Baseline::fit).unwrap();
        drop_odd(&mut set).unwrap();
        assert_eq!((set.dropped(), set.streams[0].baseline.character), (0, StreamCharacter::Sparse));
        assert!(set.streams[0].baseline.max > 700.0);
    }

    #[test]
    fn a_feature_that_hardly_moves_is_not_odd_by_a_little() {
        let rows: Vec<Vector> = (0..1000).map(|i| [if i % 100 == 0 { 0.35 } else { 0.0 }; 8]).collect();
        let usual = reaches(&rows.iter().collect::<Vec<_>>());
        assert!(rows.iter().all(|r| !is_odd(r, &usual)));
        assert!(is_odd(&[0.4; 8], &usual));
    }
}
