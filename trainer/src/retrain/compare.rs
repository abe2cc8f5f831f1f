//! Two models on the same held-out records, as they are and with known anomalies in them. Every verdict comes from the
//! judge that agents run; each model starts each stream with a fresh memory.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use oddline_core::{
    episode::EpisodeStep,
    incident::{EpisodeOpening, incidents},
    limits::{BASELINES_MAX, EPISODE_GAP_RECORDS},
    profile::ModelProfile,
    robust::median,
    stream::{StreamName, baseline::Baseline},
    time::EventTime,
};
use oddline_detector::{JudgedRow, OpenModel};

use super::{
    decide::{AWAY_SHARE, LEARNT_SHARE, SWALLOWED_REACH},
    drift::{self, StreamMoved},
    figures::{
        DataFigures, KindFound, ModelSide, RetrainFigures, StreamFigureRow, StreamFigures, StreamPlace, StreamPlaces,
        TruthFigures, share,
    },
    inject::{InjectedCopy, InjectedLog, inject},
    truth::InjectedTruth,
};
use crate::{
    dataset::DatasetStream,
    evaluate::{
        metrics::{JudgedRecord, TestEvaluation},
        poisson::{PoissonRate, interval_95},
    },
    generate::AnomalyPattern,
    score_stream,
};

/// A model and the hash of its file.
pub(super) struct NamedModel<'a> {
    pub model: &'a OpenModel,
    /// SHA-256 of its file.
    pub sha256: &'a str,
}

/// What the models are compared on.
pub(super) struct HeldOut<'a> {
    pub streams: &'a [DatasetStream],
    /// What the log says of them, where it does.
    pub truth: Option<&'a InjectedTruth>,
    /// Names of all streams of the logs, held out or not.
    pub present: &'a BTreeSet<StreamName>,
    pub seed: u64,
}

/// Judges the held-out records with both and counts.
///
/// # Errors
/// When a model cannot be run, or there are too many streams.
pub(super) fn compare(
    data: DataFigures,
    held_out: &HeldOut<'_>,
    current: Option<&NamedModel<'_>>,
    new: &NamedModel<'_>,
) -> Result<RetrainFigures> {
    let days = data.held_out_server_days;
    let views = current.map(|current| (&current.model.profile.record, &new.model.profile.record));
    let mut tally = ComparisonTally::new(current.is_some(), views.map_or(1.0, |(old, new)| drift::wider(old, new)));
    for (number, stream) in held_out.streams.iter().enumerate() {
        let truth = held_out.truth.map(|truth| truth.of(number));
        tally.stream(stream, truth, held_out.seed, current.map(|c| c.model), new.model)?;
    }
    let old = current.map(|current| &*current.model.profile);
    let mut streams = tally.counts;
    streams.held_out = held_out.streams.len();
    streams.absent = old.map_or(0, |old| absent(old, held_out.present));
    Ok(RetrainFigures {
        current: current.zip(tally.current).map(|(named, sums)| sums.side(named, days)),
        candidate: tally.candidate.side(new, days),
        injected: tally.places,
        streams,
        anchor_reach: None,
        reach: (!tally.reaches.is_empty()).then(|| median(&tally.reaches)),
        features: old.map_or_else(Vec::new, |old| drift::features(old, &new.model.profile)),
        kinds: tally.kinds.into_values().collect(),
        rows: tally.rows,
        data,
    })
}

fn absent(old: &ModelProfile, present: &BTreeSet<StreamName>) -> usize {
    let is_absent = |server: &str, component: &str| {
        let name = StreamName { server: server.to_owned(), component: component.to_owned() };
        !present.contains(&name)
    };
    old.baselines.iter().filter(|b| is_absent(&b.server, &b.component)).count()
}

/// Days of each server from its first to its last record, added up.
#[must_use]
pub(super) fn server_days(streams: &[DatasetStream]) -> f64 {
    let mut servers: BTreeMap<&str, (EventTime, EventTime)> = BTreeMap::new();
    for stream in streams {
        if let (Some(first), Some(last)) = (stream.times.first(), stream.times.last()) {
            let span = servers.entry(&stream.name.server).or_insert((*first, *last));
            *span = (span.0.min(*first), span.1.max(*last));
        }
    }
    servers.values().map(|(first, last)| last.seconds_since(*first) / 86_400.0).sum()
}

struct ComparisonSums {
    records: u64,
    odd: u64,
    /// Of its episodes, by server.
    openings: BTreeMap<String, Vec<EpisodeOpening<()>>>,
    evaluation: Option<TestEvaluation>,
}

struct ComparisonTally {
    wider: f64,
    reaches: Vec<f64>,
    current: Option<ComparisonSums>,
    candidate: ComparisonSums,
    places: StreamPlaces,
    kinds: BTreeMap<AnomalyPattern, KindFound>,
    counts: StreamFigures,
    rows: Vec<StreamFigureRow>,
}

impl ComparisonTally {
    fn new(has_current: bool, wider: f64) -> Self {
        Self {
            wider,
            reaches: Vec::new(),
            current: has_current.then(ComparisonSums::new),
            candidate: ComparisonSums::new(),
            places: StreamPlaces::default(),
            kinds: BTreeMap::new(),
            counts: StreamFigures::default(),
            rows: Vec::new(),
        }
    }

    fn stream(
        &mut self,
        stream: &DatasetStream,
        truth: Option<&[bool]>,
        seed: u64,
        current: Option<&OpenModel>,
        new: &OpenModel,
    ) -> Result<()> {
        let StreamName { server, component } = &stream.name;
        let old_baseline = current.and_then(|model| model.profile.baseline(server, component));
        let new_baseline = new.profile.baseline(server, component);
        let current_odd = match (current, &mut self.current) {
            (Some(model), Some(sums)) => Some(sums.take(stream, truth, model)?),
            _ => None,
        };
        let candidate_odd = self.candidate.take(stream, truth, new)?;
        let place = match (old_baseline, current_odd, new_baseline) {
            (Some(_), Some(odd), _) if odd > AWAY_SHARE => StreamPlace::Away,
            (Some(_), _, _) => StreamPlace::Home,
            (None, _, Some(_)) => StreamPlace::New,
            (None, _, None) => StreamPlace::Short,
        };
        let moved = old_baseline.zip(new_baseline).map(|(old, new)| StreamMoved::between(old, new, self.wider));
        let settled = |old: &Baseline| drift::is_settled(stream, old);
        self.count(place, moved.as_ref(), old_baseline.is_some_and(settled));
        let is_learnt = |odd: f64| candidate_odd <= AWAY_SHARE && candidate_odd <= LEARNT_SHARE * odd;
        self.counts.learnt += usize::from(place == StreamPlace::Away && current_odd.is_some_and(is_learnt));
        self.reaches.extend(moved.map(|moved| moved.reach));
        let mut row = StreamFigureRow {
            server: server.clone(),
            component: component.clone(),
            place,
            records: stream.values.len(),
            current_odd,
            candidate_odd,
            moved,
            injected: Default::default(),
        };
        if let Some(usual) = old_baseline.or(new_baseline) {
            let copy = inject(stream, usual, seed);
            let by_current = current.map(|model| found(&copy, model)).transpose()?;
            let by_candidate = found(&copy, new)?;
            for (i, event) in copy.events.iter().enumerate() {
                let by_current = by_current.as_ref().is_some_and(|found| found[i]);
                row.injected.add(by_current, by_candidate[i]);
                self.kind(event.kind, by_current, by_candidate[i]);
            }
            if let Some(pairs) = self.places.at(place) {
                pairs.merge(row.injected);
            }
        }
        if self.rows.len() < BASELINES_MAX {
            self.rows.push(row);
        }
        Ok(())
    }

    fn count(&mut self, place: StreamPlace, moved: Option<&StreamMoved>, is_settled: bool) {
        let counts = &mut self.counts;
        counts.known += usize::from(matches!(place, StreamPlace::Home | StreamPlace::Away));
        counts.new += usize::from(place == StreamPlace::New);
        counts.moved += usize::from(moved.is_some_and(StreamMoved::is_far));
        counts.away += usize::from(place == StreamPlace::Away);
        let is_wider = moved.is_some_and(|moved| moved.reach > SWALLOWED_REACH);
        let is_swallowed = place == StreamPlace::Away && is_wider;
        counts.swallowed += usize::from(is_swallowed);
        counts.settled += usize::from(is_swallowed && is_settled);
    }

    fn kind(&mut self, kind: AnomalyPattern, by_current: bool, by_candidate: bool) {
        let new = || KindFound { kind: kind.name(), events: 0, current: 0, candidate: 0 };
        let row = self.kinds.entry(kind).or_insert_with(new);
        row.events += 1;
        row.current += u64::from(by_current);
        row.candidate += u64::from(by_candidate);
    }
}

impl ComparisonSums {
    fn new() -> Self {
        Self { records: 0, odd: 0, openings: BTreeMap::new(), evaluation: None }
    }

    /// Judges a stream as it is; the share of odd records.
    fn take(&mut self, stream: &DatasetStream, truth: Option<&[bool]>, model: &OpenModel) -> Result<f64> {
        let verdicts = score_stream::stream(stream, model)?;
        let odd = verdicts.iter().filter(|j| j.verdict.anomalous).count() as u64;
        self.records += verdicts.len() as u64;
        self.odd += odd;
        let opened = verdicts.iter().filter(|j| j.step == EpisodeStep::Opened);
        let opening = |j: &JudgedRow| EpisodeOpening { time: j.verdict.time, pause_s: j.pause_s, what: () };
        self.openings.entry(stream.name.server.clone()).or_default().extend(opened.map(opening));
        if let Some(truth) = truth {
            self.evaluate(stream, &verdicts, truth)?;
        }
        Ok(share(odd, verdicts.len() as u64))
    }

    fn evaluate(&mut self, stream: &DatasetStream, verdicts: &[JudgedRow], truth: &[bool]) -> Result<()> {
        let evaluation = self.evaluation.get_or_insert_with(|| TestEvaluation::new(u64::from(EPISODE_GAP_RECORDS)));
        let id = evaluation.stream(&stream.name.server, &stream.name.component)?;
        for (judged, anomalous) in verdicts.iter().zip(truth) {
            let verdict = &judged.verdict;
            evaluation.push(&JudgedRecord {
                stream: id,
                time_us: verdict.time.micros(),
                anomalous: *anomalous,
                kind: None,
                event: None,
                flagged: verdict.anomalous,
                score: verdict.score.value,
            });
        }
        Ok(())
    }

    fn side(self, named: &NamedModel<'_>, days: f64) -> ModelSide {
        let threshold = &named.model.profile.record.threshold;
        let truth = self.evaluation.map(|evaluation| {
            let summary = evaluation.finish();
            TruthFigures {
                events: summary.events.events,
                found: summary.events.found,
                precision: summary.precision,
                recall: summary.recall,
                f1: summary.f1,
                false_incidents: summary.incidents.false_per_server_day,
            }
        });
        let of_servers = self.openings.into_values().map(|episodes| incidents(episodes).len());
        ModelSide {
            version: named.model.version,
            sha256: named.sha256.to_owned(),
            threshold: threshold.value,
            expected_high: expected_high(named.model),
            incidents: PoissonRate::new(of_servers.sum::<usize>() as u64, days),
            odd_share: share(self.odd, self.records),
            truth,
        }
    }
}

/// What a model's calibration showed at most, near its limits and far beyond: in a log with anomalies these come again.
fn expected_high(model: &OpenModel) -> f64 {
    let profile = &model.profile;
    let measured = profile.budget.as_ref().map(|budget| budget.measured).filter(|measured| measured.server_days > 0.0);
    let near = profile.record.threshold.interval.1;
    measured.map_or(near, |measured| {
        let (_, high) = interval_95(measured.incidents + measured.apart);
        near.max(high / measured.server_days)
    })
}

/// Whether a model calls any record of each event odd.
fn found(copy: &InjectedCopy, model: &OpenModel) -> Result<Vec<bool>> {
    let verdicts = score_stream::stream(&copy.stream, model)?;
    let is_found = |event: &InjectedLog| {
        let from = verdicts.partition_point(|j| j.verdict.time < event.span.0);
        let within = verdicts[from..].iter().take_while(|j| j.verdict.time <= event.span.1);
        within.into_iter().any(|j| j.verdict.anomalous)
    };
    Ok(copy.events.iter().map(is_found).collect())
}
