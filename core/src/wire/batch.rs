//! The binary batch: packed, checked, unpacked.

use super::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, ENTRY_PREFIX_BYTES, HEADER_BYTES, MAGIC, WIRE_VERSION};
use crate::{
    event::{ENTRY_BYTES_MAX, Event, SpoolEntry},
    id::Epoch,
};

/// What a batch says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The life of the agent's state file.
    pub epoch: Epoch,
    /// Sequence of the first entry.
    pub first_sequence: u64,
    /// Entries, 1 to [`BATCH_ENTRIES_MAX`].
    pub count: u16,
}

impl BatchHeader {
    /// Sequence of the last entry.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.first_sequence + u64::from(self.count) - 1
    }
}

/// A batch whose header and CRC are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireBatch<'a> {
    /// Its header.
    pub header: BatchHeader,
    /// Its entries, not looked at yet; see [`decode_body`].
    pub body: &'a [u8],
}

/// Why bytes are no batch. Nothing is known about them: they are counted and dropped, never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Shorter than a header.
    #[error("a batch of {found} bytes has no room for its header of {HEADER_BYTES}")]
    Short {
        /// Bytes there are.
        found: usize,
    },
    /// Something else.
    #[error("the message is no batch: it starts with {0:02x?}")]
    Magic([u8; 4]),
    /// From a newer program.
    #[error("the batch has wire version {0}, this program reads {WIRE_VERSION}")]
    Version(u8),
    /// Longer than [`BATCH_BYTES_MAX`].
    #[error("the batch has {0} bytes, at most {BATCH_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Cut, or something behind it.
    #[error("the batch has {found} bytes after its header, its header says {said}")]
    Length {
        /// Bytes after the header.
        found: usize,
        /// What the header says.
        said: u32,
    },
    /// Damaged.
    #[error("the batch is damaged: CRC {found:08x}, its header says {said:08x}")]
    Crc {
        /// What the bytes have.
        found: u32,
        /// What the header says.
        said: u32,
    },
    /// A number that cannot be, though the CRC is right.
    #[error("the batch's header holds an impossible {0}")]
    Field(&'static str),
}

/// One entry of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyEntry<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// It as it came.
    pub bytes: &'a [u8],
    /// It, when this program can read it.
    pub entry: Result<SpoolEntry, EntryError>,
}

/// Why an entry cannot be read. The others of its batch can: it becomes a dead letter of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// An event that a newer agent knows.
    #[error("it holds event {0}, this program knows those below {known}", known = Event::names().len())]
    UnknownVariant(u32),
    /// Not what its lengths say, or beyond a bound.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// More in it than this program knows.
    #[error("it has {0} bytes that this program does not know")]
    Remainder(usize),
}

/// Why a body behind a good header falls into no entries. Its sequences are known: it becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// An entry that ends behind the body.
    #[error("entry {0} ends behind the body")]
    Short(u64),
    /// Bytes behind the last entry.
    #[error("{0} bytes stand behind the last entry")]
    Behind(usize),
}

/// Why a batch cannot be packed: a mistake of the caller, who knows the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Not 1 to [`BATCH_ENTRIES_MAX`].
    #[error("a batch of {0} entries: 1 to {BATCH_ENTRIES_MAX} are allowed")]
    Count(usize),
    /// An entry longer than [`ENTRY_BYTES_MAX`].
    #[error("entry {sequence} has {bytes} bytes, at most {ENTRY_BYTES_MAX} are allowed")]
    Entry {
        /// Which entry.
        sequence: u64,
        /// Its bytes.
        bytes: usize,
    },
    /// Longer than [`BATCH_BYTES_MAX`].
    #[error("a batch of {0} bytes: at most {BATCH_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Sequences start at 1 and end with 64 bits.
    #[error("sequence {0} cannot start a batch of this length")]
    Sequence(u64),
}

/// Packs entries that are already in postcard, as the spool keeps them.
///
/// # Errors
/// When there are none, too many, or too large ones.
pub fn encode_batch<E: AsRef<[u8]>>(epoch: Epoch, first_sequence: u64, entries: &[E]) -> Result<Vec<u8>, EncodeError> {
    let count = u16::try_from(entries.len()).ok().filter(|&n| n > 0 && usize::from(n) <= BATCH_ENTRIES_MAX);
    let count = count.ok_or(EncodeError::Count(entries.len()))?;
    if first_sequence == 0 || first_sequence.checked_add(u64::from(count)).is_none() {
        return Err(EncodeError::Sequence(first_sequence));
    }
    let body: usize = entries.iter().map(|e| ENTRY_PREFIX_BYTES + e.as_ref().len()).sum();
    let total = HEADER_BYTES + body;
    if total > BATCH_BYTES_MAX {
        return Err(EncodeError::TooLarge(total));
    }
    let mut out = Vec::with_capacity(total);
    out.extend(MAGIC);
    out.extend([WIRE_VERSION, 0]);
    out.extend(count.to_le_bytes());
    out.extend(epoch.get().to_le_bytes());
    out.extend(first_sequence.to_le_bytes());
    out.extend(u32::try_from(body).expect("a body is below 64 KiB").to_le_bytes());
    out.extend([0; 4]);
    for (sequence, entry) in (first_sequence..).zip(entries) {
        let entry = entry.as_ref();
        let bytes = u16::try_from(entry.len()).ok().filter(|&n| usize::from(n) <= ENTRY_BYTES_MAX);
        let bytes = bytes.ok_or(EncodeError::Entry { sequence, bytes: entry.len() })?;
        out.extend(bytes.to_le_bytes());
        out.extend(entry);
    }
    let crc = checksum(&out);
    out[28..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// Reads and checks a batch up to its entries.
///
/// # Errors
/// When the bytes are no undamaged batch of this wire version.
pub fn decode(bytes: &[u8]) -> Result<WireBatch<'_>, WireError> {
    let Some((head, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(WireError::Short { found: bytes.len() });
    };
    if head[..4] != MAGIC {
        return Err(WireError::Magic(array(head, 0)));
    }
    if head[4] != WIRE_VERSION {
        return Err(WireError::Version(head[4]));
    }
    if bytes.len() > BATCH_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    let said = u32::from_le_bytes(array(head, 24));
    if usize::try_from(said) != Ok(body.len()) {
        return Err(WireError::Length { found: body.len(), said });
    }
    let (found, said) = (checksum(bytes), u32::from_le_bytes(array(head, 28)));
    if found != said {
        return Err(WireError::Crc { found, said });
    }
    if head[5] != 0 {
        return Err(WireError::Field("reserved byte"));
    }
    let count = u16::from_le_bytes(array(head, 6));
    if count == 0 || usize::from(count) > BATCH_ENTRIES_MAX {
        return Err(WireError::Field("count"));
    }
    let epoch = Epoch::new(u64::from_le_bytes(array(head, 8))).ok_or(WireError::Field("epoch"))?;
    let first_sequence = u64::from_le_bytes(array(head, 16));
    if first_sequence == 0 || first_sequence.checked_add(u64::from(count)).is_none() {
        return Err(WireError::Field("sequence"));
    }
    Ok(WireBatch { header: BatchHeader { epoch, first_sequence, count }, body })
}

/// The header alone, checked like the whole: for whoever keeps the bytes as they are.
///
/// # Errors
/// As [`decode`].
pub fn decode_header(bytes: &[u8]) -> Result<BatchHeader, WireError> {
    decode(bytes).map(|batch| batch.header)
}

/// Reads a batch's entries; the first has `first_sequence`. One that cannot be read is no reason to lose the others.
///
/// # Errors
/// When the body does not fall into as many entries as the header says.
pub fn decode_body<'a>(batch: &WireBatch<'a>) -> Result<Vec<BodyEntry<'a>>, BodyError> {
    let BatchHeader { first_sequence, count, .. } = batch.header;
    let mut rest = batch.body;
    let mut entries = Vec::with_capacity(usize::from(count));
    for sequence in (first_sequence..).take(usize::from(count)) {
        let short = || BodyError::Short(sequence);
        let (prefix, after) = rest.split_at_checked(ENTRY_PREFIX_BYTES).ok_or_else(short)?;
        let length = usize::from(u16::from_le_bytes(array(prefix, 0)));
        let (bytes, after) = after.split_at_checked(length).ok_or_else(short)?;
        entries.push(BodyEntry { sequence, bytes, entry: decode_entry(bytes) });
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BodyError::Behind(rest.len())) }
}

/// Reads one entry as a spool, a batch and a store hold it.
///
/// # Errors
/// When a newer program wrote it, or it is damaged.
pub fn decode_entry(bytes: &[u8]) -> Result<SpoolEntry, EntryError> {
    match postcard::take_from_bytes(bytes) {
        Ok((entry, [])) => Ok(entry),
        Ok((_, rest)) => Err(EntryError::Remainder(rest.len())),
        Err(error) => Err(match postcard::take_from_bytes::<u32>(bytes) {
            Ok((variant, _)) if usize::try_from(variant).is_ok_and(|at| at >= Event::names().len()) => {
                EntryError::UnknownVariant(variant)
            }
            Ok(_) | Err(_) => EntryError::Unreadable(error.to_string()),
        }),
    }
}

/// CRC of everything but the CRC. `bytes` has at least a header.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..HEADER_BYTES - 4]);
    crc.update(&bytes[HEADER_BYTES..]);
    crc.finalize()
}

/// `N` bytes from `at` on; the caller has checked that they are there.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        event::{BoundedText, ClockStamp, Extras, ModelSwap, tests::entry},
        id::BootId,
        time::EventTime,
    };

    const EPOCH: Epoch = Epoch::from_random(0x1234_5678_9abc_def0);

    fn packed(entries: &[SpoolEntry]) -> Vec<Vec<u8>> {
        entries.iter().map(|e| postcard::to_stdvec(e).unwrap()).collect()
    }

    fn unpacked(bytes: &[u8]) -> Option<(BatchHeader, Vec<SpoolEntry>)> {
        let batch = decode(bytes).ok()?;
        let entries = decode_body(&batch).ok()?.into_iter().map(|read| read.entry.ok()).collect::<Option<_>>()?;
        Some((batch.header, entries))
    }

    /// A batch with any header bytes and body, and a CRC that fits.
    fn sealed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = encode_batch(EPOCH, 1, &[[0]]).unwrap();
        change(&mut bytes);
        let body = u32::try_from(bytes.len() - HEADER_BYTES).unwrap();
        bytes[24..28].copy_from_slice(&body.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn the_bytes_are_those_of_the_drawing() {
        let bytes = encode_batch(Epoch::from_random(0x0102_0304_0506_0708), 5, &[&b"ab"[..], b""]).unwrap();
        let head = b"ODDB\x02\x00\x02\x00\x08\x07\x06\x05\x04\x03\x02\x01\x05\0\0\0\0\0\0\0\x06\0\0\0";
        assert_eq!(&bytes[..28], head);
        assert_eq!(bytes[28..32], checksum(&bytes).to_le_bytes());
        assert_eq!(&bytes[32..], b"\x02\0ab\0\0");
        assert_eq!(decode_header(&bytes).unwrap().last_sequence(), 6);
    }

    #[test]
    fn impossible_batches_are_not_packed() {
        let pack = |first, entries: &[Vec<u8>]| encode_batch(EPOCH, first, entries).unwrap_err();
        assert_eq!(pack(1, &[]), EncodeError::Count(0));
        assert_eq!(pack(1, &vec![vec![]; BATCH_ENTRIES_MAX + 1]), EncodeError::Count(BATCH_ENTRIES_MAX + 1));
        assert_eq!(pack(0, &[vec![]]), EncodeError::Sequence(0));
        assert_eq!(pack(u64::MAX, &[vec![]]), EncodeError::Sequence(u64::MAX));
        let large = ENTRY_BYTES_MAX + 1;
        assert_eq!(pack(7, &[vec![], vec![0; large]]), EncodeError::Entry { sequence: 8, bytes: large });
        assert!(matches!(pack(1, &vec![vec![0; ENTRY_BYTES_MAX]; 8]), EncodeError::TooLarge(_)));
        assert!(encode_batch(EPOCH, 1, &vec![vec![0; ENTRY_BYTES_MAX]; 7]).is_ok());
    }

    #[test]
    fn a_newer_event_is_told_from_a_broken_one_and_its_neighbours_are_read() {
        let newer = u8::try_from(Event::names().len()).unwrap();
        let swap =
            ModelSwap { source: BoundedText::cut("a"), position: 1, from: None, to: 2, extras: Extras::default() };
        let stamp = ClockStamp { boot: BootId([0; 16]), monotonic_us: 0, wall: EventTime::from_micros(0) };
        let known = SpoolEntry { event: Event::ModelSwap(swap), stamp };
        let good = postcard::to_stdvec(&known).unwrap();
        let longer = [good.as_slice(), &[0, 1]].concat();
        let bytes = [good.clone(), vec![newer, 1, 2], vec![newer - 1, 1, 2], vec![], longer, good];
        let batch = encode_batch(EPOCH, 40, &bytes).unwrap();
        let read = decode_body(&decode(&batch).unwrap()).unwrap();
        assert!(read.iter().zip(&bytes).all(|(read, bytes)| read.bytes == bytes));
        let entries: Vec<_> = (40..).zip(read).map(|(n, read)| (read.sequence == n).then_some(read.entry)).collect();
        assert_eq!([&entries[0], &entries[5]], [&Some(Ok(known.clone())), &Some(Ok(known))]);
        assert_eq!(entries[1], Some(Err(EntryError::UnknownVariant(newer.into()))));
        assert!(matches!(entries[2..4], [Some(Err(EntryError::Unreadable(_))), Some(Err(EntryError::Unreadable(_)))]));
        assert_eq!(entries[4], Some(Err(EntryError::Remainder(2))));
    }

    #[test]
    fn a_body_that_falls_into_no_entries_is_an_error() {
        let body = |count: u8, body: &'static [u8]| {
            let bytes = sealed(|b| {
                b[6] = count;
                b.truncate(HEADER_BYTES);
                b.extend(body);
            });
            decode_body(&decode(&bytes).unwrap()).unwrap_err()
        };
        assert_eq!(body(2, b"\0\0"), BodyError::Short(2));
        assert_eq!(body(1, b"\x02\0a"), BodyError::Short(1));
        assert_eq!(body(1, b"\0\0abc"), BodyError::Behind(3));
    }

    #[test]
    fn impossible_headers_are_refused_though_the_crc_is_right() {
        assert_eq!(decode(&sealed(|b| b[5] = 1)), Err(WireError::Field("reserved byte")));
        assert_eq!(decode(&sealed(|b| b[6] = 0)), Err(WireError::Field("count")));
        assert_eq!(decode(&sealed(|b| b[7] = 255)), Err(WireError::Field("count")));
        assert_eq!(decode(&sealed(|b| b[15] |= 0x80)), Err(WireError::Field("epoch")));
        assert_eq!(decode(&sealed(|b| b[16] = 0)), Err(WireError::Field("sequence")));
        assert_eq!(decode(&sealed(|b| b[16..24].fill(255))), Err(WireError::Field("sequence")));
        assert_eq!(decode(&sealed(|b| b[4] = 3)), Err(WireError::Version(3)));
        assert!(matches!(decode(&sealed(|b| b.resize(BATCH_BYTES_MAX + 1, 0))), Err(WireError::TooLarge(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn batches_come_back(entries in vec(entry(), 1..6), first in 1..u64::MAX - 10) {
            let bytes = encode_batch(EPOCH, first, &packed(&entries)).unwrap();
            let count = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(unpacked(&bytes), Some((BatchHeader { epoch: EPOCH, first_sequence: first, count }, entries)));
        }

        #[test]
        fn damage_is_noticed(entries in vec(entry(), 1..3), at in any::<prop::sample::Index>(), bits in 1..=255_u8) {
            let whole = encode_batch(EPOCH, 1, &packed(&entries)).unwrap();
            let cut = at.index(whole.len());
            prop_assert!(decode(&whole[..cut]).is_err());
            let mut flipped = whole.clone();
            flipped[cut] ^= bits;
            prop_assert!(decode(&flipped).is_err());
            let mut longer = whole;
            longer.push(bits);
            prop_assert!(decode(&longer).is_err());
        }

        #[test]
        fn random_bodies_are_no_panic(body in vec(any::<u8>(), 0..600), count in 1..5_u8) {
            let bytes = sealed(|b| {
                b[6] = count;
                b.truncate(HEADER_BYTES);
                b.extend(&body);
            });
            let batch = decode(&bytes).unwrap();
            // What can be read is what would be written again.
            if let Ok(read) = decode_body(&batch) {
                prop_assert_eq!(read.len(), usize::from(count));
                let entries: Vec<SpoolEntry> = read.into_iter().filter_map(|read| read.entry.ok()).collect();
                if !entries.is_empty() {
                    let again = encode_batch(EPOCH, 1, &packed(&entries)).unwrap();
                    prop_assert_eq!(unpacked(&again).unwrap().1, entries);
                }
            }
            prop_assert!(decode(&body).is_err());
        }
    }
}
