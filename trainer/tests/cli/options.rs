//! What the options of `train` and `test` do to a model and to what is printed.

use oddline_trainer::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::shell::{ANOMALIES, Folder, MODEL, TRAIN, UNSEEN, run};

#[test]
fn a_threshold_by_budget_or_by_quantile() {
    let folder = Folder::with_logs();
    let train = |options: &str| {
        let summary = folder.must(&format!("{TRAIN} --json {options}")).json();
        assert_eq!(folder.inspect(MODEL)["profile"]["record"]["threshold"], summary["threshold"]);
        summary["threshold"].clone()
    };
    let (usual, strict) = (train(""), train("--alert-budget 0.1"));
    assert_eq!(usual["alert_budget"], 1.0);
    assert_eq!(usual["quantile"], Value::Null);
    assert_eq!(strict["alert_budget"], 0.1);
    assert!(strict["value"].as_f64() > usual["value"].as_f64(), "{strict} above {usual}");
    let (low, high) = (train("--quantile 0.9"), train("--quantile 0.999"));
    assert_eq!(high["quantile"], 0.999);
    assert_eq!(high["alert_budget"], Value::Null);
    assert!(high["value"].as_f64() > low["value"].as_f64(), "{high} above {low}");
}

#[test]
fn a_warm_start_goes_on_from_another_model() {
    let folder = Folder::with_model();
    let (old, bytes) = (folder.inspect(MODEL), folder.read(MODEL));
    assert_eq!(old["sha256"], hex(&Sha256::digest(&bytes)));
    assert_eq!(old["provenance"]["warm_start"], Value::Null);
    let summary = folder.must(&format!("{TRAIN} --warm-start {MODEL} --model next.onnx --json")).json();
    let next = folder.inspect("next.onnx");
    assert_eq!(next["provenance"]["warm_start"], old["sha256"], "it names what it came from");
    assert_eq!(next["version"].as_u64().unwrap(), old["version"].as_u64().unwrap() + 1, "the version grows");
    assert_eq!(summary["version"], next["version"]);
    let loss = |model: &Value| model["provenance"]["validation_loss"].as_f64().unwrap();
    assert!(loss(&next) < loss(&old), "two more epochs are worth something: {} and {}", loss(&next), loss(&old));
    assert_eq!(folder.read(MODEL), bytes, "the old model is only read");
    folder.must(&format!("{TRAIN} --model-version 77 --model given.onnx"));
    assert_eq!(folder.inspect("given.onnx")["version"], 77);
}

#[test]
fn parts_can_be_left_out() {
    let folder = Folder::new();
    folder.must("generate --servers 1 --days 3 --test-days 1 --period-s 300 --contamination 0.1");
    let record = |options: &str| {
        folder.must(&format!("{TRAIN} {options}"));
        let model = folder.inspect(MODEL);
        let parts = (model["profile"]["record"]["autoencoder"].clone(), model["profile"]["record"]["novelty"].clone());
        (parts, model["provenance"]["rows_trimmed"].as_u64().unwrap())
    };
    let (all, trimmed) = record("");
    assert_eq!(all, (json!(true), json!(true)));
    assert!(trimmed > 0, "a tenth of the log is odd");
    assert_eq!(record("--without autoencoder").0, (json!(false), json!(true)));
    let reasons = |folder: &Folder| folder.text(ANOMALIES).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    folder.must("test");
    let without = reasons(&folder);
    assert!(!without.is_empty() && without.iter().all(|r| !r.contains("unexpected")), "{without:?}");
    assert_eq!(record("--without novelty").0, (json!(true), json!(false)));
    folder.must("test");
    assert!(reasons(&folder).iter().all(|r| !r.contains("seen range")));
    assert_eq!(record("--without trimming"), ((json!(true), json!(true)), 0));
}

#[test]
fn learning_from_the_first_part_only() {
    let folder = Folder::with_logs();
    let provenance = |options: &str| {
        folder.must(&format!("{TRAIN} {options}"));
        folder.inspect(MODEL)["provenance"].clone()
    };
    let (all, part) = (provenance(""), provenance("--train-part 0.5"));
    let rows = |p: &Value| p["rows"].as_f64().unwrap();
    assert!((0.45..0.55).contains(&(rows(&part) / rows(&all))), "{part} of {all}");
    assert!(part["newest"].as_str() < all["newest"].as_str());
}

#[test]
fn the_truth_is_compared_when_the_environment_says_so() {
    let folder = Folder::with_model();
    let test = |value: &str| run(folder.command("test").env("DEBUG_WITH_ANOMALY_FLAG", value));
    for value in ["true", "1", "TRUE"] {
        assert!(test(value).stdout.contains("Confusion Matrix:"), "{value}");
    }
    for value in ["false", "0", ""] {
        let done = test(value);
        assert_eq!(done.code, 0, "{value:?}: {}", done.stderr);
        assert!(!done.stdout.contains("Confusion Matrix:"), "{value:?}");
    }
    let blind: String = folder.text(UNSEEN).lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    folder.write("blind.csv", blind);
    folder.must("test --logs blind.csv");
    folder.run("test --logs blind.csv --debug-with-anomaly-flag").refused(65, &["blind.csv", "no column 'anomalous'"]);
}

#[test]
fn json_for_programs() {
    let folder = Folder::new();
    let generated = folder.must("generate --servers 1 --days 1 --test-days 1 --period-s 300 --json").json();
    assert_eq!(generated["streams"], 6);
    assert_eq!(folder.must(&format!("{TRAIN} --json")).json()["streams"], 6);
    let tested = folder.must("test --debug-with-anomaly-flag --report report.json --json").json();
    let written: Value = serde_json::from_slice(&folder.read("report.json")).unwrap();
    assert_eq!(tested, written, "printed and written are the same");
    let confusion = &tested["confusion"];
    let sum: u64 = ["tn", "fp", "fn", "tp"].iter().map(|k| confusion[k].as_u64().unwrap()).sum();
    assert_eq!(tested["run"]["records"], sum);
    let blind = folder.must("test --json").json();
    assert_eq!(blind["run"]["anomalies"], tested["run"]["anomalies"], "the truth changes no verdict");
    assert_eq!(folder.inspect("")["provenance"]["seed"], 1);
    assert_eq!(folder.inspect("")["profile"]["features"].as_array().unwrap().len(), 8);
}
