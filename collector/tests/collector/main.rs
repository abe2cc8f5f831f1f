//! The collector from outside: its store against a simple model on both databases, and the program between a real
//! broker and a database.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod cli;
mod disk;
mod entries;
mod fleet;
mod fleets;
mod letters;
mod locks;
mod mosquitto;
mod packaged;
mod plans;
mod postgres;
mod program;
mod queries;
mod root;
mod shares;
mod store_model;
mod words;

/// Says that a test could not run here, to whoever asked for that.
fn not_run(name: &str, why: &str) {
    use std::io::Write as _;
    eprintln!("not run: {name}: {why}");
    if let Some(file) = std::env::var_os("ODDLINE_NOT_RUN") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "{name}: {why}").unwrap();
    }
}
