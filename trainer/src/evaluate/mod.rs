//! What a test run found, against the truth: pure accumulators and their reports.
//!
//! Owns the figures (`metrics`, `summary`), their text and JSON (`report`), the comparison with
//! labelled windows (`windows`, `window_table`) and the windowed Gaussian to compare with
//! (`baseline`). Judges nothing itself, draws nothing (see `chart`), and reads one file only, the
//! labelled windows.

pub mod baseline;
pub mod confusion;
mod events;
pub mod histogram;
pub mod metrics;
pub mod poisson;
pub mod report;
pub mod summary;
mod table;
pub mod window_table;
pub mod windows;
