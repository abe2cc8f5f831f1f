//! Scores as they come: light, heavy and quantised tails, incidents, bad days, misfits, logs full of true anomalies.

use super::*;
use crate::episode::{EpisodeRun, EpisodeStep};

const COMPONENTS: usize = 6;
const DAY: i64 = 1440;

/// Uniform in 0..1, repeatable (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Size of a normal deviate.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        (radius * libm::cos(core::f64::consts::TAU * self.uniform())).abs()
    }
}

type Tail = fn(&mut Chance) -> f64;

fn light(chance: &mut Chance) -> f64 {
    0.3 * chance.normal()
}

fn heavy(chance: &mut Chance) -> f64 {
    0.15 * libm::pow(chance.uniform(), -0.3)
}

fn quantised(chance: &mut Chance) -> f64 {
    0.25 * (1.2 * chance.normal()).round()
}

/// One server's streams, one record a minute.
struct Fleet {
    table: BudgetTable,
    names: Vec<Arc<StreamName>>,
    runs: Vec<EpisodeRun>,
    chance: Chance,
    minute: i64,
}

impl Fleet {
    fn new(servers: usize, seed: u64) -> Self {
        let name = |at: usize| StreamName {
            server: format!("web-{}", at / COMPONENTS),
            component: format!("c{}", at % COMPONENTS),
        };
        let names: Vec<_> = (0..servers * COMPONENTS).map(|at| Arc::new(name(at))).collect();
        let runs = vec![EpisodeRun::default(); names.len()];
        Self { table: BudgetTable::default(), names, runs, chance: Chance(seed), minute: 0 }
    }

    /// Days of scores; the episodes told of.
    fn days(&mut self, profile: &BudgetProfile, days: i64, score: impl Fn(&mut Chance, i64) -> f64) -> u64 {
        let mut episodes = 0;
        for minute in self.minute..self.minute + days * DAY {
            let time = EventTime::from_micros(minute * 60_000_000);
            for (slot, (name, run)) in (0..).zip(self.names.iter().zip(&mut self.runs)) {
                let score = score(&mut self.chance, minute);
                let limit = self.table.limit(
                    profile,
                    slot,
                    name,
                    ScoredRecord { time, pause_s: 60.0, score, is_learning: false },
                );
                episodes += u64::from(run.push(time, score >= limit, 0.0) == EpisodeStep::Opened);
            }
        }
        self.minute += days * DAY;
        episodes
    }

    /// The middle of the limits.
    fn limit(&self) -> f64 {
        let limits: Vec<f64> = self.table.limits().map(|(_, limit)| limit).collect();
        crate::robust::median(&limits)
    }
}

/// What a training on a week of such scores says.
fn trained(asked: f64, score: impl Fn(&mut Chance, i64) -> f64) -> BudgetProfile {
    let mut fleet = Fleet::new(3, 11);
    fleet.days(&BudgetProfile::unknown(asked), 7, score);
    fleet.table.learnt(asked, EventTime::from_micros(fleet.minute * 60_000_000))
}

#[test]
fn what_was_asked_is_got_whatever_the_tail() {
    let tails: [(&str, Tail); 3] = [("light", light), ("heavy", heavy), ("quantised", quantised)];
    let mut wrong = Vec::new();
    for (what, tail) in tails {
        for asked in [0.25, 1.0, 4.0] {
            let profile = trained(asked, |chance, _| tail(chance));
            assert!(profile.is_sound());
            let mut fleet = Fleet::new(6, 5);
            let got = fleet.days(&profile, 30, |chance, _| tail(chance)) as f64 / 180.0;
            // A quantised score goes from too many episodes to too few in one step.
            let least = if what == "quantised" { 0.0 } else { asked / 1.5 };
            // A heavy tail far beyond what was seen is a guess.
            let most = if what == "heavy" && asked < 1.0 { 2.5 } else { 1.5 };
            if got > most * asked || got < least {
                wrong.push(format!("{what}: asked {asked}, got {got:.2}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_stream_that_no_model_knows_is_within_the_budget_from_the_first_week() {
    for asked in [0.25, 1.0, 4.0] {
        let mut fleet = Fleet::new(3, 6);
        let profile = BudgetProfile::unknown(asked);
        let got = fleet.days(&profile, 28, |chance, _| light(chance)) as f64 / 84.0;
        assert!(got <= 1.5 * asked && got >= asked / 3.0, "asked {asked}, got {got}");
    }
}

#[test]
fn an_incident_and_a_bad_day_raise_no_limit() {
    let profile = trained(1.0, |chance, _| light(chance));
    let with = |odd: fn(&mut Chance, i64) -> Option<f64>| {
        let mut fleet = Fleet::new(1, 7);
        fleet.days(&profile, 20, |chance, minute| {
            let usual = light(chance);
            odd(chance, minute).unwrap_or(usual)
        });
        fleet.limit()
    };
    let without = with(|_, _| None);
    // Six hours at once on all streams.
    let incident = with(|_, minute| (14 * DAY..14 * DAY + 360).contains(&minute).then_some(5.0));
    // A minute of every half hour of one day, of all sizes.
    let bad_day = with(|chance, minute| {
        let is_odd = minute / DAY == 17 && minute % 30 == 0;
        is_odd.then(|| 1.8 * libm::exp(1.7 * chance.uniform()))
    });
    for (what, limit) in [("incident", incident), ("bad day", bad_day)] {
        assert!((limit / without - 1.0).abs() < 0.06, "{what}: {without} became {limit}");
    }
}

#[test]
fn a_misfit_is_under_control_within_days_and_slowly_forgotten() {
    let profile = trained(1.0, |chance, _| light(chance));
    let mut fleet = Fleet::new(3, 8);
    fleet.days(&profile, 10, |chance, _| light(chance));
    let before = fleet.limit();
    let first = fleet.days(&profile, 1, |chance, _| 3.0 * light(chance)) as f64 / 3.0;
    fleet.days(&profile, 2, |chance, _| 3.0 * light(chance));
    let then = fleet.days(&profile, 4, |chance, _| 3.0 * light(chance)) as f64 / 12.0;
    let high = fleet.limit();
    assert!(first > 20.0 && then < 3.0, "{first} on the first day, {then} a day after the third");
    fleet.days(&profile, 15, |chance, _| light(chance));
    assert!(fleet.limit() < 0.9 * high, "{} after two weeks, {high} and {before} before", fleet.limit());
}

/// A quarter of all records odd, in events of 20 to 60 records of two to ten limits: they are told, all of them.
#[test]
fn many_true_anomalies_raise_no_limit() {
    let profile = trained(1.0, |chance, _| light(chance));
    let odd = |chance: &mut Chance, minute: i64| {
        let usual = light(chance);
        // Each stretch of 160 minutes begins with one.
        let length = 20 + (minute / 160 * 7_919) % 41;
        let size = 2.2 * libm::exp(1.6 * ((minute / 160 * 104_729) % 1_000) as f64 / 1_000.0);
        if minute % 160 < length { size + 0.3 * chance.normal() } else { usual }
    };
    let mut fleet = Fleet::new(3, 9);
    let days = 14;
    let told = fleet.days(&profile, days, odd) as f64;
    let events = (days * DAY / 160) as f64 * fleet.names.len() as f64;
    let middle = profile.middle.limit * profile.factor;
    assert!(fleet.limit() < 1.1 * middle, "{middle} became {}", fleet.limit());
    assert!(told >= events, "{told} of {events}");
}

/// All streams of a server go up together, each evening at another minute: one incident, and within the budget.
#[test]
fn what_all_streams_tell_together_counts_once() {
    let profile = trained(1.0, |chance, _| light(chance));
    let mut table = BudgetTable::default();
    let names: Vec<Arc<StreamName>> =
        (0..8).map(|at| Arc::new(StreamName { server: "web-0".to_owned(), component: format!("c{at}") })).collect();
    for minute in 0..14 * DAY {
        let evening = minute % DAY - 18 * 60 - (minute / DAY * 7_919) % 200;
        for (slot, name) in (0..).zip(&names) {
            let score = if evening == i64::from(slot) / 2 { 1.5 } else { 0.1 };
            let time = EventTime::from_micros(minute * 60_000_000);
            table.limit(&profile, slot, name, ScoredRecord { time, pause_s: 60.0, score, is_learning: false });
        }
    }
    let used = table.used(Some(&profile)).used;
    assert!((0.8..1.2).contains(&used), "{used} incidents a day");
}

#[test]
fn a_band_that_comes_every_day_is_learnt() {
    let profile = trained(1.0, |chance, _| light(chance));
    let nightly = |chance: &mut Chance, minute: i64| {
        if minute % (DAY / 4) == 17 { 1.6 + 0.05 * chance.uniform() } else { light(chance) }
    };
    let mut fleet = Fleet::new(1, 10);
    fleet.days(&profile, 7, nightly);
    let later = fleet.days(&profile, 14, nightly) as f64 / 14.0;
    assert!(later < 1.5, "{later} a day");
}

#[test]
fn a_state_goes_on_where_it_was() {
    let profile = trained(1.0, |chance, _| light(chance));
    let mut fleet = Fleet::new(2, 12);
    fleet.days(&profile, 3, |chance, _| light(chance));
    let bytes = postcard::to_allocvec(&fleet.table).unwrap();
    let table: BudgetTable = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(table, fleet.table);
    assert!(bytes.len() / fleet.names.len() < 300, "{} bytes a stream stored", bytes.len() / fleet.names.len());
    assert!(table.bytes() / fleet.names.len() < 600, "{} bytes a stream", table.bytes() / fleet.names.len());
}

#[test]
fn another_stream_in_a_slot_starts_anew_and_a_server_without_streams_makes_room() {
    let profile = BudgetProfile::unknown(1.0);
    let mut table = BudgetTable::default();
    let name = |server: &str, component: &str| {
        Arc::new(StreamName { server: server.to_owned(), component: component.to_owned() })
    };
    let at = |minute: i64, score: f64| ScoredRecord {
        time: EventTime::from_micros(minute * 60_000_000),
        pause_s: 60.0,
        score,
        is_learning: false,
    };
    for minute in 0..10 * DAY {
        table.limit(&profile, 0, &name("a", "x"), at(minute, if minute % 100 == 0 { 1.1 } else { 0.3 }));
    }
    let before = table.limits().next().unwrap().1;
    table.limit(&profile, 0, &name("b", "y"), at(10 * DAY, 0.3));
    let (stream, limit) = table.limits().next().unwrap();
    assert_eq!((stream.server.as_str(), table.servers.len(), table.limits().count()), ("b", 1, 1));
    assert!((limit - profile.middle.limit).abs() < 1e-9 && (before - limit).abs() > 1e-3, "{before} and {limit}");
    assert_eq!(table.servers[0].lively, 0);
}

#[test]
fn asked_and_used() {
    let profile = trained(4.0, |chance, _| light(chance));
    let mut fleet = Fleet::new(3, 13);
    fleet.days(&profile, 20, |chance, _| light(chance));
    let used = fleet.table.used(Some(&profile));
    assert_eq!(used.asked, Some(4.0));
    assert!((2.0..6.0).contains(&used.used) && (20.0..30.0).contains(&used.server_days), "{used:?}");
    assert_eq!(BudgetTable::default().used(None), BudgetUse::default());
}
