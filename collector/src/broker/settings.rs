//! What the embedded broker is told before it starts, and what may be wrong with it.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::enroll::revoked::RevokedError;
use crate::fleet::ServedFleets;

/// Settings of the embedded broker.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// Where agents connect. Beyond loopback only with [`BrokerSettings::tls`].
    pub listen: SocketAddr,
    /// Certificates; `None` for plain TCP on loopback, where agents are who they say.
    pub tls: Option<Tls>,
    /// The fleets whose agents may speak.
    pub fleets: ServedFleets,
    pub limits: BrokerLimits,
}

/// The broker's certificate, and whose certificates it accepts. Client certificates are always required.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM chain of the broker.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// PEM certificates of the authority that signs agents.
    pub client_ca: PathBuf,
    /// List of revoked certificates (see [`crate::enroll::revoked`]), read again when it changes; a missing file is an
    /// empty list.
    pub revoked: Option<PathBuf>,
}

/// Bounds of the embedded broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Agents connected at a time. Each takes three file descriptors; fewer are let in when the process may not open
    /// that many (see [`super::Figures::connections_max`]).
    pub connections: usize,
    /// Connections that have not said who they are; the oldest makes room.
    pub half_open: usize,
    /// Time for TLS and CONNECT together.
    pub admit_within: Duration,
    /// Bytes of one packet, either way.
    pub packet_bytes: u32,
    /// Bytes a second that one agent may send, and as many at once; it is slowed down, not cut.
    pub agent_bytes_per_s: u32,
    pub retained: usize,
    /// Bytes of their topics and payloads.
    pub retained_bytes: usize,
    /// Messages waiting for the collector.
    pub collector_queue: usize,
    /// Messages waiting for one agent.
    pub agent_queue: usize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            // A Raspberry Pi with 1 GiB holds as many sessions; more agents want an MQTT cluster.
            connections: 4096,
            // All agents of a large fleet coming back at once after a restart, in the time of a handshake.
            half_open: 1024,
            // As long as an agent tries, see its `publish` module.
            admit_within: Duration::from_secs(20),
            // A model of 512 KiB with its signature; what agents take, see there.
            packet_bytes: 1024 * 1024,
            // A full spool at once after an outage; more than the store takes from all of them.
            agent_bytes_per_s: 16 * 1024 * 1024,
            // Three topics of each agent, one for what it should run, a few models.
            retained: 4 * 4096 + 64,
            // Births and states of a few kilobytes each; sixty models.
            retained_bytes: 96 * 1024 * 1024,
            // What all agents retain comes at once when the collector subscribes.
            collector_queue: 4 * 4096 + 1024,
            // Acknowledgements, a wish, a model.
            agent_queue: 256,
        }
    }
}

/// Why the embedded broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Reachable by others without proof of who they are.
    #[error(
        "broker: {0} can be reached from other machines; that needs TLS with a server certificate and the CA of the \
         agents' certificates. Without TLS listen on 127.0.0.1 or [::1]"
    )]
    Exposed(SocketAddr),
    /// Files of TLS that cannot be used: all of them.
    #[error("broker: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Files(Vec<FileError>),
    /// The files can be read, but are no certificate and its key.
    #[error("broker: certificate {}: {reason}", certificate.display())]
    Tls {
        certificate: PathBuf,
        /// What TLS says about it.
        reason: String,
    },
    /// Somebody else listens there, or the address is not ours.
    #[error("broker: cannot listen on {listen}: {reason}")]
    Listen { listen: SocketAddr, reason: io::Error },
    /// The system does not give what it needs.
    #[error("broker: {what}: {reason}")]
    System { what: &'static str, reason: String },
    /// The list of revoked certificates cannot be read: nobody is let in by guess.
    #[error("broker: {0}")]
    Revoked(#[from] RevokedError),
}

/// A file of TLS that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{what} {}: {reason}", path.display())]
    Read { what: &'static str, path: PathBuf, reason: io::Error },
    #[error("{what} {}: no PEM block \"{block}\" in it", path.display())]
    NotPem { what: &'static str, path: PathBuf, block: &'static str },
    /// The MQTT library takes paths as text only.
    #[error("{what} {}: the path is not UTF-8", path.display())]
    Path { what: &'static str, path: PathBuf },
}

impl BrokerSettings {
    /// Refuses what would be unsafe or cannot work.
    ///
    /// # Errors
    /// What is wrong; all unusable files at once.
    pub fn check(&self) -> Result<(), BrokerError> {
        let Some(tls) = &self.tls else {
            return if self.listen.ip().is_loopback() { Ok(()) } else { Err(BrokerError::Exposed(self.listen)) };
        };
        let errors: Vec<FileError> = [
            pem("server certificate", &tls.certificate, "CERTIFICATE"),
            pem("server key", &tls.key, "PRIVATE KEY"),
            pem("client CA", &tls.client_ca, "CERTIFICATE"),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if errors.is_empty() { Ok(()) } else { Err(BrokerError::Files(errors)) }
    }
}

fn pem(what: &'static str, path: &Path, block: &'static str) -> Result<(), FileError> {
    let text = fs::read(path).map_err(|reason| FileError::Read { what, path: path.to_owned(), reason })?;
    // "PRIVATE KEY" is the end of "RSA PRIVATE KEY" and "EC PRIVATE KEY" too.
    let mark = format!("{block}-----");
    if !text.windows(mark.len()).any(|window| window == mark.as_bytes()) {
        return Err(FileError::NotPem { what, path: path.to_owned(), block });
    }
    if path.to_str().is_none() { Err(FileError::Path { what, path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &str, tls: Option<Tls>) -> BrokerSettings {
        BrokerSettings {
            listen: listen.parse().unwrap(),
            tls,
            fleets: ServedFleets::Every,
            limits: BrokerLimits::default(),
        }
    }

    #[test]
    fn beyond_loopback_only_with_certificates() {
        for fine in ["127.0.0.1:0", "127.3.4.5:1883", "[::1]:1883"] {
            settings(fine, None).check().unwrap();
        }
        for open in ["0.0.0.0:1883", "[::]:1883", "192.168.1.2:1883", "[::ffff:127.0.0.1]:1883"] {
            let error = settings(open, None).check().unwrap_err();
            assert!(matches!(error, BrokerError::Exposed(_)), "{open}");
            assert!(error.to_string().contains("needs TLS"), "{error}");
        }
    }

    #[test]
    fn all_unusable_files_are_named_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("key"), "not a key").unwrap();
        let tls = Tls { certificate: path("missing"), key: path("key"), client_ca: path("missing too"), revoked: None };
        let BrokerError::Files(errors) = settings("0.0.0.0:0", Some(tls)).check().unwrap_err() else { panic!() };
        assert_eq!(errors.len(), 3);
        assert!(matches!(errors[1], FileError::NotPem { .. }));
    }
}
