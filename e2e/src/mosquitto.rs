//! A broker that is not ours: mosquitto with TLS, client certificates and access rules, on a port of its own. It keeps
//! nothing on disk: killed, it has forgotten everything.

use std::{
    fs::{self, OpenOptions},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    authority::{Authority, Validity},
    not_run::not_run,
    random::Random,
    waiting::until,
};

/// Name of the collector's certificate.
pub const COLLECTOR: &str = "collector";
/// Name of the authority that the broker trusts.
pub const AUTHORITY: &str = "ca";
const BROKER: &str = "broker";

/// Who may say and hear what: the file that users get.
const RULES: &str = include_str!("../../packaging/mosquitto/acl");

/// A mosquitto; killed when dropped.
pub struct Mosquitto {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    authority: Authority,
    child: Option<Child>,
}

impl Mosquitto {
    /// Prepares one with its authority, without starting it. `None`, named for the report, when there is no mosquitto.
    #[must_use]
    pub fn prepare(test: &str, folder: &Path) -> Option<Self> {
        let Some(program) = program() else {
            not_run(test, "mosquitto is not installed");
            return None;
        };
        let authority = Authority::new(AUTHORITY, folder);
        authority.issue(BROKER, Validity::Valid, folder, BROKER);
        authority.issue(COLLECTOR, Validity::Valid, folder, COLLECTOR);
        let broker = Self { program, folder: folder.to_owned(), port: free_port(), authority, child: None };
        broker.configure();
        Some(broker)
    }

    /// The same, started.
    #[must_use]
    pub fn begin(test: &str, folder: &Path) -> Option<Self> {
        let mut broker = Self::prepare(test, folder)?;
        broker.start();
        Some(broker)
    }

    /// The authority that it trusts.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where its certificates lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        let log = self.folder.join("mosquitto.log");
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("the test's folder can be written");
        let mut command = Command::new(self.program);
        command.arg("-c").arg(self.folder.join("mosquitto.conf")).stdin(Stdio::null()).stderr(file);
        let child = self.child.insert(command.spawn().expect("mosquitto can be started"));
        let port = self.port;
        let mut ended = None;
        until(
            || {
                ended = child.try_wait().expect("a child can be asked");
                (ended.is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(())
            },
            || "mosquitto does not listen".to_owned(),
        );
        assert!(ended.is_none(), "mosquitto ended: {}", fs::read_to_string(&log).unwrap_or_default());
    }

    /// kill -9: everything it remembered is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    fn configure(&self) {
        let path = |name: &str| self.folder.join(name).display().to_string();
        fs::write(self.folder.join("acl"), RULES).expect("the test's folder can be written");
        let config = format!(
            "listener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
             use_identity_as_username true\nallow_anonymous false\nacl_file {}\npersistence false\nuser root\n",
            self.port,
            path("ca.pem"),
            path("broker.pem"),
            path("broker.key"),
            path("acl")
        );
        fs::write(self.folder.join("mosquitto.conf"), config).expect("the test's folder can be written");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian keeps it where not every user's path leads.
fn program() -> Option<&'static str> {
    let runs =
        |program: &&str| Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find(runs)
}

/// A port that nobody is given by chance while the broker is down: below those that the kernel hands out. A client that
/// knocks at one of those may even be connected with itself. Not from the test's seed: tests with one seed run side by
/// side.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first: u64 = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    let from = 10_000.min(first / 2);
    let mut random = Random::of_this_moment();
    let candidates = (0..1_000).map(|_| u16::try_from(from + random.below(first - from)).expect("below a port"));
    candidates.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("some port is free")
}
