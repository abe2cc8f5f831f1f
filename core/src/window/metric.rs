//! One metric of one server: its readings of the interval under way, and what it remembers of those before.

use serde::{Deserialize, Serialize};

use super::METRIC_FEATURES;
use crate::{
    stream::{
        baseline::Baseline,
        character::{CharacterMemory, JudgedValue, StreamCharacter},
        daily::{CURVE, curve_at, phases},
    },
    time::EventTime,
};

/// A residual counts as far as this.
const CLIP: f64 = 15.0;
/// A scale is at least this share of the range seen, where there are few values of their size: a metric at rest must not own
/// the window by its last digit.
const RANGE_SHARE: f64 = 0.05;
/// Sums are of whole millionths, so that they do not depend on the order of readings.
const UNITS: f64 = 1e6;
/// How fast levels follow, a window.
const FAST: f64 = 0.3;
const SLOW: f64 = 0.02;
/// Windows without a reading that keep the one before: clocks jitter, and an interval may be missed by a second.
const CARRIED: u32 = 1;
/// What is usual follows half of a lasting change within a day, ...
const FOLLOW_S: f64 = 86_400.0 / core::f64::consts::LN_2;
/// ... by residuals up to here, of which one counts as at most so much.
const NEAR: f64 = 4.0;
const FOLLOW_CLIP: f64 = 3.0;

/// What a metric is measured by, from its stream's baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MetricScale {
    curve: [f64; CURVE],
    scale: f64,
    character: StreamCharacter,
    reach: f64,
}

/// A metric of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MetricMemory {
    by: MetricScale,
    character: CharacterMemory,
    sum: i64,
    count: u32,
    /// The last interval's mean, and windows since then.
    mean: Option<f64>,
    age: u32,
    /// Where the residual usually is by now.
    offset: f64,
    last: Option<f64>,
    fast: f64,
    slow: f64,
}

impl MetricMemory {
    pub(super) fn new(baseline: &Baseline) -> Self {
        let range = baseline.max - baseline.min;
        let size = if baseline.character.has_features() { 0.0 } else { baseline.min.abs().max(baseline.max.abs()) };
        let scale = baseline.residual_scale.max(RANGE_SHARE * range.max(size));
        let (curve, character, reach) = (baseline.curve, baseline.character, baseline.reach());
        Self {
            by: MetricScale { curve, scale, character, reach },
            character: CharacterMemory::default(),
            sum: 0,
            count: 0,
            mean: None,
            age: 0,
            offset: 0.0,
            last: None,
            fast: 0.0,
            slow: 0.0,
        }
    }

    /// Adds a reading to the interval under way.
    #[expect(clippy::cast_possible_truncation, reason = "at most 15 millions")]
    pub(super) fn add(&mut self, time: EventTime, value: f64) {
        let MetricScale { curve, scale, character, reach } = &self.by;
        let JudgedValue::Of { number, .. } = self.character.take(*character, time, value, *reach) else { return };
        let residual = (number - curve_at(curve, &phases(time))) / scale;
        if !residual.is_nan() {
            self.sum = self.sum.saturating_add((residual.clamp(-CLIP, CLIP) * UNITS) as i64);
            self.count = self.count.saturating_add(1);
        }
    }

    /// Forgets the readings of the interval under way: it is none.
    pub(super) fn drop_interval(&mut self) {
        (self.sum, self.count) = (0, 0);
    }

    /// Ends the interval; the metric's numbers, where it has any.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers, made for f32")]
    pub(super) fn close(&mut self, interval_s: f64) -> Option<[f32; METRIC_FEATURES]> {
        if self.count > 0 {
            self.mean = Some(self.sum as f64 / (UNITS * f64::from(self.count)));
            self.age = 0;
        } else {
            self.age = self.age.saturating_add(1);
        }
        self.drop_interval();
        let mean = self.mean.filter(|_| self.age <= CARRIED)?;
        let z = (mean - self.offset).clamp(-CLIP, CLIP);
        let last = self.last.replace(z);
        self.fast = if last.is_some() { self.fast + FAST * (z - self.fast) } else { z };
        self.slow += SLOW * (z - self.slow);
        if z.abs() < NEAR {
            self.offset += interval_s / FOLLOW_S * z.clamp(-FOLLOW_CLIP, FOLLOW_CLIP);
        }
        Some([z, self.fast - self.slow, z - last.unwrap_or(z)].map(|x| x as f32))
    }

    /// Where it slowly is has become usual.
    pub(super) fn take_level(&mut self) {
        self.offset += self.slow;
        self.fast -= self.slow;
        self.last = self.last.map(|last| last - self.slow);
        self.slow = 0.0;
    }

    /// The last interval's mean and what was usual at `time`, in the metric's unit.
    pub(super) fn figures(&self, time: EventTime) -> (f64, f64) {
        let usual = curve_at(&self.by.curve, &phases(time));
        let mean = self.mean.unwrap_or(self.offset);
        (usual + mean * self.by.scale, usual + self.offset * self.by.scale)
    }
}
