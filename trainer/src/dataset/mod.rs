//! Logs as readings: which files ([`files`]), how they are opened ([`input`]) and read ([`options`], [`read`]), what was
//! wrong ([`notes`]), and keeping what a fit needs ([`load`]).

pub mod files;
pub mod input;
pub mod lines;
pub mod load;
pub mod notes;
pub mod options;
pub mod read;

pub use load::{Dataset, DatasetStream};
pub use notes::Notes;
pub use options::{ReadArgs, ReadOptions};
pub use read::InputLogs;
