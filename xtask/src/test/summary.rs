//! What a run of steps amounts to: the failures, what was not run, and the one line of counts at the end.

use std::time::Instant;

use anyhow::Result;

use crate::count::Counts;

/// How a step ended.
pub(super) enum Outcome {
    Passed,
    Failed,
    /// A step that runs tests counts as its tests.
    Tests(Counts),
    /// Cannot be run here, and why.
    NotRun(String),
}

/// The steps so far.
#[derive(Default)]
pub(super) struct Run {
    /// Steps whose names lack this are passed over.
    only: Option<String>,
    counts: Counts,
    failures: Vec<String>,
    not_run: Vec<String>,
    seconds: Vec<(String, f64)>,
}

impl Run {
    /// Of the steps with a word in their name, or of all.
    pub(super) fn of(only: Option<String>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Runs one step, with its heading and its time.
    pub(super) fn step(&mut self, name: &str, run: impl FnOnce(&mut NotRun) -> Result<Outcome>) {
        if self.only.as_ref().is_some_and(|word| !name.contains(word)) {
            return;
        }
        println!("\n== {name}");
        let start = Instant::now();
        let mut not_run = NotRun::default();
        let outcome = run(&mut not_run);
        let seconds = start.elapsed().as_secs_f64();
        let ended = self.take(name, outcome);
        for line in not_run.0 {
            self.skip(line);
        }
        println!("-- {name}: {ended}, {seconds:.1} s");
        self.seconds.push((name.to_owned(), seconds));
    }

    fn take(&mut self, name: &str, outcome: Result<Outcome>) -> &'static str {
        match outcome {
            Ok(Outcome::Passed) => {
                self.counts.passed += 1;
                "passed"
            }
            Ok(Outcome::Failed) => self.fail(name.to_owned()),
            Err(error) => self.fail(format!("{name}: {error:#}")),
            Ok(Outcome::Tests(counts)) => {
                self.counts.add(&counts);
                if counts.failed == 0 {
                    return "passed";
                }
                let names = &counts.names_failed;
                self.failures.extend(names.iter().map(|test| format!("{name}: {test}")));
                if names.is_empty() {
                    self.failures.push(name.to_owned());
                }
                "failed"
            }
            Ok(Outcome::NotRun(why)) => {
                self.skip(format!("{name}: {why}"));
                "not run"
            }
        }
    }

    fn fail(&mut self, what: String) -> &'static str {
        self.counts.failed += 1;
        println!("failed: {what}");
        self.failures.push(what);
        "failed"
    }

    fn skip(&mut self, what: String) {
        println!("not run: {what}");
        self.counts.skipped += 1;
        self.not_run.push(what);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.counts.failed > 0
    }

    /// Times, what was not run, what failed; the last line is `N passed, N failed, N skipped`, which programs read.
    pub(super) fn summary(&self) -> String {
        let mut lines = vec![String::new()];
        lines.extend(self.seconds.iter().map(|(name, seconds)| format!("{seconds:8.1} s  {name}")));
        lines.push(String::new());
        lines.extend(self.not_run.iter().map(|line| format!("not run: {line}")));
        lines.extend(self.failures.iter().map(|line| format!("failed: {line}")));
        let Counts { passed, failed, skipped, .. } = &self.counts;
        lines.push(format!("{passed} passed, {failed} failed, {skipped} skipped"));
        lines.join("\n")
    }
}

/// Tests inside a step that said they could not run, as `NAME: WHY`.
#[derive(Default)]
pub(super) struct NotRun(pub Vec<String>);

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn last_line(run: &Run) -> String {
        run.summary().lines().last().unwrap().to_owned()
    }

    #[test]
    fn steps_and_their_tests_add_up() {
        let mut run = Run::default();
        run.step("a", |_| Ok(Outcome::Passed));
        run.step("b", |_| Ok(Outcome::NotRun("no such program".into())));
        run.step("c", |not_run| {
            not_run.0.push("broker: no mosquitto".into());
            let counts = Counts { passed: 5, skipped: 1, ..Counts::default() };
            Ok(Outcome::Tests(counts))
        });
        assert!(!run.has_failed());
        assert_eq!(last_line(&run), "6 passed, 0 failed, 3 skipped");
        assert!(run.summary().contains("\nnot run: b: no such program\n"));
        assert!(run.summary().contains("\nnot run: broker: no mosquitto\n"));
    }

    #[test]
    fn one_step_can_be_chosen() {
        let mut run = Run::of(Some("b".into()));
        run.step("a", |_| Ok(Outcome::Failed));
        run.step("b, and more", |_| Ok(Outcome::Passed));
        assert_eq!(last_line(&run), "1 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn failures_are_named_at_the_end() {
        let mut run = Run::default();
        run.step("a", |_| Ok(Outcome::Failed));
        run.step("b", |_| Err(anyhow!("no cargo")));
        run.step("c", |_| {
            let mut counts = Counts::default();
            counts.read("FAIL [ 0.1s] core x");
            counts.read("Summary [ 0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped");
            Ok(Outcome::Tests(counts))
        });
        run.step("d", |_| Ok(Outcome::Passed));
        assert!(run.has_failed());
        assert_eq!(last_line(&run), "3 passed, 3 failed, 0 skipped");
        assert!(run.summary().contains("\nfailed: a\nfailed: b: no cargo\nfailed: c: core x\n"));
    }
}
