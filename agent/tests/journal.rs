//! The journal through a stand-in for journalctl, and through the real one where it is installed.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use oddline_agent::source::{
    GapCause, Journal, JournalPosition, SourceError, SourceItem, StartPosition, journal::JournalCommand,
};
use oddline_testkit::not_run;

/// Prints the entries of a file from the cursor's on, or all where there is none, and waits to be killed.
const STAND_IN: &str = r#"#!/bin/sh
dir=$(dirname "$0")
echo "$@" >> "$dir/calls"
for argument; do case $argument in --cursor=*) cursor=${argument#--cursor=};; --lines=1) last=1;; esac; done
if [ -n "$last" ]; then tail -n 1 "$dir/entries"
elif [ -n "$cursor" ] && grep -q "\"$cursor\"" "$dir/entries"; then sed -n "/\"$cursor\"/,\$p" "$dir/entries"
else cat "$dir/entries"; fi
if [ -e "$dir/fail" ]; then echo "first words" >&2; echo "disk on fire" >&2; exit 3; fi
exec sleep 60
"#;

struct StandIn(tempfile::TempDir);

impl StandIn {
    fn new(entries: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("journalctl");
        // Written by another process: a fork of this one must not hold it open for writing when it is started.
        let mut cp = Command::new("tee").arg(&program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        cp.stdin.take().unwrap().write_all(STAND_IN.as_bytes()).unwrap();
        assert!(cp.wait().unwrap().success());
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("entries"), entries).unwrap();
        Self(dir)
    }

    fn open(&self, begin: StartPosition<JournalPosition>) -> Journal {
        let program = self.0.path().join("journalctl").to_str().unwrap().to_owned();
        Journal::new(JournalCommand { program, arguments: vec!["--directory=/nowhere".to_owned()] }, begin)
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.0.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn entry(cursor: u32, message: &str) -> String {
    format!("{{\"MESSAGE\":\"{message}\",\"__CURSOR\":\"i={cursor}\",\"__REALTIME_TIMESTAMP\":\"1\"}}\n")
}

/// Messages and gaps, at least `count`, until nothing more comes.
fn read(journal: &mut Journal, count: usize) -> Result<Vec<String>, SourceError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut found = Vec::new();
    while Instant::now() < deadline {
        match journal.next()? {
            SourceItem::Line(line) => {
                let text = String::from_utf8_lossy(line.bytes).into_owned();
                let message = text.split_once("\"MESSAGE\":\"").map_or("", |(_, rest)| rest);
                found.push(message.split('"').next().unwrap_or_default().chars().take(20).collect());
            }
            SourceItem::Gap(gap) => {
                assert_eq!(gap.cause, GapCause::Vacuumed);
                found.push("GAP".to_owned());
            }
            SourceItem::End if found.len() >= count => return Ok(found),
            SourceItem::End | SourceItem::Wait => std::thread::yield_now(),
            item => panic!("{item:?}"),
        }
    }
    panic!("never read to its end, but {found:?}");
}

fn stored(journal: &Journal) -> StartPosition<JournalPosition> {
    let bytes = postcard::to_stdvec(&journal.position().unwrap()).unwrap();
    StartPosition::After(postcard::from_bytes(&bytes).unwrap())
}

#[test]
fn reading_goes_on_after_the_entry_taken_last() {
    let journalctl = StandIn::new(&(entry(1, "one") + &entry(2, "two")));
    let mut journal = journalctl.open(StartPosition::Start);
    assert_eq!(read(&mut journal, 2).unwrap(), ["one", "two"]);
    let begin = stored(&journal);
    drop(journal);
    journalctl.write("entries", &(entry(3, "three") + &entry(4, "four")));
    assert_eq!(read(&mut journalctl.open(begin), 2).unwrap(), ["three", "four"]);
    let calls = fs::read_to_string(journalctl.0.path().join("calls")).unwrap();
    assert!(calls.contains("--all --output=json") && calls.contains("--cursor=i=2 --directory=/nowhere"), "{calls}");
}

#[test]
fn from_the_end_nothing_old_is_read_and_the_place_is_known() {
    let journalctl = StandIn::new(&(entry(1, "one") + &entry(2, "two")));
    let mut journal = journalctl.open(StartPosition::End);
    assert_eq!(read(&mut journal, 0).unwrap(), [""; 0]);
    let begin = stored(&journal);
    journalctl.write("entries", &entry(3, "three"));
    assert_eq!(read(&mut journalctl.open(begin), 1).unwrap(), ["three"]);
}

#[test]
fn from_the_end_an_entry_that_is_new_is_read_although_it_is_the_first() {
    let new = entry(1, "new").replace("\"1\"}", "\"9999999999999999\"}");
    let journalctl = StandIn::new(&new);
    assert_eq!(read(&mut journalctl.open(StartPosition::End), 1).unwrap(), ["new"]);
}

#[test]
fn a_vacuumed_journal_is_a_gap_told_once() {
    let journalctl = StandIn::new(&entry(1, "one"));
    let mut journal = journalctl.open(StartPosition::Start);
    assert_eq!(read(&mut journal, 1).unwrap(), ["one"]);
    let begin = stored(&journal);
    fs::write(journalctl.0.path().join("entries"), entry(5, "five") + &entry(6, "six")).unwrap();
    assert_eq!(read(&mut journalctl.open(begin.clone()), 3).unwrap(), ["GAP", "five", "six"]);
    // Killed between the gap and the entry after it.
    let mut journal = journalctl.open(begin);
    while !matches!(journal.next().unwrap(), SourceItem::Gap(_)) {}
    let begin = stored(&journal);
    assert_eq!(read(&mut journalctl.open(begin), 2).unwrap(), ["five", "six"]);
}

#[test]
fn an_entry_too_long_to_show_its_cursor_is_not_repeated() {
    let long = "x".repeat(300 * 1024);
    let journalctl = StandIn::new(&(entry(1, "one") + &entry(2, &long) + &entry(3, &long)));
    let mut journal = journalctl.open(StartPosition::Start);
    assert_eq!(read(&mut journal, 3).unwrap().len(), 3);
    let begin = stored(&journal);
    journalctl.write("entries", &entry(4, "four"));
    assert_eq!(read(&mut journalctl.open(begin), 1).unwrap(), ["four"]);
}

#[test]
fn own_entries_are_passed_over_and_count_as_taken() {
    let own = "{\"__CURSOR\":\"i=2\",\"MESSAGE\":\"own\",\"_SYSTEMD_UNIT\":\"oddline-agent.service\"}\n";
    let journalctl = StandIn::new(&(entry(1, "one") + own));
    let mut journal = journalctl.open(StartPosition::Start);
    assert_eq!(read(&mut journal, 1).unwrap(), ["one"]);
    let begin = stored(&journal);
    fs::write(journalctl.0.path().join("entries"), own.to_owned() + &entry(3, "three")).unwrap();
    assert_eq!(read(&mut journalctl.open(begin), 1).unwrap(), ["three"]);
}

#[test]
fn a_child_that_ends_is_an_error_and_another_takes_over() {
    let journalctl = StandIn::new(&entry(1, "one"));
    journalctl.write("fail", "");
    let mut journal = journalctl.open(StartPosition::Start);
    let mut found = 0;
    let error = loop {
        match journal.next() {
            Ok(SourceItem::Line(_)) => found += 1,
            Ok(_) => std::thread::yield_now(),
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(found, 1);
    assert!(error.contains("exit status: 3") && error.contains("disk on fire"), "{error}");
    fs::remove_file(journalctl.0.path().join("fail")).unwrap();
    journalctl.write("entries", &entry(2, "two"));
    assert_eq!(read(&mut journal, 1).unwrap(), ["two"]);
    let nobody = JournalCommand { program: "/nowhere/journalctl".to_owned(), arguments: Vec::new() };
    let error = Journal::new(nobody, StartPosition::Start).next().unwrap_err();
    assert!(matches!(error, SourceError::Start { .. }), "{error}");
}

#[test]
fn the_real_journal_is_read() {
    const WRITER: &str = "/lib/systemd/systemd-journal-remote";
    if !Path::new(WRITER).exists() || Command::new("journalctl").arg("--version").output().is_err() {
        not_run("the_real_journal_is_read", "needs journalctl and systemd-journal-remote");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, from: u64| {
        let mut child = Command::new(WRITER)
            .args(["-o", dir.path().join(file).to_str().unwrap(), "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for n in from..from + 20 {
            let time = 1_767_571_200_000_000 + n;
            let long = "x".repeat(if n == 3 { 5_000 } else { 0 });
            writeln!(stdin, "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={n}").unwrap();
            writeln!(stdin, "_BOOT_ID=0123456789abcdef0123456789abcdef\nMESSAGE=entry {n} {long}\n").unwrap();
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    };
    write("a.journal", 0);
    let arguments = vec![format!("--directory={}", dir.path().display())];
    let reader = JournalCommand { program: "journalctl".to_owned(), arguments };
    let mut journal = Journal::new(reader.clone(), StartPosition::Start);
    let messages = |range: std::ops::Range<u64>| range.map(|n| format!("entry {n} ")).collect::<Vec<_>>();
    let short = |found: Vec<String>| found.iter().map(|m| m.trim_end_matches('x').to_owned()).collect::<Vec<_>>();
    let found = short(read(&mut journal, 20).unwrap());
    assert_eq!(found, messages(0..20));
    let begin = stored(&journal);
    drop(journal);
    write("b.journal", 20);
    let mut journal = Journal::new(reader.clone(), begin.clone());
    let found = short(read(&mut journal, 20).unwrap());
    assert_eq!(found, messages(20..40));
    fs::remove_file(dir.path().join("a.journal")).unwrap();
    let mut journal = Journal::new(reader, begin);
    let found = short(read(&mut journal, 21).unwrap());
    assert_eq!((found[0].as_str(), &found[1..]), ("GAP", &messages(20..40)[..]));
}
