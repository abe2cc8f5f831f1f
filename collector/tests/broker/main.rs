//! The embedded broker with real sockets and the real client.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

mod client;
mod hostile;
mod plain;
mod table;
mod tls;
