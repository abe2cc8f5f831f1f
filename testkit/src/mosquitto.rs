//! A broker that is not ours: mosquitto on a port of its own. It keeps nothing on disk: killed, it has forgotten
//! everything.

use std::{
    fs::{self, OpenOptions},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{not_run::not_run, port::free_port, process::TestProcess, waiting::until};

/// A mosquitto; killed when dropped.
#[derive(Debug)]
pub struct MosquittoServer {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    process: TestProcess,
}

impl MosquittoServer {
    /// Prepares one with the configuration for a port, without starting it. `None`, named for the report, when there is no
    /// mosquitto.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn prepare(test: &str, folder: &Path, configuration: impl FnOnce(u16) -> String) -> Option<Self> {
        let Some(program) = program() else {
            not_run(test, "mosquitto is not installed");
            return None;
        };
        let port = free_port();
        // As whom it runs is the package's business; here it must read this user's files.
        let text = configuration(port) + "user root\n";
        fs::write(folder.join("mosquitto.conf"), text).expect("the test's folder can be written");
        Some(Self { program, folder: folder.to_owned(), port, process: TestProcess::default() })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not, with its log.
    pub fn start(&mut self) {
        let log = self.folder.join("mosquitto.log");
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("the test's folder can be written");
        let mut command = Command::new(self.program);
        command.arg("-c").arg(self.folder.join("mosquitto.conf")).stdin(Stdio::null()).stderr(file);
        self.process.start(&mut command);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        until(
            || {
                assert!(self.process.is_alive(), "mosquitto ended: {}", said());
                TcpStream::connect(("127.0.0.1", self.port)).ok()
            },
            || format!("mosquitto does not listen: {}", said()),
        );
    }

    /// kill -9: everything it remembered is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// Everybody may come and say everything.
#[must_use]
pub fn open_to_all(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
         max_inflight_messages 1000\nmax_queued_messages 100000\n"
    )
}

/// Whoever has a certificate of `ca.pem` is who it says, and may what the file `acl` allows. The server is `broker.pem` with
/// `broker.key`, all in one folder.
#[must_use]
pub fn with_certificates(port: u16, folder: &Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
         use_identity_as_username true\nallow_anonymous false\nacl_file {}\npersistence false\n",
        path("ca.pem"),
        path("broker.pem"),
        path("broker.key"),
        path("acl")
    )
}

/// Debian keeps it where not every user's path leads.
fn program() -> Option<&'static str> {
    let runs =
        |program: &&str| Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find(runs)
}
