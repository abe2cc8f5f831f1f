//! What a message means. Pure: topic and payload in, value out. A message that means nothing is counted and named; one
//! whose header can be read is never lost (see [`Body::Unreadable`]).

use std::fmt::Display;

use oddline_core::{
    event::SpoolEntry,
    id::Epoch,
    topic::{Channel, MqttTopic, TopicError},
    wire::{self, BodyEntry, JsonBatch, JsonEntry, JsonError, MAGIC, ModelState, RolloutError, WireError},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    broker::acl::AccessDenied,
    fleet::{ServedFleets, WORD_BYTES_MAX},
    store::{AgentBirth, AgentKey, AgentReport, BatchBody, ReceivedBatch, ReportBody, ReportedStatus, SEQUENCE_MAX},
    text::{line, shown},
};

#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time: a box would be an allocation for each message")]
pub enum IncomingMessage {
    /// Entries of an agent: what can be read and what cannot, in the order of their sequences, one batch at least.
    Entries(AgentKey, Vec<ReceivedBatch>),
    /// Something an agent said of itself.
    Heard(AgentReport),
    /// A retained message about models that the broker still has.
    Kept(MqttTopic),
    /// Nothing to do: a retained word was cleared.
    Nothing,
}

/// Why a message means nothing.
#[derive(Debug, thiserror::Error)]
pub enum IngestRefusal {
    /// Not one of our topics.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A topic that only the collector writes.
    #[error("only the collector writes there")]
    Direction,
    /// No batch, as far as its header.
    #[error(transparent)]
    Batch(#[from] WireError),
    #[error(transparent)]
    JsonBatch(JsonError),
    /// A sequence that no store holds.
    #[error("entry {0} is beyond what can be stored")]
    Sequence(u64),
    /// A birth or status that is too long.
    #[error("{0} bytes, at most {WORD_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// No JSON of its shape.
    #[error(transparent)]
    Word(#[from] serde_json::Error),
    #[error(transparent)]
    Model(#[from] RolloutError),
    /// A fleet that this collector does not serve, or one too many.
    #[error(transparent)]
    Fleet(#[from] AccessDenied),
    /// A birth that names somebody else.
    #[error("the birth says {said}")]
    Name { said: String },
}

/// What is read of a birth: other tools may add to it.
#[derive(Deserialize)]
struct ReadBirth {
    fleet: String,
    agent: String,
    epoch: Epoch,
    oldest: u64,
    #[serde(default)]
    boot: String,
    #[serde(default)]
    version: String,
}

/// Reads a message; `retained` says that the broker had kept it.
pub fn read(topic: &str, payload: &[u8], retained: bool) -> Result<IncomingMessage, IngestRefusal> {
    let (who, channel) = match topic.parse()? {
        MqttTopic::Agent(fleet, agent, channel) => (AgentKey { fleet, agent }, channel),
        model @ MqttTopic::Model(..) if retained && !payload.is_empty() => return Ok(IncomingMessage::Kept(model)),
        MqttTopic::Model(..) => return Ok(IncomingMessage::Nothing),
    };
    if channel == Channel::Events {
        return batches(&who, payload).map(|batches| IncomingMessage::Entries(who, batches));
    }
    if payload.is_empty() {
        return Ok(IncomingMessage::Nothing);
    }
    let heard = |said| Ok(IncomingMessage::Heard(AgentReport { who: who.clone(), said, retained }));
    match channel {
        Channel::Birth => heard(birth(&who, payload)?),
        Channel::Status => heard(status(payload)?),
        Channel::ModelState => heard(ReportBody::Model(ModelState::from_json(payload)?, text(payload))),
        Channel::ModelDesired if retained => Ok(IncomingMessage::Kept(MqttTopic::Agent(who.fleet, who.agent, channel))),
        Channel::ModelDesired => Ok(IncomingMessage::Nothing),
        Channel::Ack | Channel::Training | Channel::Events => Err(IngestRefusal::Direction),
    }
}

/// Whether it is of a fleet that is served. A broker elsewhere may not know which are.
pub fn served(incoming: IncomingMessage, fleets: &ServedFleets) -> Result<IncomingMessage, IngestRefusal> {
    match &incoming {
        IncomingMessage::Entries(who, _) | IncomingMessage::Heard(AgentReport { who, .. })
            if !fleets.serves(&who.fleet) =>
        {
            Err(AccessDenied::Fleet.into())
        }
        IncomingMessage::Entries(..)
        | IncomingMessage::Heard(_)
        | IncomingMessage::Kept(_)
        | IncomingMessage::Nothing => Ok(incoming),
    }
}

/// The entries of a batch in either encoding and the sequence of the first; for a dead letter's second chance.
///
/// # Errors
/// What is wrong with it, or with the first of its entries that cannot be read.
pub fn entries(payload: &[u8]) -> Result<(u64, Vec<SpoolEntry>), String> {
    if payload.starts_with(&MAGIC) {
        let batch = wire::decode(payload).map_err(|e| e.to_string())?;
        let read = wire::decode_body(&batch).map_err(|e| e.to_string())?;
        let entry = |read: BodyEntry<'_>| read.entry.map_err(|reason| unreadable(read.sequence, &reason));
        return Ok((batch.header.first_sequence, read.into_iter().map(entry).collect::<Result<_, _>>()?));
    }
    let batch = wire::decode_json(payload).map_err(|e| e.to_string())?;
    let entry = |read: JsonEntry| read.entry.map_err(|(reason, _)| unreadable(read.sequence, &reason));
    Ok((batch.header.first_sequence, batch.entries.into_iter().map(entry).collect::<Result<_, _>>()?))
}

/// Foreign words may be among those of the reason.
fn unreadable(sequence: u64, reason: &impl Display) -> String {
    line(&format!("entry {sequence}: {reason}"))
}

fn batches(who: &AgentKey, payload: &[u8]) -> Result<Vec<ReceivedBatch>, IngestRefusal> {
    let (header, bodies) = if payload.first() == Some(&b'{') {
        let JsonBatch { header, entries } = wire::decode_json(payload).map_err(IngestRefusal::JsonBatch)?;
        let read = entries.into_iter().map(|read| (read.entry, read.sequence));
        let read = read.map(|(entry, at)| entry.map_err(|(reason, value)| (unreadable(at, &reason), value)));
        let pack = |first, values: &[Value]| wire::encode_json_values(header.epoch, first, values);
        (header, runs(header.first_sequence, read, pack))
    } else {
        let batch = wire::decode(payload)?;
        let header = batch.header;
        match wire::decode_body(&batch) {
            Ok(entries) => {
                let read = entries.into_iter().map(|BodyEntry { sequence, bytes, entry }| {
                    entry.map_err(|reason| (unreadable(sequence, &reason), bytes))
                });
                let pack = |first, entries: &[&[u8]]| {
                    wire::encode_batch(header.epoch, first, entries).expect("a part of a batch is within its bounds")
                };
                (header, runs(header.first_sequence, read, pack))
            }
            Err(reason) => {
                let (count, payload, reason) = (header.count.into(), payload.to_vec(), line(&reason.to_string()));
                (header, vec![(header.first_sequence, BatchBody::Unreadable { count, payload, reason })])
            }
        }
    };
    if header.last_sequence() > SEQUENCE_MAX {
        return Err(IngestRefusal::Sequence(header.last_sequence()));
    }
    let batch = |(first, body)| ReceivedBatch { who: who.clone(), epoch: header.epoch, first, body };
    Ok(bodies.into_iter().map(batch).collect())
}

/// What can be read and what cannot, each in runs that have no hole; `pack` makes a batch of what cannot.
fn runs<T>(
    first: u64,
    read: impl Iterator<Item = Result<SpoolEntry, (String, T)>>,
    pack: impl Fn(u64, &[T]) -> Vec<u8>,
) -> Vec<(u64, BatchBody)> {
    let mut runs = Vec::new();
    let mut read = (first..).zip(read).peekable();
    while let Some(first) = read.peek().map(|(sequence, _)| *sequence) {
        let mut entries = Vec::new();
        while let Some((_, Ok(entry))) = read.next_if(|(_, read)| read.is_ok()) {
            entries.push(entry);
        }
        if !entries.is_empty() {
            runs.push((first, BatchBody::Entries(entries)));
            continue;
        }
        let (mut kept, mut reason) = (Vec::new(), None);
        while let Some((_, Err((why, what)))) = read.next_if(|(_, read)| read.is_err()) {
            reason.get_or_insert(why);
            kept.push(what);
        }
        let (count, payload) = (kept.len() as u64, pack(first, &kept));
        runs.push((first, BatchBody::Unreadable { count, payload, reason: reason.unwrap_or_default() }));
    }
    runs
}

fn birth(who: &AgentKey, payload: &[u8]) -> Result<ReportBody, IngestRefusal> {
    let read: ReadBirth = word(payload)?;
    if read.fleet != who.fleet.as_str() || read.agent != who.agent.as_str() {
        return Err(IngestRefusal::Name { said: shown(&format!("{}/{}", read.fleet, read.agent)) });
    }
    let ReadBirth { epoch, oldest, boot, version, .. } = read;
    Ok(ReportBody::Birth(AgentBirth { epoch, oldest, boot, version }, text(payload)))
}

fn status(payload: &[u8]) -> Result<ReportBody, IngestRefusal> {
    let read: ReportedStatus = word(payload)?;
    let model = read.figures.as_ref().and_then(|figures| figures.model);
    Ok(ReportBody::Status { up: read.state == "up", model, text: text(payload) })
}

fn word<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, IngestRefusal> {
    if payload.len() > WORD_BYTES_MAX {
        return Err(IngestRefusal::TooLarge(payload.len()));
    }
    Ok(serde_json::from_slice(payload)?)
}

/// What was read as JSON is text.
fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{BoundedText, ClockStamp, Extras, SourceFault},
        id::BootId,
        time::EventTime,
        wire::{encode_batch, encode_json},
    };
    use proptest::prelude::*;

    use super::*;

    const EVENTS: &str = "oddline/v1/home/pi/events";

    fn entry() -> SpoolEntry {
        let fault = SourceFault {
            source: BoundedText::cut("a.log"),
            cause: BoundedText::cut("gone"),
            extras: Extras::default(),
        };
        let stamp = ClockStamp { boot: BootId([1; 16]), monotonic_us: 1, wall: EventTime::from_micros(2) };
        SpoolEntry { event: oddline_core::event::Event::SourceFailed(fault), stamp }
    }

    fn all(payload: &[u8]) -> Vec<ReceivedBatch> {
        match read(EVENTS, payload, false).unwrap() {
            IncomingMessage::Entries(_, batches) => batches,
            other => panic!("{other:?}"),
        }
    }

    fn taken(payload: &[u8]) -> ReceivedBatch {
        let mut batches = all(payload);
        assert_eq!(batches.len(), 1, "{batches:?}");
        batches.remove(0)
    }

    #[test]
    fn both_encodings_mean_the_same() {
        let (epoch, entries) = (Epoch::from_random(5), [entry(), entry()]);
        let packed: Vec<Vec<u8>> = entries.iter().map(|entry| postcard::to_stdvec(entry).unwrap()).collect();
        let binary = encode_batch(epoch, 7, &packed).unwrap();
        let text = encode_json(epoch, 7, &entries);
        assert_eq!(taken(&binary), taken(&text));
        assert_eq!(super::entries(&binary), super::entries(&text));
        assert_eq!((taken(&binary).first, taken(&binary).last()), (7, 8));
    }

    #[test]
    fn a_body_of_a_newer_agent_is_kept_whole_and_a_bad_header_is_refused() {
        let epoch = Epoch::from_random(5);
        let newer = encode_batch(epoch, 7, &[vec![200, 1], vec![200, 2]]).unwrap();
        let BatchBody::Unreadable { count: 2, payload, reason } = taken(&newer).body else {
            panic!("it cannot be read")
        };
        assert!(payload == newer && reason.starts_with("entry 7: it holds event 200"), "{reason}");
        let text = String::from_utf8(encode_json(epoch, 7, &[entry()])).unwrap().replace("source_failed", "newer");
        assert!(matches!(taken(text.as_bytes()).body, BatchBody::Unreadable { count: 1, .. }));
        for at in 0..newer.len() {
            let mut flipped = newer.clone();
            flipped[at] ^= 1;
            assert!(read(EVENTS, &flipped, false).is_err(), "byte {at}");
        }
        let beyond = encode_batch(epoch, SEQUENCE_MAX, &[vec![0], vec![0]]).unwrap();
        assert!(matches!(read(EVENTS, &beyond, false), Err(IngestRefusal::Sequence(_))));
    }

    #[test]
    fn what_a_newer_agent_says_is_set_aside_alone() {
        let epoch = Epoch::from_random(5);
        let known = postcard::to_stdvec(&entry()).unwrap();
        let newer = [200, 1];
        let bytes = [&known[..], &newer, &newer, &known, &known];
        let packed = encode_batch(epoch, 7, &bytes).unwrap();
        let text = String::from_utf8(encode_json(epoch, 7, &[entry(), entry(), entry(), entry(), entry()])).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        for at in [1, 2] {
            value["entries"][at]["event"] = serde_json::json!({"newer": {}});
        }
        for payload in [packed, value.to_string().into_bytes()] {
            let batches = all(&payload);
            let bounds: Vec<(u64, u64)> = batches.iter().map(|batch| (batch.first, batch.last())).collect();
            assert_eq!(bounds, [(7, 7), (8, 9), (10, 11)]);
            assert_eq!(batches[0].body, BatchBody::Entries(vec![entry()]));
            assert_eq!(batches[2].body, BatchBody::Entries(vec![entry(), entry()]));
            let BatchBody::Unreadable { count: 2, payload, reason } = &batches[1].body else {
                panic!("it cannot be read")
            };
            assert!(reason.starts_with("entry 8: "), "{reason}");
            let again = all(payload);
            assert_eq!((again.len(), again[0].first, again[0].last()), (1, 8, 9), "it is a batch of its own");
            assert!(entries(payload).unwrap_err().starts_with("entry 8: "));
        }
    }

    #[test]
    fn words_are_read_and_liars_are_not() {
        let birth = r#"{"fleet":"home","agent":"pi","epoch":"1","oldest":1,"new":{}}"#;
        assert!(matches!(read("oddline/v1/home/pi/birth", birth.as_bytes(), true), Ok(IncomingMessage::Heard(_))));
        let refusal = read("oddline/v1/home/web/birth", birth.as_bytes(), true).unwrap_err().to_string();
        assert_eq!(refusal, "the birth says home/pi");
        let liar = birth.replace("home", "x\\nINFO ok");
        let refusal = read("oddline/v1/home/pi/birth", liar.as_bytes(), true).unwrap_err().to_string();
        assert_eq!(refusal, "the birth says x\u{fffd}INFO ok/pi");
        let long = birth.replace("home", &"x".repeat(60_000));
        assert!(read("oddline/v1/home/pi/birth", long.as_bytes(), true).unwrap_err().to_string().len() < 200);
        assert_eq!(read("oddline/v1/home/pi/birth", b"", true).unwrap(), IncomingMessage::Nothing);
        let long = format!("\"{}\"", "x".repeat(WORD_BYTES_MAX));
        assert!(matches!(read("oddline/v1/home/pi/status", long.as_bytes(), true), Err(IngestRefusal::TooLarge(_))));
        for (topic, payload) in [("oddline/v1/home/pi/ack", "x"), ("oddline/v1/home/pi/training", "x"), ("other", "x")]
        {
            assert!(read(topic, payload.as_bytes(), false).is_err(), "{topic}");
        }
        let down = ReportBody::Status { up: false, model: None, text: r#"{"state":"down","figures":null}"#.to_owned() };
        let heard = read("oddline/v1/home/pi/status", br#"{"state":"down","figures":null}"#, false).unwrap();
        assert!(matches!(heard, IncomingMessage::Heard(AgentReport { said, .. }) if said == down));
    }

    #[test]
    fn only_fleets_that_are_served_are_heard() {
        let fleets = ServedFleets::Only(["home".parse().unwrap()].into());
        let down = br#"{"state":"down","figures":null}"#;
        for (fleet, is_served) in [("home", true), ("shop", false)] {
            let heard = read(&format!("oddline/v1/{fleet}/pi/status"), down, false).unwrap();
            assert_eq!(served(heard.clone(), &fleets).is_ok(), is_served, "{fleet}");
            assert!(served(heard, &ServedFleets::Every).is_ok());
            let packed = encode_json(Epoch::from_random(5), 7, &[entry()]);
            let batch = read(&format!("oddline/v1/{fleet}/pi/events"), &packed, false).unwrap();
            assert_eq!(served(batch, &fleets).is_ok(), is_served, "{fleet}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..6_usize) {
            let topics = ["events", "birth", "status", "model/state", "model/desired", "ack"];
            let _: Result<IncomingMessage, IngestRefusal> = read(&format!("oddline/v1/home/pi/{}", topics[at]), &bytes, false);
            let _: Result<(u64, Vec<SpoolEntry>), String> = entries(&bytes);
        }
    }
}
