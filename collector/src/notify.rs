//! What systemd is told: ready, alive, stopping. Silent where no systemd listens.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// The service manager's socket.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// From `NOTIFY_SOCKET`; without it, or when it cannot be used, nothing will be said.
    #[must_use]
    pub fn from_env() -> Self {
        let name = std::env::var("NOTIFY_SOCKET").ok();
        let address = name.and_then(|name| match name.strip_prefix('@') {
            Some(rest) => SocketAddr::from_abstract_name(rest).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        Self { socket: address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))) }
    }

    /// Says something: `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...`.
    pub fn say(&self, what: &str) {
        if let Some((socket, address)) = &self.socket {
            // A service manager that does not read will act by itself.
            let _: Result<usize, _> = socket.send_to_addr(what.as_bytes(), address);
        }
    }
}

/// How often the watchdog must hear from us: half of what it allows.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    let allowed: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (allowed > 0).then(|| Duration::from_micros(allowed / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_pathname(&path).unwrap();
        let notifier = Notifier { socket: Some((UnixDatagram::unbound().unwrap(), address)) };
        notifier.say("READY=1");
        let mut bytes = [0; 32];
        let read = listener.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..read], b"READY=1");
        Notifier::default().say("READY=1");
    }
}
