//! How entries travel: a batch with a fixed header, and the acknowledgement that comes back. And how models travel the
//! other way: their bytes, and what is said about them. Bytes only; sending, waiting and storing are others'.
//!
//! ```text
//!  offset  size  little endian
//!       0     4  magic "ODDB"
//!       4     1  wire version, 2
//!       5     1  reserved, 0
//!       6     2  count of entries, 1..=4096
//!       8     8  epoch, below 2^63
//!      16     8  sequence of the first entry; the others follow without a hole
//!      24     4  bytes of the body
//!      28     4  CRC-32 (IEEE) of bytes 0..28 and of the body
//!      32        body: count times
//!                  2  bytes of the entry
//!                  n  the entry in postcard, read to its last byte
//! ```
//!
//! The header stands outside postcard: a collector that cannot read a newer entry still knows which sequences the batch
//! holds, keeps its bytes as a dead letter and acknowledges them. The CRC covers the header too, so a flipped bit never
//! moves a batch to other sequences. Each entry has a length of its own: one that only a newer program can read becomes a
//! dead letter alone, and the others are stored. How all of this grows is written in
//! docs/decisions/2026-11-26-growth.md.
//!
//! ```text
//!  ack: postcard of `FromCollector`:   00  varint epoch  varint acked  what a newer collector adds, not read here
//! ```

mod ack;
mod batch;
mod json;
mod model;
mod rollout;

pub use self::{
    ack::{Ack, AckError, FromCollector, decode_ack, encode_ack},
    batch::{
        BatchHeader, BodyEntry, BodyError, EncodeError, EntryError, WireBatch, WireError, decode, decode_body,
        decode_entry, decode_header, encode_batch,
    },
    json::{JSON_BYTES_MAX, JsonBatch, JsonEntry, JsonError, JsonLine, decode_json, encode_json, encode_json_values},
    model::{
        FrameError, MODEL_FRAME_VERSION, MODEL_MAGIC, SIGNATURE_BYTES_MAX, SignedModel, decode_model, encode_model,
    },
    rollout::{DesiredModel, GOOD_MODELS_MAX, ModelId, ModelState, ROLLOUT_BYTES_MAX, Refused, RolloutError},
};

/// First bytes of a batch.
pub const MAGIC: [u8; 4] = *b"ODDB";
/// Version of the header and of how entries stand in the body.
pub const WIRE_VERSION: u8 = 2;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of a batch with its header: what may be in flight at once, and less than any broker's packet limit.
pub const BATCH_BYTES_MAX: usize = 64 * 1024;
/// Entries of one batch: the smallest entries fill a batch before this, so it only bounds what a decoder allocates.
pub const BATCH_ENTRIES_MAX: usize = 4_096;
/// Bytes before each entry.
pub const ENTRY_PREFIX_BYTES: usize = 2;

const _: () = assert!(
    HEADER_BYTES + ENTRY_PREFIX_BYTES + crate::event::ENTRY_BYTES_MAX <= BATCH_BYTES_MAX,
    "every entry fits a batch"
);
const _: () = assert!(BATCH_ENTRIES_MAX <= u16::MAX as usize, "the count has two bytes");
const _: () = assert!(crate::event::ENTRY_BYTES_MAX <= u16::MAX as usize, "an entry's length has two bytes");
