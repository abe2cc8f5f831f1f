//! What is measured of a detector's alerts; a file a measure.

pub(crate) mod ranking;
pub(crate) mod windows;
