//! What every request passes on its way in and every answer on its way out, and what all handlers share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::{
    sync::{Mutex, Semaphore, watch},
    time::{sleep, timeout_at},
};

use super::{
    ApiSettings, ROUTES, ServeSources,
    auth::{self, Offer, Token},
    connection_limits::{ClientAddress, HttpSession},
    error::ApiProblem,
    limits::{Buckets, HEADER_BYTES_MAX, URI_BYTES_MAX},
    live::ChangeHub,
    metrics::{SlowFigures, WrittenFigures},
    proxy,
};
use crate::store::{Store, StoreError};

/// Wrong tokens of one address that are answered a second, after the first ones: a person's typing.
const WRONG_TOKENS_PER_SECOND: f64 = 0.1;

pub(super) type WebState = Arc<SharedWebState>;

/// See [`WebState`].
pub(super) struct SharedWebState {
    pub sources: ServeSources,
    pub settings: ApiSettings,
    pub loopback: bool,
    pub token: Option<Token>,
    pub hub: ChangeHub,
    pub inside: Arc<HttpSession>,
    pub requests: RequestCounts,
    /// True when the server stops.
    pub stop: watch::Receiver<bool>,
    /// Figures that cost a query, at most so often.
    pub slow: Mutex<Option<SlowFigures>>,
    /// Whether a row could be written, at most tried so often.
    pub written: Mutex<Option<WrittenFigures>>,
    questions: Arc<Semaphore>,
    rate: Buckets,
    rate_of_strangers: Buckets,
    wrong_tokens: Buckets,
}

/// Answers by route and class of status; the last row is what no route knows.
#[derive(Debug)]
pub(super) struct RequestCounts(Vec<[AtomicU64; 4]>);

/// The request has shown that it may know everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrustedProxies;

impl SharedWebState {
    pub(super) fn new(
        settings: ApiSettings,
        sources: ServeSources,
        token: Option<Token>,
        hub: ChangeHub,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let limits = &settings.limits;
        Self {
            loopback: settings.listen.ip().to_canonical().is_loopback(),
            token,
            hub,
            inside: Arc::default(),
            requests: RequestCounts(std::iter::repeat_with(Default::default).take(ROUTES.len() + 1).collect()),
            stop,
            slow: Mutex::default(),
            written: Mutex::default(),
            questions: Arc::new(Semaphore::new(limits.questions)),
            rate: Buckets::new(limits.burst, limits.per_second.into()),
            rate_of_strangers: Buckets::new(limits.burst, limits.per_second.into()),
            wrong_tokens: Buckets::new(limits.wrong_tokens, WRONG_TOKENS_PER_SECOND),
            sources,
            settings,
        }
    }

    /// Asks the database. A question that takes too long is answered with an error; it keeps its place until the
    /// database is done with it, so that impatient clients do not pile up work.
    pub(super) async fn ask<T, F>(&self, question: impl FnOnce(Store) -> F) -> Result<T, ApiProblem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let answer_in = self.settings.limits.answer;
        let deadline = tokio::time::Instant::now() + answer_in;
        let late = |why: &str, what_to_do: &str| {
            let told = format!("no answer within {} s: {why}", answer_in.as_secs_f64());
            ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, told, what_to_do).retry_after(5)
        };
        let place = match timeout_at(deadline, Arc::clone(&self.questions).acquire_owned()).await {
            Ok(place) => place.expect("the semaphore is never closed"),
            Err(_) => return Err(late("the database has many questions", "try again")),
        };
        let question = question(self.sources.store.clone());
        let work = tokio::spawn(async move {
            let answer = question.await;
            drop(place);
            answer
        });
        match timeout_at(deadline, work).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_)) => {
                let told = "the question ended unexpectedly";
                Err(ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, told, "look at the collector's log"))
            }
            Err(_) => Err(late("the question is too large", "ask for a shorter time, or filter by server")),
        }
    }

    /// Everything that must hold before a handler is asked.
    async fn check(&self, request: &mut Request, address: IpAddr) -> Result<(), ApiProblem> {
        sizes(request)?;
        auth::host(self.loopback, &self.settings.hosts, request.headers())?;
        let offer = auth::offer(self.token.as_ref(), request.headers());
        // Strangers behind the same proxy must not use up what the token's holders have.
        let rate = if offer == Offer::Right { &self.rate } else { &self.rate_of_strangers };
        if let Err(seconds) = rate.take(address, (self.sources.clock)()) {
            let told = "too many requests from this address";
            let problem = ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, told, "wait, and ask for larger pages");
            return Err(problem.retry_after(seconds));
        }
        auth::origin(request.method(), request.headers())?;
        match offer {
            // Who looks whether the collector is well has no token; it is told yes or no.
            Offer::Nothing if request.uri().path() == "/healthz" => Ok(()),
            Offer::Nothing => Err(unauthorized("a token is needed")),
            // Before the wrong ones are counted: others behind the same address may have sent those.
            Offer::Right => {
                request.extensions_mut().insert(TrustedProxies);
                Ok(())
            }
            Offer::Wrong => {
                self.wrong_tokens.take(address, (self.sources.clock)()).map_err(too_many_wrong)?;
                sleep(self.settings.limits.wrong_token_delay).await;
                Err(unauthorized("the token is wrong"))
            }
        }
    }
}

fn unauthorized(told: &str) -> ApiProblem {
    ApiProblem::new(StatusCode::UNAUTHORIZED, told, "send `authorization: Bearer TOKEN`")
}

fn too_many_wrong(seconds: u64) -> ApiProblem {
    let told = "too many wrong tokens from this address";
    ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, told, "wait").retry_after(seconds)
}

impl RequestCounts {
    fn count(&self, path: &str, status: StatusCode) {
        let route = ROUTES.iter().position(|route| route.is(path)).unwrap_or(ROUTES.len());
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.0[route][class].fetch_add(1, Relaxed);
    }

    /// Path, class and number of answers, without those there were none of.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let paths = ROUTES.iter().map(|route| route.path).chain(["other"]);
        let classes = ["2xx", "3xx", "4xx", "5xx"];
        paths.zip(&self.0).flat_map(move |(path, counts)| {
            let counts = classes.into_iter().zip(counts);
            counts.map(move |(class, count)| (path, class, count.load(Relaxed))).filter(|(_, _, count)| *count > 0)
        })
    }
}

pub(super) async fn pass(
    State(app): State<WebState>,
    ConnectInfo(peer): ConnectInfo<ClientAddress>,
    mut request: Request,
    next: Next,
) -> Response {
    let busy = peer.busy();
    let path = request.uri().path().to_owned();
    let client = proxy::client(peer.address.ip(), &app.settings.trusted_proxies, request.headers());
    let mut response = match app.check(&mut request, client).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    app.requests.count(&path, response.status());
    secure(&mut response);
    drop(busy);
    response
}

fn sizes(request: &Request) -> Result<(), ApiProblem> {
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers > HEADER_BYTES_MAX {
        let told = format!("{headers} bytes of headers, {HEADER_BYTES_MAX} are allowed");
        return Err(ApiProblem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, told, "leave some out"));
    }
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri > URI_BYTES_MAX {
        let told = format!("an address of {uri} bytes, {URI_BYTES_MAX} are allowed");
        return Err(ApiProblem::new(StatusCode::URI_TOO_LONG, told, "filter by less"));
    }
    Ok(())
}

/// What is not set by a page itself: nothing is guessed, framed, kept or sent on.
fn secure(response: &mut Response) {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// No route has this path.
pub(super) async fn unknown(request: Request) -> ApiProblem {
    ApiProblem::not_found(format!("not found: {}", super::query::shown(request.uri().path())))
}

/// The route has another method.
pub(super) async fn other_method(method: Method) -> ApiProblem {
    let told = format!("{} is not what this address takes", super::query::shown(method.as_str()));
    ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, told, "see `allow`; verdicts are posted, all else is read")
}
