//! A verdict does not depend on when records are flushed, nor on whether the judge was stored and opened in between.

use oddline_core::time::EventTime;
use oddline_detector::{Judge, JudgeState, JudgedRow, RecordIntake};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::fixture::{Entry, NAMES, assert_same, judge_all, model, unseen};

/// Unseen records as a bad day delivers them: some late, some twice, some without a time, some absurd.
fn untidy(seed: u64) -> Vec<Entry> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut entries: Vec<Entry> = unseen().into_iter().step_by(15).collect();
    for entry in &mut entries {
        match random.random_range(0..100_u32) {
            0 => entry.time = entry.time.map(|t| EventTime::from_micros(t.micros() - 600_000_000)),
            1 => entry.time = None,
            2 => entry.value = [0.0, -1e300, f64::MAX, 1e-300][random.random_range(0..4)],
            3 => entry.component = format!("new-{}", random.random_range(0..40_u32)),
            _ => {}
        }
    }
    let again = entries[100].clone();
    entries.insert(101, again);
    entries
}

/// Judges with a flush before a record whenever `flush` says so.
fn judge_flushing(entries: &[Entry], mut flush: impl FnMut() -> bool) -> Vec<JudgedRow> {
    let (mut judge, mut out) = (Judge::new(model()).unwrap(), Vec::new());
    for entry in entries {
        if flush() {
            judge.flush(&mut out).unwrap();
        }
        judge.push(&entry.record(), NAMES, &mut out).unwrap();
    }
    judge.flush(&mut out).unwrap();
    out
}

#[test]
fn flushes_change_no_bit() {
    for seed in [1, 2] {
        let entries = untidy(seed);
        let (expected, _) = judge_all(&entries);
        assert_eq!(expected.len(), entries.len());
        assert!(expected.iter().any(|j| j.verdict.anomalous) && expected.iter().any(|j| j.verdict.learning));
        assert_same(&judge_flushing(&entries, || true), &expected, "a flush after each record");
        for share in [0.5, 0.1, 0.01] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let found = judge_flushing(&entries, || random.random_bool(share));
            assert_same(&found, &expected, &format!("seed {seed}, flushed at {share} of the records"));
        }
    }
}

#[test]
fn a_stored_state_goes_on_as_if_nothing_happened() {
    for seed in [4, 5] {
        let entries = untidy(seed);
        let (expected, _) = judge_all(&entries);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (mut judge, mut out) = (Judge::new(model()).unwrap(), Vec::new());
        let mut stored = 0;
        for entry in &entries {
            if random.random_bool(0.02) {
                judge.flush(&mut out).unwrap();
                let bytes = postcard::to_allocvec(judge.state()).unwrap();
                let state: JudgeState = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(postcard::to_allocvec(&state).unwrap(), bytes, "a state is read as it was written");
                judge = Judge::with_state(model(), state).unwrap();
                stored += 1;
            }
            judge.push(&entry.record(), NAMES, &mut out).unwrap();
        }
        judge.flush(&mut out).unwrap();
        assert!(stored > 20, "stored {stored} times");
        assert_same(&out, &expected, "stored and opened");
    }
}

#[test]
fn what_cannot_be_judged_is_said_and_takes_no_number() {
    let (mut judge, mut out) = (Judge::new(model()).unwrap(), Vec::new());
    let mut entry = unseen()[0].clone();
    entry.time = None;
    assert_eq!(judge.push(&entry.record(), NAMES, &mut out).unwrap(), RecordIntake::NoTime);
    let entry = &unseen()[0];
    let without_value = oddline_core::record::Record { value: None, ..entry.record() };
    assert_eq!(judge.push(&without_value, NAMES, &mut out).unwrap(), RecordIntake::NoValue);
    assert_eq!(judge.push(&entry.record(), NAMES, &mut out).unwrap(), RecordIntake::Judged(0));
}
