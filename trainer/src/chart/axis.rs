//! From values to places on a page and to the ticks beside them.
//!
//! Owns linear, logarithmic and time axes as plain arithmetic; draws nothing.

/// How values spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    Linear,
    Log,
}

/// A range of values laid out between two pixels (`from_px` may lie below `to_px` or above it).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    spacing: Spacing,
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
}

/// A place on an axis and what to write there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub px: f64,
    pub label: String,
}

impl Axis {
    /// An empty range is widened; a logarithmic axis starts above zero at the least.
    pub(super) fn new(spacing: Spacing, (low, high): (f64, f64), (from_px, to_px): (f64, f64)) -> Self {
        let low = match spacing {
            Spacing::Linear => low,
            Spacing::Log => low.max(1e-12),
        };
        let high = if high > low { high } else { low + low.abs().max(1e-9) };
        Self { spacing, low, high, from_px, to_px }
    }

    /// Pixel of a value; values off the axis are put at its end.
    pub(super) fn px(&self, value: f64) -> f64 {
        let share = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Log => (value.max(1e-300) / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from_px + share.clamp(0.0, 1.0) * (self.to_px - self.from_px)
    }

    /// About `wanted` ticks at round values; on a logarithmic axis at powers of ten, with 2 and 5
    /// between them where there is room.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let values = match self.spacing {
            Spacing::Linear => linear_ticks(self.low, self.high, wanted),
            Spacing::Log => log_ticks(self.low, self.high, wanted),
        };
        let step = values.windows(2).map(|w| w[1] - w[0]).fold(f64::MAX, f64::min);
        let label = |value: f64| match self.spacing {
            Spacing::Linear => linear_label(value, step),
            Spacing::Log => plain(value),
        };
        let tick = |value: f64| Tick { px: self.px(value), label: label(value) };
        values.into_iter().map(tick).collect()
    }

    /// Ticks at days or hours of an axis in microseconds since 1970.
    pub(super) fn time_ticks(&self, wanted: usize) -> Vec<Tick> {
        const HOUR_US: f64 = 3600e6;
        const STEPS_H: [f64; 11] = [1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0, 720.0, 1440.0];
        let span = self.high - self.low;
        let fits = |step: &&f64| span / (*step * HOUR_US) <= wanted as f64;
        let longest = span / wanted as f64 / HOUR_US;
        let step_h = STEPS_H.iter().find(fits).copied().unwrap_or(longest);
        let step = step_h * HOUR_US;
        let mut ticks = Vec::new();
        let mut value = (self.low / step).ceil() * step;
        while value <= self.high {
            ticks.push(Tick { px: self.px(value), label: time_label(value, step_h < 24.0) });
            value += step;
        }
        ticks
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

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

fn linear_label(value: f64, step: f64) -> String {
    let decimals = if step < 1.0 { (-step.log10()).ceil() as usize } else { 0 };
    if value.abs() >= 1e4 || decimals == 0 {
        return plain(value);
    }
    format!("{value:.decimals$}")
}

/// As few characters as tell the number: 0.05, 20, 5000, 20k, 3M, 1e-7.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    let scaled = |unit: f64, suffix: &str| format!("{}{suffix}", significant(value / unit));
    if size == 0.0 {
        "0".to_owned()
    } else if size < 1e-4 {
        format!("{value:.0e}")
    } else if size < 1e4 {
        significant(value)
    } else if size < 1e6 {
        scaled(1e3, "k")
    } else if size < 1e9 {
        scaled(1e6, "M")
    } else if size < 1e12 {
        scaled(1e9, "G")
    } else {
        format!("{value:.0e}")
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

fn time_label(time_us: f64, with_hour: bool) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = (time_us / 1e6).round() as i64;
    let (month, day) = month_and_day(seconds.div_euclid(86_400));
    let date = format!("{day} {}", MONTHS[month]);
    if with_hour {
        let minutes = seconds.rem_euclid(86_400) / 60;
        format!("{date} {:02}:{:02}", minutes / 60, minutes % 60)
    } else {
        date
    }
}

/// Month (from 0) and day (from 1) of a day counted from 1 January 1970, walked year by year.
fn month_and_day(days: i64) -> (usize, i64) {
    /// Days after which the Gregorian calendar repeats.
    const CYCLE: i64 = 146_097;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    let mut left = days.rem_euclid(CYCLE);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (month, length) in months.into_iter().enumerate() {
        if left < length {
            return (month, left + 1);
        }
        left -= length;
    }
    unreachable!("the days left are fewer than the year's")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, wanted: usize) -> Vec<String> {
        axis.ticks(wanted).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn places_of_values() {
        let linear = Axis::new(Spacing::Linear, (0.0, 10.0), (100.0, 0.0));
        assert_eq!(linear.px(2.5), 75.0);
        assert_eq!(linear.px(99.0), 0.0, "off the axis");
        let log = Axis::new(Spacing::Log, (0.01, 100.0), (0.0, 400.0));
        assert!((log.px(1.0) - 200.0).abs() < 1e-9);
        assert_eq!(log.px(0.0), 0.0);
        let empty = Axis::new(Spacing::Linear, (3.0, 3.0), (0.0, 10.0));
        assert!(empty.px(3.0).is_finite());
    }

    #[test]
    fn ticks_are_round() {
        let linear = Axis::new(Spacing::Linear, (0.0, 0.9), (0.0, 1.0));
        assert_eq!(labels(&linear, 5), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        let large = Axis::new(Spacing::Linear, (0.0, 3e6), (0.0, 1.0));
        assert_eq!(labels(&large, 3), ["0", "1M", "2M", "3M"]);
        let log = Axis::new(Spacing::Log, (0.01, 1000.0), (0.0, 1.0));
        assert_eq!(labels(&log, 8), ["0.01", "0.1", "1", "10", "100", "1000"]);
        let short = Axis::new(Spacing::Log, (0.9, 30.0), (0.0, 1.0));
        assert_eq!(labels(&short, 8), ["1", "2", "5", "10", "20"]);
    }

    #[test]
    fn time_ticks_fall_on_days_and_hours() {
        let day = 86_400e6;
        let start = 16_116.0 * day; // 2014-02-15
        let week = Axis::new(Spacing::Linear, (start + 1.0, start + 14.0 * day), (0.0, 1.0));
        let labels: Vec<String> = week.time_ticks(4).into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["19 Feb", "23 Feb", "27 Feb"].map(String::from));
        let hours = Axis::new(Spacing::Linear, (start, start + 0.5 * day), (0.0, 1.0));
        assert_eq!(hours.time_ticks(4)[1].label, "15 Feb 03:00");
    }

    #[test]
    fn dates_of_days() {
        assert_eq!(month_and_day(0), (0, 1));
        assert_eq!(month_and_day(-1), (11, 31));
        assert_eq!(month_and_day(11_016), (1, 29), "29 February 2000");
        assert_eq!(month_and_day(16_130), (2, 1), "1 March 2014");
    }

    #[test]
    fn numbers_in_few_characters() {
        let numbers = [0.0, 0.05, 1.5, 1234.5678, 20_480.0, 3e6, 2e-7, -12.0];
        let texts = ["0", "0.05", "1.5", "1235", "20.48k", "3M", "2e-7", "-12"];
        assert_eq!(numbers.map(plain), texts.map(String::from));
        assert_eq!([1, 999, 20_480, 1_000_000].map(grouped), ["1", "999", "20,480", "1,000,000"]);
    }
}
