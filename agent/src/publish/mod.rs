//! From the spool to the collector, or to a file or a terminal where there is none.
//!
//! ```text
//!  spool -> peek -> delivery -> batch -> session -> broker -> collector
//!    ^                 |                                          |
//!    '---- ack --------'<------------- ack topic -----------------'
//!
//!  spool -> peek -> sink (file, stdout) -> ack
//! ```
//!
//! What is published is decided in [`delivery`] (pure); [`drive`] waits for everything at once; the connection is kept up by
//! `oddline_link`, set up in [`session`]. This module owns no state that must survive: that is the spool's.

pub(crate) mod announce;
#[cfg(test)]
mod broker_test;
pub(crate) mod delivery;
pub(crate) mod drive;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod model_test;
pub(crate) mod ports;
#[cfg(test)]
mod rival_test;
pub(crate) mod session;
pub(crate) mod sink;

/// The entries that wait for their acknowledgement. Sequences start at 1 and have no hole.
pub(crate) trait Spool {
    type Error: std::error::Error;

    /// The highest sequence ever given out, 0 for none.
    ///
    /// # Errors
    /// When the spool cannot be read.
    fn last(&mut self) -> Result<u64, Self::Error>;

    /// Entries from `from` on with their sequences, in postcard: as many as stay within `bytes_max`, but at least one
    /// when there is one.
    ///
    /// # Errors
    /// When the spool cannot be read.
    fn peek(&mut self, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>, Self::Error>;

    /// Deletes everything up to and including `up_to`.
    ///
    /// # Errors
    /// When the spool cannot be written.
    fn ack(&mut self, up_to: u64) -> Result<(), Self::Error>;

    /// Whether an error may pass by itself, as that of a full disk does: the same call is worth another try.
    fn is_passing(error: &Self::Error) -> bool;
}
