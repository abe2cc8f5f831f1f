//! Exit codes, and the two errors of the trainer's own that choose one.

use oddline_cli::exit;
use oddline_config::ConfigProblems;
use oddline_detector::ModelOpenError;

use crate::{chart::ChartError, generate::ScenarioError};

/// Input that cannot be used: exit code 65.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

/// Options that do not fit together: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The exit code of an error: 2 usage, 65 bad data or model, 74 I/O, 77 permission, 78 bad configuration, 1
/// anything else.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return exit::of_io(io);
        }
        if cause.is::<ConfigProblems>() {
            return exit::CONFIG;
        }
        if cause.is::<ScenarioError>() || cause.is::<UsageError>() {
            return exit::USAGE;
        }
        if cause.is::<DataError>() || cause.is::<ModelOpenError>() {
            return exit::DATA;
        }
        if matches!(cause.downcast_ref(), Some(ChartError::Write { .. })) {
            return exit::IO;
        }
    }
    exit::FAILED
}
