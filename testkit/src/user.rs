//! Who runs the test.

use std::{fs, os::unix::fs::MetadataExt as _};

/// Whether this is root, who may mount, give files away and read everything.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
