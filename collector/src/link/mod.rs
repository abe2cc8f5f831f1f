//! What a connection to a broker is made of, without the connection: that is `subscribe`.

pub use oddline_link::{address, backoff, client_id};

pub mod settings;
