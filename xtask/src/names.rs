//! One name for one type: whoever greps for a type finds the one that is meant.

use std::collections::BTreeMap;

use crate::{shell, sources};

/// Names that every program has for its own.
const SHARED: &[&str] = &["Args"];
/// Tests, chores and other people's programs name things as they like.
const APART: &[&str] = &["e2e/", "xtask/", "conformance/", "fuzz/", "testkit/"];

/// The names of types that `text` defines, with their lines, outside functions.
fn types(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let item = line.strip_prefix("pub ").unwrap_or(line);
        let item = match item.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
            Some((_, rest)) => rest,
            None => item,
        };
        let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|keyword| item.strip_prefix(keyword))?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        Some((&rest[..end], number + 1))
    })
}

#[test]
fn a_name_means_one_type() {
    let sources = sources::all();
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let is_apart = APART.iter().any(|folder| source.path.starts_with(folder));
        if is_apart
            || source.path.contains("/tests/")
            || source.path.ends_with("tests.rs")
            || source.path.ends_with("_test.rs")
        {
            continue;
        }
        for (name, line) in types(source.without_tests()) {
            found.entry(name).or_default().push(format!("{}:{line}", source.path));
        }
    }
    assert!(found.len() > 500, "the types are found: {}", found.len());
    let twice: Vec<String> = found
        .iter()
        .filter(|(name, places)| places.len() > 1 && !SHARED.contains(name))
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(twice.is_empty(), "give each its own name, see docs/glossary.md:\n  {}", twice.join("\n  "));
}

#[test]
fn definitions_are_recognised() {
    let text = "pub struct A<T>(T);\npub(super) enum B {\nstruct C;\n    struct Inner;\npub type D = u8;\nlet struct_like = 1;\n";
    let names: Vec<&str> = types(text).map(|(name, _)| name).collect();
    assert_eq!(names, ["A", "B", "C", "D"]);
}

/// The glossary points into the code.
#[test]
fn the_glossary_names_places_that_exist() {
    let root = shell::root();
    let text = std::fs::read_to_string(root.join("docs/glossary.md")).expect("the glossary is there");
    let places = text.split('`').skip(1).step_by(2).filter(|place| place.contains('/'));
    let missing: Vec<&str> = places.filter(|place| !root.join(place).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
