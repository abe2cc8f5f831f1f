//! Two weeks of a small fleet: the first is learnt from, the second is changed by each test before it decides.

use std::fmt::Write as _;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;

use super::{CURRENT, KEY, LOG};
use crate::shell::{Folder, HEADER};

/// The server and the stream that the model in use has never seen.
pub(super) const NEW_SERVER: &str = "server-03";
pub(super) const NEW_STREAM: (&str, &str) = ("server-02", "network");

/// One record of the second week.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub time: String,
    pub server: String,
    pub component: String,
    pub value: f64,
    pub anomalous: bool,
}

impl Row {
    fn parse(line: &str) -> Self {
        let mut fields = line.split(',').map(str::to_owned);
        let mut next = || fields.next().unwrap();
        let (time, server, component) = (next(), next(), next());
        Self { time, server, component, value: next().parse().unwrap(), anomalous: next() == "1" }
    }

    /// Whether the model in use knows its stream.
    pub(super) fn is_known(&self) -> bool {
        self.server != NEW_SERVER && (self.server.as_str(), self.component.as_str()) != NEW_STREAM
    }

    /// The noise of its stream, as the generator has it.
    pub(super) fn noise(&self) -> f64 {
        match self.component.as_str() {
            "cpu" => 4.0,
            "disk_io" => 15.0,
            "error_rate" => 0.5,
            "latency" => 8.0,
            "memory" => 2.0,
            "network" => 30.0,
            other => panic!("no component {other}"),
        }
    }
}

/// A folder with the model in use of the first week, and the second week's records.
pub(super) struct Weeks {
    pub folder: Folder,
    pub rows: Vec<Row>,
    pub random: Xoshiro256PlusPlus,
}

impl Weeks {
    pub(super) fn new(seed: u64) -> Self {
        let folder = Folder::new();
        folder.must(&format!(
            "generate --servers 3 --days 7 --test-days 7 --period-s 120 --anomaly-rate 0.02 --seed {seed}"
        ));
        let rows = |file: &str| -> Vec<Row> { folder.text(file).lines().skip(1).map(Row::parse).collect() };
        let known: Vec<Row> = rows("logs/server_logs.txt").into_iter().filter(Row::is_known).collect();
        folder.write("logs/first.csv", text(&known));
        folder.must(&format!("train --epochs 6 --logs logs/first.csv --model {CURRENT}"));
        let rows = rows("logs/unseen_logs.txt");
        Self { folder, rows, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    pub(super) fn with_key(seed: u64) -> Self {
        let weeks = Self::new(seed);
        weeks.folder.must(&format!("keygen --key {KEY}"));
        weeks
    }

    /// Writes the second week with what becomes of its rows.
    pub(super) fn write(&mut self, mut change: impl FnMut(&mut Row, &mut Xoshiro256PlusPlus)) {
        let mut rows = self.rows.clone();
        rows.iter_mut().for_each(|row| change(row, &mut self.random));
        self.folder.write(LOG, text(&rows));
    }

    /// Only what the model in use knows.
    pub(super) fn forget_new(&mut self) {
        self.rows.retain(Row::is_known);
    }
}

pub(super) fn text(rows: &[Row]) -> String {
    rows.iter().fold(HEADER.to_owned(), |mut text, row| {
        let Row { time, server, component, value, anomalous } = row;
        writeln!(text, "{time},{server},{component},{value:.4},{}", u8::from(*anomalous)).unwrap();
        text
    })
}

/// A server moved to other work: each of its streams has another level.
pub(super) fn new_level(row: &mut Row) {
    if row.server == "server-01" {
        row.value += 6.0 * row.noise();
    }
}

/// Sensors that spike everywhere.
pub(super) fn scattered(row: &mut Row, random: &mut Xoshiro256PlusPlus) {
    if random.random_bool(0.2) {
        row.value += random.random_range(6.0..12.0) * row.noise();
    }
}

/// Noise that grows with the week, to three times what it was.
pub(super) fn wider(row: &mut Row, random: &mut Xoshiro256PlusPlus) {
    let day: f64 = row.time[8..10].parse::<f64>().unwrap() - 12.0;
    let hour: f64 = row.time[11..13].parse().unwrap();
    let noise: f64 = random.sample(StandardNormal);
    row.value += 2.8 * (day + hour / 24.0) / 7.0 * row.noise() * noise;
}
