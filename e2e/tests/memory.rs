//! The agent's memory in a control group as the packaged unit's: whatever it reads, it starts and stays.
//! `ODDLINE_MEMORY_FILES=400` reads as many files as one source may name.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use oddline_core::time::EventTime;
use oddline_e2e::{
    agent::{Agent, Link, Setup},
    group::Group,
};
use oddline_testkit::{
    not_run,
    waiting::{PATIENCE, within},
};
use serde_json::Value;
use tempfile::TempDir;

/// As systemd/oddline-agent.service has it.
const UNIT_BYTES: u64 = 128 * 1024 * 1024;

struct Scene {
    folder: TempDir,
    group: Group,
    agent: Agent,
}

impl Scene {
    fn begin(test: &str, bytes: u64) -> Option<Self> {
        let name = test.replace([' ', ':'], "-");
        let group = match Group::with_memory(&name, bytes) {
            Ok(group) => group,
            Err(why) => {
                not_run(test, &why);
                return None;
            }
        };
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let link = Link::File(folder.path().join("odd.jsonl"));
        let mut agent = Agent::new(Setup::new("web-1", folder.path().to_owned(), link));
        agent.join(&group);
        Some(Self { folder, group, agent })
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("logs/{number:03}.log"))
    }

    /// Waits until every file is read to its end; the names of those that learn no further streams.
    fn settles(&mut self, files: usize) -> Vec<String> {
        let settled = |status: &Value| {
            let sources = status["reading"]["sources"].as_array()?;
            let done = sources.iter().filter(|source| source["lag_bytes"] == 0).count();
            let full = sources.iter().filter(|source| source["is_full"] == true);
            (done == files).then(|| full.map(|source| source["name"].as_str().unwrap().to_owned()).collect())
        };
        let Self { agent, group, .. } = self;
        let look = || {
            assert!(agent.is_alive(), "it ended at {} MiB; it said: {}", group.peak() >> 20, agent.said());
            agent.status().as_ref().and_then(settled)
        };
        within(5 * PATIENCE, look).unwrap_or_else(|| panic!("it does not settle: {:?}", self.agent.status()))
    }

    fn show(&self, what: &str, full: &[String]) {
        println!("e2e: memory: {what}: {} full, peak {} MiB", full.len(), self.group.peak() >> 20);
    }
}

/// A table in which each of `streams` has `records` values, a minute apart.
fn write_log(path: &Path, streams: usize, records: usize) {
    let mut text = "timestamp,server,component,value\n".to_owned();
    for record in 0..records {
        for stream in 0..streams {
            let time = EventTime::from_micros(1_767_571_200_000_000 + record as i64 * 60_000_000);
            let value = ((record * streams + stream) as f64 * 0.754_877).fract();
            writeln!(text, "{time},web-1,c{stream},{value:.3}").unwrap();
        }
    }
    fs::write(path, text).unwrap();
}

#[test]
fn thirty_files_of_a_thousand_names_start_and_stay() {
    let Some(mut scene) = Scene::begin("e2e: memory of names", UNIT_BYTES) else { return };
    for number in 0..30 {
        write_log(&scene.log(number), 1_024, 1);
    }
    for life in ["first", "second"] {
        scene.agent.start();
        let full = scene.settles(30);
        scene.show(&format!("names, {life} life"), &full);
        assert_eq!(full, [""; 0], "a megabyte of names fits");
        scene.agent.kill();
    }
}

#[test]
fn many_files_of_ordinary_streams_are_read_to_their_ends() {
    let files = std::env::var("ODDLINE_MEMORY_FILES").map_or(40, |files| files.parse().unwrap());
    // The same for fewer files in less memory.
    let bytes = if files < 400 { UNIT_BYTES / 8 * 3 } else { UNIT_BYTES };
    let Some(mut scene) = Scene::begin("e2e: memory of streams", bytes) else { return };
    for number in 0..files {
        write_log(&scene.log(number), 40, 300);
    }
    for life in ["first", "second"] {
        scene.agent.start();
        let full = scene.settles(files);
        scene.show(&format!("{files} files of 40 streams, {life} life"), &full);
        scene.agent.kill();
    }
}

#[test]
fn a_flood_of_names_in_every_file_is_told_and_leaves_room_to_others() {
    let Some(mut scene) = Scene::begin("e2e: memory of floods", UNIT_BYTES / 8 * 5) else { return };
    for number in 0..12 {
        write_log(&scene.log(number), 6_000, 2);
    }
    write_log(&scene.log(12), 4, 300);
    scene.agent.start();
    let full = scene.settles(13);
    scene.show("floods", &full);
    assert!((1..=12).contains(&full.len()), "{full:?}");
    assert!(!full.iter().any(|name| name.ends_with("012.log")), "the ordinary one has its share");
    assert!(scene.agent.said().contains("memory is full"), "{}", scene.agent.said());
    let told = fs::read_to_string(scene.folder.path().join("odd.jsonl")).unwrap();
    assert!(told.contains("more names of streams than"), "an event says so: {told}");
    scene.agent.stop();
}

#[test]
fn what_was_learnt_in_more_memory_is_learnt_again_in_less() {
    let Some(mut scene) = Scene::begin("e2e: less memory", UNIT_BYTES) else { return };
    for number in 0..20 {
        write_log(&scene.log(number), 1_024, 4);
    }
    scene.agent.start();
    let full = scene.settles(20);
    scene.show("much memory", &full);
    scene.agent.stop();
    let less = Group::with_memory("e2e-much-less-memory", UNIT_BYTES / 8 * 3).unwrap();
    scene.agent.join(&less);
    scene.group = less;
    scene.agent.start();
    let full = scene.settles(20);
    scene.show("less memory", &full);
    assert!(scene.agent.said().contains("it needs more memory than is allowed"), "{}", scene.agent.said());
    scene.agent.kill();
}

#[test]
fn validate_says_the_worst_case_and_refuses_what_is_above_the_limit() {
    let Some(scene) = Scene::begin("e2e: memory limit", UNIT_BYTES) else { return };
    let validate = |memory: &str| {
        let path = scene.folder.path().join("agent.toml");
        let text = fs::read_to_string(&path).unwrap();
        let with = scene.folder.path().join("with.toml");
        fs::write(&with, format!("{memory}\n{text}")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(scene.group.processes());
        command.arg(scene.agent.program()).args(["validate", "--config"]).arg(&with).output().unwrap()
    };
    let fine = validate("");
    let said = String::from_utf8_lossy(&fine.stdout).into_owned();
    assert!(fine.status.success() && said.contains("memory: at most 128 MiB ("), "{fine:?}");
    let refused = validate("memory_mib = 512");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(78) && said.contains("512 MiB are more than the 128 MiB"), "{refused:?}");
}
