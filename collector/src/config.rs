//! What an operator may set, with its defaults; read once, all mistakes at once. docs/collector.md lists the keys.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use oddline_config::{ConfigProblems, ConfigSection, Layers};
use oddline_core::id::FleetName;
use oddline_link::{address::BrokerAddress, secrets::SecretFiles};

use crate::{serve as api, store};

/// Where the file is unless another is named.
pub const FILE: &str = "/etc/oddline/collector.toml";
/// The database in the folder of state, unless another is named.
const STORE: &str = "collector.db";
/// Where everything is kept unless another place is named.
const STATE: &str = "/var/lib/oddline/collector";
/// Where agents of this machine find the embedded broker.
const LISTEN: &str = "127.0.0.1:1883";
/// Agents say how they are every minute or so.
const QUIET_AFTER_S: u64 = 15 * 60;
/// A quarter of anomalies is enough to compare with last month's.
const KEEP_S: u64 = 90 * 86_400;
const DAY_S: u64 = 86_400;
const YEAR_S: u64 = 366 * DAY_S;

#[derive(Debug, Clone)]
pub struct CollectorConfig {
    /// Name of this collector among those that share a broker or a database.
    pub name: String,
    /// Folder of what is not in the database: the authority of the agents' certificates.
    pub state: PathBuf,
    pub store: store::DatabaseAddress,
    /// The only fleets that are served; with none named, those that agents come from.
    pub fleets: Vec<FleetName>,
    /// Seconds without a word after which an agent is quiet.
    pub quiet_after_s: u64,
    /// Seconds that rows are kept.
    pub keep_s: u64,
    /// Bytes of the database beyond which the oldest rows go.
    pub keep_bytes: Option<u64>,
    pub broker: BrokerConfig,
    /// The HTTP API; `None` when it is switched off.
    pub api: Option<api::ApiSettings>,
}

#[derive(Debug, Clone)]
pub enum BrokerConfig {
    Outside(BrokerAddress, SecretFiles),
    Embedded(EmbeddedConfig),
}

#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    pub listen: SocketAddr,
    /// Names under which agents reach it: then its certificate comes from the authority that enrolls them.
    pub names: Vec<String>,
    /// The broker's certificate chain, its key, and the authority of the agents' certificates.
    pub tls: Option<(PathBuf, PathBuf, PathBuf)>,
    pub revoked: Option<PathBuf>,
}

/// Reads the file, its folder and the environment. Without a file at the default place the defaults count.
pub fn read(file: Option<&Path>) -> Result<CollectorConfig, ConfigProblems> {
    let layers = match file {
        Some(file) => Layers::of(file),
        None if Path::new(FILE).exists() => Layers::of(Path::new(FILE)),
        // The environment still counts.
        None => Layers::without_file(),
    };
    from(&layers)
}

pub fn from(layers: &Layers) -> Result<CollectorConfig, ConfigProblems> {
    let reader = layers.read();
    let config = {
        let top = reader.top();
        let config = all(&top);
        top.finish();
        config
    };
    reader.finish()?;
    Ok(config)
}

fn all(top: &ConfigSection<'_>) -> CollectorConfig {
    let keep = top.section("keep");
    let mib = keep.number("size_mib", 16..=1_i64 << 30).and_then(|mib| u64::try_from(mib).ok());
    let state = top.path("state").unwrap_or_else(|| STATE.into());
    let config = CollectorConfig {
        name: name(top),
        store: top.value("store").unwrap_or_else(|| store::DatabaseAddress::Sqlite(state.join(STORE))),
        state,
        fleets: top.list("fleets").unwrap_or_default(),
        quiet_after_s: top.seconds("quiet_after", 30..=30 * DAY_S).unwrap_or(QUIET_AFTER_S),
        keep_s: keep.seconds("age", DAY_S..=50 * YEAR_S).unwrap_or(KEEP_S),
        keep_bytes: mib.map(|mib| mib << 20),
        broker: broker(top),
        api: api(top),
    };
    keep.finish();
    config
}

fn api(top: &ConfigSection<'_>) -> Option<api::ApiSettings> {
    let section = top.section("api");
    let settings = api::ApiSettings::read(&section);
    section.finish();
    settings
}

fn name(top: &ConfigSection<'_>) -> String {
    let Some(name) = top.value::<String>("name") else { return "collector".to_owned() };
    // The same letters as everywhere: it becomes part of a client identifier.
    if let Err(error) = name.parse::<oddline_core::id::AgentName>() {
        top.problem("name", error.to_string().replace("agent name", "name"));
    }
    name
}

fn broker(top: &ConfigSection<'_>) -> BrokerConfig {
    let (outside, embedded) = (top.section("broker"), top.section("embedded"));
    let url: Option<BrokerAddress> = outside.value("url");
    let files = SecretFiles {
        ca: outside.path("ca"),
        identity: both(&outside, "certificate", "key"),
        user: outside.value::<String>("user").zip(outside.path("password_file")),
    };
    if outside.has("user") != outside.has("password_file") {
        outside.problem("user", "a user and a password_file belong together");
    }
    if url.is_none() && outside.is_there() && !outside.has("url") {
        outside.problem(
            "url",
            "it is missing: mqtt://host[:port] or mqtts://host[:port], or leave [broker] out for the embedded one",
        );
    }
    if url.as_ref().is_some_and(|url| url.tls) && files.ca.is_none() && !outside.has("ca") {
        outside.problem("ca", "mqtts:// needs the certificate of the authority that signed the broker's");
    }
    if outside.has("url") && embedded.is_there() {
        embedded.problem("listen", "[broker] names an outside broker: take [embedded] out");
    }
    let settings = EmbeddedConfig {
        names: embedded.list("names").unwrap_or_default(),
        listen: embedded.value("listen").unwrap_or_else(|| LISTEN.parse().expect("it is an address")),
        tls: both(&embedded, "certificate", "key").zip(embedded.path("client_ca")).map(|((c, k), ca)| (c, k, ca)),
        revoked: embedded.path("revoked"),
    };
    if !settings.listen.ip().is_loopback() && settings.tls.is_none() && settings.names.is_empty() {
        embedded.problem(
            "listen",
            format!(
                "{} can be reached from other machines: say under which `names` agents reach it, or name certificate, \
                 key and client_ca",
                settings.listen
            ),
        );
    }
    if embedded.has("certificate") != embedded.has("client_ca") {
        embedded.problem("client_ca", "certificate, key and client_ca belong together");
    }
    outside.finish();
    embedded.finish();
    match url {
        Some(url) => BrokerConfig::Outside(url, files),
        None => BrokerConfig::Embedded(settings),
    }
}

fn both(section: &ConfigSection<'_>, first: &'static str, second: &'static str) -> Option<(PathBuf, PathBuf)> {
    let paths = section.path(first).zip(section.path(second));
    if section.has(first) != section.has(second) {
        section.problem(first, format!("{first} and {second} belong together"));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_known_to_the_family() {
        let reader = Layers::default().read();
        drop(all(&reader.top()));
        let unknown: Vec<String> = reader
            .variables()
            .into_iter()
            .filter(|name| !oddline_config::family::VARIABLES.contains(&name.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
