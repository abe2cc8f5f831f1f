//! Judging from a pipe takes the same memory for two million records as for two hundred thousand.

use std::{
    io::{BufWriter, Write},
    process::Stdio,
};

use crate::shell::{Folder, HEADER, TRAIN, peak_kib, steady, time, wobble};

const FIRST: usize = 200_000;
const ALL: usize = 2_000_000;
/// What the peak may grow by: pages of the allocator, not records.
const GROWTH_KIB_MAX: u64 = 2 * 1024;
/// Streams in the pipe; the model knows the first.
const STREAMS: usize = 50;
/// [`time`] has 28 days.
const MINUTES: usize = 28 * 1440;

#[test]
fn resident_memory_does_not_grow_with_the_records() {
    let folder = Folder::new();
    folder.write("log.csv", steady(3_000));
    folder.must(&format!("{TRAIN} --logs log.csv"));
    let mut command = folder.command("test --logs - --debug-with-anomaly-flag --json");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = BufWriter::new(child.stdin.take().unwrap());
    input.write_all(HEADER.as_bytes()).unwrap();
    let mut first = 0;
    for i in 0..ALL {
        if i == FIRST {
            input.flush().unwrap();
            first = peak_kib(&child);
        }
        let (minute, stream) = (i / STREAMS, i % STREAMS);
        let odd = i % 1_009 == 0;
        let value = 50.0 + wobble(minute + stream) + if odd { 30.0 } else { 0.0 };
        let server = stream + 1;
        writeln!(input, "{},server-{server:02},cpu,{value:.4},{}", time(minute % MINUTES), u8::from(odd)).unwrap();
    }
    input.flush().unwrap();
    let last = peak_kib(&child);
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["run"]["records"], ALL);
    assert!(last <= first + GROWTH_KIB_MAX, "{first} KiB after {FIRST} records, {last} KiB after {ALL}");
}
