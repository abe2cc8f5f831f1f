//! A folder of its own for each test, and the program run in it.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const LOG: &str = "logs/server_logs.txt";
pub(crate) const UNSEEN: &str = "logs/unseen_logs.txt";
pub(crate) const MODEL: &str = "models/autoencoder.onnx";
pub(crate) const ANOMALIES: &str = "logs/anomalies.csv";
pub(crate) const HEADER: &str = "timestamp,server,component,value,anomalous\n";

/// Enough of everything to learn from, in a fifth of a second.
const SMALL: &str = "generate --servers 1 --days 2 --test-days 1 --period-s 300";
pub(crate) const TRAIN: &str = "train --epochs 2";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Fails unless the run ended with this code and said all these words on standard error.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "not said: {word:?}\n{}", self.stderr);
        }
        assert!(self.stdout.is_empty(), "errors go to standard error:\n{}", self.stdout);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With small generated logs.
    pub(crate) fn with_logs() -> Self {
        let folder = Self::new();
        folder.must(SMALL);
        folder
    }

    /// With logs and a model.
    pub(crate) fn with_model() -> Self {
        let folder = Self::with_logs();
        folder.must(TRAIN);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// All files below the folder, sorted.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        list(self.0.path(), self.0.path(), &mut files);
        files
    }

    /// The program with arguments separated by blanks.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oddline-trainer"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env_remove("DEBUG_WITH_ANOMALY_FLAG");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Done {
        run(&mut self.command(arguments))
    }

    /// Runs what must succeed.
    #[track_caller]
    pub(crate) fn must(&self, arguments: &str) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments}: {}", done.stderr);
        done
    }

    /// What the program says of a model.
    #[track_caller]
    pub(crate) fn inspect(&self, model: &str) -> Value {
        self.must(&format!("inspect --json {model}")).json()
    }
}

pub(crate) fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// A log of one stream, a record a minute, with a fixed wobble around 50.
pub(crate) fn steady(records: usize) -> String {
    (0..records).fold(HEADER.to_owned(), |log, i| log + &row(i, 50.0 + wobble(i)))
}

/// Close to normal with mean 0 and deviation 1/3, never repeating: three hashes of the number, added.
pub(crate) fn wobble(i: usize) -> f64 {
    let hash = |salt: u64| {
        let x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (hash(1) + hash(2) + hash(3)) * 2.0 / 3.0
}

/// One row of [`steady`]'s stream.
pub(crate) fn row(minute: usize, value: f64) -> String {
    format!("{},server-01,cpu,{value},0\n", time(minute))
}

/// RFC 3339, minutes after the start of a month with room for 28 days.
pub(crate) fn time(minute: usize) -> String {
    let (day, hour, minute) = (minute / 1440 + 1, minute / 60 % 24, minute % 60);
    let mut text = String::new();
    write!(text, "2026-02-{day:02}T{hour:02}:{minute:02}:00Z").unwrap();
    text
}

/// Peak resident memory of a process that still runs, in KiB.
pub(crate) fn peak_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs another program; whether it succeeded.
pub(crate) fn succeeds(program: &str, arguments: &[&OsStr]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
