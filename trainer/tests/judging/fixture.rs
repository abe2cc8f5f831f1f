//! A small model and logs to judge with it. Everything comes from seeds.

use std::{fs, path::Path, sync::OnceLock, time::UNIX_EPOCH};

use clap::Parser;
use oddline_core::{
    record::Record,
    stream::{
        baseline::Baseline,
        daily::{curve_at, phases},
    },
    time::EventTime,
};
use oddline_detector::{DefaultNames, Judge, JudgeState, JudgedRow, OpenModel};
use oddline_trainer::{
    generate::{self, Phase, Scenario, records},
    output, train,
};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};
use tempfile::TempDir;

/// Servers of the logs; the model knows the first.
const SERVERS: u32 = 2;
const TRAINING_DAYS: u32 = 3;

#[derive(Parser)]
struct Training {
    #[command(flatten)]
    args: train::Args,
}

#[derive(Parser)]
struct Generating {
    #[command(flatten)]
    args: generate::Args,
}

/// A record that owns nothing but its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub time: Option<EventTime>,
    pub server: String,
    pub component: String,
    pub value: f64,
}

impl Entry {
    pub(crate) fn new(server: &str, component: &str, time: EventTime, value: f64) -> Self {
        Self { time: Some(time), server: server.to_owned(), component: component.to_owned(), value }
    }

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

/// The file of the model of the first server. Trained once for each build of this test: the file that the first process
/// leaves serves the others.
pub(crate) fn model_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("judging-{}.onnx", this_build()));
        fs::read(&kept).unwrap_or_else(|_| {
            let folder = TempDir::new().unwrap();
            let log = generate_log(folder.path());
            let bytes = train(folder.path(), &log);
            output::write(&kept, &bytes).unwrap();
            bytes
        })
    })
}

fn this_build() -> String {
    let file = fs::metadata(std::env::current_exe().unwrap()).unwrap();
    let age = file.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}", file.len(), age.as_nanos())
}

pub(crate) fn model() -> &'static OpenModel {
    static MODEL: OnceLock<OpenModel> = OnceLock::new();
    MODEL.get_or_init(|| OpenModel::open(model_bytes()).unwrap())
}

/// Writes the training log of the first server; its text.
pub(crate) fn generate_log(folder: &Path) -> String {
    let out = folder.join("logs");
    let options = ["generate", "--servers", "1", "--days", "3", "--test-days", "1", "--seed", "7"];
    let args = Generating::parse_from(options.into_iter().chain(["--out", out.to_str().unwrap()])).args;
    generate::generate(&args).unwrap();
    fs::read_to_string(out.join("server_logs.txt")).unwrap()
}

/// Trains on a log; the model file.
pub(crate) fn train(folder: &Path, log: &str) -> Vec<u8> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::write(path("log.csv"), log).unwrap();
    let (logs, model, charts) = (path("log.csv"), path("model.onnx"), path("charts"));
    let options = ["train", "--epochs", "3", "--logs", &logs, "--model", &model, "--charts", &charts];
    train::run(&Training::parse_from(options).args).unwrap();
    fs::read(&model).unwrap()
}

/// Unseen records of both servers: one the model knows, one it must learn.
pub(crate) fn unseen() -> Vec<Entry> {
    let scenario = Scenario {
        servers: 1..SERVERS + 1,
        training_days: TRAINING_DAYS,
        unseen_days: 3,
        seed: 7,
        ..Scenario::default()
    };
    let unseen = records(&scenario).unwrap().filter(|r| r.phase == Phase::Unseen);
    unseen.map(|r| Entry::new(&r.server, r.component, EventTime::from_micros(r.time_s * 1_000_000), r.value)).collect()
}

pub(crate) const NAMES: DefaultNames<'_> = DefaultNames { server: "server", component: "value" };

/// Judges all records, flushing at the end only.
pub(crate) fn judge_all(entries: &[Entry]) -> (Vec<JudgedRow>, Judge) {
    go_on(JudgeState::default(), entries)
}

/// Judges all records with another model.
pub(crate) fn judge_with(model: &OpenModel, entries: &[Entry]) -> Vec<JudgedRow> {
    let (mut judge, mut out) = (Judge::new(model).unwrap(), Vec::new());
    for entry in entries {
        judge.push(&entry.record(), NAMES, &mut out).unwrap();
    }
    judge.flush(&mut out).unwrap();
    out
}

/// Judges all records from a state on.
pub(crate) fn go_on(state: JudgeState, entries: &[Entry]) -> (Vec<JudgedRow>, Judge) {
    let (mut judge, mut out) = (Judge::with_state(model(), state).unwrap(), Vec::new());
    for entry in entries {
        judge.push(&entry.record(), NAMES, &mut out).unwrap();
    }
    judge.flush(&mut out).unwrap();
    (out, judge)
}

/// A stream that the model knows, behaving as it learnt: its daily curve under noise of its own scale, a record a
/// minute.
pub(crate) struct Usual {
    pub server: String,
    pub component: String,
    pub baseline: Baseline,
    pub time: EventTime,
    random: Xoshiro256PlusPlus,
    noise: f64,
}

/// The generator's own autocorrelation.
const AUTOREGRESSION: f64 = 0.6;

impl Usual {
    pub(crate) fn stream(component: &str, seed: u64) -> Self {
        let known = model().profile.baselines.iter().find(|b| b.component == component).unwrap();
        let start = EventTime::parse("2026-02-02T00:00:00Z").unwrap();
        Self {
            server: known.server.clone(),
            component: component.to_owned(),
            baseline: known.baseline.clone(),
            time: start,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            noise: 0.0,
        }
    }

    /// The next record, `shift` scales above what is usual.
    pub(crate) fn next(&mut self, shift: f64) -> Entry {
        let white: f64 = StandardNormal.sample(&mut self.random);
        let spread = (1.0 - AUTOREGRESSION * AUTOREGRESSION).sqrt();
        self.noise = (AUTOREGRESSION * self.noise + spread * white).clamp(-2.5, 2.5);
        self.time = self.time.plus_seconds(60.0);
        let expected = curve_at(&self.baseline.curve, &phases(self.time));
        let value = expected + (self.noise + shift) * self.baseline.residual_scale;
        Entry::new(&self.server, &self.component, self.time, value)
    }

    pub(crate) fn take(&mut self, records: usize, shift: f64) -> Vec<Entry> {
        (0..records).map(|_| self.next(shift)).collect()
    }
}

/// Records a day.
pub(crate) const DAY: usize = 1440;
