//! The column `anomalous` is for tests: turned around or taken away, it changes nothing that is learnt.

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    fixture::{generate_log, train},
    onnx::{ModelProto, decode},
};

/// The file's content without the two entries that speak of the log's and the file's bytes.
fn learnt(bytes: &[u8]) -> ModelProto {
    let mut model = decode(bytes);
    let provenance = model.metadata_props.iter_mut().find(|p| p.key == "oddline.provenance").unwrap();
    let mut value: Value = serde_json::from_str(&provenance.value).unwrap();
    assert_ne!(value["data_sha256"].take(), Value::Null);
    provenance.value = value.to_string();
    model
}

fn rewritten(log: &str, row: impl Fn(&str, &str) -> String) -> String {
    log.lines().map(|line| line.rsplit_once(',').map(|(rest, truth)| row(rest, truth)).unwrap()).collect()
}

#[test]
fn the_truth_is_never_learnt_from() {
    let folder = TempDir::new().unwrap();
    let log = generate_log(folder.path());
    assert!(log.lines().filter(|l| l.ends_with(",1")).count() > 100, "there is a truth to be blind to");
    let expected = learnt(&train(folder.path(), &log));
    let inverted = rewritten(&log, |rest, truth| {
        let truth = match truth {
            "0" => "1",
            "1" => "0",
            header => header,
        };
        format!("{rest},{truth}\n")
    });
    assert_ne!(inverted, log);
    let removed = rewritten(&log, |rest, _| format!("{rest}\n"));
    for (what, log) in [("inverted", inverted), ("removed", removed)] {
        assert!(learnt(&train(folder.path(), &log)) == expected, "{what}: another model");
    }
}

#[test]
fn the_same_log_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let log = generate_log(folder.path());
    assert_eq!(train(folder.path(), &log), train(folder.path(), &log));
}
