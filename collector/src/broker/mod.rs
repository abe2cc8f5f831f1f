//! The embedded MQTT broker: who may connect, who may say and hear what, what is kept, and how much of everything.
//! Memory only: it may forget everything, see "Delivery" in ARCHITECTURE.md.
//!
//! ```text
//!  agents ----> gate ----> library (rmqtt) <---- collector, with a secret made at start
//!  beyond       half open,    |- hooks -> acl: who may what
//!  loopback     deadlines,    `- retain -> retained
//!  TLS only     revocation
//! ```
//!
//! It runs on threads of its own, so that stopping it leaves nothing behind.

pub mod acl;
mod fit;
mod front;
mod library;
pub mod mosquitto;
mod rate_limiter;
mod reload;
mod retain;
pub mod retained;
pub mod settings;
mod strangers;

use std::{
    fmt, fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use self::settings::{BrokerError, BrokerLimits, BrokerSettings, FileError, Tls};
use self::{
    acl::AccessRules,
    front::{ConnectionBounds, ConnectionTable, UpstreamLead},
    library::{BrokerHooks, Library, RefusalCounts},
    reload::{CertificateProblem, ListenerRenewal, ServedCertificate, stamp, stamps, watch_revoked},
    retain::RetainedStore,
};
pub use crate::fleet::ServedFleets;
use crate::{
    enroll::revoked::{Revoked, RevokedError},
    fleet::COLLECTOR,
};

/// Threads of the broker: it moves bytes.
const THREADS: usize = 2;
/// Descriptors that the rest of the process needs: the store, the API and its clients.
const FILES_OF_OTHERS: usize = 192;
/// Descriptors of one connection: its socket and both ends of the way to the library.
const FILES_PER_CONNECTION: usize = 3;
/// Random bytes of the collector's secret.
const SECRET_BYTES: usize = 32;

/// A broker that runs. Dropped, it ends without waiting.
pub struct EmbeddedBroker {
    runtime: Option<Runtime>,
    address: SocketAddr,
    login: BrokerLogin,
    limits: BrokerLimits,
    door: Arc<ConnectionTable>,
    shelf: RetainedStore,
    refusals: Arc<RefusalCounts>,
    bad: Arc<CertificateProblem>,
    renew: mpsc::Sender<ListenerRenewal>,
    stop: watch::Sender<()>,
    gate: Option<JoinHandle<()>>,
}

/// How the collector connects: plain MQTT to this address, with this user and password. Its client identifier must
/// begin with the user's name.
#[derive(Clone)]
pub struct BrokerLogin {
    pub address: SocketAddr,
    /// [`COLLECTOR`].
    pub user: String,
    /// Made at start, known to nobody else.
    pub password: String,
}

/// What the broker has to do, and what it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokerFigures {
    pub connections: usize,
    /// How many may be: [`Limits::connections`], or what the descriptors of the process allow.
    pub connections_max: usize,
    /// Connections that have not said who they are.
    pub half_open: usize,
    /// Connections that had to make room, or found none.
    pub turned_away: u64,
    /// Connections that did not say in time who they are.
    pub timed_out: u64,
    /// Connections that the system could not hand over, for want of descriptors.
    pub not_accepted: u64,
    /// Connections past the gate, from this machine, that were ended for not being the collector's.
    pub strangers: u64,
    pub connects_refused: u64,
    pub publishes_refused: u64,
    pub subscribes_refused: u64,
    /// Messages that did not fit in a queue or found their receiver gone: agents send theirs again.
    pub dropped: u64,
    pub retained: usize,
    /// Bytes of their topics and payloads.
    pub retained_bytes: usize,
    /// Retained messages refused for want of room.
    pub retained_refused: u64,
    /// Whether the list of revoked certificates has changed and cannot be read: the last one that could is in force.
    pub is_revoked_list_bad: bool,
    /// Whether the certificate files have changed and cannot be used: the ones before are in use.
    pub is_certificate_bad: bool,
}

impl EmbeddedBroker {
    /// Listens, and lets agents and the collector in.
    ///
    /// # Errors
    /// When the settings are unsafe, a file cannot be used, the address is taken or the system gives no threads.
    pub async fn start(settings: BrokerSettings) -> Result<Self, BrokerError> {
        settings.check()?;
        let revoked_file = settings.tls.as_ref().and_then(|tls| tls.revoked.clone());
        // Before it is read: a change in between is seen.
        let stamp = revoked_file.as_deref().and_then(stamp);
        let revoked = revoked_file.as_deref().map_or_else(|| Ok(Revoked::default()), Revoked::read)?;
        let limits = within_descriptors(settings.limits, descriptors());
        let secret = secret()?;
        let door = Arc::new(ConnectionTable::new(
            ConnectionBounds {
                connections: limits.connections,
                half_open: limits.half_open,
                admit_within: limits.admit_within,
                bytes_per_s: limits.agent_bytes_per_s,
            },
            revoked,
        ));
        let shelf = RetainedStore::new(limits.retained, limits.retained_bytes);
        let refusals = Arc::new(RefusalCounts::default());
        let hooks = BrokerHooks {
            rules: Arc::new(AccessRules { fleets: settings.fleets.clone() }),
            door: Arc::clone(&door),
            shelf: shelf.clone(),
            refusals: Arc::clone(&refusals),
            secret: secret.as_str().into(),
            is_tls: settings.tls.is_some(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("oddline-broker")
            .enable_all()
            .build()
            .map_err(|error| BrokerError::System { what: "threads", reason: error.to_string() })?;
        // Dropping a runtime inside another one panics; from here on `Drop` takes care of it.
        let runtime = BrokerThreads(Some(runtime));
        let (stop, stopped) = watch::channel(());
        let (renew, renewals) = mpsc::channel(1);
        let bad = Arc::new(CertificateProblem::default());
        let started = runtime.spawn(open(settings, limits, hooks, (renewals, Arc::clone(&bad)), stopped.clone()));
        let opened =
            started.await.map_err(|error| BrokerError::System { what: "start", reason: error.to_string() })??;
        let gate = runtime.spawn(front::serve(opened.listener, opened.library, Arc::clone(&door), stopped));
        runtime.spawn(strangers::keep_out(Arc::clone(&door), limits.admit_within));
        if let Some(file) = revoked_file {
            runtime.spawn(watch_revoked(file, stamp, Arc::clone(&door), Arc::clone(&bad)));
        }
        let login = BrokerLogin { address: opened.plain, user: COLLECTOR.to_owned(), password: secret };
        let address = opened.address;
        let (runtime, gate) = (runtime.keep(), Some(gate));
        Ok(Self { runtime, address, login, limits, door, shelf, refusals, bad, renew, stop, gate })
    }

    /// Where agents connect: the port when [`Settings::listen`] left it open.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub const fn login(&self) -> &BrokerLogin {
        &self.login
    }

    /// What it has to do now.
    #[must_use]
    pub fn figures(&self) -> BrokerFigures {
        let (door, (retained, retained_bytes, retained_refused)) = (self.door.count(), self.shelf.count());
        BrokerFigures {
            connections: door.admitted,
            connections_max: self.limits.connections,
            half_open: door.half_open,
            turned_away: door.turned_away,
            timed_out: door.timed_out,
            not_accepted: door.not_accepted,
            strangers: door.strangers,
            connects_refused: self.refusals.connects.load(Ordering::Relaxed),
            publishes_refused: self.refusals.publishes.load(Ordering::Relaxed),
            subscribes_refused: self.refusals.subscribes.load(Ordering::Relaxed),
            dropped: self.refusals.dropped.load(Ordering::Relaxed),
            retained,
            retained_bytes,
            retained_refused,
            is_revoked_list_bad: self.bad.list.load(Ordering::Relaxed),
            is_certificate_bad: self.bad.certificate.load(Ordering::Relaxed),
        }
    }

    /// Takes the list of revoked certificates up at once; it is also looked at every second.
    ///
    /// # Errors
    /// When it cannot be read; the list that was read last stays in force.
    pub fn revoke(&self, list: &Path) -> Result<(), RevokedError> {
        self.door.revoke(Revoked::read(list)?);
        Ok(())
    }

    /// Takes renewed certificate files up at once; they are also looked at every few seconds. Connections that stand
    /// stay.
    ///
    /// # Errors
    /// When they cannot be used, and the old ones stay; when there is no TLS.
    pub async fn renew(&self) -> Result<(), BrokerError> {
        let gone = || BrokerError::System { what: "renewal", reason: "the broker has no certificate".to_owned() };
        let (answer, answered) = oneshot::channel();
        self.renew.send(answer).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Cuts every connection and frees the port.
    pub async fn stop(mut self) {
        // A gate that has ended needs no signal.
        let _: Result<(), _> = self.stop.send(());
        if let Some(gate) = self.gate.take() {
            // It ends at once, or has panicked; the port is free either way.
            let _: Result<(), _> = gate.await;
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        drop(BrokerThreads(self.runtime.take()));
    }
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).field("figures", &self.figures()).finish()
    }
}

impl fmt::Debug for BrokerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("address", &self.address).field("user", &self.user).finish_non_exhaustive()
    }
}

/// A runtime that ends without waiting when it is dropped.
struct BrokerThreads(Option<Runtime>);

impl BrokerThreads {
    fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.as_ref().expect("it is taken only by value").spawn(task)
    }

    fn keep(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for BrokerThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct OpenedListener {
    listener: TcpListener,
    address: SocketAddr,
    plain: SocketAddr,
    library: watch::Receiver<UpstreamLead>,
}

/// Binds everything before anything is served, so that a refusal leaves nothing behind.
async fn open(
    settings: BrokerSettings,
    limits: BrokerLimits,
    hooks: BrokerHooks,
    (renewals, bad): (mpsc::Receiver<ListenerRenewal>, Arc<CertificateProblem>),
    stopped: watch::Receiver<()>,
) -> Result<OpenedListener, BrokerError> {
    let listen = settings.listen;
    let refused = |reason| BrokerError::Listen { listen, reason };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let door = Arc::clone(&hooks.door);
    let mut library = Library::new(limits, hooks.shelf.clone(), hooks).await;
    let plain = library.bind_plain()?;
    door.leads_to(plain.lead());
    let plain_address = plain.address;
    // Before the files are read: a change in between is seen.
    let known = settings.tls.as_ref().map(stamps);
    let bound = settings.tls.as_ref().map(|tls| library.bind_tls(tls)).transpose()?;
    if let Some(bound) = &bound {
        door.leads_to(bound.lead());
    }
    let (lead, leads) = watch::channel(bound.as_ref().unwrap_or(&plain).lead());
    tokio::spawn(Library::serve(library.context(), plain));
    if let (Some(tls), Some(bound), Some(known)) = (settings.tls, bound, known) {
        let serving = tokio::spawn(Library::serve(library.context(), bound));
        tokio::spawn(ServedCertificate { library, tls, serving, lead, door, known, bad }.keep(renewals, stopped));
    }
    Ok(OpenedListener { listener, address, plain: plain_address, library: leads })
}

/// As much as was asked for, or as the process may open.
fn within_descriptors(limits: BrokerLimits, descriptors: usize) -> BrokerLimits {
    let ours = descriptors.saturating_sub(FILES_OF_OTHERS);
    // Silent connections take one each.
    let half_open = limits.half_open.min(ours / 4).max(1);
    let connections = limits.connections.min(ours.saturating_sub(half_open) / FILES_PER_CONNECTION).max(1);
    BrokerLimits { connections, half_open, ..limits }
}

/// How many descriptors the process may open; no bound when the system does not say.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}

fn secret() -> Result<String, BrokerError> {
    let mut bytes = [0; SECRET_BYTES];
    let provider = rustls::crypto::ring::default_provider();
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| BrokerError::System { what: "random bytes", reason: "the system gives none".to_owned() })?;
    Ok(oddline_core::id::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_the_descriptors() {
        let asked = BrokerLimits { connections: 4096, half_open: 1024, ..BrokerLimits::default() };
        assert_eq!(within_descriptors(asked, usize::MAX), asked);
        let few = within_descriptors(asked, 1024);
        assert_eq!((few.half_open, few.connections), (208, 208));
        assert!(few.half_open + FILES_PER_CONNECTION * few.connections + FILES_OF_OTHERS <= 1024);
        let none = within_descriptors(asked, 10);
        assert_eq!((none.half_open, none.connections), (1, 1));
        assert!(descriptors() > 0);
    }

    #[test]
    fn a_secret_is_new_each_time() {
        let (a, b) = (secret().unwrap(), secret().unwrap());
        assert_eq!(a.len(), 2 * SECRET_BYTES);
        assert_ne!(a, b);
    }
}
