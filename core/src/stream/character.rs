//! What kind of numbers a stream carries. Each kind has its own measure of what is unusual: a counter is judged by its
//! rate, a state by whether it was seen before, a level that wanders by its distance from where it just was.

use serde::{Deserialize, Serialize};

use super::known::KnownValues;
use crate::time::EventTime;

/// Different values up to which a stream is one of few values.
pub const FEW_VALUES: usize = 16;
/// Decreases of a counter, as a share of its steps, that may be resets.
const RESETS_MAX: f64 = 0.005;
/// What a counter keeps of its value, at most, when it begins anew.
const RESET_TO: f64 = 0.5;
/// Share of equal values from which a stream rests most of the time.
const RESTING: f64 = 0.6;
/// A wandering stream's level follows by this share of the distance.
const WANDER_FOLLOW: f64 = 1.0 / 16.0;
/// Sizes at which counters wrap.
const WRAPS: [f64; 2] = [4_294_967_296.0, 18_446_744_073_709_551_616.0];
/// A counter wraps from above this share of its size to below the rest of it.
const WRAP_FROM: f64 = 0.75;

/// What kind of numbers a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamCharacter {
    /// Always the same value.
    Constant,
    /// States, codes, a coarse sensor: at most [`FEW_VALUES`] different values.
    FewValues,
    /// Only grows, apart from resets and wraps. Its rate is judged.
    Counter,
    /// At rest most of the time, at the same value.
    Sparse,
    /// A level that moves slowly and far, such as a disk that fills. Judged by its distance from where it just was.
    Wandering,
    /// Varies around a level.
    #[default]
    Continuous,
    /// Varies around a level that depends on the time of day.
    Daily,
}

impl StreamCharacter {
    /// Its name in the output of programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::FewValues => "few values",
            Self::Counter => "counter",
            Self::Sparse => "sparse",
            Self::Wandering => "wandering",
            Self::Continuous => "continuous",
            Self::Daily => "daily",
        }
    }

    /// Whether a record has features: otherwise only values never seen before speak.
    #[must_use]
    pub fn has_features(self) -> bool {
        !matches!(self, Self::Constant | Self::FewValues)
    }

    /// Whether the stream rests or repeats by nature, so that rest means nothing.
    #[must_use]
    pub fn rests(self) -> bool {
        matches!(self, Self::Sparse | Self::Counter)
    }

    /// What values in order of time look like, as far as that shows without a curve.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        match KnownValues::of(values.iter().copied()) {
            Some(known) if known.values().len() <= 1 => Self::Constant,
            Some(_) => Self::FewValues,
            None if is_counter(values) => Self::Counter,
            None => Self::of_many(values),
        }
    }

    /// The same of values that are a part of many, and no counter's.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    pub fn of_many(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let runs = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq());
        let most = runs.map(<[f64]>::len).max().unwrap_or(0);
        if most as f64 >= RESTING * values.len() as f64 { Self::Sparse } else { Self::Continuous }
    }
}

/// Whether a value falls, but not as far as a counter that begins anew.
pub(super) fn is_fall(before: f64, value: f64) -> bool {
    value < before && value > RESET_TO * before
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn is_counter(values: &[f64]) -> bool {
    let mut falls = 0_usize;
    for pair in values.windows(2) {
        falls += usize::from(pair[1] < pair[0]);
        if is_fall(pair[0], pair[1]) {
            return false;
        }
    }
    values.iter().all(|v| *v >= 0.0) && falls as f64 <= (RESETS_MAX * values.len() as f64).max(1.0)
}

/// The step that values are rounded to; 0 where they hardly ever repeat, which is to say they are not rounded.
#[must_use]
pub fn rounding(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup_by(|a, b| a.total_cmp(b).is_eq());
    if sorted.len() * 3 > values.len() {
        return 0.0;
    }
    let mut steps: Vec<f64> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.is_empty() { 0.0 } else { crate::robust::quantile(&mut steps, 0.1) }
}

/// The unit a number is written in: the largest of 1, .1, ... that it is a multiple of.
#[must_use]
pub fn unit(value: f64) -> f64 {
    let mut unit = 1.0;
    for _ in 0..6 {
        let steps = value / unit;
        if (steps - steps.round()).abs() <= 1e-6 * steps.abs().max(1.0) {
            return unit;
        }
        unit /= 10.0;
    }
    unit
}

/// What of a value is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JudgedValue {
    /// This number, and what added to it gives the value.
    Of {
        /// The number.
        number: f64,
        /// What a number stands for: value = offset + number * factor.
        offset: f64,
        /// See `offset`.
        factor: f64,
    },
    /// A counter began anew.
    Reset,
    /// Nothing yet: a counter needs two values.
    Nothing,
}

/// What must be known of the values before one to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CharacterMemory {
    last: Option<(EventTime, f64)>,
    level: f64,
    /// Values in a row that were out of the level's reach.
    beyond: u8,
}

impl CharacterMemory {
    /// Takes the next value of the stream. The level of a wandering stream follows a value as far as `reach`.
    #[must_use]
    pub fn take(&mut self, character: StreamCharacter, time: EventTime, value: f64, reach: f64) -> JudgedValue {
        match character {
            StreamCharacter::Counter => self.count(time, value),
            StreamCharacter::Wandering => {
                let level = if self.last.is_some() { self.level } else { value };
                self.last = Some((time, value));
                // A spike moves the level little; what stays away is followed, faster and faster.
                self.beyond = if (value - level).abs() > reach { self.beyond.saturating_add(1) } else { 0 };
                let reach = (reach * libm::exp2(f64::from(self.beyond))).min(f64::MAX);
                self.level = level + WANDER_FOLLOW * (value - level).clamp(-reach, reach);
                JudgedValue::Of { number: value - level, offset: level, factor: 1.0 }
            }
            _ => JudgedValue::Of { number: value, offset: 0.0, factor: 1.0 },
        }
    }

    /// The value before, where that is kept.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.last.map(|(_, value)| value)
    }

    fn count(&mut self, time: EventTime, value: f64) -> JudgedValue {
        let Some((then, before)) = self.last else {
            self.last = Some((time, value));
            return JudgedValue::Nothing;
        };
        let seconds = time.seconds_since(then);
        if seconds <= 0.0 {
            // Late or twice: the next one is measured from the newest.
            return JudgedValue::Nothing;
        }
        self.last = Some((time, value));
        let grown = if value >= before {
            value - before
        } else if let Some(size) = WRAPS.into_iter().find(|size| before <= *size && before > WRAP_FROM * size)
            && value < (1.0 - WRAP_FROM) * size
        {
            size - before + value
        } else {
            return JudgedValue::Reset;
        };
        JudgedValue::Of { number: grown / seconds, offset: before, factor: seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wobble(i: usize) -> f64 {
        (i as f64 * 0.754_877).fract() - 0.5
    }

    fn of(value: impl Fn(usize) -> f64) -> StreamCharacter {
        StreamCharacter::of(&(0..500).map(value).collect::<Vec<_>>())
    }

    #[test]
    fn streams_are_known_by_their_values() {
        assert_eq!(of(|_| 7.0), StreamCharacter::Constant);
        assert_eq!(of(|i| [200.0, 304.0, 404.0][i % 3]), StreamCharacter::FewValues);
        assert_eq!(of(|i| 1e6 + 300.0 * i as f64), StreamCharacter::Counter);
        assert_eq!(of(|i| 300.0 * (i % 300) as f64), StreamCharacter::Counter, "with a reset");
        assert_eq!(of(|i| 50.0 - 0.1 * (i % 300) as f64), StreamCharacter::Continuous, "what only falls is no counter");
        assert_eq!(of(|i| if i % 9 == 0 { 5.0 + wobble(i) } else { 0.0 }), StreamCharacter::Sparse);
        assert_eq!(of(|i| 10.0 + wobble(i)), StreamCharacter::Continuous);
    }

    #[test]
    fn a_counter_is_its_rate_and_knows_a_wrap_from_a_reset() {
        let mut memory = CharacterMemory::default();
        let mut take = |s: i64, value: f64| {
            memory.take(StreamCharacter::Counter, EventTime::from_micros(s * 1_000_000), value, 0.0)
        };
        assert_eq!(take(0, 4_294_967_000.0), JudgedValue::Nothing);
        let grown = take(10, 4_294_967_200.0);
        assert_eq!(grown, JudgedValue::Of { number: 20.0, offset: 4_294_967_000.0, factor: 10.0 });
        assert!(matches!(take(20, 104.0), JudgedValue::Of { number: 20.0, .. }), "it wrapped");
        assert_eq!(take(20, 104.0), JudgedValue::Nothing, "twice");
        assert_eq!(take(15, 50.0), JudgedValue::Nothing, "late");
        assert_eq!(take(30, 4.0), JudgedValue::Reset);
        assert!(matches!(take(40, 24.0), JudgedValue::Of { number: 2.0, .. }));
    }

    #[test]
    fn rounded_values_show_their_step() {
        let temperature: Vec<f64> = (0..1000).map(|i| ((50.0 + 9.0 * wobble(i)) * 2.0).round() / 2.0).collect();
        assert_eq!(rounding(&temperature), 0.5);
        assert_eq!(rounding(&(0..1000).map(wobble).collect::<Vec<_>>()), 0.0);
        assert_eq!([unit(5.0), unit(0.5), unit(100.0), unit(21.25)], [1.0, 0.1, 1.0, 0.01]);
    }
}
