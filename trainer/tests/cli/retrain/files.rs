//! What a run reads and leaves behind, and what it refuses.

use serde_json::Value;

use super::{
    CURRENT, KEY, LOG, NEXT, REPORT, RETRAIN, SIGNATURE, decided, report,
    week::{Weeks, new_level, text},
};
use std::fs;

use crate::shell::{Folder, steady};

/// One small fleet serves all that does not depend on what is decided.
fn weeks() -> Weeks {
    let mut weeks = Weeks::new(7_005);
    weeks.write(|row, _| new_level(row));
    weeks
}

#[test]
fn without_a_key_a_person_is_asked() {
    let weeks = weeks();
    let folder = &weeks.folder;
    folder.write(SIGNATURE, "of another model");
    let done = folder.run(&format!("{RETRAIN} {LOG} --current {CURRENT}"));
    decided(folder, &done, "ask", &["7 new streams", "no signing key"]);
    for command in
        ["oddline-trainer sign models/next.onnx", "oddline-collector push models/next.onnx --report models/next.json"]
    {
        assert!(done.stdout.contains(command), "{}", done.stdout);
    }
    assert!(!folder.path(SIGNATURE).exists(), "a signature that is not its own is taken away");
    assert!(folder.text("models/next.md").starts_with("# Retraining: ask\n"));
    folder.must(&format!("keygen --key {KEY}"));
    folder.must(&format!("sign {NEXT}"));
}

#[test]
fn the_same_logs_model_and_seed_give_the_same_bytes() {
    let (one, two) = (weeks(), weeks());
    for weeks in [&one, &two] {
        weeks.folder.must(&format!("{RETRAIN} {LOG} --current {CURRENT}"));
    }
    for file in [NEXT, REPORT, "models/next.md"] {
        assert!(one.folder.read(file) == two.folder.read(file), "{file} differs");
    }
    let before = one.folder.read(NEXT);
    one.folder.must(&format!("{RETRAIN} {LOG} --current {CURRENT} --seed 2"));
    assert!(one.folder.read(NEXT) != before, "another seed, another model");
}

#[test]
fn a_warm_start_is_one() {
    let weeks = weeks();
    let folder = &weeks.folder;
    let fit = |options: &str| {
        folder.must(&format!("{RETRAIN} {LOG} --current {CURRENT} {options}"));
        report(folder)["fit"].clone()
    };
    let old = folder.inspect(CURRENT);
    let (warm, cold) = (fit(""), fit("--cold"));
    assert_eq!(warm["start"]["warm"]["version"], old["version"]);
    assert_eq!(cold["start"]["cold"], "it was asked for");
    let first = |fit: &Value| fit["first_loss"].as_f64().unwrap();
    assert!(first(&warm) < 0.9 * first(&cold), "{warm} {cold}");
    let next = folder.inspect(NEXT);
    assert_eq!(next["provenance"]["warm_start"], Value::Null, "what started cold does not say otherwise");
    assert!(next["version"].as_u64() > old["version"].as_u64(), "but its version grows");
}

#[test]
fn a_server_that_was_away_stays_known() {
    let mut weeks = weeks();
    weeks.rows.retain(|row| row.server != "server-01");
    weeks.write(|_, _| ());
    let folder = &weeks.folder;
    folder.must(&format!("{RETRAIN} {LOG} --current {CURRENT}"));
    assert_eq!(report(folder)["figures"]["streams"]["absent"], 6);
    let baselines = |model: &str| folder.inspect(model)["profile"]["baselines"].as_array().unwrap().clone();
    let of = |model: &str| baselines(model).into_iter().filter(|b| b["server"] == "server-01").collect::<Vec<_>>();
    assert_eq!(of(NEXT), of(CURRENT));
    assert_eq!(baselines(NEXT).len(), 18);
}

#[test]
fn several_files_and_patterns_are_one_log() {
    let weeks = weeks();
    let folder = &weeks.folder;
    let half = weeks.rows.len() / 2;
    folder.write("logs/part-2.csv", text(&weeks.rows[half..]));
    folder.write("logs/part-1.csv", text(&weeks.rows[..half]));
    folder.must(&format!("{RETRAIN} logs/part-?.csv --current {CURRENT}"));
    let of_parts = report(folder)["figures"]["data"].clone();
    assert_eq!(of_parts["records"], weeks.rows.len());
    folder.must(&format!("{RETRAIN} logs/part-2.csv logs/part-1.csv logs/part-*.csv --current {CURRENT}"));
    let again = &report(folder)["figures"]["data"];
    assert_eq!(again["records"], weeks.rows.len(), "each file once, whatever its order");
    assert_eq!(again["held_out_from"], of_parts["held_out_from"]);
    folder.run(&format!("{RETRAIN} logs/none-*.csv --current {CURRENT}")).refused(65, &["logs/none-*.csv"]);
    folder.run(&format!("{RETRAIN} logs/none.csv --current {CURRENT}")).refused(74, &["logs/none.csv"]);
}

#[test]
fn the_first_model_needs_none_before_it() {
    let weeks = weeks();
    let folder = &weeks.folder;
    folder.must(&format!("keygen --key {KEY}"));
    let done = folder.run(&format!("{RETRAIN} {LOG} --key {KEY}"));
    decided(folder, &done, "promote", &["the first model"]);
    assert_eq!(report(folder)["fit"]["start"]["cold"], "there is no model in use");
    assert!(folder.path(SIGNATURE).exists());
}

#[test]
fn too_little_to_learn_from_is_held() {
    let folder = Folder::with_model();
    folder.write("logs/short.csv", steady(150));
    folder.write("logs/days.csv", steady(2 * 1440));
    let run = |log: &str| folder.run(&format!("{RETRAIN} {log} --current models/autoencoder.onnx"));
    decided(&folder, &run("logs/short.csv"), "hold", &["too little data", "200 records"]);
    decided(&folder, &run("logs/days.csv"), "hold", &["too little data", "2.0 days", "4"]);
    assert!(!folder.path(NEXT).exists(), "nothing was learnt");
    folder.write("logs/thin.csv", steady(5 * 1440));
    decided(&folder, &run("logs/thin.csv"), "hold", &["too little data", "test anomalies"]);
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_written() {
    let folder = Folder::with_model();
    folder.write("logs/week.csv", steady(5 * 1440));
    folder.write("bad.onnx", &folder.read("models/autoencoder.onnx")[..2000]);
    folder.write("bad.key", "no key");
    let before = folder.files();
    let run = |arguments: &str| folder.run(&format!("{RETRAIN} {arguments}"));
    run("logs/week.csv --current bad.onnx").refused(65, &["bad.onnx", "refused", "pushed last"]);
    run("logs/week.csv --current none.onnx").refused(74, &["none.onnx", "--current"]);
    run("logs/week.csv --key bad.key").refused(65, &["bad.key", "no secret key"]);
    run("").refused(2, &["LOGS", "--config"]);
    run("-").refused(2, &["standard input"]);
    run("logs/week.csv --alert-budget 0").refused(2, &["--alert-budget"]);
    run("logs/week.csv --report next.json").refused(2, &["--report"]);
    let model = "models/autoencoder.onnx";
    run(&format!("logs/week.csv --current {model} --out ./{model}"))
        .refused(2, &["the new model would replace the model in use", model]);
    run(&format!("logs/week.csv --anchor {model} --out models/../{model}")).refused(2, &["the anchor"]);
    run("logs/week.csv --key bad.key --report bad.key").refused(2, &["the report would replace the key"]);
    run(&format!("logs/week.csv --current {model} --anchor {model}")).refused(2, &["are one file"]);
    let held = fs::File::open(folder.path("models")).unwrap();
    held.lock().unwrap();
    run("logs/week.csv").refused(1, &["another retraining", "models"]);
    drop(held);
    assert_eq!(folder.files(), before);
}
