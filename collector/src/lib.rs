//! Where every server's results meet: broker, store, queries, API.

pub mod broker;
pub mod enroll;
