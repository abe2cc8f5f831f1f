//! What a collector has stored: entries by agent, epoch and sequence, each once. Pure; says what to acknowledge, and
//! what was wrong with what came.

use std::collections::{BTreeMap, btree_map::Entry as Slot};

use oddline_core::{
    id::{AgentName, Epoch},
    wire::{Ack, BatchHeader, BodyEntry, JsonEntry, decode, decode_body, decode_json},
};

use crate::heard::Heard;

/// Faults that are kept; one is enough to fail.
const FAULTS_MAX: usize = 20;

/// All entries of all agents.
#[derive(Debug, Default)]
pub struct Ledger {
    kept: BTreeMap<(AgentName, Epoch), Kept>,
    faults: Vec<String>,
}

/// Of one agent and epoch.
#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<u64, (Vec<u8>, Heard)>,
    /// Nothing is missing up to here.
    acked: u64,
    again: u64,
    /// Number of the newest record that opened an episode.
    record: Option<u64>,
}

impl Ledger {
    /// Stores a batch; what to say to the agent. `None` for what is none.
    pub fn take(&mut self, agent: &AgentName, payload: &[u8]) -> Option<Ack> {
        match unpack(payload) {
            Ok((header, entries)) => Some(self.store(agent, header, entries)),
            Err(why) => {
                self.fault(format!("{agent}: {why}"));
                None
            }
        }
    }

    /// What an agent has said so far, in the order of its sequences.
    #[must_use]
    pub fn of(&self, agent: &AgentName) -> Vec<Heard> {
        let kept = self.kept.iter().filter(|((name, _), _)| name == agent).map(|(_, kept)| kept);
        kept.flat_map(|kept| kept.entries.values().map(|(_, heard)| heard.clone())).collect()
    }

    /// How many entries of an agent are stored.
    #[must_use]
    pub fn count(&self, agent: &AgentName) -> usize {
        self.mine(agent).map(|kept| kept.entries.len()).sum()
    }

    /// How many came again; that is allowed.
    #[must_use]
    pub fn again(&self, agent: &AgentName) -> u64 {
        self.mine(agent).map(|kept| kept.again).sum()
    }

    /// Sequences that are missing below one that came: the first and the last of each hole.
    #[must_use]
    pub fn holes(&self, agent: &AgentName) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        for kept in self.mine(agent) {
            let mut next = 1;
            for &sequence in kept.entries.keys() {
                if sequence > next {
                    holes.push((next, sequence - 1));
                }
                next = sequence + 1;
            }
        }
        holes
    }

    /// The newest record that opened an episode: whoever told of it has stored that it was read.
    #[must_use]
    pub fn record(&self, agent: &AgentName) -> Option<u64> {
        self.mine(agent).filter_map(|kept| kept.record).max()
    }

    /// What was no batch, or came again otherwise than before.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    fn mine(&self, agent: &AgentName) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(move |((name, _), _)| name == agent).map(|(_, kept)| kept)
    }

    fn store(&mut self, agent: &AgentName, header: BatchHeader, entries: Vec<(Vec<u8>, Heard)>) -> Ack {
        let kept = self.kept.entry((agent.clone(), header.epoch)).or_default();
        let mut faults = Vec::new();
        for (bytes, heard) in entries {
            kept.record = kept.record.max(heard.record());
            let sequence = heard.sequence;
            match kept.entries.entry(sequence) {
                Slot::Vacant(slot) => drop(slot.insert((bytes, heard))),
                Slot::Occupied(known) => {
                    kept.again += 1;
                    if known.get().0 != bytes {
                        let before = &known.get().1.text;
                        faults.push(format!("{agent}: entry {sequence} was {before}, came again as {}", heard.text));
                    }
                }
            }
        }
        while kept.entries.contains_key(&(kept.acked + 1)) {
            kept.acked += 1;
        }
        let ack = Ack { epoch: header.epoch, acked: kept.acked };
        faults.into_iter().for_each(|fault| self.fault(fault));
        ack
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

type Unpacked = (BatchHeader, Vec<(Vec<u8>, Heard)>);

/// The entries with the bytes they came in.
fn unpack(payload: &[u8]) -> Result<Unpacked, String> {
    if payload.first() == Some(&b'{') {
        let batch = decode_json(payload).map_err(|error| error.to_string())?;
        let heard = batch.entries.into_iter().map(|JsonEntry { sequence, entry }| {
            let heard = Heard::new(batch.header.epoch, sequence, entry.map_err(|(reason, _)| reason)?);
            Ok((serde_json::to_vec(&heard.entry).expect("an entry can always be written"), heard))
        });
        return Ok((batch.header, heard.collect::<Result<_, String>>()?));
    }
    let batch = decode(payload).map_err(|error| error.to_string())?;
    let entries = decode_body(&batch).map_err(|error| error.to_string())?;
    let epoch = batch.header.epoch;
    let heard = entries.into_iter().map(|BodyEntry { sequence, bytes, entry }| {
        let entry = entry.map_err(|reason| reason.to_string())?;
        Ok((bytes.to_vec(), Heard::new(epoch, sequence, entry)))
    });
    Ok((batch.header, heard.collect::<Result<_, String>>()?))
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{BoundedText, ClockStamp, Event, Extras, SourceFault, SpoolEntry},
        id::BootId,
        time::EventTime,
        wire::encode_json,
    };

    use super::*;

    const EPOCH: Epoch = Epoch::from_random(9);

    fn entry(cause: &str) -> SpoolEntry {
        let event = Event::SourceFailed(SourceFault {
            source: BoundedText::cut("a.log"),
            cause: BoundedText::cut(cause),
            extras: Extras::default(),
        });
        SpoolEntry {
            event,
            stamp: ClockStamp { boot: BootId([1; 16]), monotonic_us: 1, wall: EventTime::from_micros(0) },
        }
    }

    fn batch(first: u64, causes: &[&str]) -> Vec<u8> {
        encode_json(EPOCH, first, &causes.iter().map(|cause| entry(cause)).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_missing_is_not_acknowledged() {
        let agent: AgentName = "pi".parse().unwrap();
        let mut ledger = Ledger::default();
        let mut acked = |payload: &[u8]| ledger.take(&agent, payload).map(|ack| ack.acked);
        assert_eq!(acked(&batch(1, &["a", "b"])), Some(2));
        assert_eq!(acked(&batch(5, &["e"])), Some(2));
        assert_eq!(acked(&batch(2, &["b", "c"])), Some(3));
        assert_eq!(acked(b"ODDB"), None);
        assert_eq!(ledger.holes(&agent), [(4, 4)]);
        assert_eq!((ledger.count(&agent), ledger.again(&agent), ledger.faults().len()), (4, 1, 1));
        assert_eq!(ledger.take(&agent, &batch(4, &["d"])).unwrap().acked, 5);
        assert!(ledger.holes(&agent).is_empty());
    }

    #[test]
    fn what_comes_again_otherwise_is_a_fault() {
        let agent: AgentName = "pi".parse().unwrap();
        let mut ledger = Ledger::default();
        ledger.take(&agent, &batch(1, &["a"]));
        ledger.take(&agent, &batch(1, &["b"]));
        assert!(ledger.faults()[0].contains("came again"), "{:?}", ledger.faults());
        assert!(ledger.of(&agent)[0].text.contains("\"a\""));
    }
}
