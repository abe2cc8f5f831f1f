//! How many units of systemd have failed, asked once a minute of `systemctl`. Nobody waits for the answer: it is taken with
//! a later reading, and a child that does not answer is killed. Where there is no systemd, there is no value.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const ASK_EVERY: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Of the answer, `NFailedUnits=0`.
const ANSWER_BYTES_MAX: u64 = 256;

/// The count as it was asked last.
#[derive(Debug, Default)]
pub(super) struct FailedUnits {
    child: Option<(Child, Instant)>,
    asked: Option<Instant>,
}

impl FailedUnits {
    /// Asks when it is time to; an answer that has come since, once.
    pub(super) fn count(&mut self, now: Instant) -> Option<f64> {
        let answer = self.answer(now);
        let is_due = self.asked.is_none_or(|at| now.duration_since(at) >= ASK_EVERY);
        if is_due && self.child.is_none() {
            self.asked = Some(now);
            let mut command = Command::new("systemctl");
            command.args(["show", "--property=NFailedUnits"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            self.child = command.spawn().ok().map(|child| (child, now));
        }
        answer
    }

    fn answer(&mut self, now: Instant) -> Option<f64> {
        let (child, since) = self.child.as_mut()?;
        match child.try_wait() {
            Ok(None) if now.duration_since(*since) < ANSWER_WITHIN => return None,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                end(child);
                self.child = None;
                return None;
            }
        }
        let (mut child, _) = self.child.take()?;
        let mut text = String::new();
        child.stdout.take()?.take(ANSWER_BYTES_MAX).read_to_string(&mut text).ok()?;
        failed(&text)
    }
}

impl Drop for FailedUnits {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

fn failed(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("NFailedUnits="))?.trim().parse::<u32>().ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_count_or_nothing() {
        assert_eq!(failed("NFailedUnits=3\n"), Some(3.0));
        for text in ["", "NFailedUnits=\n", "Failed to connect to bus\n", "NFailedUnits=-1"] {
            assert_eq!(failed(text), None, "{text:?}");
        }
    }
}
