//! Keys and certificates as PEM text. The only importer of rcgen in this folder.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};

use super::{
    EnrollError,
    revoked::{Revoked, Serial},
};

/// An authority outlives its fleet's hardware: changing it means visiting every server.
const AUTHORITY_LIFE: Duration = days(20 * 365);
/// Two years, as long as an agent may be left alone.
pub(super) const LIFE: Duration = days(2 * 365);
/// A list that has ended makes mosquitto refuse everybody.
const LIST_LIFE: Duration = days(10 * 365);
/// Random bytes of a serial number, the first bit clear as X.509 wants it positive.
const SERIAL_BYTES: usize = 16;
/// Bytes of the key's digest in the authority's name.
const NAME_BYTES: usize = 8;

pub(super) const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum CertificateHolder<'a> {
    /// The broker, under these names and addresses.
    Server(&'a [String]),
    /// An agent or another client: CN and O.
    Client { name: &'a str, fleet: Option<&'a str> },
}

/// A certificate and its key.
pub(super) struct SignedKeyPair {
    pub certificate: String,
    pub key: String,
    pub serial: Serial,
    pub expires: SystemTime,
}

pub(super) struct CertificateSigner(Issuer<'static, KeyPair>);

impl CertificateSigner {
    /// The name of the authority that has this key. The same key has the same name, so that a certificate made again
    /// stands for the one that was lost, and two authorities on one machine are told apart by it.
    pub(super) fn name(key: &str) -> Result<String, EnrollError> {
        Ok(name(&KeyPair::from_pem(key).map_err(failed)?))
    }

    /// From what is on disk.
    pub(super) fn load(certificate: &str, key: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(key).map_err(|error| format!("key: {error}"))?;
        Issuer::from_ca_cert_pem(certificate, key).map(Self).map_err(|error| format!("certificate: {error}"))
    }

    /// A certificate of the authority itself, for this key.
    pub(super) fn authority(key: &str, now: SystemTime) -> Result<String, EnrollError> {
        let key = KeyPair::from_pem(key).map_err(failed)?;
        let serial = serial()?;
        let mut params = lasting(now, AUTHORITY_LIFE)?;
        params.distinguished_name.push(DnType::CommonName, name(&key));
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params.self_signed(&key).map_err(failed)?.pem())
    }

    /// A new key and its certificate.
    pub(super) fn sign(
        &self,
        holder: CertificateHolder<'_>,
        now: SystemTime,
        life: Duration,
    ) -> Result<SignedKeyPair, EnrollError> {
        let serial = serial()?;
        let mut params = lasting(now, life)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        match holder {
            CertificateHolder::Server(names) => {
                params.subject_alt_names = CertificateParams::new(names).map_err(failed)?.subject_alt_names;
                params.distinguished_name.push(DnType::CommonName, "oddline broker");
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            CertificateHolder::Client { name, fleet } => {
                if let Some(fleet) = fleet {
                    params.distinguished_name.push(DnType::OrganizationName, fleet);
                }
                params.distinguished_name.push(DnType::CommonName, name);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
        }
        let key = new_key()?;
        let pair = KeyPair::from_pem(&key).map_err(failed)?;
        let certificate = params.signed_by(&pair, &self.0).map_err(failed)?.pem();
        Ok(SignedKeyPair { certificate, key, serial: Serial::from_bytes(&serial), expires: now + life })
    }

    /// The list of revoked certificates as other brokers read it.
    pub(super) fn revocation_list(&self, revoked: &Revoked, now: SystemTime) -> Result<String, EnrollError> {
        let lasting = lasting(now, LIST_LIFE)?;
        let number = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let list = CertificateRevocationListParams {
            this_update: lasting.not_before,
            next_update: lasting.not_after,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(&serial.to_bytes()),
                    // When each was revoked is of no use to a broker: the list as a whole counts from here on.
                    revocation_time: lasting.not_before,
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).and_then(|list| list.pem()).map_err(failed)
    }
}

fn name(key: &KeyPair) -> String {
    let digest: [u8; 32] = Sha256::digest(key.public_key_raw()).into();
    let start = oddline_core::id::hex(&digest[..NAME_BYTES]);
    format!("oddline authority {start}")
}

/// Whether the authority of this name has signed the certificate: as far as the name is in it.
pub(super) fn is_signed_by(certificate: &str, name: &str) -> bool {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes());
    der.is_ok_and(|der| der.windows(name.len()).any(|window| window == name.as_bytes()))
}

/// A key as PEM text.
pub(super) fn new_key() -> Result<String, EnrollError> {
    Ok(KeyPair::generate().map_err(failed)?.serialize_pem())
}

/// Whether a certificate can be made for it: no wildcards, nothing that TLS clients would not compare.
pub(super) fn is_server_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(is_label))
}

/// The day a certificate ends, for people.
pub(super) fn day(time: SystemTime) -> String {
    let mut params = CertificateParams::default();
    params.not_after = time.into();
    params.not_after.date().to_string()
}

fn lasting(now: SystemTime, life: Duration) -> Result<CertificateParams, EnrollError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    // Machines without a battery for their clock start there, and learn the time over the network that a certificate may
    // stand before. When it ends is what bounds its use.
    params.not_before = UNIX_EPOCH.into();
    params.not_after = (now + life).into();
    // Where X.509 changes its notation; far enough for everything here.
    params.not_after = params.not_after.min(date_time_ymd(9999, 12, 31));
    Ok(params)
}

fn serial() -> Result<[u8; SERIAL_BYTES], EnrollError> {
    let mut bytes = [0; SERIAL_BYTES];
    let provider = rustls::crypto::ring::default_provider();
    let filled = provider.secure_random.fill(&mut bytes);
    filled.map_err(|_| EnrollError::Certificate("the system gives no random bytes".to_owned()))?;
    // Positive, and of full length: a leading zero would be written differently by different programs.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes)
}

fn failed(error: rcgen::Error) -> EnrollError {
    EnrollError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers() {
        for fine in ["localhost", "collector.example", "a_b", "10.0.0.1", "::1", "fe80::1"] {
            assert!(is_server_name(fine), "{fine}");
        }
        for bad in ["", ".", "a..b", "*.example", "-a", "a b", "mqtts://a", "a:1883", "é", &"x".repeat(64)] {
            assert!(!is_server_name(bad), "{bad}");
        }
    }

    #[test]
    fn days_are_written_for_people() {
        assert_eq!(day(UNIX_EPOCH + days(365)), "1971-01-01");
    }
}
