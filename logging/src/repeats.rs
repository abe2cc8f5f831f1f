//! Lines of one kind that come too often: the first ones of a minute are shown, and that there are more. Whoever logs what
//! strangers cause counts it besides. Pure: when it is, is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// As many of one kind a person reads; a fleet that comes back at once is no news line by line.
const SHOWN_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Kinds are places in the code, so a few hundred. Beyond this those of the last minutes are forgotten, else all.
const KINDS_MAX: usize = 4_096;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Shown,
    /// Instead of it, that there are more.
    Closing,
    Hidden,
}

/// The kinds of this minute.
#[derive(Debug, Default)]
pub(crate) struct RepeatLimit(BTreeMap<u64, Minute>);

#[derive(Debug, Clone, Copy)]
struct Minute {
    began: Instant,
    lines: u32,
}

impl RepeatLimit {
    /// A line of a kind comes.
    pub(crate) fn admit(&mut self, kind: u64, now: Instant) -> Admission {
        let is_over = |minute: &Minute| now.saturating_duration_since(minute.began) >= MINUTE;
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(&kind) {
            self.0.retain(|_, minute| !is_over(minute));
            if self.0.len() >= KINDS_MAX {
                self.0.clear();
            }
        }
        let minute = self.0.entry(kind).or_insert(Minute { began: now, lines: 0 });
        if is_over(minute) {
            *minute = Minute { began: now, lines: 0 };
        }
        minute.lines = minute.lines.saturating_add(1);
        match minute.lines {
            ..=SHOWN_MAX => Admission::Shown,
            lines if lines == SHOWN_MAX + 1 => Admission::Closing,
            _ => Admission::Hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_lines_and_the_next_one_its_own() {
        let (mut limit, now) = (RepeatLimit::default(), Instant::now());
        let mut at = |seconds: u64, kind: u64| limit.admit(kind, now + Duration::from_secs(seconds));
        let first: Vec<Admission> = (0..100).map(|n| at(n / 10, 1)).collect();
        assert!(first[..20].iter().all(|one| *one == Admission::Shown));
        assert_eq!(first[20], Admission::Closing);
        assert!(first[21..].iter().all(|one| *one == Admission::Hidden));
        assert_eq!(at(10, 2), Admission::Shown, "another kind");
        assert_eq!(at(61, 1), Admission::Shown);
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let (mut limit, now) = (RepeatLimit::default(), Instant::now());
        assert!((0..100_000).all(|kind| limit.admit(kind, now) == Admission::Shown));
        assert!(limit.0.len() <= KINDS_MAX);
    }
}
