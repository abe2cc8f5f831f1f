//! The document against the routes and against every answer.

use std::{collections::BTreeSet, sync::LazyLock};

use oddline_collector::serve::{ROUTES, document};
use serde_json::{Value, json};

use crate::{
    client::Answer,
    web::{on_sqlite, settings},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(document()).unwrap());

/// The document's word on an address, if it has one.
fn operation(method: &str, target: &str) -> Option<&'static Value> {
    let path = target.split('?').next().unwrap();
    let fits = |known: &str| {
        let (known, given): (Vec<_>, Vec<_>) = (known.split('/').collect(), path.split('/').collect());
        known.len() == given.len()
            && known
                .iter()
                .zip(given)
                .all(|(known, given)| *known == given || known.starts_with('{') && !given.is_empty())
    };
    let (_, found) = DOCUMENT["paths"].as_object().unwrap().iter().find(|(known, _)| fits(known))?;
    found.get(method.to_ascii_lowercase())
}

/// Panics when an answer is not what the document says. What it does not describe must be a problem.
pub(crate) fn check(method: &str, target: &str, answer: &Answer) {
    let kind = answer.header("content-type").unwrap_or_default().split(';').next().unwrap();
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    let Some(operation) = operation(method, target) else {
        assert!(answer.status >= 400, "{target} is not in the document and answers {}", answer.status);
        return fits(&problem, &answer.json(), target);
    };
    let said = &operation["responses"][answer.status.to_string()]["content"];
    assert!(said.is_object(), "{method} {target}: {} is not in the document: {}", answer.status, answer.text());
    let said = &said[kind];
    assert!(said.is_object(), "{method} {target}: {kind} is not in the document");
    if kind.ends_with("json") {
        fits(&said["schema"], &answer.json(), target);
    }
}

/// Panics when a value does not fit a schema: types, required and unknown properties, words, bounds of what we use.
pub(crate) fn fits(schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = DOCUMENT.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is missing"));
        return fits(schema, value, at);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        _ => vec![],
    };
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    };
    assert!(kinds.is_empty() || kinds.iter().any(|kind| is(kind)), "{at}: {value} is none of {kinds:?}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is none of {words:?}");
    }
    if schema["format"] == "date-time" && !value.is_null() {
        let text = value.as_str().unwrap();
        assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{at}: {text}");
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], item, &format!("{at}[{number}]"));
    }
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(object.contains_key(name.as_str().unwrap()), "{at}: {name} is missing in {value}");
    }
    for (name, item) in object {
        match schema["properties"].get(name) {
            Some(schema) => fits(schema, item, &format!("{at}.{name}")),
            None => assert_ne!(schema["additionalProperties"], json!(false), "{at}: {name} is not in the document"),
        }
    }
}

#[test]
fn routes_and_document_agree_both_ways() {
    let ours: BTreeSet<(String, String, Vec<String>)> = ROUTES
        .iter()
        .map(|route| {
            let mut query: Vec<String> = route.query.iter().map(|name| (*name).to_owned()).collect();
            query.sort();
            (route.method.to_owned(), route.path.to_owned(), query)
        })
        .collect();
    let mut said = BTreeSet::new();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
            let of = |place: &str| {
                let of = parameters.iter().filter(|parameter| parameter["in"] == place);
                let mut names: Vec<String> =
                    of.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
                names.sort();
                names
            };
            let in_path: Vec<&str> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(of("path"), in_path, "{path}");
            said.insert((method.clone(), path.clone(), of("query")));
        }
    }
    assert_eq!(ours, said);
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    let mut schemas: BTreeSet<String> =
        DOCUMENT["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    for part in document().split("\"$ref\": \"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(DOCUMENT["components"]["schemas"].get(name).is_some(), "{name}");
        schemas.remove(name);
    }
    assert!(schemas.is_empty(), "nothing refers to {schemas:?}");
}

#[test]
#[should_panic(expected = "is not in the document")]
fn a_field_that_is_not_described_is_found() {
    fits(&json!({"$ref": "#/components/schemas/Health"}), &json!({"status": "ok", "more": 1}), "x");
}

#[test]
#[should_panic(expected = "is missing")]
fn a_field_that_is_missing_is_found() {
    fits(&json!({"$ref": "#/components/schemas/Anomalies"}), &json!({"anomalies": []}), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_and_takes_what_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let web = on_sqlite(folder.path(), settings()).await;
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let target = path.replace("{id}", "0000000000000000");
            let bare = || match method.as_str() {
                _ if target.ends_with("/live") => web.listen(&[]).0,
                "get" => web.ask("GET", &target, &[], "").status,
                _ => web.post(&target, r#"{"verdict": "real"}"#).status,
            };
            assert_eq!(bare(), if path.contains("{id}") { 404 } else { 200 }, "{path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query") {
                let name = parameter["name"].as_str().unwrap();
                let problem = web.refused(&format!("{target}?{name}=%00"), 400);
                assert_eq!(problem["parameter"], name, "{path}");
                if let Some(usual) = parameter["schema"]["default"].as_u64() {
                    let most = parameter["schema"]["maximum"].as_u64().unwrap();
                    web.get(&format!("{target}?{name}={usual}"));
                    web.get(&format!("{target}?{name}={most}"));
                    assert_eq!(web.refused(&format!("{target}?{name}={}", most + 1), 400)["parameter"], name);
                }
                for word in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                    web.get(&format!("{target}?{name}={}", word.as_str().unwrap()));
                }
            }
            if method == "get" && !target.ends_with("/live") {
                assert!(
                    web.refused(&format!("{target}?no_such=1"), 400)["error"].as_str().unwrap().contains("no_such")
                );
            }
        }
    }
    assert_eq!(web.get("/api/v1/openapi.json"), *DOCUMENT);
}
