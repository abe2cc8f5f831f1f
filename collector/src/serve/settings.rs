//! What an operator may set: `[api]` in collector.toml.

use std::{net::SocketAddr, path::PathBuf};

use oddline_config::Section;

use super::limits::Limits;

/// Where the API listens unless another place is named: this machine only.
const LISTEN: &str = "127.0.0.1:8180";

/// The server's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Holds the token; needed beyond loopback.
    pub token_file: Option<PathBuf>,
    /// Names besides localhost under which it is asked, as a proxy before it passes them on.
    pub hosts: Vec<String>,
    /// What clients may use.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        let listen = LISTEN.parse().expect("it is an address");
        Self { listen, token_file: None, hosts: Vec::new(), limits: Limits::default() }
    }
}

impl Settings {
    /// Reads `[api]`; `None` when it says `enabled = false`.
    #[must_use]
    pub fn read(api: &Section<'_>) -> Option<Self> {
        let enabled = api.flag("enabled").unwrap_or(true);
        let usual = Self::default();
        let settings = Self {
            listen: api.value("listen").unwrap_or(usual.listen),
            token_file: api.path("token_file"),
            hosts: api.list("hosts").unwrap_or_default(),
            limits: usual.limits,
        };
        if !settings.listen.ip().to_canonical().is_loopback() && !api.has("token_file") {
            let told = format!(
                "{} can be reached from other machines: name a token_file, or listen on 127.0.0.1",
                settings.listen
            );
            api.problem("listen", told);
        }
        enabled.then_some(settings)
    }
}
