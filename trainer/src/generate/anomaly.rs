//! The kinds of anomaly, one event of them, and the plan that keeps their share. Draws from the
//! random numbers it is handed; knows nothing of files, servers or other streams.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Beyond it, events with a normal gap between them do not fit.
pub(super) const SHARE_MAX: f64 = 0.6;
/// Normal records between two events of a stream, so that no event hides in another's echo.
pub(super) const GAP_RECORDS_MIN: u64 = 10;
/// Drift and context count as anomalous from this deviation on, in noise sd.
pub(super) const DEVIATION_SD_MIN: f64 = 3.0;
/// Anomalous records missing from the share when an event begins, on average. An event has 28, but
/// sizes differ much: with this figure the mean over 30 seeds meets shares from .01 to .59.
const DEFICIT_RECORDS_MEAN: f64 = 23.0;
/// An offset must leave this much room for the noise around it before the physical limit.
const NOISE_ROOM_SD: f64 = 2.0;
const BURST_NOISE_SD: f64 = 4.0;
/// "Near zero" is up to this part of the mean.
const NEAR_ZERO: f64 = 0.02;

/// What befell a stream. Lengths in records, sizes in noise sd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnomalyPattern {
    /// 1-3, 6-12 above.
    Spike,
    /// 1-3, 6-12 below.
    Dip,
    /// 20-90, 4-8 above or below.
    Shift,
    /// 60-150, rising or falling to 6-12.
    Drift,
    /// 15-60 of the value before.
    Stuck,
    /// 5-30 near zero, or missing.
    Dropout,
    /// 20-60 with additional noise of 4.
    Burst,
    /// 20-60 with the values of the opposite hour.
    Context,
    /// 1, 8-15 above or below: the only kind of the basic scenario.
    Outlier,
}

impl AnomalyPattern {
    /// The kind of the basic scenario.
    pub const BASIC: &[AnomalyPattern] = &[AnomalyPattern::Outlier];
    /// The kinds of the full scenario.
    pub const FULL: &[AnomalyPattern] = &[
        AnomalyPattern::Spike,
        AnomalyPattern::Dip,
        AnomalyPattern::Shift,
        AnomalyPattern::Drift,
        AnomalyPattern::Stuck,
        AnomalyPattern::Dropout,
        AnomalyPattern::Burst,
        AnomalyPattern::Context,
    ];

    /// As in the kinds file.
    pub fn name(self) -> &'static str {
        match self {
            AnomalyPattern::Spike => "spike",
            AnomalyPattern::Dip => "dip",
            AnomalyPattern::Shift => "shift",
            AnomalyPattern::Drift => "drift",
            AnomalyPattern::Stuck => "stuck",
            AnomalyPattern::Dropout => "dropout",
            AnomalyPattern::Burst => "burst",
            AnomalyPattern::Context => "context",
            AnomalyPattern::Outlier => "outlier",
        }
    }

    /// The ground truth of one record of an event.
    pub fn is_anomalous(self, deviation_sd: f64) -> bool {
        match self {
            AnomalyPattern::Drift | AnomalyPattern::Context => deviation_sd >= DEVIATION_SD_MIN,
            _ => true,
        }
    }
}

/// Distance to the physical limits, in noise sd.
#[derive(Clone, Copy, Debug)]
pub struct AnomalyRoom {
    pub up_sd: f64,
    pub down_sd: f64,
}

impl AnomalyRoom {
    pub fn narrower(self, other: AnomalyRoom) -> AnomalyRoom {
        AnomalyRoom { up_sd: self.up_sd.min(other.up_sd), down_sd: self.down_sd.min(other.down_sd) }
    }

    /// The size with its sign: as wanted where it fits, else the other way, else where more is left.
    fn direct(self, size_sd: f64, wants_up: bool) -> f64 {
        let needed = size_sd + NOISE_ROOM_SD;
        let up = match (self.up_sd >= needed, self.down_sd >= needed) {
            (true, true) => wants_up,
            (false, false) => self.up_sd > self.down_sd,
            (fits_up, _) => fits_up,
        };
        if up { size_sd } else { -size_sd }
    }
}

/// What an event does to the values of its stream; sizes in noise sd.
#[derive(Clone, Copy, Debug, PartialEq)]
enum AnomalyEffect {
    Offset(f64),
    /// Rises evenly and reaches its size with the last record.
    Ramp(f64),
    Repeat,
    NearZero,
    /// No records but the last, which comes after the gap.
    Missing,
    Noise,
    OppositeHour,
    /// This far from the mean, whatever the noise.
    Far(f64),
}

/// The moment an event acts on, in the stream's unit.
#[derive(Clone, Copy, Debug)]
pub struct AnomalyMoment {
    /// The stream's noise.
    pub sd: f64,
    /// The middle of its daily curve.
    pub mean: f64,
    pub base: f64,
    /// ... and at the opposite hour.
    pub opposite: f64,
    /// What the value would have been.
    pub normal: f64,
    /// The value of the record before.
    pub last: f64,
}

#[derive(Clone, Debug)]
pub struct InjectedEvent {
    pub kind: AnomalyPattern,
    /// Running number; 0 until its first record is written.
    pub number: u64,
    length: u32,
    done: u32,
    effect: AnomalyEffect,
}

impl InjectedEvent {
    /// An event of one of the kinds, equally likely; `room` tells what so many records leave.
    pub fn draw(rng: &mut impl Rng, kinds: &[AnomalyPattern], room: impl Fn(u32) -> AnomalyRoom) -> InjectedEvent {
        let drawn = kinds[rng.random_range(0..kinds.len() as u32) as usize];
        let length = rng.random_range(match drawn {
            AnomalyPattern::Spike | AnomalyPattern::Dip => 1..=3,
            AnomalyPattern::Shift => 20..=90,
            AnomalyPattern::Drift => 60..=150,
            AnomalyPattern::Stuck => 15..=60,
            AnomalyPattern::Dropout => 5..=30,
            AnomalyPattern::Burst | AnomalyPattern::Context => 20..=60,
            AnomalyPattern::Outlier => 1..=1,
        });
        let mut directed = |sizes_sd, wants_up: f64| {
            let size_sd = rng.random_range(sizes_sd);
            room(length).direct(size_sd, rng.random_bool(wants_up))
        };
        let (length, effect) = match drawn {
            AnomalyPattern::Spike => (length, AnomalyEffect::Offset(directed(6.0..12.0, 1.0))),
            AnomalyPattern::Dip => (length, AnomalyEffect::Offset(directed(6.0..12.0, 0.0))),
            AnomalyPattern::Shift => (length, AnomalyEffect::Offset(directed(4.0..8.0, 0.5))),
            AnomalyPattern::Drift => (length, AnomalyEffect::Ramp(directed(6.0..12.0, 0.5))),
            AnomalyPattern::Outlier => (length, AnomalyEffect::Far(directed(8.0..15.0, 0.5))),
            AnomalyPattern::Stuck => (length, AnomalyEffect::Repeat),
            AnomalyPattern::Burst => (length, AnomalyEffect::Noise),
            AnomalyPattern::Context => (length, AnomalyEffect::OppositeHour),
            AnomalyPattern::Dropout if rng.random_bool(0.5) => (length, AnomalyEffect::NearZero),
            AnomalyPattern::Dropout => (length + 1, AnomalyEffect::Missing),
        };
        // A dip without room below became a spike: the name follows what is seen.
        let kind = match (drawn, effect) {
            (AnomalyPattern::Spike | AnomalyPattern::Dip, AnomalyEffect::Offset(size_sd)) if size_sd > 0.0 => {
                AnomalyPattern::Spike
            }
            (AnomalyPattern::Spike | AnomalyPattern::Dip, AnomalyEffect::Offset(_)) => AnomalyPattern::Dip,
            _ => drawn,
        };
        InjectedEvent { kind, number: 0, length, done: 0, effect }
    }

    /// The next value of the event, not yet limited to what is possible; `None`: no record.
    pub fn step(&mut self, at: &AnomalyMoment, rng: &mut impl Rng) -> Option<f64> {
        self.done += 1;
        let sd = at.sd;
        let value = match self.effect {
            AnomalyEffect::Offset(size_sd) => at.normal + size_sd * sd,
            AnomalyEffect::Ramp(size_sd) => at.normal + size_sd * sd * f64::from(self.done) / f64::from(self.length),
            AnomalyEffect::Repeat => at.last,
            AnomalyEffect::NearZero => at.mean * rng.random_range(0.0..NEAR_ZERO),
            AnomalyEffect::Missing if !self.is_over() => return None,
            AnomalyEffect::Missing => at.normal,
            AnomalyEffect::Noise => at.normal + BURST_NOISE_SD * sd * rng.sample::<f64, _>(StandardNormal),
            AnomalyEffect::OppositeHour => at.normal - at.base + at.opposite,
            AnomalyEffect::Far(size_sd) => at.base + size_sd * sd,
        };
        Some(value)
    }

    pub fn is_over(&self) -> bool {
        self.done >= self.length
    }
}

/// When the next event of a stream begins, so that the share of anomalous records is met.
#[derive(Clone, Debug)]
pub(super) enum AnomalyPlan {
    Independent {
        share: f64,
    },
    /// Waits until the share has sunk below its aim by a random part of an event. The sizes of
    /// events vary so much that independent waits would miss a small share by a tenth.
    Balanced {
        share: f64,
        records: u64,
        anomalous: u64,
        wait: u64,
    },
}

impl AnomalyPlan {
    pub(super) fn balanced(share: f64, rng: &mut impl Rng) -> AnomalyPlan {
        let mut plan = AnomalyPlan::Balanced { share, records: 0, anomalous: 0, wait: 0 };
        plan.rest(rng);
        plan
    }

    /// Whether an event begins with this record.
    pub(super) fn begins(&mut self, rng: &mut impl Rng) -> bool {
        match self {
            AnomalyPlan::Independent { share } => rng.random_bool(*share),
            AnomalyPlan::Balanced { wait, .. } => {
                let begins = *wait == 0;
                *wait = wait.saturating_sub(1);
                begins
            }
        }
    }

    pub(super) fn count(&mut self, is_anomalous: bool) {
        if let AnomalyPlan::Balanced { records, anomalous, .. } = self {
            *records += 1;
            *anomalous += u64::from(is_anomalous);
        }
    }

    /// An event is over: how long until the next. It begins below the aim and ends above it, so
    /// that the share is met at a random moment.
    pub(super) fn rest(&mut self, rng: &mut impl Rng) {
        if let AnomalyPlan::Balanced { share, records, anomalous, wait } = self {
            let deficit = rng.random_range(0.0..2.0) * DEFICIT_RECORDS_MEAN;
            // A share of 0 divides to infinity, which saturates: no event ever.
            let due = (*anomalous as f64 + deficit) / *share;
            *wait = (due as u64).saturating_sub(*records).max(GAP_RECORDS_MIN);
        }
    }
}
