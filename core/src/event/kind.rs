//! What opened an episode. A kind that a newer program found is kept by its number, so that its episode is still read.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::score::ScoreCause;

/// What opened an episode. Append-only: a number once given keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpisodeKind {
    /// The score of its features.
    Score,
    /// A value outside the range seen.
    Range,
    /// No record for too long.
    Silence,
    /// Too many or too few records.
    Rate,
    /// A pattern never seen.
    Novelty,
    /// The model's output was no number.
    NotFinite,
    /// A server's metrics together.
    Window,
    /// Of a newer program, by its number; in JSON `other-9`. A name that only a newer program knows is not read.
    Other(u32),
}

/// By number, with the names in JSON.
const KNOWN: [(EpisodeKind, &str); 7] = [
    (EpisodeKind::Score, "score"),
    (EpisodeKind::Range, "range"),
    (EpisodeKind::Silence, "silence"),
    (EpisodeKind::Rate, "rate"),
    (EpisodeKind::Novelty, "novelty"),
    (EpisodeKind::NotFinite, "not_finite"),
    (EpisodeKind::Window, "window"),
];
const OTHER: &str = "other-";

impl EpisodeKind {
    fn of_number(number: u32) -> Self {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        KNOWN.get(at).map_or(Self::Other(number), |(kind, _)| *kind)
    }

    fn of_name(name: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
        known.or_else(|| name.strip_prefix(OTHER)?.parse().ok().map(Self::of_number))
    }
}

impl fmt::Display for EpisodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, KNOWN.iter().find(|(kind, _)| kind == self)) {
            (Self::Other(number), _) => write!(f, "{OTHER}{number}"),
            (_, Some((_, name))) => f.write_str(name),
            (_, None) => f.write_str(OTHER),
        }
    }
}

impl From<ScoreCause> for EpisodeKind {
    fn from(cause: ScoreCause) -> Self {
        match cause {
            ScoreCause::Unexpected(_) | ScoreCause::Extreme(_) => Self::Score,
            ScoreCause::Range | ScoreCause::Reset => Self::Range,
            ScoreCause::NotFinite => Self::NotFinite,
        }
    }
}

impl Serialize for EpisodeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let known = KNOWN.iter().position(|(kind, _)| kind == self).and_then(|at| u32::try_from(at).ok());
        let number = match (self, known) {
            (Self::Other(number), _) => *number,
            (_, known) => known.unwrap_or(u32::MAX),
        };
        serializer.serialize_u32(number)
    }
}

impl<'de> Deserialize<'de> for EpisodeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let name = String::deserialize(deserializer)?;
            return Self::of_name(&name).ok_or_else(|| de::Error::custom(format_args!("unknown kind {name:?}")));
        }
        u32::deserialize(deserializer).map(Self::of_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_stay_what_they_are() {
        let kinds = [
            EpisodeKind::Score,
            EpisodeKind::Range,
            EpisodeKind::Silence,
            EpisodeKind::Rate,
            EpisodeKind::Novelty,
            EpisodeKind::NotFinite,
            EpisodeKind::Window,
        ];
        let names = ["score", "range", "silence", "rate", "novelty", "not_finite", "window"];
        for ((number, kind), name) in (0..).zip(kinds).zip(names) {
            assert_eq!(postcard::to_stdvec(&kind).unwrap(), [number]);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!(serde_json::from_value::<EpisodeKind>(name.into()).unwrap(), kind);
        }
    }

    #[test]
    fn a_newer_kind_keeps_its_number() {
        let newer: EpisodeKind = postcard::from_bytes(&[9]).unwrap();
        assert_eq!((newer, newer.to_string().as_str()), (EpisodeKind::Other(9), "other-9"));
        assert_eq!(postcard::to_stdvec(&newer).unwrap(), [9]);
        let text = serde_json::to_string(&newer).unwrap();
        assert_eq!(serde_json::from_str::<EpisodeKind>(&text).unwrap(), newer);
        assert_eq!(serde_json::from_str::<EpisodeKind>("\"other-2\"").unwrap(), EpisodeKind::Silence);
        assert!(serde_json::from_str::<EpisodeKind>("\"session\"").is_err());
    }
}
