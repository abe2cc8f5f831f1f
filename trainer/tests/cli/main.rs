//! The program as a user meets it: files in a folder, a command, an exit code, what it says and what it leaves behind.

mod bad_logs;
mod bad_models;
mod disk;
mod kill;
mod memory;
mod odd_logs;
mod options;
mod real;
mod seed;
mod shell;
mod unwritable;
mod usage;
