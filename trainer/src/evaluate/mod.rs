//! What a test run found, against the truth: pure accumulators and their reports.
//!
//! Owns the figures (`metrics`, `summary`) and their text and JSON (`report`). Judges nothing itself, draws nothing (see
//! `chart`) and reads no files.

pub mod confusion;
mod events;
pub mod histogram;
pub mod metrics;
pub mod poisson;
pub mod report;
pub mod summary;
mod table;
