//! What the connection to the broker needs. Files are read when a connection is made, so that a renewed certificate is
//! taken up without a restart; nothing secret is ever printed.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::address::Address;

/// Bytes of a certificate, key or password file: a chain of certificates has a few kilobytes.
pub const SECRET_BYTES_MAX: u64 = 256 * 1024;

/// Where the broker is and who we are there.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The broker.
    pub broker: Address,
    /// Stable and only ours: a new connection ends an old one that hangs, and finds what the broker kept for it.
    pub client_id: String,
    /// How we say who we are.
    pub access: Access,
    /// Seed of the jitter between attempts.
    pub jitter_seed: u64,
}

/// How the collector says who it is.
#[derive(Clone)]
pub enum Access {
    /// With files that an operator named.
    Files(Files),
    /// With a secret that the embedded broker made for this process.
    Login {
        /// The user.
        user: String,
        /// Its secret.
        password: Vec<u8>,
    },
}

/// Files of the connection to an outside broker.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// PEM certificates of the authority that signed the broker's.
    pub ca: Option<PathBuf>,
    /// PEM certificate chain and PEM key that name this collector.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User name, and the file with its password; a newline at its end does not count.
    pub user: Option<(String, PathBuf)>,
}

/// Contents of the files.
pub struct Secrets {
    /// See [`Files::ca`].
    pub ca: Option<Vec<u8>>,
    /// Certificate chain and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// User and password.
    pub user: Option<(String, Vec<u8>)>,
}

/// Why a file cannot be used.
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
    /// It holds more than any of them does, or nothing.
    #[error("{what} {}: {bytes} bytes where 1 to {SECRET_BYTES_MAX} are expected", path.display())]
    Size {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
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

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(files) => files.fmt(f),
            Self::Login { user, .. } => write!(f, "Login({user})"),
        }
    }
}

impl Access {
    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong with them, at once.
    pub fn secrets(&self) -> Result<Secrets, Vec<SecretError>> {
        let files = match self {
            Self::Files(files) => files,
            Self::Login { user, password } => {
                return Ok(Secrets { ca: None, identity: None, user: Some((user.clone(), password.clone())) });
            }
        };
        let mut errors = Vec::new();
        let mut keep = |result: Result<Vec<u8>, SecretError>| result.map_err(|e| errors.push(e)).ok();
        let ca = files.ca.as_deref().and_then(|path| keep(pem("CA certificate", path, "CERTIFICATE")));
        let identity = files.identity.as_ref().and_then(|(certificate, key)| {
            let certificate = keep(pem("client certificate", certificate, "CERTIFICATE"));
            certificate.zip(keep(pem("client key", key, "PRIVATE KEY")))
        });
        let user = files.user.as_ref().and_then(|(user, file)| {
            let password = keep(read("password file", file))?;
            let end = password.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |at| at + 1);
            Some((user.clone(), password[..end].to_vec()))
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
    if bytes == 0 || bytes > SECRET_BYTES_MAX {
        return Err(SecretError::Size { what, path: path.to_owned(), bytes });
    }
    fs::read(path).map_err(failed)
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
        let files = Files {
            ca: Some(path("missing")),
            identity: Some((path("missing"), path("key"))),
            user: Some(("me".to_owned(), path("password"))),
        };
        let errors = Access::Files(files.clone()).secrets().err().unwrap();
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|e| !e.to_string().contains("hush")));
        let access = Access::Files(Files { ca: None, identity: None, ..files });
        assert_eq!(access.secrets().ok().unwrap().user.unwrap().1, b"hush");
        let login = Access::Login { user: "me".to_owned(), password: b"hush".to_vec() };
        assert!(!format!("{access:?}{login:?}").contains("hush"));
    }
}
