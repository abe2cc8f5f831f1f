//! Files that change while the broker runs: its certificate and the list of revoked ones. Looked at by time of change
//! and length; what cannot be used leaves what was there in force, and is said in the figures.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::interval,
};

use super::{
    front::{ConnectionTable, UpstreamLead},
    library::Library,
    settings::{BrokerError, Tls},
};
use crate::enroll::revoked::Revoked;

/// How often the list of revoked certificates is looked at.
const REVOKED_POLL: Duration = Duration::from_secs(1);
/// How often the broker's own certificate is looked at: whoever renews it waits no longer.
const CERTIFICATE_POLL: Duration = Duration::from_secs(5);

/// Files that have changed and cannot be used.
#[derive(Debug, Default)]
pub(super) struct CertificateProblem {
    pub list: AtomicBool,
    pub certificate: AtomicBool,
}

/// Where the answer to [`super::Broker::renew`] goes.
pub(super) type ListenerRenewal = oneshot::Sender<Result<(), BrokerError>>;

/// The listener with the broker's certificate.
pub(super) struct ServedCertificate {
    pub library: Library,
    pub tls: Tls,
    pub serving: JoinHandle<()>,
    pub lead: watch::Sender<UpstreamLead>,
    pub door: Arc<ConnectionTable>,
    pub known: [Option<FileStamp>; 3],
    pub bad: Arc<CertificateProblem>,
}

impl ServedCertificate {
    /// Renews when asked to, and when the files change. Files that cannot be used are looked at again each time: they
    /// are written one after the other.
    pub(super) async fn keep(
        mut self,
        mut renewals: mpsc::Receiver<ListenerRenewal>,
        mut stopped: watch::Receiver<()>,
    ) {
        let mut ticks = interval(CERTIFICATE_POLL);
        loop {
            tokio::select! {
                Some(answer) = renewals.recv() => {
                    let renewed = self.renew();
                    // Who asked may have given up waiting.
                    let _: Result<(), _> = answer.send(renewed);
                }
                _ = ticks.tick() => {
                    if stamps(&self.tls) != self.known {
                        // It is kept in `bad`.
                        let _: Result<(), BrokerError> = self.renew();
                    }
                }
                _ = stopped.changed() => return,
            }
        }
    }

    /// A listener with the files as they are now, to which the gate leads from then on.
    fn renew(&mut self) -> Result<(), BrokerError> {
        let now = stamps(&self.tls);
        let bound = self.library.bind_tls(&self.tls);
        self.bad.certificate.store(bound.is_err(), Ordering::Relaxed);
        let bound = bound?;
        self.known = now;
        self.door.leads_to(bound.lead());
        self.lead.send_replace(bound.lead());
        let next = tokio::spawn(Library::serve(self.library.context(), bound));
        // Its sessions are tasks of their own and live on.
        std::mem::replace(&mut self.serving, next).abort();
        Ok(())
    }
}

pub(super) fn stamps(tls: &Tls) -> [Option<FileStamp>; 3] {
    [&tls.certificate, &tls.key, &tls.client_ca].map(|file| stamp(file))
}

/// Takes the list up when the file changes. A list that cannot be read, or has gone, leaves the last one in force: an
/// editor may be half-way through, and nobody comes in again because a file is lost.
pub(super) async fn watch_revoked(
    file: PathBuf,
    mut known: Option<FileStamp>,
    door: Arc<ConnectionTable>,
    bad: Arc<CertificateProblem>,
) {
    let mut ticks = interval(REVOKED_POLL);
    loop {
        ticks.tick().await;
        let now = stamp(&file);
        if now == known {
            continue;
        }
        let read = if now.is_some() { Revoked::read(&file).ok() } else { None };
        bad.list.store(read.is_none(), Ordering::Relaxed);
        if let Some(revoked) = read {
            door.revoke(revoked);
            known = now;
        }
    }
}

/// What tells one content of a file from another.
pub(super) type FileStamp = (Option<SystemTime>, u64);

pub(super) fn stamp(file: &Path) -> Option<FileStamp> {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok(), found.len()))
}
