//! What other people's sensors say to a broker, as a source: a connection of its own that only listens, on a thread of its
//! own, fills an inbox. Best effort: what is said while nobody is connected is not heard, and what does not fit is
//! counted. What a message becomes is [`lines`]'s.

mod filter;
pub(crate) mod lines;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use oddline_core::topic;
use oddline_link::{
    session::{
        MqttSession,
        message::{ConnectionEvent, ReceivedMessage},
        profile::{SessionKind, SessionProfile},
    },
    settings::LinkSettings,
};
use tokio::sync::oneshot;

pub use self::filter::{TopicFilter, TopicFilterError};
use super::{
    SourceError, SourceItem,
    inbox::{Inbox, InboxSender},
};
use crate::clock;

/// Messages between the connection and the inbox, which takes each at once.
const QUEUE_MAX: usize = 256;
/// Nothing is published.
const INFLIGHT_MAX: u16 = 1;
/// Longest wait between connections: sensors do not say again what they said.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is listened to, and where.
#[derive(Debug, Clone)]
pub struct MqttSubscription {
    pub filter: TopicFilter,
    pub link: LinkSettings,
    /// Whether the same filter is listened to at another broker too: then the name has the address in it.
    pub is_one_of_several: bool,
}

impl fmt::Display for MqttSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, link, is_one_of_several } = self;
        if *is_one_of_several { write!(f, "mqtt {filter} at {}", link.broker) } else { write!(f, "mqtt {filter}") }
    }
}

/// What is known of the connection.
#[derive(Debug, Clone)]
enum ListeningState {
    Connecting,
    Up,
    Down { reason: String, retry_in: Duration },
}

/// Takes messages from when it is first asked for one.
#[derive(Debug)]
pub struct MqttListener {
    subscription: MqttSubscription,
    open: Option<OpenListening>,
}

/// A connection and the thread that keeps it.
#[derive(Debug)]
struct OpenListening {
    inbox: Inbox,
    state: Arc<Mutex<ListeningState>>,
    thread: JoinHandle<()>,
    /// The thread ends when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl MqttListener {
    #[must_use]
    pub fn new(subscription: MqttSubscription) -> Self {
        Self { subscription, open: None }
    }

    /// The next message's line.
    ///
    /// # Errors
    /// While there is no connection; it is made again without being asked.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the source, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        if self.open.as_ref().is_some_and(|open| open.thread.is_finished()) {
            self.open = None;
        }
        let OpenListening { inbox, state, .. } = match &mut self.open {
            Some(open) => open,
            none => {
                let failed = |error| SourceError::Start { program: self.subscription.to_string(), error };
                none.insert(OpenListening::new(&self.subscription).map_err(failed)?)
            }
        };
        match inbox.next() {
            SourceItem::End => match known(state) {
                ListeningState::Up => Ok(SourceItem::End),
                ListeningState::Connecting => Ok(SourceItem::Wait),
                ListeningState::Down { reason, retry_in } => {
                    Err(SourceError::Broker { name: self.subscription.to_string(), reason, retry_in })
                }
            },
            // The thread has ended and is started again at the next call.
            SourceItem::Closed => Ok(SourceItem::Wait),
            item => Ok(item),
        }
    }

    /// Whether the broker has taken the subscription.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| matches!(known(&open.state), ListeningState::Up))
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.inbox.lag_bytes())
    }
}

fn known(state: &Mutex<ListeningState>) -> ListeningState {
    state.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl OpenListening {
    fn new(subscription: &MqttSubscription) -> io::Result<Self> {
        let (sender, inbox) = Inbox::new();
        let state = Arc::new(Mutex::new(ListeningState::Connecting));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (subscription, told) = (subscription.clone(), Arc::clone(&state));
        let body = move || {
            runtime.block_on(listen(&subscription, &sender, &told, stopped));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("mqtt-source".to_owned()).spawn(body)?;
        Ok(Self { inbox, state, thread, _stop: stop })
    }
}

/// Takes messages until nobody reads them any more. The session ends without a goodbye: nothing was to be said.
async fn listen(
    subscription: &MqttSubscription,
    sender: &InboxSender,
    state: &Mutex<ListeningState>,
    mut stopped: oneshot::Receiver<()>,
) {
    let profile = SessionProfile {
        kind: SessionKind::Listening,
        inflight_max: INFLIGHT_MAX,
        commands_max: QUEUE_MAX,
        wait_max: WAIT_MAX,
    };
    let filters = vec![subscription.filter.to_string()];
    let mut session = MqttSession::start(subscription.link.clone(), profile, filters);
    loop {
        let event = tokio::select! {
            event = session.next() => event,
            _ = &mut stopped => return,
        };
        let change = match event {
            ConnectionEvent::Message(message) => {
                take(&message, sender);
                continue;
            }
            ConnectionEvent::Up => ListeningState::Up,
            ConnectionEvent::Down { reason, retry_in } => ListeningState::Down { reason, retry_in },
            // Of what is published, and nothing is.
            ConnectionEvent::Refused { .. } | ConnectionEvent::Unheard => continue,
        };
        *state.lock().unwrap_or_else(PoisonError::into_inner) = change;
    }
}

/// A retained message is an old value, said again to whoever comes: no new record.
fn take(message: &ReceivedMessage, sender: &InboxSender) {
    if message.retained || topic::is_own(&message.topic) {
        return;
    }
    lines::each_line(&message.topic, &message.payload, clock::wall(), |line| sender.offer(line.as_bytes()));
}
