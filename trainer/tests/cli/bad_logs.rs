//! Logs that cannot be used: the exit code, the file, the line and what to do are said, and nothing is written.

use crate::shell::{Folder, HEADER, MODEL, TRAIN, row, steady};

/// Runs `train` and `test` on a log of these bytes; both must end with `code` and say `words`.
#[track_caller]
fn both_refuse(bytes: &[u8], code: i32, words: &[&str]) {
    let folder = Folder::with_model();
    folder.write("bad.csv", bytes);
    let before = folder.files();
    let model = folder.read(MODEL);
    folder.run(&format!("{TRAIN} --logs bad.csv")).refused(code, words);
    folder.run("test --logs bad.csv").refused(code, words);
    assert_eq!(folder.files(), before, "nothing is written");
    assert_eq!(folder.read(MODEL), model, "the old model stays");
}

#[test]
fn missing() {
    let folder = Folder::with_model();
    let before = folder.files();
    let words = ["none.csv", "oddline-trainer generate", "--logs"];
    folder.run("train --logs none.csv").refused(74, &words);
    folder.run("test --logs none.csv").refused(74, &words);
    assert_eq!(folder.files(), before);
    let folder = Folder::new();
    folder.run("train").refused(74, &["logs/server_logs.txt", "oddline-trainer generate"]);
    folder.run("test").refused(74, &["models/autoencoder.onnx", "oddline-trainer train"]);
}

#[test]
fn empty() {
    both_refuse(b"", 65, &["bad.csv", "empty", "header"]);
    both_refuse(b"\n\n\n", 65, &["bad.csv", "line 1", "value"]);
}

#[test]
fn header_only() {
    both_refuse(HEADER.as_bytes(), 65, &["bad.csv", "no usable record"]);
    both_refuse(format!("{HEADER}\r\n  \n").as_bytes(), 65, &["bad.csv", "no usable record"]);
}

#[test]
fn wrong_columns() {
    both_refuse(
        b"time,host,metric,reading\n1,2,3,4\n",
        65,
        &["bad.csv", "no usable record", "timestamp cannot be read", "line 2: 1,2,3,4"],
    );
    both_refuse(b"timestamp,value,value\n", 65, &["bad.csv", "line 1", "twice"]);
    let short = format!("{HEADER}{}", "2026-02-01T00:00:00Z,server-01,cpu,1\n".repeat(300));
    both_refuse(short.as_bytes(), 65, &["bad.csv", "no usable record", "line 2", "300 x another number of fields"]);
}

#[test]
fn no_column_of_times() {
    let folder = Folder::new();
    let rows: String = (0..400).map(|i| format!("cpu,{}\n", 50 + i % 7)).collect();
    folder.write("bad.csv", format!("component,value\n{rows}").as_bytes());
    folder.run(&format!("{TRAIN} --logs bad.csv")).refused(65, &["has a time of its own", "timestamp"]);
}

#[test]
fn no_header() {
    both_refuse(row(0, 1.0).repeat(300).as_bytes(), 65, &["bad.csv", "line 1", "'value'"]);
}

#[test]
fn nothing_but_what_is_no_number() {
    for (value, word) in
        [("NaN", "NaN or infinite"), ("-inf", "NaN or infinite"), ("high", "not a number"), ("", "not a")]
    {
        let log = format!("{HEADER}{}", format!("2026-02-01T00:00:00Z,server-01,cpu,{value},0\n").repeat(300));
        both_refuse(log.as_bytes(), 65, &["bad.csv", "no usable record", word, "line 2"]);
    }
}

#[test]
fn no_times() {
    let log = format!("{HEADER}{}", "soon,server-01,cpu,1.5,0\n".repeat(300));
    both_refuse(log.as_bytes(), 65, &["bad.csv", "timestamp cannot be read", "RFC 3339", "line 2"]);
}

#[test]
fn bytes_that_are_no_text() {
    let noise: Vec<u8> = (0..4_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    both_refuse(&noise, 65, &["bad.csv", "line 1"]);
    both_refuse(&[HEADER.as_bytes(), &noise].concat(), 65, &["bad.csv", "no usable record"]);
}

#[test]
fn too_short_to_learn_from() {
    let folder = Folder::new();
    folder.write("bad.csv", steady(150));
    folder.run("train --logs bad.csv").refused(65, &["200 records", "150"]);
    folder.write("bad.csv", steady(400));
    folder.run("train --logs bad.csv --train-part 0.25").refused(65, &["200 records", "100"]);
    assert!(!folder.path(MODEL).exists());
}

#[test]
fn folders() {
    let folder = Folder::with_model();
    folder.write("notes/read.me", "no log");
    for command in ["train", "test"] {
        folder.run(&format!("{command} --logs notes")).refused(65, &["notes", ".csv, .txt or .log"]);
    }
    folder.write("mixed/a.csv", steady(300));
    folder.write("mixed/b.csv", "");
    folder.run("train --logs mixed").refused(65, &["b.csv", "empty"]);
}

#[test]
fn a_missing_truth_beside_the_log_is_no_error_but_a_wrong_one_is() {
    let folder = Folder::with_model();
    folder.write("logs/unseen_logs.kinds.csv", "timestamp,server,component,kind,event,anomalous\nnonsense\n");
    folder.must("test");
    folder.run("test --debug-with-anomaly-flag").refused(65, &["unseen_logs.kinds.csv", "line 2"]);
}
