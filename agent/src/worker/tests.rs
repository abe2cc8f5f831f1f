//! The reading thread without its thread: rounds are called one by one.

#[path = "../pipeline/tests/model.rs"]
mod model;

use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Arc, mpsc},
};

use oddline_core::{id::ModelHash, time::EventTime, wire::ModelId};

use self::model::{LEVEL, VERSION};
use super::*;
use crate::{
    config,
    state::{Opened, State},
};

/// A worker over the state in a folder, as after a start with these sources.
fn worker(folder: &Path, sources: &str) -> Worker {
    let file = folder.join("agent.toml");
    fs::write(&file, format!("name = 'a'\nflood_limit = 100000\n{sources}")).unwrap();
    let config = config::load(&file).unwrap().config;
    let (mut state, opened) = State::open(&folder.join("state"), 2).unwrap();
    assert!(!matches!(opened, Opened::SetAside { .. }));
    let past = if state.value(BEGAN).unwrap().is_some() { Past::Known } else { Past::None };
    let id = ModelId { sha256: ModelHash([1; 32]), version: VERSION };
    let active = Active { id, model: model::model().clone() };
    let (outlet, board, orders) = (Outlet::Delivery(Arc::default()), Board::default(), mpsc::channel().1);
    Worker::new(Parts { config, state: SharedState::new(state), past, active, outlet, board, orders }).unwrap()
}

fn source(files: &Path, begin: &str) -> String {
    format!("[[source]]\nfiles = ['{}']\nbegin = '{begin}'\n", files.display())
}

/// Lines read of each source so far, by the file's name.
fn lines(worker: &Worker) -> Vec<(String, u64)> {
    let of = |source: &Followed| {
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
        if lines(&worker) == [("app.log".to_owned(), 1)] {
            return;
        }
        assert_eq!(worker.round().unwrap(), Duration::ZERO, "a pause in the hole");
    }
    panic!("{:?}", lines(&worker));
}
