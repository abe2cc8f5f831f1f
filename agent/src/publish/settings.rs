//! What a connection needs: where, as whom, with which files. Secrets are read when a connection is made, so that a
//! renewed certificate is taken up without a restart, and are never printed.

use std::path::PathBuf;

use oddline_core::id::{AgentName, FleetName};
pub(crate) use oddline_link::secrets::{SecretError, Secrets};
use oddline_link::{client_id, secrets::SecretFiles};

use super::address::BrokerAddress;

/// Settings of the connection to the broker.
#[derive(Debug, Clone)]
pub struct PublishSettings {
    pub fleet: FleetName,
    pub agent: AgentName,
    pub broker: BrokerAddress,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM certificate chain and key that name this agent.
    pub identity: Option<ClientIdentity>,
    /// User name and the file with the password.
    pub user: Option<UserPassword>,
    /// Seed of the jitter between attempts.
    pub jitter_seed: u64,
}

#[derive(Debug, Clone)]
pub struct ClientIdentity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A user of the broker.
#[derive(Debug, Clone)]
pub struct UserPassword {
    pub name: String,
    /// File with the password; a newline at its end does not count.
    pub password: PathBuf,
}

impl PublishSettings {
    /// Client identifier at the broker: stable, so that a new connection ends an old one that hangs.
    #[must_use]
    pub fn client_id(&self) -> String {
        client_id::of(&self.fleet, &self.agent)
    }

    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong with them, at once.
    pub fn secrets(&self) -> Result<Secrets, Vec<SecretError>> {
        let files = SecretFiles {
            ca: self.ca.clone(),
            identity: self.identity.clone().map(|identity| (identity.certificate, identity.key)),
            user: self.user.clone().map(|user| (user.name, user.password)),
        };
        files.secrets()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_secret_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("key"), "no pem at all, hush").unwrap();
        fs::write(path("password"), "hush\n").unwrap();
        let mut settings = PublishSettings {
            fleet: "home".parse().unwrap(),
            agent: "pi".parse().unwrap(),
            broker: "mqtts://broker".parse().unwrap(),
            ca: Some(path("missing")),
            identity: Some(ClientIdentity { certificate: path("missing"), key: path("key") }),
            user: Some(UserPassword { name: "me".to_owned(), password: path("password") }),
            jitter_seed: 1,
        };
        let errors = settings.secrets().unwrap_err();
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|e| !e.to_string().contains("hush")));
        settings.ca = None;
        settings.identity = None;
        let secrets = settings.secrets().unwrap();
        assert_eq!(secrets.user.as_ref().unwrap().1, b"hush");
        assert!(!format!("{secrets:?}").contains("hush"));
        assert_eq!(settings.client_id(), "oddline_home_pi");
    }
}
