//! The way to a broker, the same for agents and collectors: where it is, which files say who we are, how long to wait
//! before trying again, how the MQTT client is set up and what its errors mean in words. The connection itself, and what
//! is said on it, is each program's own.

pub mod address;
pub mod backoff;
pub mod client;
pub mod client_id;
pub mod secrets;
mod tls;
