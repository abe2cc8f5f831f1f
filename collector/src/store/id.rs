//! Ids of anomalies: short enough for a command line, the same wherever and whenever they are computed.
//!
//! ```text
//!  first 80 bits of SHA-256 over  fleet 0 agent 0 epoch 0 source 0 number   in base 32: 16 of 0-9a-z without i l o u
//! ```
//!
//! Any unique beginning of at least [`ID_PREFIX_MIN`] characters will do. With ten million anomalies two ids are equal
//! with a chance of 4 in 10^11.

use sha2::{Digest as _, Sha256};

pub const ID_CHARS: usize = 16;
/// Characters that are shown in tables: a beginning of this length is unique among ten million with 1 in 20 against.
pub const ID_SHOWN: usize = 10;
/// Characters of the shortest beginning that is looked up.
pub const ID_PREFIX_MIN: usize = 4;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of what these parts name.
#[must_use]
pub(super) fn of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    let bits = bytes.iter().take(ID_CHARS * 5 / 8).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    (0..ID_CHARS)
        .rev()
        .map(|at| char::from(DIGITS[usize::try_from((bits >> (5 * at)) & 31).expect("five bits")]))
        .collect()
}

/// Whether a text can be an id or the beginning of one.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (ID_PREFIX_MIN..=ID_CHARS).contains(&text.len()) && text.bytes().all(|b| DIGITS.contains(&b))
}

/// SHA-256 as hexadecimal digits.
#[must_use]
pub(super) fn digest(bytes: &[u8]) -> String {
    oddline_core::id::hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_what_they_are() {
        // Links in old alerts and verdicts name them.
        assert_eq!(of(&["home", "pi", "7", "/var/log/syslog", "12"]), "9qxa91rf6ksj6y00");
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert!(
            is_prefix(&of(&["x"]))
                && is_prefix("0abc")
                && !is_prefix("abc")
                && !is_prefix("abcl")
                && !is_prefix("ABCD")
        );
    }
}
