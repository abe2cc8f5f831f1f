//! Drives each target for `ODDLINE_FUZZ_S` seconds, a moment by default. `ODDLINE_SEED` repeats a run.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use oddline_fuzz::{mutate::Mutator, seeds, targets};

/// Inputs between two looks at the clock.
const BITE: u32 = 64;

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}

fn drive(name: &str, target: fn(&[u8]), inputs: Vec<Vec<u8>>) {
    let long: Option<u64> = variable("ODDLINE_FUZZ_S");
    let time = long.map_or(Duration::from_millis(500), Duration::from_secs);
    let seed =
        variable("ODDLINE_SEED").unwrap_or_else(|| if long.is_some() { u64::from(std::process::id()) } else { 1 });
    inputs.iter().for_each(|input| target(input));
    let (begun, mut count) = (Instant::now(), 0_u64);
    let mut mutator = Mutator::new(seed, inputs);
    while begun.elapsed() < time {
        for _ in 0..BITE {
            let input = mutator.next_input();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                eprintln!("{name}: seed {seed}, input {count}: {}", input.escape_ascii());
                resume_unwind(panic);
            }
            count += 1;
        }
    }
    println!("{name}: {count} inputs from seed {seed}");
    assert!(count > 0);
}

#[test]
fn lines() {
    drive("lines", targets::lines, seeds::lines());
}

#[test]
fn messages() {
    drive("messages", targets::messages, seeds::messages());
}

#[test]
fn states() {
    drive("states", targets::states, seeds::states());
}

#[test]
fn models() {
    drive("models", targets::models, seeds::models());
}

#[test]
fn topics() {
    drive("topics", targets::topics, seeds::topics());
}

#[test]
fn queries() {
    drive("queries", targets::queries, seeds::queries());
}

#[test]
fn configurations() {
    drive("configurations", targets::configurations, seeds::configurations());
}
