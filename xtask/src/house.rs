//! Rules of the house that a compiler does not know, as tests over the project's text.

use crate::sources;

/// A file longer than this holds more than one idea.
const FILE_LINES_MAX: usize = 400;

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
    let wrong: Vec<String> = sources::all()
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source.without_tests().lines().count(), &source.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines}"))
        .collect();
    assert_none(&wrong, "lines without the unit tests, at most 400: cut the file");
}
