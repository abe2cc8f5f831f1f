//! A well-formed file with something in it that cannot be: each is refused, and the reason names it.

use oddline_core::{profile::ProfileError, stream::FEATURES};
use oddline_detector::ModelOpenError;
use serde_json::{Value, json};

use crate::onnx::{edited, refusal, with_json, with_metadata};

const PROFILE: &str = "oddline.profile";
const GOLDEN: &str = "oddline.golden";

#[test]
fn each_metadata_key_is_needed() {
    for key in ["oddline.format", "oddline.version", PROFILE, "oddline.provenance", GOLDEN] {
        let bytes = edited(|model| model.metadata_props.retain(|p| p.key != key));
        let refused = refusal(&bytes, key);
        assert!(matches!(refused, ModelOpenError::NoMetadata(missing) if missing == key), "{key}: {refused}");
    }
}

#[test]
fn another_format_is_told_apart_from_damage() {
    let refused = refusal(&with_metadata("oddline.format", |_| "2".to_owned()), "format 2");
    assert!(matches!(refused, ModelOpenError::Format { .. }), "{refused}");
    assert!(refused.to_string().contains("train a model with this version"), "{refused}");
}

#[test]
fn versions_are_whole_numbers() {
    for version in ["", "-1", "1.5", "x", "18446744073709551616"] {
        let refused = refusal(&with_metadata("oddline.version", |_| version.to_owned()), version);
        assert!(matches!(refused, ModelOpenError::Metadata { key: "oddline.version", .. }), "{version}: {refused}");
    }
}

#[test]
fn metadata_that_is_no_json() {
    for key in [PROFILE, "oddline.provenance", GOLDEN] {
        for text in ["", "{", "[]", "null", "{}", &"[".repeat(10_000)] {
            let refused = refusal(&with_metadata(key, |_| text.to_owned()), key);
            assert!(refused.to_string().contains(key), "{key}: {refused}");
        }
    }
}

/// A change to a profile and a word of the refusal.
type Change = (&'static str, fn(&mut Value));

#[rustfmt::skip]
const IMPOSSIBLE: &[Change] = &[
    ("record.scale", |p| p["record"]["scale"][3] = json!(-1.0)),
    ("record.scale", |p| p["record"]["scale"][3] = json!(0.0)),
    ("record.residual_quantile", |p| p["record"]["residual_quantile"][0] = json!(-0.5)),
    ("record.value_quantile", |p| p["record"]["value_quantile"][7] = json!(0)),
    ("out of range", |p| p["record"]["center"][0] = json!(1e39)),
    ("record.threshold", |p| p["record"]["threshold"]["value"] = json!(0.0)),
    ("record.threshold", |p| p["record"]["threshold"]["value"] = json!(-3.0)),
    ("null", |p| p["record"]["threshold"]["value"] = Value::Null),
    ("invalid length 7", |p| drop(p["record"]["center"].as_array_mut().unwrap().pop())),
    ("missing field", |p| drop(p["record"].as_object_mut().unwrap().remove("novelty"))),
    ("baseline of", |p| p["baselines"][0]["baseline"]["residual_scale"] = json!(-1.0)),
    ("baseline of", |p| p["baselines"][0]["baseline"]["step_scale"] = json!(0.0)),
    ("baseline of", |p| p["baselines"][0]["baseline"]["gap_s"] = json!(-60.0)),
    ("baseline of", |p| p["baselines"][0]["baseline"]["run"] = json!(-1.0)),
    ("baseline of", |p| p["baselines"][0]["baseline"]["min"] = json!(1e9)),
    ("prior of", |p| p["priors"][0]["baseline"]["gap_long_s"] = json!(0.0)),
    ("baselines is not sorted", |p| p["baselines"].as_array_mut().unwrap().swap(0, 1)),
    ("baselines is not sorted", |p| p["baselines"][1] = p["baselines"][0].clone()),
    ("priors is not sorted", |p| p["priors"].as_array_mut().unwrap().reverse()),
    ("revision", |p| p["revision"] = json!(1_000)),
    ("revision", |p| p["features"].as_array_mut().unwrap().swap(0, 1)),
    ("revision", |p| drop(p["features"].as_array_mut().unwrap().pop())),
];

#[test]
fn impossible_profiles() {
    for (i, (word, change)) in IMPOSSIBLE.iter().enumerate() {
        let refused = refusal(&with_json(PROFILE, change), &format!("change {i}, {word}"));
        assert!(matches!(refused, ModelOpenError::Profile(_)), "change {i}: {refused}");
        assert!(refused.to_string().contains(word), "change {i}, {word}: {refused}");
    }
}

#[test]
fn numbers_that_json_does_not_have() {
    for number in ["NaN", "1e999", "-Infinity", "\"1.0\""] {
        let text = |profile: &str| {
            let start = profile.find("\"curve\":[").unwrap() + 9;
            let end = start + profile[start..].find(',').unwrap();
            format!("{}{number}{}", &profile[..start], &profile[end..])
        };
        let refused = refusal(&with_metadata(PROFILE, text), number);
        assert!(matches!(refused, ModelOpenError::Profile(ProfileError::Json(_))), "{number}: {refused}");
    }
}

#[test]
fn more_entries_than_a_model_may_have() {
    for (list, name) in [("baselines", "server"), ("priors", "component")] {
        let bytes = with_json(PROFILE, |p| {
            let first = p[list][0].clone();
            let named = |i: usize| {
                let mut entry = first.clone();
                entry[name] = json!(format!("{i:05}"));
                entry
            };
            p[list] = (0..1_025).map(named).collect();
        });
        let refused = refusal(&bytes, list);
        let too_many =
            matches!(refused, ModelOpenError::Profile(ProfileError::TooMany { found: 1_025, limit: 1_024, .. }));
        assert!(too_many, "{list}: {refused}");
    }
}

#[test]
fn golden_rows_must_be_there_and_met() {
    let view = |value: &mut Value, f: fn(&mut Value)| f(&mut value["record"]);
    let wrong_form: &[fn(&mut Value)] = &[
        |v| *v = json!({ "inputs": [], "outputs": [] }),
        |v| drop(v["outputs"].as_array_mut().unwrap().pop()),
        |v| drop(v["inputs"][0].as_array_mut().unwrap().pop()),
        |v| v["outputs"][2][0] = json!(1e39),
        |v| {
            let row = v["inputs"][0].clone();
            v["inputs"] = json!(vec![row.clone(); 17]);
            v["outputs"] = json!(vec![row; 17]);
        },
    ];
    for (i, change) in wrong_form.iter().enumerate() {
        let refused = refusal(&with_json(GOLDEN, |g| view(g, *change)), &format!("form {i}"));
        assert!(matches!(refused, ModelOpenError::Metadata { key: GOLDEN, .. }), "form {i}: {refused}");
    }
    let wrong_numbers: &[fn(&mut Value)] = &[
        |v| v["outputs"][3][2] = json!(v["outputs"][3][2].as_f64().unwrap() + 0.01),
        |v| v["inputs"][5][0] = json!(v["inputs"][5][0].as_f64().unwrap() + 0.01),
        |v| v["outputs"].as_array_mut().unwrap().reverse(),
    ];
    for (i, change) in wrong_numbers.iter().enumerate() {
        let refused = refusal(&with_json(GOLDEN, |g| view(g, *change)), &format!("numbers {i}"));
        assert!(matches!(refused, ModelOpenError::Golden { .. }), "numbers {i}: {refused}");
    }
}

#[test]
fn the_features_are_those_of_this_program() {
    let refused = refusal(&with_json(PROFILE, |p| p["features"][0] = json!("entropy")), "a feature");
    assert!(refused.to_string().contains("entropy") && refused.to_string().contains(FEATURES[0]), "{refused}");
}
