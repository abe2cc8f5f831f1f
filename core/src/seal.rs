//! The checksum that ends a model file, so that an edited or damaged one is refused and not believed: golden rows tell
//! about the weights, nothing else tells about a digit in a baseline. Against mistakes only; against people there is the
//! signature.
//!
//! ```text
//!  a metadata entry as protobuf has it, 30 bytes, after everything else:
//!      72 1c   field 14 of the model, 28 bytes
//!      0a 10   "oddline.checksum"
//!      12 08   CRC-32 (IEEE) of all bytes before the entry, 8 hexadecimal digits
//! ```

const HEAD: &[u8; 22] = b"\x72\x1c\x0a\x10oddline.checksum\x12\x08";
const DIGITS: usize = 8;

/// Appends the checksum to a model file.
pub fn seal(bytes: &mut Vec<u8>) {
    let digits = format!("{:08x}", crc32fast::hash(bytes));
    bytes.extend_from_slice(HEAD);
    bytes.extend_from_slice(digits.as_bytes());
}

/// Whether a model file ends in the checksum of its bytes.
#[must_use]
pub fn is_intact(bytes: &[u8]) -> bool {
    let Some((body, entry)) = bytes.len().checked_sub(HEAD.len() + DIGITS).map(|at| bytes.split_at(at)) else {
        return false;
    };
    let (head, digits) = entry.split_at(HEAD.len());
    head == HEAD && digits == format!("{:08x}", crc32fast::hash(body)).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_shows() {
        let mut sealed = b"a model".to_vec();
        seal(&mut sealed);
        assert!(is_intact(&sealed));
        for at in 0..sealed.len() {
            assert!(!is_intact(&sealed[..at]), "cut at {at}");
            let mut flipped = sealed.clone();
            flipped[at] ^= 0x20;
            assert!(!is_intact(&flipped), "flipped at {at}");
        }
        sealed.push(b'0');
        assert!(!is_intact(&sealed), "something behind it");
    }
}
