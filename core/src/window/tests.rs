//! Windows of made-up servers: what is joined, what is late, what is missing, and that stopping in between changes nothing.

use std::sync::Arc;

use super::*;
use crate::{
    limits::RECORD_FEATURES,
    profile::{ModelProfile, RecordView, StreamBaseline, Threshold},
    stream::{FEATURES, REVISION, StreamSlot, baseline::Baseline},
};

const METRICS: [&str; 3] = ["cpu", "disk", "net"];

fn profile() -> ModelProfile {
    let times: Vec<EventTime> = (0..500).map(|i| EventTime::from_micros(i * 60_000_000)).collect();
    let values: Vec<f64> = (0..500).map(|i| 50.0 + (f64::from(i) * 0.754_877).fract() * 4.0).collect();
    let baseline = Baseline::fit(&times, &values, &[true; 500]).unwrap();
    let stream = |server: &str, component: &&str| StreamBaseline {
        server: server.to_owned(),
        component: (*component).to_owned(),
        baseline: baseline.clone(),
    };
    let baselines = ["a", "b"].iter().flat_map(|server| METRICS.iter().map(|c| stream(server, c))).collect();
    ModelProfile {
        features: FEATURES.map(str::to_owned).to_vec(),
        revision: REVISION,
        record: RecordView {
            center: [0.0; RECORD_FEATURES],
            scale: [1.0; RECORD_FEATURES],
            residual_quantile: [1.0; RECORD_FEATURES],
            value_quantile: [1.0; RECORD_FEATURES],
            autoencoder: true,
            novelty: true,
            threshold: Threshold {
                value: 1.0,
                alert_budget: None,
                quantile: None,
                expected: 0.0,
                interval: (0.0, 0.0),
            },
        },
        baselines,
        priors: Vec::new(),
        budget: None,
        window: Some(WindowView {
            interval_s: 300,
            metrics: METRICS.map(str::to_owned).to_vec(),
            residual_scale: vec![1.0; 9],
            threshold: 3.0,
            budget: None,
            windows: 500,
        }),
        requires: Vec::new(),
    }
}

/// A reading of the metric `metric` of a server (0 or 1).
fn take(
    table: &mut WindowTable,
    profile: &ModelProfile,
    (server, metric): (usize, usize),
    second: i64,
    value: f64,
) -> Vec<ClosedWindow> {
    let slot = StreamSlot::try_from(server * METRICS.len() + metric).unwrap();
    let name = StreamName { server: ["a", "b"][server].to_owned(), component: METRICS[metric].to_owned() };
    let mut out = Vec::new();
    let time = EventTime::from_micros(second * 1_000_000);
    table.take(profile, WindowReading { slot, name: &Arc::new(name), time, value }, &mut out);
    out
}

#[test]
fn the_order_of_readings_does_not_matter_and_what_is_late_is_counted() {
    let profile = profile();
    let readings = [(0, 10, 51.0), (1, 20, 53.3), (2, 30, 50.1), (0, 40, 52.7), (1, 5, 50.2)];
    let mut reversed = readings;
    reversed.reverse();
    let closed = [readings, reversed].map(|readings| {
        let mut table = WindowTable::default();
        let early = readings.iter().flat_map(|(m, s, v)| take(&mut table, &profile, (0, *m), *s, *v));
        assert_eq!(early.count(), 0);
        let closed = take(&mut table, &profile, (0, 0), 301, 51.0);
        assert!(take(&mut table, &profile, (0, 1), 299, 99.0).is_empty());
        assert_eq!(table.counts().late, 1);
        closed
    });
    assert_eq!(closed[0].len(), 1);
    assert_eq!(closed[0], closed[1]);
    assert_eq!(closed[0][0].time, EventTime::from_micros(40_000_000), "the last reading in it");
    assert_eq!(closed[0][0].present, [true; 3]);
}

#[test]
fn a_missing_metric_is_carried_once_and_then_as_expected() {
    let profile = profile();
    let mut table = WindowTable::default();
    let mut closed = Vec::new();
    for window in 0..5 {
        for metric in 0..3 {
            if metric != 2 || window == 0 {
                closed.extend(take(&mut table, &profile, (0, metric), window * 300 + 1, 60.0));
            }
        }
    }
    let present: Vec<bool> = closed.iter().map(|window| window.present[2]).collect();
    assert_eq!(present, [true, true, false, false]);
    assert_eq!(closed[3].vector[6..], [0.0; 3]);
    let verdict = table.conclude(&profile, &closed[3], &[1.0; 9]).unwrap();
    assert_eq!((verdict.metrics, verdict.alone), (2, 1.0), "the mean of those that are there");
}

#[test]
fn too_few_metrics_and_unknown_ones_make_no_window() {
    let profile = profile();
    let mut table = WindowTable::default();
    for window in 0..4 {
        assert!(take(&mut table, &profile, (0, 0), window * 300, 51.0).is_empty());
    }
    assert_eq!(table.counts().sparse, 3);
    let none = ModelProfile { window: None, ..profile };
    assert!(take(&mut table, &none, (0, 0), 9_000, 51.0).is_empty());
}

#[test]
fn a_score_is_smoothed_and_its_episode_names_the_metrics() {
    let profile = profile();
    let mut table = WindowTable::default();
    let mut scores = Vec::new();
    for window in 0..12_i64 {
        for metric in 0..3 {
            for closed in take(&mut table, &profile, (1, metric), window * 300, 51.0) {
                let odd = window > 6;
                let residual: Vec<f32> = (0..9).map(|i| if odd && i == 3 { 30.0 } else { 0.5 }).collect();
                scores.push(table.conclude(&profile, &closed, &residual).unwrap());
            }
        }
    }
    assert!(!scores[5].anomalous && scores[5].parts.is_empty() && scores[5].step == EpisodeStep::Quiet);
    let first = scores.iter().find(|s| s.anomalous).unwrap();
    assert_eq!((first.step, first.number), (EpisodeStep::Opened, 6), "a third of it is enough here");
    assert!(first.alone > 9.9 && first.score < first.alone / 2.0);
    assert_eq!(first.parts.len(), 1);
    assert_eq!((first.parts[0].metric.as_str(), &*first.stream.server), ("disk", "b"));
    assert!((first.parts[0].observed - 51.0).abs() < 1e-3 && first.parts[0].share > 0.9);
}

#[test]
fn what_lasts_for_a_day_is_usual_from_then_on() {
    let profile = profile();
    let mut table = WindowTable::default();
    let (mut levels, mut ended) = (Vec::new(), false);
    for window in 0..900_i64 {
        for metric in 0..3 {
            for closed in take(&mut table, &profile, (0, metric), window * 300, 80.0) {
                levels.push(closed.vector[0]);
                let score = closed.vector[0].abs() * 2.0;
                let verdict = table.conclude(&profile, &closed, &[score; 9]).unwrap();
                ended |= matches!(verdict.step, EpisodeStep::NewLevel(_));
            }
        }
    }
    assert!(levels[10] > 10.0 && ended);
    assert!(levels.last().unwrap().abs() < 1.0, "{:?}", levels.last());
}

#[test]
fn stopping_in_between_changes_nothing() {
    let profile = profile();
    let run = |stops: bool| {
        let (mut table, mut verdicts) = (WindowTable::default(), Vec::new());
        for i in 0..3_000_i64 {
            if stops && i % 7 == 0 {
                table = postcard::from_bytes(&postcard::to_stdvec(&table).unwrap()).unwrap();
            }
            let value = 50.0 + (i as f64 * 0.618).fract() * 9.0;
            let place = ((i % 2) as usize, (i % 3) as usize);
            for closed in take(&mut table, &profile, place, i * 41 - (i % 5) * 60, value) {
                verdicts.extend(table.conclude(
                    &profile,
                    &closed,
                    &closed.vector.iter().map(|x| 3.0 * x).collect::<Vec<_>>(),
                ));
            }
        }
        verdicts
    };
    let (whole, stopped) = (run(false), run(true));
    assert!(whole.len() > 400 && whole.iter().any(|v| v.anomalous));
    assert_eq!(whole, stopped);
}

#[test]
fn a_view_that_cannot_be_is_refused() {
    let good = profile();
    let json = |view: WindowView| serde_json::to_string(&ModelProfile { window: Some(view), ..good.clone() }).unwrap();
    let view = good.window.clone().unwrap();
    assert_eq!(ModelProfile::from_json(&json(view.clone())).unwrap().window.as_ref(), Some(&view));
    for bad in [
        WindowView { interval_s: 0, ..view.clone() },
        WindowView { metrics: vec!["cpu".to_owned(); 3], ..view.clone() },
        WindowView { residual_scale: vec![1.0; 8], ..view.clone() },
        WindowView { residual_scale: vec![0.0; 9], ..view.clone() },
        WindowView { threshold: -1.0, ..view },
    ] {
        assert!(ModelProfile::from_json(&json(bad)).unwrap_err().to_string().contains("window"));
    }
    let newer =
        serde_json::to_string(&good).unwrap().replace("\"baselines\"", "\"requires\":[\"sessions\"],\"baselines\"");
    assert!(ModelProfile::from_json(&newer).unwrap_err().to_string().contains("newer version"));
}
