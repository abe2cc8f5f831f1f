//! An agent gone mad: batches with a good header and a body that nobody can read, one after the other, each until it is
//! acknowledged. The collector is to keep them aside and to go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use oddline_collector::subscribe;
use oddline_core::{
    id::{AgentName, Epoch, FleetName},
    topic::{Channel, MqttTopic},
    wire::{decode_ack, encode_batch},
};
use oddline_link::{
    secrets::SecretFiles,
    session::{MqttSession, message::ConnectionEvent},
    settings::{BrokerAccess, LinkSettings},
};
use oddline_testkit::waiting::pass_async;
use tokio::time::timeout;

/// Entries that a batch claims to have.
pub const ENTRIES: u64 = 5;
/// Between two batches: mad, not a flood.
const PAUSE: Duration = Duration::from_millis(40);
/// A batch that is not acknowledged so long is sent again.
const RESEND: Duration = Duration::from_secs(2);

/// Sends until it is stopped.
pub struct Poison {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acked: AtomicU64,
}

impl Poison {
    /// Begins under a name of its own.
    ///
    /// # Panics
    /// When `broker` is no address.
    #[must_use]
    pub fn begin(fleet: &FleetName, agent: &AgentName, broker: &str, files: SecretFiles, seed: u64) -> Self {
        // Made before, it stays.
        let _: Result<(), _> = rustls::crypto::ring::default_provider().install_default();
        let settings = LinkSettings {
            broker: broker.parse().expect("a test's broker has an address"),
            client_id: format!("oddline_{fleet}_{agent}"),
            access: BrokerAccess::Files(files),
            jitter_seed: seed,
        };
        let topic = |channel| MqttTopic::Agent(fleet.clone(), agent.clone(), channel).to_string();
        let (events, ack) = (topic(Channel::Events), topic(Channel::Ack));
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let session = subscribe::start(settings, vec![ack]);
                send(session, &events, Epoch::from_random(seed), &of_thread).await;
            });
        });
        Self { shared, thread: Some(thread) }
    }

    /// Ends; how many entries were acknowledged. One batch more may be stored.
    pub fn stop(&mut self) -> u64 {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A test that already fails must not be failed again.
            drop(thread.join());
        }
        self.shared.acked.load(Ordering::Relaxed)
    }
}

impl Drop for Poison {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn send(mut session: MqttSession, topic: &str, epoch: Epoch, shared: &Shared) {
    let mut connected = false;
    loop {
        let acked = shared.acked.load(Ordering::Relaxed);
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        if connected {
            pass_async(PAUSE).await;
            let entries = vec![vec![0xff_u8; 9]; usize::try_from(ENTRIES).expect("a handful")];
            let payload = encode_batch(epoch, acked + 1, &entries).expect("a handful fits");
            session.handle().publish(topic.to_owned(), payload, false).await;
        }
        let answered = async {
            loop {
                match session.next().await {
                    ConnectionEvent::Up => return Some(true),
                    ConnectionEvent::Down { .. } => return Some(false),
                    ConnectionEvent::Refused { reason } => panic!("{reason}"),
                    ConnectionEvent::Unheard => {}
                    ConnectionEvent::Message(message) => {
                        let ack = decode_ack(&message.payload).expect("an acknowledgement can be read");
                        session.handle().settle(message.receipt).await;
                        if ack.epoch == epoch && ack.acked > acked {
                            shared.acked.store(ack.acked, Ordering::Relaxed);
                            return None;
                        }
                    }
                }
            }
        };
        if let Ok(Some(now)) = timeout(RESEND, answered).await {
            connected = now;
        }
    }
    session.stop().await;
}
