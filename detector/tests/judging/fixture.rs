//! The committed model, and records to judge with it. Everything else comes from seeds.

use std::sync::OnceLock;

use oddline_core::{
    record::Record,
    stream::daily::{curve_at, phases},
    time::EventTime,
};
use oddline_detector::{DefaultNames, Judge, JudgeState, JudgedRow, OpenModel};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// Records of each stream: three days of one a minute.
const RECORDS: usize = 3 * 1440;
/// The generator's own autocorrelation.
const AUTOREGRESSION: f64 = 0.6;

/// A record that owns nothing but its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub time: Option<EventTime>,
    pub server: String,
    pub component: String,
    pub value: f64,
}

impl Entry {
    pub(crate) fn record(&self) -> Record<'_> {
        Record {
            time: self.time,
            server: Some(self.server.as_str().into()),
            component: Some(self.component.as_str().into()),
            value: Some(self.value),
            ..Record::default()
        }
    }
}

/// `data/golden.onnx`: three days of one server of the generator, seed 7, three epochs. A test of the trainer makes it
/// again.
pub(crate) fn model_bytes() -> &'static [u8] {
    include_bytes!("../data/golden.onnx")
}

pub(crate) fn model() -> &'static OpenModel {
    static MODEL: OnceLock<OpenModel> = OnceLock::new();
    MODEL.get_or_init(|| OpenModel::open(model_bytes()).unwrap())
}

/// Records of the streams that the model knows and of as many on a server that it must learn: the daily curve under
/// noise, and now and then a jump.
pub(crate) fn unseen() -> Vec<Entry> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let start = EventTime::parse("2026-02-02T00:00:00Z").unwrap();
    let known = &model().profile.baselines;
    let mut noises = vec![0.0; 2 * known.len()];
    let mut entries = Vec::new();
    for minute in 0..RECORDS {
        let time = start.plus_seconds(60.0 * minute as f64);
        for (at, noise) in noises.iter_mut().enumerate() {
            let stream = &known[at % known.len()];
            let white: f64 = (0..6).map(|_| random.random_range(-1.0..1.0)).sum::<f64>() / 2.0_f64.sqrt();
            *noise = AUTOREGRESSION * *noise + (1.0 - AUTOREGRESSION * AUTOREGRESSION).sqrt() * white;
            let jump = if random.random_range(0..400_u32) == 0 { 12.0 } else { 0.0 };
            let expected = curve_at(&stream.baseline.curve, &phases(time));
            let value = expected + (*noise + jump) * stream.baseline.residual_scale;
            let server = if at < known.len() { stream.server.clone() } else { "unknown".to_owned() };
            entries.push(Entry { time: Some(time), server, component: stream.component.clone(), value });
        }
    }
    entries
}

pub(crate) const NAMES: DefaultNames<'_> = DefaultNames { server: "server", component: "value" };

/// Judges all records, flushing at the end only.
pub(crate) fn judge_all(entries: &[Entry]) -> (Vec<JudgedRow>, Judge) {
    judge_with(model(), entries)
}

pub(crate) fn judge_with(model: &OpenModel, entries: &[Entry]) -> (Vec<JudgedRow>, Judge) {
    let (mut judge, mut out) = (Judge::with_state(model, JudgeState::default()).unwrap(), Vec::new());
    for entry in entries {
        judge.push(&entry.record(), NAMES, &mut out).unwrap();
    }
    judge.flush(&mut out).unwrap();
    (out, judge)
}

/// Everything of a verdict, each number by its bits.
pub(crate) fn bits(judged: &JudgedRow) -> String {
    let v = &judged.verdict;
    let floats = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    format!(
        "{} {} {:?} {:x} {:x?} {:x} {:?} {} {} {:x?} {:x?} {:?}",
        v.number,
        v.time.micros(),
        v.stream,
        v.value.to_bits(),
        v.expected.map(f64::to_bits),
        v.score.value.to_bits(),
        v.score.cause,
        v.anomalous,
        v.learning,
        floats(&v.vector),
        floats(&v.residual),
        judged.step,
    )
}

/// Fails at the first verdict that differs in any bit.
#[track_caller]
pub(crate) fn assert_same(found: &[JudgedRow], expected: &[JudgedRow], how: &str) {
    assert_eq!(found.len(), expected.len(), "{how}: number of verdicts");
    if let Some((f, e)) = found.iter().zip(expected).find(|(f, e)| bits(f) != bits(e)) {
        panic!("{how}: record {} differs:\n  {}\n  {}", e.verdict.number, bits(f), bits(e));
    }
}
