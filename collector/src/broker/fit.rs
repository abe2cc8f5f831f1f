//! How long a queue and how wide a window each session of the library gets, and how long it outlives its connection: the
//! collector hears everybody and takes its session up again, an agent hears only what is for it, and its session ends
//! with its connection. What an agent missed is said again; nobody else finds it.

use std::{
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
    time::Duration,
};

use rmqtt::{
    codec::types::Publish,
    fitter::{DefaultFitter, Fitter, FitterManager},
    types::{ConnectInfo, Disconnect, FitterType, Id, ListenerConfig},
};

use super::settings::BrokerLimits;
use crate::fleet::COLLECTOR;

/// Publishes on their way to the collector, if it takes as many: batches of all agents in one go to the store.
const COLLECTOR_INFLIGHT: NonZeroU16 = NonZeroU16::new(1024).expect("not zero");

pub(super) struct PacketFit {
    pub limits: BrokerLimits,
}

struct ForAgent(DefaultFitter);

struct ForCollector {
    usual: DefaultFitter,
    queue: usize,
    inflight: NonZeroU16,
}

impl FitterManager for PacketFit {
    fn create(&self, connect: Arc<ConnectInfo>, id: Id, listener: ListenerConfig) -> FitterType {
        // Whoever comes so far with this name has shown the secret.
        let is_collector = connect.username().is_some_and(|user| &**user == COLLECTOR) && connect.cert().is_none();
        let asked = match connect.as_ref() {
            ConnectInfo::V5(_, connect) => connect.receive_max,
            ConnectInfo::V3(..) => None,
        };
        let usual = DefaultFitter::new(connect, id, listener);
        if is_collector {
            let inflight = asked.map_or(COLLECTOR_INFLIGHT, |asked| asked.min(COLLECTOR_INFLIGHT));
            Arc::new(ForCollector { usual, queue: self.limits.collector_queue, inflight })
        } else {
            Arc::new(ForAgent(usual))
        }
    }
}

impl Fitter for ForAgent {
    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        self.0.keep_alive(keep_alive)
    }

    fn max_mqueue_len(&self) -> usize {
        self.0.max_mqueue_len()
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.0.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.0.max_inflight()
    }

    fn session_expiry_interval(&self, _: Option<&Disconnect>) -> Duration {
        Duration::ZERO
    }

    fn message_expiry_interval(&self, publish: &Publish) -> Duration {
        self.0.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.0.max_client_topic_aliases()
    }

    fn max_server_topic_aliases(&self) -> u16 {
        self.0.max_server_topic_aliases()
    }
}

impl Fitter for ForCollector {
    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        self.usual.keep_alive(keep_alive)
    }

    fn max_mqueue_len(&self) -> usize {
        self.queue
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.usual.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.inflight
    }

    fn session_expiry_interval(&self, disconnect: Option<&Disconnect>) -> Duration {
        self.usual.session_expiry_interval(disconnect)
    }

    fn message_expiry_interval(&self, publish: &Publish) -> Duration {
        self.usual.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.usual.max_client_topic_aliases()
    }

    fn max_server_topic_aliases(&self) -> u16 {
        self.usual.max_server_topic_aliases()
    }
}
