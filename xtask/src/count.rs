//! How many tests passed, read from what nextest and `cargo test` print. Pure: a line in, counts out.
//! Does not know about steps.

use std::collections::BTreeSet;

/// Tests (or steps) by how they ended, and the names of those that failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    pub names_failed: BTreeSet<String>,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Takes what a line of test output says, if it says anything.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(totals) = nextest_totals(line) {
            self.add_totals(totals.split(','));
        } else if let Some(totals) = libtest_totals(line) {
            self.add_totals(totals.split(';'));
        } else if let Some(name) = failed_name(line) {
            self.names_failed.insert(name.to_owned());
        }
    }

    fn add_totals<'a>(&mut self, totals: impl Iterator<Item = &'a str>) {
        for total in totals {
            let Some((number, what)) = total.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what.split(" (").next().unwrap_or(what) {
                "passed" => self.passed += number,
                "failed" | "timed out" | "exec failed" => self.failed += number,
                "skipped" | "ignored" => self.skipped += number,
                _ => {} // "measured", "filtered out": not tests of this run
            }
        }
    }
}

/// `Summary [ 1.2s] 3/4 tests run: 2 passed (1 slow), 1 failed, 0 skipped`
fn nextest_totals(line: &str) -> Option<&str> {
    let (_, totals) = line.strip_prefix("Summary [")?.split_once(" run: ")?;
    Some(totals)
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`
fn libtest_totals(line: &str) -> Option<&str> {
    let (_, totals) = line.strip_prefix("test result: ")?.split_once(". ")?;
    Some(totals)
}

/// `FAIL [ 0.1s] (3/9) crate module::test` or `test module::test ... FAILED`
fn failed_name(line: &str) -> Option<&str> {
    let timed = ["FAIL [", "TIMEOUT [", "SIGABRT [", "SIGSEGV [", "SIGKILL ["];
    if let Some(rest) = timed.iter().find_map(|start| line.strip_prefix(start)) {
        let (_, name) = rest.split_once(']')?;
        let name = name.trim();
        return match name.strip_prefix('(').and_then(|n| n.split_once(") ")) {
            Some((_, name)) => Some(name.trim()),
            None => Some(name),
        };
    }
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> (u64, u64, u64) {
        let mut counts = Counts::default();
        text.lines().for_each(|line| counts.read(line));
        (counts.passed, counts.failed, counts.skipped)
    }

    #[test]
    fn nextest() {
        let text = "     Summary [   0.005s] 3 tests run: 2 passed, 1 failed, 4 skipped";
        assert_eq!(counts(text), (2, 1, 4));
        let text = "Summary [ 12.345s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(counts(text), (1, 0, 0));
    }

    #[test]
    fn nextest_with_slow_and_hung_tests() {
        let text = "Summary [ 90.0s] 9/12 tests run: 5 passed (1 slow, 2 flaky), 2 failed, 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(counts(text), (5, 4, 3));
    }

    #[test]
    fn libtest_adds_up_over_programs() {
        let text = "\
running 2 tests
test a ... ok
test b ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 5 passed; 0 failed; 1 ignored; 7 measured; 2 filtered out; finished in 0.01s";
        assert_eq!(counts(text), (6, 1, 1));
    }

    #[test]
    fn text_that_only_looks_like_it() {
        assert_eq!(counts("Summary of 3 passed, 2 failed\ntest result: none"), (0, 0, 0));
    }

    #[test]
    fn names_of_failures_are_kept_once() {
        let mut counts = Counts::default();
        counts.read("        FAIL [   0.004s] (1/3) xtask count::tests::x");
        counts.read("        FAIL [   0.004s] (1/3) xtask count::tests::x");
        counts.read("FAIL [   0.004s] xtask y");
        counts.read("test z ... FAILED");
        let names: Vec<_> = counts.names_failed.iter().map(String::as_str).collect();
        assert_eq!(names, ["xtask count::tests::x", "xtask y", "z"]);
    }
}
