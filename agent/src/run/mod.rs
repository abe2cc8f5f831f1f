//! THE wiring of the daemon. Reads as the picture:
//!
//! ```text
//!  configuration -> models -> state -> [reading thread] --- events ---> spool
//!                                            ^                            |
//!                     keeper of the models --'      delivery (or a sink) -'--> broker, file, stdout
//!                            ^                          |
//!                            '------- wishes -----------'      desk: status, metrics      systemd: ready, watchdog
//! ```
//!
//! SIGTERM and SIGINT: read no more, commit, deliver for at most [`DRAIN`], say goodbye. SIGHUP: read the configuration
//! again; one with mistakes changes nothing.

mod outlet;
mod patience;
mod reading;
mod signals;

use std::{path::Path, sync::Arc, sync::mpsc as std_mpsc, time::Duration};

use anyhow::{Context, Result, anyhow};
use oddline_cli::notify;
use oddline_core::{id::Epoch, topic::Channel};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use self::{
    outlet::{DeliveryEnd, DeliveryNews, news, outlet},
    patience::{StartObstacle, open_state, patiently},
    reading::{in_time, spawn, worker_ended},
    signals::{Signalled, Signals},
};
use crate::{
    clock::{self, BootClock},
    config::{self, AgentConfig, EventDestination, SourceKind},
    control::{self, AgentInfo, ControlServer},
    events::LogEvent,
    model_manager::{self, KeptModels, ModelManager, ModelRequest},
    publish::{
        announce::{AnnouncedBirth, AnnouncedFigures, AnnouncedStatus, json},
        drive::DriveError,
        ports::OutboundMessage,
        session::PublishSettings,
        sink::EventOutput,
    },
    spool::SharedState,
    state::StateError,
    worker::{Parts, PriorState, StatusHandle, WorkerCommand, WorkerError},
};

/// How long a stopping agent goes on delivering. With the goodbye it stays within ten seconds.
const DRAIN: Duration = Duration::from_secs(6);
/// How long the reading thread may take to commit and end. One that writes to a pipe that nobody reads never does.
const READING_ENDS: Duration = Duration::from_secs(6);
/// Orders that the reading thread has not taken yet. The next model waits for the answer to the one before, and the end comes
/// once: a few never fill it.
const ORDERS_MAX: usize = 4;
/// How long threads that block, such as one that asks for a name, are waited for at the end.
const THREADS_END: Duration = Duration::from_secs(1);
/// The status topic is told the figures this often.
const STATUS_EVERY: Duration = Duration::from_secs(60);
/// How often a model in use is asked whether it has proved itself, and the watchdog may be told of progress.
const TICK: Duration = Duration::from_secs(2);
/// Messages between the parts: each is taken at once unless a disk hangs.
const QUEUE_MAX: usize = 16;

/// Why one life of the agent ended.
enum RunEnd {
    /// A signal, or nothing left to read.
    Stop,
    /// The configuration was read again.
    Reload(Box<AgentConfig>),
    /// The state file is an old copy, and gets a new epoch.
    OldCopy,
}

/// Runs until a signal ends it.
///
/// # Errors
/// When the configuration has mistakes, no model can be used, the state file is another process's, or a part fails that
/// nothing can be done without.
pub fn run(file: &Path) -> Result<()> {
    let loaded = config::load(file)?;
    for (name, meant) in loaded.strange {
        LogEvent::StrangeVariable { name, meant }.emit();
    }
    config::check_owner(&loaded.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let done = runtime.block_on(lives(file, loaded.config));
    runtime.shutdown_timeout(THREADS_END);
    done
}

async fn lives(file: &Path, mut config: AgentConfig) -> Result<()> {
    let mut signals = Signals::new()?;
    loop {
        match live(file, &config, &mut signals).await? {
            RunEnd::Stop => return Ok(()),
            RunEnd::Reload(changed) => config = *changed,
            RunEnd::OldCopy => {}
        }
    }
}

/// From a configuration to the end of what it started.
async fn live(file: &Path, config: &AgentConfig, signals: &mut Signals) -> Result<RunEnd> {
    LogEvent::Starting {
        version: env!("CARGO_PKG_VERSION"),
        name: format!("{} of fleet {}", config.name, config.fleet),
        destination: destination(config),
    }
    .emit();
    let Some(kept) = patiently(signals, || model_manager::begin(config).map_err(StartObstacle::of)).await? else {
        return Ok(RunEnd::Stop);
    };
    let Some((state, past)) = patiently(signals, || open_state(config)).await? else { return Ok(RunEnd::Stop) };
    let Some(sink) = patiently(signals, || outlet::sink(config).map_err(StartObstacle::of)).await? else {
        return Ok(RunEnd::Stop);
    };
    let version = kept.active.id.version;
    let mut agent = RunningAgent::start(config, kept, state.clone(), past, sink).await?;
    LogEvent::Ready { model: version }.emit();
    notify::ready();
    let ended = agent.until(file, signals).await;
    if matches!(ended, Ok(RunEnd::Stop) | Err(_)) {
        notify::stopping();
        LogEvent::Stopping.emit();
    }
    let waiting = agent.stop().await;
    let end = ended?;
    match waiting {
        Ok(waiting) => LogEvent::Stopped { waiting }.emit(),
        Err(error) if is_uncommitted(&error) && !matches!(end, RunEnd::Stop) => {
            LogEvent::Uncommitted { why: error.to_string() }.emit();
        }
        Err(error) => return Err(error),
    }
    if let RunEnd::OldCopy = end {
        let renew = || state.lock().renew(clock::random()).map_err(StartObstacle::of_state);
        if patiently(signals, renew).await?.is_none() {
            return Ok(RunEnd::Stop);
        }
    }
    Ok(end)
}

/// Whether nothing is wrong but that the last commit found no room: the next life reads the same again.
fn is_uncommitted(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(WorkerError::Commit(error)) if error.is_passing())
}

fn destination(config: &AgentConfig) -> String {
    match &config.destination {
        EventDestination::Broker(settings, _) => settings.link.broker.to_string(),
        EventDestination::File(path, _) => path.display().to_string(),
        EventDestination::Stdout => "stdout".to_owned(),
    }
}

/// What runs between a start and a stop.
struct RunningAgent {
    state: SharedState,
    board: StatusHandle,
    orders: std_mpsc::SyncSender<WorkerCommand>,
    /// How the reading thread ended.
    worker: Option<oneshot::Receiver<Result<(), WorkerError>>>,
    delivery: Option<DeliveryEnd>,
    keeper: ModelManager,
    asks: mpsc::Receiver<ModelRequest>,
    tasks: JoinSet<()>,
    socket: Option<std::path::PathBuf>,
}

impl RunningAgent {
    async fn start(
        config: &AgentConfig,
        kept: KeptModels,
        state: SharedState,
        past: PriorState,
        sink: Option<EventOutput>,
    ) -> Result<Self> {
        let (board, wake) = (StatusHandle::default(), Arc::new(Notify::new()));
        let (orders, taken) = std_mpsc::sync_channel(ORDERS_MAX);
        let (outlet, delivery, mut tasks) = outlet(config, sink, &state, &wake);
        let outbound = delivery.as_ref().map(|delivery| delivery.outbound.clone());
        let mut keeper = ModelManager::new(config, kept.store, kept.slots, orders.clone(), outbound, board.clone())?;
        let parts = Parts {
            config: config.clone(),
            state: state.clone(),
            past,
            active: kept.active,
            outlet,
            board: board.clone(),
            orders: taken,
        };
        let worker = spawn(parts)?;
        let (models, asks) = mpsc::channel(QUEUE_MAX);
        let link = delivery.as_ref().map(|delivery| delivery.figures.clone());
        let desk = ControlServer { who: who(config), board: board.clone(), link, models };
        let socket = open_desk(config, desk, &mut tasks).await;
        if let (EventDestination::Broker(settings, _), Some(delivery)) = (&config.destination, &delivery) {
            let birth = OutboundMessage::Birth(Box::new(birth(config, settings, &state)));
            delivery.outbound.send(birth).await.context("the delivery has ended")?;
        }
        keeper.announce().await;
        Ok(Self { state, board, orders, worker: Some(worker), delivery, keeper, asks, tasks, socket })
    }

    /// Waits for everything at once until something ends this life.
    async fn until(&mut self, file: &Path, signals: &mut Signals) -> Result<RunEnd> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut beats, mut status_at) = (0, Instant::now());
        loop {
            tokio::select! {
                signalled = signals.next() => match signalled {
                    Signalled::Stop => return Ok(RunEnd::Stop),
                    Signalled::Reload => {
                        if let Some(config) = reload(file) {
                            return Ok(RunEnd::Reload(Box::new(config)));
                        }
                    }
                },
                ended = worker_ended(&mut self.worker) => {
                    // It ends by itself when nothing is left to read, or fails.
                    self.worker = None;
                    return ended.map(|()| RunEnd::Stop);
                }
                news = news(&mut self.delivery) => match news {
                    DeliveryNews::Heard(inbound) => self.keeper.heard(inbound).await,
                    DeliveryNews::Ended(ended) => return self.delivery_ended(ended),
                },
                Some(ask) = self.asks.recv() => self.keeper.asked(ask).await,
                _ = ticks.tick() => {
                    self.keeper.tick().await;
                    let now = self.board.beats();
                    if now != beats {
                        beats = now;
                        notify::alive();
                    }
                    if Instant::now() >= status_at {
                        status_at = Instant::now() + STATUS_EVERY;
                        self.say_status().await;
                    }
                }
            }
        }
    }

    fn delivery_ended(&mut self, ended: Result<(), DriveError<StateError>>) -> Result<RunEnd> {
        self.delivery = None;
        match ended {
            Ok(()) => Err(anyhow!("the delivery ended by itself")),
            Err(DriveError::Ahead { acked, last }) => {
                LogEvent::OldCopy { acked, last }.emit();
                Ok(RunEnd::OldCopy)
            }
            Err(error) => Err(error).context("delivering events"),
        }
    }

    async fn say_status(&self) {
        let Some(delivery) = &self.delivery else { return };
        let reading = self.board.reading();
        let figures = AnnouncedFigures {
            model: Some(reading.model),
            records: reading.total().judged,
            learning: reading.learning(),
            lag_bytes: reading.lag_bytes(),
            failed_sources: reading.sources.iter().filter(|s| s.failed.is_some()).map(|s| s.name.clone()).collect(),
            spooled: reading.waiting,
        };
        let status = OutboundMessage::Retain(Channel::Status, json(&AnnouncedStatus::up(figures)));
        // A delivery that has ended says nothing any more.
        let _: Result<(), _> = delivery.outbound.send(status).await;
    }

    /// Commits, delivers what can be delivered in time and closes everything. Events that still wait.
    async fn stop(mut self) -> Result<u64> {
        self.board.stop();
        // A thread that has ended takes no order.
        let _: Result<(), _> = self.orders.send(WorkerCommand::Stop);
        let worker = match self.worker {
            Some(_) => in_time(READING_ENDS, worker_ended(&mut self.worker)).await,
            None => Ok(Ok(())),
        };
        if let Some(socket) = self.socket.take() {
            let _: std::io::Result<()> = std::fs::remove_file(socket);
        }
        // A thread that hangs may hold the state file: nothing more is asked of it.
        let worker = worker?;
        if let Some(delivery) = self.delivery.take() {
            let last = self.state.lock().last();
            delivery.finish(last, DRAIN).await;
        }
        self.tasks.shutdown().await;
        worker?;
        let state = self.state.lock();
        Ok(state.last() + 1 - state.first())
    }
}

/// Local sockets are a help, not a need: without them the agent does its work.
async fn open_desk(config: &AgentConfig, desk: ControlServer, tasks: &mut JoinSet<()>) -> Option<std::path::PathBuf> {
    if let Some(address) = config.metrics {
        match control::listen_metrics(address).await {
            Ok(listener) => {
                drop(tasks.spawn(control::serve_metrics(listener, config.metrics_hosts.clone(), desk.clone())));
            }
            Err(error) => LogEvent::Control { why: format!("no metrics: {address}: {error}") }.emit(),
        }
    }
    let path = config.control.clone()?;
    match control::listen(&path) {
        Ok(listener) => {
            tasks.spawn(control::serve(listener, desk));
            Some(path)
        }
        Err(error) => {
            LogEvent::Control { why: format!("no local socket: {}: {error}", path.display()) }.emit();
            None
        }
    }
}

fn who(config: &AgentConfig) -> AgentInfo {
    AgentInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: config.name.to_string(),
        fleet: config.fleet.to_string(),
        destination: destination(config),
    }
}

fn birth(config: &AgentConfig, settings: &PublishSettings, state: &SharedState) -> AnnouncedBirth {
    let source = |what: &SourceKind| match what {
        SourceKind::Files { include, .. } => include.iter().map(ToString::to_string).collect(),
        SourceKind::Journal(_) => vec!["journal".to_owned()],
        SourceKind::Stdin => vec!["stdin".to_owned()],
        SourceKind::System(_) => vec!["system".to_owned()],
        SourceKind::Syslog(address) => vec![format!("syslog {address}")],
        SourceKind::Mqtt(subscription) => vec![subscription.to_string()],
    };
    let state = state.lock();
    AnnouncedBirth {
        fleet: settings.fleet.clone(),
        agent: settings.agent.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: Epoch::from_random(state.epoch()),
        oldest: state.first(),
        boot: BootClock::of_this_boot().boot(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        sources: config.sources.iter().flat_map(|s| source(&s.what)).collect(),
    }
}

/// A configuration without mistakes, or nothing.
fn reload(file: &Path) -> Option<AgentConfig> {
    let wrong = match config::load(file) {
        Ok(loaded) => {
            let mut wrong = config::check_files(&loaded.config);
            // This is the user who will write.
            wrong.extend(config::check_access(&loaded.config));
            if wrong.is_empty() {
                LogEvent::Reloading.emit();
                notify::reloading();
                return Some(loaded.config);
            }
            wrong.join("\n")
        }
        Err(problems) => problems.to_string(),
    };
    LogEvent::ReloadRefused { why: wrong }.emit();
    None
}
