//! The closed sets of words that columns hold, each with its table. A word that a newer collector wrote is kept as it is:
//! it is shown, and equal to none of those that are known here.

use std::fmt;

use oddline_core::event::EpisodeKind;
use serde::{Serialize, Serializer};

/// A closed set of values that are stored as words.
pub trait StoredWord: Copy + PartialEq + 'static {
    /// Every value with its word, in the order in which they are listed to people.
    const TABLE: &'static [(Self, &'static str)];

    #[must_use]
    fn as_str(self) -> &'static str {
        Self::TABLE.iter().find(|(value, _)| *value == self).expect("a table has every value of its set").1
    }

    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(_, word)| *word == text).map(|(value, _)| *value)
    }

    #[must_use]
    fn words() -> Vec<&'static str> {
        Self::TABLE.iter().map(|(_, word)| *word).collect()
    }
}

/// A value as it was read: of the set, or a word of a newer program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrNewer<T> {
    Known(T),
    Newer(String),
}

impl<T: StoredWord> OrNewer<T> {
    #[must_use]
    pub fn read(text: String) -> Self {
        T::parse(&text).map_or(Self::Newer(text), Self::Known)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(value) => value.as_str(),
            Self::Newer(text) => text,
        }
    }
}

impl<T> From<T> for OrNewer<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: PartialEq> PartialEq<T> for OrNewer<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(value) if value == other)
    }
}

impl<T: StoredWord> fmt::Display for OrNewer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: StoredWord> Serialize for OrNewer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether an agent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    Up,
    Down,
    /// It should be there and has said nothing for too long. Not in the column: `quiet_since_us` says it.
    Quiet,
    /// Nobody listened, and it was not heard since.
    Unknown,
}

impl StoredWord for AgentState {
    const TABLE: &'static [(Self, &'static str)] =
        &[(Self::Up, "up"), (Self::Down, "down"), (Self::Quiet, "quiet"), (Self::Unknown, "unknown")];
}

/// What a line of an agent's history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryKind {
    Birth,
    Status,
    Model,
    Quiet,
    Heard,
    Contested,
}

impl StoredWord for HistoryKind {
    const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Birth, "birth"),
        (Self::Status, "status"),
        (Self::Model, "model"),
        (Self::Quiet, "quiet"),
        (Self::Heard, "heard"),
        (Self::Contested, "contested"),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnomalyKind {
    Score,
    Range,
    Silence,
    Rate,
    Novelty,
    NotFinite,
    /// A server's metrics together.
    Window,
    /// What the agent's flood limit held back.
    Flood,
    /// A kind of a newer agent.
    Other,
}

impl StoredWord for AnomalyKind {
    const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Score, "score"),
        (Self::Range, "range"),
        (Self::Silence, "silence"),
        (Self::Rate, "rate"),
        (Self::Novelty, "novelty"),
        (Self::NotFinite, "not-finite"),
        (Self::Window, "window"),
        (Self::Flood, "flood"),
        (Self::Other, "other"),
    ];
}

impl From<EpisodeKind> for AnomalyKind {
    fn from(kind: EpisodeKind) -> Self {
        match kind {
            EpisodeKind::Score => Self::Score,
            EpisodeKind::Range => Self::Range,
            EpisodeKind::Silence => Self::Silence,
            EpisodeKind::Rate => Self::Rate,
            EpisodeKind::Novelty => Self::Novelty,
            EpisodeKind::NotFinite => Self::NotFinite,
            EpisodeKind::Window => Self::Window,
            EpisodeKind::Other(_) => Self::Other,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnomalyState {
    Open,
    Ended,
    /// It went on for so long that it is the usual now.
    NewLevel,
}

impl StoredWord for AnomalyState {
    const TABLE: &'static [(Self, &'static str)] =
        &[(Self::Open, "open"), (Self::Ended, "ended"), (Self::NewLevel, "new-level")];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    Active,
    /// A later one of everyone of the fleet took its place.
    Replaced,
}

impl StoredWord for RolloutState {
    const TABLE: &'static [(Self, &'static str)] = &[(Self::Active, "active"), (Self::Replaced, "replaced")];
}

/// How far one agent is in a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutAgentState {
    Waiting,
    Fetching,
    Taken,
    Refused,
}

impl StoredWord for RolloutAgentState {
    const TABLE: &'static [(Self, &'static str)] =
        &[(Self::Waiting, "waiting"), (Self::Fetching, "fetching"), (Self::Taken, "taken"), (Self::Refused, "refused")];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PersonVerdict;

    #[test]
    fn every_word_comes_back_and_a_newer_one_stays_as_it_is() {
        fn check<T: StoredWord + fmt::Debug>() {
            for word in T::words() {
                let value = T::parse(word).unwrap();
                assert_eq!(value.as_str(), word);
                assert!(OrNewer::read(word.to_owned()) == value);
            }
            let newer = OrNewer::<T>::read("of-tomorrow".to_owned());
            assert_eq!((newer.as_str(), newer.to_string().as_str()), ("of-tomorrow", "of-tomorrow"));
            assert_eq!(serde_json::to_string(&newer).unwrap(), "\"of-tomorrow\"");
            assert!(T::TABLE.iter().all(|(value, _)| newer != *value));
        }
        check::<AgentState>();
        check::<HistoryKind>();
        check::<AnomalyKind>();
        check::<AnomalyState>();
        check::<RolloutState>();
        check::<RolloutAgentState>();
        check::<PersonVerdict>();
    }
}
