//! The project's own text files, for the tests that read them. What a build or a run leaves behind is not among them.

use std::path::{Path, PathBuf};

use crate::shell;

/// Larger files are data, not text that a person wrote.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Folders that hold what was made, not what was written.
const MADE: &[&str] = &["target", "logs", "models", "charts", ".git", "node_modules", "__pycache__"];

pub(crate) struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// What is compiled for tests only.
    pub(crate) fn tests(&self) -> &str {
        let is_test = self.path.ends_with("_test.rs") || ["e2e/", "testkit/"].iter().any(|c| self.path.starts_with(c));
        if is_test { &self.text } else { &self.text[self.without_tests().len()..] }
    }

    /// What stands before the unit tests; nothing when the file holds only tests.
    pub(crate) fn without_tests(&self) -> &str {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return "";
        }
        let end = self.text.find("\n#[cfg(test)]\nmod tests {");
        end.map_or(self.text.as_str(), |end| &self.text[..end])
    }
}

/// Every text file of the project in the order of its paths.
pub(crate) fn all() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(shell::root(), &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths.iter().filter_map(|path| read(path)).collect();
    assert!(sources.iter().any(|s| s.path == "xtask/src/sources.rs"), "the walk finds this file");
    sources
}

fn walk(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !MADE.iter().any(|made| name == *made) {
            walk(&entry.path(), paths);
        } else if kind.is_file() && name != "Cargo.lock" {
            paths.push(entry.path());
        }
    }
}

fn read(path: &Path) -> Option<Source> {
    if path.metadata().ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let path = path.strip_prefix(shell::root()).unwrap();
    Some(Source { path: path.to_str()?.to_owned(), text })
}
