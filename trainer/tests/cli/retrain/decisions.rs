//! What is promoted and what is held, on whole weeks.

use std::process::Command;

use serde_json::Value;

use super::{
    CURRENT, KEY, LOG, NEXT, RETRAIN, SIGNATURE, decided, report,
    week::{Weeks, new_level, scattered, wider},
};
use oddline_testkit::not_run;

const SEEDS: [u64; 2] = [7_001, 7_002];

#[test]
fn changed_behaviour_is_promoted_and_signed() {
    for seed in SEEDS {
        let mut weeks = Weeks::with_key(seed);
        weeks.write(|row, _| new_level(row));
        let folder = &weeks.folder;
        let done = folder.run(&format!("{RETRAIN} {LOG} --current {CURRENT} --key {KEY}"));
        decided(folder, &done, "promote", &["7 new streams"]);
        let (old, next) = (folder.inspect(CURRENT), folder.inspect(NEXT));
        assert!(next["version"].as_u64() > old["version"].as_u64(), "an agent takes only what is newer");
        assert_eq!(next["provenance"]["warm_start"], old["sha256"]);
        let streams = &report(folder)["figures"]["streams"];
        assert_eq!((&streams["known"], &streams["new"]), (&Value::from(11), &Value::from(7)), "{streams}");
        assert!(streams["away"].as_u64().unwrap() >= 5 && streams["swallowed"] == 0, "{streams}");
        let verify = ["-Vm", NEXT, "-p", "keys/oddline.pub"];
        match Command::new("minisign").args(verify).current_dir(folder.path(".")).output() {
            Ok(run) => assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr)),
            Err(_) => not_run("retrain: the stock tool", "minisign is not installed"),
        }
    }
}

/// One long episode is one alert: that it lasts is what counts.
#[test]
fn another_level_alone_is_promoted() {
    let mut weeks = Weeks::with_key(7_008);
    weeks.forget_new();
    weeks.write(|row, _| new_level(row));
    let folder = &weeks.folder;
    let done = folder.run(&format!("{RETRAIN} {LOG} --current {CURRENT} --key {KEY}"));
    decided(folder, &done, "promote", &["streams that are anomalous over and over are usual to it"]);
    assert_eq!(report(folder)["figures"]["streams"]["learnt"], 6);
    assert!(folder.path(SIGNATURE).exists());
}

/// The log's own column says of every record that it is normal, and that none is: the decision is the same.
#[test]
fn poisoned_logs_are_held() {
    type Poison = fn(&mut super::week::Row, &mut rand::rngs::Xoshiro256PlusPlus);
    let poisons: [(&str, Poison); 2] = [("sensors spike everywhere", scattered), ("ever wider", wider)];
    for seed in SEEDS {
        let mut weeks = Weeks::with_key(seed);
        weeks.forget_new();
        for (name, poison) in poisons {
            weeks.write(poison);
            let folder = &weeks.folder;
            let done = folder.run(&format!("{RETRAIN} {LOG} --current {CURRENT} --key {KEY}"));
            decided(folder, &done, "hold", &["the data look"]);
            assert!(!folder.path(SIGNATURE).exists(), "{name}: nothing is signed");
        }
    }
}

#[test]
fn what_does_as_well_does_not_replace() {
    let mut weeks = Weeks::with_key(7_003);
    weeks.forget_new();
    weeks.write(|_, _| ());
    let folder = &weeks.folder;
    let done = folder.run(&format!("{RETRAIN} {LOG} --current {CURRENT} --key {KEY}"));
    decided(folder, &done, "hold", &["the model in use does as well"]);
    assert!(!folder.path(SIGNATURE).exists());
}

#[test]
fn the_truth_is_shown_and_decides_nothing() {
    let mut weeks = Weeks::new(7_004);
    weeks.forget_new();
    weeks.write(|_, _| ());
    let folder = &weeks.folder;
    let run = format!("{RETRAIN} {LOG} --current {CURRENT}");
    folder.must(&run);
    let told = report(folder);
    let truth = &told["figures"]["candidate"]["truth"];
    assert!(truth["found"].as_u64().unwrap() > 0 && truth["recall"].as_f64().unwrap() > 0.3, "{truth}");
    let (model, figures) = (folder.read(NEXT), told["figures"].clone());
    weeks.write(|row, _| row.anomalous = !row.anomalous);
    let folder = &weeks.folder;
    folder.must(&run);
    let lied = report(folder);
    assert_ne!(lied["figures"]["candidate"]["truth"], figures["candidate"]["truth"]);
    assert_eq!((&lied["decision"], &lied["reason"]), (&told["decision"], &told["reason"]));
    for part in ["injected", "streams", "rows", "reach"] {
        assert_eq!(lied["figures"][part], figures[part], "{part}");
    }
    let plain = |bytes: &[u8]| bytes.len();
    assert_eq!(plain(&folder.read(NEXT)), plain(&model));
}
