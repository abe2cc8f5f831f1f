//! One source that cannot be read, for whatever reason, stops no other: a file exchanged for a FIFO at every moment, a
//! file system that does not answer.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use oddline_e2e::{
    agent::{Agent, Link, Setup},
    dead::DeadDisk,
    fixture,
};
use oddline_testkit::{not_run, waiting::until};
use serde_json::Value;
use tempfile::TempDir;

/// Files that are exchanged without a pause, each by a thread of its own that shares the processors with the agent.
const EXCHANGED: usize = 8;
/// How long they are. An agent that looks first and opens then, without more, hangs within a few seconds.
const ATTACK: Duration = Duration::from_secs(12);

struct Scene {
    folder: TempDir,
    agent: Agent,
}

impl Scene {
    /// An agent that reads the logs of two folders, each as a source of its own.
    fn new() -> Self {
        // In memory, where there is such a place: files are exchanged there many times as often.
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a")).unwrap();
        fs::create_dir_all(path("b")).unwrap();
        let mut setup = Setup::new("web-1", folder.path().join("agent"), Link::File(path("odd.jsonl")));
        setup.files = path("a/*.log");
        setup.model = fixture::model();
        let agent = Agent::new(setup);
        let mut config = OpenOptions::new().append(true).open(path("agent/agent.toml")).unwrap();
        write!(config, "\n[[source]]\nfiles = [{:?}]\nbegin = \"start\"\n", path("b/*.log")).unwrap();
        Self { folder, agent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, lines: usize) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all("a line of a log\n".repeat(lines).as_bytes()).unwrap();
    }

    fn source(&self, name: &str) -> Option<Value> {
        let status = self.agent.status()?;
        let sources = status["reading"]["sources"].as_array()?;
        sources.iter().find(|source| source["name"].as_str().is_some_and(|n| n.ends_with(name))).cloned()
    }

    fn reads(&self, name: &str, lines: u64) {
        let read = || self.source(name).filter(|source| source["lines"].as_u64() == Some(lines));
        until(read, || format!("{lines} lines of {name}: {:?}\n{}", self.agent.status(), self.agent.said()));
    }

    /// Waits until a source is said to have failed with these words.
    fn fails(&self, name: &str, with: &str) {
        let is_it = |source: &Value| source["failed"].as_str().is_some_and(|why| why.contains(with));
        let failed = || self.source(name).filter(is_it);
        until(failed, || format!("{name} to fail: {:?}\n{}", self.agent.status(), self.agent.said()));
    }

    fn told(&self, of: &str) -> usize {
        fs::read_to_string(self.path("odd.jsonl")).unwrap_or_default().matches(of).count()
    }
}

#[test]
fn files_exchanged_for_fifos_at_every_moment_stop_no_other_source() {
    let mut scene = Scene::new();
    let fifo = scene.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    scene.append("b/quiet.log", 1);
    scene.agent.start();
    scene.reads("b/quiet.log", 1);
    let is_over = AtomicBool::new(false);
    let exchanges = thread::scope(|scope| {
        let (scene, fifo, is_over) = (&scene, &fifo, &is_over);
        let attackers: Vec<_> = (0..EXCHANGED)
            .map(|number| scope.spawn(move || exchange(scene.folder.path(), number, fifo, is_over)))
            .collect();
        let began = Instant::now();
        let mut lines = 1;
        while began.elapsed() < ATTACK {
            scene.append("b/quiet.log", 1);
            lines += 1;
            scene.reads("b/quiet.log", lines);
        }
        is_over.store(true, Ordering::Relaxed);
        attackers.into_iter().map(|attacker| attacker.join().unwrap()).sum::<u64>()
    });
    println!("e2e: {exchanges} exchanges of {EXCHANGED} files");
    // It was attacked: its logs are read again once they are logs for good.
    scene.append("a/0.log", 1);
    until(
        || scene.source("a/0.log").filter(|source| source["lines"].as_u64() > Some(0)),
        || format!("it does not read what was attacked: {:?}", scene.agent.status()),
    );
    scene.agent.stop();
}

/// Makes a path a log, then a FIFO, then another log, without a pause; a log in the end.
fn exchange(folder: &Path, number: usize, fifo: &Path, is_over: &AtomicBool) -> u64 {
    let path = |name: &str| folder.join(format!("{name}-{number}"));
    let (victim, aside) = (folder.join(format!("a/{number}.log")), path("aside"));
    let logs = [path("one"), path("two")];
    logs.iter().for_each(|log| fs::write(log, format!("a line of {}\n", log.display())).unwrap());
    let put = |what: &Path| {
        fs::hard_link(what, &aside).unwrap();
        fs::rename(&aside, &victim).unwrap();
    };
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        for log in &logs {
            put(log);
            put(fifo);
            count += 1;
        }
    }
    put(&logs[0]);
    count
}

#[test]
fn a_file_system_that_does_not_answer_stops_only_its_own_sources() {
    let test = "e2e: dead file system";
    let mut scene = Scene::new();
    for name in ["a/one.log", "a/two.log", "b/one.log"] {
        scene.append(name, 3);
    }
    scene.agent.start();
    for name in ["a/one.log", "a/two.log", "b/one.log"] {
        scene.reads(name, 3);
    }
    let disk = match DeadDisk::mount(&scene.path("a")) {
        Ok(disk) => disk,
        Err(why) => return not_run(test, &why),
    };
    scene.fails("a/one.log", "has not answered");
    scene.fails("a/two.log", "has not answered");
    scene.append("b/one.log", 4);
    scene.append("b/appears.log", 2);
    scene.reads("b/one.log", 7);
    scene.reads("b/appears.log", 2);
    until(|| (scene.told("source_failed") >= 2).then_some(()), || "it is not told as events".to_owned());

    drop(disk);
    scene.append("a/one.log", 5);
    scene.append("a/three.log", 1);
    scene.reads("a/one.log", 8);
    scene.reads("a/two.log", 3);
    scene.reads("a/three.log", 1);
    until(|| (scene.told("source_recovered") >= 2).then_some(()), || "it is not told that they are back".to_owned());
    assert_eq!(scene.told("\"gap\""), 0, "nothing was lost");

    // It ends in time, too, and starts while it hangs.
    let disk = DeadDisk::mount(&scene.path("a")).unwrap();
    scene.fails("a/one.log", "has not answered");
    scene.agent.stop();
    scene.agent.start();
    scene.append("b/one.log", 1);
    scene.reads("b/one.log", 8);
    scene.fails("a/*.log", "has not answered");
    drop(disk);
    scene.append("a/two.log", 1);
    scene.reads("a/two.log", 4);
    scene.agent.stop();
}
