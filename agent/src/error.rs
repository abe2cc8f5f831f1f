//! Exit codes.

use oddline_cli::exit;
use oddline_config::Problems;
use oddline_detector::OpenError;

use crate::{model::store::StoreError, source::SourceError, state::StateError};

/// The exit code of an error: 65 bad model, 74 I/O, 77 permission, 78 bad configuration, 1 anything else.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return exit::of_io(io);
        }
        if cause.is::<Problems>() {
            return exit::CONFIG;
        }
        if cause.is::<OpenError>() {
            return exit::DATA;
        }
        if let Some(StateError::Io { error, .. }) = cause.downcast_ref() {
            return exit::of_io(error);
        }
        if cause.is::<StoreError>() || cause.is::<SourceError>() {
            return exit::IO;
        }
    }
    exit::FAILED
}
