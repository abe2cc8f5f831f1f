//! Certificates of a fleet.

pub mod revoked;
