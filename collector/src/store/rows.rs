//! From entries to rows. Pure; one entry gives one row of `events` and, when it is about an anomaly, one of `episodes`.

use std::{fmt::Write as _, sync::Arc};

use oddline_core::{
    event::{Episode, EpisodeKind, Event, Extras, Finite, FloodSummary, Silence, SpoolEntry},
    id::Epoch,
    time::EventTime,
};

use super::{AgentKey, AnomalyKind, AnomalyState, StoredWord as _, id, sql::SqlValue, values};
use crate::{text::counted, time::TimeSpan};

/// Whose entries: the texts of the keys, shared by all rows of a batch.
#[derive(Debug, Clone)]
pub(super) struct RowOwner {
    pub fleet: Arc<str>,
    pub agent: Arc<str>,
    pub epoch: Epoch,
    pub received_us: i64,
}

impl RowOwner {
    pub(super) fn new(who: &AgentKey, epoch: Epoch, received_us: i64) -> Self {
        Self { fleet: who.fleet.as_str().into(), agent: who.agent.as_str().into(), epoch, received_us }
    }
}

/// A row of `episodes`: later ones of the same id replace earlier ones.
#[derive(Debug, Clone)]
pub(super) struct EpisodeRow {
    pub id: Arc<str>,
    pub sequence: i64,
    owner: RowOwner,
    source: Arc<str>,
    number: i64,
    server: Arc<str>,
    component: Arc<str>,
    kind: AnomalyKind,
    state: AnomalyState,
    first_us: i64,
    last_us: i64,
    records: i64,
    peak: f64,
    threshold: f64,
    main_reason: Arc<str>,
    /// A JSON list.
    reasons: Arc<str>,
    value: Option<f64>,
    expected: Option<f64>,
    learning: bool,
    by_clock: bool,
    /// A JSON list.
    samples: Arc<str>,
    model: i64,
    /// A JSON object; nothing where there is nothing.
    extras: Option<String>,
}

pub(super) const EVENT_COLUMNS: &[&str] =
    &["fleet", "agent", "epoch", "sequence", "kind", "source", "time_us", "received_us", "note", "entry"];

type EpisodeColumn = (&'static str, fn(&EpisodeRow) -> SqlValue);

/// The columns of `episodes` that are inserted, each with its value.
pub(super) const EPISODE_COLUMNS: &[EpisodeColumn] = &[
    ("id", |row| (&row.id).into()),
    ("fleet", |row| (&row.owner.fleet).into()),
    ("agent", |row| (&row.owner.agent).into()),
    ("epoch", |row| epoch(row.owner.epoch).into()),
    ("sequence", |row| row.sequence.into()),
    ("source", |row| (&row.source).into()),
    ("number", |row| row.number.into()),
    ("server", |row| (&row.server).into()),
    ("component", |row| (&row.component).into()),
    ("kind", |row| row.kind.as_str().into()),
    ("state", |row| row.state.as_str().into()),
    ("first_us", |row| row.first_us.into()),
    ("last_us", |row| row.last_us.into()),
    ("records", |row| row.records.into()),
    ("peak", |row| row.peak.into()),
    ("threshold", |row| row.threshold.into()),
    ("main_reason", |row| (&row.main_reason).into()),
    ("reasons", |row| (&row.reasons).into()),
    ("value", |row| row.value.into()),
    ("expected", |row| row.expected.into()),
    ("learning", |row| row.learning.into()),
    ("by_clock", |row| row.by_clock.into()),
    ("samples", |row| (&row.samples).into()),
    ("model", |row| row.model.into()),
    ("received_us", |row| row.owner.received_us.into()),
    ("updated_us", |row| row.owner.received_us.into()),
    ("extras", |row| row.extras.clone().into()),
];

impl EpisodeRow {
    /// What is the same for all that are about one entry; the rest is set by who makes it.
    fn new(owner: &RowOwner, sequence: i64, id: Arc<str>, kind: AnomalyKind, source: &str, extras: &Extras) -> Self {
        Self {
            id,
            sequence,
            owner: owner.clone(),
            source: clean(source),
            number: sequence,
            server: Arc::clone(&owner.agent),
            component: "*".into(),
            kind,
            state: AnomalyState::Open,
            first_us: 0,
            last_us: 0,
            records: 0,
            peak: 0.0,
            threshold: 0.0,
            main_reason: "".into(),
            reasons: "[]".into(),
            value: None,
            expected: None,
            learning: false,
            by_clock: false,
            samples: "[]".into(),
            model: 0,
            extras: (!extras.is_empty()).then(|| extras.to_json()),
        }
    }

    pub(super) fn bind(&self) -> Vec<SqlValue> {
        EPISODE_COLUMNS.iter().map(|(_, value)| value(self)).collect()
    }
}

/// The row of `events`.
pub(super) fn event(owner: &RowOwner, sequence: i64, entry: &SpoolEntry) -> Vec<SqlValue> {
    let bytes = postcard::to_stdvec(entry).expect("bounded types can always be written to a growing buffer");
    let mut row = Vec::with_capacity(EVENT_COLUMNS.len());
    row.extend(values![
        &owner.fleet,
        &owner.agent,
        epoch(owner.epoch),
        sequence,
        kind(&entry.event),
        &clean(entry.event.source()),
        time_us(entry),
        owner.received_us,
        note(&entry.event),
        bytes
    ]);
    row
}

/// The row of `episodes`.
pub(super) fn episode(owner: &RowOwner, sequence: i64, event: &Event) -> Option<EpisodeRow> {
    match event {
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) => Some(of_episode(owner, sequence, e, AnomalyState::Open)),
        Event::EpisodeEnded(e) => Some(of_episode(owner, sequence, e, AnomalyState::Ended)),
        Event::NewLevel(e) => Some(of_episode(owner, sequence, e, AnomalyState::NewLevel)),
        Event::Silence(silence) => Some(of_silence(owner, sequence, silence)),
        Event::FloodSummary(summary) => Some(of_flood(owner, sequence, summary)),
        Event::Gap(_) | Event::SourceFailed(_) | Event::SourceRecovered(_) | Event::ModelSwap(_) => None,
    }
}

/// An epoch as a column holds it.
pub(super) fn epoch(epoch: Epoch) -> i64 {
    i64::try_from(epoch.get()).expect("an epoch has 63 bits")
}

/// Text that PostgreSQL takes: it refuses NUL, which a foreign log may hold.
pub(super) fn clean(text: &str) -> Arc<str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn of_episode(owner: &RowOwner, sequence: i64, episode: &Episode, state: AnomalyState) -> EpisodeRow {
    let id = match episode.kind {
        // The end of a silence: no record opened it, so no number names it.
        EpisodeKind::Silence => {
            silence_id(owner, &episode.source, [&episode.server, &episode.component], episode.first)
        }
        EpisodeKind::Score
        | EpisodeKind::Range
        | EpisodeKind::Rate
        | EpisodeKind::Novelty
        | EpisodeKind::NotFinite
        | EpisodeKind::Window
        | EpisodeKind::Other(_) => own_id(owner, &episode.source, episode.number),
    };
    let reasons = serde_json::to_string(&episode.reasons).expect("finite numbers can always be written");
    let samples = serde_json::to_string(&episode.samples).expect("text can always be written");
    EpisodeRow {
        number: signed(episode.number),
        server: clean(&episode.server),
        component: clean(&episode.component),
        state,
        first_us: episode.first.micros(),
        last_us: episode.last.micros(),
        records: signed(episode.records),
        peak: episode.peak.get().into(),
        threshold: episode.threshold.get().into(),
        main_reason: clean(&episode.main_reason),
        reasons: reasons.into(),
        value: Some(episode.value.get()),
        expected: episode.expected.map(Finite::<f64>::get),
        learning: episode.learning,
        by_clock: episode.by_clock,
        samples: samples.into(),
        model: signed(episode.model),
        ..EpisodeRow::new(owner, sequence, id, episode.kind.into(), &episode.source, &episode.extras)
    }
}

/// A stream that stopped: its score says how many times longer than usual it is silent.
fn of_silence(owner: &RowOwner, sequence: i64, silence: &Silence) -> EpisodeRow {
    let id = silence_id(owner, &silence.source, [&silence.server, &silence.component], silence.last);
    let silent_s = silence.until.seconds_since(silence.last);
    let usual_s = silence.usual_s.get();
    let peak = if usual_s > 0.0 { (silent_s / usual_s).min(f64::from(f32::MAX)) } else { f64::from(f32::MAX) };
    EpisodeRow {
        server: clean(&silence.server),
        component: clean(&silence.component),
        first_us: silence.last.micros(),
        last_us: silence.until.micros(),
        peak,
        threshold: 1.0,
        main_reason: format!(
            "silent for {}, usually at most {}",
            TimeSpan::of_seconds(silent_s),
            TimeSpan::of_seconds(usual_s)
        )
        .into(),
        value: Some(silent_s),
        expected: Some(usual_s),
        by_clock: silence.by_clock,
        model: signed(silence.model),
        ..EpisodeRow::new(owner, sequence, id, AnomalyKind::Silence, &silence.source, &silence.extras)
    }
}

/// What the flood limit held back is one anomaly of the agent itself: the server of a component is not told.
fn of_flood(owner: &RowOwner, sequence: i64, summary: &FloodSummary) -> EpisodeRow {
    let number = u64::try_from(sequence).unwrap_or_default();
    let id = own_id(owner, &format!("flood:{}", &*summary.source), number);
    EpisodeRow {
        state: AnomalyState::Ended,
        first_us: summary.from.micros(),
        last_us: summary.to.micros(),
        records: signed(summary.suppressed),
        main_reason: clean(&flood_text(summary)),
        by_clock: summary.by_clock,
        ..EpisodeRow::new(owner, sequence, id, AnomalyKind::Flood, &summary.source, &summary.extras)
    }
}

/// A silence is named by its stream and its beginning: what the clock and what event time say of one are one row.
fn silence_id(owner: &RowOwner, source: &str, stream: [&str; 2], first: EventTime) -> Arc<str> {
    let (epoch, first) = (owner.epoch.to_string(), first.micros().to_string());
    id::of(&[&owner.fleet, &owner.agent, &epoch, "silence", source, stream[0], stream[1], &first]).into()
}

fn own_id(owner: &RowOwner, source: &str, number: u64) -> Arc<str> {
    id::of(&[&owner.fleet, &owner.agent, &owner.epoch.to_string(), source, &number.to_string()]).into()
}

/// The largest a column holds stands for what is larger; the entry itself keeps the number.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Name of an event in the column `kind` of `events`.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::EpisodeOpened(_) => "episode_opened",
        Event::EpisodeUpdated(_) => "episode_updated",
        Event::EpisodeEnded(_) => "episode_ended",
        Event::NewLevel(_) => "new_level",
        Event::Gap(_) => "gap",
        Event::FloodSummary(_) => "flood_summary",
        Event::SourceFailed(_) => "source_failed",
        Event::SourceRecovered(_) => "source_recovered",
        Event::ModelSwap(_) => "model_swap",
        Event::Silence(_) => "silence",
    }
}

/// Event time where there is one, else the agent's wall clock.
fn time_us(entry: &SpoolEntry) -> i64 {
    match &entry.event {
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) | Event::EpisodeEnded(e) | Event::NewLevel(e) => {
            e.last.micros()
        }
        Event::FloodSummary(summary) => summary.to.micros(),
        Event::Silence(silence) => silence.until.micros(),
        Event::Gap(_) | Event::SourceFailed(_) | Event::SourceRecovered(_) | Event::ModelSwap(_) => {
            entry.stamp.wall.micros()
        }
    }
}

/// What a person should read of an event that is no episode.
fn note(event: &Event) -> Option<String> {
    let text = match event {
        Event::EpisodeOpened(_) | Event::EpisodeUpdated(_) | Event::EpisodeEnded(_) | Event::NewLevel(_) => {
            return None;
        }
        Event::Silence(_) => return None,
        Event::Gap(gap) => {
            let amount = match (gap.bytes, gap.records) {
                (Some(bytes), _) => counted(bytes, "byte"),
                (None, Some(records)) => counted(records, "record"),
                (None, None) => "an unknown amount".to_owned(),
            };
            format!("{amount} not read: {}", &*gap.cause)
        }
        Event::FloodSummary(summary) => flood_text(summary),
        Event::SourceFailed(fault) => format!("cannot be read: {}", &*fault.cause),
        Event::SourceRecovered(fault) => format!("can be read again, was: {}", &*fault.cause),
        Event::ModelSwap(swap) => match swap.from {
            Some(from) => format!("model {} instead of {from} from record {} on", swap.to, swap.position),
            None => format!("model {} from record {} on", swap.to, swap.position),
        },
    };
    Some(text.replace('\0', "\u{fffd}"))
}

fn flood_text(summary: &FloodSummary) -> String {
    let mut text = counted(summary.suppressed, "more episode") + " held back";
    for (at, (component, count)) in summary.components.iter().enumerate().take(3) {
        let lead = if at == 0 { ": " } else { ", " };
        write!(text, "{lead}{} {count}", &**component).expect("a string takes everything");
    }
    text
}
