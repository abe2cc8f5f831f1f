//! `run` as a process: which broker, and until which signal.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use log::{info, warn};
use oddline_core::id::FleetName;
use oddline_link::{
    address::BrokerAddress,
    settings::{BrokerAccess, LinkSettings},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{interval, sleep},
};

use crate::{
    broker::{self, BrokerLimits, EmbeddedBroker, Tls},
    clock::{now, now_us},
    config::{self, CollectorConfig},
    enroll::Authority,
    error::CommandError,
    fleet::{COLLECTOR, ServedFleets},
    run::{RunningCollector, SharedParts},
    serve::{self as api, HealthStatus, HttpServer, ServeSources},
    store::{DatabaseAddress, OpenMode, Store, StoreError},
    subscribe::UNSETTLED_MAX,
};

/// How often it is asked whether the broker's certificate ends soon: it lasts two years.
const RENEWAL_TICK: Duration = Duration::from_secs(24 * 3600);

/// How often a full disk is looked at before anything is begun.
const ROOM_TICK: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: CollectorConfig) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::System)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop);
    let (name, fleets, state) = (config.name.clone(), config.fleets.clone(), config.state.clone());
    let (broker, store, api) = (config.broker.clone(), config.store.clone(), config.api.clone());
    let collector = tokio::select! {
        collector = open(&config) => collector?,
        () = &mut stop => return Ok(()),
    };
    let server = match api {
        Some(settings) => Some(open_api(settings, &store, collector.shared()).await?),
        None => None,
    };
    let done = work(collector, broker, ListenNames { name, fleets, state }, stop).await;
    if let Some(server) = server {
        server.stop().await;
    }
    done
}

/// Opens the store, as soon as its disk has room.
async fn open(config: &CollectorConfig) -> Result<RunningCollector, StoreError> {
    let mut is_told = false;
    loop {
        match RunningCollector::open(config.clone()).await {
            Err(StoreError::Full(_)) if is_told => {}
            Err(error @ StoreError::Full(_)) => {
                warn!("{error}; it begins as soon as there is some");
                is_told = true;
            }
            opened => return opened,
        }
        sleep(ROOM_TICK).await;
    }
}

/// Whose collector it is, for the broker.
struct ListenNames {
    name: String,
    fleets: Vec<FleetName>,
    state: PathBuf,
}

/// The API beside it, with connections of its own to the database.
async fn open_api(
    settings: api::ApiSettings,
    store: &DatabaseAddress,
    shared: SharedParts,
) -> Result<HttpServer, CommandError> {
    let store = Store::open(store, OpenMode::Use).await?;
    let figures = Arc::clone(&shared.figures);
    let pulse = Arc::new(move || HealthStatus {
        connected: figures.connected.load(Relaxed) == 1,
        queued: usize::try_from(figures.queued.load(Relaxed)).unwrap_or(usize::MAX),
        queue_max: UNSETTLED_MAX.into(),
        stands_for: figures.stands_for(now_us()),
    });
    let sources =
        ServeSources { store, figures: shared.figures, live: shared.live, pulse, clock: Arc::new(Instant::now) };
    let server = HttpServer::start(settings, sources).await?;
    info!("the API is at http://{}/api/v1/", server.local_addr());
    Ok(server)
}

async fn work(
    collector: RunningCollector,
    broker: config::BrokerConfig,
    who: ListenNames,
    stop: impl Future<Output = ()>,
) -> Result<(), CommandError> {
    let ListenNames { name, fleets, state } = who;
    match broker {
        config::BrokerConfig::Outside(broker, files) => {
            let link = LinkSettings {
                broker,
                client_id: client_id(&name),
                access: BrokerAccess::Files(files),
                jitter_seed: now_us().unsigned_abs(),
            };
            Ok(collector.run(link, stop).await?)
        }
        config::BrokerConfig::Embedded(embedded) => {
            let broker = EmbeddedBroker::start(settings(&embedded, fleets, &state)?).await?;
            info!("agents connect to {}", broker.local_addr());
            let login = broker.login();
            let address =
                BrokerAddress { host: login.address.ip().to_string(), port: login.address.port(), tls: false };
            let access =
                BrokerAccess::Login { user: login.user.clone(), password: login.password.clone().into_bytes() };
            let link = LinkSettings { broker: address, client_id: client_id(&name), access, jitter_seed: 1 };
            let own_tls = embedded.tls.is_some() || embedded.names.is_empty();
            let renewal = (!own_tls).then(|| tokio::spawn(renew(state.clone(), embedded.names.clone())));
            let done = collector.run(link, stop).await;
            if let Some(renewal) = renewal {
                renewal.abort();
            }
            broker.stop().await;
            Ok(done?)
        }
    }
}

/// What the embedded broker is told. Names mean that its certificate comes from the authority of the agents.
fn settings(
    embedded: &config::EmbeddedConfig,
    fleets: Vec<FleetName>,
    state: &Path,
) -> Result<broker::BrokerSettings, CommandError> {
    let tls = match &embedded.tls {
        Some((certificate, key, client_ca)) => Some(Tls {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: client_ca.clone(),
            revoked: embedded.revoked.clone(),
        }),
        None if embedded.names.is_empty() => None,
        None => {
            let authority = authority(state)?;
            if authority.is_new() {
                warn!("{}", new_authority(state));
            }
            let files = authority.server(&embedded.names, now())?;
            info!("the broker's certificate counts until {}", files.expires);
            Some(Tls {
                certificate: files.certificate,
                key: files.key,
                client_ca: files.ca,
                revoked: Some(files.revoked),
            })
        }
    };
    Ok(broker::BrokerSettings {
        listen: embedded.listen,
        tls,
        fleets: ServedFleets::these(fleets),
        limits: BrokerLimits::default(),
    })
}

/// Renews the broker's certificate before it ends; the broker notices the new files by itself.
async fn renew(state: PathBuf, names: Vec<String>) {
    let mut day = interval(RENEWAL_TICK);
    // The first tick comes at once, and the certificate was just looked at.
    day.tick().await;
    loop {
        day.tick().await;
        match authority(&state).and_then(|authority| Ok(authority.server(&names, now())?)) {
            Ok(files) if files.is_new => {
                info!("the broker's certificate was renewed and counts until {}", files.expires);
            }
            Ok(_) => {}
            Err(error) => warn!("the broker's certificate cannot be renewed: {error}"),
        }
    }
}

/// The authority that enrolls agents.
///
/// # Errors
/// When its files cannot be used.
pub fn authority(state: &Path) -> Result<Authority, CommandError> {
    Ok(Authority::open(state.join("authority"), now())?)
}

/// What is said of an authority that was made just now.
#[must_use]
pub fn new_authority(state: &Path) -> String {
    format!(
        "created a new certificate authority in {}: back it up; agents enrolled with a previous one must be enrolled again, \
         unless that one is put back",
        state.join("authority").display()
    )
}

/// Begins with the user's name, as the embedded broker wants it.
fn client_id(name: &str) -> String {
    if name.starts_with(COLLECTOR) { name.to_owned() } else { format!("{COLLECTOR}-{name}") }
}
