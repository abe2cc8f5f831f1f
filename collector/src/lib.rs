//! Where every server's results meet: broker, store, queries, API.
//!
//! ```text
//!  broker -> subscribe -> ingest -> queue -> writer -> store <- commands, show
//!                ^                              |         ^
//!                '---------- ack ---------------'         '-- wishes -> broker
//! ```
//!
//! Read [`run`] for the story. `store` is the only place with SQL, `subscribe` the only one with an MQTT client.

#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "a library only for this program and its tests: names and error texts say it"
)]

pub mod args;
pub mod broker;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
mod desired_publisher;
pub mod enroll;
mod enroll_commands;
pub mod error;
mod feed;
mod figures;
mod filters;
pub mod fleet;
pub mod incidents;
pub mod ingest;
pub mod pages;
mod push;
mod retry_state;
mod run;
pub mod serve;
pub mod show;
pub mod store;
pub mod subscribe;
mod tasks;
mod text;
mod time;
pub mod writer;
