//! Delivery against a simple collector while the network does its worst: random appends, drops, repetitions,
//! reorderings, acknowledgements lost, brokers that forget, agents and collectors killed. In the end what the collector
//! stored is what the spool held, byte for byte and once.

use std::collections::BTreeMap;

use oddline_core::{
    id::Epoch,
    wire::{Ack, decode},
};
use proptest::{collection::vec, prelude::*};

use super::delivery::{AckOutcome, BATCHES_IN_FLIGHT_MAX, BYTES_IN_FLIGHT_MAX, Delivery, Encoding};

const EPOCH: Epoch = Epoch::from_random(99);
/// An acknowledgement of another agent's life that goes astray.
const FOREIGN: Epoch = Epoch::from_random(98);

#[derive(Debug, Clone)]
enum Action {
    /// Entries of these sizes enter the spool.
    Append(Vec<u16>),
    Connect,
    Lose,
    /// The agent sends what it may.
    Send,
    /// A batch on its way, by index: it arrives, stays or not.
    Arrive(usize, bool),
    DropBatch(usize),
    /// An acknowledgement on its way, by index.
    Hear(usize, bool),
    DropAck(usize),
    BrokerForgets,
    KillAgent,
    /// What the collector has not committed is gone.
    KillCollector,
    Commit,
    Wait(u64),
    ForeignAck(u64),
    Unheard,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => vec(prop_oneof![4 => 1..300_u16, 1 => 3_000..8_000_u16], 1..20).prop_map(Action::Append),
        3 => Just(Action::Connect),
        1 => Just(Action::Lose),
        6 => Just(Action::Send),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(i, again)| Action::Arrive(i, again)),
        2 => any::<usize>().prop_map(Action::DropBatch),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(i, again)| Action::Hear(i, again)),
        2 => any::<usize>().prop_map(Action::DropAck),
        1 => Just(Action::BrokerForgets),
        1 => Just(Action::KillAgent),
        1 => Just(Action::KillCollector),
        4 => Just(Action::Commit),
        2 => (0..100_000_u64).prop_map(Action::Wait),
        1 => any::<u64>().prop_map(Action::ForeignAck),
        1 => Just(Action::Unheard),
    ]
}

/// Stores each sequence once; acknowledges after commit.
#[derive(Default)]
struct Collector {
    stored: BTreeMap<u64, Vec<u8>>,
    uncommitted: BTreeMap<u64, Vec<u8>>,
}

impl Collector {
    fn take(&mut self, payload: &[u8]) {
        let batch = decode(payload).expect("the network of this test damages nothing");
        let mut rest = batch.body;
        for sequence in batch.header.first_sequence..=batch.header.last_sequence() {
            let length = usize::from(u16::from_le_bytes([rest[0], rest[1]]));
            let (entry, after) = rest[2..].split_at(length);
            let known = self.stored.get(&sequence).or_else(|| self.uncommitted.get(&sequence));
            assert!(known.is_none_or(|known| known == entry), "sequence {sequence} came with other bytes");
            if known.is_none() {
                self.uncommitted.insert(sequence, entry.to_vec());
            }
            rest = after;
        }
        assert!(rest.is_empty());
    }

    fn commit(&mut self) -> Ack {
        self.stored.append(&mut self.uncommitted);
        let acked = (1..).zip(self.stored.keys()).take_while(|(expected, found)| expected == *found).count() as u64;
        Ack { epoch: EPOCH, acked }
    }
}

struct World {
    /// Everything ever appended; sequence is index + 1.
    log: Vec<Vec<u8>>,
    /// What the spool has deleted.
    deleted: u64,
    delivery: Delivery,
    batches: Vec<Vec<u8>>,
    acks: Vec<Ack>,
    collector: Collector,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        Self {
            log: Vec::new(),
            deleted: 0,
            delivery: Delivery::new(EPOCH, Encoding::Postcard, 0),
            batches: Vec::new(),
            acks: Vec::new(),
            collector: Collector::default(),
            now_ms: 0,
        }
    }

    fn last(&self) -> u64 {
        self.log.len() as u64
    }

    fn send(&mut self) {
        let (mut count, mut bytes) = (0, 0);
        while let Some(wanted) = self.delivery.wants(self.last()) {
            assert!(wanted.from > self.deleted, "an entry that was deleted is asked for");
            let mut left = wanted.bytes_max;
            let from = usize::try_from(wanted.from).unwrap() - 1;
            let fits = |entry: &&Vec<u8>| {
                let fits = entry.len() <= left;
                left = left.saturating_sub(entry.len());
                fits
            };
            let entries = self.log[from..].iter().take_while(fits).cloned();
            let entries: Vec<(u64, Vec<u8>)> = (wanted.from..).zip(entries).collect();
            let packed = self.delivery.pack(&entries, self.now_ms).unwrap();
            count += 1;
            bytes += packed.payload.len();
            self.batches.push(packed.payload);
        }
        assert!(count <= BATCHES_IN_FLIGHT_MAX && bytes <= BYTES_IN_FLIGHT_MAX, "{count} batches, {bytes} bytes");
    }

    fn hear(&mut self, ack: Ack) {
        match self.delivery.on_ack(ack, self.last(), self.now_ms) {
            AckOutcome::Delete(up_to) => {
                assert!((1..=up_to).all(|s| self.collector.stored.contains_key(&s)), "deleted before it was stored");
                self.deleted = up_to;
            }
            AckOutcome::OtherEpoch(epoch) => assert_eq!(epoch, FOREIGN),
            AckOutcome::Nothing | AckOutcome::Behind => {}
            AckOutcome::Ahead { acked, last } => panic!("acknowledged {acked} of {last}"),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Append(sizes) => {
                for size in sizes {
                    let fill = u8::try_from(self.log.len() % 251).unwrap();
                    self.log.push(vec![fill; usize::from(size)]);
                }
            }
            Action::Connect => self.delivery.connected(),
            Action::Lose => self.delivery.lost(),
            Action::Send => self.send(),
            Action::Arrive(at, again) => {
                if let Some(batch) = pick(&mut self.batches, at, again) {
                    self.collector.take(&batch);
                }
            }
            Action::DropBatch(at) => drop(pick(&mut self.batches, at, false)),
            Action::Hear(at, again) => {
                if let Some(ack) = pick(&mut self.acks, at, again) {
                    self.hear(ack);
                }
            }
            Action::DropAck(at) => drop(pick(&mut self.acks, at, false)),
            Action::BrokerForgets => {
                self.delivery.lost();
                self.batches.clear();
                self.acks.clear();
            }
            Action::KillAgent => self.delivery = Delivery::new(EPOCH, Encoding::Postcard, self.deleted),
            Action::KillCollector => self.collector.uncommitted.clear(),
            Action::Commit => self.acks.push(self.collector.commit()),
            Action::Wait(ms) => {
                self.now_ms += ms;
                self.delivery.overdue(self.now_ms);
            }
            Action::Unheard => self.delivery.on_ack_timeout(self.now_ms),
            Action::ForeignAck(acked) => self.acks.push(Ack { epoch: FOREIGN, acked }),
        }
    }

    /// The network heals: everything arrives from now on.
    fn heal(&mut self) {
        self.delivery.connected();
        // Each turn delivers at least one entry.
        for _ in 0..=self.log.len() {
            self.send();
            for batch in std::mem::take(&mut self.batches) {
                self.collector.take(&batch);
            }
            let ack = self.collector.commit();
            self.hear(ack);
        }
    }
}

fn pick<T: Clone>(queue: &mut Vec<T>, at: usize, keep: bool) -> Option<T> {
    if queue.is_empty() {
        return None;
    }
    let at = at % queue.len();
    Some(if keep { queue[at].clone() } else { queue.swap_remove(at) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_stored_is_what_was_spooled(actions in vec(action(), 1..120)) {
        let mut world = World::new();
        for action in actions {
            world.act(action);
            prop_assert!(world.delivery.acked() == world.deleted);
        }
        world.heal();
        prop_assert_eq!(world.deleted, world.last());
        prop_assert_eq!(world.collector.stored.into_values().collect::<Vec<_>>(), world.log);
    }
}
