//! What judging promises, on a small committed model: verdicts do not depend on how records arrive, its scores stay what
//! they are, bad models are refused, and models may grow. What needs training is in the trainer's tests.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod blocks;
mod damage;
mod edits;
mod fixture;
mod graphs;
mod growth;
mod neighbours;
mod onnx;
mod scores;
