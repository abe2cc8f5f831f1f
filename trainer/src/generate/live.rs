//! A log that grows in real or sped-up time, for agents to follow. The pace is decided in pure
//! code; the driver below it sleeps and appends. The file is opened anew for every batch, so that
//! it may be rotated by renaming at any time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::records::{Records, records_after_event};
use super::report::{GeneratorTally, LogReport};
use super::scenario::Scenario;
use super::write::{KINDS_HEADER, LOG_HEADER, blame, kinds_path, write_kind, write_row};

/// Bounds the memory of a batch however fast the time runs: about 1 MB.
const BATCH_RECORDS_MAX: usize = 20_000;
/// Sped-up time writes at most 20 batches a second instead of one for every record.
const SLEEP_MIN: Duration = Duration::from_millis(50);
/// A far record must not make a `Duration` overflow.
const SLEEP_S_MAX: f64 = 3600.0;

#[derive(Clone, Debug)]
pub(super) struct LiveOptions {
    pub path: PathBuf,
    /// Simulated seconds per real second.
    pub speed: f64,
    /// Real seconds; infinite: until it is stopped.
    pub for_s: f64,
}

/// Appends the scenario's records as their time comes, until `for_s` is over.
///
/// # Errors
/// `ScenarioError`, or what the file system says, with the file's name and advice.
pub(super) fn follow(scenario: &Scenario, live: &LiveOptions) -> Result<LogReport> {
    let log = LiveTail { path: live.path.clone(), header: LOG_HEADER };
    let kinds = LiveTail { path: kinds_path(&live.path), header: KINDS_HEADER };
    log.begin()?;
    kinds.begin()?;
    // An event has a row at least: numbers above the rows are new.
    let records = records_after_event(scenario, kinds.rows()?)?;
    let mut feed = Feed::new(records, scenario.start_s, live);
    let begun = Instant::now();
    loop {
        let batch = feed.take(begun.elapsed().as_secs_f64());
        // The truth first: no record is seen before it.
        kinds.append(&batch.kinds)?;
        log.append(&batch.rows)?;
        match batch.next {
            NextRecord::Now => {}
            NextRecord::In(length) => pause(length),
            NextRecord::Never => return Ok(feed.tally.report(&log.path, &kinds.path)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "keeping real time is what a live log is for")]
fn pause(length: Duration) {
    thread::sleep(length.max(SLEEP_MIN));
}

/// What is due at which real time.
struct Feed {
    records: Peekable<Records>,
    start_s: i64,
    speed: f64,
    for_s: f64,
    tally: GeneratorTally,
}

#[derive(Debug, PartialEq)]
enum NextRecord {
    /// More is due than a batch holds.
    Now,
    In(Duration),
    Never,
}

struct LiveBatch {
    rows: Vec<u8>,
    kinds: Vec<u8>,
    next: NextRecord,
}

impl Feed {
    fn new(records: Records, start_s: i64, live: &LiveOptions) -> Feed {
        Feed {
            records: records.peekable(),
            start_s,
            speed: live.speed,
            for_s: live.for_s,
            tally: GeneratorTally::default(),
        }
    }

    /// The records due `elapsed_s` real seconds after the start that were not taken before.
    fn take(&mut self, elapsed_s: f64) -> LiveBatch {
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..BATCH_RECORDS_MAX {
            let Some(due_s) = self.due_s() else {
                return LiveBatch { rows, kinds, next: NextRecord::Never };
            };
            if due_s > elapsed_s {
                let pause = Duration::from_secs_f64((due_s - elapsed_s).min(SLEEP_S_MAX));
                return LiveBatch { rows, kinds, next: NextRecord::In(pause) };
            }
            if let Some(record) = self.records.next() {
                self.tally.count(&record);
                write_row(&mut rows, &record).expect("memory takes every row");
                write_kind(&mut kinds, &record).expect("memory takes every row");
            }
        }
        LiveBatch { rows, kinds, next: NextRecord::Now }
    }

    /// Real seconds from the start to the next record; `None` if it is past the end.
    fn due_s(&mut self) -> Option<f64> {
        let record = self.records.peek()?;
        let due_s = (record.time_s - self.start_s) as f64 / self.speed;
        (due_s < self.for_s).then_some(due_s)
    }
}

/// A file with a header that only grows.
struct LiveTail {
    path: PathBuf,
    header: &'static str,
}

impl LiveTail {
    /// Creates the file and its folder; ends a line that a killed process has left open.
    fn begin(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| blame(folder, error))?;
        self.append_or_create(b"").map_err(|error| blame(&self.path, error))?;
        let ended = self.ends_in_newline().map_err(|error| blame(&self.path, error))?;
        self.append(if ended { b"" } else { b"\n" })
    }

    /// Whole lines, in one write.
    fn append(&self, rows: &[u8]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.append_or_create(rows).map_err(|error| blame(&self.path, error))
    }

    fn append_or_create(&self, rows: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        if file.metadata()?.len() == 0 {
            file.write_all(&[self.header.as_bytes(), rows].concat())?;
        } else {
            file.write_all(rows)?;
        }
        file.flush()
    }

    fn ends_in_newline(&self) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }

    fn rows(&self) -> Result<u64> {
        let file = File::open(&self.path).map_err(|error| blame(&self.path, error))?;
        let mut reader = BufReader::new(file);
        let mut lines = 0_u64;
        loop {
            let read = reader.skip_until(b'\n').map_err(|error| blame(&self.path, error))?;
            if read == 0 {
                return Ok(lines.saturating_sub(1));
            }
            lines += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::records::records;
    use super::*;

    fn scenario(start_s: i64) -> Scenario {
        Scenario { servers: 1..2, start_s, training_days: 0, ..Scenario::default() }
    }

    /// An hour of records in no time.
    fn hour(path: PathBuf) -> LiveOptions {
        LiveOptions { path, speed: 3.6e6, for_s: 0.001 }
    }

    #[test]
    fn a_restart_keeps_one_header_and_new_event_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let live = LiveOptions { for_s: 0.02, ..hour(folder.path().join("a/live.log")) };
        let first = follow(&scenario(86_400 * 400), &live).unwrap();
        OpenOptions::new()
            .append(true)
            .open(&live.path)
            .and_then(|mut file| file.write_all(b"1971-02-05T00:00"))
            .unwrap();
        let second = follow(&scenario(86_400 * 401), &live).unwrap();
        let log = fs::read_to_string(&live.path).unwrap();
        let rows: Vec<&str> = log.lines().collect();
        assert_eq!(rows[0], LOG_HEADER.trim_end());
        assert_eq!(rows.iter().filter(|row| row.starts_with("timestamp")).count(), 1);
        let broken = rows.iter().filter(|row| row.split(',').count() != 5).count();
        assert_eq!(broken, 1, "the line cut short stands alone");
        assert_eq!(rows.len() as u64, 2 + first.records + second.records);
        let kinds = fs::read_to_string(folder.path().join("a/live.kinds.csv")).unwrap();
        let number = |row: &str| row.split(',').nth(4).and_then(|number| number.parse().ok());
        let numbers =
            |day: &str| -> Vec<u64> { kinds.lines().filter(|row| row.starts_with(day)).filter_map(number).collect() };
        let (before, after) = (numbers("1971-02-05"), numbers("1971-02-06"));
        assert!(before.iter().max() < after.iter().min(), "{before:?} {after:?}");
    }

    #[test]
    fn it_writes_the_records_of_its_scenario_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let live = hour(folder.path().join("live.log"));
        let report = follow(&scenario(0), &live).unwrap();
        let mut expected = LOG_HEADER.as_bytes().to_vec();
        for record in records(&scenario(0)).unwrap().take_while(|record| record.time_s < 3600) {
            write_row(&mut expected, &record).unwrap();
        }
        assert_eq!(fs::read(&live.path).unwrap(), expected);
        assert_eq!(report.path, live.path);
    }

    #[test]
    fn the_pace_follows_the_speed() {
        let live = LiveOptions { path: PathBuf::new(), speed: 60.0, for_s: 3.0 };
        let mut feed = Feed::new(records(&scenario(0)).unwrap(), 0, &live);
        let rows = |batch: &LiveBatch| batch.rows.iter().filter(|byte| **byte == b'\n').count();
        let first = feed.take(0.5);
        assert_eq!(rows(&first), 6);
        let NextRecord::In(pause) = first.next else { panic!("{:?}", first.next) };
        assert!((0.5..0.7).contains(&pause.as_secs_f64()), "{pause:?}");
        assert_eq!(rows(&feed.take(0.5)), 0);
        let rest = feed.take(100.0);
        assert_eq!((rows(&rest), rest.next), (12, NextRecord::Never));
    }

    #[test]
    fn a_full_batch_goes_on_without_a_pause() {
        let live = LiveOptions { path: PathBuf::new(), speed: 1.0, for_s: f64::INFINITY };
        let mut feed = Feed::new(records(&scenario(0)).unwrap(), 0, &live);
        assert_eq!(feed.take(1e9).next, NextRecord::Now);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_names_the_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let text = format!("{:#}", follow(&scenario(0), &hour(path)).unwrap_err());
        assert!(text.contains("live.log") && text.contains("free some space"), "{text}");
    }
}
