//! What an agent tells of streams that its model does not know, by the events that a replay prints: nothing of what is
//! normal for them, one episode of what is not. Each log is made here.

use std::{f64::consts::TAU, ops::RangeInclusive, sync::Arc};

use oddline_core::{
    event::{Event, Finite, words::reason_with_value},
    format::{LogFormat, TimeOptions},
    readings::ValueSelection,
    time::EventTime,
};
use oddline_pipeline::{Pipeline, PipelineOutput, SourceOptions, Unredacted};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};

use crate::fixture::model;

/// 2026-01-05, a Monday, in seconds.
const START_S: i64 = 1_767_571_200;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// A log of one stream.
struct LogOf {
    lines: Vec<String>,
    random: Xoshiro256PlusPlus,
}

impl LogOf {
    /// A record each `every` seconds for so many days; none where there is no value. The value is made of the second and
    /// its number.
    fn new(every: i64, days: i64, mut value: impl FnMut(&mut Noise, i64) -> Option<f64>) -> Self {
        let mut log =
            Self { lines: vec!["timestamp,component,value".to_owned()], random: Xoshiro256PlusPlus::seed_from_u64(7) };
        let mut noise = Noise(Xoshiro256PlusPlus::seed_from_u64(11));
        for second in (0..days * DAY).step_by(usize::try_from(every).unwrap()) {
            if let Some(value) = value(&mut noise, second) {
                // Clocks of what samples drift by a little.
                let late_us = log.random.random_range(0..40_000);
                log.record(START_S + second, late_us, value);
            }
        }
        log
    }

    fn record(&mut self, second: i64, late_us: i64, value: f64) {
        self.lines.push(format!("{},x,{value}", EventTime::from_micros(second * 1_000_000 + late_us)));
    }

    /// What a replay prints of it: each episode and silence by its reason.
    fn told(&self) -> Vec<String> {
        let options = SourceOptions {
            format: LogFormat::Csv,
            server: "host".to_owned(),
            component: "x".to_owned(),
            values: ValueSelection::default(),
            times: TimeOptions::default(),
            redactor: Arc::new(Unredacted),
            flood_limit: 60,
        };
        let mut pipeline = Pipeline::new("quiet", options, model(), None).unwrap();
        let mut out = PipelineOutput::default();
        for line in &self.lines {
            pipeline.line(line.as_bytes(), None, &mut out).unwrap();
        }
        pipeline.finish(&mut out).unwrap();
        out.events.iter().filter_map(reason).collect()
    }
}

fn reason(event: &Event) -> Option<String> {
    match event {
        Event::EpisodeOpened(e) => {
            let of_value = reason_with_value(&e.main_reason, e.value.get(), e.expected.map(Finite::<f64>::get));
            Some(format!("{} {of_value}", e.first))
        }
        Event::Silence(s) => Some(format!("{} silent for {:.0} s", s.until, s.until.seconds_since(s.last))),
        Event::FloodSummary(summary) => Some(format!("{} more held back", summary.suppressed)),
        _ => None,
    }
}

struct Noise(Xoshiro256PlusPlus);

impl Noise {
    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    fn log_normal(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal()).exp()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// One of these, by the share up to which it reaches.
    fn one_of(&mut self, values: &[(f64, f64)]) -> f64 {
        let at: f64 = self.0.random();
        values.iter().find(|(_, up_to)| at < *up_to).unwrap().0
    }
}

/// 0 at midnight, 1 at noon.
fn daylight(second: i64) -> f64 {
    0.5 - 0.5 * (TAU * second as f64 / DAY as f64).cos()
}

fn during(second: i64, from: i64, minutes: i64) -> bool {
    (from..from + minutes * MINUTE).contains(&second)
}

/// What may be told of ten days of noise: one episode a day was asked for, half as much again is within the promise.
const OF_TAILS: RangeInclusive<usize> = 0..=15;
const NOTHING: RangeInclusive<usize> = 0..=0;
const ONCE: RangeInclusive<usize> = 1..=1;

#[track_caller]
fn assert_told(cases: &[(&str, RangeInclusive<usize>, LogOf)]) {
    let mut wrong = String::new();
    for (name, expected, log) in cases {
        let told = log.told();
        if !expected.contains(&told.len()) {
            wrong.push_str(&format!("{name}: {expected:?} expected, {} told:\n  {}\n", told.len(), told.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn constants_are_quiet_and_their_change_is_told_once() {
    let days = |change: fn(i64) -> f64| LogOf::new(MINUTE, 10, move |_, s| Some(change(s)));
    assert_told(&[
        ("always 0", NOTHING, days(|_| 0.0)),
        ("always 100", NOTHING, days(|_| 100.0)),
        ("always .5, each hour", NOTHING, LogOf::new(3_600, 40, |_, _| Some(0.5))),
        ("always 5, at irregular times", NOTHING, LogOf::new(MINUTE, 10, |noise, _| noise.chance(0.3).then_some(5.0))),
        ("100, then one more", NOTHING, days(|s| if s < 7 * DAY { 100.0 } else { 101.0 })),
        ("100, then 150 for an hour", ONCE, days(|s| if during(s, 7 * DAY, 60) { 150.0 } else { 100.0 })),
        ("100, then 0 for good", ONCE, days(|s| if s < 7 * DAY { 100.0 } else { 0.0 })),
        ("0, then 40 for good", ONCE, days(|s| if s < 7 * DAY { 0.0 } else { 40.0 })),
    ]);
}

/// A record each `every` seconds of what counts 40 a second, `faster` times as many at a second, and is changed after.
fn counter(every: i64, start: f64, spread: f64, faster: fn(i64) -> f64, change: fn(f64, i64) -> f64) -> LogOf {
    let mut count = start;
    LogOf::new(every, 10, move |noise, s| {
        count = change(count + (every as f64 * 40.0 * faster(s) * noise.log_normal(spread)).round(), s);
        Some(count)
    })
}

#[test]
fn counters_count_quietly_and_a_reset_is_one_event() {
    const SIZE: f64 = 4_294_967_296.0;
    let steady = |every: i64, start: f64| counter(every, start, 0.0, |_| 1.0, |count, _| count);
    let changed = |change: fn(f64, i64) -> f64| counter(MINUTE, SIZE - 1.7e7, 0.0, |_| 1.0, change);
    assert_told(&[
        ("a minute", NOTHING, steady(MINUTE, 5e6)),
        ("ten seconds", NOTHING, steady(10, 0.0)),
        ("an hour", NOTHING, steady(3_600, 1e12)),
        ("wraps", NOTHING, changed(|count, _| count % SIZE)),
        ("a reset", ONCE, changed(|count, s| if s == 6 * DAY { 0.0 } else { count })),
        ("a reset on the first day", ONCE, changed(|count, s| if s == DAY / 2 { 12.0 } else { count })),
        ("ten times as fast for half an hour", ONCE, {
            counter(MINUTE, 5e6, 0.0, |s| if during(s, 7 * DAY, 30) { 10.0 } else { 1.0 }, |count, _| count)
        }),
        ("noise", OF_TAILS, counter(MINUTE, 5e6, 0.2, |_| 1.0, |count, _| count)),
        ("noise, by day more", OF_TAILS, counter(MINUTE, 5e6, 0.2, |s| 0.4 + daylight(s), |count, _| count)),
    ]);
}

#[test]
fn states_and_sensors_of_a_step_are_quiet() {
    let sensor = |step: f64, wild: bool| {
        let mut level = 21.0;
        LogOf::new(MINUTE, 10, move |noise, s| {
            level += 0.02 * (21.0 + 2.0 * daylight(s) - level) + 0.1 * noise.normal();
            Some(if wild && during(s, 7 * DAY, 3) { 85.0 } else { (level / step).round() * step })
        })
    };
    assert_told(&[
        ("two states", NOTHING, LogOf::new(MINUTE, 10, |noise, _| Some(if noise.chance(0.01) { 1.0 } else { 0.0 }))),
        (
            "a state that is rare",
            NOTHING,
            LogOf::new(MINUTE, 10, |_, s| Some(if s % DAY == 9_000 { 1.0 } else { 0.0 })),
        ),
        ("half degrees", NOTHING, sensor(0.5, false)),
        ("whole degrees", NOTHING, sensor(1.0, false)),
        ("half degrees, then 85", ONCE, sensor(0.5, true)),
    ]);
}

#[test]
fn bursts_between_rest_are_how_a_stream_is() {
    let bursts = |most: f64| {
        LogOf::new(MINUTE, 10, move |noise, s| {
            let burst = if noise.chance(0.03) { (1_000.0 * noise.log_normal(0.7)).round() } else { 0.0 };
            Some(if most > 0.0 && during(s, 7 * DAY, 3) { most } else { burst })
        })
    };
    assert_told(&[
        ("bursts", 0..=1, bursts(0.0)),
        ("bursts, one of a thousand times the size", 1..=2, bursts(1e6)),
        (
            "a burst each six hours",
            0..=1,
            LogOf::new(MINUTE, 10, |_, s| Some(if s % 21_600 < 180 { 800.0 } else { 0.0 })),
        ),
    ]);
}

#[test]
fn codes_are_classes() {
    const CODES: [(f64, f64); 5] = [(200.0, 0.9), (304.0, 0.95), (301.0, 0.97), (404.0, 0.99), (500.0, 1.0)];
    let site = |new: fn(i64) -> Option<f64>| {
        LogOf::new(20, 5, move |noise, s| Some(new(s).unwrap_or_else(|| noise.one_of(&CODES))))
    };
    assert_told(&[
        ("healthy", NOTHING, site(|_| None)),
        ("one between the others, for a while", ONCE, site(|s| during(s, 4 * DAY, 10).then_some(403.0))),
        ("one beyond the others, for a while", ONCE, site(|s| during(s, 4 * DAY, 10).then_some(507.0))),
        ("one more, now and then from then on", ONCE, site(|s| (s > 4 * DAY && s % 1_800 == 0).then_some(206.0))),
        ("many of one that is rare", NOTHING, site(|s| during(s, 4 * DAY, 10).then_some(404.0))),
    ]);
}

#[test]
fn what_fills_or_has_heavy_tails_keeps_to_the_budget() {
    let disk = |change: fn(i64) -> f64| {
        LogOf::new(MINUTE, 10, move |_, s| {
            let used = 40.0 + 0.3 * s as f64 / DAY as f64 + 1.5 * ((s % DAY) as f64 / DAY as f64);
            Some(((used + change(s)) * 100.0).round() / 100.0)
        })
    };
    let sizes = |sigma: f64| LogOf::new(MINUTE, 10, move |noise, _| Some((4_000.0 * noise.log_normal(sigma)).round()));
    assert_told(&[
        ("a disk that fills, cleaned each night: two nights to learn it", 0..=2, disk(|_| 0.0)),
        ("a disk that fills by forty in three hours", 1..=4, {
            disk(|s| 40.0 * ((s - 8 * DAY - 7_200) as f64 / 10_800.0).clamp(0.0, 1.0))
        }),
        ("sizes", OF_TAILS, sizes(0.8)),
        ("sizes of all orders", OF_TAILS, sizes(1.5)),
        ("noise around a level", OF_TAILS, LogOf::new(MINUTE, 10, |noise, _| Some(50.0 + noise.normal()))),
    ]);
}

#[test]
fn a_wild_time_is_survived() {
    let wild = |years: &[i64], days_away: i64| {
        let is_there = move |s: i64| !(7 * DAY..(7 + days_away) * DAY).contains(&s);
        let state = |noise: &mut Noise| if noise.chance(0.1) { 1.0 } else { 0.0 };
        let mut log = LogOf::new(MINUTE, 10, move |noise, s| is_there(s).then(|| state(noise)));
        for year in years {
            let at = log.lines.len() / 3;
            log.lines.insert(at, format!("{year}-03-01T10:00:00Z,x,1"));
        }
        // Another stream goes on: what is silent is the stream, not the machine.
        let others = LogOf::new(MINUTE, 10, |_, _| Some(5.0)).lines.split_off(1);
        log.lines.extend(others.into_iter().map(|line| line.replace(",x,", ",y,")));
        log.lines[1..]
            .sort_by_key(|line| if line.starts_with("2026") { line.clone() } else { "2026-01-08".to_owned() });
        log
    };
    assert_told(&[
        ("2099", NOTHING, wild(&[2099], 0)),
        ("1970", NOTHING, wild(&[1970], 0)),
        ("2027 and 1999", NOTHING, wild(&[2027, 1999], 0)),
        ("no record for a day", ONCE, wild(&[], 1)),
        ("no record for a day, after 2099", ONCE, wild(&[2099], 1)),
        ("no record for a day, after 1970", ONCE, wild(&[1970], 1)),
    ]);
}
