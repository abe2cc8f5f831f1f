//! How far the usual has moved from one model to the next: per stream from its baselines, per feature from what
//! standardises them.

use std::collections::BTreeSet;

use oddline_core::{
    profile::{ModelProfile, RecordView, StreamBaseline},
    robust::{median, spread},
    stream::{
        FEATURES, StreamName,
        baseline::Baseline,
        daily::{curve_at, phases},
    },
    time::EventTime,
};
use serde::Serialize;

use super::{decide::AWAY_SHARE, figures::share};
use crate::dataset::DatasetStream;

/// A level this many scales away is another one: it makes a sixth of all records look odd.
pub(super) const MOVED_SCALES: f64 = 1.0;
/// A scale that grew or shrank by this factor is another one.
pub(super) const MOVED_FACTOR: f64 = 1.5;
/// The feature that is a value's distance from its curve, in scales.
const LEVEL: usize = 0;
/// Noise of a settled stream, in old scales ...
const SETTLED_SPREAD: f64 = 1.25;
/// ... and how far from its level nearly all of its values are.
const SETTLED_WITHIN: f64 = 4.0;
const HOURS: i64 = 24;
const HOUR_US: i64 = 3_600_000_000;

/// How far one stream's baseline moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StreamMoved {
    /// Root mean square over the day of the difference of the curves, in the old scale.
    pub level: f64,
    /// New over old: the noise that counts as usual, loudness included.
    pub scale: f64,
    /// New over old: the usual seconds between records.
    pub gap: f64,
    /// New over old: how far a value has to be from its curve to be odd for that alone.
    pub reach: f64,
}

/// How one feature is standardised now and before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureMoved {
    pub feature: &'static str,
    /// Difference of the centres, in the old scale.
    pub center: f64,
    pub scale: f64,
    /// New over old quantile of the residuals.
    pub residual_quantile: f64,
}

impl StreamMoved {
    /// From the old baseline to the new one; `wider` is [`wider`] of their models.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "two dozen hours")]
    pub fn between(old: &Baseline, new: &Baseline, wider: f64) -> Self {
        let difference = |hour: i64| {
            let phases = phases(EventTime::from_micros(hour * HOUR_US));
            (curve_at(&new.curve, &phases) - curve_at(&old.curve, &phases)).powi(2)
        };
        let square = (0..HOURS).map(difference).sum::<f64>() / HOURS as f64;
        let noise = |b: &Baseline| b.residual_scale * b.loudness;
        let scale = noise(new) / noise(old);
        let gap = new.gap_s / old.gap_s;
        Self { level: square.sqrt() / old.residual_scale, scale, gap, reach: scale * wider }
    }

    /// Whether the stream is another one now.
    #[must_use]
    pub fn is_far(&self) -> bool {
        let changed = |ratio: f64| !(1.0 / MOVED_FACTOR..=MOVED_FACTOR).contains(&ratio);
        self.level > MOVED_SCALES || changed(self.scale) || changed(self.gap)
    }
}

/// The middle of the streams that both know and that are `present`: how far a value has to be from its curve to be odd, new
/// over old. One that the logs do not have keeps its old baseline, and says nothing about them.
#[must_use]
pub(super) fn reach(old: &ModelProfile, new: &ModelProfile, present: &BTreeSet<StreamName>) -> Option<f64> {
    let wider = wider(&old.record, &new.record);
    let of = |b: &StreamBaseline| {
        new.baseline(&b.server, &b.component).map(|now| StreamMoved::between(&b.baseline, now, wider).reach)
    };
    let is_present = |b: &&StreamBaseline| {
        present.contains(&StreamName { server: b.server.clone(), component: b.component.clone() })
    };
    let reaches: Vec<f64> = old.baselines.iter().filter(is_present).filter_map(of).collect();
    (!reaches.is_empty()).then(|| median(&reaches))
}

/// Whether a stream that left its old curve is as quiet as ever around another level.
#[must_use]
pub(super) fn is_settled(stream: &DatasetStream, old: &Baseline) -> bool {
    let noise = old.residual_scale * old.loudness;
    let distance = |(time, value): (&EventTime, &f64)| (value - curve_at(&old.curve, &phases(*time))) / noise;
    let distances: Vec<f64> = stream.times.iter().zip(&stream.values).map(distance).collect();
    let level = median(&distances);
    let far = distances.iter().filter(|d| (**d - level).abs() > SETTLED_WITHIN).count();
    level.abs() > MOVED_SCALES
        && spread(&distances) < SETTLED_SPREAD
        && share(far as u64, distances.len() as u64) < AWAY_SHARE
}

/// New over old: how many scales of its stream a value has to be from its curve to be odd for that alone. The threshold
/// only counts where both were chosen for the same.
#[must_use]
pub(super) fn wider(old: &RecordView, new: &RecordView) -> f64 {
    let measure = |view: &RecordView| f64::from(view.value_quantile[LEVEL] * view.scale[LEVEL]);
    let (before, after) = (&old.threshold, &new.threshold);
    let is_same_aim = before.alert_budget == after.alert_budget && before.quantile == after.quantile;
    let threshold = if is_same_aim { f64::from(after.value / before.value) } else { 1.0 };
    threshold * measure(new) / measure(old)
}

/// Every feature's drift.
#[must_use]
pub(super) fn features(old: &ModelProfile, new: &ModelProfile) -> Vec<FeatureMoved> {
    let (old, new) = (&old.record, &new.record);
    let of = |(j, feature): (usize, &&'static str)| FeatureMoved {
        feature,
        center: f64::from((new.center[j] - old.center[j]) / old.scale[j]),
        scale: f64::from(new.scale[j] / old.scale[j]),
        residual_quantile: f64::from(new.residual_quantile[j] / old.residual_quantile[j]),
    };
    FEATURES.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(level: f64, residual_scale: f64) -> Baseline {
        let curve = [level, 1.0, 0.0, 0.0, 0.0];
        Baseline {
            curve,
            residual_scale,
            step_scale: 1.0,
            gap_s: 60.0,
            gap_long_s: 300.0,
            still: 0.0,
            run: 3.0,
            min: 0.0,
            max: 100.0,
            margin: 1.0,
            loudness: 1.0,
            character: oddline_core::stream::character::StreamCharacter::Continuous,
            known: Vec::new(),
            known_seen: Vec::new(),
            resets: false,
            peaks: Vec::new(),
        }
    }

    #[test]
    fn a_settled_stream_is_quiet_on_another_level() {
        let times: Vec<EventTime> = (0..500).map(|i| EventTime::from_micros(i * 60_000_000)).collect();
        let old = Baseline { curve: [50.0, 0.0, 0.0, 0.0, 0.0], ..baseline(50.0, 2.0) };
        let wobble = |i: usize| 3.0 * ((i as f64 * 0.754_877).fract() - 0.5);
        let stream = |value: &dyn Fn(usize) -> f64| DatasetStream {
            name: StreamName { server: "a".to_owned(), component: "cpu".to_owned() },
            times: times.clone(),
            values: (0..500).map(value).collect(),
        };
        assert!(is_settled(&stream(&|i| 60.0 + wobble(i)), &old));
        assert!(!is_settled(&stream(&|i| 50.0 + wobble(i)), &old), "it never left");
        assert!(!is_settled(&stream(&|i| 60.0 + 3.0 * wobble(i)), &old), "three times the noise");
        let spikes = |i: usize| if i.is_multiple_of(7) { 20.0 } else { 0.0 };
        assert!(!is_settled(&stream(&|i| 60.0 + wobble(i) + spikes(i)), &old), "one in seven is far off");
    }

    #[test]
    fn levels_are_measured_in_old_scales_and_scales_in_factors() {
        let moved = StreamMoved::between(&baseline(10.0, 2.0), &baseline(16.0, 3.2), 1.25);
        assert!((moved.level - 3.0).abs() < 1e-9 && (moved.scale - 1.6).abs() < 1e-9 && moved.gap == 1.0, "{moved:?}");
        assert!((moved.reach - 2.0).abs() < 1e-9, "{moved:?}");
        assert!(moved.is_far());
        assert!(!StreamMoved::between(&baseline(10.0, 2.0), &baseline(11.0, 2.5), 1.0).is_far());
        assert!(
            StreamMoved::between(&baseline(10.0, 2.0), &baseline(10.0, 1.0), 1.0).is_far(),
            "quieter is another one too"
        );
    }
}
