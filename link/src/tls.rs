//! TLS to a broker: whom we trust, who we are, and what time it is. A machine without a battery for its clock starts in 1970,
//! when no certificate was valid yet, and may learn the time only from the network. So a clock that shows a time before
//! this program was written is not believed: then it is at least as late as that, and as our certificates' files.

use std::{
    error::Error as StdError,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use oddline_core::time::{EventTime, WRITTEN};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    time_provider::{DefaultTimeProvider, TimeProvider},
};

use crate::secrets::Secrets;

/// What the client is given.
pub(crate) fn config(secrets: &Secrets) -> Result<Arc<ClientConfig>, String> {
    let Some(ca) = &secrets.ca else { return Err("TLS needs a CA certificate to trust".to_owned()) };
    let certificates = |what: &str, pem: &[u8]| {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        all.map_err(|error| format!("{what}: {error}"))
    };
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(certificates("CA certificate", ca)?);
    if trusted.is_empty() {
        return Err("CA certificate: there is none that can be read".to_owned());
    }
    let time = Arc::new(TlsClock { wall: DefaultTimeProvider, known: newest_known(secrets.written) });
    let config = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), time);
    let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = config.with_root_certificates(trusted);
    let config = match &secrets.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("client certificate", certificate)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("client key: {error}"))?;
            config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))?
        }
    };
    Ok(Arc::new(config))
}

/// What an error says about time, in a sentence for whoever has to mend it.
pub(crate) fn about_time(error: &(dyn StdError + 'static)) -> Option<String> {
    // An error of the system's kind holds ours, and passes over it when it is asked for its cause.
    let inside = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref::<Error>());
    let day = |time: &UnixTime| {
        let micros = i64::try_from(time.as_secs()).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
        let text = EventTime::from_micros(micros.unwrap_or(i64::MAX)).to_string();
        text.split('T').next().unwrap_or(&text).to_owned()
    };
    match inside.or_else(|| error.downcast_ref::<Error>())? {
        Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => Some(format!(
            "the broker's certificate counts until {} and this machine's clock says {}: one of them is wrong",
            day(not_after),
            day(time)
        )),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => Some(format!(
            "the broker's certificate counts from {} and this machine's clock says {}: one of them is wrong",
            day(not_before),
            day(time)
        )),
        Error::AlertReceived(AlertDescription::CertificateExpired) => Some(
            "the broker says that our certificate has ended: renew it (`oddline-collector enroll --renew`), unless the \
             broker's clock is wrong"
                .to_owned(),
        ),
        _ => None,
    }
}

#[derive(Debug)]
struct TlsClock<W> {
    wall: W,
    /// It is not earlier than this.
    known: UnixTime,
}

impl<W: TimeProvider> TimeProvider for TlsClock<W> {
    fn current_time(&self) -> Option<UnixTime> {
        let wall = self.wall.current_time()?;
        // A clock that may be right is: files have odd dates too.
        Some(if wall < written() { wall.max(self.known) } else { wall })
    }
}

fn newest_known(files: Option<SystemTime>) -> UnixTime {
    let since = files.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(written(), |since| UnixTime::since_unix_epoch(since).max(written()))
}

fn written() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_micros(WRITTEN.micros().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Shows(u64);

    impl TimeProvider for Shows {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
        }
    }

    #[test]
    fn a_clock_before_the_program_is_not_believed_and_any_other_is() {
        let day = 86_400;
        let program = written().as_secs();
        let files = |seconds: u64| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (wall, file, time) in [
            (0, None, program),
            (3 * day, files(5), program),
            (0, files(program + 90 * day), program + 90 * day),
            (program + day, files(program + 90 * day), program + day),
            (program + 400 * day, files(0), program + 400 * day),
        ] {
            let clock = TlsClock { wall: Shows(wall), known: newest_known(file) };
            assert_eq!(clock.current_time().unwrap().as_secs(), time, "{wall} {file:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_time_is_one_sentence() {
        let at = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
        let expired = CertificateError::ExpiredContext { time: at(21_000), not_after: at(20_000) };
        let error = io::Error::other(Error::InvalidCertificate(expired));
        let told = about_time(&error).unwrap();
        assert_eq!(
            told,
            "the broker's certificate counts until 2024-10-04 and this machine's clock says 2027-07-01: one of them is wrong"
        );
        let early = CertificateError::NotValidYetContext { time: at(1), not_before: at(20_000) };
        assert!(about_time(&Error::InvalidCertificate(early)).unwrap().contains("clock says 1970-01-02"));
        let alert = io::Error::other(Error::AlertReceived(AlertDescription::CertificateExpired));
        assert!(about_time(&alert).unwrap().contains("--renew"));
        assert_eq!(about_time(&io::Error::other("else")), None);
    }
}
