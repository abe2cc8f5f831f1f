//! What all tests begin with: a trained model and generated logs. Made once per trainer and kept in the target folder;
//! tests in other processes wait for the one that makes it.

use std::{
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
