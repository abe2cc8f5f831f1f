//! Counts, sizes and spans of time as people read them, the same in every program. Pure; what a program reads has the
//! plain number.

use std::fmt;

const SECOND_US: i64 = 1_000_000;

/// `1 agent`, `2 agents`; what has another plural says it itself.
#[must_use]
pub fn counted(count: impl TryInto<i128>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(i128::MAX);
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `74 B`, `12.5 KiB`, `30 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = 0;
    // What rounds to 1024 is one of the next.
    while amount >= 1_023.95 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    let tenths = format!("{amount:.1}");
    format!("{} {}", tenths.strip_suffix(".0").unwrap_or(&tenths), UNITS[unit])
}

/// A span of microseconds as `5 s`, `12 min`, `3 h`, `4 d`.
#[derive(Debug, Clone, Copy)]
pub struct TimeSpan(pub i64);

impl TimeSpan {
    /// Seconds, to the nearest microsecond.
    #[must_use]
    pub fn of_seconds(seconds: f64) -> Self {
        Self((seconds * SECOND_US as f64).round() as i64)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / SECOND_US;
        match seconds.unsigned_abs() {
            0 if self.0 != 0 => write!(f, "<1 s"),
            0..=119 => write!(f, "{seconds} s"),
            120..=7_199 => write!(f, "{} min", seconds / 60),
            7_200..=172_799 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_plural() {
        assert_eq!((counted(0, "line"), counted(1, "line")), ("0 lines".into(), "1 line".into()));
        assert_eq!((counted(2_u64, "line"), counted(3_usize, "line")), ("2 lines".into(), "3 lines".into()));
    }

    #[test]
    fn sizes_have_a_unit_of_their_magnitude() {
        for (bytes, text) in [
            (0, "0 B"),
            (74, "74 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (12_800, "12.5 KiB"),
            (1_048_575, "1 MiB"),
            (1_258_291, "1.2 MiB"),
            (3 << 30, "3 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn spans_have_a_unit_of_their_magnitude() {
        assert_eq!(TimeSpan(119 * SECOND_US).to_string(), "119 s");
        assert_eq!(TimeSpan(3 * 86_400 * SECOND_US).to_string(), "3 d");
        assert_eq!((TimeSpan(1).to_string(), TimeSpan(0).to_string()), ("<1 s".into(), "0 s".into()));
        assert_eq!(TimeSpan::of_seconds(1_386.4).to_string(), "23 min");
        assert_eq!(TimeSpan::of_seconds(10_800.0).to_string(), "3 h");
        assert_eq!(TimeSpan(i64::MIN).to_string(), "-106751991 d");
    }
}
