//! The same as text: batches for brokers that other tools listen to, and lines for the file sink. No CRC: JSON has its
//! own way of being broken.
//!
//! ```text
//!  batch  {"oddline":2,"epoch":"81985529216486895","first_sequence":7,"entries":[{"event":{..},"stamp":{..}},..]}
//!  line   {"epoch":"81985529216486895","sequence":7,"event":{..},"stamp":{..}}
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BATCH_ENTRIES_MAX, BatchHeader, WIRE_VERSION};
use crate::{
    event::{ClockStamp, Event, SpoolEntry},
    id::Epoch,
};

/// Bytes of a JSON batch: a quarter of [`super::BATCH_BYTES_MAX`] in postcard, where escapes make six of one byte and
/// names ten of an empty entry.
pub const JSON_BYTES_MAX: usize = 256 * 1024;

/// A batch read from JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonBatch {
    /// Which sequences it holds.
    pub header: BatchHeader,
    /// Its entries in their order.
    pub entries: Vec<JsonEntry>,
}

/// One entry of a JSON batch.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonEntry {
    /// Its sequence.
    pub sequence: u64,
    /// It, or why this program cannot read it with what came instead.
    pub entry: Result<SpoolEntry, (String, Value)>,
}

/// Why bytes are no JSON batch.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Longer than [`JSON_BYTES_MAX`].
    #[error("the JSON batch has {0} bytes, at most {JSON_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// No JSON of this shape: nothing is known about it.
    #[error("the message is no JSON batch: {0}")]
    Shape(serde_json::Error),
    /// A number that cannot be.
    #[error("the JSON batch holds an impossible {0}")]
    Field(&'static str),
}

/// One line of the file sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsonLine {
    /// The life of the agent's state file.
    pub epoch: Epoch,
    /// Running number in it.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
    /// Under which circumstances.
    pub stamp: ClockStamp,
}

impl JsonLine {
    /// The line, without its newline; harmless on a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string(self).expect("finite numbers and text keys can always be written");
        crate::terminal::json(&text).into_owned()
    }
}

#[derive(Serialize)]
struct WrittenJsonBatch<'a, T> {
    oddline: u8,
    epoch: Epoch,
    first_sequence: u64,
    entries: &'a [T],
}

#[derive(Deserialize)]
struct ReadJsonBatch {
    oddline: u8,
    epoch: Epoch,
    first_sequence: u64,
    entries: Vec<Value>,
}

/// Writes a batch; the caller keeps it within [`super::BATCH_BYTES_MAX`] / 4 in postcard.
#[must_use]
pub fn encode_json(epoch: Epoch, first_sequence: u64, entries: &[SpoolEntry]) -> Vec<u8> {
    let batch = WrittenJsonBatch { oddline: WIRE_VERSION, epoch, first_sequence, entries };
    serde_json::to_vec(&batch).expect("finite numbers and text keys can always be written")
}

/// The same of entries that this program could not read, as they came.
#[must_use]
pub fn encode_json_values(epoch: Epoch, first_sequence: u64, entries: &[Value]) -> Vec<u8> {
    let batch = WrittenJsonBatch { oddline: WIRE_VERSION, epoch, first_sequence, entries };
    serde_json::to_vec(&batch).expect("JSON can always be written again")
}

/// Reads a batch. One entry that cannot be read is no reason to lose the others.
///
/// # Errors
/// When the bytes are something else.
pub fn decode_json(bytes: &[u8]) -> Result<JsonBatch, JsonError> {
    if bytes.len() > JSON_BYTES_MAX {
        return Err(JsonError::TooLarge(bytes.len()));
    }
    let read: ReadJsonBatch = serde_json::from_slice(bytes).map_err(JsonError::Shape)?;
    if read.oddline != WIRE_VERSION {
        return Err(JsonError::Field("version"));
    }
    let count = u16::try_from(read.entries.len()).ok().filter(|&n| n > 0 && usize::from(n) <= BATCH_ENTRIES_MAX);
    let count = count.ok_or(JsonError::Field("count"))?;
    let first_sequence = read.first_sequence;
    if first_sequence == 0 || first_sequence.checked_add(u64::from(count)).is_none() {
        return Err(JsonError::Field("sequence"));
    }
    let header = BatchHeader { epoch: read.epoch, first_sequence, count };
    let entry = |(sequence, value): (u64, Value)| {
        let entry = SpoolEntry::deserialize(&value).map_err(|reason| (reason.to_string(), value));
        JsonEntry { sequence, entry }
    };
    Ok(JsonBatch { header, entries: (first_sequence..).zip(read.entries).map(entry).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::event::tests::entry;

    const EPOCH: Epoch = Epoch::from_random(17);

    #[test]
    fn a_newer_event_is_kept_and_its_neighbours_are_read() {
        let known = r#"{"event":{"source_failed":{"source":"a","cause":"b","newer":1}},"stamp":{"boot":"BOOT","monotonic_us":1,"wall":"2026-01-01T00:00:00Z"}}"#;
        let known = known.replace("BOOT", &"0".repeat(32));
        let newer = r#"{"event":{"dream":{}},"stamp":{}}"#;
        let text = format!(r#"{{"oddline":2,"epoch":"17","first_sequence":3,"entries":[{known},{newer}],"newer":[]}}"#);
        let batch = decode_json(text.as_bytes()).unwrap();
        assert_eq!(batch.header, BatchHeader { epoch: EPOCH, first_sequence: 3, count: 2 });
        assert_eq!((batch.entries[0].sequence, batch.entries[1].sequence), (3, 4));
        let Event::SourceFailed(fault) = &batch.entries[0].entry.as_ref().unwrap().event else { panic!() };
        assert!(fault.extras.is_empty(), "a field that nobody knows is no extra");
        let (reason, value) = batch.entries[1].entry.clone().unwrap_err();
        assert!(reason.contains("dream"), "{reason}");
        let kept = decode_json(&encode_json_values(EPOCH, 4, &[value])).unwrap();
        assert_eq!((kept.header.first_sequence, &kept.entries[0]), (4, &batch.entries[1]));
    }

    #[test]
    fn impossible_batches_are_refused() {
        let text = |version, first, entries| {
            format!(r#"{{"oddline":{version},"epoch":"17","first_sequence":{first},"entries":[{entries}]}}"#)
        };
        for (bad, field) in [
            (text(3, 1, "{}"), "version"),
            (text(2, 0, "{}"), "sequence"),
            (text(2, u64::MAX, "{}"), "sequence"),
            (text(2, 1, ""), "count"),
        ] {
            assert!(matches!(decode_json(bad.as_bytes()), Err(JsonError::Field(f)) if f == field), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn batches_and_lines_come_back(entries in vec(entry(), 1..4), first in 1..1_u64 << 60) {
            let bytes = encode_json(EPOCH, first, &entries);
            let batch = decode_json(&bytes).unwrap();
            prop_assert_eq!(batch.header.last_sequence(), first + entries.len() as u64 - 1);
            let read: Vec<SpoolEntry> = batch.entries.into_iter().map(|read| read.entry.unwrap()).collect();
            prop_assert_eq!(&read, &entries);
            for cut in [bytes.len() / 2, bytes.len() - 1] {
                prop_assert!(decode_json(&bytes[..cut]).is_err());
            }
            let SpoolEntry { event, stamp } = entries[0].clone();
            let line = JsonLine { epoch: EPOCH, sequence: first, event, stamp };
            prop_assert!(!line.to_text().contains('\n'));
            prop_assert_eq!(serde_json::from_str::<JsonLine>(&line.to_text()).unwrap(), line);
        }
    }
}
