//! What all tests begin with: a trained model and generated logs. Made once per trainer and kept in the target folder;
//! tests in other processes wait for the one that makes it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::programs::{built, scratch};

/// Days of the log that the model is learnt from.
const DAYS: u32 = 3;

/// The model; learnt from [`DAYS`] days of three servers.
#[must_use]
pub fn model() -> PathBuf {
    made("model", |folder| {
        let days = DAYS.to_string();
        run(folder, &["generate", "--days", &days, "--test-days", "1", "--seed", "7"]);
        run(folder, &["train"]);
    })
    .join("models/autoencoder.onnx")
}

/// A log that the model has not seen: CSV with a header, as the generator writes it. Of all three servers or of one
/// (`server-01`); about 8,600 lines a server and day.
#[must_use]
pub fn log(server: Option<&str>, days: u32) -> Vec<u8> {
    let name = format!("log-{}-{days}", server.unwrap_or("all"));
    let folder = made(&name, |folder| {
        let days = days.to_string();
        // The unseen log begins where the training log ends.
        let learnt = DAYS.to_string();
        let mut args = vec!["generate", "--days", &learnt, "--test-days", &days, "--seed", "7"];
        args.extend(server.iter().flat_map(|server| ["--only-server", server]));
        run(folder, &args);
    });
    fs::read(folder.join("logs/unseen_logs.txt")).expect("the generator wrote the unseen log")
}

/// The same log with floods in it: in some hours, the last ones of each day among them, every eighth value of each stream
/// is far too large, which is more than the flood limit lets through.
#[must_use]
pub fn with_floods(log: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(log).expect("the generator writes text");
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut flooded = String::with_capacity(text.len());
    for line in text.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [time, server, component, value, truth] = fields[..] else { panic!("the generator wrote {line}") };
        let hour: u32 = time.get(11..13).and_then(|hour| hour.parse().ok()).unwrap_or(0);
        let count = seen.entry((server, component)).or_default();
        *count += u32::from(matches!(hour, 6..9 | 22..));
        if *count == 8 {
            *count = 0;
            let value: f64 = value.parse().expect("the generator writes numbers");
            flooded += &format!("{time},{server},{component},{:.4},{truth}\n", 3.0 * value);
        } else {
            flooded += &format!("{line}\n");
        }
    }
    flooded.into_bytes()
}

/// The folder of this name, filled by `make` when it is not there yet.
fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let of_this_trainer = scratch().join(trainer_id());
    fs::create_dir_all(&of_this_trainer).expect("the target folder can be written");
    let folder = of_this_trainer.join(name);
    let lock = File::create(of_this_trainer.join(format!("{name}.lock"))).expect("the target folder can be written");
    lock.lock().expect("a file can be locked");
    if !folder.is_dir() {
        let unfinished = of_this_trainer.join(format!("{name}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).expect("what a killed test left can be removed");
        }
        fs::create_dir_all(&unfinished).expect("the target folder can be written");
        make(&unfinished);
        fs::rename(&unfinished, &folder).expect("a folder can be renamed");
    }
    folder
}

/// Another build of the trainer makes its own.
fn trainer_id() -> String {
    let meta = fs::metadata(built("oddline-trainer")).expect("the trainer is there");
    format!("{:x}-{:x}", meta.mtime(), meta.len())
}

fn run(folder: &Path, args: &[&str]) {
    let output = Command::new(built("oddline-trainer")).args(args).current_dir(folder).output();
    let output = output.expect("the trainer can be started");
    assert!(output.status.success(), "oddline-trainer {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
