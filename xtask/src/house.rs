//! Rules of the house that a compiler does not know, as tests over the project's text.

use crate::sources;

/// A file longer than this probably holds more than one idea: a warning.
const FILE_LINES_WARN: usize = 400;
/// And this is a failure, unless the file is in [`LONG_FILES`].
const FILE_LINES_MAX: usize = 500;

/// Files over the maximum, with their lines without unit tests. A ratchet: a file may shrink, and its number then follows; it
/// may not grow, and nothing is added here.
const LONG_FILES: &[(&str, usize)] = &[];

/// `path:line: text` of every line that `is_wrong`.
fn wrong_lines(rust_only: bool, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources::all() {
        if rust_only && !source.is_rust() {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if is_wrong(line) {
                wrong.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    wrong
}

#[track_caller]
fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

/// A reader has the code and its history, not the tracker of that day.
#[test]
fn no_line_refers_to_a_tracker() {
    let mark = concat!("issue", " #");
    let wrong = wrong_lines(false, |line| line.to_lowercase().contains(mark));
    assert_none(&wrong, "say what it is instead of a number elsewhere");
}

#[test]
fn no_line_names_a_folder_of_the_machine_it_was_written_on() {
    let marks = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/"), concat!("bash_", "jobs")];
    let wrong = wrong_lines(false, |line| marks.iter().any(|mark| line.contains(mark)));
    assert_none(&wrong, "paths are relative to the project");
}

#[test]
fn nothing_is_unfinished_or_left_out_of_the_tests() {
    let marks = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore"), concat!("FIX", "ME")];
    let wrong = wrong_lines(true, |line| marks.iter().any(|mark| line.contains(mark)));
    assert_none(&wrong, "finish it or take it out");
}

/// A fixed time is too short on a busy machine and too long on any other. Clippy bans the call of the standard library
/// everywhere; tokio's is a program's way to wait.
#[test]
fn no_test_sleeps() {
    let mark = concat!("sle", "ep(");
    let calls = |line: &str| {
        line.match_indices(mark).any(|(at, _)| {
            let is_name = line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            !is_name && !line[at + mark.len()..].starts_with(')') && !line[..at].ends_with("fn ")
        })
    };
    let mut wrong = Vec::new();
    for source in sources::all().iter().filter(|s| s.is_rust() && s.path != "testkit/src/waiting.rs") {
        let lines = source.tests().lines().filter(|line| calls(line));
        wrong.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    assert_none(&wrong, "wait for a condition, with `oddline_testkit::waiting`");
}

#[test]
fn every_file_says_first_what_it_holds() {
    let wrong: Vec<String> = sources::all()
        .iter()
        .filter(|source| source.is_rust() && !source.text.starts_with("//!"))
        .map(|source| source.path.clone())
        .collect();
    assert_none(&wrong, "a file starts with `//!`: what it owns and what it refuses");
}

#[test]
fn a_file_holds_one_idea() {
    let files: Vec<(String, usize)> = sources::all()
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source.path.clone(), source.without_tests().lines().count()))
        .collect();
    for (path, lines) in files.iter().filter(|(_, lines)| *lines > FILE_LINES_WARN) {
        println!("warning: {path} has {lines} lines without its tests: is it more than one idea?");
    }
    assert_none(&long_files(&files, LONG_FILES), "lines without the unit tests, at most 500: cut the file");
}

/// What is too long, or not as long as the list of long files says.
fn long_files(files: &[(String, usize)], listed: &[(&str, usize)]) -> Vec<String> {
    let limit = |path: &str| listed.iter().find(|(name, _)| *name == path).map(|(_, lines)| *lines);
    let lines_of = |path: &str| files.iter().find(|(name, _)| name == path).map_or(0, |(_, lines)| *lines);
    let grown = files
        .iter()
        .filter(|(path, lines)| *lines > limit(path).unwrap_or(FILE_LINES_MAX))
        .map(|(path, lines)| format!("{path}: {lines}"));
    let shrunk = listed
        .iter()
        .map(|(path, limit)| (path, limit, lines_of(path)))
        .filter(|(_, limit, lines)| lines < limit)
        .map(|(path, limit, lines)| format!("{path}: {lines}, no longer {limit}: say so in LONG_FILES"));
    grown.chain(shrunk).collect()
}

#[test]
fn the_list_of_long_files_only_shrinks() {
    let files = [("new.rs", 501), ("same.rs", 620), ("grown.rs", 701), ("shrunk.rs", 599), ("short.rs", 500)];
    let files = files.map(|(path, lines)| (path.to_owned(), lines));
    let listed = [("same.rs", 620), ("grown.rs", 700), ("shrunk.rs", 600), ("gone.rs", 800)];
    let wrong = long_files(&files, &listed);
    assert_eq!(
        wrong,
        [
            "new.rs: 501",
            "grown.rs: 701",
            "shrunk.rs: 599, no longer 600: say so in LONG_FILES",
            "gone.rs: 0, no longer 800: say so in LONG_FILES"
        ]
    );
}
