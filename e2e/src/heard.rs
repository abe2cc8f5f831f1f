//! One entry as a receiver holds it, whichever way it came.

use std::path::Path;

use oddline_core::{
    event::{Event, NUMBERS_APART, SpoolEntry},
    id::Epoch,
    wire::JsonLine,
};

/// An entry and its place.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The life of the agent's state file.
    pub epoch: Epoch,
    /// Running number in it.
    pub sequence: u64,
    /// The event as JSON, digit for digit.
    pub text: String,
    /// The entry.
    pub entry: SpoolEntry,
}

impl Heard {
    /// Of an entry that came in postcard, where numbers are exact.
    #[must_use]
    pub fn new(epoch: Epoch, sequence: u64, entry: SpoolEntry) -> Self {
        let text = serde_json::to_string(&entry.event).expect("an event can always be written");
        Self { epoch, sequence, text, entry }
    }

    /// Whether a replay of the same log gives it too.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.entry.identity().is_some()
    }

    /// The number of the record that opened an episode, where one did.
    #[must_use]
    pub fn record(&self) -> Option<u64> {
        match &self.entry.event {
            Event::EpisodeOpened(episode) => Some(episode.number).filter(|number| *number < NUMBERS_APART),
            _ => None,
        }
    }

    /// Whether it tells of input that could not be read.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self.entry.event, Event::Gap(_) | Event::SourceFailed(_) | Event::SourceRecovered(_))
    }

    /// Of a gap, its bytes.
    #[must_use]
    pub fn gap(&self) -> Option<Option<u64>> {
        if let Event::Gap(gap) = &self.entry.event { Some(gap.bytes) } else { None }
    }
}

/// Everything in a JSON-lines file and its rotated generations, oldest first, as it stands: nothing is de-duplicated. A
/// last line that is still being written does not count.
///
/// # Panics
/// At a complete line that is none.
#[must_use]
pub fn of_file(path: &Path) -> Vec<Heard> {
    let rotated = (1..=9).rev().map(|n| path.with_added_extension(n.to_string()));
    let texts = rotated.chain([path.to_owned()]).filter_map(|path| std::fs::read_to_string(path).ok());
    let mut heard = Vec::new();
    for text in texts {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        heard.extend(whole.lines().map(of_line));
    }
    heard
}

fn of_line(line: &str) -> Heard {
    let read: JsonLine = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    // The event's own digits: reading JSON may change the last one of a number.
    let (from, to) = line.find("\"event\":").zip(line.rfind(",\"stamp\":")).expect("a line has both");
    Heard {
        epoch: read.epoch,
        sequence: read.sequence,
        text: line[from + "\"event\":".len()..to].to_owned(),
        entry: SpoolEntry { event: read.event, stamp: read.stamp },
    }
}
