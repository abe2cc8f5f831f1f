//! Commands as a person types them: exit codes, what they say when there is nothing or a name is wrong.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
};

use oddline_collector::store::{DatabaseAddress, OpenMode, Store};
use oddline_core::event::BoundedText;

use crate::{
    entries::{batch, episode, epoch, odd, who},
    program::command,
};

/// A model file with its signature beside it, as far as a collector looks.
pub(crate) fn model(folder: &Path, version: u64) -> PathBuf {
    let mut bytes = vec![0x08, 0x08];
    let (key, value) = ("oddline.version", version.to_string());
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let mut entry = vec![0x0a, length(key)];
    entry.extend(key.as_bytes());
    entry.extend([0x12, length(&value)]);
    entry.extend(value.as_bytes());
    bytes.extend([0x72, u8::try_from(entry.len()).unwrap()]);
    bytes.extend(entry);
    oddline_core::seal::seal(&mut bytes);
    let path = folder.join(format!("model-{version}.onnx"));
    fs::write(&path, bytes).unwrap();
    fs::write(folder.join(format!("model-{version}.onnx.minisig")), "untrusted comment: test\nRW\n").unwrap();
    path
}

pub(crate) fn ask(store: &Path, arguments: &[&str]) -> (i32, String, String) {
    // Nothing of this machine's configuration.
    let output: Output =
        command().arg("--config").arg("/dev/null").arg("--store").arg(store).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn answers_read_well_and_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let (code, _, said) = ask(&path, &["agents"]);
    assert_eq!(code, 74, "{said}");
    assert!(said.contains("no database at"), "{said}");

    let store = Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap();
    assert_eq!(ask(&path, &["agents"]), (0, "no agents yet\n".to_owned(), String::new()));
    assert!(ask(&path, &["anomalies"]).1.starts_with("no anomalies since "));
    assert_eq!(ask(&path, &["anomalies", "--json"]).1, "[]\n");
    assert_eq!(ask(&path, &["dead-letters", "list"]).1, "no dead letters\n");
    assert_eq!(ask(&path, &["rollouts"]).1, "no model was pushed yet\n");

    let now_us = oddline_collector::clock::now_us();
    for number in 1..=4 {
        let found = odd(&who("home", "pi"), epoch(1), number, episode(number, 2, now_us - 60_000_000));
        store.append(&[found], now_us).await.unwrap();
    }
    let (code, table, _) = ask(&path, &["anomalies", "--since", "2h"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((code, lines.len()), (0, 5), "{table}");
    assert!(lines[0].starts_with("TIME (UTC)           SERVER  COMPONENT  KIND"), "{table}");
    assert!(lines[1].contains("value far from its usual level: 9300, expected 120"), "{table}");
    let id = lines[1].split_whitespace().last().unwrap();
    assert_eq!(ask(&path, &["verdict", id, "real", "--note", "disk was full"]).0, 0);
    let (_, detail, _) = ask(&path, &["anomalies", id]);
    assert!(detail.contains("real") && detail.contains("disk was full") && detail.contains("took 9300 ms"), "{detail}");
    let (_, table, hint) = ask(&path, &["anomalies", "--limit", "2", "--since", "2 hours ago"]);
    assert_eq!(
        (table.lines().count(), hint.as_str()),
        (3, "the newest 2; more with --limit, older ones with --until\n")
    );
    let csv = ask(&path, &["anomalies", "--csv", "--server", "web-1"]).1;
    assert_eq!(csv.lines().count(), 2, "{csv}");

    for (arguments, code, says) in [
        (&["anomalies", "--server", "web1"][..], 2, "did you mean \"web-1\"?"),
        (&["anomalies", "--since", "soon"], 2, "\"soon\" is not a valid time: expected 10min, 2h"),
        (&["anomalies", "--min-score", "high"], 2, "expected a number such as 1.5"),
        (&["anomalies", "--kind", "odd"], 2, "novelty"),
        (&["anomalies", "--since", "1h", "--until", "2h"], 2, "--until is not after --since"),
        (&["verdict", id, "fine"], 2, "normal-everywhere"),
        (&["verdict", "zzzzzzzz", "real"], 2, "no anomaly has the id"),
        (&["push", "missing.onnx", "--to", "all"], 74, "missing.onnx"),
        (&["push", "/dev/null", "--to", "all"], 65, "1 B to 512 KiB are allowed"),
    ] {
        let (found, _, said) = ask(&path, arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    let model = model(folder.path(), 3).display().to_string();
    let (code, _, said) = ask(&path, &["push", &model, "--to", "pie"]);
    assert_eq!((code, said.as_str()), (2, "error: no agent is called \"pie\": did you mean \"pi\"?\n"));

    // A copy while it is open; never over a file.
    let copy = folder.path().join("copy.db");
    let target = copy.display().to_string();
    assert_eq!(ask(&path, &["backup", &target]).0, 0);
    assert_eq!(ask(&copy, &["anomalies", "--json"]).1, ask(&path, &["anomalies", "--json"]).1);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ask(&path, &["backup", &target]).0, 74);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
    store.close().await;
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copies) = (folder.path().join("collector.db"), folder.path().join("copies"));
    fs::create_dir(&copies).unwrap();
    let store = Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap();
    store.append(&[batch(&who("home", "pi"), epoch(1), 1, 500)], 1_000).await.unwrap();
    store.close().await;
    // Its second half is lost.
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let target = copies.join("copy.db").display().to_string();
    let (code, _, said) = ask(&path, &["backup", &target]);
    assert_eq!(code, 74, "{said}");
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 0, "{said}");
    // Cut off by a kill: said, not guessed.
    fs::write(copies.join(".copy.db.new"), "").unwrap();
    let (code, _, said) = ask(&path, &["backup", &target]);
    assert!(code == 74 && said.contains(".copy.db.new exists: another backup"), "{code}: {said}");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap().close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'x', 1, x'00', 0); UPDATE meta SET value = '9999' WHERE name = 'oldest_schema'";
    let Ok(done) = std::process::Command::new("sqlite3").arg(&path).arg(newer).status() else {
        return oddline_testkit::not_run("cli: newer schema", "sqlite3 is not installed");
    };
    assert!(done.success());
    let before = fs::read(&path).unwrap();
    for arguments in [&["agents"][..], &["run"]] {
        let (code, _, said) = ask(&path, arguments);
        assert_eq!(code, 65, "{said}");
        assert!(said.contains("schema 9999, this program knows up to 4"), "{said}");
    }
    assert!(fs::read(&path).unwrap() == before, "nothing was changed");
}

#[test]
fn all_mistakes_of_a_configuration_come_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, "stor = 'x'\nquiet_after = '1s'\n[broker]\nurl = 'http://x'\nuser = 'me'\n[embedded]\nlisten = '0.0.0.0:1883'\n").unwrap();
    let output = command().arg("--config").arg(&path).arg("run").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for part in ["stor", "quiet_after", "mqtt://host", "password_file", "embedded"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_configurations_of_the_documentation_are_taken() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/collector.md")).unwrap();
    let examples: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    for example in examples {
        let file = folder.path().join("c.toml");
        fs::write(&file, example).unwrap();
        let layers = oddline_config::Layers { file: Some(file), folder: None, environment: Vec::new() };
        if let Err(problems) = oddline_collector::config::from(&layers) {
            panic!("{problems}");
        }
    }
}

#[test]
fn a_bundle_is_made_renewed_with_what_it_had_and_a_broker_elsewhere_gets_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("collector.toml");
    fs::write(&config, format!("state = {:?}\n", folder.path().join("state"))).unwrap();
    let ask = |arguments: &[&str]| {
        let output = command().arg("--config").arg(&config).args(arguments).current_dir(&folder).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, said, wrong) =
        ask(&["enroll", "pi", "--fleet", "shop", "--broker", "mqtts://c.example", "--trusted-key", "RWQf"]);
    assert_eq!(code, 0, "{wrong}");
    assert!(
        said.contains("created a new certificate authority") && said.contains("tar -C /etc -xf ./pi.tar"),
        "{said}"
    );
    assert_eq!(ask(&["enroll", "web"]).0, 2, "a new agent must know where its broker is");
    let (code, said, wrong) = ask(&["enroll", "--renew", "pi", "--out", "again"]);
    assert_eq!(code, 0, "{wrong}");
    assert!(!said.contains("created a new certificate authority"), "{said}");
    let told = |bundle: &str| fs::read_to_string(folder.path().join(bundle).join("agent.d/50-enrolled.toml")).unwrap();
    assert_eq!(told("again/pi"), told("pi"));
    assert!(told("pi").contains("\"shop\"") && told("pi").contains("c.example") && told("pi").contains("[\"RWQf\"]"));
    assert!(ask(&["enrolled"]).1.contains("shop"));
    // The trusted key is in a file, and no fleet is named: as in an agent's own configuration.
    fs::write(folder.path().join("oddline.pub"), "untrusted comment: minisign public key\nRWQx\n").unwrap();
    let arguments = ["enroll", "web", "--broker", "mqtts://c.example", "--trusted-key", "oddline.pub"];
    let (code, _, wrong) = ask(&arguments);
    assert_eq!(code, 0, "{wrong}");
    assert!(told("web").contains("fleet = \"default\"") && told("web").contains("[\"RWQx\"]"), "{}", told("web"));
    assert!(ask(&["revoke", "web"]).1.starts_with("revoked 1 certificate of web"));

    assert_eq!(ask(&["enroll-broker", "not a name"]).0, 1);
    let (code, said, wrong) = ask(&["enroll-broker", "broker.example", "10.0.0.7", "--out", "broker"]);
    assert_eq!(code, 0, "{wrong}");
    assert!(said.contains("collector.key"), "{said}");
    for name in ["ca.pem", "crl.pem", "server.pem", "server.key", "collector.pem", "collector.key"] {
        assert!(fs::metadata(folder.path().join("broker").join(name)).unwrap().len() > 0, "{name}");
    }
}

#[tokio::test]
async fn foreign_text_does_not_reach_the_terminal_raw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collector.db");
    let store = Store::open(&DatabaseAddress::Sqlite(path.clone()), OpenMode::Serve).await.unwrap();
    let now_us = oddline_collector::clock::now_us();
    let mut bad = episode(1, 2, now_us);
    bad.main_reason = BoundedText::cut("\x1b]x\x07");
    bad.server = BoundedText::cut("web\x1b[31m");
    bad.component = BoundedText::cut("a\nb\u{9b}1m");
    store.append(&[odd(&who("home", "pi"), epoch(1), 1, bad)], now_us).await.unwrap();
    let table = ask(&path, &["anomalies"]).1;
    let id = table.lines().nth(1).unwrap().split_whitespace().last().unwrap();
    for text in [table.clone(), ask(&path, &["anomalies", id]).1, ask(&path, &["verdict", id, "real"]).1] {
        assert!(text.contains("web\u{fffd}[31m"), "{text:?}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    let detail = ask(&path, &["anomalies", id]).1;
    assert!(detail.contains("why        \u{fffd}]x\u{fffd}: 9300"), "{detail:?}");
}
