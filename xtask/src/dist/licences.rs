//! The licences of the libraries in a program, in their own words: most ask that their text travels with the program.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::materials::Part;

/// A text that is longer is no licence.
const TEXT_BYTES_MAX: u64 = 256 * 1024;

/// One file: every text once, under the names of those that it is of.
pub(super) fn texts(program: &str, parts: &[Part]) -> String {
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for part in parts.iter().filter(|part| !part.is_own()) {
        let name = format!("{} {} ({})", part.name, part.version, part.licence);
        let files = files(&part.folder);
        if files.is_empty() {
            without.push(name);
            continue;
        }
        for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
            of.entry(text.trim().to_owned()).or_default().push(name.clone());
        }
    }
    let mut out = format!("Libraries in {program}, and their licences\n");
    for (text, names) in of {
        _ = write!(out, "\n{}\n{}\n\n{text}\n", "=".repeat(100), names.join("\n"));
    }
    if !without.is_empty() {
        _ = write!(out, "\n{}\nWithout a text of their own:\n{}\n", "=".repeat(100), without.join("\n"));
    }
    out
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| is_licence(&entry.file_name().to_string_lossy()))
        .filter(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= TEXT_BYTES_MAX))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn is_licence(name: &str) -> bool {
    let name = name.to_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_licences() {
        for name in ["LICENSE", "LICENSE-MIT", "license-apache-2.0", "COPYING.txt", "NOTICE"] {
            assert!(is_licence(name), "{name}");
        }
        assert!(!is_licence("README.md"));
    }
}
