//! What an operator types, one file each; the daemon itself is [`crate::run`].

pub mod explain;
pub mod model;
pub mod parse;
mod preview;
pub mod status;
pub mod system;
pub mod times;
pub mod validate;
