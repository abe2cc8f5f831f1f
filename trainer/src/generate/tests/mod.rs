//! The generated records against their definition. Noise does not depend on events, so the same
//! scenario without anomalies tells what every value would have been.

mod events;
mod options;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::fs;

use super::scenario::server_name;
use super::stream::{FNV_OFFSET, GeneratedProfile, digest};
use super::*;

type StreamKey = (String, &'static str);

fn by_stream(scenario: &Scenario) -> BTreeMap<StreamKey, Vec<GeneratedRecord>> {
    let mut streams: BTreeMap<StreamKey, Vec<GeneratedRecord>> = BTreeMap::new();
    for record in records(scenario).unwrap() {
        let key = (record.server.to_string(), record.component);
        streams.entry(key).or_default().push(record);
    }
    streams
}

fn clean() -> Scenario {
    Scenario { contamination: 0.0, anomaly_rate: 0.0, ..Scenario::default() }
}

fn short(shape: CurveShape) -> Scenario {
    let anomaly_rate = shape.anomaly_rate();
    Scenario { shape, training_days: 1, unseen_days: 1, anomaly_rate, ..Scenario::default() }
}

fn profile(scenario: &Scenario, (server, component): &StreamKey) -> GeneratedProfile {
    let component = COMPONENTS.iter().find(|known| known.name == *component).unwrap();
    GeneratedProfile::new(scenario, server, component)
}

/// Every record of an event with its deviation from what would have been, in noise sd.
fn deviations(scenario: &Scenario) -> Vec<(GeneratedRecord, f64)> {
    let clean = Scenario { contamination: 0.0, anomaly_rate: 0.0, ..scenario.clone() };
    let key = |record: &GeneratedRecord| (record.server.clone(), record.component, record.time_s);
    let normal: HashMap<_, f64> = records(&clean).unwrap().map(|record| (key(&record), record.value)).collect();
    let sds: HashMap<_, f64> = COMPONENTS.iter().map(|known| (known.name, known.noise_sd)).collect();
    records(scenario)
        .unwrap()
        .map(|record| {
            let deviation = (record.value - normal[&key(&record)]).abs() / sds[record.component];
            (record, deviation)
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |scenario: &Scenario| {
        let folder = tempfile::tempdir().unwrap();
        write::write_logs(scenario, folder.path()).unwrap();
        let files = ["server_logs.txt", "server_logs.kinds.csv", "unseen_logs.txt", "unseen_logs.kinds.csv"];
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files.len(), "nothing left aside");
        files.iter().fold(FNV_OFFSET, |hash, name| digest(&fs::read(folder.path().join(name)).unwrap(), hash))
    };
    assert_eq!(bytes(&short(CurveShape::Full)), 12_882_593_618_251_967_267, "full");
    assert_eq!(bytes(&short(CurveShape::Basic)), 3188769820618572152, "basic");
    assert_ne!(bytes(&Scenario { seed: 43, ..short(CurveShape::Full) }), bytes(&short(CurveShape::Full)));
}

#[test]
fn a_server_alone_is_the_same_as_beside_others() {
    let fleet = short(CurveShape::Full);
    let row = |record: GeneratedRecord| {
        let kind = record.truth.map(|truth| truth.kind);
        (record.time_s, record.component, record.value, record.anomalous, kind)
    };
    let of_two = server_name(2);
    let beside: Vec<_> = records(&fleet).unwrap().filter(|record| *record.server == *of_two).map(row).collect();
    let alone = Scenario { servers: 2..3, ..fleet };
    assert_eq!(records(&alone).unwrap().map(row).collect::<Vec<_>>(), beside);
    assert!(beside.len() > 6 * 2 * 1400);
}

#[test]
fn rows_are_sorted_and_phases_follow_each_other() {
    let scenario = Scenario { servers: 1..11, training_days: 1, unseen_days: 1, ..Scenario::default() };
    let all: Vec<GeneratedRecord> = records(&scenario).unwrap().collect();
    assert!(all.is_sorted_by_key(|record| (record.time_s, record.server.clone(), record.component)));
    let border = scenario.start_s + 86_400;
    for record in &all {
        assert_eq!(record.phase == Phase::Unseen, record.time_s >= border, "{record:?}");
        assert!((0..=10).contains(&((record.time_s - scenario.start_s) % 60)));
    }
}

#[test]
fn a_fast_period_and_a_long_run_need_no_more_than_a_tick() {
    let scenario = Scenario { period_s: 1, training_days: 0, unseen_days: 3650, ..Scenario::default() };
    let times: Vec<i64> = records(&scenario).unwrap().take(60_000).map(|record| record.time_s).collect();
    assert!(times.is_sorted());
    assert!((times[0], times.len()) == (scenario.start_s, 60_000));
}
