//! Every decoder of foreign bytes as a function that must not panic, whatever it is given. What drives them is in
//! [`mutate`]; `cargo xtask test --long` does so for a minute each, `cargo nextest run -p oddline-fuzz` for a moment.
//!
//! A target takes bytes and returns nothing, as `cargo fuzz` wants it; that tool needs a nightly compiler and is not
//! needed here.

pub mod mutate;
pub mod seeds;
pub mod targets;
