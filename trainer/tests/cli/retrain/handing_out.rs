//! What is promoted is pushed by another program, and only then it is the model in use.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{
    CURRENT, KEY, NEXT, SIGNATURE, decided,
    week::{Weeks, new_level},
};
use crate::shell::Folder;

/// Stands in for oddline-collector: writes down what it was told, and ends as told.
fn collector(folder: &Folder, exit_code: u8) {
    let script =
        format!("#!/bin/sh\necho \"$@\" >> told\necho 'roll-out 1'\necho 'no database' >&2\nexit {exit_code}\n");
    folder.write("collector", script);
    fs::set_permissions(folder.path("collector"), fs::Permissions::from_mode(0o755)).unwrap();
}

fn configure(folder: &Folder, more: &str) {
    let collector = folder.path("collector");
    let text = format!(
        "[retrain]\nlogs = [\"logs/next*.csv\"]\nfolder = \"models\"\ncollector = {collector:?}\nto = [\"web-1\", \"pi\"]\n{more}"
    );
    folder.write("trainer.toml", text);
}

const RETRAIN: &str = "retrain --epochs 6 --config trainer.toml";

#[test]
fn what_is_promoted_is_pushed_and_is_then_in_use() {
    let mut weeks = Weeks::with_key(7_006);
    weeks.write(|row, _| new_level(row));
    let folder = &weeks.folder;
    let before = folder.read(CURRENT);
    configure(folder, &format!("key = {KEY:?}\n"));

    collector(folder, 69);
    let failed = folder.run(RETRAIN);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    for word in ["was not pushed", "exit status: 69", "no database", "next run tries again"] {
        assert!(failed.stderr.contains(word), "{word:?}: {}", failed.stderr);
    }
    assert!(failed.stdout.starts_with("promote: "), "{}", failed.stdout);
    assert!(folder.read(CURRENT) == before, "the model in use is the old one");
    assert!(folder.read("models/anchor.onnx") == before, "and the first that was in use is stood for");

    collector(folder, 0);
    let done = folder.run(RETRAIN);
    decided(folder, &done, "promote", &[]);
    assert!(done.stdout.ends_with("roll-out 1\n"), "{}", done.stdout);
    assert_eq!(
        folder.text("told").lines().last(),
        Some("push models/next.onnx --report models/next.json --to web-1 pi")
    );
    assert!(folder.read(CURRENT) == folder.read(NEXT));

    // The same logs again: the model in use has learnt them.
    decided(folder, &folder.run(RETRAIN), "hold", &["does as well"]);
    assert_eq!(folder.text("told").lines().count(), 2, "what is held is not pushed");
    assert!(!folder.path(SIGNATURE).exists());
}

#[test]
fn the_first_model_of_a_configuration_and_one_that_nobody_pushes() {
    let mut weeks = Weeks::with_key(7_007);
    weeks.forget_new();
    weeks.write(|_, _| ());
    let folder = &weeks.folder;
    fs::remove_file(folder.path(CURRENT)).unwrap();
    configure(folder, "push = false\n");
    decided(folder, &folder.run(RETRAIN), "ask", &["the first model", "no signing key"]);
    let mut with_credentials = folder.command(RETRAIN);
    with_credentials.env("CREDENTIALS_DIRECTORY", folder.path("keys"));
    decided(folder, &crate::shell::run(&mut with_credentials), "promote", &["the first model"]);
    assert!(!folder.path(CURRENT).exists() && folder.path(SIGNATURE).exists(), "nobody pushed it");
    configure(folder, "");
    fs::remove_file(folder.path("collector")).unwrap_or_default();
    let failed = folder.run(&format!("{RETRAIN} --key {KEY}"));
    assert_eq!(failed.code, 74, "{}", failed.stderr);
    assert!(failed.stderr.contains("push = false"), "{}", failed.stderr);
}
