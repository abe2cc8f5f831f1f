//! What the collector knows, over HTTP: JSON for programs under `/api/v1` (described by its own OpenAPI document), a live
//! stream, `/metrics` and `/healthz`. Later the dashboard's pages. The only importer of axum.
//!
//! ```text
//!  gate     connections: how many, how long         auth     who may ask, which host, which origin
//!  web      what every request passes               limits   bounds and their reasons
//!  proxy    whose request it is behind one
//!  query    parameters into values                  error    what is told instead of an answer
//!  api, live, metrics, openapi                      the answers
//! ```
//!
//! Not here: SQL (`store`), and anything that ingest waits for: the server has connections of its own to the database, and
//! bounds on how many questions run and how long they are waited for.

mod api;
mod auth;
mod connection_limits;
mod error;
mod json;
mod limits;
mod live;
mod metrics;
mod openapi;
mod proxy;
mod query;
mod settings;
mod web;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router, middleware,
    routing::{MethodRouter, get, post},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

pub use self::{
    auth::TokenError,
    limits::HttpLimits,
    openapi::document,
    proxy::{NetworkError, NetworkRange},
    query::is_query,
    settings::ApiSettings,
};
use self::{
    connection_limits::{ClientAddress, HttpGate},
    live::ChangeHub,
    web::{SharedWebState, WebState},
};
use crate::{
    store::Store,
    writer::{CollectorFigures, LiveStatus},
};

/// Requests that are being answered have so long when the server stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// One address of the server. Its parameters are those of the OpenAPI document: a test compares them.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    /// `{name}` stands for one part.
    pub path: &'static str,
    /// Parameters behind the `?`.
    pub query: &'static [&'static str],
    handler: fn() -> MethodRouter<WebState>,
}

#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    Route { method: "get",  path: "/api/v1/servers",                query: api::SERVERS,   handler: || get(api::servers) },
    Route { method: "get",  path: "/api/v1/anomalies",              query: api::ANOMALIES, handler: || get(api::anomalies) },
    Route { method: "get",  path: "/api/v1/anomalies/{id}",         query: &[],            handler: || get(api::anomaly) },
    Route { method: "post", path: "/api/v1/anomalies/{id}/verdict", query: &[],            handler: || post(api::verdict) },
    Route { method: "get",  path: "/api/v1/counts",                 query: api::COUNTS,    handler: || get(api::counts) },
    Route { method: "get",  path: "/api/v1/models",                 query: api::PAGE,      handler: || get(api::models) },
    Route { method: "get",  path: "/api/v1/rollouts",               query: api::PAGE,      handler: || get(api::rollouts) },
    Route { method: "get",  path: "/api/v1/live",                   query: &[],            handler: || get(live::live) },
    Route { method: "get",  path: "/api/v1/openapi.json",           query: &[],            handler: || get(openapi::answer) },
    Route { method: "get",  path: "/metrics",                       query: &[],            handler: || get(metrics::metrics) },
    Route { method: "get",  path: "/healthz",                       query: &[],            handler: || get(metrics::healthz) },
];

/// What the answers are made of.
#[derive(Clone)]
pub struct ServeSources {
    /// The database: opened for the server alone (`Mode::Use`), so that its questions never take a connection of ingest.
    pub store: Store,
    pub figures: Arc<CollectorFigures>,
    /// Tells after each commit that there is something new.
    pub live: LiveStatus,
    /// What only the running collector knows.
    pub pulse: Arc<dyn Fn() -> HealthStatus + Send + Sync>,
    /// What requests of an address are counted by.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

/// How the collector is at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthStatus {
    pub connected: bool,
    /// Messages that are not stored yet.
    pub queued: usize,
    /// As many the broker hands out ahead.
    pub queue_max: usize,
    /// How long some have waited while none was stored.
    pub stands_for: Duration,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its token is missing or wrong.
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the API cannot listen on {listen}: {reason}")]
    Listen { listen: SocketAddr, reason: io::Error },
}

#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
    looking: JoinHandle<()>,
}

impl HttpServer {
    /// Listens and answers, in tasks of its own.
    ///
    /// # Errors
    /// Without a token where other machines reach it, or when it cannot listen.
    pub async fn start(settings: ApiSettings, sources: ServeSources) -> Result<Self, ServeError> {
        let listen = settings.listen;
        let token = auth::token(&settings)?;
        let refused = |reason| ServeError::Listen { listen, reason };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = watch::channel(false);
        let hub = ChangeHub::new(&settings.limits);
        let looking = tokio::spawn(hub.clone().run(sources.clone(), stopped.clone()));
        let (limits, proxies) = (settings.limits, settings.trusted_proxies.clone());
        let app = Arc::new(SharedWebState::new(settings, sources, token, hub, stopped.clone()));
        let gate = HttpGate::new(listener, limits, proxies, Arc::clone(&app.inside));
        let service = router(app).into_make_service_with_connect_info::<ClientAddress>();
        let mut ended = stopped;
        let serve = axum::serve(gate, service).with_graceful_shutdown(async move {
            // Stopped or dropped: either way it ends.
            let _: Result<_, _> = ended.changed().await;
        });
        let serving = tokio::spawn(async move { serve.await });
        Ok(Self { address, stop, serving, looking })
    }

    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes nothing more, ends the live streams, and gives the other requests a moment to be answered.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if timeout(STOP_WAIT, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        self.looking.abort();
    }
}

fn router(app: WebState) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    router
        .fallback(web::unknown)
        .method_not_allowed_fallback(web::other_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), web::pass))
        .with_state(app)
}

impl Route {
    /// Whether an address is one of this route's.
    fn is(&self, path: &str) -> bool {
        let (mut ours, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (ours.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Debug for ServeSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("store", &self.store).field("figures", &self.figures).finish_non_exhaustive()
    }
}
