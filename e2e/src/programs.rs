//! Where the programs under test are: beside the tests, as the workspace's build leaves them.

use std::path::{Path, PathBuf};

/// A program of this workspace, from the same build folder as the test that asks.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let program = folder().join(name);
    assert!(program.is_file(), "{} is missing: build the workspace first (cargo build --workspace)", program.display());
    program
}

/// A copy of a program in a test's own folder, which no build in between replaces.
#[must_use]
pub fn copied(name: &str, folder: &Path) -> PathBuf {
    let copy = folder.join(name);
    std::fs::copy(built(name), &copy).expect("a program can be copied to the test's folder");
    copy
}

/// Cargo's folder for what tests leave behind.
#[must_use]
pub fn scratch() -> PathBuf {
    let scratch = folder().parent().expect("a profile's folder lies in the target folder").join("tmp/oddline-e2e");
    std::fs::create_dir_all(&scratch).expect("the target folder can be written");
    scratch
}

fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // <target>/<profile>/deps/<test>
    test.ancestors().nth(2).expect("a test lies in deps").to_owned()
}
