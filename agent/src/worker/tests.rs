//! The reading thread without its thread: rounds are called one by one.

use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Arc, mpsc},
};

use oddline_core::{id::ModelHash, time::EventTime, wire::ModelId};

use super::*;
use crate::{
    config,
    source::{FileTail, Opener, SourceItem, SourcePosition, StartPosition},
    state::{OpenedState, SourceChange, StateFile, StoredSource},
};

#[path = "../../../pipeline/src/tests/model.rs"]
mod model;

use model::{LEVEL, VERSION};

/// A worker over the state in a folder, as after a start with these sources.
fn worker(folder: &Path, sources: &str) -> Worker {
    let file = folder.join("agent.toml");
    fs::write(&file, format!("name = 'a'\nflood_limit = 100000\n{sources}")).unwrap();
    let config = config::load(&file).unwrap().config;
    let (mut state, opened) = StateFile::open(&folder.join("state"), 2).unwrap();
    assert!(!matches!(opened, OpenedState::SetAside { .. }));
    let past = if state.value(BEGAN).unwrap().is_some() { PriorState::Known } else { PriorState::None };
    let id = ModelId { sha256: ModelHash([1; 32]), version: VERSION };
    let active = ActiveModel { id, model: model::model().clone() };
    let (outlet, board, orders) = (EventSink::Delivery(Arc::default()), StatusHandle::default(), mpsc::channel().1);
    Worker::new(Parts { config, state: SharedState::new(state), past, active, outlet, board, orders }).unwrap()
}

fn source(files: &Path, begin: &str) -> String {
    format!("[[source]]\nfiles = ['{}']\nbegin = '{begin}'\n", files.display())
}

/// Lines read of each source so far, by the file's name.
fn lines(worker: &Worker) -> Vec<(String, u64)> {
    let of = |source: &FollowedSource| {
        let figures = source.figures();
        (figures.name.rsplit('/').next().unwrap().to_owned(), figures.counts.lines)
    };
    worker.sources.followed().iter().map(of).collect()
}

#[test]
fn a_burst_over_all_sources_is_committed_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "timestamp,server,component,value\n".to_owned();
    for minute in 0..1_600 {
        let value = if minute % 8 == 0 { LEVEL + 20.0 } else { LEVEL };
        writeln!(text, "{},a,cpu,{value}", EventTime::from_micros(minute * 60_000_000)).unwrap();
    }
    for number in 0..4 {
        fs::write(folder.path().join(format!("{number}.log")), &text).unwrap();
    }
    let mut worker = worker(folder.path(), &source(&folder.path().join("*.log"), "start"));
    let mut told = 0;
    for _ in 0..100 {
        worker.round().unwrap();
        assert!(worker.pending.is_none());
        let found = worker.figures.events - told;
        assert!(found <= (ROUND_EVENTS_MAX + TURN_EVENTS_MAX) as u64, "{found} events in one commit");
        told = worker.figures.events;
        if lines(&worker).iter().all(|(_, lines)| *lines == 1_601) && lines(&worker).len() == 4 {
            break;
        }
    }
    assert!(lines(&worker).len() == 4 && lines(&worker).iter().all(|(_, lines)| *lines == 1_601));
    assert!(told > 1_000, "{told}");
}

#[test]
fn a_long_hole_is_read_without_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let file = fs::File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"after the hole\n", 64 << 20).unwrap();
    let mut worker = worker(folder.path(), &source(&path, "start"));
    for _ in 0..80 {
        let wait = worker.round().unwrap();
        if lines(&worker) == [("app.log".to_owned(), 1)] {
            return;
        }
        assert_eq!(wait, Duration::ZERO, "a pause in the hole");
    }
    panic!("{:?}", lines(&worker));
}

#[test]
fn a_source_that_is_added_later_begins_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a.log", "b.log"] {
        fs::write(path(name), "one\ntwo\n").unwrap();
    }
    let a = source(&path("a*.log"), "end");
    let _wait = worker(folder.path(), &a).round().unwrap();
    // What appears while nobody looks is new, unless its pattern is.
    fs::write(path("a2.log"), "one\ntwo\n").unwrap();
    let mut later = worker(folder.path(), &(a.clone() + &source(&path("b*.log"), "end")));
    later.round().unwrap();
    let read = |name: &str, lines| (name.to_owned(), lines);
    let mut found = lines(&later);
    found.sort();
    assert_eq!(found, [read("a.log", 0), read("a2.log", 2), read("b.log", 0)]);
    drop(later);
    fs::write(path("b2.log"), "one\ntwo\n").unwrap();
    // A state from before patterns were kept knows those it meets.
    let (mut state, _) = StateFile::open(&path("state"), 2).unwrap();
    let values = vec![("looked_for".to_owned(), None)];
    state.commit(&StateCommit { values, ..StateCommit::default() }).unwrap();
    drop(state);
    fs::write(path("c.log"), "one\ntwo\n").unwrap();
    let all = a + &source(&path("b*.log"), "end") + &source(&path("c.log"), "end");
    let mut last = worker(folder.path(), &all);
    last.round().unwrap();
    let found = lines(&last);
    assert!(found.contains(&read("b2.log", 2)) && found.contains(&read("c.log", 2)), "{found:?}");
}

#[test]
fn a_log_that_appears_and_is_rotated_between_two_looks_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rotate = |text: &str| {
        for n in (1..3).rev() {
            drop(fs::rename(path(&format!("app.log.{n}")), path(&format!("app.log.{}", n + 1))));
        }
        drop(fs::rename(path("app.log"), path("app.log.1")));
        fs::write(path("app.log"), text).unwrap();
    };
    // A look at once; then as many rounds as it takes, as a rotated file is given some seconds.
    let reads = |worker: &mut Worker, name: &str, expected: u64| {
        worker.sources.scanned_at = None;
        let deadline = Instant::now() + Duration::from_secs(30);
        let is_read = |worker: &Worker| lines(worker).contains(&(name.to_owned(), expected));
        while !is_read(worker) && Instant::now() < deadline {
            let _wait: Duration = worker.round().unwrap();
            std::thread::park_timeout(Duration::from_millis(50));
        }
        assert!(is_read(worker), "{expected} lines of {name}: {:?}", lines(worker));
    };
    // Of an earlier log of that name, which nobody asked for.
    fs::write(path("app.log.2"), "old\n".repeat(100)).unwrap();
    let past = clock::wall_time() - Duration::from_secs(60);
    fs::File::options().append(true).open(path("app.log.2")).unwrap().set_modified(past).unwrap();
    let source = source(&path("*.log"), "end");
    let mut first = worker(folder.path(), &source);
    let _wait: Duration = first.round().unwrap();
    rotate("one\n");
    rotate("two\ntwo\n");
    fs::rename(path("app.log.3"), path("app.log.4")).unwrap();
    rotate("three\n");
    reads(&mut first, "app.log", 4);
    // The same between two lives.
    drop(first);
    fs::write(path("other.log.1"), "one\n").unwrap();
    fs::write(path("other.log"), "two\ntwo\n").unwrap();
    let mut later = worker(folder.path(), &source);
    reads(&mut later, "other.log", 3);
    assert!(lines(&later).contains(&("app.log".to_owned(), 4)), "nothing is read twice: {:?}", lines(&later));
}

/// The name of each source, what it read and the components it knows.
fn names(worker: &Worker) -> Vec<String> {
    let mut names: Vec<String> = lines(worker).into_iter().map(|(name, lines)| format!("{name} {lines}")).collect();
    names.sort();
    names
}

#[test]
fn files_named_after_the_day_are_one_source_each_series_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("a-2026-11-20.log", "one\n"),
        ("a-2026-11-21.log", "two\n"),
        ("b-2026-11-20.log", "one\n"),
        ("plain.log", "one\n"),
        ("plain-2026-11-20.log", "rotated\n"),
    ] {
        fs::write(path(name), text).unwrap();
    }
    std::os::unix::fs::symlink(path("a-2026-11-21.log"), path("a.log")).unwrap();
    let source = source(&path("*.log"), "start");
    let mut first = worker(folder.path(), &source);
    let until = |worker: &mut Worker, expected: &[&str]| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while names(worker) != expected && Instant::now() < deadline {
            worker.sources.scanned_at = None;
            let _wait: Duration = worker.round().unwrap();
            std::thread::park_timeout(Duration::from_millis(50));
        }
        assert_eq!(names(worker), expected);
    };
    until(&mut first, &["a-*.log 2", "b-*.log 1", "plain.log 1"]);
    fs::write(path("a-2026-11-22.log"), "three\nfour\n").unwrap();
    until(&mut first, &["a-*.log 4", "b-*.log 1", "plain.log 1"]);
    first.finish().unwrap();
    fs::write(path("a-2026-11-23.log"), "five\n").unwrap();
    until(&mut worker(folder.path(), &source), &["a-*.log 5", "b-*.log 1", "plain.log 1"]);
}

#[test]
fn what_earlier_programs_read_file_by_file_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().canonicalize().unwrap().join(name);
    let mut sources = Vec::new();
    for day in [20, 21] {
        let log = path(&format!("a-2026-11-{day}.log"));
        fs::write(&log, "one\ntwo\n").unwrap();
        let mut tail = FileTail::new(&log, StartPosition::Start, Opener::following_links());
        while !matches!(tail.next(Instant::now()).unwrap(), SourceItem::End) {}
        let position = SourcePosition::File(tail.position().unwrap());
        sources.push(SourceChange {
            key: [b"file:".as_slice(), log.as_os_str().as_encoded_bytes()].concat(),
            position: postcard::to_stdvec(&position).unwrap(),
            chunks: Vec::new(),
            chunk_count: 0,
        });
    }
    let keys = |state: &mut StateFile| -> Vec<String> {
        let name = |stored: StoredSource| {
            let key = String::from_utf8(stored.key).unwrap();
            format!("{}{}", key.split(':').next().unwrap(), &key[key.rfind('/').unwrap()..])
        };
        state.positions().unwrap().into_iter().map(name).collect()
    };
    let (mut state, _) = StateFile::open(&path("state"), 2).unwrap();
    state
        .commit(&StateCommit { sources, values: vec![(BEGAN.to_owned(), Some(Vec::new()))], ..StateCommit::default() })
        .unwrap();
    drop(state);
    fs::write(path("a-2026-11-22.log"), "three\n").unwrap();
    fs::write(path("a-2026-11-21.log"), "one\ntwo\nlate\n").unwrap();
    let mut later = worker(folder.path(), &source(&path("*.log"), "start"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while names(&later) != ["a-*.log 2"] && Instant::now() < deadline {
        let _wait: Duration = later.round().unwrap();
        std::thread::park_timeout(Duration::from_millis(50));
    }
    // Twice: they are deleted after the series is in the state.
    for _ in 0..2 {
        later.sources.scanned_at = None;
        let _wait: Duration = later.round().unwrap();
    }
    assert_eq!(names(&later), ["a-*.log 2"], "late and three");
    later.finish().unwrap();
    let (mut state, _) = StateFile::open(&path("state"), 2).unwrap();
    assert_eq!(keys(&mut state), ["series/a-*.log"]);
}

#[test]
fn of_more_files_than_are_followed_those_that_are_written_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let long_ago = clock::wall_time() - Duration::from_secs(24 * 3_600);
    let written = |name: &str, at| fs::File::options().append(true).open(path(name)).unwrap().set_modified(at).unwrap();
    for number in 0..405 {
        let name = format!("job-{number:03}x.log");
        fs::write(path(&name), "one\n").unwrap();
        written(&name, long_ago + Duration::from_secs(number));
    }
    fs::write(path("zz.log"), "now\n").unwrap();
    let mut worker = worker(folder.path(), &source(&path("*.log"), "start"));
    let look = |worker: &mut Worker| {
        worker.sources.scanned_at = None;
        let _wait: Duration = worker.round().unwrap();
    };
    let reads =
        |worker: &Worker, name: &str| lines(worker).iter().find(|(own, _)| own == name).map(|(_, lines)| *lines);
    look(&mut worker);
    assert_eq!((lines(&worker).len(), worker.sources.left_out), (400, 6));
    assert_eq!((reads(&worker, "zz.log"), reads(&worker, "job-003x.log")), (Some(1), None), "the oldest are left");
    // One of those that were left is written to, and one that is new: they take the places of two that are idle.
    fs::write(path("job-003x.log"), "one\ntwo\n").unwrap();
    fs::write(path("new.log"), "one\n").unwrap();
    (0..4).for_each(|_| look(&mut worker));
    assert_eq!(lines(&worker).len(), 400);
    assert_eq!((reads(&worker, "new.log"), reads(&worker, "job-003x.log")), (Some(1), Some(2)));
    // One that gave its place goes on where it was.
    assert_eq!(reads(&worker, "job-006x.log"), None);
    fs::write(path("job-006x.log"), "one\ntwo\n").unwrap();
    (0..4).for_each(|_| look(&mut worker));
    assert_eq!(reads(&worker, "job-006x.log"), Some(2), "each of its lines once");
}

#[test]
fn this_host_is_a_source_and_what_was_not_read_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut worker = worker(folder.path(), "[[source]]\nsystem = true\n");
        let _wait = worker.round().unwrap();
        let figures = worker.sources.figures();
        let [host] = &figures[..] else { panic!("{figures:?}") };
        assert_eq!((host.name.as_str(), &host.failed, &host.faulty[..]), ("system", &None, &[][..]));
        // The load and memory at least, after the heading.
        assert!(host.counts.lines > 2 && host.streams >= 2, "{host:?}");
        assert_eq!((host.counts.faults, worker.sources.gaps()), (0, (0, 0)));
    }
}
