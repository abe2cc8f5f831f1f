//! The words that tell what a number behind them is: one of many threads, one of many requests, or a thing of its own.

/// What a number behind a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stem {
    /// Part of a name, unless it is long.
    #[default]
    Other,
    /// One of many that do the same.
    Thread,
    /// An identifier.
    Id,
    /// A thing that stands somewhere, however many there are.
    Device,
}

/// Words that a thread's name ends with.
const THREADS: [&str; 27] = [
    "thread",
    "worker",
    "pool",
    "exec",
    "executor",
    "eventloop",
    "eventloopgroup",
    "dispatcher",
    "scheduler",
    "scheduling",
    "reactor",
    "epoll",
    "acceptor",
    "selector",
    "poller",
    "boundedelastic",
    "parallel",
    "fiber",
    "coroutine",
    "goroutine",
    "spid",
    "task",
    "consumer",
    "producer",
    "qtp",
    "ksoftirqd",
    "asyncio",
];

/// Words that an identifier follows.
const IDS: [&str; 51] = [
    "req",
    "request",
    "requestid",
    "reqid",
    "rid",
    "trace",
    "traceid",
    "span",
    "spanid",
    "session",
    "sess",
    "sessionid",
    "sid",
    "txn",
    "tx",
    "transaction",
    "trx",
    "xid",
    "corr",
    "correlation",
    "correlationid",
    "cid",
    "msg",
    "msgid",
    "message",
    "job",
    "jobid",
    "order",
    "user",
    "usr",
    "customer",
    "conn",
    "connection",
    "client",
    "id",
    "uuid",
    "guid",
    "call",
    "query",
    "batch",
    "run",
    "blk",
    "attempt",
    "execution",
    "invocation",
    "ticket",
    "token",
    "lambda",
    "pid",
    "kworker",
    "lwp",
];

/// Words that a number of up to six digits belongs to.
const DEVICES: [&str; 32] = [
    "sensor", "node", "host", "server", "srv", "device", "dev", "meter", "cam", "camera", "room", "zone", "rack",
    "line", "machine", "plc", "pi", "store", "site", "port", "disk", "cpu", "gpu", "eth", "vlan", "unit", "pump",
    "probe", "gateway", "station", "door", "robot",
];

/// The longest stem that is looked for.
const STEM_BYTES_MAX: usize = 20;

impl Stem {
    /// The kind of a word of letters.
    pub(super) fn of(word: &str) -> Self {
        let mut small = [0_u8; STEM_BYTES_MAX];
        let tail = &word.as_bytes()[word.len().saturating_sub(STEM_BYTES_MAX)..];
        let small = &mut small[..tail.len()];
        small.copy_from_slice(tail);
        small.make_ascii_lowercase();
        let is_any = |words: &[&str]| words.iter().any(|w| w.as_bytes() == small);
        if is_any(&IDS) {
            Self::Id
        } else if THREADS.iter().any(|thread| small.ends_with(thread.as_bytes())) {
            Self::Thread
        } else if is_any(&DEVICES) {
            Self::Device
        } else {
            Self::Other
        }
    }
}

/// Whether a word without a number names a thread.
pub(super) fn is_thread_alone(word: &str) -> bool {
    word.eq_ignore_ascii_case("main") || Stem::of(word) == Stem::Thread
}

/// Whether what follows `word` counts those of its kind.
pub(super) fn is_counted(word: &str) -> bool {
    let last = word.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(word);
    matches!(Stem::of(last), Stem::Thread | Stem::Id)
}

/// Whether the first of several words is one that an identifier follows.
pub(super) fn begins_with_id(name: &str) -> bool {
    // Without a digit only letters up to f are one.
    let is_hex = name.len() > 6 && name.bytes().rev().take(6).all(|b| b.is_ascii_hexdigit());
    let end = name.bytes().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(name.len());
    is_hex && end < name.len() && Stem::of(&name[..end]) == Stem::Id
}
