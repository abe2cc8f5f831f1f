//! Where every server's results meet: broker, store, queries, API.
//!
//! ```text
//!  broker -> subscribe -> ingest -> queue -> writer -> store <- commands, show
//!                ^                              |         ^
//!                '---------- ack ---------------'         '-- wishes -> broker
//! ```
//!
//! Read [`run`] for the story. `store` is the only place with SQL, `subscribe` the only one with an MQTT client.

pub mod args;
pub mod broker;
pub mod clock;
pub mod commands;
pub mod config;
pub mod enroll;
pub mod error;
pub mod feed;
pub mod figures;
mod filters;
pub mod fleet;
pub mod ingest;
pub mod link;
pub mod membership;
pub mod pages;
pub mod patience;
pub mod process;
pub mod push;
pub mod run;
pub mod serve;
pub mod show;
pub mod store;
pub mod subscribe;
pub mod tasks;
pub mod text;
pub mod time;
pub mod wishes;
pub mod writer;
