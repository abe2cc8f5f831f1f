//! The annotated examples are read as an agent reads them.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::path::Path;

use oddline_agent::config::{self, EventDestination};

#[test]
fn the_annotated_configuration_has_no_mistake() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let config = config::load(&examples.join("agent.toml")).unwrap().config;
    assert_eq!((config.name.as_str(), config.fleet.as_str(), config.sources.len()), ("pi-kitchen", "home", 2));
}

#[test]
fn what_packages_and_images_bring_runs_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (file, source) in [("packaging/etc/agent.toml", "Journal"), ("docker/etc/agent.toml", "Files")] {
        let config = config::load(&root.join(file)).unwrap().config;
        let EventDestination::File(path, _) = &config.destination else {
            panic!("{file}: without a broker into a file")
        };
        assert_eq!(path, Path::new("/var/lib/oddline/agent/anomalies.jsonl"));
        assert_eq!(config.factory, Path::new("/usr/share/oddline/factory.onnx"));
        let [only] = &config.sources[..] else { panic!("{file}: one source") };
        assert!(format!("{:?}", only.what).starts_with(source), "{file}: {only:?}");
    }
}

#[test]
fn what_is_commented_out_in_the_package_s_configuration_is_right_too() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/etc/agent.toml");
    let text = std::fs::read_to_string(packaging).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let lines: Vec<&str> = text.lines().map(|line| setting(line).unwrap_or(line)).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let config = config::load(&file).unwrap().config;
    assert!(matches!(config.destination, EventDestination::Broker(..)) && config.sources.len() == 2);
}

#[test]
fn what_is_commented_out_in_it_is_known_too() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let text = std::fs::read_to_string(examples.join("agent.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    // Without the broker and without jsonl, for which they are the alternatives.
    let mut written = String::new();
    let mut in_broker = false;
    for line in text.lines() {
        let line = setting(line).unwrap_or(line);
        in_broker = if line.starts_with('[') { line == "[broker]" } else { in_broker };
        let is_left_out =
            in_broker || ["stdout", "trusted_key_files", "log_format"].iter().any(|key| line.starts_with(key));
        if !is_left_out {
            written += &format!("{line}\n");
        }
    }
    assert!(written.contains("\nbytes_max = ") && written.contains("\nlisten = "), "{written}");
    std::fs::write(&file, written).unwrap();
    if let Err(problems) = config::load(&file) {
        panic!("{problems}");
    }
}

/// The setting behind a comment mark; prose has spaces where a key has none.
fn setting(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = "))?;
    let key = rest.split(" = ").next().unwrap_or_default().trim_matches(['[', ']']);
    (!key.contains(' ')).then_some(rest)
}
