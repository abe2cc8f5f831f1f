//! The live stream: anomalies as they are stored or changed, as server-sent events.
//!
//! ```text
//!  hello    {"now"}                   once; its id is a place to go on from
//!  anomaly  as the list shows it      its id is the place behind it; a verdict has none
//!  skipped  {"anomalies"}             more changed at once than is told one by one
//!  missed   {"events"}                the client was too slow; the stream ends
//! ```
//!
//! One task asks the [`feed`] when the writer has committed, and once a second for what other collectors of the same
//! database wrote. A client that comes back with `last-event-id` gets what it missed.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{ServeSources, error::ApiProblem, limits::HttpLimits, query::Query, web::WebState};
use crate::{
    clock::now_us,
    feed::{self, ChangeFeed, behind},
    show::anomalies::json as shown,
    store::StoreChange,
    time::TimeZoneChoice,
};

/// How often other collectors' changes are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks: at thousands of transactions a second the store is asked four times.
const GAP: Duration = Duration::from_millis(250);

/// One event as it is sent.
#[derive(Debug)]
struct SseEvent {
    event: &'static str,
    id: Option<StoreChange>,
    data: String,
}

/// Where listeners meet what is new.
#[derive(Debug, Clone)]
pub(super) struct ChangeHub {
    sender: broadcast::Sender<Arc<SseEvent>>,
    places: Arc<Semaphore>,
    listeners: usize,
}

impl ChangeHub {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        let (sender, _) = broadcast::channel(limits.backlog.max(1));
        Self { sender, places: Arc::new(Semaphore::new(limits.listeners)), listeners: limits.listeners }
    }

    pub(super) fn count(&self) -> usize {
        self.listeners - self.places.available_permits()
    }

    /// Tells all listeners of a verdict; nobody has to listen. It has no place among the changes.
    pub(super) fn tell(&self, anomaly: &crate::store::AnomalyRow) {
        self.send(SseEvent { id: None, ..told(anomaly) });
    }

    fn send(&self, told: SseEvent) {
        let _: Result<usize, _> = self.sender.send(Arc::new(told));
    }

    /// Looks for what is new until `stop`.
    pub(super) async fn run(self, sources: ServeSources, mut stop: watch::Receiver<bool>) {
        let mut commits = sources.live.subscribe();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = ChangeFeed::new(sources.store, now_us());
        let mut last = Instant::now();
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = tick.tick() => {}
                // What it says is in the store, and so is what was too much for its channel.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) = commits.recv() => {
                    sleep_until(last + GAP).await;
                    commits = commits.resubscribe();
                }
            }
            last = Instant::now();
            if self.sender.receiver_count() == 0 {
                let end = feed.at_end(now_us()).await;
                // Who came meanwhile is told from where we were.
                if let Ok(end) = end
                    && self.sender.receiver_count() == 0
                {
                    feed = end;
                }
                continue;
            }
            let found = feed.next(now_us()).await;
            // After an error the same is found at the next look; /healthz says what is wrong.
            let Ok(changes) = found else { continue };
            changes.anomalies.iter().for_each(|anomaly| self.send(told(anomaly)));
            if changes.skipped > 0 {
                self.send(skipped(changes.skipped, None));
            }
        }
    }
}

fn told(anomaly: &crate::store::AnomalyRow) -> SseEvent {
    SseEvent {
        event: "anomaly",
        id: Some(feed::place(anomaly)),
        data: shown(anomaly, &TimeZoneChoice::utc()).to_string(),
    }
}

/// More changed than is told one by one; the place behind it, for a client that came back.
fn skipped(anomalies: usize, id: Option<StoreChange>) -> SseEvent {
    SseEvent { event: "skipped", id, data: json!({"anomalies": anomalies}).to_string() }
}

struct LiveListener {
    news: broadcast::Receiver<Arc<SseEvent>>,
    /// What is sent before the news.
    first: VecDeque<Arc<SseEvent>>,
    /// What was there before it came is no news.
    after: StoreChange,
    /// What was told again; it may be among the news.
    replayed: BTreeSet<StoreChange>,
    stop: watch::Receiver<bool>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl LiveListener {
    fn knows(&mut self, told: &SseEvent) -> bool {
        told.id.as_ref().is_some_and(|id| *id <= self.after || self.replayed.remove(id))
    }

    async fn next(&mut self) -> Option<Arc<SseEvent>> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        while !self.ended {
            tokio::select! {
                _ = self.stop.changed() => self.ended = true,
                news = self.news.recv() => match news {
                    Ok(told) if self.knows(&told) => {}
                    Ok(told) => return Some(told),
                    Err(broadcast::error::RecvError::Closed) => self.ended = true,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        self.ended = true;
                        // What still lies in the channel is not sent either: the client comes back for all of it.
                        let events = missed + self.news.len() as u64;
                        return Some(Arc::new(SseEvent { event: "missed", id: None, data: json!({"events": events}).to_string() }));
                    }
                },
            }
        }
        None
    }
}

/// `GET /api/v1/live`.
pub(super) async fn live(State(app): State<WebState>, request: Request) -> Result<Response, ApiProblem> {
    Query::read(request.uri(), &[], now_us())?;
    let after = place(&request)?;
    let Ok(permit) = Arc::clone(&app.hub.places).try_acquire_owned() else {
        let told = format!("{} clients listen already", app.hub.listeners);
        return Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, told, "close one, or try again").retry_after(10));
    };
    let news = app.hub.sender.subscribe();
    let newest = app.ask(|store| async move { store.newest_change().await }).await?;
    // Where the clock was set back, what comes now is news all the same.
    let newest = newest.min(now_us());
    let data = json!({"now": TimeZoneChoice::utc().exact(now_us())}).to_string();
    let mut first =
        VecDeque::from([Arc::new(SseEvent { event: "hello", id: after.is_none().then(|| behind(newest)), data })]);
    let (mut replayed, mut known) = (BTreeSet::new(), behind(newest));
    if let Some(after) = after {
        known = after.clone().min(behind(now_us()));
        let missed = app.ask(|store| async move { feed::since(&store, &after).await }).await?;
        let mut all: Vec<SseEvent> = missed.anomalies.iter().map(told).collect();
        all.extend((missed.skipped > 0).then(|| skipped(missed.skipped, missed.last)));
        for told in all {
            replayed.extend(told.id.clone());
            first.push_back(Arc::new(told));
        }
    }
    let listener = LiveListener {
        news,
        first,
        after: known,
        replayed,
        stop: app.stop.clone(),
        ended: *app.stop.borrow(),
        _place: permit,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let told = listener.next().await?;
        Some((Ok::<Event, Infallible>(event(&told)), listener))
    });
    // Often enough that the connection is not taken for one that waits for a request.
    let alive = KeepAlive::new().interval(app.settings.limits.head / 3).text("still here");
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

fn event(told: &SseEvent) -> Event {
    let event = Event::default().event(told.event).data(&told.data);
    match &told.id {
        Some(id) => event.id(format!("{}~{}", id.updated_us, id.id)),
        None => event,
    }
}

/// Where a client that comes back stopped.
fn place(request: &Request) -> Result<Option<StoreChange>, ApiProblem> {
    let Some(value) = request.headers().get("last-event-id") else { return Ok(None) };
    let place = value.to_str().ok().and_then(|value| value.split_once('~'));
    let place = place.and_then(|(us, id)| Some(StoreChange { updated_us: us.parse().ok()?, id: id.to_owned() }));
    place.filter(|place| place.id.bytes().all(|byte| byte.is_ascii_alphanumeric())).map(Some).ok_or_else(|| {
        let told = "last-event-id is none of ours";
        ApiProblem::new(StatusCode::BAD_REQUEST, told, "send the id of the last event, or leave it out")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed_and_let_go() {
        let hub = ChangeHub::new(&HttpLimits { backlog: 4, listeners: 1, ..HttpLimits::default() });
        let (_keep, stop) = watch::channel(false);
        let place = Arc::clone(&hub.places).try_acquire_owned().unwrap();
        let news = hub.sender.subscribe();
        let mut listener = LiveListener {
            news,
            first: VecDeque::new(),
            after: behind(-1),
            replayed: BTreeSet::new(),
            stop,
            ended: false,
            _place: place,
        };
        assert_eq!(hub.count(), 1);
        let say = |n: i64| {
            let id = Some(StoreChange { updated_us: n, id: "a".into() });
            hub.send(SseEvent { event: "anomaly", id, data: n.to_string() });
        };
        (0..4).for_each(say);
        assert_eq!(listener.next().await.unwrap().data, "0", "four behind is not too many");
        (4..13).for_each(say);
        let last = listener.next().await.unwrap();
        assert_eq!((last.event, last.data.as_str()), ("missed", r#"{"events":12}"#));
        assert!(listener.next().await.is_none());
        drop(listener);
        assert_eq!(hub.count(), 0);
    }

    #[tokio::test]
    async fn what_was_told_again_is_not_told_twice_and_a_stop_ends_it() {
        let hub = ChangeHub::new(&HttpLimits::default());
        let (end, stop) = watch::channel(false);
        let place = Arc::clone(&hub.places).try_acquire_owned().unwrap();
        let change = |n: i64| StoreChange { updated_us: n, id: "a".into() };
        let replayed = BTreeSet::from([change(1)]);
        let news = hub.sender.subscribe();
        let mut listener = LiveListener {
            news,
            first: VecDeque::new(),
            after: behind(-1),
            replayed,
            stop,
            ended: false,
            _place: place,
        };
        for n in [1, 2] {
            hub.send(SseEvent { event: "anomaly", id: Some(change(n)), data: n.to_string() });
        }
        assert_eq!(listener.next().await.unwrap().data, "2");
        end.send(true).unwrap();
        assert!(listener.next().await.is_none());
    }
}
