//! Outputs that cannot be written: the path is named, the code says why, the rest stays as it was.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
};

use oddline_testkit::{is_root, not_run};

use crate::shell::{Folder, MODEL, TRAIN, run};

/// A user without rights.
const NOBODY: u32 = 65_534;

#[test]
fn a_file_where_a_folder_should_be() {
    let folder = Folder::with_model();
    folder.must("test");
    folder.write("file", "in the way");
    let (before, model) = (folder.files(), folder.read(MODEL));
    let results = folder.read("logs/anomalies.csv");
    for arguments in [
        "test --anomalies file/a.csv",
        "test --scores file/s.csv",
        "test --debug-with-anomaly-flag --debug-logs file/d.txt",
        "generate --servers 1 --days 1 --test-days 1 --out file/logs",
        "train --epochs 2 --model file/m.onnx",
    ] {
        folder.run(arguments).refused(74, &["file/"]);
        assert_eq!(folder.files(), before, "{arguments}");
        assert_eq!(folder.read("logs/anomalies.csv"), results, "{arguments}");
    }
    assert_eq!(folder.read(MODEL), model);
    folder.run(&format!("{TRAIN} --charts file/charts")).refused(74, &["file/charts"]);
    folder.run("test --charts file/charts").refused(74, &["file/charts"]);
    folder.run("test --report file/r.json").refused(74, &["file/r.json"]);
    assert_eq!(folder.files(), before, "no temporary file is left");
    assert_eq!(folder.text("file"), "in the way");
}

#[test]
fn a_folder_where_a_file_should_be() {
    let folder = Folder::with_model();
    folder.write("taken/inside", "");
    let before = folder.files();
    folder.run(&format!("{TRAIN} --model taken")).refused(74, &["taken"]);
    folder.run("test --anomalies taken").refused(74, &["taken"]);
    let now = folder.files();
    assert_eq!(now, before, "no temporary file is left");
}

#[test]
fn without_permission() {
    let folder = Folder::with_model();
    folder.must("test");
    for path in ["", "logs", "models", "charts"] {
        fs::set_permissions(folder.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let as_nobody = |arguments: &str| {
        let mut command = folder.command(arguments);
        if is_root() {
            command.uid(NOBODY);
        }
        command
    };
    if !as_nobody("--version").output().is_ok_and(|output| output.status.success()) {
        not_run("cli unwritable::without_permission", "the program cannot be started as another user");
        return;
    }
    let before = folder.files();
    let secret = |name: &str| fs::set_permissions(folder.path(name), fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        run(&mut as_nobody("train --epochs 2")).refused(77, &[MODEL]);
        run(&mut as_nobody("test")).refused(77, &["logs/anomalies.csv"]);
        run(&mut as_nobody("generate --days 1 --test-days 1")).refused(77, &["logs/"]);
    }
    secret("logs/server_logs.txt");
    run(&mut as_nobody("train")).refused(77, &["logs/server_logs.txt"]);
    secret(MODEL);
    run(&mut as_nobody("test")).refused(77, &[MODEL]);
    assert_eq!(folder.files(), before);
}
