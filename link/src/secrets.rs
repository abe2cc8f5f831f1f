//! Certificates, keys and passwords, from files only; nothing secret is ever printed.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Bytes of a certificate, key or password file: a chain of certificates has a few kilobytes.
pub const SECRET_BYTES_MAX: u64 = 256 * 1024;

/// Files that say whom we trust and who we are; read when a connection is made, so that a renewed certificate is taken
/// up without a restart.
#[derive(Debug, Clone, Default)]
pub struct SecretFiles {
    /// PEM certificates of the authority that signed the broker's.
    pub ca: Option<PathBuf>,
    /// PEM certificate chain and PEM key that name this program.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// User name, and the file with its password; a newline at its end does not count.
    pub user: Option<(String, PathBuf)>,
}

/// Contents of the files.
pub struct Secrets {
    /// See [`SecretFiles::ca`].
    pub ca: Option<Vec<u8>>,
    /// Certificate chain and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// User and password.
    pub user: Option<(String, Vec<u8>)>,
    /// When the newest of the certificates was written, as far as the file system knows.
    pub written: Option<SystemTime>,
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

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl SecretFiles {
    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong with them, at once.
    pub fn secrets(&self) -> Result<Secrets, Vec<SecretError>> {
        let mut errors = Vec::new();
        let mut keep = |result: Result<Vec<u8>, SecretError>| result.map_err(|e| errors.push(e)).ok();
        let ca = self.ca.as_deref().and_then(|path| keep(pem("CA certificate", path, "CERTIFICATE")));
        let identity = self.identity.as_ref().and_then(|(certificate, key)| {
            let certificate = keep(pem("client certificate", certificate, "CERTIFICATE"));
            certificate.zip(keep(pem("client key", key, "PRIVATE KEY")))
        });
        let user = self.user.as_ref().and_then(|(user, file)| {
            let password = keep(read("password file", file))?;
            let end = password.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |at| at + 1);
            Some((user.clone(), password[..end].to_vec()))
        });
        let certificates = self.ca.iter().chain(self.identity.iter().map(|(certificate, _)| certificate));
        let written = certificates.filter_map(|path| fs::metadata(path).ok()?.modified().ok()).max();
        if errors.is_empty() { Ok(Secrets { ca, identity, user, written }) } else { Err(errors) }
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
