//! The tail on real files: cases with exact figures, beside the model test.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use oddline_agent::source::{FilePosition, FileTail, Opener, SourceError, SourceGap, SourceItem, StartPosition};

struct Log {
    dir: tempfile::TempDir,
    tail: Slow,
}

/// A tail that is asked once a second.
struct Slow(FileTail, Instant);

impl Slow {
    fn new(path: &Path, begin: StartPosition<FilePosition>) -> Self {
        Self(FileTail::new(path, begin, Opener::following_links()), Instant::now())
    }

    fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        self.1 += Duration::from_secs(1);
        self.0.next(self.1)
    }
}

impl Log {
    fn new(begin: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, begin).unwrap();
        Self { tail: Slow::new(&path, StartPosition::Start), dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Restarts from the position.
    fn restart(&mut self) {
        let position = self.tail.0.position().unwrap();
        let begin = StartPosition::After(
            postcard::from_bytes::<FilePosition>(&postcard::to_stdvec(&position).unwrap()).unwrap(),
        );
        self.tail = Slow::new(&self.path("app.log"), begin);
    }

    fn read(&mut self) -> Vec<String> {
        read(&mut self.tail)
    }
}

fn read(tail: &mut Slow) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..1_000_000 {
        match tail.next().unwrap() {
            SourceItem::File => found.push("FILE".to_owned()),
            SourceItem::Line(line) => found.push(String::from_utf8_lossy(line.bytes).into_owned()),
            SourceItem::Gap(SourceGap { cause, bytes, exact }) => found.push(format!("{cause:?} {bytes} {exact}")),
            SourceItem::Wait => {}
            SourceItem::End | SourceItem::Closed => break,
        }
    }
    found
}

#[test]
fn lines_carry_their_place() {
    let mut log = Log::new("one\r\ntwo\npart");
    assert!(matches!(log.tail.next().unwrap(), SourceItem::File));
    for (number, offset, bytes) in [(1, 0, "one"), (2, 5, "two")] {
        let SourceItem::Line(line) = log.tail.next().unwrap() else { panic!("a line") };
        assert_eq!((line.number, line.offset, line.bytes), (number, offset, bytes.as_bytes()));
        assert!(line.modified.is_some());
        let position = log.tail.0.position().unwrap();
        assert_eq!(position.lines(), number);
    }
    assert_eq!(log.tail.0.position().unwrap().offset(), 9);
    assert_eq!(log.tail.0.lag_bytes(), 4);
    assert!(matches!(log.tail.next().unwrap(), SourceItem::End));
    log.append("app.log", "ly\n");
    assert_eq!(log.read(), ["partly"]);
}

#[test]
fn a_file_deleted_unread_is_a_gap_of_what_was_known() {
    let mut log = Log::new("one\ntwo\nthree\n");
    log.tail.next().unwrap();
    log.tail.next().unwrap();
    log.restart();
    fs::remove_file(log.path("app.log")).unwrap();
    fs::write(log.path("app.log"), "four\n").unwrap();
    assert_eq!(log.read(), ["Deleted 10 false", "FILE", "four"]);
    // An open file can be read although it is deleted.
    log.append("app.log", "five\n");
    fs::remove_file(log.path("app.log")).unwrap();
    assert_eq!(log.read(), ["five"]);
    log.append("app.log", "six\n");
    assert_eq!(log.read(), ["FILE", "six"]);
}

#[test]
fn a_deleted_file_gives_its_place_on_the_disk_back() {
    let mut log = Log::new("one\n");
    assert_eq!(log.read(), ["FILE", "one"]);
    let mut writer = OpenOptions::new().append(true).open(log.path("app.log")).unwrap();
    fs::remove_file(log.path("app.log")).unwrap();
    // While somebody writes to it, it is read.
    for _ in 0..3 {
        (0..500).for_each(|_| assert_eq!(log.read(), [""; 0]));
        writer.write_all(b"more\npart").unwrap();
        assert_eq!(log.read().len(), 1);
    }
    drop(writer);
    let path = log.path("app.log");
    let is_held = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        open.into_iter().any(|open| open.to_string_lossy().starts_with(&*path.to_string_lossy()))
    };
    assert!(is_held());
    let last: Vec<String> = (0..700).flat_map(|_| log.read()).collect();
    assert_eq!(last, ["part"]);
    assert!(!is_held(), "its descriptor is still open");
    assert_eq!(log.tail.0.lag_bytes(), 0);
    log.append("app.log", "two\n");
    assert_eq!(log.read(), ["FILE", "two"]);
}

#[test]
fn a_file_that_was_moved_away_is_read_on() {
    let mut log = Log::new("one\n");
    assert_eq!(log.read(), ["FILE", "one"]);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(log.path("app.log"), elsewhere.path().join("kept")).unwrap();
    (0..2_000).for_each(|_| assert_eq!(log.read(), [""; 0]));
    OpenOptions::new().append(true).open(elsewhere.path().join("kept")).unwrap().write_all(b"two\n").unwrap();
    assert_eq!(log.read(), ["two"]);
}

#[test]
fn what_is_written_after_its_successor_is_a_gap_of_known_size() {
    let mut log = Log::new("one\n");
    log.read();
    fs::rename(log.path("app.log"), log.path("app.log.1")).unwrap();
    log.append("app.log", "two\n");
    assert_eq!(log.read(), ["FILE", "two"]);
    log.append("app.log.1", "late\n");
    assert_eq!(log.read(), ["Late 5 true"]);
    assert_eq!(log.read(), [""; 0]);
}

#[test]
fn a_writer_has_three_polls_to_follow_a_rotation() {
    let mut log = Log::new("one\n");
    log.read();
    fs::rename(log.path("app.log"), log.path("app.log.1")).unwrap();
    log.append("app.log", "two\n");
    for late in ["late\n", "later\n", "last\n"] {
        for _ in 0..3 {
            assert!(matches!(log.tail.next().unwrap(), SourceItem::Wait));
        }
        log.append("app.log.1", late);
        assert!(matches!(log.tail.next().unwrap(), SourceItem::Line(_)));
    }
    assert_eq!(log.read(), ["FILE", "two"]);
}

#[test]
fn a_writer_has_as_long_while_other_sources_keep_the_reader_busy() {
    let mut log = Log::new("one\n");
    log.read();
    fs::rename(log.path("app.log"), log.path("app.log.1")).unwrap();
    log.append("app.log", "two\n");
    let now = log.tail.1 + Duration::from_secs(1);
    for _ in 0..1_000 {
        assert!(matches!(log.tail.0.next(now).unwrap(), SourceItem::Wait));
    }
    log.append("app.log.1", "late\n");
    assert_eq!(log.read(), ["late", "FILE", "two"]);
}

#[test]
fn generations_are_found_by_identity_after_a_restart() {
    let mut log = Log::new("one\ntwo\n");
    log.tail.next().unwrap();
    log.tail.next().unwrap();
    log.restart();
    log.append("app.log", "three\nno end");
    fs::rename(log.path("app.log"), log.path("app.log.2")).unwrap();
    log.append("app.log.1", "four\n");
    log.append("app.log.3.gz", "packed");
    log.append("app.log", "five\n");
    assert_eq!(log.read(), ["two", "three", "no end", "FILE", "four", "FILE", "five"]);
    log.restart();
    assert_eq!(log.read(), [""; 0]);
}

#[test]
fn a_compressed_generation_is_a_gap() {
    let mut log = Log::new("one\n");
    log.read();
    fs::rename(log.path("app.log"), log.path("app.log.2")).unwrap();
    log.append("app.log.1.gz", "packed");
    log.append("app.log", "two\n");
    assert_eq!(log.read(), ["Compressed 0 false", "FILE", "two"]);
}

#[test]
fn copytruncate_is_followed_into_the_copy() {
    let text = "a line of some length\n".repeat(10);
    let mut log = Log::new(&text);
    log.read();
    log.append("app.log", "unread\n");
    fs::copy(log.path("app.log"), log.path("app.log.1")).unwrap();
    let file = File::options().write(true).open(log.path("app.log")).unwrap();
    file.set_len(0).unwrap();
    // A writer that kept its offset.
    file.write_all_at(b"after the hole\n", 500).unwrap();
    assert_eq!(log.read(), ["unread", "FILE", "after the hole"]);
    log.restart();
    assert_eq!(log.read(), [""; 0]);
}

#[test]
fn a_file_cut_back_goes_on_where_it_was_cut() {
    let mut log = Log::new("one\ntwo\nthree\n");
    log.read();
    File::options().write(true).open(log.path("app.log")).unwrap().set_len(4).unwrap();
    // Fewer bytes than were remembered: it counts as written anew.
    assert_eq!(log.read(), ["Truncated 0 false", "FILE", "one"]);
    let text = "a line of some length\n".repeat(30);
    log.append("app.log", &text);
    log.read();
    File::options().write(true).open(log.path("app.log")).unwrap().set_len(396).unwrap();
    assert_eq!(log.read(), ["Truncated 0 false"]);
    log.append("app.log", "new\n");
    assert_eq!(log.read(), ["new"]);
}

#[test]
fn links_are_followed_and_their_old_target_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (link, old, new) = (dir.path().join("current.log"), dir.path().join("monday"), dir.path().join("tuesday"));
    fs::write(&old, "one\n").unwrap();
    symlink(&old, &link).unwrap();
    let mut tail = Slow::new(&link, StartPosition::Start);
    assert_eq!(read(&mut tail), ["FILE", "one"]);
    let position = tail.0.position().unwrap();
    OpenOptions::new().append(true).open(&old).unwrap().write_all(b"two\n").unwrap();
    fs::write(&new, "three\n").unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&new, &link).unwrap();
    assert_eq!(read(&mut tail), ["two", "FILE", "three"]);
    assert_eq!(read(&mut Slow::new(&link, StartPosition::After(position))), ["two", "FILE", "three"]);
}

/// Makes the files one after the other, and a link lead to each.
fn lead(link: &Path, files: &[(&Path, &str)]) {
    for (file, text) in files {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        drop(fs::remove_file(link));
        symlink(file, link).unwrap();
    }
}

#[test]
fn what_a_link_led_to_between_two_looks_is_read() {
    for (one, two, three, four) in [
        ("app-1.log", "app-2.log", "app-3.log", "app-4.log"),
        ("releases/8/app.log", "releases/9/app.log", "releases/10/app.log", "releases/11/app.log"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        let (link, one, two, three, four) = (at("current.log"), at(one), at(two), at(three), at(four));
        lead(&link, &[(&one, "1\n")]);
        let mut tail = Slow::new(&link, StartPosition::Start);
        assert_eq!(read(&mut tail), ["FILE", "1"]);
        let position = tail.0.position().unwrap();
        lead(&link, &[(&two, "2\n"), (&three, "3\n"), (&four, "4\n")]);
        let expected = ["FILE", "2", "FILE", "3", "FILE", "4"];
        assert_eq!(read(&mut tail), expected);
        assert_eq!(read(&mut Slow::new(&link, StartPosition::After(position))), expected);
    }
}

#[test]
fn what_a_link_may_have_led_to_between_two_looks_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("older.log"), "of another\n").unwrap();
    pass_time(dir.path());
    lead(&at("current"), &[(&at("blue.log"), "1\n")]);
    let mut tail = Slow::new(&at("current"), StartPosition::Start);
    assert_eq!(read(&mut tail), ["FILE", "1"]);
    lead(&at("current"), &[(&at("green.log"), "unread\n"), (&at("red.log"), "3\n")]);
    assert_eq!(read(&mut tail), ["Swapped 7 false", "FILE", "3"]);
    lead(&at("current"), &[(&at("white.log"), "4\n")]);
    assert_eq!(read(&mut tail), ["FILE", "4"]);
}

#[test]
fn a_log_that_was_rotated_before_it_was_seen_begins_with_its_first_generation() {
    let since = std::time::UNIX_EPOCH + Duration::from_secs(1_000);
    let mut log = Log::new("three\n");
    log.append("app.log.1", "two\n");
    log.append("app.log.2", "one\npart");
    log.append("app.log.3", "of an earlier log\n");
    let at = |name: &str, second| {
        let file = OpenOptions::new().append(true).open(log.path(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    };
    at("app.log.3", 900);
    at("app.log.2", 1_100);
    at("app.log.1", 1_200);
    log.tail = Slow::new(&log.path("app.log"), StartPosition::Since(since));
    assert_eq!(log.read(), ["FILE", "one", "part", "FILE", "two", "FILE", "three"]);
    log.append("app.log", "four\n");
    assert_eq!(log.read(), ["four"]);
    // Packed before it was seen: a gap.
    fs::rename(log.path("app.log.2"), log.path("app.log.2.gz")).unwrap();
    log.tail = Slow::new(&log.path("app.log"), StartPosition::Since(since));
    assert_eq!(log.read(), ["Compressed 0 false", "FILE", "two", "FILE", "three", "four"]);
    // Nothing of it was rotated.
    log.tail = Slow::new(&log.path("app.log"), StartPosition::Since(since + Duration::from_secs(1 << 40)));
    assert_eq!(log.read(), ["FILE", "three", "four"]);
}

#[test]
fn from_the_end_only_whole_new_lines_are_read() {
    let mut log = Log::new("one\ntwo\nhal");
    log.tail = Slow::new(&log.path("app.log"), StartPosition::End);
    assert_eq!(log.read(), ["FILE"]);
    log.append("app.log", "f\nthree\n");
    assert_eq!(log.read(), ["half", "three"]);
    log.tail = Slow::new(&log.path("none.log"), StartPosition::End);
    assert_eq!(log.read(), [""; 0]);
    assert_eq!(log.tail.0.position(), None);
}

#[test]
fn a_last_line_without_an_end_is_read_after_a_while() {
    let mut log = Log::new("one\nlast");
    assert_eq!(log.read(), ["FILE", "one"]);
    // In two halves three seconds apart it is one line.
    (0..3).for_each(|_| assert_eq!(log.read(), [""; 0]));
    log.append("app.log", " line");
    (0..29).for_each(|_| assert_eq!(log.read(), [""; 0]));
    let taken: Vec<String> = (0..10).flat_map(|_| log.read()).collect();
    assert_eq!(taken, ["last line"]);
    // The next run of the job begins with the end of the line; here or after a restart.
    for next in ["two", "three"] {
        log.append("app.log", &format!("\n{next}"));
        let taken: Vec<String> = (0..40).flat_map(|_| log.read()).collect();
        assert_eq!(taken, [next]);
        log.restart();
        assert_eq!((0..40).flat_map(|_| log.read()).collect::<Vec<_>>(), [""; 0]);
    }
    // What comes to a line that was taken is counted, in whatever pieces; it is no line of its own.
    log.append("app.log", " goes");
    assert_eq!((0..40).flat_map(|_| log.read()).collect::<Vec<_>>(), ["Unended 5 true"]);
    log.restart();
    log.append("app.log", " on\r\nfour\n");
    assert_eq!(log.read(), ["Unended 3 true", "four"], "a carriage return is of the end");
}

#[test]
fn where_nobody_writes_a_last_line_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    fs::write(&path, "one\nlast").unwrap();
    let mut tail = FileTail::new(&path, StartPosition::Start, Opener::following_links()).ended();
    let mut found = Vec::new();
    loop {
        match tail.next(Instant::now()).unwrap() {
            SourceItem::Line(line) => found.push(String::from_utf8(line.bytes.to_vec()).unwrap()),
            SourceItem::End => break,
            _ => {}
        }
    }
    assert_eq!(found, ["one", "last"]);
    assert_eq!(tail.position().unwrap().offset(), 8);
}

#[test]
fn a_line_that_was_there_before_reading_began_is_not_new() {
    let mut log = Log::new("one\ntwo");
    log.tail = Slow::new(&log.path("app.log"), StartPosition::End);
    assert_eq!((0..40).flat_map(|_| log.read()).collect::<Vec<_>>(), ["FILE"]);
    log.append("app.log", " and more");
    assert_eq!((0..40).flat_map(|_| log.read()).collect::<Vec<_>>(), ["two and more"]);
}

#[test]
fn a_line_without_end_keeps_nobody_waiting() {
    let mut log = Log::new("");
    let piece = "x".repeat(1 << 20);
    for _ in 0..3 {
        log.append("app.log", &piece);
    }
    log.tail.next().unwrap();
    assert!(matches!(log.tail.next().unwrap(), SourceItem::Wait));
    assert_eq!(log.read(), [""; 0]);
    log.append("app.log", "\nnext\n");
    let found = log.read();
    assert_eq!((found[0].len(), found[1].as_str()), (oddline_core::limits::LINE_BYTES_MAX, "next"));
}

#[test]
fn what_is_no_file_is_an_error_until_it_is_one() {
    let mut log = Log::new("");
    fs::remove_file(log.path("app.log")).unwrap();
    fs::create_dir(log.path("app.log")).unwrap();
    let error = log.tail.next().unwrap_err();
    assert!(matches!(&error, SourceError::NotAFile { path } if path == &log.path("app.log")), "{error}");
    fs::remove_dir(log.path("app.log")).unwrap();
    assert_eq!(log.read(), [""; 0]);
    log.append("app.log", "one\n");
    assert_eq!(log.read(), ["FILE", "one"]);
    assert_eq!(log.tail.0.path(), log.path("app.log"));
}

#[test]
fn a_copy_renamed_over_the_log_is_gone_on_with() {
    let mut log = Log::new(&"a line of some length\n".repeat(20));
    assert_eq!(log.read().len(), 21);
    for (number, is_read) in [(1, true), (2, false)] {
        // As rsync does it, with and without a restart in between.
        fs::copy(log.path("app.log"), log.path("app.log.tmp")).unwrap();
        log.append("app.log.tmp", &format!("new {number}\n"));
        fs::rename(log.path("app.log.tmp"), log.path("app.log")).unwrap();
        if !is_read {
            log.restart();
        }
        assert_eq!(log.read(), [format!("new {number}")]);
    }
    // Another file is read from its start.
    fs::write(log.path("app.log.tmp"), "another\n").unwrap();
    fs::rename(log.path("app.log.tmp"), log.path("app.log")).unwrap();
    assert_eq!(log.read(), ["FILE", "another"]);
}

/// Waits until a file that is made gets another time than those before: they move in steps of some milliseconds.
fn pass_time(folder: &Path) {
    let made = || {
        let path = folder.join("made");
        fs::write(&path, "").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::remove_file(&path).unwrap();
        modified
    };
    let before = made();
    oddline_testkit::waiting::until(|| (made() > before).then_some(()), || "no later time".to_owned());
}

/// What was read is copied, added to and renamed over the log.
fn renew(log: &Log, more: &str) {
    fs::copy(log.path("app.log"), log.path("app.log.tmp")).unwrap();
    log.append("app.log.tmp", more);
    fs::rename(log.path("app.log.tmp"), log.path("app.log")).unwrap();
}

#[test]
fn a_short_copy_renamed_over_the_log_is_gone_on_with() {
    let mut log = Log::new("");
    log.read();
    for number in 0..8 {
        renew(&log, &format!("2026-11-26T10:00:0{number}Z value=1\n"));
        if number % 3 == 2 {
            log.restart();
        }
        let read: Vec<_> = log.read().into_iter().filter(|line| line != "FILE").collect();
        assert_eq!(read, [format!("2026-11-26T10:00:0{number}Z value=1")], "{number}");
    }
    // Twice before anybody looked.
    renew(&log, "2026-11-26T10:01:00Z value=2\n");
    renew(&log, "2026-11-26T10:02:00Z value=2\n");
    assert_eq!(log.read(), ["2026-11-26T10:01:00Z value=2", "2026-11-26T10:02:00Z value=2"]);
}

#[test]
fn a_short_copy_without_a_time_is_told_from_a_log_begun_anew() {
    let mut log = Log::new("started\n");
    if File::open(log.path("app.log")).unwrap().metadata().unwrap().created().is_err() {
        return oddline_testkit::not_run("tail: a short copy", "the file system keeps no time of birth");
    }
    assert_eq!(log.read(), ["FILE", "started"]);
    renew(&log, "ready\n");
    assert_eq!(log.read(), ["ready"]);
    fs::remove_file(log.path("app.log")).unwrap();
    pass_time(log.dir.path());
    log.append("app.log", "started\nready\n");
    assert_eq!(log.read(), ["FILE", "started", "ready"]);
}

#[test]
fn a_copy_over_the_generation_before_is_no_late_line() {
    let mut log = Log::new(&"a line of some length\n".repeat(20));
    log.read();
    for number in 0..3 {
        log.append("app.log", &format!("unread {number}\n").repeat(30 * (number + 1)));
        fs::copy(log.path("app.log"), log.path("app.log.1")).unwrap();
        File::options().write(true).open(log.path("app.log")).unwrap().set_len(0).unwrap();
        let text = format!("line {number} after it was cut\n").repeat(20);
        log.append("app.log", &text);
        let found: Vec<String> = (0..3).flat_map(|_| log.read()).filter(|line| line != "FILE").collect();
        assert_eq!(found.len(), 30 * (number + 1) + 20, "{:?}", found.last());
        assert!(found.iter().all(|line| line.contains("unread") || line.contains("after it was cut")), "{found:?}");
    }
}

#[test]
fn utf_16_is_read_as_text_and_a_mark_is_none() {
    let units = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    for big in [false, true] {
        for mark in ["\u{feff}", ""] {
            let mut log = Log::new("");
            assert_eq!(log.read(), ["FILE"]);
            let append = |bytes: &[u8]| {
                OpenOptions::new().append(true).open(log.path("app.log")).unwrap().write_all(bytes).unwrap();
            };
            append(&units(&format!("{mark}2026-01-05 größe\u{0a0a}\r\nzwei\n"), big));
            let rest = units("drei\n", big);
            append(&rest[..3]);
            assert_eq!(log.read(), ["2026-01-05 größe\u{0a0a}", "zwei"]);
            OpenOptions::new().append(true).open(log.path("app.log")).unwrap().write_all(&rest[3..]).unwrap();
            assert_eq!(log.read(), ["drei"]);
            log.restart();
            OpenOptions::new().append(true).open(log.path("app.log")).unwrap().write_all(&units("vier", big)).unwrap();
            assert_eq!((0..40).flat_map(|_| log.read()).collect::<Vec<_>>(), ["vier"]);
            log.restart();
            OpenOptions::new()
                .append(true)
                .open(log.path("app.log"))
                .unwrap()
                .write_all(&units("\r\nx\n", big))
                .unwrap();
            assert_eq!(log.read(), ["x"]);
        }
    }
    let mut log = Log::new("\u{feff}one\ntwo\n");
    assert_eq!(log.read(), ["FILE", "one", "two"]);
}
