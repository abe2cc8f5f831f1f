//! From foreign bytes to a model that may be used. The order matters: nothing reads the ONNX file before its signature
//! is known to be good. Pure; opening the file is an argument, so that this needs no model runtime.
//!
//! size -> SHA-256 -> signature -> version rule -> open (format, features, operators, golden rows) -> version said

use std::fmt;

use minisign_verify::{PublicKey, Signature};
use oddline_core::{
    amounts::size,
    id::ModelHash,
    limits::MODEL_BYTES_MAX,
    wire::{DesiredModel, ModelId, SignedModel},
};
use sha2::{Digest, Sha256};

use super::slots::{self, ModelSlots};

/// Trusted keys of one agent: the one in use and, while it is being replaced, its successor.
pub(crate) const TRUSTED_KEYS_MAX: usize = 2;

/// Public keys whose signatures count.
pub(crate) struct TrustedKeys(Vec<PublicKey>);

/// Why a text is no trusted key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// Neither a minisign public key nor the file of one.
    #[error("trusted key {0}: no minisign public key (a line of 56 characters, or the .pub file with its comment)")]
    Unreadable(usize),
    /// More than [`TRUSTED_KEYS_MAX`].
    #[error("{0} trusted keys: at most {TRUSTED_KEYS_MAX} are allowed")]
    TooMany(usize),
}

/// Why a model is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VerifyRefusal {
    /// Beyond [`MODEL_BYTES_MAX`].
    #[error("the model has {}, at most {} are allowed", size(*.0 as u64), size(MODEL_BYTES_MAX as u64))]
    TooLarge(usize),
    /// Other bytes than were asked for.
    #[error("the bytes have SHA-256 {0}: they are not the model that is desired")]
    Hash(ModelHash),
    /// No key is trusted, so no model can be.
    #[error("no key is trusted here: name one in the configuration to take models")]
    NoKeys,
    #[error("the model is not signed")]
    Unsigned,
    /// A signature by nobody trusted, of other bytes, or none.
    #[error("the signature is not good: {0}")]
    Signature(String),
    #[error(transparent)]
    Slots(#[from] slots::SlotRefusal),
    #[error("{0}")]
    Open(String),
    /// The file says another version than the wish.
    #[error("the file has version {found}, {said} was said: the push was made with another file")]
    Version { found: u64, said: u64 },
}

impl TrustedKeys {
    /// Reads keys, each a line of base64 or the text of a `.pub` file.
    ///
    /// # Errors
    /// All that are none, and too many.
    pub(crate) fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, Vec<KeyError>> {
        let read = |(at, text): (usize, &S)| {
            let text = text.as_ref().trim();
            let key = if text.contains('\n') { PublicKey::decode(text) } else { PublicKey::from_base64(text) };
            key.map_err(|_| KeyError::Unreadable(at + 1))
        };
        let (keys, errors): (Vec<_>, Vec<_>) = texts.iter().enumerate().map(read).partition(Result::is_ok);
        let mut errors: Vec<KeyError> = errors.into_iter().filter_map(Result::err).collect();
        if texts.len() > TRUSTED_KEYS_MAX {
            errors.push(KeyError::TooMany(texts.len()));
        }
        if errors.is_empty() { Ok(Self(keys.into_iter().filter_map(Result::ok).collect())) } else { Err(errors) }
    }

    /// Whether one of the keys has signed these bytes.
    pub(crate) fn check(&self, bytes: &[u8], signature: &str) -> Result<(), VerifyRefusal> {
        if self.0.is_empty() {
            return Err(VerifyRefusal::NoKeys);
        }
        if signature.is_empty() {
            return Err(VerifyRefusal::Unsigned);
        }
        let signature = Signature::decode(signature).map_err(|e| VerifyRefusal::Signature(e.to_string()))?;
        let mut reason = None;
        for key in &self.0 {
            match key.verify(bytes, &signature, false) {
                Ok(()) => return Ok(()),
                // Among several keys the one that was meant says what is wrong.
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                Err(error) => reason = Some(error.to_string()),
            }
        }
        Err(VerifyRefusal::Signature(
            reason.unwrap_or_else(|| "it was made with a key that is not trusted here".to_owned()),
        ))
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKeys({})", self.0.len())
    }
}

/// SHA-256 of a model file.
#[must_use]
pub(crate) fn hash(bytes: &[u8]) -> ModelHash {
    ModelHash(Sha256::digest(bytes).into())
}

/// Checks a model that came for a wish; `open` gives the opened model and the version in its file.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn verify<M>(
    desired: &DesiredModel,
    signed: SignedModel<'_>,
    keys: &TrustedKeys,
    slots: &ModelSlots,
    open: impl FnOnce(&[u8]) -> Result<(u64, M), String>,
) -> Result<M, VerifyRefusal> {
    let SignedModel { signature, model } = signed;
    let ModelId { sha256, version: said } = desired.model;
    if model.len() > MODEL_BYTES_MAX {
        return Err(VerifyRefusal::TooLarge(model.len()));
    }
    let found = hash(model);
    if found != sha256 {
        return Err(VerifyRefusal::Hash(found));
    }
    // The wish may bring a newer signature, by a newer key, of the same bytes.
    keys.check(model, signature).or_else(|refusal| match &desired.signature {
        Some(signature) => keys.check(model, signature),
        None => Err(refusal),
    })?;
    slots.check_newer(desired.model)?;
    let (found, opened) = open(model).map_err(VerifyRefusal::Open)?;
    if found == said { Ok(opened) } else { Err(VerifyRefusal::Version { found, said }) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        fs,
        path::Path,
        process::{Command, Stdio},
    };

    use minisign::KeyPair;
    use oddline_core::event::BoundedText;

    use super::*;

    pub(in super::super) struct TestSigner(KeyPair);

    impl TestSigner {
        pub(in super::super) fn new() -> Self {
            Self(KeyPair::generate_unencrypted_keypair().unwrap())
        }

        pub(in super::super) fn public(&self) -> String {
            self.0.pk.to_base64()
        }

        pub(in super::super) fn sign(&self, bytes: &[u8]) -> String {
            minisign::sign(Some(&self.0.pk), &self.0.sk, bytes, None, None).unwrap().into_string()
        }
    }

    /// The version is the file's first byte.
    pub(in super::super) fn open(bytes: &[u8]) -> Result<(u64, Vec<u8>), String> {
        let version = bytes.first().ok_or("an empty file")?;
        Ok((u64::from(*version), bytes.to_vec()))
    }

    pub(in super::super) fn wish(file: &[u8]) -> DesiredModel {
        let model = ModelId { sha256: hash(file), version: u64::from(file[0]) };
        DesiredModel { model, rollback: false, signature: None }
    }

    fn never(_: &[u8]) -> Result<(u64, ()), String> {
        panic!("an untrusted file was opened")
    }

    #[test]
    fn a_signed_newer_model_is_taken() {
        let (old, new) = (TestSigner::new(), TestSigner::new());
        let keys = TrustedKeys::parse(&[old.public(), format!("untrusted comment: next\n{}", new.public())]).unwrap();
        for signer in [&old, &new] {
            let signature = signer.sign(b"\x05onnx");
            let signed = SignedModel { signature: &signature, model: b"\x05onnx" };
            assert_eq!(verify(&wish(b"\x05onnx"), signed, &keys, &ModelSlots::new(None), open).unwrap(), b"\x05onnx");
        }
    }

    #[test]
    fn untrusted_bytes_are_never_opened() {
        let (signer, stranger) = (TestSigner::new(), TestSigner::new());
        let keys = TrustedKeys::parse(&[signer.public()]).unwrap();
        let slots = ModelSlots::new(None);
        let file = b"\x05onnx";
        let refusal = |desired: &DesiredModel, signature: &str, model: &[u8], keys: &TrustedKeys| {
            verify(desired, SignedModel { signature, model }, keys, &slots, never).unwrap_err()
        };
        let good = signer.sign(file);
        assert_eq!(refusal(&wish(file), &good, b"\x06onnx", &keys), VerifyRefusal::Hash(hash(b"\x06onnx")));
        assert_eq!(refusal(&wish(file), "", file, &keys), VerifyRefusal::Unsigned);
        assert_eq!(refusal(&wish(file), &good, file, &TrustedKeys::parse::<&str>(&[]).unwrap()), VerifyRefusal::NoKeys);
        for bad in [signer.sign(b"\x05other"), stranger.sign(file), "no signature".to_owned(), good[..150].to_owned()] {
            assert!(matches!(refusal(&wish(file), &bad, file, &keys), VerifyRefusal::Signature(_)), "{bad}");
        }
        let large = vec![5; MODEL_BYTES_MAX + 1];
        assert_eq!(refusal(&wish(&large), &good, &large, &keys), VerifyRefusal::TooLarge(large.len()));
        let reason = refusal(&wish(file), &stranger.sign(file), file, &keys).to_string();
        assert_eq!(reason, "the signature is not good: it was made with a key that is not trusted here");
    }

    #[test]
    fn every_flipped_bit_of_a_signature_counts() {
        let signer = TestSigner::new();
        let keys = TrustedKeys::parse(&[signer.public()]).unwrap();
        let signature = signer.sign(b"\x05onnx");
        let first_line = signature.find('\n').unwrap() + 1;
        for at in first_line..signature.trim_end().len() {
            let mut flipped = signature.clone().into_bytes();
            flipped[at] ^= 1;
            let Ok(flipped) = String::from_utf8(flipped) else { continue };
            assert!(keys.check(b"\x05onnx", &flipped).is_err(), "byte {at}");
        }
    }

    #[test]
    fn old_versions_and_wrong_files_are_refused_though_signed() {
        let signer = TestSigner::new();
        let keys = TrustedKeys::parse(&[signer.public()]).unwrap();
        let mut slots = ModelSlots::new(None);
        let file = b"\x05onnx";
        let signature = signer.sign(file);
        let signed = SignedModel { signature: &signature, model: file };
        let mut desired = wish(file);
        desired.model.version = 7;
        assert_eq!(verify(&desired, signed, &keys, &slots, open), Err(VerifyRefusal::Version { found: 5, said: 7 }));
        let broken = |_: &[u8]| -> Result<(u64, Vec<u8>), String> { Err("golden row 3".to_owned()) };
        assert_eq!(
            verify(&wish(file), signed, &keys, &slots, broken),
            Err(VerifyRefusal::Open("golden row 3".to_owned()))
        );
        slots.take(ModelId { sha256: ModelHash([0; 32]), version: 5 });
        let old = slots::SlotRefusal::NotNewer { version: 5, highest: 5 };
        assert_eq!(verify(&wish(file), signed, &keys, &slots, never).unwrap_err(), VerifyRefusal::Slots(old));
    }

    #[test]
    fn a_newer_signature_in_the_wish_counts_too() {
        let (old, new) = (TestSigner::new(), TestSigner::new());
        let keys = TrustedKeys::parse(&[new.public()]).unwrap();
        let file = b"\x05onnx";
        let signature = old.sign(file);
        let signed = SignedModel { signature: &signature, model: file };
        let slots = ModelSlots::new(None);
        assert!(verify(&wish(file), signed, &keys, &slots, open).is_err());
        let desired = DesiredModel { signature: Some(BoundedText::cut(&new.sign(file))), ..wish(file) };
        assert!(verify(&desired, signed, &keys, &slots, open).is_ok());
    }

    /// Runs the stock tool in a folder; `None`, noted for the report, when it is not installed.
    fn minisign(test: &str, folder: &Path, arguments: &[&str]) -> Option<bool> {
        let run = Command::new("minisign").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
        let Ok(output) = run else {
            oddline_testkit::not_run(test, "minisign is not installed");
            return None;
        };
        Some(output.status.success())
    }

    #[test]
    fn the_stock_tool_and_we_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let run = |arguments: &[&str]| minisign("model::verify: stock tool", folder.path(), arguments);
        let Some(made) = run(&["-G", "-W", "-p", "k.pub", "-s", "k.sec"]) else { return };
        let file = b"\x05onnx";
        fs::write(path("m.onnx"), file).unwrap();
        assert!(made && run(&["-S", "-s", "k.sec", "-m", "m.onnx"]) == Some(true));
        let keys = TrustedKeys::parse(&[fs::read_to_string(path("k.pub")).unwrap()]).unwrap();
        let signature = fs::read_to_string(path("m.onnx.minisig")).unwrap();
        assert_eq!(keys.check(file, &signature), Ok(()));
        assert!(keys.check(b"\x05other", &signature).is_err());

        let signer = TestSigner::new();
        fs::write(path("m.onnx.minisig"), signer.sign(file)).unwrap();
        assert_eq!(run(&["-V", "-m", "m.onnx", "-P", &signer.public()]), Some(true));
    }

    #[test]
    fn keys_are_read_and_all_that_are_none_are_named() {
        let key = TestSigner::new().public();
        let errors = TrustedKeys::parse(&["x", &key, "y\nz"]).unwrap_err();
        assert_eq!(errors, [KeyError::Unreadable(1), KeyError::Unreadable(3), KeyError::TooMany(3)]);
    }
}
