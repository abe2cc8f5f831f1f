//! Model files that cannot be used: refused with a reason by every command that reads one, and the last results stay.

use crate::shell::{ANOMALIES, Folder, LOG, MODEL, TRAIN};

/// `test`, `inspect` and a warm start refuse the model; what was there before stays.
#[track_caller]
fn refused_by_all(folder: &Folder, bytes: &[u8], words: &[&str]) {
    folder.write("bad.onnx", bytes);
    let (before, anomalies, model) = (folder.files(), folder.read(ANOMALIES), folder.read(MODEL));
    let words = [words, &["bad.onnx"]].concat();
    folder.run("test --model bad.onnx").refused(65, &words);
    folder.run("inspect bad.onnx").refused(65, &words);
    folder.run(&format!("{TRAIN} --warm-start bad.onnx")).refused(65, &words);
    assert_eq!(folder.files(), before, "nothing is written");
    assert_eq!(folder.read(ANOMALIES), anomalies, "the last results stay");
    assert_eq!(folder.read(MODEL), model);
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn missing() {
    let folder = Folder::with_logs();
    let before = folder.files();
    folder.run("test --model none.onnx").refused(74, &["none.onnx", "oddline-trainer train", "--model"]);
    folder.run("inspect none.onnx").refused(74, &["none.onnx"]);
    folder.run("train --warm-start none.onnx").refused(74, &["none.onnx"]);
    assert_eq!(folder.files(), before);
}

#[test]
fn damaged_edited_or_of_another_kind() {
    let folder = Folder::with_model();
    folder.must("test");
    let good = folder.read(MODEL);
    refused_by_all(&folder, b"", &["oddline.format"]);
    refused_by_all(&folder, &folder.read(LOG), &["not a valid ONNX file"]);
    for part in [3, 2] {
        refused_by_all(&folder, &good[..good.len() - good.len() / part], &["bad.onnx"]);
    }
    refused_by_all(&folder, &good[..good.len() - 1], &["truncated or edited"]);
    let edited = "edited or damaged since it was written";
    refused_by_all(&folder, &[&good[..], &[0x28, 0x01]].concat(), &[edited]);
    let later = replaced(&good, b"oddline.format\x12\x011", b"oddline.format\x12\x012");
    refused_by_all(&folder, &later, &["format \"2\"", "train a model with this version"]);
    let looser = replaced(&good, b"\"autoencoder\":true,", b"\"autoencoder\":null,");
    refused_by_all(&folder, &looser, &[edited]);
    let mut large = good;
    large.resize(600 * 1024, 0);
    refused_by_all(&folder, &large, &["600 KiB", "at most 512 KiB"]);
}

#[test]
fn a_folder_is_no_model() {
    let folder = Folder::with_model();
    folder.run("test --model logs").refused(74, &["logs"]);
    folder.run("inspect logs").refused(74, &["logs"]);
}
