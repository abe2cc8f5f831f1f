//! What an episode says in words, the same wherever it is printed. Pure.

/// Reasons that are not about how large the value is: to set it beside an expected one would explain nothing.
const NOT_OF_THE_VALUE: [&str; 3] = ["volatility", "stuck", "gap"];

/// The main reason with the value it was found at, and with what was expected where that differs.
#[must_use]
pub fn reason_with_value(main_reason: &str, value: f64, expected: Option<f64>) -> String {
    let value = short(value);
    if NOT_OF_THE_VALUE.iter().any(|feature| main_reason.ends_with(feature)) {
        return format!("{main_reason}, at value {value}");
    }
    match expected.filter(|expected| expected.is_finite()).map(short).filter(|expected| *expected != value) {
        Some(expected) => format!("{main_reason}: {value}, expected {expected}"),
        None => format!("{main_reason}: {value}"),
    }
}

/// Four significant digits, for reading; `-` for what is no number.
#[must_use]
pub fn short(number: f64) -> String {
    let magnitude = number.abs();
    if !magnitude.is_finite() {
        return "-".to_owned();
    }
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        return format!("{number:.3e}");
    }
    let decimals = match magnitude {
        m if m >= 1_000.0 => 0,
        m if m >= 10.0 => 2,
        _ => 4,
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_beside_what_was_expected_where_that_explains_it() {
        let reason = "unexpected residual";
        assert_eq!(reason_with_value(reason, 23.0, Some(45.5)), "unexpected residual: 23, expected 45.5");
        assert_eq!(reason_with_value(reason, 23.0, None), "unexpected residual: 23");
        assert_eq!(reason_with_value(reason, 23.0, Some(f64::NAN)), "unexpected residual: 23");
        assert_eq!(reason_with_value(reason, 0.0, Some(0.0)), "unexpected residual: 0");
        assert_eq!(reason_with_value(reason, 0.004, Some(0.0)), "unexpected residual: 0.004, expected 0");
        assert_eq!(reason_with_value("unexpected gap", 23.0, Some(45.5)), "unexpected gap, at value 23");
    }

    #[test]
    fn numbers_are_short_and_none_is_a_dash() {
        for (number, text) in [
            (0.0, "0"),
            (45.5, "45.5"),
            (12_345.6, "12346"),
            (0.000_12, "1.200e-4"),
            (3e65, "3.000e65"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}
