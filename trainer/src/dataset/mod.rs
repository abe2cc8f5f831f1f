//! Log files as records: reading them line by line ([`read`]), and keeping what a fit needs ([`load`]).

pub mod lines;
pub mod load;
pub mod notes;
pub mod read;

pub use load::{Dataset, Stream};
pub use notes::Notes;
pub use read::Logs;
