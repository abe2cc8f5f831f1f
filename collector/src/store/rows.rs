//! From entries to rows. Pure; one entry gives one row of `events` and, when it is about an anomaly, one of `episodes`.

use std::{fmt::Write as _, sync::Arc};

use oddline_core::{
    event::{Episode, EpisodeKind, Event, Extras, Finite, FloodSummary, Silence, SpoolEntry},
    id::Epoch,
    time::EventTime,
};

use super::{id, sql::SqlValue, values};

/// Whose entries: the texts of the keys, shared by all rows of a batch.
#[derive(Debug, Clone)]
pub(super) struct RowOwner {
    pub fleet: Arc<str>,
    pub agent: Arc<str>,
    pub epoch: Epoch,
    pub received_us: i64,
}

/// A row of `episodes`, not yet bound: later ones of the same id replace earlier ones.
#[derive(Debug, Clone)]
pub(super) struct EpisodeRow {
    pub id: Arc<str>,
    pub sequence: i64,
    pub values: Vec<SqlValue>,
}

pub(super) const EVENT_COLUMNS: &[&str] =
    &["fleet", "agent", "epoch", "sequence", "kind", "source", "time_us", "received_us", "note", "entry"];

pub(super) const EPISODE_COLUMNS: &[&str] = &[
    "id",
    "fleet",
    "agent",
    "epoch",
    "sequence",
    "source",
    "number",
    "server",
    "component",
    "kind",
    "state",
    "first_us",
    "last_us",
    "records",
    "peak",
    "threshold",
    "main_reason",
    "reasons",
    "value",
    "expected",
    "learning",
    "by_clock",
    "samples",
    "model",
    "received_us",
    "updated_us",
    "extras",
];

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
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) => Some(of_episode(owner, sequence, e, "open")),
        Event::EpisodeEnded(e) => Some(of_episode(owner, sequence, e, "ended")),
        Event::NewLevel(e) => Some(of_episode(owner, sequence, e, "new-level")),
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

/// One JSON object; nothing where there is nothing.
fn extras(extras: &Extras) -> Option<String> {
    (!extras.is_empty()).then(|| extras.to_json())
}

fn of_episode(owner: &RowOwner, sequence: i64, episode: &Episode, state: &str) -> EpisodeRow {
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
        | EpisodeKind::Other(_) => own_id(owner, &episode.source, episode.number),
    };
    let reasons = serde_json::to_string(&episode.reasons).expect("finite numbers can always be written");
    let samples = serde_json::to_string(&episode.samples).expect("text can always be written");
    let (last_us, peak) = (episode.last.micros(), f64::from(episode.peak.get()));
    let values = values![
        &id,
        &owner.fleet,
        &owner.agent,
        epoch(owner.epoch),
        sequence,
        &clean(&episode.source),
        signed(episode.number),
        &clean(&episode.server),
        &clean(&episode.component),
        kind_name(episode.kind),
        state,
        episode.first.micros(),
        last_us,
        signed(episode.records),
        peak,
        f64::from(episode.threshold.get()),
        &clean(&episode.main_reason),
        reasons,
        Some(episode.value.get()),
        episode.expected.map(Finite::<f64>::get),
        episode.learning,
        episode.by_clock,
        samples,
        signed(episode.model),
        owner.received_us,
        owner.received_us,
        extras(&episode.extras)
    ];
    EpisodeRow { id, sequence, values }
}

/// A stream that stopped: its score says how many times longer than usual it is silent.
fn of_silence(owner: &RowOwner, sequence: i64, silence: &Silence) -> EpisodeRow {
    let id = silence_id(owner, &silence.source, [&silence.server, &silence.component], silence.last);
    let silent_s = silence.until.seconds_since(silence.last);
    let usual_s = silence.usual_s.get();
    let peak = if usual_s > 0.0 { (silent_s / usual_s).min(f64::from(f32::MAX)) } else { f64::from(f32::MAX) };
    let last_us = silence.until.micros();
    let values = values![
        &id,
        &owner.fleet,
        &owner.agent,
        epoch(owner.epoch),
        sequence,
        &clean(&silence.source),
        sequence,
        &clean(&silence.server),
        &clean(&silence.component),
        kind_name(EpisodeKind::Silence),
        "open",
        silence.last.micros(),
        last_us,
        0_i64,
        peak,
        1.0,
        format!("silent for {silent_s:.0} s, usually at most {usual_s:.0} s"),
        "[]",
        Some(silent_s),
        Some(usual_s),
        false,
        silence.by_clock,
        "[]",
        signed(silence.model),
        owner.received_us,
        owner.received_us,
        extras(&silence.extras)
    ];
    EpisodeRow { id, sequence, values }
}

/// What the flood limit held back is one anomaly of the agent itself: the server of a component is not told.
fn of_flood(owner: &RowOwner, sequence: i64, summary: &FloodSummary) -> EpisodeRow {
    let number = u64::try_from(sequence).unwrap_or_default();
    let id = own_id(owner, &format!("flood:{}", &*summary.source), number);
    let last_us = summary.to.micros();
    let values = values![
        &id,
        &owner.fleet,
        &owner.agent,
        epoch(owner.epoch),
        sequence,
        &clean(&summary.source),
        sequence,
        &owner.agent,
        "*",
        "flood",
        "ended",
        summary.from.micros(),
        last_us,
        signed(summary.suppressed),
        0.0,
        0.0,
        &clean(&flood_text(summary)),
        "[]",
        None::<f64>,
        None::<f64>,
        false,
        summary.by_clock,
        "[]",
        0_i64,
        owner.received_us,
        owner.received_us,
        extras(&summary.extras)
    ];
    EpisodeRow { id, sequence, values }
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

fn kind(event: &Event) -> &'static str {
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

/// Name of a kind of anomaly in the column `kind`.
#[must_use]
pub fn kind_name(kind: EpisodeKind) -> &'static str {
    match kind {
        EpisodeKind::Score => "score",
        EpisodeKind::Range => "range",
        EpisodeKind::Silence => "silence",
        EpisodeKind::Rate => "rate",
        EpisodeKind::Novelty => "novelty",
        EpisodeKind::NotFinite => "not-finite",
        EpisodeKind::Other(_) => "other",
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
                (Some(bytes), _) => format!("{bytes} bytes"),
                (None, Some(records)) => format!("{records} records"),
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
    let mut text = format!("{} more episodes held back", summary.suppressed);
    for (at, (component, count)) in summary.components.iter().enumerate().take(3) {
        let lead = if at == 0 { ": " } else { ", " };
        write!(text, "{lead}{} {count}", &**component).expect("a string takes everything");
    }
    text
}
