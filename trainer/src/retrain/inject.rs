//! Known anomalies in a copy of the held-out records: the generator's kinds, in the size that each stream's usual
//! behaviour gives them. The same seed and records give the same copy; both models judge that one.
//!
//! Sizes come from the baseline that is trusted, never from the records themselves: in records that somebody made noisy,
//! an anomaly in the size of their noise would be found by a model that no longer finds anything else.

use oddline_core::{
    stream::{
        StreamName,
        baseline::Baseline,
        daily::{curve_at, phases},
    },
    time::EventTime,
};
use rand::RngExt;

use crate::{
    dataset::DatasetStream,
    generate::{self, AnomalyMoment, AnomalyPattern, AnomalyRoom, InjectedEvent},
};

/// Untouched records between two events: features with memory have forgotten the first.
const GAP_RECORDS: usize = 40;
/// As many again by chance.
const GAP_SPREAD: usize = 40;
/// Records an event may take, with its end: no event begins nearer to the last record.
const EVENT_RECORDS_MAX: usize = 160;
const HALF_DAY_S: f64 = 43_200.0;
const OWN_SEED: &str = "injected";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct InjectedLog {
    pub kind: AnomalyPattern,
    /// First and last record of it; between them some may be missing.
    pub span: (EventTime, EventTime),
}

/// A stream with events in it.
#[derive(Debug, Clone)]
pub(super) struct InjectedCopy {
    pub stream: DatasetStream,
    /// The events, in order of time.
    pub events: Vec<InjectedLog>,
}

/// Puts events into a copy of a stream; `usual` says how large an anomaly is there.
#[must_use]
pub(super) fn inject(stream: &DatasetStream, usual: &Baseline, seed: u64) -> InjectedCopy {
    let StreamName { server, component } = &stream.name;
    let mut random = generate::rng(seed, &[server, component, OWN_SEED]);
    let records = stream.values.len();
    let mut copy = InjectedCopy {
        stream: DatasetStream { name: stream.name.clone(), times: Vec::with_capacity(records), values: Vec::new() },
        events: Vec::new(),
    };
    let mut under_way: Option<(InjectedEvent, EventTime)> = None;
    let mut wait = GAP_RECORDS + random.random_range(0..GAP_SPREAD);
    let mut last = stream.values.first().copied().unwrap_or(0.0);
    for (i, (time, value)) in stream.times.iter().zip(&stream.values).enumerate() {
        wait = wait.saturating_sub(1);
        if under_way.is_none() && wait == 0 && i + EVENT_RECORDS_MAX < records {
            let room = room(usual, *value);
            under_way = Some((InjectedEvent::draw(&mut random, AnomalyPattern::FULL, |_| room), *time));
        }
        let changed = match &mut under_way {
            None => Some(*value),
            Some((event, _)) => event.step(&moment(usual, *time, *value, last), &mut random),
        };
        if let Some(changed) = changed {
            last = if usual.min >= 0.0 { changed.max(0.0) } else { changed };
            copy.stream.times.push(*time);
            copy.stream.values.push(last);
        }
        if let Some((event, first)) = under_way.take_if(|(event, _)| event.is_over()) {
            copy.events.push(InjectedLog { kind: event.kind, span: (first, *time) });
            wait = GAP_RECORDS + random.random_range(0..GAP_SPREAD);
        }
    }
    copy
}

/// Noise of a stream as its anomalies are measured: where what is odd elsewhere is usual, they are larger.
fn noise(usual: &Baseline) -> f64 {
    usual.residual_scale * usual.loudness.max(1.0)
}

fn moment(usual: &Baseline, time: EventTime, normal: f64, last: f64) -> AnomalyMoment {
    let curve = |time: EventTime| curve_at(&usual.curve, &phases(time));
    let (base, opposite) = (curve(time), curve(time.plus_seconds(HALF_DAY_S)));
    AnomalyMoment { sd: noise(usual), mean: usual.curve[0], base, opposite, normal, last }
}

/// What never was negative does not become it.
fn room(usual: &Baseline, value: f64) -> AnomalyRoom {
    let down_sd = if usual.min >= 0.0 { value / noise(usual) } else { f64::INFINITY };
    AnomalyRoom { up_sd: f64::INFINITY, down_sd }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(records: i64) -> (DatasetStream, Baseline) {
        let times: Vec<EventTime> = (0..records).map(|i| EventTime::from_micros(i * 60_000_000)).collect();
        let values: Vec<f64> = (0..records).map(|i| 50.0 + (i as f64 * 0.754_877).fract()).collect();
        let usual = Baseline::fit(&times, &values, &vec![true; values.len()]).unwrap();
        let name = StreamName { server: "a".to_owned(), component: "cpu".to_owned() };
        (DatasetStream { name, times, values }, usual)
    }

    #[test]
    fn events_are_where_they_are_said_to_be_and_nothing_else_changes() {
        let (stream, usual) = steady(5_000);
        let copy = inject(&stream, &usual, 7);
        assert!(copy.events.len() > 20, "{}", copy.events.len());
        let inside = |time: EventTime| copy.events.iter().any(|e| e.span.0 <= time && time <= e.span.1);
        let by_time = |s: &DatasetStream| -> std::collections::BTreeMap<EventTime, u64> {
            s.times.iter().copied().zip(s.values.iter().map(|v| v.to_bits())).collect()
        };
        let (before, after) = (by_time(&stream), by_time(&copy.stream));
        assert!(before.iter().all(|(time, value)| inside(*time) || after.get(time) == Some(value)));
        assert!(copy.events.windows(2).all(|e| e[1].span.0.seconds_since(e[0].span.1) >= 60.0 * GAP_RECORDS as f64));
    }

    #[test]
    fn the_same_seed_gives_the_same_copy_and_another_another() {
        let (stream, usual) = steady(2_000);
        let values = |seed| inject(&stream, &usual, seed).stream.values;
        assert_eq!(values(1), values(1));
        assert_ne!(values(1), values(2));
    }

    #[test]
    fn a_stream_too_short_for_an_event_stays_as_it_is() {
        let (stream, usual) = steady(150);
        let copy = inject(&stream, &usual, 1);
        assert!(copy.events.is_empty() && copy.stream.values == stream.values);
    }
}
