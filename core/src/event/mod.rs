//! What travels from an agent to its collector, and what the JSON-lines file holds. Values only; how they are packed is
//! [`crate::wire`]'s.
//!
//! [`Event`] is append-only: postcard knows variants by their number and fields by their place. A new kind of event is a
//! new variant at the end; a variant's fields never change, what an event says in addition is one of its [`Extras`].
//! Texts, lists and numbers are bounded types: what can be decoded is within [`ENTRY_BYTES_MAX`].
//!
//! In JSON the same types give `{"event":{"episode_opened":{...}},"stamp":{...}}`, instants as RFC 3339.

mod bounded;
mod extras;
mod instant;
mod kind;
mod stamp;
#[cfg(test)]
pub(crate) mod tests;
mod variants;
pub mod words;

use serde::{Deserialize, Serialize};

pub use self::{
    bounded::{BoundedText, Finite, List},
    extras::{EXTRA_NAME_BYTES_MAX, EXTRAS_BYTES_MAX, EXTRAS_MAX, Extras, ExtrasError},
    kind::EpisodeKind,
    stamp::ClockStamp,
};
use crate::{limits::NAME_BYTES_MAX, time::EventTime, verdict};

/// Bytes of a source's name: paths are longer than names, and one longer than this is recognisable by its start.
pub const SOURCE_BYTES_MAX: usize = 256;
/// Bytes of a main reason: a few words with a feature's name.
pub const REASON_BYTES_MAX: usize = 96;
/// Reasons of one episode: one a feature and the range.
pub const REASONS_MAX: usize = 10;
/// Bytes of a feature's name.
pub const FEATURE_BYTES_MAX: usize = 32;
/// Sample lines of one event: the odd one and what stood around it.
pub const SAMPLES_MAX: usize = 5;
/// Bytes of one sample line: enough to recognise it, little enough for a Raspberry Pi on a mobile link.
pub const SAMPLE_BYTES_MAX: usize = 1024;
/// Components counted by name in one flood summary; the rest is counted together.
pub const FLOOD_COMPONENTS_MAX: usize = 32;
/// Bytes of what went wrong with a source.
pub const FAULT_BYTES_MAX: usize = 512;
/// Bytes of one entry in postcard. Every value of the types here fits (asserted below), so appending never fails.
pub const ENTRY_BYTES_MAX: usize = 8 * 1024;

/// Postcard's longest varint of 64 bits.
const VARINT: usize = 10;
const TEXT: usize = 2;
const STREAM_BYTES: usize = SOURCE_BYTES_MAX + 2 * NAME_BYTES_MAX + 3 * TEXT;
const EPISODE_BYTES: usize = STREAM_BYTES
    + (REASON_BYTES_MAX + TEXT)
    + REASONS_MAX * (FEATURE_BYTES_MAX + TEXT + 8 + 9 + 4)
    + SAMPLES_MAX * (SAMPLE_BYTES_MAX + TEXT)
    + 6 * VARINT
    + 64
    + EXTRAS_BYTES_MAX;
const FLOOD_BYTES: usize =
    SOURCE_BYTES_MAX + FLOOD_COMPONENTS_MAX * (NAME_BYTES_MAX + TEXT + VARINT) + 5 * VARINT + 64 + EXTRAS_BYTES_MAX;
const _: () = assert!(EPISODE_BYTES <= ENTRY_BYTES_MAX, "every episode fits one entry");
const _: () = assert!(FLOOD_BYTES <= ENTRY_BYTES_MAX, "every summary fits one entry");
const _: () = assert!(
    SOURCE_BYTES_MAX + FAULT_BYTES_MAX + EXTRAS_BYTES_MAX + 128 <= ENTRY_BYTES_MAX,
    "every fault fits one entry"
);

/// Name of a source: a path, `journal` or `stdin`.
pub type SourceName = BoundedText<SOURCE_BYTES_MAX>;
/// Name of a server or component.
pub type Name = BoundedText<NAME_BYTES_MAX>;
/// One redacted line.
pub type Sample = BoundedText<SAMPLE_BYTES_MAX>;

/// Episodes that no judged record opens (a silence, a rate, a novelty) are numbered from here, so that their numbers
/// are no record's. Below 2^53: JSON's readers take numbers for doubles.
pub const NUMBERS_APART: u64 = 1 << 52;
/// The same for what the wall clock says: a live agent's numbers of the others stay those of a replay.
pub const NUMBERS_BY_CLOCK: u64 = NUMBERS_APART + (1 << 51);

/// One entry of the spool: an event and the circumstances it was made in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpoolEntry {
    /// What happened. First, so that a reader meets an unknown variant before anything else.
    pub event: Event,
    /// When and where it was written down; no part of what replay must give again.
    pub stamp: ClockStamp,
}

impl SpoolEntry {
    /// What must be equal between a live agent and a replay of its log: the event without its circumstances. `None` for
    /// what only a live agent meets (a gap, a failed source, whatever the wall clock closed).
    #[must_use]
    pub fn identity(&self) -> Option<&Event> {
        self.event.is_replayed().then_some(&self.event)
    }
}

/// What happened. Append-only, see the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first odd record of an episode, at once.
    EpisodeOpened(Box<Episode>),
    /// The episode goes on; its figures so far.
    EpisodeUpdated(Box<Episode>),
    /// It is over; its final figures.
    EpisodeEnded(Box<Episode>),
    /// It lasted too long to be odd: the stream learns its new level.
    NewLevel(Box<Episode>),
    /// Input that could not be read any more.
    Gap(Gap),
    /// More episodes than the flood limit lets through.
    FloodSummary(FloodSummary),
    /// A source cannot be read; it is retried.
    SourceFailed(SourceFault),
    /// It can be read again.
    SourceRecovered(SourceFault),
    /// From here on another model judges a source.
    ModelSwap(ModelSwap),
    /// A stream has stopped saying anything.
    Silence(Silence),
}

impl Event {
    /// Names of the variants that this program knows, by number, as JSON has them.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        variants::variant_names::<Self>()
    }

    /// Whether a replay of the same log gives it too.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        match self {
            Self::EpisodeOpened(e) | Self::EpisodeUpdated(e) | Self::EpisodeEnded(e) | Self::NewLevel(e) => !e.by_clock,
            Self::Silence(silence) => !silence.by_clock,
            Self::FloodSummary(summary) => !summary.by_clock,
            Self::ModelSwap(_) => true,
            Self::Gap(_) | Self::SourceFailed(_) | Self::SourceRecovered(_) => false,
        }
    }

    /// The source it is about.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        match self {
            Self::EpisodeOpened(e) | Self::EpisodeUpdated(e) | Self::EpisodeEnded(e) | Self::NewLevel(e) => &e.source,
            Self::Gap(e) => &e.source,
            Self::FloodSummary(e) => &e.source,
            Self::SourceFailed(e) | Self::SourceRecovered(e) => &e.source,
            Self::ModelSwap(e) => &e.source,
            Self::Silence(e) => &e.source,
        }
    }
}

/// An episode as it stands. Within an agent and epoch, `source` and `number` name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Where it was read.
    pub source: SourceName,
    /// Running number, in the source, of the record that opened it; from [`NUMBERS_APART`] where none did.
    pub number: u64,
    /// The server.
    pub server: Name,
    /// The component.
    pub component: Name,
    /// What opened it.
    pub kind: EpisodeKind,
    /// Its first odd record.
    #[serde(with = "instant")]
    pub first: EventTime,
    /// Its last odd record so far.
    #[serde(with = "instant")]
    pub last: EventTime,
    /// Odd records so far.
    pub records: u64,
    /// Largest score so far.
    pub peak: Finite<f32>,
    /// The score at and above which a record was odd.
    pub threshold: Finite<f32>,
    /// The main reason in a few words.
    pub main_reason: BoundedText<REASON_BYTES_MAX>,
    /// What made the score of the record with the largest, strongest first.
    pub reasons: List<EpisodeReason, REASONS_MAX>,
    /// The value of that record.
    pub value: Finite<f64>,
    /// The value expected there, when one was.
    pub expected: Option<Finite<f64>>,
    /// The stream had no fitted profile yet.
    pub learning: bool,
    /// Lines to show, redacted.
    pub samples: List<Sample, SAMPLES_MAX>,
    /// Version of the model that judged.
    pub model: u64,
    /// The wall clock said so, not a record: not in a replay.
    pub by_clock: bool,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}

/// One feature's part in a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeReason {
    /// The feature, or `range`.
    pub feature: BoundedText<FEATURE_BYTES_MAX>,
    /// What it was.
    pub observed: Finite<f64>,
    /// What was expected of it, when something was.
    pub expected: Option<Finite<f64>>,
    /// Its measure, in training quantiles.
    pub share: Finite<f32>,
}

impl From<&verdict::VerdictReason> for EpisodeReason {
    fn from(reason: &verdict::VerdictReason) -> Self {
        Self {
            feature: BoundedText::cut(reason.feature),
            observed: Finite::<f64>::nearest(reason.observed),
            expected: Finite::<f64>::new(reason.expected),
            share: Finite::<f32>::nearest(reason.share),
        }
    }
}

/// Input between two positions of a source that is gone: a generation deleted or a journal vacuumed before it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Where.
    pub source: SourceName,
    /// Bytes missing, when they can be known.
    pub bytes: Option<u64>,
    /// Records missing, when they can be known.
    pub records: Option<u64>,
    /// Event time of the last record before it.
    #[serde(with = "instant::option")]
    pub after: Option<EventTime>,
    /// What happened to the input.
    pub cause: BoundedText<FAULT_BYTES_MAX>,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}

/// Episodes that the flood limit held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloodSummary {
    /// Where.
    pub source: SourceName,
    /// Event time of the first held back.
    #[serde(with = "instant")]
    pub from: EventTime,
    /// Event time of the last.
    #[serde(with = "instant")]
    pub to: EventTime,
    /// Episodes held back in all.
    pub suppressed: u64,
    /// How many of which component, most first.
    pub components: List<(Name, u64), FLOOD_COMPONENTS_MAX>,
    /// Episodes of components that found no place in the list.
    pub others: u64,
    /// The wall clock said so, not a record: not in a replay.
    pub by_clock: bool,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}

/// What is wrong with a source, or was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceFault {
    /// Which one.
    pub source: SourceName,
    /// What was wrong.
    pub cause: BoundedText<FAULT_BYTES_MAX>,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}

/// Where in a source the model changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSwap {
    /// The source.
    pub source: SourceName,
    /// Number of the first record judged by the new model.
    pub position: u64,
    /// Version before; `None` when there was none.
    pub from: Option<u64>,
    /// Version after.
    pub to: u64,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}

/// A stream that has stopped, or with an empty `component` a server of which all streams have.
///
/// When it speaks again an [`Event::EpisodeEnded`] of [`Kind::Silence`] says so: same source, server and component, its
/// `first` is this `last`, its `last` the record that ended it. Silences of the clock and of event time end apart; both
/// may be told of one pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Where.
    pub source: SourceName,
    /// The server.
    pub server: Name,
    /// The component.
    pub component: Name,
    /// Its last record.
    #[serde(with = "instant")]
    pub last: EventTime,
    /// How far the source's event time has gone without it.
    #[serde(with = "instant")]
    pub until: EventTime,
    /// Seconds between its records that are usual at most.
    pub usual_s: Finite<f64>,
    /// Version of the model that judged.
    pub model: u64,
    /// The wall clock said so, not a record: not in a replay.
    pub by_clock: bool,
    /// What else it says.
    #[serde(default)]
    pub extras: Extras,
}
