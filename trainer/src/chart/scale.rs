//! How values spread over an axis, and at which of them it is marked: round numbers, powers of ten, days.

use std::ops::Range;

use oddline_core::time::EventTime;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Significant digits of a number ...
const DIGITS: usize = 4;
/// ... and of one that must be told from its neighbours.
const DIGITS_MAX: usize = 10;

/// A range of values, to be an axis of a chart. Values outside are put at its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
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
    pub(super) fn linear(range: Range<f64>) -> Self {
        Self::new(Spacing::Linear, range)
    }

    /// Starts above zero at the least.
    #[must_use]
    pub(super) fn log(range: Range<f64>) -> Self {
        Self::new(Spacing::Log, range.start.max(1e-12)..range.end)
    }

    /// From one moment to another, in microseconds since 1970.
    #[must_use]
    pub(super) fn time(range: Range<f64>) -> Self {
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

    /// What stands beside about `wanted` marks.
    pub(super) fn labels(&self, wanted: usize) -> Vec<String> {
        self.ticks(wanted).iter().map(|value| self.format_ext(value)).collect()
    }

    /// Digits that tell the marks of a short range far from zero apart.
    fn digits(&self) -> usize {
        let ratio = self.low.abs().max(self.high.abs()) / (self.high - self.low);
        (ratio.log10().ceil() as usize + 2).clamp(DIGITS, DIGITS_MAX)
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
            Spacing::Linear => plain_to(*value, self.digits()),
            Spacing::Log => plain(*value),
            Spacing::Time => moment(*value, self.high - self.low),
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

/// Days, hours, minutes, seconds, and below these as other numbers.
fn time_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    const SECOND_US: f64 = 1e6;
    const DAY_S: f64 = 86_400.0;
    const BELOW_DAY_S: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
        43_200.0,
    ];
    const DAYS: [f64; 12] = [1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0, 730.0, 1_826.0, 3_652.0];
    let longest = (high - low) / wanted.max(1) as f64;
    if longest <= SECOND_US / 2.0 {
        return linear_ticks(low, high, wanted);
    }
    let steps = BELOW_DAY_S.into_iter().chain(DAYS.map(|days| days * DAY_S)).map(|seconds| seconds * SECOND_US);
    multiples(low, high, { steps }.find(|step| *step >= longest).unwrap_or(longest))
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
    plain_to(value, DIGITS)
}

/// The same, with so many significant digits.
fn plain_to(value: f64, digits: usize) -> String {
    let scaled = |unit: f64, suffix: &str| format!("{}{suffix}", significant(value / unit, digits));
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1e-4 => with_exponent(value, digits),
        size if size < 1e4 => significant(value, digits),
        size if size < 1e6 => scaled(1e3, "k"),
        size if size < 1e9 => scaled(1e6, "M"),
        size if size < 1e12 => scaled(1e9, "G"),
        _ => with_exponent(value, digits),
    }
}

/// So many significant digits without trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    let before_point = value.abs().log10().floor() as i32 + 1;
    let decimals = (digits as i32 - before_point).clamp(0, 12) as usize;
    shortened(&format!("{value:.decimals$}")).to_owned()
}

/// `2.5e15`.
fn with_exponent(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", shortened(mantissa))
}

fn shortened(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
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

/// `15 Feb`, the year where the axis (`span_us`) is longer, the clock where it is not midnight.
fn moment(time_us: f64, span_us: f64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const YEARLY_US: f64 = 300.0 * 86_400e6;
    let text = EventTime::from_micros(time_us as i64).to_string();
    let number = |range: Range<usize>| text.get(range).and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(1);
    let (day, month) = (number(8..10), MONTHS[(number(5..7) + 11) % 12]);
    if span_us > YEARLY_US {
        return format!("{day} {month} {}", text.get(..4).unwrap_or_default());
    }
    let clock = text.get(11..).unwrap_or_default().trim_end_matches('Z');
    match clock.strip_suffix(":00").unwrap_or(clock) {
        "" | "00:00" => format!("{day} {month}"),
        clock => format!("{day} {month} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Scale::linear(0.0..0.9).labels(5), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(Scale::linear(0.0..3e6).labels(3), ["0", "1M", "2M", "3M"]);
        assert_eq!(Scale::log(0.01..1000.0).labels(8), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(Scale::log(0.9..30.0).labels(8), ["1", "2", "5", "10", "20"]);
    }

    #[test]
    fn times_are_marked_at_days_and_hours() {
        let day = 86_400e6;
        let start = 16_116.0 * day; // 2014-02-15
        assert_eq!(Scale::time(start + 60e6..start + 14.0 * day).labels(4), ["19 Feb", "23 Feb", "27 Feb"]);
        assert_eq!(Scale::time(start..start + 0.5 * day).labels(4)[1], "15 Feb 03:00");
        assert_eq!(Scale::time(start..start + 300e6).labels(3), ["15 Feb", "15 Feb 00:02", "15 Feb 00:04"]);
        assert_eq!(Scale::time(start..start + 20e6).labels(2)[1], "15 Feb 00:00:10");
        assert_eq!(Scale::time(start..start + 1e6).labels(2)[1], "15 Feb 00:00:00.5");
        assert_eq!(Scale::time(start..start + 700.0 * day).labels(2), ["21 Dec 2014", "21 Dec 2015"]);
    }

    #[test]
    fn a_short_range_far_from_zero_has_digits_enough() {
        let labels = Scale::linear(3.906_188e9..3.906_190e9).labels(2);
        assert_eq!(labels, ["3.906188G", "3.906189G", "3.90619G"]);
        assert_eq!(Scale::linear(2e15..3e15).labels(2), ["2e15", "2.5e15", "3e15"]);
    }

    #[test]
    fn numbers_in_few_characters() {
        let numbers = [0.0, 0.05, 1.5, 1234.5678, 20_480.0, 3e6, 2e-7, -12.0];
        let texts = ["0", "0.05", "1.5", "1235", "20.48k", "3M", "2e-7", "-12"];
        assert_eq!(numbers.map(plain), texts.map(String::from));
        assert_eq!([1, 999, 20_480, 1_000_000].map(grouped), ["1", "999", "20,480", "1,000,000"]);
    }
}
