//! A mosquitto of our own on a free port of loopback; killed when dropped.

use std::{
    fs::{self, OpenOptions},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub struct Mosquitto {
    program: &'static str,
    child: Option<Child>,
    folder: PathBuf,
    pub port: u16,
}

impl Mosquitto {
    /// `None`, noted for the report, when there is no mosquitto.
    pub fn start(test: &str, folder: &Path) -> Option<Self> {
        let Some(program) = program() else {
            crate::not_run(test, "mosquitto is not installed");
            return None;
        };
        let port = free_port();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n\
             max_inflight_messages 1000\nmax_queued_messages 100000\n"
        );
        fs::write(folder.join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { program, child: None, folder: folder.to_owned(), port };
        broker.up();
        Some(broker)
    }

    pub fn up(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("mosquitto.log")).unwrap();
        let config = self.folder.join("mosquitto.conf");
        self.child = Some(Command::new(self.program).arg("-c").arg(config).stderr(log).spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "mosquitto does not listen");
            std::thread::yield_now();
        }
    }

    /// kill -9: everything it remembered is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Free now; nobody else on this machine asks for it in particular.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Debian keeps it where not every user's path leads.
fn program() -> Option<&'static str> {
    ["mosquitto", "/usr/sbin/mosquitto"]
        .into_iter()
        .find(|program| Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok())
}
