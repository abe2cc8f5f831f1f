//! A socket for appliances and programs that only speak syslog. UDP: a datagram is a message (RFC 5426), best effort. TCP:
//! messages end with a line end or are counted in octets (RFC 6587), and a sender waits while the queue is full. Bounded
//! in connections, in memory and in the length of a message. Knows no format: what is in a message is the parser's.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use oddline_core::limits::LINE_BYTES_MAX;

use super::{
    SourceError, SourceItem,
    inbox::{Inbox, InboxSender},
};

/// Connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 64;
/// A thread looks this often whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a sender waits before the next try to hand over a message.
const FULL_WAIT: Duration = Duration::from_millis(20);
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
/// Digits of an octet count.
const COUNT_DIGITS_MAX: usize = 7;
const STACK_BYTES: usize = 256 * 1024;

/// Where messages are taken, as configured: `udp://127.0.0.1:5514`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyslogAddress {
    is_tcp: bool,
    address: SocketAddr,
}

/// A text that is no [`SyslogAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid here: expected udp://127.0.0.1:5514 or tcp://127.0.0.1:5514, an address and a port")]
pub struct SyslogAddressError(String);

impl FromStr for SyslogAddress {
    type Err = SyslogAddressError;

    fn from_str(text: &str) -> Result<Self, SyslogAddressError> {
        let error = || SyslogAddressError(text.to_owned());
        let (protocol, address) = text.split_once("://").ok_or_else(error)?;
        let is_tcp = match protocol {
            "udp" => false,
            "tcp" => true,
            _ => return Err(error()),
        };
        let local = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let address = match address.strip_prefix(':').or_else(|| address.strip_prefix("localhost:")) {
            Some(port) => local(port.parse().map_err(|_| error())?),
            None => address.parse().map_err(|_| error())?,
        };
        Ok(Self { is_tcp, address })
    }
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tcp { "tcp" } else { "udp" }, self.address)
    }
}

impl SyslogAddress {
    /// Whether only programs of this host can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

/// Takes messages from when it is first asked for one.
#[derive(Debug)]
pub struct SyslogListener {
    address: SyslogAddress,
    open: Option<OpenListener>,
}

/// A socket and the thread that reads it.
#[derive(Debug)]
struct OpenListener {
    /// Taken when it ends: the thread ends with it.
    inbox: Option<Inbox>,
    thread: Option<JoinHandle<()>>,
    bound: SocketAddr,
}

impl SyslogListener {
    #[must_use]
    pub fn new(address: SyslogAddress) -> Self {
        Self { address, open: None }
    }

    /// The address it listens at, with the port that it was given; `None` before the first message is asked for.
    #[must_use]
    pub fn bound(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.bound)
    }

    /// The next message.
    ///
    /// # Errors
    /// When the address cannot be listened at; asked again, it tries again.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the source, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        if self.open.as_ref().is_some_and(|open| open.thread.as_ref().is_none_or(JoinHandle::is_finished)) {
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let open = OpenListener::new(self.address)
                    .map_err(|error| SourceError::Listen { address: self.address.to_string(), error })?;
                none.insert(open)
            }
        };
        Ok(open.inbox.as_mut().map_or(SourceItem::Closed, Inbox::next))
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.open.as_ref().and_then(|open| open.inbox.as_ref()).map_or(0, Inbox::lag_bytes)
    }
}

impl OpenListener {
    fn new(SyslogAddress { is_tcp, address }: SyslogAddress) -> io::Result<Self> {
        let (sender, inbox) = Inbox::new();
        let thread = thread::Builder::new().name("syslog".to_owned()).stack_size(STACK_BYTES);
        let (bound, thread) = if is_tcp {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            (listener.local_addr()?, thread.spawn(move || accept(&listener, &sender))?)
        } else {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(LOOK_EVERY))?;
            (socket.local_addr()?, thread.spawn(move || receive(&socket, &sender))?)
        };
        Ok(Self { inbox: Some(inbox), thread: Some(thread), bound })
    }
}

impl Drop for OpenListener {
    /// The port is free when it is gone: whoever reads the configuration again listens there at once.
    fn drop(&mut self) {
        drop(self.inbox.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Takes datagrams until nobody reads them.
fn receive(socket: &UdpSocket, sender: &InboxSender) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !sender.is_closed() {
        match socket.recv(&mut buffer) {
            // Some senders put several lines into one datagram.
            Ok(bytes) => each_line(&buffer[..bytes], |line| sender.offer(line)),
            Err(error) if is_timeout(&error) => {}
            // Of an earlier datagram that could not be delivered to somebody else.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(_) => return,
        }
    }
}

fn each_line(bytes: &[u8], mut each: impl FnMut(&[u8])) {
    for line in bytes.split(|byte| matches!(byte, b'\n' | 0)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            each(line);
        }
    }
}

/// Takes connections until nobody reads their messages.
fn accept(listener: &TcpListener, sender: &InboxSender) {
    let connected = Arc::new(AtomicUsize::new(0));
    while !sender.is_closed() {
        match listener.accept() {
            Ok((stream, _)) if connected.load(Ordering::Relaxed) < CONNECTIONS_MAX => {
                let (sender, slot) = (sender.clone(), SenderConnection::taken(&connected));
                let thread = thread::Builder::new().name("syslog-tcp".to_owned()).stack_size(STACK_BYTES);
                // A connection for which there is no thread is closed.
                drop(thread.spawn(move || {
                    let _slot = slot;
                    drop(read(&stream, &sender));
                }));
            }
            Ok(_) => {}
            Err(error) if is_timeout(&error) => thread::park_timeout(LOOK_EVERY),
            // Such as too many open files.
            Err(_) => thread::park_timeout(LOOK_EVERY),
        }
    }
}

/// Counts a connection as long as it lasts.
struct SenderConnection(Arc<AtomicUsize>);

impl SenderConnection {
    fn taken(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for SenderConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes the messages of one connection to its end.
fn read(stream: &TcpStream, sender: &InboxSender) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK_EVERY))?;
    let mut messages = Framed { input: BufReader::new(stream), message: Vec::new(), left: None, skipped: 0 };
    while !sender.is_closed() {
        let is_end = match messages.fill() {
            Ok(FrameProgress::Whole) => false,
            Ok(FrameProgress::Part) => continue,
            Ok(FrameProgress::End) => true,
            Err(error) if is_timeout(&error) => continue,
            Err(error) => {
                sender.lose(messages.message.len());
                return Err(error);
            }
        };
        hand_over(&messages.message, sender);
        sender.lose(messages.skipped);
        (messages.skipped, messages.left) = (0, None);
        messages.message.clear();
        if is_end {
            break;
        }
    }
    Ok(())
}

/// The sender of a message waits while the queue is full.
fn hand_over(message: &[u8], sender: &InboxSender) {
    each_line(message, |line| {
        while !sender.is_closed() && !sender.try_send(line) {
            thread::park_timeout(FULL_WAIT);
        }
    });
}

/// Messages out of a stream of bytes.
struct Framed<R> {
    input: BufReader<R>,
    /// What has come of the message under way.
    message: Vec<u8>,
    /// Octets of it still to come, where it is counted.
    left: Option<usize>,
    /// Bytes of it that were too many.
    skipped: usize,
}

/// What a look at the stream gave.
#[derive(Debug, PartialEq, Eq)]
enum FrameProgress {
    Whole,
    Part,
    /// The stream has ended; what is there is a message too.
    End,
}

impl<R: Read> Framed<R> {
    /// Takes what has come.
    fn fill(&mut self) -> io::Result<FrameProgress> {
        let buffer = self.input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(FrameProgress::End);
        }
        if let Some(left) = self.left {
            let (taken, end) = (left.min(buffer.len()), left <= buffer.len());
            let kept = taken.min((LINE_BYTES_MAX + 1).saturating_sub(self.message.len()));
            self.message.extend_from_slice(&buffer[..kept]);
            self.skipped += taken - kept;
            self.input.consume(taken);
            self.left = Some(left - taken);
            return Ok(if end { FrameProgress::Whole } else { FrameProgress::Part });
        }
        let end = buffer.iter().position(|byte| matches!(byte, b'\n' | 0));
        if let Some(count) = count_before(&self.message, buffer) {
            let (digits, count) = count;
            self.input.consume(digits + 1 - self.message.len());
            self.message.clear();
            self.left = Some(count);
            return Ok(FrameProgress::Part);
        }
        let taken = end.unwrap_or(buffer.len());
        let kept = taken.min((LINE_BYTES_MAX + 1).saturating_sub(self.message.len()));
        self.message.extend_from_slice(&buffer[..kept]);
        self.skipped += taken - kept;
        self.input.consume(taken + usize::from(end.is_some()));
        Ok(if end.is_some() { FrameProgress::Whole } else { FrameProgress::Part })
    }
}

/// The count that a message begins with, and its digits: a line of text does not begin as `123 <`.
fn count_before(message: &[u8], buffer: &[u8]) -> Option<(usize, usize)> {
    let mut head = message.iter().chain(buffer).copied();
    let digits: Vec<u8> = head.by_ref().take(COUNT_DIGITS_MAX + 1).take_while(u8::is_ascii_digit).collect();
    let after = message.iter().chain(buffer).skip(digits.len()).take(2).copied();
    let is_count = message.len() <= digits.len() + 1 && (1..=COUNT_DIGITS_MAX).contains(&digits.len());
    if !is_count || !after.eq(*b" <") {
        return None;
    }
    Some((digits.len(), std::str::from_utf8(&digits).ok()?.parse().ok().filter(|count| *count > 0)?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use oddline_testkit::waiting::until;

    use super::*;

    /// What messages come, as texts, until there are so many.
    fn messages(listener: &mut SyslogListener, wanted: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        until(
            || {
                while let SourceItem::Line(line) = listener.next().unwrap() {
                    found.push(String::from_utf8(line.bytes.to_vec()).unwrap());
                }
                (found.len() >= wanted).then_some(())
            },
            || "the messages do not come".to_owned(),
        );
        found
    }

    fn listening(address: &str) -> (SyslogListener, SocketAddr) {
        let mut listener = SyslogListener::new(address.parse().unwrap());
        assert_eq!(listener.next().unwrap(), SourceItem::End);
        let bound = listener.bound().unwrap();
        (listener, bound)
    }

    #[test]
    fn addresses_are_read_and_loopback_is_the_default() {
        for (text, shown) in [
            ("udp://127.0.0.1:5514", "udp://127.0.0.1:5514"),
            ("tcp://:601", "tcp://127.0.0.1:601"),
            ("udp://localhost:5514", "udp://127.0.0.1:5514"),
            ("udp://[::1]:5514", "udp://[::1]:5514"),
        ] {
            let address: SyslogAddress = text.parse().unwrap();
            assert_eq!((address.to_string(), address.is_local()), (shown.to_owned(), true));
        }
        assert!(!"udp://0.0.0.0:514".parse::<SyslogAddress>().unwrap().is_local());
        for text in ["5514", "udp:5514", "http://127.0.0.1:1", "udp://host:1", "udp://127.0.0.1", "tcp://:x"] {
            let error = text.parse::<SyslogAddress>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("udp://127.0.0.1:5514"), "{error}");
        }
    }

    #[test]
    fn datagrams_are_messages() {
        let (mut listener, address) = listening("udp://127.0.0.1:0");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in [&b"<13>Jan  5 10:00:00 gate app: one"[..], b"two\nthree\n", b"", b"four\0"] {
            socket.send_to(datagram, address).unwrap();
        }
        assert_eq!(messages(&mut listener, 4), ["<13>Jan  5 10:00:00 gate app: one", "two", "three", "four"]);
    }

    #[test]
    fn messages_of_a_stream_end_with_a_line_or_are_counted() {
        let (mut listener, address) = listening("tcp://127.0.0.1:0");
        let mut stream = TcpStream::connect(address).unwrap();
        for part in ["<13>one\n9 <13>two12thr", "ee\n9 <14>four\n", "5 apples\r\n<13>last"] {
            stream.write_all(part.as_bytes()).unwrap();
            stream.flush().unwrap();
        }
        drop(stream);
        let found = messages(&mut listener, 6);
        assert_eq!(found, ["<13>one", "<13>two12", "three", "<14>four", "5 apples", "<13>last"]);
    }

    #[test]
    fn a_port_is_free_again_when_the_listener_is_gone() {
        for protocol in ["tcp", "udp"] {
            let (listener, address) = listening(&format!("{protocol}://127.0.0.1:0"));
            let mut other = SyslogListener::new(format!("{protocol}://{address}").parse().unwrap());
            let error = other.next().unwrap_err().to_string();
            assert!(error.contains(&format!("cannot listen at {protocol}://{address}")), "{error}");
            drop(listener);
            assert_eq!(other.next().unwrap(), SourceItem::End);
        }
    }

    #[test]
    fn frames_are_told_however_the_bytes_come() {
        let stream = b"<13>a b\n7 <13>c d11 <13>e\nf\ngh\n\n<13>i\n";
        for piece in 1..stream.len() {
            let pieces = stream.chunks(piece).map(<[u8]>::to_vec).collect();
            let mut framed =
                Framed { input: BufReader::new(Pieces(pieces)), message: Vec::new(), left: None, skipped: 0 };
            let mut found = Vec::new();
            loop {
                match framed.fill().unwrap() {
                    FrameProgress::Part => {}
                    progress => {
                        found.push(String::from_utf8(std::mem::take(&mut framed.message)).unwrap());
                        framed.left = None;
                        if progress == FrameProgress::End {
                            break;
                        }
                    }
                }
            }
            assert_eq!(found, ["<13>a b", "<13>c d", "<13>e\nf\ngh\n", "", "<13>i", ""], "{piece}");
        }
    }

    /// A stream that gives its bytes in these pieces.
    struct Pieces(std::collections::VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }
}
