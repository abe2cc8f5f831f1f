//! `explain` on the printed text: each kind of finding at the lines that it is about.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::fs;

use clap::Parser;
use oddline_agent::command::explain;
use oddline_core::time::EventTime;
use tempfile::TempDir;

#[path = "../../pipeline/src/tests/model.rs"]
mod model;

use model::{LEVEL, model};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    args: explain::Args,
}

/// A log in a folder of its own.
struct Explained {
    folder: TempDir,
    lines: Vec<String>,
}

impl Explained {
    fn new(lines: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.log"), lines.join("\n") + "\n").unwrap();
        Self { folder, lines }
    }

    fn with(&self, more: &[&str]) -> anyhow::Result<String> {
        let log = self.folder.path().join("app.log").display().to_string();
        let words = ["explain", &log].into_iter().chain(more.iter().copied());
        let mut out = Vec::new();
        explain::explain(&CommandLine::try_parse_from(words)?.args, model(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Of the only line that begins so.
    fn of(&self, begin: &str) -> String {
        self.with(&["--line", &self.number(begin).to_string()]).unwrap()
    }

    fn number(&self, begin: &str) -> usize {
        let found: Vec<usize> = (1..).zip(&self.lines).filter(|(_, l)| l.starts_with(begin)).map(|(n, _)| n).collect();
        let [number] = found[..] else { panic!("{begin}: lines {found:?}") };
        number
    }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros((1_767_571_200 + seconds) * 1_000_000)
}

/// A table of one stream on server a, a record a minute.
fn table(component: &str, value: impl Fn(i64) -> f64, records: i64) -> Vec<String> {
    let rows = (0..records).map(|i| format!("{},a,{component},{}", at(i * MINUTE), value(i)));
    std::iter::once("timestamp,server,component,value".to_owned()).chain(rows).collect()
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "NaN" || word == "inf"), "{text}");
}

#[test]
fn a_value_and_the_ones_around_it() {
    let odd = |i: i64| (100..102).contains(&i);
    let log = Explained::new(table("cpu", |i| if odd(i) { LEVEL + 20.0 } else { LEVEL }, 300));
    let first = log.of(&at(100 * MINUTE).to_string());
    let expected = [
        "line 102: 2026-01-05T01:40:00Z,a,cpu,70\n2026-01-05T01:40:00Z a cpu\n",
        "value 70, of a stream of character \"continuous\": 50 was expected, seen ",
        "ANOMALOUS: score ",
        "unexpected residual: 70, expected 50\n",
        "TOLD: 2026-01-05T01:40:00Z a cpu anomaly: unexpected residual: 70, expected 50, score",
        "20 above the expected 50",
    ];
    assert_has(&first, &expected);
    assert_has(&log.of(&at(101 * MINUTE).to_string()), &["ANOMALOUS: score", "TOLD: ", "anomaly goes on"]);
    let after = log.of(&at(106 * MINUTE).to_string());
    assert_has(&after, &["not anomalous: score", "anomaly ended at 2026-01-05T01:41:00Z"]);
    let usual = log.of(&at(200 * MINUTE).to_string());
    assert!(usual.ends_with("\nnot anomalous: score 0.000, threshold 1.000\n\n"), "{usual}");
    assert_eq!(log.with(&["--time", &at(200 * MINUTE).to_string()]).unwrap(), usual);
    let last = log.with(&[]).unwrap();
    assert_eq!(last, log.of(&at(101 * MINUTE).to_string()), "the last anomalous one");
    assert_eq!(log.with(&["--server", "a", "--component", "cpu"]).unwrap(), last);
    let error = |more: &[&str]| log.with(more).unwrap_err().to_string();
    assert!(error(&["--component", "disk"]).ends_with("no record of component disk in it is anomalous"));
    assert!(error(&["--line", "999"]).ends_with("no line 999: it has 301"));
    assert!(error(&["--time", "2027-01-01T00:00:00Z"]).ends_with("no record at 2027-01-01T00:00:00Z"));
}

#[test]
fn what_no_value_is_in_is_explained_too() {
    let mut lines = table("cpu", |_| LEVEL, 20);
    lines.insert(5, "# by hand".to_owned());
    lines.insert(9, "2026-01-05T00:07:30Z,a".to_owned());
    let log = Explained::new(lines);
    let header = log.with(&["--line", "1"]).unwrap();
    let nothing = "no record: a header, a comment or an empty line\n";
    assert_eq!(header, format!("line 1: timestamp,server,component,value\n{nothing}"));
    assert_has(&log.with(&["--line", "10"]).unwrap(), &["another number of fields than the header has"]);
    let trace = |i: i64| {
        let time = at(i * MINUTE).to_string().replace('Z', "+00:00");
        [format!("{time} a app[1]: ERROR failed"), "Traceback (most recent call last):".to_owned()]
    };
    let log = Explained::new((0..50).flat_map(trace).collect());
    assert_has(
        &log.with(&["--line", "20"]).unwrap(),
        &["it belongs to the record before it, which --line 19 explains"],
    );
}

#[test]
fn a_value_of_many_on_a_line() {
    let value = |i: i64, j: i64| if i == 90 && j == 4 { 900 } else { 10 * j + (i * 7 + j) % 5 };
    let row = |i: i64| {
        let values: Vec<String> = (0..6).map(|j| value(i, j).to_string()).collect();
        format!("{},{}", at(i * MINUTE), values.join(","))
    };
    let header = "time,m0,m1,m2,m3,m4,m5".to_owned();
    let log = Explained::new(std::iter::once(header).chain((0..100).map(row)).collect());
    let text = log.of(&at(90 * MINUTE).to_string());
    let others = ["ANOMALOUS", "value 900", " server: not anomalous, threshold 1.000\ncomponent ", "m0", "m5"];
    assert_has(&text, &others);
    assert_eq!(text.matches("score ").count(), 2 + 1, "in full, told, and at the head of the table:\n{text}");
    assert_has(&log.with(&[]).unwrap(), &["value 900"]);
}

#[test]
fn characters_that_an_agent_learns_have_their_own_words() {
    let constant = Explained::new(table("disk", |i| if i == 1_500 { 150.0 } else { 100.0 }, 1_600));
    assert_has(&constant.with(&[]).unwrap(), &["character \"constant\"", "150, always 100 before", "TOLD: "]);
    let few = Explained::new(table("state", |i| if i == 1_500 { 9.0 } else { (i * i % 3) as f64 }, 1_600));
    assert_has(&few.with(&[]).unwrap(), &["character \"few values\"", "9; known: 0, 1"]);
    let restart = |i: i64| if i < 1_500 { 1_000.0 + i as f64 * 60.0 } else { (i - 1_500) as f64 * 60.0 };
    let counter = Explained::new(table("bytes", restart, 1_600));
    let text = counter.of(&at(1_500 * MINUTE).to_string());
    assert_has(&text, &["character \"counter\"", "counter reset: 0 after 90940"]);
    let range = Explained::new(table("load", |i| if i == 60 { 500.0 } else { (i * 37 % 20) as f64 }, 70));
    assert_has(&range.with(&[]).unwrap(), &["outside the seen range", "the stream is still in warm-up"]);
}

/// Six days of two components: one stops for three hours, another one appears, one has six times its rate for a while and
/// one says that it is critical; in the end the whole source is off for two hours.
fn text_log() -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |s: i64, component: &str, text: &str| {
        lines.push(format!("{} a {component}[1]: {text}", at(s).to_string().replace('Z', "+00:00")));
    };
    for s in (0..6 * DAY).step_by(20) {
        if (5 * DAY + 10 * HOUR..5 * DAY + 12 * HOUR).contains(&s) {
            continue;
        }
        let is_busy = (4 * DAY + 9 * HOUR..4 * DAY + 9 * HOUR + 1_200).contains(&s);
        for n in 0..if is_busy { 6 } else { 1 } {
            line(s, "web", &format!("INFO: served {n}"));
        }
        if s % 60 == 0 && !(3 * DAY + 5 * HOUR < s && s < 3 * DAY + 8 * HOUR) {
            line(s, "db", "INFO: checkpoint");
        }
        if s == 4 * DAY {
            line(s, "miner", "INFO: hello");
        }
        if s == 4 * DAY + 20 * HOUR {
            line(s, "db", "CRITICAL: on fire");
        }
    }
    lines
}

fn begin(s: i64, component: &str) -> String {
    format!("{} a {component}", at(s).to_string().replace('Z', "+00:00"))
}

#[test]
fn a_silence_is_shown_before_and_after_it() {
    let log = Explained::new(text_log());
    let (stop, back) = (3 * DAY + 5 * HOUR, 3 * DAY + 8 * HOUR);
    let before = log.of(&begin(stop, "db"));
    let told = log.number(&begin(stop + 320, "web"));
    let expected = [
        "2026-01-08T05:00:00Z a db, level info\n",
        "a pause of 60 s before it, usually at most 86 s, too long from 5 min on\n",
        &format!(
            "TOLD AT LINE {told}: 2026-01-08T05:00:00Z a db silent until 2026-01-08T05:05:20Z, usually at most 86 s\n"
        ),
    ];
    assert_has(&before, &expected);
    let after = log.of(&begin(back, "db"));
    assert_has(&after, &["a pause of 3 h before it, usually at most 86 s", "TOLD: ", "silent for 3 h, score"]);
    assert_has(&log.with(&["--line", &told.to_string()]).unwrap(), &["TOLD: 2026-01-08T05:00:00Z a db silent until"]);
    let usual = log.of(&begin(stop - 20, "web"));
    assert!(usual.ends_with("nothing is said of it\n\n"), "{usual}");
}

#[test]
fn what_only_the_clock_can_tell_is_told_as_that() {
    let log = Explained::new(text_log());
    let (stop, back) = (5 * DAY + 10 * HOUR, 5 * DAY + 12 * HOUR);
    let by_clock = "TOLD BY THE CLOCK, to whoever listens to the log: 2026-01-10T09:59:00Z a silent until";
    for line in [begin(stop - 60, "db"), begin(stop - 20, "web"), begin(back, "web")] {
        let text = log.of(&line);
        assert_eq!(text.matches(by_clock).count(), 1, "{text}");
    }
    assert_has(&log.of(&begin(back, "web")), &["a pause of 2 h before it", "silent for 2 h, score"]);
    let last = log.with(&["--line", &log.lines.len().to_string()]).unwrap();
    assert_has(&last, &["IF NOTHING MORE COMES: ", " a silent until 2026-01-11T00:"]);
    let miner = log.of(&begin(4 * DAY, "miner"));
    assert!(!miner.contains("silent"), "others spoke for a day after it: {miner}");
}

#[test]
fn a_rate_is_shown_for_the_lines_of_its_interval_and_news_for_its_line() {
    let log = Explained::new(text_log());
    let start = 4 * DAY + 9 * HOUR;
    let line = log.lines.iter().position(|line| line.starts_with(&begin(start + 320, "web"))).unwrap() + 1;
    let expected = [
        "in the 5 minutes from 2026-01-09T09:05:00Z on: 6.0 times the usual rate: 90 records in 5 minutes, usually 15\n",
        "TOLD AT LINE ",
        "a web anomaly goes on: 6.0 times the usual rate",
        "2 intervals\n",
    ];
    assert_has(&log.with(&["--line", &line.to_string()]).unwrap(), &expected);
    let miner = log.of(&begin(4 * DAY, "miner"));
    assert_has(&miner, &["the first record of its stream\n", "TOLD: ", "component seen for the first time"]);
    let last = log.with(&[]).unwrap();
    assert_has(&last, &["CRITICAL: on fire\nTOLD: ", "first message of level critical from this component"]);
}
