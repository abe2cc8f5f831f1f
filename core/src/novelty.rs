//! A value outside the range that training saw. Judged beside the autoencoder, never inside it: what was never seen
//! cannot be reconstructed, and what a network says about it is anyone's guess.

use crate::{
    score::bounded,
    stream::{baseline::Baseline, character::unit, known::unseen_chance},
};

/// Records a learning stream needs before its range means anything.
const SEEN_MIN: u64 = 50;
/// While learning, beyond the range by this share of it is novel ...
const LEARNING_SHARE: f64 = 0.5;
/// ... but at least by so many of the units that values are written in.
const LEARNING_UNITS: f64 = 3.0;
/// What lies between known values is half as new as what lies beyond them.
const BETWEEN: f64 = 0.5;
/// A class never seen is as far out as a heavy tail, which falls with the square, goes in so many records, from so many on.
const CLASS_RECORDS: f64 = 64.0;
/// A counter that begins anew: worth a word.
pub const RESET: f32 = 2.0;

/// How far outside the fitted range, in margins; 0 inside. A stream that still learns has not seen its range.
#[must_use]
pub fn outside(baseline: &Baseline, number: f64, is_learning: bool) -> f32 {
    let wide = if is_learning { LEARNING_SHARE * (baseline.max - baseline.min) } else { 0.0 };
    distance(baseline.min, baseline.max, number, baseline.margin.max(wide))
}

/// The nearest known value of a stream of few values, and how far it is, in margins; 0 when it is one of them. Classes
/// have no margin.
#[must_use]
pub fn among_known(baseline: &Baseline, value: f64) -> (f64, f32) {
    let nearest = baseline.known.iter().copied().min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()));
    let nearest = nearest.unwrap_or(value);
    if nearest == value {
        return (nearest, 0.0);
    }
    if baseline.has_classes() {
        return (nearest, among_classes(&baseline.known, &baseline.known_seen, value));
    }
    let is_between = baseline.min < value && value < baseline.max;
    let share = if is_between { BETWEEN } else { 1.0 };
    (nearest, bounded(share * (nearest - value).abs() / baseline.margin))
}

/// How odd a value is among classes, of which each was seen so often: the less likely a new one was, the more. Beyond all
/// of them by more than they span is far whatever they are.
#[must_use]
pub fn among_classes(known: &[f64], seen: &[u32], value: f64) -> f32 {
    if known.contains(&value) {
        return 0.0;
    }
    let (min, max) = known.first().zip(known.last()).map_or((value, value), |(min, max)| (*min, *max));
    let of_class = (1.0 / (CLASS_RECORDS * unseen_chance(seen))).sqrt();
    bounded(of_class).max(distance(min, max, value, (max - min).max(f64::MIN_POSITIVE)))
}

/// The same against the range a learning stream has seen in `seen` records.
#[must_use]
pub fn while_learning(seen: u64, (min, max): (f64, f64), value: f64) -> f32 {
    if seen < SEEN_MIN {
        return 0.0;
    }
    let floor = (LEARNING_UNITS * unit(value)).max(1e-3 * min.abs().max(max.abs()));
    distance(min, max, value, (LEARNING_SHARE * (max - min)).max(floor).max(f64::MIN_POSITIVE))
}

fn distance(min: f64, max: f64, value: f64, margin: f64) -> f32 {
    let beyond = (min - value).max(value - max).max(0.0);
    bounded(beyond / margin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{stream::known::KnownValues, time::EventTime};

    #[test]
    fn known_values_are_nothing_and_a_unit_more_is_little() {
        let at = |i: i64| EventTime::from_micros(i * 60_000_000);
        let times: Vec<EventTime> = (0..200).map(at).collect();
        let fit = |values: &[f64]| Baseline::few(&times, KnownValues::of(values.iter().copied()).unwrap()).unwrap();
        let constant = fit(&[100.0]);
        assert_eq!(among_known(&constant, 100.0), (100.0, 0.0));
        assert!(among_known(&constant, 101.0).1 < 0.5 && among_known(&constant, 150.0).1 > 5.0);
        let states = fit(&[0.0, 1.0, 2.0]);
        assert!(among_known(&states, 3.0).1 < 0.5 && among_known(&states, 60.0).1 > 5.0);
        assert_eq!(among_known(&states, 1.0), (1.0, 0.0));
    }

    #[test]
    fn a_class_never_seen_is_as_odd_as_the_set_is_established() {
        let codes = |n: usize| KnownValues::of((0..n).map(|i| [200.0, 304.0, 404.0, 500.0][i % 4])).unwrap();
        let times = [EventTime::from_micros(0), EventTime::from_micros(60_000_000)];
        let told = |n: usize, value: f64| among_known(&Baseline::few(&times, codes(n)).unwrap(), value).1;
        assert!(told(60, 507.0) < 1.0 && told(2_000, 507.0) > 5.0, "beyond the last or not, it was never seen");
        assert_eq!(told(2_000, 304.0), 0.0);
        assert_eq!(told(2_000, 507.0), told(2_000, 302.0));
        assert!(told(60, 9_000.0) > 10.0, "far beyond whatever they are");
    }

    #[test]
    fn inside_is_zero_and_beyond_grows() {
        assert_eq!(while_learning(100, (0.0, 10.0), 10.0), 0.0);
        assert_eq!(while_learning(100, (0.0, 10.0), 20.0), 2.0);
        assert_eq!(while_learning(100, (0.0, 10.0), -5.0), 1.0);
        assert_eq!(while_learning(10, (0.0, 10.0), 1e9), 0.0, "too little seen");
        assert!(while_learning(100, (5.0, 5.0), 15.0) > 1.0, "a constant stream that moves");
        assert!(while_learning(100, (5.0, 5.0), 6.0) < 1.0, "by one unit");
        assert!(while_learning(100, (-1e308, 1e308), f64::MAX).is_finite());
    }
}
