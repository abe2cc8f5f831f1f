//! What a connection needs: where, as whom, with which files. Secrets are read when a connection is made, so that a
//! renewed certificate is taken up without a restart, and are never printed.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use oddline_core::id::{AgentName, FleetName};

use super::address::Address;

/// Bytes of a certificate, key or password file: a chain of certificates has a few kilobytes.
pub const SECRET_BYTES_MAX: u64 = 256 * 1024;

/// Settings of the connection to the broker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The fleet.
    pub fleet: FleetName,
    /// The agent.
    pub agent: AgentName,
    /// The broker.
    pub broker: Address,
    /// PEM certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM certificate chain and key that name this agent.
    pub identity: Option<Identity>,
    /// User name and the file with the password.
    pub user: Option<User>,
    /// Seed of the jitter between attempts.
    pub jitter_seed: u64,
}

/// A client certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM certificate chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
}

/// A user of the broker.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// File with the password; a newline at its end does not count.
    pub password: PathBuf,
}

/// The contents of the files.
pub struct Secrets {
    /// See [`Settings::ca`].
    pub ca: Option<Vec<u8>>,
    /// Certificate chain and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// User and password.
    pub user: Option<(String, Vec<u8>)>,
}

/// Why a file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("{what} {}: {reason}", path.display())]
    Read {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It holds more than any of them does.
    #[error("{what} {}: {bytes} bytes are more than {SECRET_BYTES_MAX}", path.display())]
    TooLarge {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// Nothing in it.
    #[error("{what} {}: the file is empty", path.display())]
    Empty {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Another kind of file.
    #[error("{what} {}: no PEM block \"{block}\" in it", path.display())]
    NotPem {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What was looked for.
        block: &'static str,
    },
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Settings {
    /// Client identifier at the broker: stable, so that a new connection ends an old one that hangs.
    #[must_use]
    pub fn client_id(&self) -> String {
        format!("oddline-{}-{}", self.fleet, self.agent)
    }

    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong with them, at once.
    pub fn secrets(&self) -> Result<Secrets, Vec<SecretError>> {
        let mut errors = Vec::new();
        let mut keep = |result: Result<Vec<u8>, SecretError>| result.map_err(|e| errors.push(e)).ok();
        let ca = self.ca.as_deref().and_then(|path| keep(pem("CA certificate", path, "CERTIFICATE")));
        let identity = self.identity.as_ref().and_then(|identity| {
            let certificate = keep(pem("client certificate", &identity.certificate, "CERTIFICATE"));
            let key = keep(pem("client key", &identity.key, "PRIVATE KEY"));
            certificate.zip(key)
        });
        let user = self.user.as_ref().and_then(|user| {
            let password = keep(read("password file", &user.password))?;
            let end = password.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |at| at + 1);
            Some((user.name.clone(), password[..end].to_vec()))
        });
        if errors.is_empty() { Ok(Secrets { ca, identity, user }) } else { Err(errors) }
    }
}

fn pem(what: &'static str, path: &Path, block: &'static str) -> Result<Vec<u8>, SecretError> {
    let bytes = read(what, path)?;
    // "PRIVATE KEY" is the end of "RSA PRIVATE KEY" and "EC PRIVATE KEY" too.
    let mark = format!("{block}-----");
    if bytes.windows(mark.len()).any(|window| window == mark.as_bytes()) {
        return Ok(bytes);
    }
    Err(SecretError::NotPem { what, path: path.to_owned(), block })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |reason| SecretError::Read { what, path: path.to_owned(), reason };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge { what, path: path.to_owned(), bytes });
    }
    let bytes = fs::read(path).map_err(failed)?;
    if bytes.is_empty() { Err(SecretError::Empty { what, path: path.to_owned() }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_secret_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("key"), "no pem at all, hush").unwrap();
        fs::write(path("password"), "hush\n").unwrap();
        let mut settings = Settings {
            fleet: "home".parse().unwrap(),
            agent: "pi".parse().unwrap(),
            broker: "mqtts://broker".parse().unwrap(),
            ca: Some(path("missing")),
            identity: Some(Identity { certificate: path("missing"), key: path("key") }),
            user: Some(User { name: "me".to_owned(), password: path("password") }),
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
        assert_eq!(settings.client_id(), "oddline-home-pi");
    }
}
