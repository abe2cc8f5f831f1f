//! What an agent says of itself: `birth` and `status`, retained JSON that other tools read too. Values only.

use oddline_core::id::{AgentName, BootId, Epoch, FleetName};
use serde::{Deserialize, Serialize};

/// Who the agent is: said at each connection, kept by the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnnouncedBirth {
    pub fleet: FleetName,
    pub agent: AgentName,
    pub version: String,
    /// The life of its state file.
    pub epoch: Epoch,
    /// Sequence of the oldest entry it still has: what is before it was acknowledged, and never comes again. A collector
    /// that was set back to a backup learns here what it lost.
    pub oldest: u64,
    /// The boot it runs in.
    pub boot: BootId,
    /// Operating system and processor, as the compiler calls them.
    pub platform: String,
    pub sources: Vec<String>,
}

/// Whether the agent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    Up,
    /// Not connected; said by the broker (last will) or on the way out.
    Down,
}

/// How the agent is. Of a lost agent only `state` is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnnouncedStatus {
    pub state: Presence,
    /// Its figures while it is.
    pub figures: Option<AnnouncedFigures>,
}

/// An agent's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnnouncedFigures {
    /// Version of the model in use.
    pub model: Option<u64>,
    /// Records judged since the start.
    pub records: u64,
    /// Streams that have no fitted profile yet.
    pub learning: u64,
    /// Bytes of input not read yet, all sources.
    pub lag_bytes: u64,
    /// Sources that cannot be read.
    pub failed_sources: Vec<String>,
    /// Entries waiting in the spool.
    pub spooled: u64,
}

impl AnnouncedStatus {
    /// What the broker says when the agent is lost.
    #[must_use]
    pub(crate) fn down() -> Self {
        Self { state: Presence::Down, figures: None }
    }

    /// What the agent says while it is there.
    #[must_use]
    pub(crate) fn up(figures: AnnouncedFigures) -> Self {
        Self { state: Presence::Up, figures: Some(figures) }
    }
}

/// A value as the JSON that goes out.
#[must_use]
pub(crate) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("structs of text and numbers can always be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_will_is_short_and_plain() {
        assert_eq!(json(&AnnouncedStatus::down()), br#"{"state":"down","figures":null}"#);
    }

    #[test]
    fn a_birth_is_read_as_it_was_written() {
        let birth = AnnouncedBirth {
            fleet: "home".parse().unwrap(),
            agent: "pi".parse().unwrap(),
            version: "0.1.0".to_owned(),
            epoch: Epoch::MAX,
            oldest: 7,
            boot: BootId([1; 16]),
            platform: "linux aarch64".to_owned(),
            sources: vec!["/var/log/syslog".to_owned()],
        };
        let text = json(&birth);
        assert_eq!(serde_json::from_slice::<AnnouncedBirth>(&text).unwrap(), birth);
        assert!(String::from_utf8(text).unwrap().contains("\"epoch\":\"9223372036854775807\""));
    }
}
