//! A broker that is not ours: mosquitto with TLS, client certificates and the access rules that users get.

use std::{
    fs,
    path::{Path, PathBuf},
};

use oddline_testkit::{MosquittoServer, mosquitto::with_certificates};

use crate::authority::{Authority, Validity};

/// Name of the collector's certificate.
pub const COLLECTOR: &str = "collector";
/// Name of the authority that the broker trusts.
pub const AUTHORITY: &str = "ca";
const BROKER: &str = "broker";

/// Who may say and hear what: the file that users get.
const RULES: &str = include_str!("../../packaging/mosquitto/acl");

/// A mosquitto; killed when dropped.
pub struct Mosquitto {
    server: MosquittoServer,
    folder: PathBuf,
    authority: Authority,
}

impl Mosquitto {
    /// Prepares one with its authority, without starting it. `None`, named for the report, when there is no mosquitto.
    #[must_use]
    pub fn prepare(test: &str, folder: &Path) -> Option<Self> {
        let server = MosquittoServer::prepare(test, folder, |port| with_certificates(port, folder))?;
        fs::write(folder.join("acl"), RULES).expect("the test's folder can be written");
        let authority = Authority::new(AUTHORITY, folder);
        authority.issue(BROKER, Validity::Valid, folder, BROKER);
        authority.issue(COLLECTOR, Validity::Valid, folder, COLLECTOR);
        Some(Self { server, folder: folder.to_owned(), authority })
    }

    /// The same, started.
    #[must_use]
    pub fn begin(test: &str, folder: &Path) -> Option<Self> {
        let mut broker = Self::prepare(test, folder)?;
        broker.start();
        Some(broker)
    }

    /// The authority that it trusts.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where its certificates lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        self.server.start();
    }

    /// kill -9: everything it remembered is gone.
    pub fn kill(&mut self) {
        self.server.kill();
    }
}
