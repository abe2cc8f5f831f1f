//! The agent: local logs in, only what is odd out. Read [`run`] first.
//!
//! ```text
//! source -> parse -> features -> score -> verdict -> episode -> spool -> publish
//! '- io -'  '-------------- pipeline (pure) ---------------'  '----- io -----'
//! ```

#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "a library only for this program and its tests: names and error texts say it"
)]

mod clock;
pub mod command;
pub mod config;
mod control;
pub mod error;
mod events;
mod figures;
mod memory;
mod metrics;
mod model;
mod model_manager;
pub mod pages;
mod publish;
pub mod redact;
pub mod replay;
pub mod run;
pub mod source;
mod spool;
pub mod state;
mod worker;
