//! What the collector sends back: how far an agent's entries are stored.

use serde::{Deserialize, Serialize};

use crate::id::Epoch;

/// Everything up to and including `acked` of this epoch is stored (or kept as a dead letter) and need not be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The life of the agent's state file it is about.
    pub epoch: Epoch,
    /// Highest sequence below which nothing is missing; sequences start at 1, so 0 is none.
    pub acked: u64,
}

/// Messages from the collector to an agent, as postcard. Append-only; what a newer collector puts behind one is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromCollector {
    /// See [`Ack`].
    Ack(Ack),
}

/// Why an acknowledgement cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// No postcard of a known message.
    #[error("the acknowledgement is none this program knows: {0}")]
    Unreadable(postcard::Error),
}

/// Bytes of an acknowledgement.
#[must_use]
pub fn encode_ack(ack: Ack) -> Vec<u8> {
    postcard::to_stdvec(&FromCollector::Ack(ack)).expect("two numbers can always be written to a growing buffer")
}

/// Reads an acknowledgement.
///
/// # Errors
/// When the bytes are anything else.
pub fn decode_ack(bytes: &[u8]) -> Result<Ack, AckError> {
    let (FromCollector::Ack(ack), _newer) = postcard::take_from_bytes(bytes).map_err(AckError::Unreadable)?;
    Ok(ack)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn acks_come_back(bits in any::<u64>(), acked in any::<u64>()) {
            let ack = Ack { epoch: Epoch::from_random(bits), acked };
            let mut bytes = encode_ack(ack);
            prop_assert_eq!(decode_ack(&bytes), Ok(ack));
            for cut in 0..bytes.len() {
                prop_assert!(decode_ack(&bytes[..cut]).is_err());
            }
            bytes.extend([7, 0]);
            prop_assert_eq!(decode_ack(&bytes), Ok(ack), "a newer collector may say more");
        }

        #[test]
        fn random_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            if let Ok(ack) = decode_ack(&bytes) {
                prop_assert_eq!(decode_ack(&encode_ack(ack)), Ok(ack));
            }
        }
    }
}
