//! The way to a broker, the same for agents and collectors: where it is, which files say who we are, how long to wait
//! before trying again, the session that keeps itself up and what its errors mean in words. What is said on it is each
//! program's own.

#![allow(missing_docs, reason = "fields and variants whose names and types say what they are")]

pub mod address;
pub mod backoff;
mod client;
pub mod client_id;
pub mod secrets;
pub mod session;
pub mod settings;
mod tls;
