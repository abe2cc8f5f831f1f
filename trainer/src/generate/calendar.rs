//! RFC 3339 in UTC and whole seconds, the only time the generator writes. No zones, no fractions,
//! no leap seconds, no clock.

use std::fmt;

const DAY_S: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01. Years here begin in March, so that February ends them.
const EPOCH_DAY: i64 = 719_468;

/// Unix seconds of a UTC date, `second` seconds into its day.
pub(super) fn seconds(year: i64, month: i64, day: i64, second: i64) -> i64 {
    let shifted = (month + 9) % 12;
    let march_year = year - i64::from(shifted >= 10);
    let days = year_start(march_year) + month_start(shifted) + day - 1;
    (days - EPOCH_DAY) * DAY_S + second
}

fn year_start(march_year: i64) -> i64 {
    365 * march_year + march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400)
}

/// Months from March on have 31, 30, 31, 30, 31 days, again and again.
fn month_start(shifted: i64) -> i64 {
    (153 * shifted + 2) / 5
}

/// Unix seconds, shown as `2026-01-05T00:00:03Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Utc(pub i64);

impl Utc {
    fn date(self) -> (i64, i64, i64) {
        let days = self.0.div_euclid(DAY_S) + EPOCH_DAY;
        let mut march_year = (days * 400).div_euclid(146_097);
        while year_start(march_year + 1) <= days {
            march_year += 1;
        }
        while year_start(march_year) > days {
            march_year -= 1;
        }
        let of_year = days - year_start(march_year);
        let shifted = (5 * of_year + 2) / 153;
        let month = (shifted + 2) % 12 + 1;
        (march_year + i64::from(shifted >= 10), month, of_year - month_start(shifted) + 1)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let second = self.0.rem_euclid(DAY_S);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let mut text = *b"0000-00-00T00:00:00Z";
        let pairs = [(0, year / 100), (2, year % 100), (5, month), (8, day), (11, hour)];
        for (at, number) in pairs.into_iter().chain([(14, minute), (17, second % 60)]) {
            text[at] = digit(number / 10);
            text[at + 1] = digit(number);
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

fn digit(number: i64) -> u8 {
    b"0123456789"[number.rem_euclid(10) as usize]
}

/// `2026-01-05` or `2026-01-05T06:30:00Z`, to Unix seconds.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    parse_utc(text).ok_or_else(|| format!("{text:?} is no UTC time like 2026-01-05 or 2026-01-05T06:30:00Z"))
}

fn parse_utc(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let parsed = seconds(year, month, day, hour * 3600 + minute * 60 + second);
    // Showing it again refuses the 30th of February and the 25th hour.
    let canonical = format!("{date}T{time}Z");
    (Utc(parsed).to_string() == canonical).then_some(parsed)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        let plain = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = plain.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_are_shown_and_read() {
        for (text, unix_s) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:01Z", 951_825_601),
            ("2026-01-05T00:00:03Z", 1_767_571_203),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(Utc(unix_s).to_string(), text);
            assert_eq!(parse(text), Ok(unix_s));
        }
        assert_eq!(parse("2026-01-05"), Ok(1_767_571_200));
    }

    #[test]
    fn every_day_of_a_thousand_years_follows_the_one_before() {
        let mut last = Utc(-DAY_S).to_string();
        for day in 0..366_000 {
            let shown = Utc(day * DAY_S + 86_399).to_string();
            assert!(shown > last, "{shown} after {last}");
            assert_eq!(parse(&shown), Ok(day * DAY_S + 86_399));
            last = shown;
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "now", "2026-02-30", "2026-01-05T25:00:00Z", "2026-01-05T00:00:00", "+026-01-05"] {
            assert!(parse(text).is_err_and(|why| why.contains("2026-01-05T06:30:00Z")), "{text}");
        }
    }
}
