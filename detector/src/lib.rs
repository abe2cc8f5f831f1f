//! Opening a model file and judging records with it: records in, verdicts out.
//!
//! ```text
//!  bytes -> open -> Model -> Judge <- records
//!                              |
//!                    stream -> block of 64 -> infer -> score -> Verdict
//!                              |
//!                    windows of a server -> infer -> WindowVerdict
//! ```
//!
//! Trainer, replay and agent all judge through [`Judge`]; there is no other way from a record to a verdict. Nothing
//! here touches files, the network or a clock.

mod error;
mod graph;
mod infer;
mod judge;
mod open;
mod shape;
mod window;

pub use error::{InferError, ModelOpenError};
pub use infer::{Infer, ViewModel};
pub use judge::{DefaultNames, Judge, JudgeState, JudgedRow, RecordIntake};
pub use open::{OPERATORS, OpenModel};
