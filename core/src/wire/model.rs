//! A model on its way: the file and its detached signature in one retained message, so that neither comes without the
//! other.
//!
//! ```text
//!  offset  size  little endian
//!       0     4  magic "ODDM"
//!       4     1  framing version, 1
//!       5     3  reserved, 0
//!       8     4  s: bytes of the signature, at most 1024
//!      12     4  m: bytes of the model, at most 512 KiB
//!      16     s  minisign signature of the model, the text of its .minisig file; empty when there is none
//!    16+s     m  the model, an ONNX file
//! ```
//!
//! No checksum: the topic names the model's SHA-256. Nothing here says that the model is any good.

use crate::limits::MODEL_BYTES_MAX;

/// First bytes of the message.
pub const MODEL_MAGIC: [u8; 4] = *b"ODDM";
/// Version of the framing.
pub const MODEL_FRAME_VERSION: u8 = 1;
/// Bytes of a signature: minisign's two comments have no bound of their own.
pub const SIGNATURE_BYTES_MAX: usize = 1024;
const HEAD: usize = 16;

/// A model and its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedModel<'a> {
    /// Text of the detached signature.
    pub signature: &'a str,
    /// The model file.
    pub model: &'a [u8],
}

/// Why bytes are no model message, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not even a head.
    #[error("a model message of {0} bytes has no room for its head of {HEAD}")]
    Short(usize),
    /// Something else.
    #[error("the message is no model: it starts with {0:02x?}")]
    Magic([u8; 4]),
    /// From a newer program.
    #[error("the model message has framing version {0}, this program reads {MODEL_FRAME_VERSION}")]
    Version(u8),
    /// A reserved byte is used.
    #[error("the model message uses a reserved byte")]
    Reserved,
    /// Beyond [`SIGNATURE_BYTES_MAX`].
    #[error("the model's signature has {0} bytes, at most {SIGNATURE_BYTES_MAX} are allowed")]
    Signature(usize),
    /// The signature is no text.
    #[error("the model's signature is no text")]
    SignatureText,
    /// Beyond [`MODEL_BYTES_MAX`].
    #[error("the model has {0} bytes, at most {MODEL_BYTES_MAX} are allowed")]
    Model(usize),
    /// Cut, or something behind it.
    #[error("the model message has {found} bytes, its head says {said}")]
    Length {
        /// Bytes there are.
        found: usize,
        /// What the head says.
        said: usize,
    },
}

/// Bytes of the message.
///
/// # Errors
/// When the model or its signature is too large.
pub fn encode_model(signed: SignedModel<'_>) -> Result<Vec<u8>, FrameError> {
    let SignedModel { signature, model } = signed;
    check_sizes(signature.len(), model.len())?;
    let size = |bytes: usize| u32::try_from(bytes).expect("checked to be below 512 KiB").to_le_bytes();
    let mut out = Vec::with_capacity(HEAD + signature.len() + model.len());
    out.extend(MODEL_MAGIC);
    out.extend([MODEL_FRAME_VERSION, 0, 0, 0]);
    out.extend(size(signature.len()));
    out.extend(size(model.len()));
    out.extend(signature.as_bytes());
    out.extend(model);
    Ok(out)
}

/// Reads the message.
///
/// # Errors
/// When it is anything else.
pub fn decode_model(bytes: &[u8]) -> Result<SignedModel<'_>, FrameError> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(FrameError::Short(bytes.len()))?;
    let [m0, m1, m2, m3, version, reserved @ .., s0, s1, s2, s3, n0, n1, n2, n3] = *head;
    if [m0, m1, m2, m3] != MODEL_MAGIC {
        return Err(FrameError::Magic([m0, m1, m2, m3]));
    }
    if version != MODEL_FRAME_VERSION {
        return Err(FrameError::Version(version));
    }
    if reserved != [0; 3] {
        return Err(FrameError::Reserved);
    }
    let size = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    let (signature, model) = (size([s0, s1, s2, s3]), size([n0, n1, n2, n3]));
    check_sizes(signature, model)?;
    if rest.len() != signature + model {
        return Err(FrameError::Length { found: bytes.len(), said: HEAD + signature + model });
    }
    let (signature, model) = rest.split_at(signature);
    let signature = core::str::from_utf8(signature).map_err(|_| FrameError::SignatureText)?;
    Ok(SignedModel { signature, model })
}

fn check_sizes(signature: usize, model: usize) -> Result<(), FrameError> {
    if signature > SIGNATURE_BYTES_MAX {
        return Err(FrameError::Signature(signature));
    }
    if model > MODEL_BYTES_MAX { Err(FrameError::Model(model)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_drawing() {
        let bytes = encode_model(SignedModel { signature: "sig", model: b"onnx" }).unwrap();
        assert_eq!(bytes, b"ODDM\x01\0\0\0\x03\0\0\0\x04\0\0\0sigonnx");
    }

    #[test]
    fn bounds_hold_both_ways() {
        let model = vec![0; MODEL_BYTES_MAX + 1];
        let encode = |signature: &str, model: &[u8]| encode_model(SignedModel { signature, model });
        assert_eq!(encode("", &model), Err(FrameError::Model(model.len())));
        assert!(encode(&"s".repeat(SIGNATURE_BYTES_MAX), &model[1..]).is_ok());
        assert_eq!(encode(&"s".repeat(SIGNATURE_BYTES_MAX + 1), b""), Err(FrameError::Signature(1025)));
        assert_eq!(
            decode_model(b"ODDM\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
            Err(FrameError::Signature(0xffff_ffff))
        );
    }

    proptest! {
        #[test]
        fn messages_come_back(signature in "\\PC{0,200}", model in vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
            let signed = SignedModel { signature: &signature, model: &model };
            let bytes = encode_model(signed).unwrap();
            prop_assert_eq!(decode_model(&bytes), Ok(signed));
            prop_assert!(decode_model(&bytes[..cut.index(bytes.len())]).is_err());
            prop_assert!(decode_model(&[bytes.as_slice(), b"x"].concat()).is_err());
        }

        #[test]
        fn random_bytes_are_no_panic(mut bytes in vec(any::<u8>(), 0..64)) {
            let magic = bytes.len().min(4);
            bytes[..magic].copy_from_slice(&MODEL_MAGIC[..magic]);
            if let Ok(signed) = decode_model(&bytes) {
                prop_assert_eq!(encode_model(signed).unwrap(), bytes);
            }
        }
    }
}
