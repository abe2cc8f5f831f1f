//! What one server gets: certificate, key, the authority's certificate and what its agent must know of its fleet, as a
//! folder and as an archive that unpacks into `/etc`. The operator's own `agent.toml` stays as it is.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use oddline_core::id::{AgentName, FleetName};

use super::{
    EnrollError,
    certificate::{SignedKeyPair, day, is_server_name},
    files::{self, OPEN, SECRET},
    revoked::Serial,
    tar::{self, TarEntry},
};

/// Where an agent looks for its files.
const TLS_FOLDER: &str = "/etc/oddline/tls";
/// Laid over the agent's configuration, in the order of names.
const CONFIGURATION: &str = "agent.d/50-enrolled.toml";
/// Bytes of a public key's text: minisign writes 56.
const TRUSTED_KEY_BYTES_MAX: usize = 128;
/// Bytes of a file with one: a comment comes first.
const TRUSTED_KEY_FILE_BYTES_MAX: u64 = 4096;

/// Who is to be enrolled.
#[derive(Debug, Clone)]
pub struct Request {
    pub agent: AgentName,
    pub fleet: FleetName,
    /// Where it finds the broker: `mqtts://host[:port]`.
    pub broker: String,
    /// Public keys whose models it takes.
    pub trusted_keys: Vec<String>,
}

/// Who is to get a further certificate, and what changes with it.
#[derive(Debug, Clone)]
pub struct BundleRenewal {
    pub agent: AgentName,
    /// Its fleet, to be sure.
    pub fleet: Option<FleetName>,
    /// Another address of the broker.
    pub broker: Option<String>,
    /// Other public keys; none are the ones it has.
    pub trusted_keys: Vec<String>,
}

/// What was made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The folder: `agent.d/50-enrolled.toml` and `tls/{ca.pem,agent.pem,agent.key}`.
    pub folder: PathBuf,
    /// The same as an archive: `tar -C /etc -xf` on the server.
    pub archive: PathBuf,
    pub serial: Serial,
    /// The day it ends.
    pub expires: String,
}

impl Request {
    pub(super) fn check(&self) -> Result<(), EnrollError> {
        if self.agent.as_str() == crate::fleet::COLLECTOR {
            return Err(EnrollError::Reserved(self.agent.clone()));
        }
        if !is_address(&self.broker) {
            return Err(EnrollError::Address(self.broker.clone()));
        }
        match self.trusted_keys.iter().find(|key| !is_key(key)) {
            Some(key) => Err(EnrollError::TrustedKey(key[..key.floor_char_boundary(80)].to_owned())),
            None => Ok(()),
        }
    }

    /// What is laid over the agent's configuration. All of it has been checked: nothing needs escaping.
    fn enrolled_toml(&self, expires: &str) -> String {
        let keys: Vec<String> = self.trusted_keys.iter().map(|key| format!("\"{key}\"")).collect();
        format!(
            "# Made by oddline-collector enroll, and laid over agent.toml. The certificate ends on {expires}; a renewed\n\
             # bundle replaces this file and those in {TLS_FOLDER}.\n\
             name = \"{agent}\"\n\
             fleet = \"{fleet}\"\n\n\
             [broker]\n\
             address = \"{broker}\"\n\
             ca = \"{TLS_FOLDER}/ca.pem\"\n\
             certificate = \"{TLS_FOLDER}/agent.pem\"\n\
             key = \"{TLS_FOLDER}/agent.key\"\n\n\
             [model]\n\
             trusted_keys = [{keys}]\n",
            agent = self.agent,
            fleet = self.fleet,
            broker = self.broker,
            keys = keys.join(", ")
        )
    }
}

/// A bundle on disk that is not in its place yet.
pub(super) struct BundleDraft {
    new: PathBuf,
    folder: PathBuf,
    archive: PathBuf,
    packed: Vec<u8>,
}

impl BundleDraft {
    /// Writes it beside its place.
    pub(super) fn write(
        request: &Request,
        out: &Path,
        ca: &str,
        pair: &SignedKeyPair,
        now: SystemTime,
    ) -> Result<Self, EnrollError> {
        let folder = out.join(request.agent.as_str());
        let archive = out.join(format!("{}.tar", request.agent));
        for path in [&folder, &archive] {
            if files::is_there(path)? {
                return Err(EnrollError::BundleExists(path.clone()));
            }
        }
        let toml = request.enrolled_toml(&day(pair.expires));
        let entries = [
            (CONFIGURATION, OPEN, toml.as_bytes()),
            ("tls/ca.pem", OPEN, ca.as_bytes()),
            ("tls/agent.pem", OPEN, pair.certificate.as_bytes()),
            ("tls/agent.key", SECRET, pair.key.as_bytes()),
        ];
        let new = out.join(format!(".{}.new", request.agent));
        files::remove_folder(&new)?;
        files::new_folder(&new)?;
        for folder in ["agent.d", "tls"] {
            files::new_folder(&new.join(folder))?;
        }
        for (name, mode, content) in entries {
            files::write_new(&new.join(name), content, mode)?;
        }
        let paths = entries.map(|(name, ..)| format!("oddline/{name}"));
        let files = paths.iter().zip(entries).map(|(path, (_, mode, content))| TarEntry::File { path, mode, content });
        let folders = ["oddline/agent.d/", "oddline/tls/"].map(|path| TarEntry::Folder { path });
        let packed: Vec<TarEntry<'_>> = folders.into_iter().chain(files).collect();
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { new, folder, archive, packed: tar::archive(&packed, seconds) })
    }

    /// Puts it in its place.
    pub(super) fn publish(self, pair: &SignedKeyPair) -> Result<Bundle, EnrollError> {
        files::write_new(&self.archive, &self.packed, SECRET)?;
        files::rename(&self.new, &self.folder)?;
        let Self { folder, archive, .. } = self;
        Ok(Bundle { folder, archive, serial: pair.serial.clone(), expires: day(pair.expires) })
    }
}

/// A public key as it was typed, or the one in the file of that name: below a comment, as minisign writes it.
///
/// # Errors
/// When it is a file without one, which is named instead of what is in it: that may be the secret key.
pub fn trusted_key(typed: String) -> Result<String, EnrollError> {
    let file = Path::new(&typed);
    if !file.is_file() {
        return Ok(typed);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let read = || {
        let mut text = String::new();
        File::open(file)?.take(TRUSTED_KEY_FILE_BYTES_MAX).read_to_string(&mut text).map(|_| text)
    };
    // What root is told to read from somebody's folder is what that one may read.
    let text = oddline_owner::of(folder, read).flatten();
    let text = text.map_err(|reason| EnrollError::File { path: file.to_owned(), reason })?;
    let key = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    key.filter(|key| is_key(key)).map(ToOwned::to_owned).ok_or(EnrollError::TrustedKey(typed))
}

fn is_key(key: &str) -> bool {
    (1..=TRUSTED_KEY_BYTES_MAX).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

fn is_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("mqtts://") else { return false };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let is_port =
        |port: &str| port.strip_prefix(':').and_then(|port| port.parse().ok()).is_some_and(|port: u16| port > 0);
    is_server_name(host) && (port.is_empty() || is_port(port))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn request() -> Request {
        Request {
            agent: "pi-kitchen".parse().unwrap(),
            fleet: "home".parse().unwrap(),
            broker: "mqtts://collector.example:8883".to_owned(),
            trusted_keys: vec!["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".to_owned()],
        }
    }

    #[test]
    fn the_configuration_is_the_agents() {
        request().check().unwrap();
        assert_eq!(
            request().enrolled_toml("2028-11-21"),
            r#"# Made by oddline-collector enroll, and laid over agent.toml. The certificate ends on 2028-11-21; a renewed
# bundle replaces this file and those in /etc/oddline/tls.
name = "pi-kitchen"
fleet = "home"

[broker]
address = "mqtts://collector.example:8883"
ca = "/etc/oddline/tls/ca.pem"
certificate = "/etc/oddline/tls/agent.pem"
key = "/etc/oddline/tls/agent.key"

[model]
trusted_keys = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]
"#
        );
    }

    #[test]
    fn it_is_read_back_as_it_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let (file, over) = (dir.path().join("agent.toml"), dir.path().join("agent.d"));
        fs::write(&file, "name = \"by-hand\"\n[[source]]\njournal = true\n").unwrap();
        fs::create_dir(&over).unwrap();
        fs::write(dir.path().join(CONFIGURATION), request().enrolled_toml("2028-11-21")).unwrap();
        let reader = oddline_config::Layers { file: Some(file), folder: Some(over), environment: Vec::new() }.read();
        let top = reader.top();
        assert_eq!(top.value("name"), Some("pi-kitchen".to_owned()));
        assert_eq!(top.value("fleet"), Some("home".to_owned()));
        let broker = top.section("broker");
        assert_eq!(broker.value("address"), Some("mqtts://collector.example:8883".to_owned()));
        for (key, name) in [("ca", "ca.pem"), ("certificate", "agent.pem"), ("key", "agent.key")] {
            assert_eq!(broker.path(key), Some(Path::new(TLS_FOLDER).join(name)));
        }
        broker.finish();
        let model = top.section("model");
        assert_eq!(model.list::<String>("trusted_keys").map(|keys| keys.len()), Some(1));
        model.finish();
        let sources = top.sections("source");
        assert_eq!(sources.len(), 1);
        for source in sources {
            assert_eq!(source.flag("journal"), Some(true));
            source.finish();
        }
        top.finish();
        reader.finish().unwrap();
    }

    #[test]
    fn what_no_agent_could_use_is_refused() {
        for fine in ["mqtts://a", "mqtts://10.0.0.1:8883", "mqtts://[::1]", "mqtts://[fe80::1]:1"] {
            assert!(is_address(fine), "{fine}");
        }
        for bad in
            ["", "mqtt://a", "a:8883", "mqtts://", "mqtts://a:0", "mqtts://a:x", "mqtts://a\"\nx = \"b", "mqtts://a/b"]
        {
            let error = Request { broker: bad.to_owned(), ..request() }.check().unwrap_err();
            assert!(matches!(error, EnrollError::Address(_)), "{bad}");
        }
        for bad in ["", "\"]", "two words", &"x".repeat(200)] {
            let error = Request { trusted_keys: vec![bad.to_owned()], ..request() }.check().unwrap_err();
            assert!(matches!(error, EnrollError::TrustedKey(_)), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oddline.pub");
        let name = file.display().to_string();
        let key = request().trusted_keys.remove(0);
        assert_eq!(trusted_key(key.clone()).unwrap(), key);
        fs::write(&file, format!("untrusted comment: minisign public key 1\n{key}\n")).unwrap();
        assert_eq!(trusted_key(name.clone()).unwrap(), key);
        fs::write(&file, format!("untrusted comment: secret key\n{}\n", "s".repeat(212))).unwrap();
        let error = trusted_key(name.clone()).unwrap_err();
        assert!(matches!(&error, EnrollError::TrustedKey(said) if *said == name), "{error}");
        let error = Request { agent: "collector".parse().unwrap(), ..request() }.check().unwrap_err();
        assert!(matches!(error, EnrollError::Reserved(_)));
    }
}
