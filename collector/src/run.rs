//! `run`: the collector at work, from its settings to its last acknowledgement.
//!
//! ```text
//!  open the store -> connect -> READY
//!     message -> ingest -> queue -> writer (a task of its own)
//!     each second: a push by a command?  a fleet to take over?  the watchdog
//!     each half minute: who is quiet?    beside it: what is too old
//!  SIGTERM -> stop taking -> the writer empties the queue -> acknowledge -> goodbye
//! ```

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use log::{error, info, warn};
use oddline_cli::notify;
use oddline_core::{id::FleetName, topic::Channel};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    broker::acl::models_of,
    clock::now_us,
    config::Config,
    error::{RunError, writer_ended},
    filters::{all_filters, filters_of},
    fleet::{FLEETS_MAX, Fleets, KnownFleets, Met},
    ingest::{self, Incoming},
    link::settings::Settings,
    store::{Leases, Mode, Store, StoreError, Who},
    subscribe::{Happened, Link, Message, Subscriber},
    trim,
    wishes::Wishes,
    writer::{self, Content, Figures, Item, Live, QUEUE_MAX, Writer},
};

/// How often a push of another process and a lease are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How often quiet agents are looked for.
const QUIET_TICK: Duration = Duration::from_secs(30);
/// At the end what is queued is stored, unless the database takes nothing: then it comes again. Less than a supervisor
/// waits.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a refused message's topic that are told: every one of ours, and some.
const TOPIC_SHOWN_BYTES: usize = 256;

/// What others (the API) may look at while it runs.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The database.
    pub store: Store,
    /// What was done.
    pub figures: Arc<Figures>,
    /// Anomalies as they are stored.
    pub live: Live,
}

/// A collector that is open and not yet at work.
#[derive(Debug)]
pub struct Collector {
    config: Config,
    shared: Shared,
}

impl Collector {
    /// Opens the store.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(config: Config) -> Result<Self, StoreError> {
        let store = Store::open(&config.store, Mode::Serve).await?;
        info!("store {}", config.store);
        let shared = Shared { store, figures: Arc::default(), live: writer::live() };
        Ok(Self { config, shared })
    }

    /// What others may look at.
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Works until `stop`, then drains.
    ///
    /// # Errors
    /// When the database has failed for too long.
    pub async fn run(self, link: Settings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let Shared { store, figures, live } = self.shared.clone();
        let mut leases = store.leases();
        let fleets = Fleets::these(self.config.fleets.clone());
        let mut before = store.fleets_heard(FLEETS_MAX).await?;
        before.retain(|(fleet, _)| fleets.serves(fleet));
        let known = KnownFleets::new(self.config.fleets.iter().cloned(), before, FLEETS_MAX);
        let filters = if leases.are_shared() { vec![Channel::Birth.of_all()] } else { all_filters(&known.names()) };
        info!("broker {}", link.broker);
        let subscriber = Subscriber::start(link, filters);
        let newcomer = Arc::new(Notify::new());
        let (queue, items) = mpsc::channel(QUEUE_MAX);
        let writer = Writer {
            store: store.clone(),
            link: subscriber.link(),
            figures: Arc::clone(&figures),
            live,
            newcomer: Arc::clone(&newcomer),
        };
        let writer = tokio::spawn(writer.run(items));
        let trimmer = tokio::spawn(trim::run(store.clone(), self.config.keep_s, self.config.keep_bytes));
        if !leases.are_shared() {
            leases.tend(&known.names()).await?;
            if let Err(error) = store.doubt(None, now_us()).await {
                warn!("agents are shown as they were: {error}");
            }
        }
        let work = Work {
            wishes: Wishes::new(store.clone(), subscriber.link()),
            link: subscriber.link(),
            store: store.clone(),
            figures,
            leases,
            fleets,
            known,
            queue,
            subscriber,
            newcomer,
            quiet_after_us: i64::try_from(self.config.quiet_after_s).unwrap_or(i64::MAX).saturating_mul(1_000_000),
            began_us: now_us(),
            changes: 0,
            connected: false,
            is_full: false,
        };
        notify::ready();
        let ended = work.until(stop, writer).await;
        notify::stopping();
        trimmer.abort();
        store.close().await;
        info!("stopped");
        ended
    }
}

struct Work {
    store: Store,
    figures: Arc<Figures>,
    leases: Leases,
    fleets: Fleets,
    known: KnownFleets,
    queue: mpsc::Sender<Item>,
    subscriber: Subscriber,
    link: Link,
    wishes: Wishes,
    newcomer: Arc<Notify>,
    quiet_after_us: i64,
    began_us: i64,
    changes: i64,
    connected: bool,
    /// Whether it was told that no further fleet is taken.
    is_full: bool,
}

impl Work {
    async fn until(
        mut self,
        stop: impl Future<Output = ()>,
        mut writer: JoinHandle<Result<(), StoreError>>,
    ) -> Result<(), RunError> {
        let (mut tick, mut quiet) = (interval(TICK), interval(QUIET_TICK));
        let mut alive = interval(notify::watchdog_interval().unwrap_or(QUIET_TICK));
        for timer in [&mut tick, &mut quiet, &mut alive] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        tokio::pin!(stop);
        let (queue, newcomer) = (self.queue.clone(), Arc::clone(&self.newcomer));
        let mut waiting: Option<Item> = None;
        loop {
            tokio::select! {
                () = &mut stop => break,
                ended = &mut writer => return Err(writer_ended(ended)),
                Ok(place) = queue.reserve(), if waiting.is_some() => {
                    self.figures.queue(now_us());
                    place.send(waiting.take().expect("it waits"));
                }
                happened = self.subscriber.next(), if waiting.is_none() => waiting = self.happened(happened).await,
                () = newcomer.notified() => self.tell().await,
                _ = tick.tick() => self.tick().await,
                _ = quiet.tick() => self.look_for_quiet().await,
                _ = alive.tick() => notify::alive(),
            }
        }
        notify::stopping();
        let Self { queue: other, subscriber, leases, .. } = self;
        // What is not queued yet was not acknowledged: it comes again.
        drop((queue, other));
        let ended = timeout(DRAIN_WAIT, &mut writer).await;
        if ended.is_err() {
            writer.abort();
            warn!("what was just received is not stored, as the database takes nothing: it comes again");
        }
        subscriber.stop().await;
        leases.release().await?;
        match ended {
            Err(_) => Ok(()),
            Ok(Ok(done)) => Ok(done?),
            Ok(ended @ Err(_)) => Err(writer_ended(ended)),
        }
    }

    /// What goes into the queue because of it.
    async fn happened(&mut self, happened: Happened) -> Option<Item> {
        match happened {
            Happened::Connected => {
                info!("connected to the broker");
                self.connected = true;
                self.figures.connections.fetch_add(1, Relaxed);
                self.figures.connected.store(1, Relaxed);
                self.wishes.connected();
                self.tell().await;
            }
            Happened::Lost { why, retry_in } => {
                self.connected = false;
                self.figures.connected.store(0, Relaxed);
                warn!("no connection to the broker: {why}; next attempt in {:.1} s", retry_in.as_secs_f64());
            }
            Happened::Refused { why } => warn!("{why}"),
            Happened::Message(message) => return self.message(message).await,
        }
        None
    }

    async fn message(&mut self, message: Message) -> Option<Item> {
        let Message { topic, payload, retained, receipt } = message;
        self.figures.messages.fetch_add(1, Relaxed);
        self.figures.bytes.fetch_add(payload.len() as u64, Relaxed);
        let read = ingest::read(&topic, &payload, retained).and_then(|read| ingest::served(read, &self.fleets));
        let content = match read {
            Ok(Incoming::Entries(who, batches)) if self.is_ours(&who.fleet) => {
                self.meet(&who).await.then_some(Content::Batches(batches))
            }
            Ok(Incoming::Heard(heard)) => {
                let ours = self.meet(&heard.who).await;
                ours.then_some(Content::Heard(heard))
            }
            Ok(Incoming::Entries(who, _)) => {
                // Left from a time when the fleet was ours; its collector answers.
                self.link.unsubscribe(filters_of(&who.fleet)).await;
                None
            }
            Ok(Incoming::Kept(topic)) => {
                self.wishes.kept(topic);
                None
            }
            Ok(Incoming::Nothing) => None,
            Err(refusal) => {
                self.figures.refused.fetch_add(1, Relaxed);
                let topic = &topic[..topic.floor_char_boundary(TOPIC_SHOWN_BYTES)];
                warn!("{topic}: {refusal}");
                None
            }
        };
        Some(Item { content, receipt })
    }

    /// Whether an agent's fleet is ours; with one collector every fleet is, up to the bound.
    async fn meet(&mut self, who: &Who) -> bool {
        let shared = self.leases.are_shared();
        match self.known.meet(&who.fleet, now_us()) {
            Met::NoRoom => {
                if !self.is_full {
                    error!("{FLEETS_MAX} fleets are known: agents of further ones are not heard until some are silent");
                }
                self.is_full = true;
                self.figures.refused.fetch_add(1, Relaxed);
                return false;
            }
            met @ (Met::New | Met::InsteadOf(_)) if !shared => {
                if let Met::InsteadOf(gone) = met {
                    self.link.unsubscribe(vec![models_of(&gone)]).await;
                }
                self.link.subscribe(vec![models_of(&who.fleet)]).await;
            }
            // Of several collectors the next look at the leases takes it, and gives back what is not known any more.
            Met::Known | Met::New | Met::InsteadOf(_) => {}
        }
        self.is_ours(&who.fleet)
    }

    fn is_ours(&self, fleet: &FleetName) -> bool {
        !self.leases.are_shared() || self.leases.held().contains(fleet)
    }

    async fn tick(&mut self) {
        if self.leases.are_shared() {
            self.tend().await;
        }
        if self.wishes.has_leftovers() {
            self.tell().await;
        }
        match self.store.changes().await {
            Ok(changes) if changes != self.changes => {
                self.changes = changes;
                self.tell().await;
            }
            Ok(_) => {}
            Err(error) => warn!("{error}"),
        }
    }

    async fn tend(&mut self) {
        let lease = match self.leases.tend(&self.known.names()).await {
            Ok(lease) => lease,
            Err(error) => return warn!("no fleet can be taken: {error}"),
        };
        for fleet in lease.lost {
            info!("fleet {fleet} is no longer ours");
            self.link.unsubscribe(filters_of(&fleet)).await;
        }
        let gained = !lease.gained.is_empty();
        if gained && let Err(error) = self.store.doubt(Some(&lease.gained), now_us()).await {
            warn!("{error}");
        }
        for fleet in lease.gained {
            info!("fleet {fleet} is ours");
            self.link.subscribe(filters_of(&fleet)).await;
        }
        if gained {
            self.tell().await;
        }
    }

    /// Tells the broker what agents should run.
    async fn tell(&mut self) {
        if !self.connected {
            return;
        }
        let (leases, shared) = (self.leases.held(), self.leases.are_shared());
        if let Err(error) = self.wishes.tell(|fleet| !shared || leases.contains(fleet)).await {
            warn!("models cannot be published: {error}");
            // The next tick tries again.
            self.changes = -1;
        }
    }

    async fn look_for_quiet(&mut self) {
        let now_us = now_us();
        // Nobody could be heard while this collector was away.
        if !self.connected || now_us - self.began_us < self.quiet_after_us {
            return;
        }
        match self.store.mark_quiet(now_us - self.quiet_after_us, now_us).await {
            Ok(quiet) => {
                for who in quiet {
                    warn!("agent {who} has said nothing for {} s", self.quiet_after_us / 1_000_000);
                }
            }
            Err(error) => warn!("{error}"),
        }
    }
}
