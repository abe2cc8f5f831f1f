//! How often anomalies come, how long they last, what they do, and what is labelled.

use std::collections::BTreeMap;

use super::super::anomaly::{DEVIATION_SD_MIN, GAP_RECORDS_MIN};
use super::*;

#[test]
fn shares_are_met_within_a_tenth() {
    for (shape, seed) in [(CurveShape::Full, 1), (CurveShape::Full, 2), (CurveShape::Full, 3), (CurveShape::Basic, 1)] {
        for (contamination, anomaly_rate) in [(0.02, shape.anomaly_rate()), (0.1, 0.45)] {
            let scenario = Scenario { shape, seed, contamination, anomaly_rate, ..Scenario::default() };
            for phase in [Phase::Training, Phase::Unseen] {
                let of_phase = records(&scenario).unwrap().filter(|record| record.phase == phase);
                let (all, anomalous) = of_phase.fold((0.0, 0.0), |(all, anomalous), record| {
                    (all + 1.0, anomalous + f64::from(u8::from(record.anomalous)))
                });
                let (share, aim) = (anomalous / all, scenario.share(phase));
                assert!((share / aim - 1.0).abs() < 0.1, "{shape:?} {seed} {phase:?}: {share} for {aim}");
            }
        }
    }
}

#[test]
fn every_kind_occurs_about_equally_often() {
    let mut kinds: BTreeMap<AnomalyPattern, Vec<u64>> = BTreeMap::new();
    for truth in records(&Scenario::default()).unwrap().filter_map(|record| record.truth) {
        kinds.entry(truth.kind).or_default().push(truth.event);
    }
    let events: Vec<usize> = kinds
        .values_mut()
        .map(|numbers| {
            numbers.sort_unstable();
            numbers.dedup();
            numbers.len()
        })
        .collect();
    assert_eq!(kinds.len(), 8);
    // Dips without room become spikes; the other six kinds are drawn alike.
    let all: usize = events.iter().sum();
    for (kind, events) in kinds.keys().zip(&events) {
        let fair = if matches!(kind, AnomalyPattern::Spike | AnomalyPattern::Dip) { 0.02..0.25 } else { 0.095..0.155 };
        let share = *events as f64 / all as f64;
        assert!(fair.contains(&share), "{kind:?}: {share} of {all}");
    }
}

#[test]
fn labels_follow_the_definition() {
    let rounding = 0.001;
    let mut weak: BTreeMap<AnomalyPattern, (u32, u32)> = BTreeMap::new();
    for (record, deviation) in deviations(&Scenario::default()) {
        let Some(truth) = record.truth else {
            assert_eq!(deviation, 0.0, "{record:?}");
            assert!(!record.anomalous);
            continue;
        };
        let (below, all) = weak.entry(truth.kind).or_default();
        *below += u32::from(deviation < DEVIATION_SD_MIN - rounding);
        *all += 1;
        match truth.kind {
            AnomalyPattern::Drift | AnomalyPattern::Context if (deviation - DEVIATION_SD_MIN).abs() > rounding => {
                assert_eq!(record.anomalous, deviation > DEVIATION_SD_MIN, "{record:?} {deviation}");
            }
            AnomalyPattern::Drift | AnomalyPattern::Context => {}
            _ => assert!(record.anomalous, "{record:?}"),
        }
    }
    // A limit takes next to nothing away from what has room on one side.
    for kind in [AnomalyPattern::Spike, AnomalyPattern::Dip, AnomalyPattern::Shift] {
        let (below, all) = weak[&kind];
        assert!(f64::from(below) < 0.01 * f64::from(all), "{kind:?}: {below} of {all}");
    }
    for kind in [AnomalyPattern::Drift, AnomalyPattern::Context] {
        let (below, all) = weak[&kind];
        assert!(below > all / 10 && below < all * 9 / 10, "{kind:?}: {below} of {all}");
    }
}

/// Consecutive records of one event, in the order of their stream.
fn events(stream: &[GeneratedRecord]) -> Vec<Vec<&GeneratedRecord>> {
    let mut found: Vec<Vec<&GeneratedRecord>> = Vec::new();
    for record in stream.iter().filter(|record| record.truth.is_some()) {
        match found.last_mut() {
            Some(event) if event[0].truth == record.truth => event.push(record),
            _ => found.push(vec![record]),
        }
    }
    found
}

#[test]
fn events_have_their_lengths_and_a_normal_gap_between_them() {
    let scenario = Scenario::default();
    let minute = |record: &GeneratedRecord| (record.time_s - scenario.start_s) / 60;
    let mut numbers = Vec::new();
    for (key, stream) in by_stream(&scenario) {
        for event in events(&stream) {
            let truth = event[0].truth.unwrap();
            numbers.push(truth.event);
            let length = match truth.kind {
                AnomalyPattern::Spike | AnomalyPattern::Dip => 1..=3,
                AnomalyPattern::Shift => 20..=90,
                AnomalyPattern::Drift => 60..=150,
                AnomalyPattern::Stuck => 15..=60,
                AnomalyPattern::Dropout => 1..=30,
                AnomalyPattern::Burst | AnomalyPattern::Context => 20..=60,
                AnomalyPattern::Outlier => panic!("{key:?} has an outlier"),
            };
            // The last event of the file may be cut short.
            let cut = event.last() == stream.last().as_ref();
            assert!(cut || length.contains(&event.len()), "{key:?} {truth:?} {}", event.len());
            let span = minute(event[event.len() - 1]) - minute(event[0]);
            assert_eq!(span + 1, event.len() as i64, "{key:?} {truth:?} is in one piece");
        }
        let mut normal = GAP_RECORDS_MIN;
        for pair in stream.windows(2) {
            normal = if pair[0].truth.is_none() { normal + 1 } else { 0 };
            if pair[1].truth.is_some() && pair[0].truth != pair[1].truth {
                assert!(normal >= GAP_RECORDS_MIN, "{key:?} {:?} after {normal}", pair[1]);
            }
        }
    }
    let all = numbers.len();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=all as u64).collect::<Vec<_>>());
}

#[test]
fn stuck_repeats_and_dropout_falls_or_leaves_a_gap() {
    let scenario = Scenario::default();
    let (mut gaps, mut zeros, mut stuck) = (0, 0, 0);
    for (key, stream) in by_stream(&scenario) {
        let profile = profile(&scenario, &key);
        for pair in stream.windows(2) {
            let gap = (pair[1].time_s - pair[0].time_s + 30) / 60 - 1;
            match pair[1].truth.map(|truth| truth.kind) {
                Some(AnomalyPattern::Stuck) => {
                    assert_eq!(pair[0].value, pair[1].value, "{key:?}");
                    stuck += 1;
                }
                Some(AnomalyPattern::Dropout) if gap > 0 => {
                    assert!((5..=30).contains(&gap), "{key:?} {gap}");
                    gaps += 1;
                }
                Some(AnomalyPattern::Dropout) => {
                    assert!(pair[1].value < 0.03 * profile.mean, "{key:?} {}", pair[1].value);
                    zeros += usize::from(pair[0].truth.is_none());
                }
                _ => assert_eq!(gap, 0, "{key:?} {:?}", pair[1]),
            }
        }
    }
    assert!(stuck > 1000);
    assert!((0.7..1.4).contains(&(f64::from(gaps) / zeros as f64)), "{gaps} gaps, {zeros} zeros");
}

#[test]
fn bursts_are_four_times_as_noisy() {
    let network: Vec<f64> = deviations(&Scenario::default())
        .into_iter()
        .filter(|(record, _)| record.component == "network")
        .filter(|(record, _)| record.truth.is_some_and(|truth| truth.kind == AnomalyPattern::Burst))
        .map(|(_, deviation)| deviation * deviation)
        .collect();
    let sd = (network.iter().sum::<f64>() / network.len() as f64).sqrt();
    assert!((3.6..4.4).contains(&sd), "{sd} over {}", network.len());
}
