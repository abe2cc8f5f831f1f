//! Configuration as an operator writes it: a TOML file, a folder of further ones, the environment. One look finds every
//! mistake: syntax, unknown keys (with what was probably meant), values of the wrong kind, out of range or not to be
//! parsed, each with its file and line. Knows no key of its own (of the programs only the names
//! of their variables); what a program needs it asks for, and asking is what makes a key known.
//!
//! ```text
//!  agent.toml  <-  agent.d/*.toml by name  <-  ODDLINE_<SECTION>_<KEY>
//!
//!  tables are merged; `[[lists]]` of tables grow; any other value replaces the one before it
//! ```

pub mod family;
mod layer;
mod problem;
mod reader;
mod tree;

pub use layer::Layers;
pub use problem::{ConfigOrigin, ConfigProblem, ConfigProblems};
pub use reader::{ConfigReader, ConfigSection, closest};

/// Bytes of one configuration file: longer ones were not written by hand.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files of one folder.
pub const FILES_MAX: usize = 256;
/// First part of each environment variable that means a key.
pub const ENVIRONMENT_PREFIX: &str = "ODDLINE_";
/// A variable that means no key: which records are logged.
const LOG_VARIABLE: &str = "ODDLINE_LOG";
