//! One stream (a server's component): its daily curve, its noise, and the event it is in. Its
//! random numbers come from (seed, server, component) alone: other streams do not change it, and
//! its noise does not depend on its events.

use std::f64::consts::TAU;
use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::anomaly::{AnomalyMoment, AnomalyPattern, AnomalyPlan, AnomalyRoom, InjectedEvent};
use super::scenario::{Component, CurveShape, Phase, Scenario, server_name};

const SECOND_HARMONIC: f64 = 0.2;
const AUTOREGRESSION: f64 = 0.6;
/// A server's means lie this far from the component's, at most.
const SERVER_OFFSET: f64 = 0.03;
const SERVER_PEAK_H: f64 = 0.5;
const DECIMALS: f64 = 1e4;
const HALF_DAY_S: i64 = 43_200;

/// One row of a log, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedRecord {
    /// Unix time, seconds.
    pub time_s: i64,
    pub server: Arc<str>,
    pub component: &'static str,
    /// At most four decimals.
    pub value: f64,
    pub anomalous: bool,
    /// Of every record of an event, also those too weak to count as anomalous.
    pub truth: Option<GeneratedTruth>,
    /// The log it belongs to.
    pub phase: Phase,
}

/// The event a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratedTruth {
    pub kind: AnomalyPattern,
    /// Running number of the event, from 1.
    pub event: u64,
}

/// Normal behaviour of one stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GeneratedProfile {
    pub mean: f64,
    pub daily_amplitude: f64,
    pub noise_sd: f64,
    pub autoregression: f64,
    pub low: f64,
    pub high: f64,
    phase: f64,
}

impl GeneratedProfile {
    /// The same for the same seed, whenever and beside whatever it runs.
    pub(super) fn new(scenario: &Scenario, server: &str, component: &Component) -> GeneratedProfile {
        let mut of_server = rng(scenario.seed, &[server]);
        let offset = of_server.random_range(-SERVER_OFFSET..SERVER_OFFSET);
        let mut of_stream = rng(scenario.seed, &[server, component.name]);
        let peak_h = component.peak_h + of_stream.random_range(-SERVER_PEAK_H..SERVER_PEAK_H);
        let (daily_amplitude, autoregression) = match scenario.shape {
            CurveShape::Basic => (0.0, 0.0),
            CurveShape::Full => (component.daily_amplitude, AUTOREGRESSION),
        };
        GeneratedProfile {
            mean: component.mean * (1.0 + offset),
            daily_amplitude,
            noise_sd: component.noise_sd,
            autoregression,
            low: component.low,
            high: component.high,
            phase: TAU / 4.0 - TAU * peak_h / 24.0,
        }
    }

    /// The value without its noise.
    pub(super) fn base(&self, time_s: i64) -> f64 {
        if self.daily_amplitude == 0.0 {
            return self.mean;
        }
        let angle = TAU * time_s.rem_euclid(86_400) as f64 / 86_400.0 + self.phase;
        // sin 2a = 2 sin a cos a
        let (sin, cos) = libm::sincos(angle);
        self.mean + self.daily_amplitude * (sin + SECOND_HARMONIC * 2.0 * sin * cos)
    }

    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }

    fn moment(&self, time_s: i64, normal: f64, last: f64) -> AnomalyMoment {
        let (base, opposite) = (self.base(time_s), self.base(time_s + HALF_DAY_S));
        AnomalyMoment { sd: self.noise_sd, mean: self.mean, base, opposite, normal, last }
    }

    fn room(&self, time_s: i64) -> AnomalyRoom {
        let base = self.base(time_s);
        AnomalyRoom { up_sd: (self.high - base) / self.noise_sd, down_sd: (base - self.low) / self.noise_sd }
    }
}

pub(super) struct GeneratedStream {
    server: Arc<str>,
    component: &'static str,
    shape: CurveShape,
    profile: GeneratedProfile,
    period_s: i64,
    jitter_s: i64,
    noise_rng: Xoshiro256PlusPlus,
    event_rng: Xoshiro256PlusPlus,
    /// Noise of the last tick, written or not; in units of the noise sd.
    noise: f64,
    last: f64,
    plan: AnomalyPlan,
    event: Option<InjectedEvent>,
}

impl GeneratedStream {
    /// In the scenario's training phase, at its start.
    pub(super) fn new(scenario: &Scenario, server: u32, component: &'static Component) -> GeneratedStream {
        let server = server_name(server);
        let profile = GeneratedProfile::new(scenario, &server, component);
        // With the start: a live log begun later must not repeat the noise of the training log.
        let start = scenario.start_s.to_string();
        let mut noise_rng = rng(scenario.seed, &[&server, component.name, "noise", &start]);
        let event_rng = rng(scenario.seed, &[&server, component.name, "events", &start]);
        let mut stream = GeneratedStream {
            server: server.into(),
            component: component.name,
            shape: scenario.shape,
            period_s: i64::from(scenario.period_s),
            jitter_s: i64::from(scenario.jitter_s()),
            noise: noise_rng.sample(StandardNormal),
            last: profile.mean,
            plan: AnomalyPlan::Independent { share: 0.0 },
            event: None,
            profile,
            noise_rng,
            event_rng,
        };
        stream.enter(scenario.share(Phase::Training));
        stream
    }

    /// A phase begins: from here on this share of the records is anomalous. A running event goes on.
    pub(super) fn enter(&mut self, share: f64) {
        self.plan = match self.shape {
            CurveShape::Basic => AnomalyPlan::Independent { share },
            CurveShape::Full => AnomalyPlan::balanced(share, &mut self.event_rng),
        };
    }

    /// The record of the tick, if there is one. `events` is the number of the last event begun.
    pub(super) fn step(&mut self, tick_s: i64, phase: Phase, events: &mut u64) -> Option<GeneratedRecord> {
        let time_s = tick_s + self.noise_rng.random_range(0..=2 * self.jitter_s);
        let innovation: f64 = self.noise_rng.sample(StandardNormal);
        let a = self.profile.autoregression;
        self.noise = a * self.noise + (1.0 - a * a).sqrt() * innovation;
        let normal = self.profile.base(time_s) + self.noise * self.profile.noise_sd;
        self.begin(time_s);
        let (value, kind) = match &mut self.event {
            None => (normal, None),
            Some(event) => {
                let at = self.profile.moment(time_s, normal, self.last);
                (event.step(&at, &mut self.event_rng)?, Some(event.kind))
            }
        };
        let value = self.profile.clamp(value);
        let deviation_sd = (value - self.profile.clamp(normal)).abs() / self.profile.noise_sd;
        let anomalous = kind.is_some_and(|kind| kind.is_anomalous(deviation_sd));
        self.last = (value * DECIMALS).round() / DECIMALS;
        self.plan.count(anomalous);
        let truth = self.number(events);
        self.end();
        Some(GeneratedRecord {
            time_s,
            server: self.server.clone(),
            component: self.component,
            value: self.last,
            anomalous,
            truth,
            phase,
        })
    }

    fn begin(&mut self, time_s: i64) {
        if self.event.is_some() || !self.plan.begins(&mut self.event_rng) {
            return;
        }
        let kinds = match self.shape {
            CurveShape::Basic => AnomalyPattern::BASIC,
            CurveShape::Full => AnomalyPattern::FULL,
        };
        let (profile, period_s) = (&self.profile, self.period_s);
        self.event = Some(InjectedEvent::draw(&mut self.event_rng, kinds, |length| {
            let end_s = time_s + i64::from(length) * period_s;
            profile.room(time_s).narrower(profile.room(end_s))
        }));
    }

    /// Events are numbered by their first record: one that is missing to the end has no number.
    fn number(&mut self, events: &mut u64) -> Option<GeneratedTruth> {
        let event = self.event.as_mut()?;
        if event.number == 0 {
            *events += 1;
            event.number = *events;
        }
        Some(GeneratedTruth { kind: event.kind, event: event.number })
    }

    fn end(&mut self) {
        if self.event.as_ref().is_some_and(InjectedEvent::is_over) {
            self.event = None;
            self.plan.rest(&mut self.event_rng);
        }
    }
}

/// A named generator with a fixed algorithm: the same bytes on every platform and release.
pub fn rng(seed: u64, names: &[&str]) -> Xoshiro256PlusPlus {
    let mut hash = digest(&seed.to_le_bytes(), FNV_OFFSET);
    for name in names {
        hash = digest(name.as_bytes(), digest(&[0xff], hash));
    }
    Xoshiro256PlusPlus::seed_from_u64(hash)
}

pub(super) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, going on from `hash`.
pub(super) fn digest(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}
