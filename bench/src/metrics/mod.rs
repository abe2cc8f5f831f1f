//! What is measured of a detector's alerts; a file a measure.

pub(crate) mod windows;
