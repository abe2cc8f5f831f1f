//! The collector from outside: its store against a simple model on both databases, and the program between a real
//! broker and a database.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod cli;
mod disk;
mod entries;
mod fleet;
mod fleets;
mod growth;
mod letters;
mod locks;
mod logging;
mod packaged;
mod plans;
mod program;
mod queries;
mod root;
mod shares;
mod store_model;
mod words;
