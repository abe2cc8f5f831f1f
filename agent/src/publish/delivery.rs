//! Which entries go out next and which may be deleted. Pure: no network, no clock, no file; the spool's entries and the
//! time come in as arguments.
//!
//! ```text
//!   deleted | sent, not acknowledged | waiting in the spool
//!  ---------+------------------------+----------------------
//!         acked                    next
//! ```
//!
//! An entry is deleted only on the collector's acknowledgement. Whatever else happens (a new connection, a broker that
//! forgot everything, an acknowledgement that does not come) `next` goes back to behind `acked`: the collector drops
//! what it has seen before, so sending twice costs bytes and never rows.

use std::collections::VecDeque;

use oddline_core::{
    event::SpoolEntry,
    id::Epoch,
    wire::{
        Ack, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, ENTRY_PREFIX_BYTES, EncodeError, EntryError, HEADER_BYTES,
        decode_entry, encode_batch, encode_json,
    },
};

/// Batches sent and not acknowledged: enough to hide the way to the collector and back.
pub(crate) const BATCHES_IN_FLIGHT_MAX: usize = 4;
/// Their bytes: what a broker may have to hold for one agent, and what a mobile link sends twice after a break.
pub(crate) const BYTES_IN_FLIGHT_MAX: usize = 64 * 1024;
/// What a batch is filled up to, so that [`BATCHES_IN_FLIGHT_MAX`] of them fit.
pub(crate) const BATCH_BYTES_AIM: usize = BYTES_IN_FLIGHT_MAX / BATCHES_IN_FLIGHT_MAX;
/// First wait for an acknowledgement: a collector commits within seconds, a restart of it takes longer.
pub(crate) const ACK_WAIT_MS_MIN: u64 = 30_000;
/// The wait doubles up to this: a broker that queues for an absent collector must not be filled with repetitions.
pub(crate) const ACK_WAIT_MS_MAX: u64 = 15 * 60_000;
/// First wait after the broker said that nobody listens: a collector that restarts is back within seconds.
pub(crate) const UNHEARD_WAIT_MS_MIN: u64 = 1_000;
/// This one doubles only up to a minute: a broker keeps nothing of what nobody listens to.
pub(crate) const UNHEARD_WAIT_MS_MAX: u64 = 60_000;
/// A collector that is behind is told so no more often: an old acknowledgement that comes late looks the same.
pub(crate) const BEHIND_WAIT_MS: u64 = 10_000;

const _: () = assert!(BATCH_BYTES_AIM <= BATCH_BYTES_MAX, "an aim is within the limit");
const _: () = assert!(
    HEADER_BYTES + ENTRY_PREFIX_BYTES + oddline_core::event::ENTRY_BYTES_MAX <= BATCH_BYTES_AIM,
    "the largest entry goes into a batch of its own"
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Postcard behind a header with a CRC.
    Postcard,
    /// JSON, for other subscribers (needs an outside broker).
    Json,
}

/// A batch ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedBatch {
    pub payload: Vec<u8>,
    /// Sequence of its first entry.
    pub first: u64,
    /// Sequence of its last entry.
    pub last: u64,
    /// Whether any of it was sent before.
    pub again: bool,
}

/// What to ask the spool for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryWanted {
    /// Sequence of the first entry wanted.
    pub from: u64,
    /// Bytes of entries wanted; one entry at least, however long.
    pub bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckOutcome {
    /// Everything up to here may be deleted.
    Delete(u64),
    /// Nothing that was not known.
    Nothing,
    /// The collector has less than it has acknowledged before: it was set back to a backup. What is deleted here never
    /// comes again; it waits until it is told so.
    Behind,
    /// It is about another life of the state file.
    OtherEpoch(Epoch),
    /// The collector has sequences that were never given out here: the state file is an old copy, and its new entries
    /// would be taken for repetitions. Nothing is sent or deleted any more; a new epoch must begin.
    Ahead {
        acked: u64,
        /// The last sequence given out here.
        last: u64,
    },
}

/// Why entries cannot be packed: the spool holds something this program would not have written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// Too large, or a sequence that cannot be.
    #[error("the spool's entries from {first} on make no batch: {reason}")]
    Encode { first: u64, reason: EncodeError },
    /// Unreadable; only noticed where a sink wants to print it.
    #[error("the spool's entry {sequence} cannot be printed: {reason}")]
    Entry { sequence: u64, reason: EntryError },
    /// The spool gave nothing or something else though it should hold this entry.
    #[error("the spool does not hold entry {0}")]
    Missing(u64),
}

#[derive(Debug)]
struct InFlightBatch {
    last: u64,
    bytes: usize,
}

/// The state of the delivery of one epoch.
#[derive(Debug)]
pub(crate) struct Delivery {
    epoch: Epoch,
    encoding: Encoding,
    acked: u64,
    next: u64,
    sent: u64,
    flights: VecDeque<InFlightBatch>,
    connected: bool,
    halted: bool,
    wait_ms: u64,
    since_ms: u64,
    unheard_wait_ms: u64,
    unheard_due_ms: Option<u64>,
    behind_due_ms: Option<u64>,
}

impl Delivery {
    /// Goes on after `acked`, the highest sequence already deleted from the spool (0 for none).
    #[must_use]
    pub(crate) fn new(epoch: Epoch, encoding: Encoding, acked: u64) -> Self {
        Self {
            epoch,
            encoding,
            acked,
            next: acked + 1,
            sent: acked,
            flights: VecDeque::with_capacity(BATCHES_IN_FLIGHT_MAX),
            connected: false,
            halted: false,
            wait_ms: ACK_WAIT_MS_MIN,
            since_ms: 0,
            unheard_wait_ms: UNHEARD_WAIT_MS_MIN,
            unheard_due_ms: None,
            behind_due_ms: None,
        }
    }

    /// A connection stands and acknowledgements can be heard.
    pub(crate) fn connected(&mut self) {
        self.connected = !self.halted;
        self.wait_ms = ACK_WAIT_MS_MIN;
        self.rewind();
    }

    /// The connection is gone, and with it everything on its way.
    pub(crate) fn lost(&mut self) {
        self.connected = false;
        self.rewind();
    }

    /// What may be sent now, when the spool's newest entry is `spool_last`.
    #[must_use]
    pub(crate) fn wants(&self, spool_last: u64) -> Option<DeliveryWanted> {
        let bytes: usize = self.flights.iter().map(|f| f.bytes).sum();
        let room = self.flights.len() < BATCHES_IN_FLIGHT_MAX && bytes + BATCH_BYTES_AIM <= BYTES_IN_FLIGHT_MAX;
        (self.connected && self.next <= spool_last && (room || self.flights.is_empty()))
            .then_some(DeliveryWanted { from: self.next, bytes_max: BATCH_BYTES_AIM - HEADER_BYTES })
    }

    /// Packs what the spool gave for [`Delivery::wants`]: as many of the entries as fit, from the first on.
    ///
    /// # Errors
    /// When the entries are none that this program would have put into the spool.
    pub(crate) fn pack(&mut self, entries: &[(u64, Vec<u8>)], now_ms: u64) -> Result<PackedBatch, PackError> {
        let first = self.next;
        let entries = in_a_row(first, entries)?;
        let entries = &entries[..fitting(&entries)];
        let payload = match self.encoding {
            Encoding::Postcard => self.packed(first, entries)?,
            // What a newer program has put into the spool goes out as it is: a collector reads both.
            Encoding::Json => match read(first, entries) {
                Ok(entries) => encode_json(self.epoch, first, &entries),
                Err(_) => self.packed(first, entries)?,
            },
        };
        let last = first + entries.len() as u64 - 1;
        if self.flights.is_empty() {
            self.since_ms = now_ms;
        }
        self.flights.push_back(InFlightBatch { last, bytes: payload.len() });
        let again = first <= self.sent;
        self.next = last + 1;
        self.sent = self.sent.max(last);
        Ok(PackedBatch { payload, first, last, again })
    }

    /// Takes an acknowledgement; the spool's newest entry is `spool_last`.
    pub(crate) fn on_ack(&mut self, ack: Ack, spool_last: u64, now_ms: u64) -> AckOutcome {
        if ack.epoch != self.epoch {
            return AckOutcome::OtherEpoch(ack.epoch);
        }
        if ack.acked > spool_last || self.halted {
            self.halted = true;
            self.lost();
            return AckOutcome::Ahead { acked: ack.acked, last: spool_last };
        }
        if ack.acked < self.acked && self.behind_due_ms.is_none_or(|due| now_ms >= due) {
            self.behind_due_ms = Some(now_ms + BEHIND_WAIT_MS);
            self.rewind();
            return AckOutcome::Behind;
        }
        if ack.acked <= self.acked {
            return AckOutcome::Nothing;
        }
        self.acked = ack.acked;
        self.next = self.next.max(ack.acked + 1);
        self.flights.retain(|flight| flight.last > ack.acked);
        self.wait_ms = ACK_WAIT_MS_MIN;
        self.since_ms = now_ms;
        self.unheard_wait_ms = UNHEARD_WAIT_MS_MIN;
        self.unheard_due_ms = None;
        AckOutcome::Delete(ack.acked)
    }

    /// The broker had nobody to give a message to: no acknowledgement will come.
    pub(crate) fn on_ack_timeout(&mut self, now_ms: u64) {
        if !self.flights.is_empty() && self.unheard_due_ms.is_none() {
            self.unheard_due_ms = Some(now_ms + self.unheard_wait_ms);
            self.unheard_wait_ms = (2 * self.unheard_wait_ms).min(UNHEARD_WAIT_MS_MAX);
        }
    }

    /// When everything goes out again unless an acknowledgement comes; `None` while none is awaited.
    #[must_use]
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let late = self.late_ms()?;
        Some(self.unheard_due_ms.map_or(late, |unheard| unheard.min(late)))
    }

    /// Time passes; what is due goes out again. True when an acknowledgement could have come and did not.
    pub(crate) fn overdue(&mut self, now_ms: u64) -> bool {
        let past = |due: Option<u64>| due.is_some_and(|due| now_ms >= due);
        let (due, late) = (past(self.due_ms()), past(self.late_ms()));
        if late {
            self.wait_ms = (2 * self.wait_ms).min(ACK_WAIT_MS_MAX);
        }
        if due {
            self.rewind();
        }
        late
    }

    /// Highest sequence the collector has acknowledged.
    #[must_use]
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    fn packed(&self, first: u64, entries: &[&[u8]]) -> Result<Vec<u8>, PackError> {
        encode_batch(self.epoch, first, entries).map_err(|reason| PackError::Encode { first, reason })
    }

    fn late_ms(&self) -> Option<u64> {
        (!self.flights.is_empty()).then(|| self.since_ms + self.wait_ms)
    }

    fn rewind(&mut self) {
        self.flights.clear();
        self.unheard_due_ms = None;
        self.next = self.acked + 1;
    }
}

/// How many of the entries go into one batch: as many as stay within the aim, one in any case.
fn fitting(entries: &[&[u8]]) -> usize {
    let mut bytes = HEADER_BYTES;
    let fit = entries.iter().take(BATCH_ENTRIES_MAX).take_while(|entry| {
        bytes += ENTRY_PREFIX_BYTES + entry.len();
        bytes <= BATCH_BYTES_AIM
    });
    fit.count().max(1)
}

/// The entries without their sequences, which run from `first` on.
pub(super) fn in_a_row(first: u64, entries: &[(u64, Vec<u8>)]) -> Result<Vec<&[u8]>, PackError> {
    let hole = (first..).zip(entries).find(|(expected, (found, _))| expected != found);
    if let Some((expected, _)) = hole {
        return Err(PackError::Missing(expected));
    }
    let bytes: Vec<&[u8]> = entries.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    if bytes.is_empty() { Err(PackError::Missing(first)) } else { Ok(bytes) }
}

/// The entries as values; the first has sequence `first`.
pub(super) fn read(first: u64, entries: &[&[u8]]) -> Result<Vec<SpoolEntry>, PackError> {
    let one =
        |(sequence, bytes): (u64, &&[u8])| decode_entry(bytes).map_err(|reason| PackError::Entry { sequence, reason });
    (first..).zip(entries).map(one).collect()
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{BoundedText, ClockStamp, Event, Extras, SourceFault},
        id::BootId,
        time::EventTime,
        wire::{decode, decode_json},
    };

    use super::*;

    const EPOCH: Epoch = Epoch::from_random(7);

    fn entries(first: u64, count: usize, bytes: usize) -> Vec<(u64, Vec<u8>)> {
        (first..).take(count).map(|sequence| (sequence, vec![0; bytes])).collect()
    }

    fn connected() -> Delivery {
        let mut delivery = Delivery::new(EPOCH, Encoding::Postcard, 10);
        delivery.connected();
        delivery
    }

    #[test]
    fn nothing_goes_out_before_the_connection_stands() {
        let mut delivery = Delivery::new(EPOCH, Encoding::Postcard, 10);
        assert_eq!(delivery.wants(20), None);
        delivery.connected();
        assert_eq!(delivery.wants(10), None);
        assert_eq!(delivery.wants(20).unwrap().from, 11);
        delivery.lost();
        assert_eq!(delivery.wants(20), None);
    }

    #[test]
    fn four_batches_are_in_flight_at_most() {
        let mut delivery = connected();
        for batch in 0..4 {
            assert_eq!(delivery.wants(100).unwrap().from, 11 + batch);
            assert_eq!(delivery.pack(&entries(11 + batch, 1, 10), 0).unwrap().first, 11 + batch);
        }
        assert_eq!(delivery.wants(100), None);
        assert_eq!(delivery.on_ack(Ack { epoch: EPOCH, acked: 12 }, 100, 0), AckOutcome::Delete(12));
        assert_eq!(delivery.wants(100).unwrap().from, 15);
    }

    #[test]
    fn a_batch_is_filled_to_its_aim() {
        let mut delivery = connected();
        let packed = delivery.pack(&entries(11, 50, 1000), 0).unwrap();
        assert_eq!((packed.first, packed.last), (11, 26));
        assert!(packed.payload.len() <= BATCH_BYTES_AIM);
        assert_eq!(decode(&packed.payload).unwrap().header.last_sequence(), 26);
        assert_eq!(delivery.pack(&entries(27, 3, 8192), 0).unwrap().last, 27);
        assert!(matches!(delivery.pack(&[], 0), Err(PackError::Missing(28))));
        assert!(matches!(delivery.pack(&entries(29, 1, 10), 0), Err(PackError::Missing(28))));
        let hole = [entries(28, 1, 10), entries(30, 1, 10)].concat();
        assert!(matches!(delivery.pack(&hole, 0), Err(PackError::Missing(29))));
    }

    #[test]
    fn an_overdue_acknowledgement_sends_again_and_waits_longer_each_time() {
        let mut delivery = connected();
        assert_eq!(delivery.due_ms(), None);
        assert!(!delivery.pack(&entries(11, 2, 10), 1_000).unwrap().again);
        let mut now = 1_000;
        for wait in [30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000] {
            assert_eq!(delivery.due_ms(), Some(now + wait));
            assert!(!delivery.overdue(now + wait - 1));
            assert!(delivery.overdue(now + wait));
            now += wait;
            assert_eq!(delivery.wants(12).unwrap().from, 11);
            assert!(delivery.pack(&entries(11, 2, 10), now).unwrap().again);
        }
        assert_eq!(delivery.on_ack(Ack { epoch: EPOCH, acked: 11 }, 12, now), AckOutcome::Delete(11));
        assert_eq!(delivery.due_ms(), Some(now + ACK_WAIT_MS_MIN));
    }

    #[test]
    fn where_nobody_listens_it_tries_again_soon_and_then_less_often() {
        let mut delivery = connected();
        delivery.on_ack_timeout(0);
        assert_eq!(delivery.due_ms(), None);
        let mut now = 0;
        for wait in [1_000, 2_000, 4_000, 8_000, 16_000] {
            delivery.pack(&entries(11, 2, 10), now).unwrap();
            delivery.on_ack_timeout(now);
            delivery.on_ack_timeout(now + 1);
            assert_eq!(delivery.due_ms(), Some(now + wait));
            now += wait;
            assert!(!delivery.overdue(now));
            assert_eq!(delivery.wants(12).unwrap().from, 11);
        }
    }

    #[test]
    fn foreign_and_impossible_acknowledgements_delete_nothing() {
        let mut delivery = connected();
        delivery.pack(&entries(11, 2, 10), 0).unwrap();
        let other = Epoch::from_random(8);
        assert_eq!(delivery.on_ack(Ack { epoch: other, acked: 12 }, 12, 0), AckOutcome::OtherEpoch(other));
        assert_eq!(delivery.on_ack(Ack { epoch: EPOCH, acked: 10 }, 12, 0), AckOutcome::Nothing);
        assert_eq!(delivery.acked(), 10);
    }

    #[test]
    fn a_collector_that_was_set_back_is_told_now_and_then_and_gets_again_what_is_left() {
        let mut delivery = connected();
        delivery.pack(&entries(11, 2, 10), 0).unwrap();
        let old = Ack { epoch: EPOCH, acked: 4 };
        assert_eq!(delivery.on_ack(old, 12, 5), AckOutcome::Behind);
        assert_eq!((delivery.acked(), delivery.wants(12).map(|wanted| wanted.from)), (10, Some(11)));
        assert_eq!(delivery.on_ack(old, 12, 6), AckOutcome::Nothing, "it was just told");
        assert_eq!(delivery.on_ack(old, 12, 5 + BEHIND_WAIT_MS), AckOutcome::Behind);
    }

    #[test]
    fn an_old_copy_of_the_state_stops_instead_of_losing_what_comes() {
        let mut delivery = connected();
        delivery.pack(&entries(11, 2, 10), 0).unwrap();
        assert_eq!(delivery.on_ack(Ack { epoch: EPOCH, acked: 13 }, 12, 0), AckOutcome::Ahead { acked: 13, last: 12 });
        delivery.connected();
        assert_eq!((delivery.wants(20), delivery.due_ms()), (None, None));
        // Entry 13 exists by now, but it is not the one that the collector has.
        assert!(matches!(delivery.on_ack(Ack { epoch: EPOCH, acked: 13 }, 20, 0), AckOutcome::Ahead { .. }));
    }

    #[test]
    fn an_acknowledgement_of_an_earlier_life_moves_on() {
        let mut delivery = connected();
        delivery.pack(&entries(11, 1, 10), 0).unwrap();
        assert_eq!(delivery.on_ack(Ack { epoch: EPOCH, acked: 15 }, 20, 0), AckOutcome::Delete(15));
        assert_eq!((delivery.wants(20).unwrap().from, delivery.due_ms()), (16, None));
    }

    #[test]
    fn json_carries_the_same_entries() {
        let fault = SourceFault {
            source: BoundedText::cut("a.log"),
            cause: BoundedText::cut("gone"),
            extras: Extras::default(),
        };
        let stamp = ClockStamp { boot: BootId([1; 16]), monotonic_us: 1, wall: EventTime::from_micros(2) };
        let entry = SpoolEntry { event: Event::SourceFailed(fault), stamp };
        let mut delivery = Delivery::new(EPOCH, Encoding::Json, 0);
        delivery.connected();
        let packed = delivery.pack(&[(1, postcard::to_stdvec(&entry).unwrap())], 0).unwrap();
        assert_eq!(decode_json(&packed.payload).unwrap().entries[0].entry, Ok(entry));
        let newer = delivery.pack(&[(2, vec![255])], 0).unwrap();
        assert_eq!(decode(&newer.payload).unwrap().header.first_sequence, 2, "what a newer program left");
    }
}
