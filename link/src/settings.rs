//! What the connection to the broker needs. Files are read when a connection is made, so that a renewed certificate is
//! taken up without a restart; nothing secret is ever printed.

use std::fmt;

use crate::{
    address::BrokerAddress,
    secrets::{SecretError, SecretFiles, Secrets},
};

/// Where the broker is and who we are there.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    pub broker: BrokerAddress,
    /// Stable and only ours: a new connection ends an old one that hangs, and finds what the broker kept for it.
    pub client_id: String,
    /// How we say who we are.
    pub access: BrokerAccess,
    /// Seed of the jitter between attempts.
    pub jitter_seed: u64,
}

/// How a program says who it is.
#[derive(Clone)]
pub enum BrokerAccess {
    /// With files that an operator named.
    Files(SecretFiles),
    /// With a secret that the embedded broker made for this process.
    Login { user: String, password: Vec<u8> },
}

impl fmt::Debug for BrokerAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(files) => files.fmt(f),
            Self::Login { user, .. } => write!(f, "Login({user})"),
        }
    }
}

impl BrokerAccess {
    /// Reads the files.
    ///
    /// # Errors
    /// All that is wrong with them, at once.
    pub fn secrets(&self) -> Result<Secrets, Vec<SecretError>> {
        match self {
            Self::Files(files) => files.secrets(),
            Self::Login { user, password } => {
                Ok(Secrets { ca: None, identity: None, user: Some((user.clone(), password.clone())), written: None })
            }
        }
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
        let files = SecretFiles {
            ca: Some(path("missing")),
            identity: Some((path("missing"), path("key"))),
            user: Some(("me".to_owned(), path("password"))),
        };
        let errors = BrokerAccess::Files(files.clone()).secrets().err().unwrap();
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|e| !e.to_string().contains("hush")));
        let access = BrokerAccess::Files(SecretFiles { ca: None, identity: None, ..files });
        assert_eq!(access.secrets().ok().unwrap().user.unwrap().1, b"hush");
        let login = BrokerAccess::Login { user: "me".to_owned(), password: b"hush".to_vec() };
        assert!(!format!("{access:?}{login:?}").contains("hush"));
    }
}
