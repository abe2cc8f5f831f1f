//! What a source says it holds is what the process grows by: measured in a process of its own, where nothing else does.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the memory of a process is measured from outside the pipeline"
)]

use std::process::Command;

use super::*;

const CHILD: &str = "ODDLINE_TEST_WEIGHS";
/// Sources of one kind: so many that what surrounds them does not count.
const SOURCES: usize = 3;
/// What a source takes whatever is in it, its way to run the model among it: whoever holds many counts it apart.
const FIXED_BYTES: usize = 48 * 1024;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

fn values(streams: i64, records: i64) -> Vec<String> {
    let one = |i: i64| row(i / streams * MINUTE, &format!("web-{},c{}", i % 7, i % streams), (i % 97) as f64);
    core::iter::once(HEADER.to_owned()).chain((0..streams * records).map(one)).collect()
}

/// Text with a level and a numeric field: pace, counters, and two streams of values each.
fn texts(components: i64, records: i64) -> Vec<String> {
    let one = |i: i64| {
        let (time, component) = (at(i / components * MINUTE), i % components);
        format!(r#"{{"time":"{time}","service":"c{component}","level":"error","msg":"failed","took_ms":{}}}"#, i % 97)
    };
    (0..components * records).map(one).collect()
}

/// Each stream in an episode of its own that never ends.
fn episodes(streams: i64) -> Vec<String> {
    let odd = |i: i64| row(60 * MINUTE, &format!("a,c{i}"), 1e9);
    values(streams, 60).into_iter().map(|line| line.replace("web-0", "a")).chain((0..streams).map(odd)).collect()
}

/// A kind of log. Only the one that is weighed is made: what others leave behind would be taken again.
type Log = (&'static str, fn() -> Vec<String>);

const LOGS: [Log; 4] = [
    ("names seen once", || values(4_000, 1)),
    ("full learners", || values(400, 260)),
    ("texts", || texts(500, 20)),
    ("episodes", || episodes(300)),
];

#[test]
fn a_source_holds_what_it_says() {
    if let Ok(which) = std::env::var(CHILD) {
        let lines = LOGS[which.parse::<usize>().unwrap()].1();
        let feed = || {
            let (mut pipeline, mut out) = (new(100_000), PipelineOutput::default());
            for line in &lines {
                pipeline.line(line.as_bytes(), None, &mut out).unwrap();
                out.events.clear();
            }
            pipeline.idle(&mut out).unwrap();
            pipeline
        };
        // The first makes what is made once.
        let first = feed();
        let before = resident_bytes();
        let fed: Vec<Pipeline> = (0..SOURCES).map(|_| feed()).collect();
        let grown = resident_bytes() - before;
        let said: usize = fed.iter().map(Pipeline::bytes).sum();
        println!("weighed {} {}", grown / SOURCES, said / SOURCES);
        drop(first);
        return;
    }
    for (number, (name, _)) in LOGS.iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["tests::weight::a_source_holds_what_it_says", "--exact", "--nocapture"]);
        let output = child.env(CHILD, number.to_string()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let weighed =
            text.lines().find_map(|line| line.split_once("weighed ")).unwrap_or_else(|| panic!("{output:?}")).1;
        let (grown, said) = weighed.split_once(' ').unwrap();
        let (grown, said): (f64, f64) = (grown.parse().unwrap(), said.parse().unwrap());
        println!("{name}: the process grew by {:.0} KiB, it says {:.0} KiB", grown / 1024.0, said / 1024.0);
        let fixed = FIXED_BYTES as f64;
        assert!(grown < 1.25 * said + fixed, "{name}: {grown} bytes grown, {said} said");
        assert!(grown > 0.6 * said, "{name}: {grown} bytes grown, {said} said");
    }
}
