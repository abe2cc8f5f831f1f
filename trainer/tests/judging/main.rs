//! What a trained model promises, on a small one trained once per process: runtimes agree, streams are bounded and adapt,
//! the truth is never learnt from, and the detector's committed model is still what this trainer makes. What needs no
//! training is in the detector's tests.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod conformity;
mod fixture;
mod golden;
mod onnx;
mod quiet;
mod streams;
mod truth;
