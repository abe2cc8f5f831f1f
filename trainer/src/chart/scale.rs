//! How values spread over an axis, and at which of them it is marked: round numbers, powers of ten, days.

use std::ops::Range;

use oddline_core::time::EventTime;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// A range of values, to be an axis of a chart. Values outside are put at its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Linear,
    Log,
    /// Microseconds since 1970.
    Time,
}

impl Scale {
    #[must_use]
    pub fn linear(range: Range<f64>) -> Self {
        Self::new(Spacing::Linear, range)
    }

    /// Starts above zero at the least.
    #[must_use]
    pub fn log(range: Range<f64>) -> Self {
        Self::new(Spacing::Log, range.start.max(1e-12)..range.end)
    }

    /// From one moment to another, in microseconds since 1970.
    #[must_use]
    pub fn time(range: Range<f64>) -> Self {
        Self::new(Spacing::Time, range)
    }

    /// An empty range is widened.
    fn new(spacing: Spacing, Range { start, end }: Range<f64>) -> Self {
        let high = if end > start { end } else { start + start.abs().max(1e-9) };
        Self { spacing, low: start, high }
    }

    fn share(&self, value: f64) -> f64 {
        let share = match self.spacing {
            Spacing::Linear | Spacing::Time => (value - self.low) / (self.high - self.low),
            Spacing::Log => (value.max(1e-300) / self.low).ln() / (self.high / self.low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// About `wanted` values to mark.
    fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => linear_ticks(self.low, self.high, wanted),
            Spacing::Log => log_ticks(self.low, self.high, wanted),
            Spacing::Time => time_ticks(self.low, self.high, wanted),
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(*value) * f64::from(to - from)).round() as i32
    }

    /// No lines between the marks.
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks(hint.max_num_points()) }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        match self.spacing {
            Spacing::Linear | Spacing::Log => plain(*value),
            Spacing::Time => moment(*value),
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    multiples(low, high, steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power))
}

/// Days or hours.
fn time_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    const STEPS_H: [f64; 11] = [1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0, 720.0, 1440.0];
    let longest = (high - low) / wanted as f64;
    let step = STEPS_H.map(|hours| hours * 3600e6).into_iter().find(|step| *step >= longest);
    multiples(low, high, step.unwrap_or(longest))
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// Powers of ten, with 2 and 5 between them where there is room.
fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let with = |factors: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|d| factors.iter().map(move |f| f * 10f64.powi(d)));
        all.filter(|v| (low * 0.999..=high * 1.001).contains(v)).collect()
    };
    let powers = with(&[1.0]);
    if powers.len() * 2 <= wanted {
        return with(&[1.0, 2.0, 5.0]);
    }
    let every = powers.len().div_ceil(wanted.max(1));
    powers.into_iter().step_by(every).collect()
}

/// As few characters as tell the number: 0.05, 20, 5000, 20k, 3M, 1e-7.
pub(super) fn plain(value: f64) -> String {
    let scaled = |unit: f64, suffix: &str| format!("{}{suffix}", significant(value / unit));
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1e-4 => format!("{value:.0e}"),
        size if size < 1e4 => significant(value),
        size if size < 1e6 => scaled(1e3, "k"),
        size if size < 1e9 => scaled(1e6, "M"),
        size if size < 1e12 => scaled(1e9, "G"),
        _ => format!("{value:.0e}"),
    }
}

/// Four significant digits without trailing zeros.
fn significant(value: f64) -> String {
    let before_point = value.abs().log10().floor() as i32 + 1;
    let decimals = (4 - before_point).clamp(0, 8) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `20,480`: a whole count in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `15 Feb`, and the hour where it is not midnight.
fn moment(time_us: f64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = EventTime::from_micros(time_us as i64).to_string();
    let number = |range: Range<usize>| text.get(range).and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(1);
    let date = format!("{} {}", number(8..10), MONTHS[(number(5..7) + 11) % 12]);
    match text.get(11..16) {
        Some("00:00") | None => date,
        Some(clock) => format!("{date} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, wanted: usize) -> Vec<String> {
        scale.ticks(wanted).iter().map(|value| scale.format_ext(value)).collect()
    }

    #[test]
    fn places_of_values() {
        let linear = Scale::linear(0.0..10.0);
        assert_eq!(linear.map(&2.5, (100, 0)), 75);
        assert_eq!(linear.map(&99.0, (100, 0)), 0, "off the axis");
        let log = Scale::log(0.01..100.0);
        assert_eq!((log.map(&1.0, (0, 400)), log.map(&0.0, (0, 400))), (200, 0));
        let empty = Scale::linear(3.0..3.0);
        assert_eq!(empty.map(&3.0, (0, 10)), 0);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::linear(0.0..0.9), 5), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(Scale::linear(0.0..3e6), 3), ["0", "1M", "2M", "3M"]);
        assert_eq!(labels(Scale::log(0.01..1000.0), 8), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(Scale::log(0.9..30.0), 8), ["1", "2", "5", "10", "20"]);
    }

    #[test]
    fn times_are_marked_at_days_and_hours() {
        let day = 86_400e6;
        let start = 16_116.0 * day; // 2014-02-15
        assert_eq!(labels(Scale::time(start + 60e6..start + 14.0 * day), 4), ["19 Feb", "23 Feb", "27 Feb"]);
        assert_eq!(labels(Scale::time(start..start + 0.5 * day), 4)[1], "15 Feb 03:00");
    }

    #[test]
    fn numbers_in_few_characters() {
        let numbers = [0.0, 0.05, 1.5, 1234.5678, 20_480.0, 3e6, 2e-7, -12.0];
        let texts = ["0", "0.05", "1.5", "1235", "20.48k", "3M", "2e-7", "-12"];
        assert_eq!(numbers.map(plain), texts.map(String::from));
        assert_eq!([1, 999, 20_480, 1_000_000].map(grouped), ["1", "999", "20,480", "1,000,000"]);
    }
}
