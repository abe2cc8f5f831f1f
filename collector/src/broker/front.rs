//! The door of the embedded broker: accepts connections, hands their bytes to the MQTT library's own listener on
//! loopback, and cuts them. The library waits for a CONNECT for ever, has no bound on connections that stay silent, and
//! no way to end; all three are here. No byte is looked at: TLS and MQTT are the library's.
//!
//! ```text
//!  agent --TCP--> gate --TCP on loopback--> library: TLS, CONNECT -> admit(way)  -> session
//!                  `- half open: the oldest makes room, the deadline cuts
//!                  `- admitted:  until either end closes, or its certificate is revoked
//! ```
//!
//! A connection costs one descriptor until its first byte and three after it; buffers exist only while bytes move.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{rate_limiter::RateLimiter, strangers::StrangerConnection};
use crate::enroll::revoked::{Revoked, Serial};

/// Bytes moved at a time: a TLS record.
const CHUNK_BYTES: usize = 16 * 1024;
/// What the library said last is taken by a client that still reads within this time.
const LINGER: Duration = Duration::from_secs(1);
/// A client that takes no byte for so long is gone; the library gives up writing after ten seconds.
const STALL: Duration = Duration::from_secs(15);
/// After an accept that failed, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listeners that connections may still stand on: one for each certificate, which lasts for months.
const LEADS_MAX: usize = 16;
/// Connections of the collector: it has one, and makes another when that breaks.
const COLLECTORS_MAX: usize = 16;

#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionBounds {
    pub connections: usize,
    pub half_open: usize,
    pub admit_within: Duration,
    pub bytes_per_s: u32,
}

/// Who is at the door and who is inside.
#[derive(Debug)]
pub(super) struct ConnectionTable {
    bounds: ConnectionBounds,
    inside: Mutex<GatedSession>,
    turned_away: AtomicU64,
    timed_out: AtomicU64,
    not_accepted: AtomicU64,
    strangers: AtomicU64,
}

#[derive(Debug, Default)]
struct GatedSession {
    next: u64,
    half_open: BTreeMap<u64, Arc<GatedLine>>,
    admitted: BTreeMap<u64, Arc<GatedLine>>,
    by_way: HashMap<Direction, u64>,
    /// Listeners that the gate leads to or has led to, the newest last.
    leads: VecDeque<UpstreamLead>,
    /// Connections of the collector, which do not come through the gate, the newest last.
    collectors: VecDeque<Direction>,
    revoked: Revoked,
}

/// Where the gate leads to: the library's name for a listener, and its address.
#[derive(Debug, Clone, Copy)]
pub(super) struct UpstreamLead {
    pub listener: u16,
    pub address: SocketAddr,
}

/// A connection on loopback as the library sees it. Both ends: the system gives one port to several connections that
/// lead to different listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Direction {
    pub listener: u16,
    pub port: SocketAddr,
}

#[derive(Debug, Default)]
struct GatedLine {
    cut: Notify,
    is_admitted: AtomicBool,
    serial: OnceLock<Serial>,
}

/// Why a connection that says who it is stays outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutsideConnection {
    #[error("not through the broker's port")]
    NotHere,
    #[error("the broker holds as many connections as it may")]
    Full,
    #[error("the certificate is revoked")]
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ConnectionCount {
    pub half_open: usize,
    pub admitted: usize,
    pub turned_away: u64,
    pub timed_out: u64,
    pub not_accepted: u64,
    pub strangers: u64,
}

impl ConnectionTable {
    pub(super) fn new(bounds: ConnectionBounds, revoked: Revoked) -> Self {
        Self {
            bounds,
            inside: Mutex::new(GatedSession { revoked, ..GatedSession::default() }),
            turned_away: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            not_accepted: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
        }
    }

    /// A listener of the library.
    pub(super) fn leads_to(&self, lead: UpstreamLead) {
        keep_newest(&mut self.inside().leads, lead, LEADS_MAX);
    }

    pub(super) fn leads(&self) -> Vec<UpstreamLead> {
        self.inside().leads.iter().copied().collect()
    }

    /// The collector has shown its secret.
    pub(super) fn is_collector(&self, way: Direction) {
        keep_newest(&mut self.inside().collectors, way, COLLECTORS_MAX);
    }

    /// Those that came neither from here nor from the collector.
    pub(super) fn without_known(&self, mut found: Vec<StrangerConnection>) -> Vec<StrangerConnection> {
        let inside = self.inside();
        found.retain(|at| !inside.by_way.contains_key(&at.way) && !inside.collectors.contains(&at.way));
        found
    }

    pub(super) fn count_strangers(&self, ended: usize) {
        self.strangers.fetch_add(ended as u64, Ordering::Relaxed);
    }

    /// The library has seen a CONNECT that is in order.
    pub(super) fn admit(&self, way: Direction, serial: Option<Serial>) -> Result<(), OutsideConnection> {
        let mut inside = self.inside();
        if serial.as_ref().is_some_and(|serial| inside.revoked.contains(serial)) {
            return Err(OutsideConnection::Revoked);
        }
        let id = *inside.by_way.get(&way).ok_or(OutsideConnection::NotHere)?;
        if inside.admitted.len() >= self.bounds.connections {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(OutsideConnection::Full);
        }
        // Cut in this very moment: it makes no difference to the library.
        let Some(line) = inside.half_open.remove(&id) else { return Err(OutsideConnection::NotHere) };
        if let Some(serial) = serial {
            // Set once: a line is admitted once, for it leaves `half_open`.
            line.serial.get_or_init(|| serial);
        }
        line.is_admitted.store(true, Ordering::Relaxed);
        inside.admitted.insert(id, line);
        Ok(())
    }

    /// From now on these certificates are refused; connections that stand with one are cut.
    pub(super) fn revoke(&self, revoked: Revoked) {
        let mut inside = self.inside();
        for line in inside.admitted.values() {
            if line.serial.get().is_some_and(|serial| revoked.contains(serial)) {
                line.cut.notify_one();
            }
        }
        inside.revoked = revoked;
    }

    pub(super) fn count(&self) -> ConnectionCount {
        let inside = self.inside();
        ConnectionCount {
            half_open: inside.half_open.len(),
            admitted: inside.admitted.len(),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            timed_out: self.timed_out.load(Ordering::Relaxed),
            not_accepted: self.not_accepted.load(Ordering::Relaxed),
            strangers: self.strangers.load(Ordering::Relaxed),
        }
    }

    fn enter(&self) -> (u64, Arc<GatedLine>) {
        let mut inside = self.inside();
        while inside.half_open.len() >= self.bounds.half_open {
            let Some((_, oldest)) = inside.half_open.pop_first() else { break };
            oldest.cut.notify_one();
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        let (id, line) = (inside.next, Arc::new(GatedLine::default()));
        inside.next += 1;
        inside.half_open.insert(id, Arc::clone(&line));
        (id, line)
    }

    fn leave(&self, id: u64) {
        let mut inside = self.inside();
        inside.half_open.remove(&id);
        inside.admitted.remove(&id);
    }

    fn inside(&self) -> MutexGuard<'_, GatedSession> {
        // Whoever panicked held it between two whole steps.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until `stop` closes; `library` is where the bytes go. Ends with every connection cut and the port free.
pub(super) async fn serve(
    listener: TcpListener,
    library: watch::Receiver<UpstreamLead>,
    door: Arc<ConnectionTable>,
    mut stop: watch::Receiver<()>,
) {
    let mut lines = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = lines.join_next() => continue,
            _ = stop.changed() => return,
        };
        let Ok((client, _)) = accepted else {
            door.not_accepted.fetch_add(1, Ordering::Relaxed);
            // Every bound here leaves descriptors free; if others took them, some come back soon.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (library, door) = (*library.borrow(), Arc::clone(&door));
        lines.spawn(hold(client, library, door));
    }
}

async fn hold(client: TcpStream, library: UpstreamLead, door: Arc<ConnectionTable>) {
    let (id, line) = door.enter();
    let pass = pass(client, library, &door, id);
    tokio::pin!(pass);
    let deadline = sleep(door.bounds.admit_within);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            // Whatever ended it, it is over for both ends.
            _ = &mut pass => break,
            () = line.cut.notified() => break,
            () = &mut deadline, if !line.is_admitted.load(Ordering::Relaxed) => {
                // The flag may have turned while this was asleep.
                if !line.is_admitted.load(Ordering::Relaxed) {
                    door.timed_out.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
    door.leave(id);
}

/// Carries bytes both ways until both are done.
async fn pass(mut client: TcpStream, library: UpstreamLead, door: &ConnectionTable, id: u64) -> io::Result<()> {
    client.readable().await?;
    client.set_nodelay(true)?;
    let mut inner = TcpStream::connect(library.address).await?;
    inner.set_nodelay(true)?;
    // Before its first byte is handed on, so that `admit` finds it.
    let _inner =
        ConnectionTableInner::new(door, Direction { listener: library.listener, port: inner.local_addr()? }, id);
    let done = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_inner, mut to_inner) = inner.split();
        let inwards = async {
            carry(&mut from_client, &mut to_inner, Some(RateLimiter::new(door.bounds.bytes_per_s))).await?;
            // The client has said all; the library still answers.
            to_inner.shutdown().await?;
            std::future::pending::<io::Result<()>>().await
        };
        let outwards = carry(&mut from_inner, &mut to_client, None);
        tokio::select! {
            failed = inwards => failed,
            done = outwards => done,
        }
    };
    // The library is through. Closing at once would throw away what the client has not taken yet.
    if done.is_ok() && client.shutdown().await.is_ok() {
        let mut rest = [0; 512];
        let drained = async { while client.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
        let _: Result<(), _> = timeout(LINGER, drained).await;
    }
    done
}

async fn carry(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, mut pace: Option<RateLimiter>) -> io::Result<()> {
    let began = Instant::now();
    loop {
        from.readable().await?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let bytes = match from.try_read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        timeout(STALL, to.write_all(&chunk[..bytes])).await.map_err(|_| io::ErrorKind::TimedOut)??;
        drop(chunk);
        let wait = pace.as_mut().map_or(Duration::ZERO, |pace| pace.pass(bytes, began.elapsed()));
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

fn keep_newest<T>(kept: &mut VecDeque<T>, one: T, max: usize) {
    kept.push_back(one);
    if kept.len() > max {
        kept.pop_front();
    }
}

/// Where the library sees a connection, for as long as the socket lives.
struct ConnectionTableInner<'a> {
    door: &'a ConnectionTable,
    way: Direction,
}

impl<'a> ConnectionTableInner<'a> {
    fn new(door: &'a ConnectionTable, way: Direction, id: u64) -> Self {
        door.inside().by_way.insert(way, id);
        Self { door, way }
    }
}

impl Drop for ConnectionTableInner<'_> {
    fn drop(&mut self) {
        self.door.inside().by_way.remove(&self.way);
    }
}
