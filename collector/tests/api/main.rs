//! The API from outside, over sockets: what it answers, whom it refuses, what it holds out. Every answer that a test gets
//! is compared with the OpenAPI document.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod answers;
mod client;
#[allow(dead_code, reason = "shared with the other tests of the store")]
#[path = "../collector/entries.rs"]
mod entries;
mod guard;
mod limits;
mod live;
mod openapi;
mod pages;
#[path = "../collector/postgres.rs"]
mod postgres;
mod web;

/// Says that a test could not run here, to whoever asked for that.
fn not_run(name: &str, why: &str) {
    use std::io::Write as _;
    eprintln!("not run: {name}: {why}");
    if let Some(file) = std::env::var_os("ODDLINE_NOT_RUN") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "{name}: {why}").unwrap();
    }
}
