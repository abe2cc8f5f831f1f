//! What an operator may set: `[api]` in collector.toml.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use oddline_config::ConfigSection;

use super::{limits::HttpLimits, proxy::NetworkRange};

/// Where the API listens unless another place is named: this machine only.
const LISTEN: &str = "127.0.0.1:8180";

/// The server's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiSettings {
    pub listen: SocketAddr,
    /// Holds the token; needed beyond loopback.
    pub token_file: Option<PathBuf>,
    /// Names besides localhost under which it is asked, as a proxy before it passes them on.
    pub hosts: Vec<String>,
    /// Proxies whose word counts about who asks.
    pub trusted_proxies: Vec<NetworkRange>,
    pub limits: HttpLimits,
}

impl Default for ApiSettings {
    fn default() -> Self {
        let listen = LISTEN.parse().expect("it is an address");
        Self { listen, token_file: None, hosts: Vec::new(), trusted_proxies: Vec::new(), limits: HttpLimits::default() }
    }
}

impl ApiSettings {
    /// Whether somebody else than this machine may ask: there, or through a proxy here.
    pub(super) fn has_strangers(&self) -> bool {
        let is_here = |host: &String| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        };
        !self.listen.ip().to_canonical().is_loopback()
            || !self.trusted_proxies.is_empty()
            || !self.hosts.iter().all(is_here)
    }

    /// Reads `[api]`; `None` when it says `enabled = false`.
    #[must_use]
    pub fn read(api: &ConfigSection<'_>) -> Option<Self> {
        let enabled = api.flag("enabled").unwrap_or(true);
        let usual = Self::default();
        let settings = Self {
            listen: api.value("listen").unwrap_or(usual.listen),
            token_file: api.path("token_file"),
            hosts: api.list("hosts").unwrap_or_default(),
            trusted_proxies: api.list("trusted_proxies").unwrap_or_default(),
            limits: usual.limits,
        };
        if !settings.listen.ip().to_canonical().is_loopback() && !api.has("token_file") {
            let told = format!(
                "{} can be reached from other machines: name a token_file, or listen on 127.0.0.1",
                settings.listen
            );
            api.problem("listen", told);
        } else if settings.has_strangers() && !api.has("token_file") {
            let key = if settings.trusted_proxies.is_empty() { "hosts" } else { "trusted_proxies" };
            api.problem(key, "a proxy passes on what other machines ask: name a token_file");
        }
        enabled.then_some(settings)
    }
}
