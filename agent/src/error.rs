//! Exit codes.

use std::io::ErrorKind;

use oddline_detector::OpenError;

/// The exit code of an error: 65 bad model, 74 I/O, 77 permission, 1 anything else.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return if io.kind() == ErrorKind::PermissionDenied { 77 } else { 74 };
        }
        if cause.is::<OpenError>() {
            return 65;
        }
    }
    1
}
