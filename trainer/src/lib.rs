//! The trainer: log files in, a tested model out. `train` reads as the story; the stages are types one can stop at.
//!
//! ```text
//! generate -> logs -> dataset -> vectors -> fit -> export -> calibrate -> model.onnx
//!                                                               |
//!                     unseen logs ----------------------- (detector) -> test: report, anomalies.csv, charts
//! ```

#![allow(missing_docs, reason = "a library only for this program and its tests: names and error texts say it")]

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
pub mod judged;
pub mod network;
pub mod output;
pub mod pages;
pub mod plain;
pub mod retrain;
pub mod say;
pub mod sign;
pub mod test;
pub mod train;
pub mod trim;
pub mod vectors;

pub use oddline_core::id::hex;
