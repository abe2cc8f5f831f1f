//! Connections: how many, how many of one address, how long each may keep us waiting. hyper keeps the protocol; what it
//! does not bound without help is bounded here, below it: the time until a request's head is there, and the time that a
//! client takes nothing of an answer.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    http::StatusCode,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use super::{
    error::ApiProblem,
    limits::{HttpLimits, network},
    proxy::{NetworkRange, is_trusted},
};

/// After the system had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Clients that are told at a time that there is no place for them.
const TURNED_AWAY_MAX: usize = 32;
/// How long each has to hear it.
const TURN_AWAY_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct HttpGate {
    listener: TcpListener,
    limits: HttpLimits,
    proxies: Vec<NetworkRange>,
    inside: Arc<HttpSession>,
    farewells: Arc<Semaphore>,
}

/// Who is inside, and who was not let in.
#[derive(Debug, Default)]
pub(super) struct HttpSession {
    each: Mutex<BTreeMap<IpAddr, usize>>,
    pub open: AtomicUsize,
    /// Connections that found no place.
    pub turned_away: AtomicU64,
    /// Connections that kept us waiting for too long.
    pub too_slow: AtomicU64,
}

/// A place of a connection; free again when it is dropped.
#[derive(Debug)]
struct ConnectionSlot {
    inside: Arc<HttpSession>,
    network: IpAddr,
}

#[derive(Debug)]
pub(super) struct HttpClient {
    stream: TcpStream,
    place: ConnectionSlot,
    clock: Arc<IdleTimer>,
    limits: HttpLimits,
    /// Until when a head must be there.
    head: Pin<Box<Sleep>>,
    /// Since a write found no room.
    stall: Option<Pin<Box<Sleep>>>,
    /// Something of a head was read.
    begun: bool,
}

/// Whether a request is being answered, and since when not.
#[derive(Debug)]
struct IdleTimer {
    base: Instant,
    since_ms: AtomicU64,
    busy: AtomicUsize,
}

/// What a request's handler knows of its connection.
#[derive(Debug, Clone)]
pub(super) struct ClientAddress {
    pub address: SocketAddr,
    clock: Arc<IdleTimer>,
}

/// As long as it lives, the client owes us nothing.
#[derive(Debug)]
pub(super) struct InFlight(Arc<IdleTimer>);

impl HttpGate {
    pub(super) fn new(
        listener: TcpListener,
        limits: HttpLimits,
        proxies: Vec<NetworkRange>,
        inside: Arc<HttpSession>,
    ) -> Self {
        Self { listener, limits, proxies, inside, farewells: Arc::new(Semaphore::new(TURNED_AWAY_MAX)) }
    }

    /// A trusted proxy's connections are those of everybody behind it.
    fn limits_of(&self, address: IpAddr) -> HttpLimits {
        let each =
            if is_trusted(&self.proxies, address) { self.limits.connections } else { self.limits.connections_each };
        HttpLimits { connections_each: each, ..self.limits }
    }

    /// Says that there is no place, in a task of its own; nothing at all when many are being told.
    fn turn_away(&self, mut stream: TcpStream) {
        self.inside.turned_away.fetch_add(1, Relaxed);
        let Ok(farewell) = Arc::clone(&self.farewells).try_acquire_owned() else { return };
        let told = "too many connections";
        let problem = ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, told, "close some, or try again").retry_after(5);
        tokio::spawn(async move {
            let mut rest = [0; 1_024];
            let tell = async {
                stream.write_all(&problem.to_wire()).await?;
                stream.shutdown().await?;
                // Closing with something unread would take the answer back.
                while stream.read(&mut rest).await? > 0 {}
                Ok::<(), io::Error>(())
            };
            // Whoever does not listen is not told.
            let _: Result<io::Result<()>, _> = timeout(TURN_AWAY_WAIT, tell).await;
            drop(farewell);
        });
    }
}

impl HttpSession {
    fn enter(self: &Arc<Self>, address: IpAddr, limits: &HttpLimits) -> Option<ConnectionSlot> {
        let network = network(address);
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let here = each.get(&network).copied().unwrap_or_default();
        if self.open.load(Relaxed) >= limits.connections || here >= limits.connections_each {
            return None;
        }
        each.insert(network, here + 1);
        self.open.fetch_add(1, Relaxed);
        Some(ConnectionSlot { inside: Arc::clone(self), network })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut each = self.inside.each.lock().unwrap_or_else(PoisonError::into_inner);
        match each.get_mut(&self.network) {
            Some(here) if *here > 1 => *here -= 1,
            Some(_) | None => {
                each.remove(&self.network);
            }
        }
        self.inside.open.fetch_sub(1, Relaxed);
    }
}

impl Listener for HttpGate {
    type Io = HttpClient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (HttpClient, SocketAddr) {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A client that left is its own matter; anything else is the system's and may pass.
                    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                        sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            let Some(place) = self.inside.enter(address.ip(), &self.limits_of(address.ip())) else {
                self.turn_away(stream);
                continue;
            };
            // Small answers at once; without it they are only later.
            let _: io::Result<()> = stream.set_nodelay(true);
            let clock =
                Arc::new(IdleTimer { base: Instant::now(), since_ms: AtomicU64::new(0), busy: AtomicUsize::new(0) });
            let head = Box::pin(sleep_until(clock.base + self.limits.head));
            return (
                HttpClient { stream, place, clock, limits: self.limits, head, stall: None, begun: false },
                address,
            );
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, HttpGate>> for ClientAddress {
    fn connect_info(stream: IncomingStream<'_, HttpGate>) -> Self {
        Self { address: *stream.remote_addr(), clock: Arc::clone(&stream.io().clock) }
    }
}

impl ClientAddress {
    /// Marks a request as being answered.
    pub(super) fn busy(&self) -> InFlight {
        self.clock.busy.fetch_add(1, Relaxed);
        InFlight(Arc::clone(&self.clock))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

impl IdleTimer {
    fn touch(&self) {
        self.since_ms.store(u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn since(&self) -> Instant {
        self.base + Duration::from_millis(self.since_ms.load(Relaxed))
    }
}

impl HttpClient {
    /// Ready when the client has kept us waiting for a head for too long.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A client that takes nothing is the other timer's.
        if self.clock.busy.load(Relaxed) > 0 || self.stall.is_some() {
            return Poll::Pending;
        }
        let until = self.clock.since() + self.limits.head;
        if self.head.deadline() != until {
            self.head.as_mut().reset(until);
        }
        self.head.as_mut().poll(cx)
    }

    /// To whoever has begun and not finished; who has sent nothing is idle.
    fn tell_too_slow(&mut self) {
        if !self.begun {
            return;
        }
        self.place.inside.too_slow.fetch_add(1, Relaxed);
        let told = format!("no whole request within {} s", self.limits.head.as_secs());
        let problem = ApiProblem::new(StatusCode::REQUEST_TIMEOUT, told, "send the head of a request at once");
        // The socket has room unless the client reads nothing either.
        let _: io::Result<usize> = self.stream.try_write(&problem.to_wire());
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stall = None;
            self.begun = false;
            self.clock.touch();
            return done;
        }
        let wait = self.limits.stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(wait)));
        if stall.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.place.inside.too_slow.fetch_add(1, Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for HttpClient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            self.begun |= buf.filled().len() > before;
            // A client that sends a byte now and then is asked for the whole head all the same.
            if done.is_err() || buf.filled().len() == before || self.poll_head(cx).is_pending() {
                return Poll::Ready(done);
            }
            buf.set_filled(before);
        } else if self.poll_head(cx).is_pending() {
            return Poll::Pending;
        }
        self.tell_too_slow();
        // As if the client had closed.
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HttpClient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
