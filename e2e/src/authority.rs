//! Certificates: an authority, and who it vouches for. The only importer of rcgen.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// An authority of a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Whether a certificate still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// As long as any test runs.
    Valid,
    /// It has run out.
    Expired,
}

impl Authority {
    /// Makes one; `<name>.pem` in the folder is what to trust.
    #[must_use]
    pub fn new(name: &str, folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority signs itself");
        write(&folder.join(format!("{name}.pem")), &issuer.pem());
        Self(issuer)
    }

    /// Writes `<file>.pem` and `<file>.key` for who is called `name`. Every certificate is one of this host too: the
    /// broker's must be.
    pub fn issue(&self, name: &str, validity: Validity, folder: &Path, file: &str) {
        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(hosts).expect("these are names");
        params.distinguished_name.push(DnType::CommonName, name);
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.0).expect("the authority signs");
        write(&folder.join(format!("{file}.pem")), &certificate.pem());
        write(&folder.join(format!("{file}.key")), &key.serialize_pem());
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the test's folder can be written");
}
