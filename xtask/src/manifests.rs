//! Rules for the manifests: a library that two crates use has its version in one place, and a crate names only libraries that
//! it uses.

use std::collections::BTreeMap;

use crate::sources::{self, Source};

/// A line of `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, PartialEq)]
struct Dependency<'a> {
    /// As code names it, with `_`.
    library: String,
    /// What stands after the name.
    wanted: &'a str,
}

impl Dependency<'_> {
    fn is_shared(&self) -> bool {
        self.wanted.contains("workspace = true")
    }
}

/// What a manifest asks for. One line each, as all of ours are.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if let Some((name, wanted)) = line.split_once('=').filter(|_| is_inside && !line.starts_with('#')) {
            let name = name.trim();
            let name = name.strip_suffix(".workspace").unwrap_or(name);
            let wanted = line.find("workspace = true").map_or(wanted, |at| &line[at..]);
            found.push(Dependency { library: name.replace('-', "_"), wanted: wanted.trim() });
        }
    }
    found
}

/// The manifests of the workspace's crates, each with its folder.
fn manifests(sources: &[Source]) -> impl Iterator<Item = (&str, &Source)> {
    // The conformance crate is a workspace of its own.
    sources.iter().filter_map(|source| {
        let folder = source.path.strip_suffix("/Cargo.toml")?;
        (!folder.contains('/') && folder != "conformance").then_some((folder, source))
    })
}

#[test]
fn what_two_crates_use_has_one_version() {
    let sources = sources::all();
    let mut own: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (folder, manifest) in manifests(&sources) {
        for dependency in dependencies(&manifest.text) {
            let shared = if dependency.is_shared() { "the workspace" } else { folder };
            own.entry(dependency.library).or_default().push(shared);
        }
    }
    let mut wrong = Vec::new();
    for (library, mut places) in own {
        let is_alone = places.len() == 1;
        places.sort_unstable();
        places.dedup();
        if !is_alone && places != ["the workspace"] {
            wrong.push(format!("{library}: {}", places.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "put the version into [workspace.dependencies]:\n  {}", wrong.join("\n  "));
}

#[test]
fn a_dependency_is_used() {
    let sources = sources::all();
    let mut wrong = Vec::new();
    for (folder, manifest) in manifests(&sources) {
        let start = format!("{folder}/");
        let code: Vec<&Source> = sources.iter().filter(|s| s.is_rust() && s.path.starts_with(&start)).collect();
        for dependency in dependencies(&manifest.text) {
            if !code.iter().any(|source| source.text.lines().any(|line| names(line, &dependency.library))) {
                wrong.push(format!("{folder}: {}", dependency.library));
            }
        }
    }
    assert!(wrong.is_empty(), "no file of the crate names it, so take it out:\n  {}", wrong.join("\n  "));
}

/// Whether a line of code, not a comment, names a crate.
fn names(line: &str, library: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(library).any(|(at, _)| {
        let after = &code[at + library.len()..];
        let starts = !code[..at].ends_with(is_word) && !code[..at].ends_with("crate::");
        let is_path = after.starts_with("::");
        let is_import = code.trim_start().starts_with("use ") || code.contains(" use ");
        starts && (is_path || (is_import && !after.starts_with(is_word)))
    })
}

#[test]
fn lines_of_a_manifest() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# a note = none\nsd-notify = \"0.5\"\nserde.workspace = true\n\
                    clap = { workspace = true, features = [\"env\"] }\n[dev-dependencies]\nrcgen = \"0.14\"\n[lints]\nworkspace = true\n";
    let found = dependencies(manifest);
    let found: Vec<(&str, bool)> = found.iter().map(|d| (d.library.as_str(), d.is_shared())).collect();
    assert_eq!(found, [("sd_notify", false), ("serde", true), ("clap", true), ("rcgen", false)]);
}

#[test]
fn what_counts_as_naming_a_crate() {
    assert!(names("use clap::Parser;", "clap"));
    assert!(names("    x: Result<anyhow::Error>,", "anyhow"));
    assert!(names("pub use glob;", "glob"));
    assert!(!names("// clap::Parser", "clap"));
    assert!(!names("use clap_mangen::Man;", "clap"));
    assert!(!names("let config = config::read();", "toml"));
}
