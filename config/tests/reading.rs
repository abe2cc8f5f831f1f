//! What an operator writes, and what is said about it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use oddline_config::{ConfigProblems, ConfigSection, Layers};

#[derive(Debug, PartialEq, Eq)]
struct Read {
    name: Option<String>,
    port: Option<u16>,
    wait_s: Option<u64>,
    tls: Option<bool>,
    files: Vec<String>,
    sources: Vec<(Option<u32>, Option<u8>)>,
}

fn read(folder: &Path, environment: &[(&str, &str)]) -> Result<Read, ConfigProblems> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let reader = Layers { file: Some(folder.join("a.toml")), folder: Some(folder.join("a.d")), environment }.read();
    let top = reader.top();
    let broker = top.section("broker");
    let source = |section: ConfigSection<'_>| {
        let found = (section.number("limit", 1..=100_u32), section.choice("kind", &[("one", 1_u8), ("two", 2)]));
        section.finish();
        found
    };
    let found = Read {
        name: top.value("name"),
        port: broker.number("port", 1..=u16::MAX),
        wait_s: broker.seconds("wait", 1..=3_600),
        tls: broker.flag("tls"),
        files: top.list("files").unwrap_or_default(),
        sources: top.sections("source").into_iter().map(source).collect(),
    };
    broker.finish();
    top.finish();
    reader.finish().map(|()| found)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a.d")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn layers_lie_over_each_other() {
    let dir = folder(&[
        ("a.toml", "name = 'main'\nfiles = ['a', 'b']\n[broker]\nport = 1\nwait = '2m'\n[[source]]\nlimit = 1\n"),
        ("a.d/20.toml", "[broker]\nport = 3\n[[source]]\nkind = 'two'\n"),
        ("a.d/10.toml", "files = ['c']\n[broker]\nport = 2\ntls = true\n"),
        ("a.d/ignored.txt", "name = 1"),
    ]);
    let found = read(dir.path(), &[("ODDLINE_NAME", "env"), ("HOME", "/")]).unwrap();
    let expected = Read {
        name: Some("env".to_owned()),
        port: Some(3),
        wait_s: Some(120),
        tls: Some(true),
        files: vec!["c".to_owned()],
        sources: vec![(Some(1), None), (None, Some(2))],
    };
    assert_eq!(found, expected);
    let found = read(dir.path(), &[("ODDLINE_FILES", "x, y"), ("ODDLINE_BROKER_PORT", "9")]).unwrap();
    assert_eq!((found.files, found.port), (vec!["x".to_owned(), "y".to_owned()], Some(9)));
}

#[test]
fn every_mistake_is_said_with_its_place() {
    let dir = folder(&[(
        "a.toml",
        "nmae = 'x'\nfiles = ['a', 3]\n\n[broker]\nport = 70000\nwait = '2 weeks'\ntls = 'maybe'\n[[source]]\nkind = 'three'\n",
    )]);
    let problems = read(dir.path(), &[("ODDLINE_NAME", "fine")]).unwrap_err();
    let texts: Vec<String> =
        problems.0.iter().map(|p| p.to_string().replace(&dir.path().display().to_string(), ".")).collect();
    assert_eq!(
        texts,
        [
            "./a.toml:5: broker.port: a whole number from 1 to 65535 is expected, not 70000",
            "./a.toml:6: broker.wait: \"2 weeks\" is no span of time: \"30s\", \"15m\", \"2h\" or \"90d\" is expected",
            "./a.toml:7: broker.tls: true or false is expected, not \"maybe\"",
            "./a.toml:2: files: a list of texts has a whole number in it",
            "./a.toml:9: source.1.kind: \"three\" is none of \"one\", \"two\"",
            "./a.toml:1: nmae: unknown key; did you mean \"name\"?",
        ]
    );
}

#[test]
fn what_is_no_toml_is_said_with_its_line_and_the_rest_is_read() {
    let dir = folder(&[("a.toml", "name = 'a'\nfiles = [\nport = \n"), ("a.d/b.toml", "[broker]\nport = 0\n")]);
    let text = read(dir.path(), &[]).unwrap_err().to_string();
    assert!(
        text.contains("a.toml:") && text.contains("invalid TOML") && text.contains("b.toml:2: broker.port"),
        "{text}"
    );
}

#[test]
fn a_missing_file_and_a_section_that_is_none() {
    let dir = folder(&[]);
    let text = read(dir.path(), &[]).unwrap_err().to_string();
    assert!(text.contains("name yours with --config"), "{text}");
    let dir = folder(&[("a.toml", "broker = 1\nsource = 'x'\n")]);
    let text = read(dir.path(), &[]).unwrap_err().to_string();
    assert!(text.contains("a section [broker] is expected") && text.contains("[[source]]"), "{text}");
}

#[test]
fn a_variable_that_nobody_knows_is_shown_with_what_was_meant() {
    let dir = folder(&[("a.toml", "name = 'a'\n")]);
    // One of another program, and one that is like nothing here.
    let names = ["ODDLINE_NMAE", "ODDLINE_RETRAIN_TO", "ODDLINE_NAMES_OF_SHIPS"];
    let environment = names.iter().map(|name| ((*name).to_owned(), "b".to_owned())).collect();
    let reader = Layers { file: Some(dir.path().join("a.toml")), folder: None, environment }.read();
    assert_eq!(reader.top().value::<String>("name").as_deref(), Some("a"));
    assert_eq!(reader.strange_variables(), [("ODDLINE_NMAE".to_owned(), "ODDLINE_NAME".to_owned())]);
}
