//! Lines of one kind that strangers cause: the first ones of a minute are said, and that there are more. What is not
//! said is counted by whoever says it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// As many of one kind a person reads; a fleet that comes back at once is no news line by line.
const TOLD_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Told(Mutex<Option<Minute>>);

#[derive(Debug, Clone, Copy)]
struct Minute {
    began: Instant,
    told: u32,
}

impl Told {
    /// Says the line unless too many were said in this minute.
    pub fn say(&self, say: impl Fn(&str), now: Instant, line: &str) {
        let told = {
            let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let current = minute.filter(|minute| now.saturating_duration_since(minute.began) < MINUTE);
            let current = current.unwrap_or(Minute { began: now, told: 0 });
            *minute = Some(Minute { told: current.told.saturating_add(1), ..current });
            current.told
        };
        if told < TOLD_MAX {
            say(line);
        } else if told == TOLD_MAX {
            say("WARN  there are more lines of this kind: none is told for the rest of this minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_minute_has_its_lines_and_the_next_one_its_own() {
        let (told, lines, now) = (Told::default(), RefCell::new(Vec::new()), Instant::now());
        let at = |seconds: u64, line: &str| {
            let say = |line: &str| lines.borrow_mut().push(line.to_owned());
            told.say(say, now + Duration::from_secs(seconds), line);
        };
        (0..100).for_each(|n| at(n / 10, &n.to_string()));
        assert_eq!(lines.borrow().len(), 21);
        assert_eq!(lines.borrow()[19], "19");
        assert!(lines.borrow()[20].contains("more lines"));
        at(61, "again");
        assert_eq!(lines.borrow().last().unwrap(), "again");
    }
}
