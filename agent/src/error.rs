//! Exit codes.

use std::io::ErrorKind;

use oddline_config::Problems;
use oddline_detector::OpenError;

use crate::{model::store::StoreError, source::SourceError, state::StateError};

/// The exit code of an error: 65 bad model, 74 I/O, 77 permission, 78 bad configuration, 1 anything else.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return if io.kind() == ErrorKind::PermissionDenied { 77 } else { 74 };
        }
        if cause.is::<Problems>() {
            return 78;
        }
        if cause.is::<OpenError>() {
            return 65;
        }
        if let Some(StateError::Io { error, .. }) = cause.downcast_ref() {
            return if error.kind() == ErrorKind::PermissionDenied { 77 } else { 74 };
        }
        if cause.is::<StoreError>() || cause.is::<SourceError>() {
            return 74;
        }
    }
    1
}
