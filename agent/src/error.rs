//! Exit codes.

use oddline_cli::exit;
use oddline_config::ConfigProblems;
use oddline_detector::ModelOpenError;

use crate::{model::store::ModelStoreError, source::SourceError, state::StateError};

/// The exit code of an error: 65 bad model, 74 I/O, 77 permission, 78 bad configuration, 1 anything else.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return exit::of_io(io);
        }
        if cause.is::<ConfigProblems>() {
            return exit::CONFIG;
        }
        if cause.is::<ModelOpenError>() {
            return exit::DATA;
        }
        if let Some(StateError::Io { error, .. }) = cause.downcast_ref() {
            return exit::of_io(error);
        }
        if cause.is::<ModelStoreError>() || cause.is::<SourceError>() {
            return exit::IO;
        }
    }
    exit::FAILED
}
