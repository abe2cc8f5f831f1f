//! Killed at any instant, a command leaves each output as it was or whole.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::shell::{Folder, TRAIN};

const KILLS: u32 = 8;
/// Where the run is always over sooner, something else is wrong.
const ROUNDS_MAX: u32 = 40;

/// Runs a command whole once, then kills it at random instants of that time, with old outputs and with none.
fn kill_at_random(folder: &Folder, arguments: &str, outputs: &[&str]) {
    folder.must(arguments);
    let begun = Instant::now();
    folder.must(arguments);
    let whole_run = begun.elapsed();
    let whole: BTreeMap<&str, Vec<u8>> = outputs.iter().map(|name| (*name, folder.read(name))).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(41);
    let mut killed = 0;
    for round in 0..ROUNDS_MAX {
        if killed == KILLS {
            break;
        }
        let with_old = round % 2 == 0;
        for name in outputs {
            if with_old {
                folder.write(name, "the old one");
            } else if folder.path(name).exists() {
                std::fs::remove_file(folder.path(name)).unwrap();
            }
        }
        let mut child = folder.command(arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
        let instant = whole_run.mul_f64(random.random_range(0.0..1.0));
        let begun = Instant::now();
        while begun.elapsed() < instant && child.try_wait().unwrap().is_none() {
            thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        for (name, whole) in &whole {
            let path = folder.path(name);
            let found = path.exists().then(|| folder.read(name));
            let untouched = if with_old { found.as_deref() == Some(b"the old one") } else { found.is_none() };
            assert!(untouched || found.as_ref() == Some(whole), "{name} after {instant:?} of {whole_run:?}");
        }
    }
    assert_eq!(killed, KILLS, "times killed");
    folder.must(arguments);
    whole.iter().for_each(|(name, whole)| assert_eq!(&folder.read(name), whole, "{name} when run again"));
}

#[test]
fn training() {
    let folder = Folder::with_logs();
    let outputs = ["models/autoencoder.onnx", "charts/loss_curves.png", "charts/error_distribution.png"];
    kill_at_random(&folder, TRAIN, &outputs);
}

#[test]
fn testing() {
    let folder = Folder::with_model();
    folder.must("generate --servers 1 --days 2 --test-days 2");
    let outputs = [
        "logs/anomalies.csv",
        "logs/debug_logs.txt",
        "scores.csv",
        "report.json",
        "charts/unseen_data_errors.png",
        "charts/unseen_data_streams.png",
    ];
    let arguments = "test --debug-with-anomaly-flag --scores scores.csv --report report.json";
    kill_at_random(&folder, arguments, &outputs);
}

#[test]
fn generating() {
    let folder = Folder::new();
    let outputs = ["logs/server_logs.txt", "logs/unseen_logs.txt", "logs/server_logs.kinds.csv"];
    kill_at_random(&folder, "generate", &outputs);
}
