//! Two lists of events: what should have come, and what came. Pure; a difference can be read.

use std::{collections::BTreeMap, fmt};

use crate::heard::Heard;

/// How two lists of events differ.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Events of the replay.
    pub expected: usize,
    /// Events of the replay that did not come.
    pub lost: usize,
    /// Events that came more often than the replay has them.
    pub repeated: usize,
    /// The first place where they differ: what should have come, and what came.
    pub first: Option<(usize, Option<String>, Option<String>)>,
}

impl Difference {
    /// Between the events of a replay and what came; what a replay cannot give does not count.
    #[must_use]
    pub fn between(expected: &[String], came: &[Heard]) -> Self {
        let came: Vec<&str> =
            came.iter().filter(|heard| heard.is_replayed()).map(|heard| heard.text.as_str()).collect();
        Self::of_texts(expected, &came)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.first.is_none()
    }

    fn of_texts(expected: &[String], came: &[&str]) -> Self {
        let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
        expected.iter().for_each(|event| *balance.entry(event).or_default() += 1);
        came.iter().for_each(|event| *balance.entry(event).or_default() -= 1);
        let sum = |of: fn(i64) -> i64| {
            usize::try_from(balance.values().map(|n| of(*n).max(0)).sum::<i64>())
                .expect("no more than there are events")
        };
        let places = 0..expected.len().max(came.len());
        let differ = |at: &usize| expected.get(*at).map(String::as_str) != came.get(*at).copied();
        let text = |at: usize| (at, expected.get(at).cloned(), came.get(at).map(|event| (*event).to_owned()));
        Self {
            expected: expected.len(),
            lost: sum(|n| n),
            repeated: sum(|n| -n),
            first: places.into_iter().find(differ).map(text),
        }
    }
}

/// `1,234 events, lost 0, repeated 0`, and the first difference if there is one.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, lost {}, repeated {}", self.expected, self.lost, self.repeated)?;
        let Some((at, expected, came)) = &self.first else { return Ok(()) };
        let text = |event: &Option<String>| event.clone().unwrap_or_else(|| "(nothing)".to_owned());
        write!(f, "\nfirst difference at event {at}\n  replay: {}\n  came:   {}", text(expected), text(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &[&str], came: &[&str]) -> Difference {
        Difference::of_texts(&expected.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), came)
    }

    #[test]
    fn lost_repeated_and_out_of_order() {
        assert!(difference(&["a", "b", "b"], &["a", "b", "b"]).is_none());
        let lost = difference(&["a", "b", "c"], &["a", "c"]);
        assert_eq!((lost.lost, lost.repeated), (1, 0));
        assert!(lost.to_string().ends_with("at event 1\n  replay: b\n  came:   c"), "{lost}");
        let repeated = difference(&["a", "b"], &["a", "b", "b"]);
        assert_eq!((repeated.lost, repeated.repeated), (0, 1));
        assert!(repeated.to_string().ends_with("replay: (nothing)\n  came:   b"));
        let swapped = difference(&["a", "b"], &["b", "a"]);
        assert_eq!((swapped.lost, swapped.repeated, swapped.is_none()), (0, 0, false));
    }
}
