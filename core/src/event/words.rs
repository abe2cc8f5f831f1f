//! What an episode says in words, the same wherever it is printed. Pure.

use crate::{
    score::ScoreCause,
    stream::{FEATURES, RecordFigures, character::StreamCharacter},
};

/// Reasons that are not about how large the value is: to set it beside an expected one would explain nothing.
const NOT_OF_THE_VALUE: [&str; 3] = ["volatility", "stuck", "gap"];

/// Known values that are named, of a stream that has more.
const KNOWN_NAMED: usize = 6;

/// A reason whose figures are in another unit than the value, or say more beside it; `None` for any other.
#[must_use]
pub fn told(cause: ScoreCause, value: f64, figures: &RecordFigures) -> Option<String> {
    let RecordFigures { character, number, usual, range: (min, max), .. } = *figures;
    match cause {
        ScoreCause::NotFinite => return None,
        ScoreCause::Reset => {
            let before = figures.before.map(|before| format!(" after {}", whole(before))).unwrap_or_default();
            return Some(format!("counter reset: {}{before}", whole(value)));
        }
        ScoreCause::Range => {}
        ScoreCause::Unexpected(j) | ScoreCause::Extreme(j) => match FEATURES[usize::from(j)] {
            "gap" => return pause(figures),
            "stuck" | "volatility" => return None,
            _ => {}
        },
    }
    let is_range = cause == ScoreCause::Range;
    match character {
        StreamCharacter::Constant => Some(format!("{}, always {} before", short(value), short(min))),
        StreamCharacter::FewValues if !figures.known.is_empty() => {
            let named: Vec<String> = figures.known.iter().take(KNOWN_NAMED).map(|known| short(*known)).collect();
            let more = if figures.known.len() > KNOWN_NAMED { ", ..." } else { "" };
            Some(format!("{}; known: {}{more}", short(value), named.join(", ")))
        }
        StreamCharacter::Counter => {
            let usual = short(usual.max(0.0));
            let most = if is_range && number > max { format!(", at most {}", short(max)) } else { String::new() };
            Some(format!("grows by {} a second, usually {usual}{most}", short(number)))
        }
        StreamCharacter::Wandering => {
            let most = min.abs().max(max.abs());
            let beside = if number.abs() > most {
                format!("at most {} before", short(most))
            } else {
                format!("expected {}", short(usual))
            };
            Some(format!("moved by {} within a few records, {beside}", short(number)))
        }
        _ if is_range => {
            Some(format!("outside the seen range: {}, seen {} to {}", short(value), short(min), short(max)))
        }
        _ => None,
    }
}

fn pause(figures: &RecordFigures) -> Option<String> {
    let pause = figures.pause_s.filter(|pause| *pause > 0.0)?;
    Some(format!("pause of {} s, usually {} s", short(pause), short(figures.usual_pause_s)))
}

/// A count with all its digits, as far as a number has them.
#[must_use]
pub fn whole(count: f64) -> String {
    if count.fract() == 0.0 && count.abs() < 1e15 { format!("{count:.0}") } else { short(count) }
}

/// The main reason with the value it was found at, and with what was expected where that differs.
#[must_use]
pub fn reason_with_value(main_reason: &str, value: f64, expected: Option<f64>) -> String {
    // It says its figures itself.
    if main_reason.contains(|c: char| c.is_ascii_digit()) {
        return main_reason.to_owned();
    }
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
        assert_eq!(reason_with_value("150, always 100 before", 150.0, Some(100.0)), "150, always 100 before");
        assert_eq!(reason_with_value("unexpected gap", 23.0, Some(45.5)), "unexpected gap, at value 23");
    }

    #[test]
    fn figures_are_in_the_terms_of_the_stream() {
        let of = |character, cause, value, figures: &RecordFigures| {
            told(cause, value, &RecordFigures { character, ..figures.clone() }).unwrap_or_default()
        };
        let figures = RecordFigures {
            number: 120.0,
            usual: 3.0,
            range: (0.0, 9.0),
            known: vec![0.0, 1.0, 2.0],
            before: Some(1_036_800.0),
            pause_s: Some(95.0),
            usual_pause_s: 3.0,
            ..RecordFigures::default()
        };
        let (range, residual, gap) = (ScoreCause::Range, ScoreCause::Extreme(0), ScoreCause::Extreme(5));
        for (character, cause, value, text) in [
            (StreamCharacter::Counter, residual, 7e8, "grows by 120 a second, usually 3"),
            (StreamCharacter::Counter, range, 7e8, "grows by 120 a second, usually 3, at most 9"),
            (StreamCharacter::Counter, ScoreCause::Reset, 0.0, "counter reset: 0 after 1036800"),
            (StreamCharacter::FewValues, range, 9.0, "9; known: 0, 1, 2"),
            (StreamCharacter::Wandering, residual, 50.0, "moved by 120 within a few records, at most 9 before"),
            (StreamCharacter::Daily, range, 12.0, "outside the seen range: 12, seen 0 to 9"),
            (StreamCharacter::Daily, gap, 12.0, "pause of 95 s, usually 3 s"),
            (StreamCharacter::Daily, residual, 12.0, ""),
        ] {
            assert_eq!(of(character, cause, value, &figures), text);
        }
        let within = RecordFigures { number: -7.0, ..figures.clone() };
        let moved = "moved by -7 within a few records, expected 3";
        assert_eq!(of(StreamCharacter::Wandering, residual, 50.0, &within), moved);
        let constant = RecordFigures { range: (100.0, 100.0), ..figures };
        assert_eq!(of(StreamCharacter::Constant, range, 150.0, &constant), "150, always 100 before");
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
