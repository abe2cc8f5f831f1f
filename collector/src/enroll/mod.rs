//! Who belongs to the fleet: its certificate authority, the broker's certificate, one bundle for each agent, and the
//! list of those that count no longer. Files only; no network, no clock: the time is an argument.
//!
//! ```text
//!  <state>/authority/
//!    ca.pem, ca.key (0600)           made at first use; the key signs everything below and leaves never
//!    server.pem, server.key (0600)   the embedded broker's, see broker::Tls; server.json says for which names
//!    agents/<name>.json              an agent's fleet, broker, trusted keys; numbers and dates of its certificates
//!    revoked                         see revoked; crl.pem says the same to mosquitto
//!    lock                            held while one of them changes
//! ```

mod authority;
mod bundle;
mod certificate;
mod files;
pub mod revoked;
mod tar;

pub use self::{
    authority::{Authority, EnrolledHolder, ServerFiles},
    bundle::{Bundle, BundleRenewal, Request, trusted_key},
};

use std::{io, path::PathBuf};

use oddline_core::id::{AgentName, FleetName};

use self::revoked::RevokedError;

/// Why somebody is not enrolled or revoked.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// A file or folder cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// The authority's files are not what they were.
    #[error("certificate authority: {}: {reason}", path.display())]
    Authority {
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority's certificate is there, its key is not: a new one would leave all agents behind.
    #[error("certificate authority: the key {} is missing; take it back from a backup", .0.display())]
    KeyMissing(PathBuf),
    /// The authority's key is there, its certificate is not, and was not the one that would be made now.
    #[error(
        "certificate authority: the certificate {} is missing, and agents would not know a new one; take it back from \
         a backup",
        .0.display()
    )]
    CertificateMissing(PathBuf),
    /// The name stands for an agent whose certificate counts.
    #[error("agent {agent} is enrolled until {expires}: renew it, or revoke it first")]
    NameTaken {
        agent: AgentName,
        /// The day its last certificate ends.
        expires: String,
    },
    /// No agent can have this name.
    #[error("no agent can be called {0}: it is the collector's own name")]
    Reserved(AgentName),
    /// Nobody to renew or revoke.
    #[error("agent {0} is not enrolled")]
    NotEnrolled(AgentName),
    /// A renewal does not move an agent: its old certificates would still speak for the old fleet.
    #[error("agent {agent} is enrolled in fleet {fleet}: revoke it first to move it")]
    OtherFleet { agent: AgentName, fleet: FleetName },
    /// The folder for the bundle is there already; what is in it is not touched.
    #[error("{} exists already: move it away first", .0.display())]
    BundleExists(PathBuf),
    /// The broker's address for the agents.
    #[error("broker {0:?}: mqtts://host[:port] is expected")]
    Address(String),
    /// A public key for models, or a file without one.
    #[error("{0:?} is neither a public key of minisign nor a file with one")]
    TrustedKey(String),
    /// A name for the broker's certificate.
    #[error("{0:?} is no host name or IP address")]
    ServerName(String),
    /// The broker's certificate without any name.
    #[error("the broker's certificate needs at least one host name or IP address under which agents reach it")]
    NoServerName,
    /// The library or the system refuses to make a key or a certificate.
    #[error("making a certificate: {0}")]
    Certificate(String),
    /// The list of revoked certificates.
    #[error(transparent)]
    Revoked(#[from] RevokedError),
}
