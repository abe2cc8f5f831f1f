//! Numbers as programs and people write them: with a unit, in several units, with a comma. Durations are seconds, sizes
//! bytes, rates per second, percents as they stand. Refuses what reads two ways: `1,234`, and lists.

use super::clean;

/// The longest that is looked at: `-123456.789012345 milliseconds`.
const BYTES_MAX: usize = 40;
/// Digits of an integer in a text beyond which it is an identifier.
const DIGITS_MAX: usize = 15;

/// The number that `text` is and nothing else; it may be infinite or NaN. `is_duration` says that a clock
/// (`00:01:30`) is one rather than a time of day.
pub(crate) fn read(text: &str, is_duration: bool) -> Option<f64> {
    let text = clean::trimmed(text);
    let first = *text.as_bytes().first().filter(|_| text.len() <= BYTES_MAX)?;
    match first {
        b'0'..=b'9' | b'-' | b'+' | b'.' => {}
        b'P' => return iso_duration(&text[1..]),
        b'N' | b'n' | b'I' | b'i' => return not_finite(text),
        _ => return None,
    }
    let (number, unit) = split_number(text);
    if unit.is_empty() {
        return decimal(number);
    }
    if is_duration && unit.starts_with(':') {
        return clock(text);
    }
    if is_label(number, unit) {
        return None;
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if let Some(factor) = Factor::of(unit) {
        return decimal(number).map(|number| factor.apply(number));
    }
    compound(text).or_else(|| not_finite(text))
}

/// Whether a whole number with a letter names something: the seat `12A`, a network of `5G`.
fn is_label(number: &str, unit: &str) -> bool {
    let is_whole = number.bytes().all(|b| b.is_ascii_digit());
    is_whole
        && (matches!(unit, "A" | "V" | "W" | "x" | "b")
            || (unit == "G" && matches!(number, "2" | "3" | "4" | "5" | "6")))
}

/// Whether a number in a text of this form is rather a code: a leading zero, or more digits than anything counts.
pub(crate) fn is_code(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']).as_bytes();
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let has_zero = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit() && whole == digits.len();
    has_zero || whole > DIGITS_MAX || text.starts_with('+')
}

/// Whether a word is a unit of measure: `percent`, `ms`, `By`, `req/s`.
pub(crate) fn is_unit(word: &str) -> bool {
    let word = word.trim();
    let is_letter = word.len() == 1 && word.as_bytes()[0].is_ascii_alphanumeric();
    is_letter
        || word.is_empty()
        || word.contains(['/', '%', '°', '{', '^', '²', '³'])
        || Factor::of(word).is_some()
        || UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(word))
}

/// Words of measure beside those that [`Factor`] converts.
const UNITS: [&str; 58] = [
    "percent",
    "percentage",
    "pct",
    "celsius",
    "fahrenheit",
    "kelvin",
    "degrees",
    "degree",
    "deg",
    "degc",
    "degf",
    "by",
    "kby",
    "mby",
    "count",
    "counts",
    "number",
    "ratio",
    "fraction",
    "none",
    "bool",
    "boolean",
    "bits",
    "requests",
    "request",
    "req",
    "reqs",
    "rps",
    "qps",
    "ops",
    "iops",
    "packets",
    "pkts",
    "errors",
    "connections",
    "messages",
    "events",
    "items",
    "volt",
    "volts",
    "amp",
    "amps",
    "ampere",
    "watt",
    "watts",
    "lux",
    "mmhg",
    "inhg",
    "psi",
    "mm",
    "cm",
    "km",
    "kg",
    "ml",
    "mph",
    "kmh",
    "ug",
    "dimensionless",
];

/// What a unit makes of a number: times the first, then by the second, so that 12.5 ms is exactly 0.0125.
struct Factor(f64, f64);

impl Factor {
    fn apply(&self, number: f64) -> f64 {
        number * self.0 / self.1
    }

    fn of(unit: &str) -> Option<Self> {
        let (unit, per_second) = unit.strip_suffix("/s").map_or((unit, false), |unit| (unit, true));
        if !per_second && let Some(factor) = Self::of_duration(unit) {
            return Some(factor);
        }
        const KI: f64 = 1_024.0;
        Some(match unit {
            "B" | "b" | "byte" | "bytes" | "Byte" | "Bytes" | "bit" | "bps" | "Hz" | "rpm" | "RPM" | "dB" | "dBm"
            | "V" | "W" | "A" | "Pa" | "lx" | "ppm" | "ppb" | "x" | "°C" | "°F" | "℃" | "%" | "hPa" | "kWh" | "Wh" => {
                Self(1.0, 1.0)
            }
            "1" | "req" | "ops" | "op" if per_second => Self(1.0, 1.0),
            "k" | "kB" | "KB" | "kb" | "kbit" | "Kbit" | "kbps" | "Kbps" | "kHz" | "kW" | "kPa" => Self(1e3, 1.0),
            "MB" | "Mb" | "Mbit" | "Mbps" | "MHz" | "MW" => Self(1e6, 1.0),
            "GB" | "Gb" | "Gbit" | "Gbps" | "GHz" => Self(1e9, 1.0),
            "TB" | "Tb" => Self(1e12, 1.0),
            "PB" => Self(1e15, 1.0),
            "mV" | "mA" | "mW" | "mHz" => Self(1.0, 1e3),
            "K" | "Ki" | "KiB" | "kiB" => Self(KI, 1.0),
            "M" | "Mi" | "MiB" => Self(KI * KI, 1.0),
            "G" | "Gi" | "GiB" => Self(KI * KI * KI, 1.0),
            "T" | "Ti" | "TiB" => Self(KI * KI * KI * KI, 1.0),
            _ => return None,
        })
    }

    fn of_duration(unit: &str) -> Option<Self> {
        Some(match unit {
            "ns" | "nsec" | "nanoseconds" => Self(1.0, 1e9),
            // The micro sign and the Greek letter.
            "us" | "µs" | "μs" | "usec" | "microseconds" => Self(1.0, 1e6),
            "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => Self(1.0, 1e3),
            "s" | "sec" | "secs" | "second" | "seconds" => Self(1.0, 1.0),
            "m" | "min" | "mins" | "minute" | "minutes" => Self(60.0, 1.0),
            "h" | "hr" | "hrs" | "hour" | "hours" => Self(3_600.0, 1.0),
            "d" | "day" | "days" => Self(86_400.0, 1.0),
            "w" | "week" | "weeks" => Self(604_800.0, 1.0),
            _ => return None,
        })
    }
}

/// `NaN`, `-Inf`, `+infinity`.
fn not_finite(text: &str) -> Option<f64> {
    let word = text.trim_start_matches(['-', '+']);
    let is_named = ["nan", "inf", "infinity"].iter().any(|name| name.eq_ignore_ascii_case(word));
    is_named.then_some(f64::NAN)
}

/// A number with its sign, fraction and exponent, and what follows it.
fn split_number(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    while is_digit(end) || (matches!(bytes.get(end), Some(b'.' | b',')) && (is_digit(end + 1) || end > 0)) {
        end += 1;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let digits = (end + 1 + sign..).take_while(|at| is_digit(*at)).count();
        if digits > 0 {
            end += 1 + sign + digits;
        }
    }
    text.split_at(end)
}

/// A number with a point or a comma before its fraction, and thousands apart by the other: `12,5`, `1.234,5`,
/// `1,234,567`. One comma before three digits may be either: `1,234` is refused, `0,125` is not.
fn decimal(text: &str) -> Option<f64> {
    let Some(comma) = text.rfind(',') else { return text.parse().ok() };
    let (whole, fraction) = (&text[..comma], &text[comma + 1..]);
    let is_grouped = |digits: &str, mark: char| {
        let mut groups = digits.trim_start_matches(['-', '+']).split(mark);
        groups.next().is_some_and(|first| (1..=3).contains(&first.len())) && groups.all(|group| group.len() == 3)
    };
    let commas = text.bytes().filter(|b| *b == b',').count();
    let point = text.find('.');
    let number = match point {
        // 1,234.5
        Some(point) if point > comma => is_grouped(&text[..point], ',').then(|| text.replace(',', "")),
        // 1.234,5
        Some(_) => (commas == 1 && is_grouped(whole, '.')).then(|| format!("{}.{fraction}", whole.replace('.', ""))),
        None if commas > 1 => is_grouped(text, ',').then(|| text.replace(',', "")),
        None => {
            let is_zero = whole.trim_start_matches(['-', '+']) == "0";
            (fraction.len() != 3 || is_zero).then(|| format!("{whole}.{fraction}"))
        }
    };
    let is_numeric = !fraction.is_empty() && whole.ends_with(|c: char| c.is_ascii_digit());
    number.filter(|_| is_numeric)?.parse().ok()
}

/// `1m30.5s`, `2h3m0s`, `1d 4h`: each unit of time once, the largest first.
fn compound(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.as_bytes()[0] {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let (mut sum, mut smallest) = (0.0, f64::INFINITY);
    while !rest.is_empty() {
        let (number, behind) = split_number(rest);
        let behind = behind.trim_start_matches(' ');
        let end = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let unit =
            Factor::of_duration(&behind[..end]).map(|factor| factor.apply(1.0)).filter(|size| *size < smallest)?;
        sum += number.parse::<f64>().ok().filter(|number| *number >= 0.0)? * unit;
        smallest = unit;
        rest = behind[end..].trim_start_matches([' ', ',']);
    }
    Some(sign * sum)
}

/// `PT1M30.5S`, `P1DT2H`, without its `P`.
fn iso_duration(text: &str) -> Option<f64> {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let sum = |mut part: &str, units: &[(char, f64)]| -> Option<f64> {
        let mut sum = 0.0;
        while !part.is_empty() {
            let (number, behind) = split_number(part);
            let unit = behind.chars().next()?;
            let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
            sum += decimal(number)? * size;
            part = &behind[1..];
        }
        Some(sum)
    };
    let is_empty = date.is_empty() && time.is_empty();
    let days = sum(date, &[('W', 604_800.0), ('D', 86_400.0)])?;
    let seconds = sum(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    (!is_empty).then_some(days + seconds)
}

/// `00:01:30.5`, `1.02:03:04` of .NET with days before the point, `01:30` in minutes and seconds.
fn clock(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let (days, clock): (f64, &str) = match (text.find('.'), text.find(':')) {
        (Some(point), Some(colon)) if point < colon => (text[..point].parse().ok()?, &text[point + 1..]),
        _ => (0.0, text),
    };
    let mut parts = clock.split(':');
    let (first, second) = (parts.next()?, parts.next()?);
    let (hours, minutes, seconds) = match parts.next() {
        Some(third) => (first, second, third),
        None => ("0", first, second),
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    let is_clock = parts.next().is_none() && seconds < 60.0 && second.len() >= 2;
    is_clock.then_some(sign * (days * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (text, seconds) in [
            ("59.1s", 59.1),
            ("1m30.5s", 90.5),
            ("2h3m0s", 7_380.0),
            ("2h3m", 7_380.0),
            ("59ms", 0.059),
            ("12.5µs", 0.000_012_5),
            ("12.5μs", 0.000_012_5),
            ("250ns", 2.5e-7),
            ("90s", 90.0),
            ("1h", 3_600.0),
            ("5m", 300.0),
            ("1d 4h", 100_800.0),
            ("1.5 sec", 1.5),
            ("3 minutes", 180.0),
            ("-1m30s", -90.0),
            ("PT1M30S", 90.0),
            ("PT0.25S", 0.25),
            ("P1DT2H", 93_600.0),
            ("12,5ms", 0.0125),
        ] {
            let read = read(text, false).unwrap();
            assert!((read - seconds).abs() <= 1e-12 * seconds.abs(), "{text}: {read}");
        }
        for (text, seconds) in [("00:01:30", 90.0), ("00:00:00.25", 0.25), ("1.02:00:00", 93_600.0), ("01:30", 90.0)] {
            assert_eq!((read(text, true), read(text, false)), (Some(seconds), None), "{text}");
        }
    }

    #[test]
    fn sizes_rates_percents_and_units_are_numbers() {
        for (text, number) in [
            ("10KiB", 10_240.0),
            ("4.5MB", 4_500_000.0),
            ("1.2G", 1.2 * 1_024.0 * 1_024.0 * 1_024.0),
            ("512 B", 512.0),
            ("64k", 64_000.0),
            ("100Mbit/s", 1e8),
            ("3.5MiB/s", 3.5 * 1_024.0 * 1_024.0),
            ("45%", 45.0),
            ("-3.5 %", -3.5),
            ("21.5°C", 21.5),
            ("230 V", 230.0),
            ("2.4GHz", 2.4e9),
            ("1.02x", 1.02),
            ("12 req/s", 12.0),
        ] {
            assert_eq!(read(text, false), Some(number), "{text}");
        }
        for word in
            ["percent", "ms", "C", "bytes", "By", "%", "1/s", "", "kWh", "km/h", "°C", "{request}", "Count", "s"]
        {
            assert!(is_unit(word), "{word}");
        }
        for word in ["nginx.service", "cart", "payments", "db"] {
            assert!(!is_unit(word), "{word}");
        }
    }

    #[test]
    fn commas_are_read_where_they_read_one_way() {
        for (text, number) in [
            ("12,5", 12.5),
            ("-0,125", -0.125),
            ("1.234,5", 1_234.5),
            ("1,234.5", 1_234.5),
            ("1,234,567", 1_234_567.0),
            ("3,7512", 3.7512),
            ("1e-7", 1e-7),
            (".5", 0.5),
            ("+3", 3.0),
        ] {
            assert_eq!(read(text, false), Some(number), "{text}");
        }
        for text in [
            "1,234",
            "1,2,3",
            "12,",
            ",5",
            "1.2.3",
            "10.0.0.1",
            "2026-01-05",
            "12:30",
            "12 apples",
            "5 of 7",
            "1m1m",
            "-",
            "3x4",
            "PT",
            "P",
            "Paris",
            "info",
            "nano",
            "0x1f",
            "7f3a",
            "",
            "1h 2",
            "12.5.",
            "12A",
            "5G",
            "3b",
        ] {
            assert_eq!(read(text, false), None, "{text}");
        }
        assert!(is_code("007") && is_code("4915112345678901") && is_code("+49151") && !is_code("0.5") && !is_code("0"));
    }

    #[test]
    fn what_is_not_finite_is_told() {
        for text in ["NaN", "nan", "-Inf", "+inf", "Infinity", "-infinity", "1e999"] {
            assert!(read(text, false).is_some_and(|number| !number.is_finite()), "{text}");
        }
    }
}
