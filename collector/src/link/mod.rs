//! What a connection to a broker is made of, without the connection: that is `subscribe`.

pub mod address;
pub mod backoff;
pub mod settings;
