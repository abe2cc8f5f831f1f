//! The exit codes of all programs: those of sysexits.h where it has one, and clap's for usage.

use std::io;

/// Anything else.
pub const FAILED: u8 = 1;
/// Options that do not fit together, names that mean nothing.
pub const USAGE: u8 = 2;
/// Input, a model or a database that cannot be used.
pub const DATA: u8 = 65;
/// A broker, a database or a port that is not to be had now.
pub const UNAVAILABLE: u8 = 69;
/// A file cannot be read or written.
pub const IO: u8 = 74;
/// Something is not allowed.
pub const PERMISSION: u8 = 77;
/// The configuration.
pub const CONFIG: u8 = 78;

/// Of an error of the operating system.
#[must_use]
pub fn of_io(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::PermissionDenied { PERMISSION } else { IO }
}
