//! Files named after the time they were begun, on real folders: each line once, in order, over midnight and restarts.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use oddline_agent::source::{Opener, SeriesPosition, SeriesTail, SourceGap, SourceItem, StartPosition};
use oddline_testkit::Random;

struct Series {
    dir: tempfile::TempDir,
    pattern: &'static str,
    tail: SeriesTail,
    now: Instant,
    /// One second a write.
    clock: u64,
}

impl Series {
    fn new(pattern: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tail = SeriesTail::new(&dir.path().join(pattern), StartPosition::Start, Opener::following_links());
        Self { dir, pattern, tail, now: Instant::now(), clock: 0 }
    }

    fn begin(&mut self, begin: StartPosition<SeriesPosition>) {
        self.tail = SeriesTail::new(&self.dir.path().join(self.pattern), begin, Opener::following_links());
    }

    /// Restarts from the position, with all files that are there.
    fn restart(&mut self) {
        let position = postcard::to_stdvec(&self.tail.position().unwrap()).unwrap();
        self.begin(StartPosition::After(postcard::from_bytes(&position).unwrap()));
        self.look();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&mut self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.stamp(&file);
    }

    /// So that files are told apart that were written at once; names with a date need none.
    fn stamp(&mut self, file: &File) {
        if self.pattern.starts_with("app") {
            return;
        }
        self.clock += 1;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_571_200 + self.clock)).unwrap();
    }

    /// What a look at the folder finds.
    fn look(&mut self) {
        self.tail.add(fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()));
    }

    fn read(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..100_000 {
            self.now += Duration::from_secs(1);
            match self.tail.next(self.now).unwrap() {
                SourceItem::File => found.push("FILE".to_owned()),
                SourceItem::Line(line) => found.push(String::from_utf8_lossy(line.bytes).into_owned()),
                SourceItem::Gap(SourceGap { cause, bytes, exact }) => found.push(format!("{cause:?} {bytes} {exact}")),
                SourceItem::Wait => {}
                SourceItem::End | SourceItem::Closed => return found,
            }
        }
        panic!("never read to its end: {found:?}");
    }

    /// For so many polls.
    fn read_long(&mut self) -> Vec<String> {
        (0..40).flat_map(|_| self.read()).collect()
    }
}

#[test]
fn days_are_read_one_after_the_other_and_the_newest_is_followed() {
    let mut series = Series::new("app-*.log");
    series.append("app-2026-11-21.log", "three\n");
    series.append("app-2026-11-19.log", "one\n");
    series.append("app-2026-11-20.log", "two\n");
    series.look();
    assert_eq!(series.read(), ["FILE", "one", "FILE", "two", "FILE", "three"]);
    series.append("app-2026-11-21.log", "four\n");
    assert_eq!(series.read(), ["four"]);
    // Over midnight; the writer changes over late.
    series.append("app-2026-11-22.log", "six\n");
    series.append("app-2026-11-21.log", "five\n");
    series.look();
    assert_eq!(series.read(), ["five", "FILE", "six"]);
    series.append("app-2026-11-21.log", "late\n");
    assert_eq!(series.read(), ["late"]);
    assert_eq!(series.read_long(), [""; 0]);
    series.restart();
    assert_eq!(series.read_long(), [""; 0], "nothing is read twice");
    // While nobody read, in the old one, in the new one, and another day.
    series.append("app-2026-11-21.log", "later\n");
    series.append("app-2026-11-22.log", "seven\n");
    series.append("app-2026-11-23.log", "eight\n");
    series.restart();
    assert_eq!(series.read(), ["later", "seven", "FILE", "eight"]);
}

#[test]
fn reading_from_the_end_leaves_what_was_there() {
    let mut series = Series::new("app-*.log");
    series.append("app-20261120.log", "one\n");
    series.append("app-20261121.log", "two\n");
    series.begin(StartPosition::End);
    series.look();
    assert!(!series.read().iter().any(|line| line != "FILE"));
    series.append("app-20261121.log", "three\n");
    series.append("app-20261120.log", "late\n");
    let mut found = series.read();
    found.sort();
    assert_eq!(found, ["late", "three"]);
    series.append("app-20261122.log", "four\n");
    series.restart();
    assert_eq!(series.read_long(), ["FILE", "four"]);
}

#[test]
fn the_parts_of_a_day_follow_each_other() {
    let mut series = Series::new("log*.txt");
    for (name, line) in [("log20261120_002.txt", "c\n"), ("log20261120.txt", "a\n"), ("log20261120_001.txt", "b\n")] {
        series.append(name, line);
    }
    series.look();
    assert_eq!(series.read(), ["FILE", "a", "FILE", "b", "FILE", "c"]);
}

#[test]
fn a_last_line_without_an_end_does_not_hold_up_the_next_day() {
    let mut series = Series::new("app-*.log");
    series.append("app-2026-11-20.log", "one\npart");
    series.look();
    assert_eq!(series.read(), ["FILE", "one"]);
    series.append("app-2026-11-21.log", "two\n");
    series.look();
    assert_eq!(series.read(), ["FILE", "two"]);
    series.append("app-2026-11-20.log", "ly\nlast");
    assert_eq!(series.read(), ["partly"]);
    assert_eq!(series.read_long(), ["last"]);
    series.restart();
    assert_eq!(series.read_long(), [""; 0]);
}

#[test]
fn names_that_come_again_go_on_from_week_to_week() {
    let mut series = Series::new("postgresql-*.log");
    for (day, name) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"].into_iter().enumerate() {
        let path = series.path(&format!("postgresql-{name}.log"));
        // As log_truncate_on_rotation does it.
        let mut file = File::create(path).unwrap();
        file.write_all(format!("day {day}\n").as_bytes()).unwrap();
        series.stamp(&file);
        series.look();
        let found: Vec<String> = series.read_long().into_iter().filter(|line| line != "FILE").collect();
        assert_eq!(found, [format!("day {day}")], "{name}");
        if day % 3 == 2 {
            series.restart();
        }
    }
    // Appended to, and written to for a while.
    series.append("postgresql-Thu.log", "more\n");
    assert_eq!(series.read_long(), ["more"]);
    series.append("postgresql-Thu.log", "and more\n");
    assert_eq!(series.read_long(), ["and more"]);
}

#[test]
fn a_day_that_was_deleted_is_told_when_it_was_not_read() {
    let mut series = Series::new("app-*.log");
    series.append("app-2026-11-20.log", "one\n");
    series.append("app-2026-11-21.log", "two\n");
    series.look();
    series.read();
    fs::remove_file(series.path("app-2026-11-20.log")).unwrap();
    assert_eq!(series.read_long(), [""; 0], "retention takes what was read");
    series.restart();
    assert_eq!(series.read_long(), [""; 0]);
    series.append("app-2026-11-22.log", "three\n");
    series.look();
    assert_eq!(series.read(), ["FILE", "three"]);
    assert!(series.tail.is_there());
}

#[test]
fn a_day_that_is_made_late_is_read_and_one_that_was_read_long_ago_is_not() {
    let mut series = Series::new("app-*.log");
    for day in 10..28 {
        series.append(&format!("app-2026-11-{day}.log"), "line\n");
    }
    for entry in fs::read_dir(series.dir.path()).unwrap() {
        let file = File::options().append(true).open(entry.unwrap().path()).unwrap();
        let old = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(3_600);
        file.set_modified(old).unwrap();
    }
    series.look();
    assert_eq!(series.read_long().iter().filter(|line| *line == "line").count(), 18);
    series.restart();
    assert_eq!(series.read_long(), [""; 0], "made after they were written, as copies are");
    series.append("app-2026-11-09.log", "late\n");
    series.look();
    let tells = fs::metadata(series.path("app-2026-11-09.log")).unwrap().created().is_ok();
    assert!(!tells || series.read_long().contains(&"late".to_owned()));
}

/// A writer that goes on from day to day, adds to old days, reads at any time and is killed at any time.
#[test]
fn every_line_of_every_day_is_delivered_once() {
    for seed in 0..300 {
        let mut random = Random::new(seed + 1);
        let mut series = Series::new("app-*.log");
        let (mut day, mut written, mut seen) = (1_u64, Vec::new(), Vec::new());
        let mut committed: (Option<Vec<u8>>, usize) = (None, 0);
        let name = |day: u64| format!("app-2026-11-{day:02}.log");
        for step in 0..60 {
            match random.below(10) {
                0 if day < 28 => day += 1,
                0..=4 => {
                    let old = day.saturating_sub(random.below(4));
                    let of = if series.path(&name(old)).exists() { old } else { day };
                    let line = format!("{of} {step}");
                    // A part first: the line is whole before anyone waits for too long.
                    series.append(&name(of), &line[..1]);
                    if random.below(3) == 0 {
                        series.look();
                        seen.extend(series.read());
                    }
                    series.append(&name(of), &(line[1..].to_owned() + "\n"));
                    written.push(line);
                }
                5 | 6 => {
                    series.look();
                    seen.extend(series.read());
                }
                7 | 8 => {
                    let position = series.tail.position().map(|position| postcard::to_stdvec(&position).unwrap());
                    committed = (position, seen.len());
                }
                _ => {
                    seen.truncate(committed.1);
                    let begin = committed.0.as_ref().map_or(StartPosition::Start, |position| {
                        StartPosition::After(postcard::from_bytes(position).unwrap())
                    });
                    series.begin(begin);
                }
            }
        }
        series.look();
        seen.extend(series.read_long());
        seen.extend(series.read_long());
        seen.retain(|line| line != "FILE");
        let (mut found, mut expected) = (seen.clone(), written);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "seed {seed}");
    }
}
