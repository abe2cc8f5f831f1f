//! What cannot be run here is named, never silently left out.

use std::{fs::OpenOptions, io::Write};

/// Names the file that collects the lines; `cargo xtask test` sets it.
const LIST_VARIABLE: &str = "ODDLINE_NOT_RUN";

/// Says that a test was not run, and why; the caller returns.
pub fn not_run(test: &str, why: &str) {
    println!("not run: {test}: {why}");
    if let Some(list) = std::env::var_os(LIST_VARIABLE) {
        let mut list = OpenOptions::new().create(true).append(true).open(list).expect("the list can be written");
        writeln!(list, "{test}: {why}").expect("the list can be written");
    }
}
