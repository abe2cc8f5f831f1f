//! The figures of a test run: pushed record by record, summed up once at the end.
//!
//! Memory is fixed per stream but for its episodes, and does not grow with the records. Records of one stream come in
//! their order; streams may interleave in any way. Rates are per day of event time, from a
//! stream's first to its last judged record; a server's days reach from the first to the last
//! record of any of its streams. An event that touches several streams counts once in each.

use super::confusion::{Confusion, ratio};
use super::events::{ClosedEpisode, EvaluatedEpisode, EventRuns, EventTruth, RunRules};
use super::poisson::PoissonRate;
use super::summary::{
    EpisodeCounts, EpisodeSummary, EventCounts, IncidentCounts, IncidentSummary, KindRow, Scores, StreamRow,
    TestSummary,
};
use oddline_core::{
    incident::{EpisodeOpening, incidents},
    time::EventTime,
};
use std::collections::{BTreeMap, HashMap};

/// A false episode that begins at most this many records behind an event is counted apart: it is
/// an echo of the event in features with memory, not an alarm out of nothing.
pub const AFTER_EVENT_RECORDS: u64 = 20;
/// Streams of one evaluation; a table of more would be a mistake in the input (0.3 GB of states).
pub const STREAMS_MAX: usize = 1 << 20;
/// Kinds told apart; the truth names a handful. Further ones are counted together.
pub const KINDS_MAX: usize = 64;
/// What the kinds beyond `KINDS_MAX` are called.
pub const OTHER_KINDS: &str = "(other kinds)";

const DAY_US: f64 = 86_400e6;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("stream {server}/{component} is one too many: an evaluation holds {STREAMS_MAX}")]
pub struct TooManyStreams {
    server: String,
    component: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(u32);

/// One record with its verdict and its truth.
#[derive(Debug, Clone, Copy)]
pub struct JudgedRecord<'a> {
    pub stream: StreamId,
    /// Microseconds of event time since 1970.
    pub time_us: i64,
    pub anomalous: bool,
    /// What sort of anomaly it is, where the truth says so.
    pub kind: Option<&'a str>,
    /// Event the record belongs to, where the truth says so; such a record need not be anomalous.
    pub event: Option<u32>,
    pub flagged: bool,
    pub score: f32,
}

#[derive(Debug)]
pub struct TestEvaluation {
    rules: RunRules,
    ids: HashMap<(String, String), StreamId>,
    streams: Vec<StreamTally>,
    kinds: Vec<KindRow>,
    scores: Scores,
}

#[derive(Debug)]
struct StreamTally {
    server: String,
    component: String,
    /// First and last event time; `None` before the first record.
    span_us: Option<(i64, i64)>,
    confusion: Confusion,
    runs: EventRuns,
    events: EventCounts,
    episodes: EpisodeCounts,
    /// Time of the last record.
    last_us: Option<i64>,
    /// The first flagged record of the episode under way, and the seconds since the record before it.
    opened: Option<(EventTime, f64)>,
    /// Of the episodes that are over, and whether they are true.
    openings: Vec<EpisodeOpening<bool>>,
}

impl TestEvaluation {
    /// `merge_gap`: records at most this many positions apart belong to one run (5 is customary).
    pub fn new(merge_gap: u64) -> Self {
        Self {
            rules: RunRules { merge_gap, after_event: AFTER_EVENT_RECORDS },
            ids: HashMap::new(),
            streams: Vec::new(),
            kinds: Vec::new(),
            scores: Scores::default(),
        }
    }

    /// The stream's id; the same names give the same id.
    ///
    /// # Errors
    /// When there are too many streams.
    pub fn stream(&mut self, server: &str, component: &str) -> Result<StreamId, TooManyStreams> {
        let name = (server.to_owned(), component.to_owned());
        if let Some(id) = self.ids.get(&name) {
            return Ok(*id);
        }
        let (server, component) = name.clone();
        if self.streams.len() >= STREAMS_MAX {
            return Err(TooManyStreams { server, component });
        }
        let id = StreamId(u32::try_from(self.streams.len()).expect("STREAMS_MAX is below 2^32"));
        self.ids.insert(name, id);
        self.streams.push(StreamTally {
            server,
            component,
            span_us: None,
            confusion: Confusion::default(),
            runs: EventRuns::new(self.rules),
            events: EventCounts::default(),
            episodes: EpisodeCounts::default(),
            last_us: None,
            opened: None,
            openings: Vec::new(),
        });
        Ok(id)
    }

    /// Counts one record. Panics when the id comes from another evaluation.
    pub fn push(&mut self, record: &JudgedRecord) {
        let kind = record.kind.map(|kind| self.kind_index(kind));
        if let Some(kind) = kind.filter(|_| record.anomalous) {
            let row = &mut self.kinds[usize::from(kind)];
            row.records += 1;
            row.flagged += u64::from(record.flagged);
        }
        if record.anomalous {
            self.scores.anomalous.push(record.score);
        } else {
            self.scores.normal.push(record.score);
        }
        let truth = EventTruth { anomalous: record.anomalous, event: record.event, kind };
        let stream = &mut self.streams[record.stream.0 as usize];
        stream.see(record);
        let was_in_episode = stream.runs.is_in_episode();
        let closed = stream.runs.push(truth, record.flagged);
        let opens = record.flagged && (closed.episode.is_some() || !was_in_episode);
        stream.count(closed, &mut self.kinds);
        stream.follow(record.time_us, opens);
    }

    /// Closes what is open and sums up.
    pub fn finish(mut self) -> TestSummary {
        for stream in &mut self.streams {
            let closed = stream.runs.finish();
            stream.count(closed, &mut self.kinds);
        }
        let confusion = self.total_confusion();
        for row in &mut self.kinds {
            row.recall = ratio(row.flagged, row.records);
        }
        self.kinds.retain(|row| row.records > 0);
        self.kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
        TestSummary {
            confusion,
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
            classes: confusion.class_report(),
            events: self.total_events(),
            episodes: self.episode_summary(),
            incidents: self.incident_summary(),
            kinds: self.kinds,
            streams: rows_by_name(self.streams),
            scores: self.scores,
        }
    }

    fn kind_index(&mut self, kind: &str) -> u16 {
        let find = |rows: &[KindRow], name: &str| rows.iter().position(|row| row.kind == name);
        let index = find(&self.kinds, kind).unwrap_or_else(|| {
            let full = self.kinds.len() >= KINDS_MAX;
            let name = if full { OTHER_KINDS } else { kind };
            find(&self.kinds, name).unwrap_or_else(|| {
                self.kinds.push(KindRow { kind: name.to_owned(), ..KindRow::default() });
                self.kinds.len() - 1
            })
        });
        u16::try_from(index).expect("KINDS_MAX is below 2^16")
    }

    fn total_confusion(&self) -> Confusion {
        let mut total = Confusion::default();
        for Confusion { tn, fp, fn_, tp } in self.streams.iter().map(|s| s.confusion) {
            total.tn += tn;
            total.fp += fp;
            total.fn_ += fn_;
            total.tp += tp;
        }
        total
    }

    fn total_events(&self) -> EventCounts {
        let mut total = EventCounts::default();
        for e in self.streams.iter().map(|s| s.events) {
            total.events += e.events;
            total.found += e.found;
            total.missed += e.missed;
        }
        total
    }

    fn episode_summary(&self) -> EpisodeSummary {
        let mut counts = EpisodeCounts::default();
        let mut stream_days = 0.0;
        for stream in &self.streams {
            counts.true_ += stream.episodes.true_;
            counts.false_ += stream.episodes.false_;
            counts.after_event += stream.episodes.after_event;
            stream_days += stream.days();
        }
        let server_days = self.server_days();
        let unprompted = counts.false_ - counts.after_event;
        EpisodeSummary {
            merge_gap: self.rules.merge_gap,
            counts,
            false_per_stream_day: PoissonRate::new(counts.false_, stream_days),
            false_per_server_day: PoissonRate::new(counts.false_, server_days),
            unprompted_per_stream_day: PoissonRate::new(unprompted, stream_days),
            unprompted_per_server_day: PoissonRate::new(unprompted, server_days),
        }
    }

    fn incident_summary(&self) -> IncidentSummary {
        let mut servers: BTreeMap<&str, Vec<EpisodeOpening<bool>>> = BTreeMap::new();
        for stream in &self.streams {
            servers.entry(&stream.server).or_default().extend(&stream.openings);
        }
        let mut counts = IncidentCounts::default();
        for episodes in servers.into_values().flat_map(incidents) {
            let is_true = episodes.contains(&true);
            counts.true_ += u64::from(is_true);
            counts.false_ += u64::from(!is_true);
        }
        IncidentSummary { counts, false_per_server_day: PoissonRate::new(counts.false_, self.server_days()) }
    }

    fn server_days(&self) -> f64 {
        let mut servers: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for stream in &self.streams {
            if let Some((first, last)) = stream.span_us {
                let span = servers.entry(&stream.server).or_insert((first, last));
                *span = (span.0.min(first), span.1.max(last));
            }
        }
        servers.values().map(|span| days(*span)).sum()
    }
}

impl StreamTally {
    fn see(&mut self, record: &JudgedRecord) {
        self.confusion.add(record.anomalous, record.flagged);
        let time = record.time_us;
        let (first, last) = self.span_us.unwrap_or((time, time));
        self.span_us = Some((first.min(time), last.max(time)));
    }

    fn count(&mut self, closed: ClosedEpisode, kinds: &mut [KindRow]) {
        if let Some(event) = closed.event {
            let found = u64::from(event.found);
            self.events.events += 1;
            self.events.found += found;
            self.events.missed += 1 - found;
            if let Some(kind) = event.kind {
                let row = &mut kinds[usize::from(kind)];
                row.events += 1;
                row.found += found;
            }
        }
        let opened = closed.episode.and_then(|_| self.opened.take());
        let is_true = closed.episode == Some(EvaluatedEpisode::True);
        self.openings.extend(opened.map(|(time, pause_s)| EpisodeOpening { time, pause_s, what: is_true }));
        match closed.episode {
            None => {}
            Some(EvaluatedEpisode::True) => self.episodes.true_ += 1,
            Some(EvaluatedEpisode::False) => self.episodes.false_ += 1,
            Some(EvaluatedEpisode::FalseAfterEvent) => {
                self.episodes.false_ += 1;
                self.episodes.after_event += 1;
            }
        }
    }

    /// An episode may open with the record, behind what it closed.
    fn follow(&mut self, time_us: i64, opens: bool) {
        let last = self.last_us.replace(time_us).unwrap_or(time_us);
        let time = EventTime::from_micros(time_us);
        if opens {
            self.opened = Some((time, time.seconds_since(EventTime::from_micros(last)).max(0.0)));
        }
    }

    fn days(&self) -> f64 {
        self.span_us.map_or(0.0, days)
    }
}

fn days((first_us, last_us): (i64, i64)) -> f64 {
    (last_us as f64 - first_us as f64) / DAY_US
}

fn rows_by_name(states: Vec<StreamTally>) -> Vec<StreamRow> {
    let mut rows: Vec<StreamRow> = states.into_iter().map(row).collect();
    rows.sort_by(|a, b| (&a.server, &a.component).cmp(&(&b.server, &b.component)));
    rows
}

fn row(state: StreamTally) -> StreamRow {
    StreamRow {
        days: state.days(),
        server: state.server,
        component: state.component,
        confusion: state.confusion,
        precision: state.confusion.precision(),
        recall: state.confusion.recall(),
        f1: state.confusion.f1(),
        events: state.events,
        episodes: state.episodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn record(stream: StreamId, minute: i64, anomalous: bool, flagged: bool) -> JudgedRecord<'static> {
        JudgedRecord {
            stream,
            time_us: minute * MINUTE_US,
            anomalous,
            kind: anomalous.then_some("spike"),
            event: None,
            flagged,
            score: if flagged { 2.0 } else { 0.5 },
        }
    }

    #[test]
    fn two_streams_of_one_server_by_hand() {
        let mut evaluation = TestEvaluation::new(5);
        let cpu = evaluation.stream("a", "cpu").unwrap();
        let disk = evaluation.stream("a", "disk").unwrap();
        assert_eq!(evaluation.stream("a", "cpu").unwrap(), cpu);
        for minute in 0..=1440 {
            // An event at 100..=102 found at 101, its echo at 115, a missed event at 500,
            // a false run of two at 900 and 903.
            let anomalous = (100..=102).contains(&minute) || minute == 500;
            let flagged = [101, 115, 900, 903].contains(&minute);
            evaluation.push(&record(cpu, minute, anomalous, flagged));
            evaluation.push(&record(disk, minute, false, minute == 7));
        }
        let summary = evaluation.finish();
        let expected = Confusion { tn: 2 * 1441 - 8, fp: 4, fn_: 3, tp: 1 };
        assert_eq!(summary.confusion, expected);
        assert_eq!((summary.events.events, summary.events.found, summary.events.missed), (2, 1, 1));
        let counts = summary.episodes.counts;
        assert_eq!((counts.true_, counts.false_, counts.after_event), (1, 3, 1));
        assert_eq!(summary.episodes.false_per_stream_day.per_day, Some(1.5));
        assert_eq!(summary.episodes.false_per_server_day.per_day, Some(3.0));
        assert_eq!(summary.episodes.unprompted_per_server_day.count, 2);
        assert_eq!(summary.incidents.counts, IncidentCounts { true_: 1, false_: 3 });
        assert_eq!(summary.incidents.false_per_server_day.per_day, Some(3.0));
        let kind = &summary.kinds[0];
        assert_eq!((kind.records, kind.flagged, kind.events, kind.found), (4, 1, 2, 1));
        assert_eq!(kind.recall, 0.25);
        assert_eq!(summary.streams[1].component, "disk");
        assert_eq!(summary.streams[1].episodes.false_, 1);
        assert_eq!(summary.scores.anomalous.count(), 4);
    }

    #[test]
    fn nothing_pushed_is_a_summary_of_zeros() {
        let summary = TestEvaluation::new(5).finish();
        assert_eq!((summary.confusion, summary.f1), (Confusion::default(), 0.0));
        assert_eq!(summary.episodes.false_per_stream_day.per_day, None);
    }

    #[test]
    fn kinds_beyond_the_limit_are_counted_together() {
        let mut evaluation = TestEvaluation::new(5);
        let stream = evaluation.stream("a", "cpu").unwrap();
        let names: Vec<String> = (0..KINDS_MAX + 10).map(|n| format!("kind-{n:03}")).collect();
        for (n, name) in names.iter().enumerate() {
            let mut r = record(stream, 100 * n as i64, true, true);
            r.kind = Some(name);
            r.event = Some(n as u32);
            evaluation.push(&r);
        }
        let summary = evaluation.finish();
        assert_eq!(summary.kinds.len(), KINDS_MAX + 1);
        let other = summary.kinds.iter().find(|k| k.kind == OTHER_KINDS).unwrap();
        assert_eq!((other.records, other.events), (10, 10));
    }
}
