//! One record in, one vector out: the fixed-size memory of a stream and the eight numbers an autoencoder sees.
//!
//! Each feature is dimensionless: the stream's own [`Baseline`] is divided out. Memory rises slowly and lets go quickly,
//! because whatever lingers after an anomaly is a false alert.

use serde::{Deserialize, Serialize};

use super::{
    baseline::Baseline,
    character::{CharacterMemory, JudgedValue, StreamCharacter},
    daily::{curve_at, phases},
    recurrence::{PeakMemory, PeakScale, RecurringPeak},
};
use crate::{limits::RECORD_FEATURES, time::EventTime, weight};

/// A record this much earlier than the one before it is not late: the time before it was wrong, or the clock was set back.
const LATE_S_MAX: f64 = 86_400.0;

/// Names of a record vector's features, in their order. Part of every model file: another list is another model.
pub const FEATURES: [&str; RECORD_FEATURES] =
    ["residual", "step", "level", "volatility", "stuck", "gap", "day_sin", "day_cos"];

/// The features before this one are judged; the time of day behind them is only there to expect the others by.
pub const JUDGED: usize = 6;

/// Bump when a feature's definition changes without its name: models of another revision are refused.
pub const REVISION: u32 = 3;

/// One record's features, in the order of [`FEATURES`].
pub type Vector = [f32; RECORD_FEATURES];

/// Residuals and steps are cut here.
const CLIP: f64 = 1_000.0;
/// Up to here a residual is what it is; beyond, each e-fold more counts as much again: streams with heavy tails have
/// residuals of hundreds of scales, and no feature should be all that is seen of them.
const LINEAR: f64 = 8.0;
/// Beyond this a residual is far.
const ODD: f64 = 4.0;
/// So many odd records in a row may be a spike, which says nothing about the level.
const SPIKE_RECORDS: u32 = 3;
/// What one record can add to the level.
const LEVEL_CLIP: f64 = 20.0;
const LEVEL_RISE: f64 = 0.3;
const LEVEL_RELEASE: f64 = 0.3;
/// A level counts up to the residual of the record itself plus this.
const BORNE: f64 = 0.5;
/// How fast it is followed where a stream was lately: within some twenty records.
const LATELY: f64 = 0.05;
/// A residual moves it, and how far they vary from there, by as much as one of so many of these distances: a spike tells of
/// neither, what stays away is followed faster and faster.
const LATELY_REACH: f64 = 4.0;
/// Residuals beyond it are no level.
const FAR: f64 = 1e6;
/// From the mean distance of normal data to its standard deviation.
const MEAN_TO_DEVIATION: f64 = 1.2533;
const STEP_CLIP: f64 = 5.0;
const VOLATILITY_RISE: f64 = 0.2;
const VOLATILITY_RELEASE: f64 = 0.3;
/// What is added to a volatility before its logarithm is taken: a stream that moves may come to rest, and that shows ...
const MOVING: f64 = 0.001;
/// ... but one that repeats its values by nature is used to rest: there it looks like any other that moves as usual, and
/// its runs say when it is stuck.
const STILL: f64 = 1.0;
/// Below this residual and step a record is quiet; two in a row reset the memories to what quiet leaves behind.
const QUIET: f64 = 2.0;
const QUIET_RECORDS: u32 = 2;
const QUIET_LEVEL: f64 = 0.7;
const QUIET_VOLATILITY: f64 = 1.3;
/// A gap counts up to this many of the longest usual ones.
const GAP_MAX: f64 = 100.0;

/// What a stream remembers between two records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamMemory {
    /// Starting point of the next step: the last residual that was not far.
    anchor: f64,
    last: Option<f64>,
    /// Slow rise, quick release average of the residual.
    level: f64,
    /// Odd records in a row.
    odd: u32,
    /// The level before the odd records under way.
    level_before: Option<f64>,
    /// Mean square of the steps.
    volatility: f64,
    quiet: u32,
    run: f64,
    last_value: f64,
    last_time: EventTime,
    /// Where residuals were lately, and how far from there they vary.
    lately: f64,
    unsteady: f64,
    /// What the number that is judged is made from.
    character: CharacterMemory,
    /// Peaks, those that come at regular times among them.
    peaks: Option<Box<PeakMemory>>,
}

/// A record as its stream sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureReading {
    /// The features.
    pub vector: Vector,
    /// The number that is judged: of a counter its rate, of a wandering stream the distance from where it just was.
    pub number: f64,
    /// What was expected, in the value's unit.
    pub expected: f64,
    /// Value minus expected, in residual scales, not cut.
    pub residual: f64,
    /// The stream's loudness.
    pub loudness: f32,
    /// The record is older than the one before it.
    pub late: bool,
}

/// What came of a record of a stream that has features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeatureOutcome {
    /// Its features.
    Reading(FeatureReading),
    /// A counter began anew.
    Reset,
    /// The first of a counter, or one at the time of another.
    Nothing,
}

impl FeatureOutcome {
    /// The features, where there are any.
    #[must_use]
    pub fn reading(self) -> Option<FeatureReading> {
        match self {
            Self::Reading(reading) => Some(reading),
            Self::Reset | Self::Nothing => None,
        }
    }
}

/// Reads one record, updating the stream's memory (`None` before the first record).
#[must_use]
pub fn read(memory: &mut Option<StreamMemory>, baseline: &Baseline, time: EventTime, value: f64) -> FeatureOutcome {
    let memory = memory.get_or_insert_with(|| StreamMemory::start(baseline, time));
    let (number, offset, factor) = match memory.character.take(baseline.character, time, value, baseline.reach()) {
        JudgedValue::Of { number, offset, factor } => (number, offset, factor),
        JudgedValue::Reset => return FeatureOutcome::Reset,
        JudgedValue::Nothing => return FeatureOutcome::Nothing,
    };
    let at = phases(time);
    let usual = curve_at(&baseline.curve, &at);
    let scale = PeakScale { residual: baseline.residual_scale, gap_s: baseline.gap_s };
    let distance = PeakMemory::unexplained(&mut memory.peaks, time, number - usual, scale);
    let residual = distance / baseline.residual_scale;
    let r = compressed(residual).clamp(-CLIP, CLIP);
    let last = *memory.last.get_or_insert(r);
    let d = ((r - memory.anchor) / baseline.step_scale).clamp(-CLIP, CLIP);
    let moved = ((r - last) / baseline.step_scale).clamp(-CLIP, CLIP);
    let limit = (r.abs() + 1.0) / baseline.step_scale;
    memory.follow_lately(residual.clamp(-FAR, FAR));
    memory.follow(r, d, moved, baseline.volatility());
    let d = d.clamp(-limit, limit);
    // The level of a wandering stream moves on while its value is stuck.
    let repeated = if baseline.character == StreamCharacter::Wandering { value } else { number };
    let stuck = memory.count_run(baseline, repeated);
    let (gap, late) = memory.gap(baseline, time);
    #[expect(clippy::cast_possible_truncation, reason = "the model computes in f32")]
    let vector = [r, d, memory.borne_level(r), memory.unrest(baseline), stuck, gap, at[1], at[2]].map(|x| x as f32);
    #[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
    let loudness = baseline.loudness as f32;
    let expected = offset + (number - distance) * factor;
    FeatureOutcome::Reading(FeatureReading { vector, number, expected, residual, loudness, late })
}

/// Linear up to [`LINEAR`], a logarithm beyond.
fn compressed(residual: f64) -> f64 {
    let size = residual.abs();
    if size <= LINEAR { residual } else { (LINEAR + LINEAR * libm::log(size / LINEAR)).copysign(residual) }
}

impl StreamMemory {
    fn start(baseline: &Baseline, time: EventTime) -> Self {
        Self {
            anchor: 0.0,
            last: None,
            level: 0.0,
            odd: 0,
            level_before: None,
            volatility: baseline.volatility(),
            quiet: 0,
            run: 0.0,
            last_value: f64::NAN,
            last_time: time,
            lately: 0.0,
            unsteady: 1.0,
            character: CharacterMemory::default(),
            peaks: PeakMemory::knowing(&baseline.peaks, time),
        }
    }

    /// That of a stream that is judged in other terms from now on: nothing but its peaks is left.
    pub(super) fn renewed(self, baseline: &Baseline) -> Self {
        Self { peaks: self.peaks, ..Self::start(baseline, self.last_time) }
    }

    fn follow_lately(&mut self, r: f64) {
        let reach = LATELY_REACH * self.unsteady.max(LATELY);
        let distance = (r - self.lately).clamp(-reach, reach);
        self.unsteady += LATELY * (distance.abs() - self.unsteady);
        self.lately += LATELY * distance;
    }

    /// The time of the record before.
    pub(super) fn last_time(&self) -> EventTime {
        self.last_time
    }

    /// The value before, of a counter.
    pub(super) fn counted(&self) -> Option<f64> {
        self.character.last()
    }

    /// Peaks that come at regular times.
    #[must_use]
    pub fn recurring(&self) -> &[RecurringPeak] {
        self.peaks.as_ref().map_or(&[], |peaks| peaks.recurring())
    }

    /// What it weighs beside itself, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.peaks.as_ref().map_or(0, |_| weight::block(size_of::<PeakMemory>()))
    }

    /// Where residuals were lately, and how far from there they vary, both in residual scales.
    #[must_use]
    pub fn lately(&self) -> (f64, f64) {
        (self.lately, self.unsteady * MEAN_TO_DEVIATION)
    }

    fn follow(&mut self, r: f64, d: f64, moved: f64, usual_volatility: f64) {
        self.last = Some(r);
        if r.abs() <= ODD {
            self.anchor = r;
        } else if self.level_before.is_none() {
            self.level_before = Some(self.level);
        }
        if r.abs() < QUIET
            && let Some(before) = self.level_before.take()
        {
            self.level = before.clamp(-QUIET_LEVEL, QUIET_LEVEL);
        }
        self.odd = if r.abs() > ODD { self.odd + 1 } else { 0 };
        if self.odd == 0 || self.odd > SPIKE_RECORDS {
            self.follow_level(r);
        }
        self.follow_volatility(r, d, moved, usual_volatility);
    }

    fn follow_level(&mut self, r: f64) {
        let a = r.clamp(-LEVEL_CLIP, LEVEL_CLIP);
        let rising = a.abs() > self.level.abs() && a * self.level >= 0.0;
        self.level += if rising { LEVEL_RISE } else { LEVEL_RELEASE } * (a - self.level);
    }

    fn follow_volatility(&mut self, r: f64, d: f64, moved: f64, usual: f64) {
        let step = d.abs().min(moved.abs()).min(STEP_CLIP);
        let square = step * step;
        let rate = if square > self.volatility { VOLATILITY_RISE } else { VOLATILITY_RELEASE };
        self.volatility += rate * (square - self.volatility);
        self.quiet = if r.abs() < QUIET && d.abs() < QUIET { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET_RECORDS {
            self.level = self.level.clamp(-QUIET_LEVEL, QUIET_LEVEL);
            self.volatility = self.volatility.min(QUIET_VOLATILITY * usual);
        }
    }

    /// The level as far as this record bears it out: one usual value ends what a high level was evidence of.
    fn borne_level(&self, r: f64) -> f64 {
        let same_side = (r * self.level.signum()).max(0.0);
        let limit = same_side + BORNE;
        self.level.clamp(-limit, limit)
    }

    /// ln of the root of the mean square of the steps.
    fn unrest(&self, baseline: &Baseline) -> f64 {
        let floor = if baseline.repeats() { STILL } else { MOVING };
        0.5 * libm::log(self.volatility + floor)
    }

    fn count_run(&mut self, baseline: &Baseline, value: f64) -> f64 {
        let same = (value - self.last_value).abs() <= baseline.still;
        self.run = if same { self.run + 1.0 } else { 1.0 };
        self.last_value = value;
        libm::log1p((self.run - baseline.run).max(0.0))
    }

    /// ln of the gap in longest usual gaps, 0 up to there, and whether the record is late. Missing rows are nothing by
    /// themselves. Late records and equal times are no gap: their order is counted elsewhere, not judged.
    fn gap(&mut self, baseline: &Baseline, time: EventTime) -> (f64, bool) {
        let seconds = time.seconds_since(self.last_time);
        if seconds <= 0.0 {
            // A record of the far future must not end the judging of gaps until then.
            if seconds < -LATE_S_MAX {
                self.last_time = time;
            }
            return (0.0, seconds < 0.0);
        }
        self.last_time = time;
        (libm::log((seconds / baseline.gap_long_s).clamp(1.0, GAP_MAX)), false)
    }
}

#[cfg(test)]
mod tests {
    use super::{read as outcome, *};

    fn read(memory: &mut Option<StreamMemory>, baseline: &Baseline, time: EventTime, value: f64) -> FeatureReading {
        outcome(memory, baseline, time, value).reading().unwrap()
    }

    fn baseline() -> Baseline {
        Baseline {
            curve: [10.0, 0.0, 0.0, 0.0, 0.0],
            residual_scale: 2.0,
            step_scale: 0.5,
            gap_s: 60.0,
            gap_long_s: 300.0,
            still: 1e-3,
            run: 3.0,
            min: 0.0,
            max: 20.0,
            margin: 1.0,
            loudness: 1.0,
            character: StreamCharacter::Continuous,
            known: Vec::new(),
            known_seen: Vec::new(),
            resets: false,
            peaks: Vec::new(),
        }
    }

    fn feed(values: &[f64]) -> Vec<FeatureReading> {
        let mut memory = None;
        let at = |i: usize| EventTime::from_micros(i as i64 * 60_000_000);
        values.iter().enumerate().map(|(i, v)| read(&mut memory, &baseline(), at(i), *v)).collect()
    }

    #[test]
    fn the_first_record_steps_from_the_curve_and_has_no_gap() {
        let first = feed(&[14.0])[0];
        assert_eq!(first.residual, 2.0);
        assert_eq!(first.vector[..3], [2.0, 4.0, 0.6]);
        assert_eq!(first.vector[4..], [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_far_value_is_no_starting_point() {
        let readings = feed(&[10.0, 1e12, 10.0]);
        assert!(readings[1].vector[0] > 150.0 && readings[1].vector[0] < 300.0, "a logarithm");
        assert!(readings[1].vector[1] > 100.0);
        assert_eq!(readings[2].vector[1], 0.0, "the step is measured from before the spike");
    }

    #[test]
    fn quiet_records_wipe_the_memory_of_an_anomaly() {
        let mut values = vec![24.0; 50];
        values.extend([10.0, 10.5, 9.5]);
        let readings = feed(&values);
        assert!(readings[49].vector[2] > 5.0);
        let after = readings.last().unwrap().vector;
        assert!(after[2] <= 0.7 && after[3] <= 0.131_57, "{after:?}");
    }

    #[test]
    fn where_a_stream_was_lately_is_not_where_a_spike_was() {
        let mut memory = None;
        let mut lately = |range: core::ops::Range<i64>, value: f64| {
            for i in range {
                let usual = (i % 5 - 2) as f64;
                let _ = read(&mut memory, &baseline(), EventTime::from_micros(i * 60_000_000), value + usual);
            }
            memory.as_ref().unwrap().lately()
        };
        let usual = lately(0..200, 10.0);
        let (level, varies) = lately(200..202, 1e6);
        assert!(level.abs() < 1.0 && varies < 3.0 * usual.1, "{level} {varies}");
        let _ = lately(202..300, 10.0);
        let (level, varies) = lately(300..500, 1_010.0);
        assert!((level - 500.0).abs() < 1.0 && varies < 3.0 * usual.1, "{level} {varies}");
    }

    #[test]
    fn a_still_stream_at_rest_is_as_usual_and_shows_when_it_moves() {
        let still = Baseline { step_scale: 1e-6, residual_scale: 1e-5, run: 1e15, ..baseline() };
        let mut memory = None;
        let at = |i: i64| EventTime::from_micros(i * 60_000_000);
        let rest = (0..10_000).map(|i| read(&mut memory, &still, at(i), 10.0).vector).last().unwrap();
        assert_eq!(rest[..6], [0.0; 6]);
        let moved = read(&mut memory, &still, at(10_000), 11.0).vector;
        assert!(moved[0] > 10.0 && moved[3] > 0.5, "{moved:?}");
    }

    #[test]
    fn runs_beyond_the_usual_and_gaps_show() {
        let readings = feed(&[10.0; 8]);
        assert_eq!(readings[2].vector[4], 0.0);
        assert!((readings[7].vector[4] - 1.791_759_5).abs() < 1e-6, "5 records beyond a usual run of 3");
        let mut memory = None;
        let at = |s: i64| EventTime::from_micros(s * 1_000_000);
        let _ = read(&mut memory, &baseline(), at(0), 10.0);
        assert_eq!(read(&mut memory, &baseline(), at(300), 10.0).vector[5], 0.0, "missing rows");
        assert!((read(&mut memory, &baseline(), at(900), 10.0).vector[5] - core::f32::consts::LN_2).abs() < 1e-6);
        let late = read(&mut memory, &baseline(), at(600), 10.0);
        assert!(late.late && late.vector[5] == 0.0);
        assert!(read(&mut memory, &baseline(), at(100 * 86_400), 10.0).vector[5] > 1.0);
        assert!(read(&mut memory, &baseline(), at(800), 10.0).late, "the time before was wrong");
        assert!(!read(&mut memory, &baseline(), at(900), 10.0).late, "an equal time is a duplicate, not late");
    }
}
