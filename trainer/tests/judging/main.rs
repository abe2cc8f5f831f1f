//! What judging promises, on a small model trained once per process: verdicts do not depend on how records arrive, bad
//! models are refused, runtimes agree, streams are bounded and adapt, and the truth is never learnt from.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod blocks;
mod conformity;
mod damage;
mod edits;
mod fixture;
mod graphs;
mod neighbours;
mod onnx;
mod streams;
mod truth;
