//! `run`: the collector at work, from its settings to its last acknowledgement.
//!
//! ```text
//!  open the store -> connect -> READY
//!     message -> ingest -> queue -> writer (a task of its own)
//!     each with its own tick, see `tasks`: a push by a command?  a fleet to take over?  who is quiet?  what is too old?
//!     the watchdog
//!  SIGTERM -> stop taking -> the writer empties the queue -> acknowledge -> goodbye
//! ```

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use log::{info, warn};
use oddline_cli::notify;
use oddline_core::topic::Channel;
use oddline_link::{
    session::{
        MqttSession, SessionHandle,
        message::{ConnectionEvent, ReceivedMessage},
    },
    settings::LinkSettings,
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    clock::now_us,
    config::CollectorConfig,
    error::{RunError, writer_ended},
    filters::{all_filters, filters_of},
    fleet::{FLEETS_MAX, KnownFleets, ServedFleets},
    ingest::{self, IncomingMessage},
    store::{OpenMode, Store, StoreError},
    subscribe,
    tasks::{desired::DesiredModels, lease::FleetLeases, quiet, retention},
    writer::{self, BatchWriter, CollectorFigures, LiveStatus, QUEUE_MAX, WriteContent, WriterItem},
};

/// Where systemd names no watchdog.
const ALIVE_TICK: Duration = Duration::from_secs(30);
/// At the end what is queued is stored, unless the database takes nothing: then it comes again. Less than a supervisor
/// waits.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a refused message's topic that are told: every one of ours, and some.
const TOPIC_SHOWN_BYTES: usize = 256;

/// What others (the API) may look at while it runs.
#[derive(Debug, Clone)]
pub(crate) struct SharedParts {
    pub store: Store,
    pub figures: Arc<CollectorFigures>,
    /// Anomalies as they are stored.
    pub live: LiveStatus,
}

/// A collector that is open and not yet at work.
#[derive(Debug)]
pub(crate) struct RunningCollector {
    config: CollectorConfig,
    shared: SharedParts,
}

impl RunningCollector {
    pub(crate) async fn open(config: CollectorConfig) -> Result<Self, StoreError> {
        let store = Store::open(&config.store, OpenMode::Serve).await?;
        info!("store {}", config.store);
        let shared = SharedParts { store, figures: Arc::default(), live: writer::live() };
        Ok(Self { config, shared })
    }

    /// What others may look at.
    #[must_use]
    pub(crate) fn shared(&self) -> SharedParts {
        self.shared.clone()
    }

    /// Works until `stop`, then drains.
    ///
    /// # Errors
    /// When the database has failed for too long.
    pub(crate) async fn run(self, link: LinkSettings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let SharedParts { store, figures, live } = self.shared.clone();
        let is_shared = store.leases().are_shared();
        let served = ServedFleets::these(self.config.fleets.clone());
        let mut before = store.fleets_heard(FLEETS_MAX).await?;
        before.retain(|(fleet, _)| served.serves(fleet));
        let known = KnownFleets::new(self.config.fleets.iter().cloned(), before, FLEETS_MAX);
        let filters = if is_shared { vec![Channel::Birth.of_all()] } else { all_filters(&known.names()) };
        info!("broker {}", link.broker);
        let session = subscribe::start(link, filters);
        let newcomer = Arc::new(Notify::new());
        let (queue, items) = mpsc::channel(QUEUE_MAX);
        let writer = BatchWriter {
            store: store.clone(),
            link: session.handle(),
            figures: Arc::clone(&figures),
            live,
            newcomer: Arc::clone(&newcomer),
        };
        let writer = tokio::spawn(writer.run(items));
        let fleets = FleetLeases::begin(store.clone(), session.handle(), Arc::clone(&figures), known).await?;
        let beside = [
            tokio::spawn(retention::run(store.clone(), self.config.keep_s, self.config.keep_bytes)),
            tokio::spawn(quiet::run(store.clone(), Arc::clone(&figures), self.config.quiet_after_s)),
        ];
        let link = session.handle();
        let desired = DesiredModels::new(store.clone(), session.handle());
        let work = CollectorTasks { figures, served, fleets, desired, queue, session, link, newcomer };
        notify::ready();
        let ended = work.until(stop, writer).await;
        notify::stopping();
        beside.iter().for_each(JoinHandle::abort);
        store.close().await;
        info!("stopped");
        ended
    }
}

struct CollectorTasks {
    figures: Arc<CollectorFigures>,
    /// Which fleets the configuration serves.
    served: ServedFleets,
    fleets: FleetLeases,
    desired: DesiredModels,
    queue: mpsc::Sender<WriterItem>,
    session: MqttSession,
    link: SessionHandle,
    newcomer: Arc<Notify>,
}

impl CollectorTasks {
    async fn until(
        mut self,
        stop: impl Future<Output = ()>,
        mut writer: JoinHandle<Result<(), StoreError>>,
    ) -> Result<(), RunError> {
        let mut alive = interval(notify::watchdog_interval().unwrap_or(ALIVE_TICK));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        let (queue, newcomer) = (self.queue.clone(), Arc::clone(&self.newcomer));
        let mut waiting: Option<WriterItem> = None;
        loop {
            tokio::select! {
                () = &mut stop => break,
                ended = &mut writer => return Err(writer_ended(ended)),
                Ok(place) = queue.reserve(), if waiting.is_some() => {
                    self.figures.queue(now_us());
                    place.send(waiting.take().expect("it waits"));
                }
                happened = self.session.next(), if waiting.is_none() => waiting = self.happened(happened).await,
                () = newcomer.notified() => self.tell().await,
                () = self.fleets.tick() => if self.fleets.look().await { self.tell().await; },
                () = self.desired.tick() => self.desired.look(self.fleets.held()).await,
                _ = alive.tick() => notify::alive(),
            }
        }
        notify::stopping();
        let Self { queue: other, session, fleets, .. } = self;
        // What is not queued yet was not acknowledged: it comes again.
        drop((queue, other));
        let ended = timeout(DRAIN_WAIT, &mut writer).await;
        if ended.is_err() {
            writer.abort();
            warn!("what was just received is not stored, as the database takes nothing: it comes again");
        }
        session.stop().await;
        fleets.release().await?;
        match ended {
            Err(_) => Ok(()),
            Ok(Ok(done)) => Ok(done?),
            Ok(ended @ Err(_)) => Err(writer_ended(ended)),
        }
    }

    /// What goes into the queue because of it.
    async fn happened(&mut self, happened: ConnectionEvent) -> Option<WriterItem> {
        match happened {
            ConnectionEvent::Up => {
                info!("connected to the broker");
                self.figures.connections.fetch_add(1, Relaxed);
                self.figures.connected.store(1, Relaxed);
                self.desired.connected();
                self.tell().await;
            }
            ConnectionEvent::Down { reason, retry_in } => {
                self.desired.lost();
                self.figures.connected.store(0, Relaxed);
                warn!("{reason}; retrying in {:.1} s", retry_in.as_secs_f64());
            }
            ConnectionEvent::Refused { reason } => warn!("{reason}"),
            // A model or a wish for agents that are not there: they find it when they come.
            ConnectionEvent::Unheard => {}
            ConnectionEvent::Message(message) => return self.message(message).await,
        }
        None
    }

    async fn message(&mut self, message: ReceivedMessage) -> Option<WriterItem> {
        let ReceivedMessage { topic, payload, retained, receipt } = message;
        self.figures.messages.fetch_add(1, Relaxed);
        self.figures.bytes.fetch_add(payload.len() as u64, Relaxed);
        let read = ingest::read(&topic, &payload, retained).and_then(|read| ingest::served(read, &self.served));
        let content = match read {
            Ok(IncomingMessage::Entries(who, batches)) if self.fleets.is_ours(&who.fleet) => {
                self.fleets.meet(&who.fleet).await.then_some(WriteContent::Batches(batches))
            }
            Ok(IncomingMessage::Heard(heard)) => {
                let ours = self.fleets.meet(&heard.who.fleet).await;
                ours.then_some(WriteContent::Heard(heard))
            }
            Ok(IncomingMessage::Entries(who, _)) => {
                // Left from a time when the fleet was ours; its collector answers.
                self.link.unsubscribe(filters_of(&who.fleet)).await;
                None
            }
            Ok(IncomingMessage::Kept(topic)) => {
                self.desired.kept(topic);
                None
            }
            Ok(IncomingMessage::Nothing) => None,
            Err(refusal) => {
                self.figures.refused.fetch_add(1, Relaxed);
                let topic = &topic[..topic.floor_char_boundary(TOPIC_SHOWN_BYTES)];
                warn!("{topic}: {refusal}");
                None
            }
        };
        Some(WriterItem { content, receipt })
    }

    /// Tells the broker what agents should run.
    async fn tell(&mut self) {
        self.desired.publish(self.fleets.held()).await;
    }
}
