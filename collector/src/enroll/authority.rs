//! The fleet's certificate authority on disk, and what it signs. One process at a time changes it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use oddline_core::id::{AgentName, FleetName};
use serde::{Deserialize, Serialize};

use super::{
    EnrollError,
    bundle::{Bundle, BundleDraft, BundleRenewal, Request},
    certificate::{
        CertificateHolder, CertificateSigner, LIFE, SignedKeyPair, day, days, is_server_name, is_signed_by, new_key,
    },
    files::{self, OPEN, SECRET, read_json, write_json},
    revoked::{REVOKED_BYTES_MAX, Revoked, RevokedError, Serial, relisted},
};

/// An agent should be given a new certificate when its last one ends within this time.
const DUE: Duration = days(60);

/// The authority in its folder.
#[derive(Debug, Clone)]
pub struct Authority {
    folder: PathBuf,
    is_new: bool,
}

/// The files that the embedded broker needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// PEM certificate of the broker.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// PEM certificate of the authority.
    pub ca: PathBuf,
    /// The list of revoked certificates.
    pub revoked: PathBuf,
    /// The day the certificate ends.
    pub expires: String,
    /// Whether the certificate was made just now.
    pub is_new: bool,
}

/// An agent that is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledHolder {
    pub agent: AgentName,
    pub fleet: FleetName,
    /// Numbers of its certificates that have not ended.
    pub serials: Vec<Serial>,
    /// The day the last of them ends, or ended.
    pub expires: String,
    /// Whether it should be renewed: less than two months are left.
    pub is_due: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AuthorityRecord {
    fleet: FleetName,
    /// What a renewal says again.
    #[serde(default)]
    broker: String,
    #[serde(default)]
    trusted_keys: Vec<String>,
    certificates: Vec<IssuedCertificate>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct IssuedCertificate {
    serial: String,
    /// Seconds since 1970.
    expires: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ServerRecord {
    names: Vec<String>,
    /// Seconds since 1970.
    expires: u64,
}

impl Authority {
    /// The authority in this folder; made when there is none.
    ///
    /// # Errors
    /// When the folder cannot be used, or what is in it is damaged.
    pub fn open(folder: impl Into<PathBuf>, now: SystemTime) -> Result<Self, EnrollError> {
        let mut this = Self { folder: folder.into(), is_new: false };
        files::folder(&this.folder.join("agents"))?;
        let _held = this.lock()?;
        let (certificate, key) = (this.path("ca.pem"), this.path("ca.key"));
        let has_key = files::read(&key)?.is_some();
        if files::read(&certificate)?.is_none() {
            this.is_new = !has_key;
            if !has_key {
                files::write(&key, new_key()?.as_bytes(), SECRET)?;
            }
            let text = files::read(&key)?.ok_or_else(|| EnrollError::KeyMissing(key.clone()))?;
            // Made again it is the one that was lost, unless that one had another name.
            let (name, server) = (CertificateSigner::name(&text)?, files::read(&this.path("server.pem"))?);
            if server.is_some_and(|server| !is_signed_by(&server, &name)) {
                return Err(EnrollError::CertificateMissing(certificate));
            }
            files::write(&certificate, CertificateSigner::authority(&text, now)?.as_bytes(), OPEN)?;
        } else if !has_key {
            return Err(EnrollError::KeyMissing(key));
        }
        let signer = this.signer()?;
        if files::read(&this.path("crl.pem"))?.is_none() {
            this.write_list(&signer, now)?;
        }
        Ok(this)
    }

    /// The authority in this folder, if there is one; makes nothing.
    ///
    /// # Errors
    /// When its files cannot be read, or the key is missing.
    pub fn existing(folder: impl Into<PathBuf>) -> Result<Option<Self>, EnrollError> {
        let this = Self { folder: folder.into(), is_new: false };
        let key = this.path("ca.key");
        match (files::is_there(&this.ca())?, files::is_there(&key)?) {
            (false, false) => Ok(None),
            (true, false) => Err(EnrollError::KeyMissing(key)),
            (_, true) => Ok(Some(this)),
        }
    }

    /// Whether there was none before: agents of another one cannot connect.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// PEM certificate of the authority.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The list of revoked certificates, for brokers that read PEM.
    #[must_use]
    pub fn crl(&self) -> PathBuf {
        self.path("crl.pem")
    }

    /// The broker's certificate for these host names and IP addresses: the one that is there, or a new one when the
    /// names are others or less than a third of its life is left.
    ///
    /// # Errors
    /// When a name is none, or a file cannot be read or written.
    pub fn server(&self, names: &[String], now: SystemTime) -> Result<ServerFiles, EnrollError> {
        check_names(names)?;
        let _held = self.lock()?;
        let (certificate, key, record) = (self.path("server.pem"), self.path("server.key"), self.path("server.json"));
        let known: Option<ServerRecord> = read_json(&record)?;
        let files = |expires: u64, is_new| ServerFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            ca: self.ca(),
            revoked: self.path("revoked"),
            expires: day(UNIX_EPOCH + Duration::from_secs(expires)),
            is_new,
        };
        if let Some(known) = known
            && known.names == names
            && known.expires > seconds(now + LIFE / 3)
            && files::is_there(&certificate)?
            && files::is_there(&key)?
        {
            return Ok(files(known.expires, false));
        }
        let pair = self.signer()?.sign(CertificateHolder::Server(names), now, LIFE)?;
        // Without the record the pair does not count, so a cut between these makes a new pair.
        files::remove(&record)?;
        files::write(&key, pair.key.as_bytes(), SECRET)?;
        files::write(&certificate, pair.certificate.as_bytes(), OPEN)?;
        let expires = seconds(pair.expires);
        write_json(&record, &ServerRecord { names: names.to_vec(), expires })?;
        Ok(files(expires, true))
    }

    /// What a broker elsewhere needs, and the collector to connect to it, into `out`: `ca.pem`, `crl.pem`,
    /// `server.pem`, `server.key`, `collector.pem`, `collector.key`. Files that are there are replaced. The day the
    /// certificates end.
    ///
    /// # Errors
    /// When a name is none, or a file cannot be written.
    pub fn outside(&self, names: &[String], out: &Path, now: SystemTime) -> Result<String, EnrollError> {
        check_names(names)?;
        let _held = self.lock()?;
        let server = self.signer()?.sign(CertificateHolder::Server(names), now, LIFE)?;
        let (certificate, key) = self.collector(now)?;
        let own = |path: PathBuf| files::read(&path).map(Option::unwrap_or_default);
        files::folder(out)?;
        for (name, text, mode) in [
            ("ca.pem", &own(self.ca())?, OPEN),
            ("crl.pem", &own(self.crl())?, OPEN),
            ("server.key", &server.key, SECRET),
            ("server.pem", &server.certificate, OPEN),
            ("collector.key", &key, SECRET),
            ("collector.pem", &certificate, OPEN),
        ] {
            files::write(&out.join(name), text.as_bytes(), mode)?;
        }
        Ok(day(server.expires))
    }

    /// Certificate and key with which the collector itself connects to a broker outside, as PEM text.
    pub fn collector(&self, now: SystemTime) -> Result<(String, String), EnrollError> {
        let holder = CertificateHolder::Client { name: crate::fleet::COLLECTOR, fleet: None };
        let pair = self.signer()?.sign(holder, now, LIFE)?;
        Ok((pair.certificate, pair.key))
    }

    /// Enrolls a new agent: its bundle is written into `out`.
    ///
    /// # Errors
    /// When the name is taken, the bundle is there already, or something in the request is no good.
    pub fn enroll(&self, request: &Request, out: &Path, now: SystemTime) -> Result<Bundle, EnrollError> {
        request.check()?;
        let _held = self.lock()?;
        if let Some(record) = self.record(&request.agent)?
            && let Some(last) = last_of(&record)
            && last > seconds(now)
        {
            let expires = day(UNIX_EPOCH + Duration::from_secs(last));
            return Err(EnrollError::NameTaken { agent: request.agent.clone(), expires });
        }
        self.issue(request, out, now)
    }

    /// A further certificate for an agent that is enrolled; the ones it has count until they end. What the renewal does
    /// not say is as before.
    ///
    /// # Errors
    /// When there is no such agent, the bundle is there already, or something in the request is no good.
    pub fn renew(&self, renewal: &BundleRenewal, out: &Path, now: SystemTime) -> Result<Bundle, EnrollError> {
        let _held = self.lock()?;
        let agent = renewal.agent.clone();
        let record = self.record(&agent)?.ok_or_else(|| EnrollError::NotEnrolled(agent.clone()))?;
        if renewal.fleet.as_ref().is_some_and(|fleet| *fleet != record.fleet) {
            return Err(EnrollError::OtherFleet { agent, fleet: record.fleet });
        }
        let broker = renewal.broker.clone().unwrap_or(record.broker);
        let trusted_keys =
            if renewal.trusted_keys.is_empty() { record.trusted_keys } else { renewal.trusted_keys.clone() };
        let request = Request { agent, fleet: record.fleet, broker, trusted_keys };
        request.check()?;
        self.issue(&request, out, now)
    }

    /// None of the agent's certificates counts any more; the name is free. Returns how many there were.
    ///
    /// # Errors
    /// When there is no such agent, or a file cannot be read or written.
    pub fn revoke(&self, agent: &AgentName, now: SystemTime) -> Result<usize, EnrollError> {
        let _held = self.lock()?;
        let record = self.record(agent)?.ok_or_else(|| EnrollError::NotEnrolled(agent.clone()))?;
        let path = self.path("revoked");
        // Checked before it changes: a list that cannot be read must not be replaced.
        Revoked::read(&path)?;
        let lines = record.certificates.iter().map(|issued| {
            let ends = day(UNIX_EPOCH + Duration::from_secs(issued.expires));
            format!("{} {agent} {}, revoked {}, ends {ends}", issued.serial, record.fleet, day(now))
        });
        let text = relisted(&files::read(&path)?.unwrap_or_default(), lines, &day(now));
        let bytes = text.len() as u64;
        if bytes > REVOKED_BYTES_MAX {
            return Err(RevokedError::TooLarge { path, bytes }.into());
        }
        files::write(&path, text.as_bytes(), OPEN)?;
        self.write_list(&self.signer()?, now)?;
        files::remove(&self.record_path(agent))?;
        Ok(record.certificates.len())
    }

    /// The certificates that count no longer.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn revoked(&self) -> Result<Revoked, EnrollError> {
        Ok(Revoked::read(&self.path("revoked"))?)
    }

    /// Whether this certificate is on the list.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn is_revoked(&self, serial: &Serial) -> Result<bool, EnrollError> {
        Ok(self.revoked()?.contains(serial))
    }

    /// All agents, by name.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn agents(&self, now: SystemTime) -> Result<Vec<EnrolledHolder>, EnrollError> {
        let mut agents = Vec::new();
        for name in files::names(&self.path("agents"))? {
            let Some(agent) = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok()) else { continue };
            if let Some(record) = self.record(&agent)? {
                agents.push(enrolled(agent, &record, now));
            }
        }
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        Ok(agents)
    }

    fn issue(&self, request: &Request, out: &Path, now: SystemTime) -> Result<Bundle, EnrollError> {
        let Request { agent, fleet, .. } = request;
        let signer = self.signer()?;
        let pair =
            signer.sign(CertificateHolder::Client { name: agent.as_str(), fleet: Some(fleet.as_str()) }, now, LIFE)?;
        let ca = files::read(&self.ca())?.unwrap_or_default();
        files::folder(out)?;
        let draft = BundleDraft::write(request, out, &ca, &pair, now)?;
        // On the record before anybody can have it: what is not there cannot be revoked.
        self.write_record(request, &pair, now)?;
        draft.publish(&pair)
    }

    fn write_record(&self, request: &Request, pair: &SignedKeyPair, now: SystemTime) -> Result<(), EnrollError> {
        let Request { agent, fleet, broker, trusted_keys } = request.clone();
        let known = self.record(&agent)?.map(|record| record.certificates).unwrap_or_default();
        let mut certificates: Vec<IssuedCertificate> =
            known.into_iter().filter(|issued| issued.expires > seconds(now)).collect();
        certificates.push(IssuedCertificate { serial: pair.serial.to_string(), expires: seconds(pair.expires) });
        write_json(&self.record_path(&agent), &AuthorityRecord { fleet, broker, trusted_keys, certificates })
    }

    fn write_list(&self, signer: &CertificateSigner, now: SystemTime) -> Result<(), EnrollError> {
        files::write(&self.crl(), signer.revocation_list(&self.revoked()?, now)?.as_bytes(), OPEN)
    }

    fn lock(&self) -> Result<fs::File, EnrollError> {
        files::lock(&self.path("lock"))
    }

    fn signer(&self) -> Result<CertificateSigner, EnrollError> {
        let (path, key) = (self.ca(), self.path("ca.key"));
        let missing = |path: &Path| EnrollError::Authority { path: path.to_owned(), reason: "it is gone".to_owned() };
        let certificate = files::read(&path)?.ok_or_else(|| missing(&path))?;
        let text = files::read(&key)?.ok_or(EnrollError::KeyMissing(key))?;
        CertificateSigner::load(&certificate, &text).map_err(|reason| EnrollError::Authority { path, reason })
    }

    fn record(&self, agent: &AgentName) -> Result<Option<AuthorityRecord>, EnrollError> {
        read_json(&self.record_path(agent))
    }

    fn record_path(&self, agent: &AgentName) -> PathBuf {
        self.path("agents").join(format!("{agent}.json"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn check_names(names: &[String]) -> Result<(), EnrollError> {
    match names.iter().find(|name| !is_server_name(name)) {
        Some(bad) => Err(EnrollError::ServerName(bad.clone())),
        None if names.is_empty() => Err(EnrollError::NoServerName),
        None => Ok(()),
    }
}

fn enrolled(agent: AgentName, record: &AuthorityRecord, now: SystemTime) -> EnrolledHolder {
    let last = last_of(record).unwrap_or(0);
    let counts = record.certificates.iter().filter(|issued| issued.expires > seconds(now));
    EnrolledHolder {
        agent,
        fleet: record.fleet.clone(),
        serials: counts.filter_map(|issued| issued.serial.parse().ok()).collect(),
        expires: day(UNIX_EPOCH + Duration::from_secs(last)),
        is_due: last <= seconds(now + DUE),
    }
}

fn last_of(record: &AuthorityRecord) -> Option<u64> {
    record.certificates.iter().map(|issued| issued.expires).max()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Duration = days(20_000);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    fn request(agent: &str) -> Request {
        Request {
            agent: agent.parse().unwrap(),
            fleet: "home".parse().unwrap(),
            broker: "mqtts://localhost:8883".to_owned(),
            trusted_keys: vec!["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".to_owned()],
        }
    }

    fn renewal(agent: &str) -> BundleRenewal {
        BundleRenewal { agent: agent.parse().unwrap(), fleet: None, broker: None, trusted_keys: Vec::new() }
    }

    struct Place {
        _dir: tempfile::TempDir,
        authority: Authority,
        out: PathBuf,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path().join("state/authority"), now()).unwrap();
        let out = dir.path().join("out");
        Place { authority, out, _dir: dir }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_authority_is_made_once_and_its_keys_are_secret() {
        let Place { authority, .. } = &place();
        let before = fs::read(authority.ca()).unwrap();
        let again = Authority::open(&authority.folder, now() + LIFE).unwrap();
        assert!(authority.is_new() && !again.is_new());
        assert_eq!(fs::read(again.ca()).unwrap(), before);
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        authority.server(&names, now()).unwrap();
        assert_eq!(mode(&authority.path("ca.key")), 0o600);
        assert_eq!(mode(&authority.path("server.key")), 0o600);
        assert_eq!(mode(&authority.folder), 0o700);

        // A key without its certificate makes the certificate again, unless the broker's says that it would be another;
        // the other way round nothing is made up.
        fs::remove_file(authority.ca()).unwrap();
        let server = fs::read(authority.path("server.pem")).unwrap();
        let other = place();
        fs::copy(other.authority.server(&names, now()).unwrap().certificate, authority.path("server.pem")).unwrap();
        let error = Authority::open(&authority.folder, now()).unwrap_err();
        assert!(matches!(error, EnrollError::CertificateMissing(_)), "{error}");
        assert!(!authority.ca().exists());
        fs::write(authority.path("server.pem"), server).unwrap();
        assert!(!Authority::open(&authority.folder, now()).unwrap().is_new());
        fs::remove_file(authority.path("ca.key")).unwrap();
        let error = Authority::open(&authority.folder, now()).unwrap_err();
        assert!(matches!(error, EnrollError::KeyMissing(_)), "{error}");
        fs::write(authority.path("ca.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let error = Authority::open(&authority.folder, now()).unwrap_err();
        assert!(matches!(error, EnrollError::Authority { .. }), "{error}");
    }

    #[test]
    fn the_brokers_certificate_is_kept_until_it_must_change() {
        let Place { authority, .. } = &place();
        let names = vec!["collector.example".to_owned(), "192.168.1.2".to_owned()];
        let first = authority.server(&names, now()).unwrap();
        assert!(first.is_new);
        let text = fs::read(&first.certificate).unwrap();
        let same = authority.server(&names, now() + days(400)).unwrap();
        assert!(!same.is_new && fs::read(&same.certificate).unwrap() == text);
        assert!(authority.server(&names, now() + days(500)).unwrap().is_new, "less than a third is left");
        assert!(authority.server(&names[..1], now()).unwrap().is_new, "other names");
        assert!(matches!(authority.server(&["a b".to_owned()], now()), Err(EnrollError::ServerName(_))));
        assert!(matches!(authority.server(&[], now()), Err(EnrollError::NoServerName)));
    }

    #[test]
    fn a_name_is_enrolled_renewed_revoked_and_free_again() {
        let Place { authority, out, .. } = &place();
        let pi: AgentName = "pi".parse().unwrap();
        let first = authority.enroll(&request("pi"), out, now()).unwrap();
        assert_eq!(first.expires, day(now() + LIFE));
        let told = |bundle: &Bundle| {
            let text = fs::read_to_string(bundle.folder.join("agent.d/50-enrolled.toml")).unwrap();
            text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
        };
        let key = first.folder.join("tls/agent.key");
        assert_eq!((mode(&key), mode(&first.archive)), (0o600, 0o600));
        assert_eq!(fs::read(first.folder.join("tls/ca.pem")).unwrap(), fs::read(authority.ca()).unwrap());
        assert!(told(&first).contains("name = \"pi\""));

        let taken = authority.enroll(&request("pi"), out, now()).unwrap_err();
        assert!(taken.to_string().contains("renew it, or revoke it first"), "{taken}");
        let exists = authority.renew(&renewal("pi"), out, now()).unwrap_err();
        assert!(matches!(exists, EnrollError::BundleExists(_)), "{exists}");
        let moved = BundleRenewal { fleet: Some("shop".parse().unwrap()), ..renewal("pi") };
        assert!(matches!(authority.renew(&moved, out, now()), Err(EnrollError::OtherFleet { .. })));

        // Renewed in time, both count; revoked, neither.
        assert!(!authority.agents(now()).unwrap()[0].is_due);
        let later = now() + LIFE - DUE;
        assert!(authority.agents(later).unwrap()[0].is_due);
        let second = authority.renew(&renewal("pi"), &out.join("renewed"), later).unwrap();
        let agents = authority.agents(later).unwrap();
        assert_eq!(told(&second), told(&first), "broker and keys are as before");
        assert_eq!(agents[0].serials, [first.serial.clone(), second.serial.clone()]);
        assert!(!agents[0].is_due);
        assert!(!authority.is_revoked(&first.serial).unwrap());
        assert_eq!(authority.revoke(&pi, later).unwrap(), 2);
        assert!(authority.is_revoked(&first.serial).unwrap() && authority.is_revoked(&second.serial).unwrap());
        assert!(fs::read_to_string(authority.crl()).unwrap().contains("X509 CRL"));
        assert!(matches!(authority.revoke(&pi, later), Err(EnrollError::NotEnrolled(_))));
        assert!(matches!(authority.renew(&renewal("pi"), out, later), Err(EnrollError::NotEnrolled(_))));
        let third = authority.enroll(&request("pi"), &out.join("again"), later).unwrap();
        assert!(!authority.is_revoked(&third.serial).unwrap());

        // Ended, the name is free without a word, and the list forgets what nobody would let in.
        let ended = later + LIFE + days(2);
        let fourth = authority.enroll(&request("pi"), &out.join("fourth"), ended).unwrap();
        authority.revoke(&pi, ended).unwrap();
        let list = authority.revoked().unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [&fourth.serial]);
        assert!(authority.agents(ended).unwrap().is_empty());
    }

    #[test]
    fn what_is_damaged_is_named_and_not_replaced() {
        let Place { authority, out, .. } = &place();
        authority.enroll(&request("pi"), out, now()).unwrap();
        fs::write(authority.path("agents/pi.json"), "{").unwrap();
        let error = authority.enroll(&request("pi"), &out.join("b"), now()).unwrap_err();
        assert!(error.to_string().contains("pi.json"), "{error}");
        authority.enroll(&request("web"), out, now()).unwrap();
        fs::write(authority.path("revoked"), "what is this\n").unwrap();
        let error = authority.revoke(&"web".parse().unwrap(), now()).unwrap_err();
        assert!(matches!(error, EnrollError::Revoked(RevokedError::Line { line: 1, .. })), "{error}");
        assert_eq!(fs::read_to_string(authority.path("revoked")).unwrap(), "what is this\n");
    }

    #[test]
    fn of_several_at_once_one_gets_the_name() {
        let Place { authority, out, .. } = &place();
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|i| scope.spawn(move || authority.enroll(&request("pi"), &out.join(i.to_string()), now())))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(EnrollError::NameTaken { .. }))), "{results:?}");
        assert_eq!(authority.agents(now()).unwrap()[0].serials.len(), 1);
    }
}
