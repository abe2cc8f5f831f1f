//! The agent: local logs in, only what is odd out. Read [`run`] first.
//!
//! ```text
//! source -> parse -> features -> score -> verdict -> episode -> spool -> publish
//! '- io -'  '-------------- pipeline (pure) ---------------'  '----- io -----'
//! ```

pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod error;
pub mod events;
pub mod figures;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod models;
pub mod pages;
pub mod publish;
pub mod redact;
pub mod replay;
pub mod run;
pub mod source;
pub mod spool;
pub mod state;
pub mod worker;
