//! The trainer: log files in, a tested model out. `train` reads as the story; the stages are types one can stop at.
//!
//! ```text
//! generate -> logs -> dataset -> training set -> fit -> export -> calibrate -> model.onnx
//!                                                                    |
//!                     unseen logs ---------------------------- (detector) -> test: report, anomalies.csv, charts
//! ```

#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "a library only for this program, its tests and the benchmark: names and error texts say it"
)]

pub mod calibrate;
pub mod chart;
pub mod clock;
pub mod dataset;
pub mod error;
pub mod evaluate;
pub mod export;
pub mod fit;
pub mod generate;
pub mod inspect;
pub mod learn;
pub mod model_file;
pub mod network;
pub mod outliers;
pub mod output;
pub mod pages;
pub mod reference_forward;
pub mod retrain;
pub mod say;
pub mod score_stream;
pub mod sign;
pub mod test;
pub mod train;
pub mod training_set;
pub mod windows;

pub use oddline_core::id::hex;
