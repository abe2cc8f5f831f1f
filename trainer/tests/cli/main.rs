//! The program as a user meets it: files in a folder, a command, an exit code, what it says and what it leaves behind.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod bad_logs;
mod bad_models;
mod disk;
mod kill;
mod memory;
mod odd_logs;
mod options;
mod real;
mod retrain;
mod seed;
mod shell;
mod signing;
mod unwritable;
mod usage;
