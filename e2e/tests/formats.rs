//! One pipeline: of a log of any format the trainer reads what the agent reads. As many records are learnt from and tested as a
//! replay judges, and what a test finds is what a replay finds, to the byte.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flate2::{Compression, write::GzEncoder};
use oddline_core::time::EventTime;
use oddline_e2e::{fixture, programs::built};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Lines of each log; some 20 hours of a server.
const LINES: usize = 6_000;

/// What the generator says of one line.
struct Sample {
    time: EventTime,
    server: String,
    component: String,
    value: f64,
}

impl Sample {
    /// As long as the value is large.
    fn text(&self) -> String {
        "x".repeat(self.value.abs().min(2_000.0) as usize + 1)
    }
}

/// How a format writes a sample.
type Render = fn(&Sample) -> String;

fn csv(s: &Sample) -> String {
    format!("{},{},{},{},0", s.time, s.server, s.component, s.value)
}

fn jsonl(s: &Sample) -> String {
    json!({"ts": s.time.to_string(), "host": s.server, "service": s.component, "level": "info", "msg": s.text(), "value": s.value})
        .to_string()
}

fn jsonl_numbers(s: &Sample) -> String {
    let ts = s.time.micros() / 1_000;
    json!({"ts": ts, "service": s.component, "msg": "done", "took_ms": s.value, "status": 200}).to_string()
}

fn logfmt(s: &Sample) -> String {
    format!("time={} host={} service={} level=info msg=\"it took\" took_ms={}", s.time, s.server, s.component, s.value)
}

fn syslog(s: &Sample) -> String {
    format!("<14>1 {} {} {} 7 - - {}", s.time, s.server, s.component, s.text())
}

/// Without year and zone.
fn old_syslog(s: &Sample) -> String {
    let text = s.time.to_string();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[text[5..7].parse::<usize>().expect("a month") - 1];
    let day: u32 = text[8..10].parse().expect("a day");
    format!("{month} {day:2} {} {} {}[7]: {}", &text[11..19], s.server, s.component, s.text())
}

fn journald(s: &Sample) -> String {
    json!({
        "__CURSOR": format!("s=1;i={}", s.time.micros()), "__REALTIME_TIMESTAMP": s.time.micros().to_string(), "PRIORITY": "6",
        "_HOSTNAME": s.server, "_SYSTEMD_UNIT": format!("{}.service", s.component), "MESSAGE": s.text(),
    })
    .to_string()
}

fn access(s: &Sample) -> String {
    let time = s.time.to_string();
    let bytes = (s.value.abs() * 100.0) as u64;
    let agent = "curl/8";
    format!(
        "192.0.2.7 - - [{}/Jan/2026:{} +0000] \"GET /{} HTTP/1.1\" 200 {bytes} \"-\" \"{agent}\"",
        &time[8..10],
        &time[11..19],
        s.component
    )
}

fn plain(s: &Sample) -> String {
    format!("{}  INFO {}: {}", s.time, s.component, s.text())
}

/// Name of the file, what stands before the lines, how they are written, and the numbers that are asked for.
const FORMATS: [(&str, &str, Render, &str); 9] = [
    ("table.csv", "timestamp,server,component,value,anomalous\n", csv, "measured"),
    ("values.jsonl", "", jsonl, "measured"),
    ("app.json", "", jsonl_numbers, "measured"),
    ("app.logfmt", "", logfmt, "measured"),
    ("messages", "", syslog, "numbers"),
    ("syslog", "", old_syslog, "numbers"),
    ("export.journal", "", journald, "numbers"),
    ("access.log", "", access, "numbers"),
    ("plain.log", "", plain, "numbers"),
];

fn samples() -> Vec<Sample> {
    let log = String::from_utf8(fixture::log(Some("server-01"), 1)).expect("the generator writes text");
    let sample = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [time, server, component, value, _] = fields[..] else { panic!("the generator wrote {line}") };
        Sample {
            time: EventTime::parse(time).expect("a time"),
            server: server.to_owned(),
            component: component.to_owned(),
            value: value.parse().expect("a number"),
        }
    };
    log.lines().skip(1).take(LINES).map(sample).collect()
}

/// A log with a few lines that do not belong into it: blank, not UTF-8, torn.
fn log(samples: &[Sample], header: &str, render: Render) -> Vec<u8> {
    let mut log = header.as_bytes().to_vec();
    for (i, sample) in samples.iter().enumerate() {
        let line = render(sample);
        match i {
            1_000 => log.extend_from_slice(b"\n  \r\n"),
            2_000 => log.extend_from_slice(b"caf\xe9 \xff\n"),
            3_000 => log.extend_from_slice(&line.as_bytes()[..line.len() / 2]),
            _ => {}
        }
        if i == 3_000 {
            log.push(b'\n');
        }
        log.extend_from_slice(line.as_bytes());
        log.push(b'\n');
    }
    log
}

fn run(program: &str, folder: &Path, args: &[&str]) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(built(program));
    command.args(args).current_dir(folder).env("PATH", format!("{}:{path}", folder.join("bin").display()));
    command.env_remove("DEBUG_WITH_ANOMALY_FLAG").output().expect("the program can be started")
}

#[track_caller]
fn must(program: &str, folder: &Path, args: &[&str]) -> (Vec<u8>, String) {
    let Output { status, stdout, stderr } = run(program, folder, args);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{program} {args:?}: {said}");
    (stdout, said)
}

/// What a replay finds, and how many values it judged.
fn replayed(folder: &Path, args: &[&str]) -> (String, u64) {
    let (found, said) = must("oddline-agent", folder, &[&["replay", "--csv"], args].concat());
    let judged = said.split(" values scored").next().and_then(|text| text.rsplit(' ').next()?.parse().ok());
    (String::from_utf8(found).expect("CSV is text"), judged.unwrap_or_else(|| panic!("no count: {said}")))
}

/// What a test finds, and of how many records.
fn tested(folder: &Path, args: &[&str]) -> (String, u64) {
    let (report, _) =
        must("oddline-trainer", folder, &[&["test", "--json", "--anomalies", "found.csv"], args].concat());
    let report: Value = serde_json::from_slice(&report).expect("a report is JSON");
    let found = fs::read_to_string(folder.join("found.csv")).expect("a test writes what it finds");
    (found, report["run"]["records"].as_u64().expect("a count"))
}

/// How many records a training reads.
fn trained(folder: &Path, args: &[&str]) -> u64 {
    let (_, said) =
        must("oddline-trainer", folder, &[&["train", "--epochs", "2", "--model", "own.onnx"], args].concat());
    let fitted = said.split("read ").nth(1).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    // Of streams that are too short nothing is learnt, but they are read.
    let short = said.split(" records)").next().and_then(|text| text.rsplit('(').next()?.parse().ok()).unwrap_or(0);
    fitted.unwrap_or_else(|| panic!("no count: {said}")) + short
}

#[test]
fn a_log_of_any_format_is_read_by_trainer_and_agent_alike() {
    let (folder, samples) = (TempDir::new().expect("a folder"), samples());
    let folder = folder.path();
    let mut table = String::new();
    let mut anomalies = 0;
    for (name, header, render, values) in FORMATS {
        fs::write(folder.join(name), log(&samples, header, render)).expect("the folder can be written");
        let how = ["--values", values];
        let learnt = trained(folder, &[&["--logs", name], &how[..]].concat());
        let how = ["--values", values, "--model", "own.onnx"];
        let (expected, judged) = replayed(folder, &[&[name], &how[..]].concat());
        let (found, records) = tested(folder, &[&["--logs", name], &how[..]].concat());
        writeln!(
            table,
            "{name}: {learnt} learnt, {records} tested, {judged} replayed, {} odd",
            found.lines().count() - 1
        )
        .expect("a text takes everything");
        assert_eq!((learnt, records), (judged, judged), "{table}");
        assert_eq!(found, expected, "{name}");
        assert!(judged >= LINES as u64, "{table}");
        anomalies += found.lines().count() - 1;
    }
    assert!(anomalies > 100, "{table}");
    println!("{table}");
}

#[test]
fn text_without_numbers_is_tested_in_vain_and_nothing_to_learn_from() {
    let (folder, samples) = (TempDir::new().expect("a folder"), samples());
    let (folder, model) = (folder.path(), fixture::model());
    let model = model.to_str().expect("a path of text");
    for (name, header, render, _) in FORMATS.iter().filter(|(.., values)| *values == "numbers") {
        fs::write(folder.join(name), log(&samples, header, *render)).expect("the folder can be written");
        let (expected, judged) = replayed(folder, &[name, "--model", model]);
        assert_eq!((judged, expected.lines().count()), (0, 1), "{name}");
        assert_eq!(tested(folder, &["--logs", name, "--model", model]), (expected, 0), "{name}");
        let refused = run("oddline-trainer", folder, &["train", "--logs", name]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(65), "{name}: {said}");
        assert!(said.contains("no number to learn from") && said.contains("--values numbers"), "{name}: {said}");
    }
}

/// A log in four parts, the older two compressed, beside a compressed file that is not read.
fn rotated(folder: &Path, whole: &[u8]) -> PathBuf {
    let folder = folder.join("rotated");
    fs::create_dir(&folder).expect("a folder can be made");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let parts: Vec<Vec<u8>> = lines.chunks(lines.len().div_ceil(4)).map(<[&[u8]]>::concat).collect();
    for (part, name) in parts.iter().zip(["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log"]) {
        let bytes = if name.ends_with(".gz") {
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(part).expect("memory takes everything");
            packed.finish().expect("memory takes everything")
        } else {
            part.clone()
        };
        fs::write(folder.join(name), bytes).expect("the folder can be written");
    }
    fs::write(folder.join("app.log.11.xz"), "no text").expect("the folder can be written");
    folder
}

#[test]
fn rotated_files_are_one_log_in_their_order() {
    let (folder, samples) = (TempDir::new().expect("a folder"), samples());
    let folder = folder.path();
    let whole = log(&samples, "", jsonl_numbers);
    fs::write(folder.join("app.log"), &whole).expect("the folder can be written");
    let parts = rotated(folder, &whole);
    let pattern = format!("{}/app.log*", parts.display());
    let learnt = trained(folder, &["--logs", &pattern]);
    let (expected, judged) = replayed(folder, &["app.log", "--model", "own.onnx"]);
    let (found, records) = tested(folder, &["--logs", &pattern, "--model", "own.onnx"]);
    assert_eq!((learnt, records), (judged, judged));
    assert_eq!(found, expected);
    assert!(found.lines().count() > 1, "{found}");
    // A folder of rotated files is the same log, on a server called after it.
    let parts = parts.to_str().expect("a path of text");
    let in_folder = ["--logs", parts, "--server", "server", "--model", "own.onnx"];
    assert_eq!(tested(folder, &in_folder), (expected, judged));
}

#[test]
fn the_journal_is_read_without_our_own_entries() {
    let (folder, samples) = (TempDir::new().expect("a folder"), samples());
    let folder = folder.path();
    let whole = log(&samples, "", journald);
    fs::write(folder.join("export.json"), &whole).expect("the folder can be written");
    let own =
        journald(&Sample { component: "oddline-agent".to_owned(), ..samples.into_iter().next().expect("a sample") });
    fs::write(folder.join("entries"), [&whole, own.as_bytes(), b"\n"].concat()).expect("the folder can be written");
    fs::create_dir(folder.join("bin")).expect("a folder can be made");
    let program = folder.join("bin/journalctl");
    fs::write(&program, "#!/bin/sh\necho \"$@\" > arguments\ncat entries\n").expect("the folder can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a script can be made a program");
    let how = ["--values", "numbers"];
    let learnt = trained(folder, &[&["--journal", "--journal-arguments=--unit=cpu.service"], &how[..]].concat());
    let arguments = fs::read_to_string(folder.join("arguments")).expect("the script has run");
    assert!(arguments.contains("--output=json") && arguments.trim_end().ends_with("--unit=cpu.service"), "{arguments}");
    let how = ["--values", "numbers", "--model", "own.onnx"];
    let (expected, judged) = replayed(folder, &[&["export.json", "--component", "-"], &how[..]].concat());
    assert_eq!(tested(folder, &[&["--journal"], &how[..]].concat()), (expected, judged));
    assert_eq!(learnt, judged);
}
