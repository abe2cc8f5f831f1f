//! Bytes that are no model, or no longer: refused, whatever they are, and never a panic.

use oddline_core::seal::seal;
use oddline_detector::{Judge, ModelOpenError, OpenModel};
use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    fixture::{NAMES, model_bytes, unseen},
    onnx::{decoded, refusal, sealed},
};

#[test]
fn nothing_and_noise() {
    assert!(matches!(refusal(b"", "empty"), ModelOpenError::NoMetadata("oddline.format")));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(21);
    for round in 0..500 {
        let mut bytes = vec![0; random.random_range(1..2_000)];
        random.fill_bytes(&mut bytes);
        refusal(&bytes, &format!("noise {round}"));
    }
    refusal(b"timestamp,server,component,value,anomalous\n", "a log");
}

#[test]
fn too_large() {
    let mut bytes = model_bytes().to_vec();
    bytes.resize(512 * 1024 + 1, 0);
    assert!(matches!(refusal(&bytes, "large"), ModelOpenError::TooLarge { found: 524_289, limit: 524_288 }));
}

#[test]
fn cut_anywhere() {
    let bytes = model_bytes();
    for i in 0..200 {
        let end = bytes.len() * i / 200;
        refusal(&bytes[..end], &format!("cut at {end}"));
    }
    for end in bytes.len() - 64..bytes.len() {
        refusal(&bytes[..end], &format!("cut at {end}"));
    }
}

#[test]
fn any_flipped_bit_and_anything_behind() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(22);
    for _ in 0..500 {
        let mut bytes = model_bytes().to_vec();
        let (at, bit) = (random.random_range(0..bytes.len()), random.random_range(0..8));
        bytes[at] ^= 1 << bit;
        refusal(&bytes, &format!("bit {bit} of byte {at}"));
    }
    let twice = [model_bytes(), model_bytes()].concat();
    refusal(&twice, "the file twice");
}

/// Someone who edits the file can write its checksum as well: what gets past all checks then judges without a panic,
/// and says nothing that is no number.
#[test]
fn flipped_and_sealed_again() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(23);
    let whole = sealed(&decoded());
    let body = &whole[..whole.len() - 30];
    let entries = &unseen()[..256];
    let mut opened = 0;
    for _ in 0..500 {
        let mut bytes = body.to_vec();
        let (at, bit) = (random.random_range(0..bytes.len()), random.random_range(0..8));
        bytes[at] ^= 1 << bit;
        seal(&mut bytes);
        let model = match OpenModel::open(&bytes) {
            Ok(model) => model,
            Err(ModelOpenError::Panicked) => panic!("bit {bit} of byte {at}: the runtime panicked on it"),
            Err(_) => continue,
        };
        opened += 1;
        let (mut judge, mut out) = (Judge::new(&model).unwrap(), Vec::new());
        for entry in entries {
            judge.push(&entry.record(), NAMES, &mut out).unwrap();
        }
        judge.flush(&mut out).unwrap();
        assert_eq!(out.len(), entries.len());
        assert!(out.iter().all(|j| j.verdict.score.value.is_finite()), "bit {bit} of byte {at}");
    }
    assert!(opened > 10, "digits of a profile can be changed: {opened} of 500 opened");
}
