//! Options that cannot be: exit code 2, the option named, nothing written.

use std::process::Stdio;

use crate::shell::{Folder, run};

#[rustfmt::skip]
const WRONG: &[(&str, &str)] = &[
    ("", "Usage"),
    ("fly", "unrecognized subcommand"),
    ("train --fast", "--fast"),
    ("train --train-part 0", "--train-part"),
    ("train --train-part 1.5", "--train-part"),
    ("train --train-part NaN", "--train-part"),
    ("train --alert-budget 0", "--alert-budget"),
    ("train --alert-budget inf", "--alert-budget"),
    ("train --quantile 1", "--quantile"),
    ("train --quantile 0.999 --alert-budget 1", "--alert-budget"),
    ("train --epochs 0", "--epochs"),
    ("train --epochs=-3", "--epochs"),
    ("train --without everything", "--without"),
    ("test --skip-part 1", "--skip-part"),
    ("test --skip-part=-0.1", "--skip-part"),
    ("generate --servers 0", "--servers"),
    ("generate --days 0 --period-s 0 --anomaly-rate 2", "--days"),
    ("generate --days 0 --period-s 0 --anomaly-rate 2", "--anomaly-rate"),
    ("generate --only-server server-09", "server-09"),
    ("generate --start yesterday", "--start"),
    ("generate --speed 3", "--live"),
];

#[test]
fn options_that_cannot_be() {
    let folder = Folder::new();
    for (arguments, word) in WRONG {
        let done = folder.run(arguments);
        assert_eq!(done.code, 2, "{arguments}: {}", done.stderr);
        assert!(done.stderr.contains(word), "{arguments}: {word:?} is not in\n{}", done.stderr);
        assert!(folder.files().is_empty(), "{arguments}: {:?}", folder.files());
    }
}

#[test]
fn standard_input_cannot_be_read_twice() {
    let folder = Folder::with_model();
    folder.run("test --logs - --skip-part 0.4").refused(2, &["--skip-part", "standard input"]);
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = Folder::new();
    for arguments in ["--help", "train --help", "test --help", "generate --help", "inspect --help", "--version"] {
        assert_eq!(folder.run(arguments).code, 0, "{arguments}");
    }
}

#[test]
fn nobody_reads_the_report() {
    let folder = Folder::with_model();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = folder.command("test");
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", String::from_utf8_lossy(&output.stderr));
    let done = run(&mut folder.command("test"));
    assert_eq!(done.code, 0, "{}", done.stderr);
}
