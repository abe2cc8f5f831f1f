//! The live stream: anomalies as they are stored or changed, as server-sent events.
//!
//! ```text
//!  hello    {"now"}                   once; its id is a place to go on from
//!  anomaly  as the list shows it      its id is the place behind it; a verdict has none
//!  skipped  {"anomalies"}             more changed at once than is told one by one
//!  missed   {"events"}                the client was too slow; the stream ends
//! ```
//!
//! One task looks at the store when the writer has committed, and once a second for what other collectors of the same
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

use super::{Sources, error::Problem, limits::Limits, query::Query, web::App};
use crate::{
    clock::now_us,
    show::{anomalies::json as shown, time::Zone},
    store::{Change, ID_CHARS, Store, StoreError},
};

/// How often other collectors' changes are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks: at thousands of transactions a second the store is asked four times.
const GAP: Duration = Duration::from_millis(250);
/// Anomalies of one look that are told one by one: what a person can see passing.
const TOLD_MAX: usize = 200;
/// Changes of one look, as ids.
const LOOK_MAX: u32 = 10_000;
/// Pages of one look: what two collectors write within the overlap, many times over.
const PAGES_MAX: u32 = 64;
/// Anomalies that are told again to a client that comes back.
const REPLAY_MAX: u32 = 500;
/// Another collector's transaction may become visible so much later than the time in its rows.
const OVERLAP_US: i64 = 5_000_000;

/// One event as it is sent.
#[derive(Debug)]
struct Told {
    event: &'static str,
    id: Option<Change>,
    data: String,
}

/// Where listeners meet what is new.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    sender: broadcast::Sender<Arc<Told>>,
    places: Arc<Semaphore>,
    listeners: usize,
}

impl Hub {
    pub(super) fn new(limits: &Limits) -> Self {
        let (sender, _) = broadcast::channel(limits.backlog.max(1));
        Self { sender, places: Arc::new(Semaphore::new(limits.listeners)), listeners: limits.listeners }
    }

    /// Clients that listen now.
    pub(super) fn count(&self) -> usize {
        self.listeners - self.places.available_permits()
    }

    /// Tells all listeners of a verdict; nobody has to listen. It has no place among the changes.
    pub(super) fn tell(&self, anomaly: &crate::store::Anomaly) {
        self.send(Told { id: None, ..told(anomaly) });
    }

    fn send(&self, told: Told) {
        let _: Result<usize, _> = self.sender.send(Arc::new(told));
    }

    /// Looks for what is new until `stop`.
    pub(super) async fn run(self, sources: Sources, mut stop: watch::Receiver<bool>) {
        let mut commits = sources.live.subscribe();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let overlap_us = if sources.store.leases().are_shared() { OVERLAP_US } else { 0 };
        let newest = behind(now_us());
        let mut look = Look { store: sources.store, overlap_us, page: LOOK_MAX, newest, told: BTreeSet::new() };
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
                let end = look.end(now_us()).await;
                // Who came meanwhile is told from where we were.
                if let Ok(end) = end
                    && self.sender.receiver_count() == 0
                {
                    look = end;
                }
                continue;
            }
            let found = look.news(now_us()).await;
            // After an error the same is found at the next look; /healthz says what is wrong.
            let Ok((news, skipped)) = found else { continue };
            news.into_iter().for_each(|told| self.send(told));
            if skipped > 0 {
                self.send(Told { event: "skipped", id: None, data: json!({"anomalies": skipped}).to_string() });
            }
        }
    }
}

/// How far the store was looked at.
struct Look {
    store: Store,
    overlap_us: i64,
    /// Changes that are read at once.
    page: u32,
    newest: Change,
    /// Of the overlap.
    told: BTreeSet<Change>,
}

impl Look {
    /// The same at the end of what there is: nobody listens.
    async fn end(&self, now_us: i64) -> Result<Self, StoreError> {
        let Self { ref store, overlap_us, page, .. } = *self;
        let updated_us = store.newest_change().await?.min(now_us);
        let mut told = BTreeSet::new();
        if overlap_us > 0 {
            let mut from = Change { updated_us: updated_us.saturating_sub(overlap_us), id: String::new() };
            for _ in 0..PAGES_MAX {
                let changes = store.changed(&from, page).await?;
                let Some(last) = changes.last().filter(|_| changes.len() >= page as usize) else {
                    told.extend(changes);
                    break;
                };
                from = last.clone();
                told.extend(changes);
            }
            // What came between the two questions is news.
            told.retain(|change| change.updated_us <= updated_us);
        }
        Ok(Self { store: store.clone(), overlap_us, page, newest: behind(updated_us), told })
    }

    /// What changed since the last look, and how many more did.
    async fn news(&mut self, now_us: i64) -> Result<(Vec<Told>, usize), StoreError> {
        let ahead_us = now_us.saturating_add(OVERLAP_US);
        if self.newest.updated_us > ahead_us {
            // The clock was set back: what is dated ahead is told again when its time comes, what is new now.
            self.newest = behind(now_us);
            self.told.clear();
        }
        let newest = self.newest.clone();
        let changes = self.unknown(ahead_us).await?;
        let Some(last) = changes.last().cloned() else { return Ok((Vec::new(), 0)) };
        let skipped = changes.len().saturating_sub(TOLD_MAX);
        let mut news = Vec::new();
        for change in changes.iter().take(TOLD_MAX) {
            news.extend(self.store.anomaly(&change.id).await?.first().map(told));
        }
        let keep_us = last.updated_us.saturating_sub(self.overlap_us.saturating_mul(2));
        if self.overlap_us > 0 {
            self.told.extend(changes);
            self.told.retain(|change| change.updated_us >= keep_us);
        }
        self.newest = last.max(newest);
        Ok((news, skipped))
    }

    /// What was not told, a page or a little more; known ones alone do not fill it.
    async fn unknown(&self, ahead_us: i64) -> Result<Vec<Change>, StoreError> {
        let mut from = match self.overlap_us {
            0 => self.newest.clone(),
            overlap => Change { updated_us: self.newest.updated_us.saturating_sub(overlap), id: String::new() },
        };
        let (mut found, page) = (Vec::new(), self.page as usize);
        for _ in 0..PAGES_MAX {
            let changes = self.store.changed(&from, self.page).await?;
            let next = changes.last().filter(|last| changes.len() >= page && last.updated_us <= ahead_us).cloned();
            let is_news = |change: &Change| change.updated_us <= ahead_us && !self.told.contains(change);
            found.extend(changes.into_iter().filter(is_news));
            match next {
                Some(next) if found.len() < page => from = next,
                Some(_) | None => break,
            }
        }
        Ok(found)
    }
}

/// Behind every id of that time.
fn behind(updated_us: i64) -> Change {
    Change { updated_us, id: "z".repeat(ID_CHARS + 1) }
}

fn told(anomaly: &crate::store::Anomaly) -> Told {
    let id = Change { updated_us: anomaly.updated_us, id: anomaly.id.clone() };
    Told { event: "anomaly", id: Some(id), data: shown(anomaly, &Zone::utc()).to_string() }
}

/// One listener.
struct Listener {
    news: broadcast::Receiver<Arc<Told>>,
    /// What is sent before the news.
    first: VecDeque<Arc<Told>>,
    /// What was there before it came is no news.
    after: Change,
    /// What was told again; it may be among the news.
    replayed: BTreeSet<Change>,
    stop: watch::Receiver<bool>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn knows(&mut self, told: &Told) -> bool {
        told.id.as_ref().is_some_and(|id| *id <= self.after || self.replayed.remove(id))
    }

    async fn next(&mut self) -> Option<Arc<Told>> {
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
                        return Some(Arc::new(Told { event: "missed", id: None, data: json!({"events": events}).to_string() }));
                    }
                },
            }
        }
        None
    }
}

/// `GET /api/v1/live`.
pub(super) async fn live(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    Query::read(request.uri(), &[], now_us())?;
    let after = place(&request)?;
    let Ok(permit) = Arc::clone(&app.hub.places).try_acquire_owned() else {
        let told = format!("{} clients listen already", app.hub.listeners);
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, told, "close one, or try again").retry_after(10));
    };
    let news = app.hub.sender.subscribe();
    let newest = app.ask(|store| async move { store.newest_change().await }).await?;
    // Where the clock was set back, what comes now is news all the same.
    let newest = newest.min(now_us());
    let data = json!({"now": Zone::utc().exact(now_us())}).to_string();
    let mut first =
        VecDeque::from([Arc::new(Told { event: "hello", id: after.is_none().then(|| behind(newest)), data })]);
    let (mut replayed, mut known) = (BTreeSet::new(), behind(newest));
    if let Some(after) = after {
        known = after.clone().min(behind(now_us()));
        for told in app.ask(|store| replay(store, after)).await? {
            replayed.extend(told.id.clone());
            first.push_back(Arc::new(told));
        }
    }
    let listener = Listener {
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

fn event(told: &Told) -> Event {
    let event = Event::default().event(told.event).data(&told.data);
    match &told.id {
        Some(id) => event.id(format!("{}~{}", id.updated_us, id.id)),
        None => event,
    }
}

/// Where a client that comes back stopped.
fn place(request: &Request) -> Result<Option<Change>, Problem> {
    let Some(value) = request.headers().get("last-event-id") else { return Ok(None) };
    let place = value.to_str().ok().and_then(|value| value.split_once('~'));
    let place = place.and_then(|(us, id)| Some(Change { updated_us: us.parse().ok()?, id: id.to_owned() }));
    place.filter(|place| place.id.bytes().all(|byte| byte.is_ascii_alphanumeric())).map(Some).ok_or_else(|| {
        let told = "last-event-id is none of ours";
        Problem::new(StatusCode::BAD_REQUEST, told, "send the id of the last event, or leave it out")
    })
}

/// What changed while a client was away: the first of it one by one, the rest as a number.
async fn replay(store: Store, after: Change) -> Result<Vec<Told>, StoreError> {
    let changes = store.changed(&after, LOOK_MAX).await?;
    let mut all = Vec::new();
    for change in changes.iter().take(REPLAY_MAX as usize) {
        all.extend(store.anomaly(&change.id).await?.first().map(told));
    }
    let skipped = changes.len().saturating_sub(REPLAY_MAX as usize);
    if let Some(last) = changes.last().filter(|_| skipped > 0) {
        let data = json!({"anomalies": skipped}).to_string();
        all.push(Told { event: "skipped", id: Some(last.clone()), data });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{self, Entry, Extras, Finite, Silence, Stamp, Text},
        id::{BootId, Epoch},
        time::EventTime,
    };

    use super::*;
    use crate::store::{Address, Batch, Body, Mode, Who};

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed_and_let_go() {
        let hub = Hub::new(&Limits { backlog: 4, listeners: 1, ..Limits::default() });
        let (_keep, stop) = watch::channel(false);
        let place = Arc::clone(&hub.places).try_acquire_owned().unwrap();
        let news = hub.sender.subscribe();
        let mut listener = Listener {
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
            let id = Some(Change { updated_us: n, id: "a".into() });
            hub.send(Told { event: "anomaly", id, data: n.to_string() });
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
        let hub = Hub::new(&Limits::default());
        let (end, stop) = watch::channel(false);
        let place = Arc::clone(&hub.places).try_acquire_owned().unwrap();
        let change = |n: i64| Change { updated_us: n, id: "a".into() };
        let replayed = BTreeSet::from([change(1)]);
        let news = hub.sender.subscribe();
        let mut listener =
            Listener { news, first: VecDeque::new(), after: behind(-1), replayed, stop, ended: false, _place: place };
        for n in [1, 2] {
            hub.send(Told { event: "anomaly", id: Some(change(n)), data: n.to_string() });
        }
        assert_eq!(listener.next().await.unwrap().data, "2");
        end.send(true).unwrap();
        assert!(listener.next().await.is_none());
    }

    /// The ids of what a look finds.
    async fn ids(look: &mut Look, now_us: i64) -> Vec<String> {
        let (news, skipped) = look.news(now_us).await.unwrap();
        assert_eq!(skipped, 0);
        news.into_iter().map(|told| told.id.unwrap().id).collect()
    }

    #[tokio::test]
    async fn a_full_page_of_known_ones_and_a_clock_set_back_do_not_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Sqlite(folder.path().join("collector.db"));
        let store = Store::open(&address, Mode::Serve).await.unwrap();
        let now = 1_000_000_000;
        let mut look =
            Look { store: store.clone(), overlap_us: OVERLAP_US, page: 4, newest: behind(now), told: BTreeSet::new() };
        let mut number = 0;
        let mut add = async |count: u64, at_us: i64| {
            for _ in 0..count {
                number += 1;
                store.append(&[silence(number)], at_us).await.unwrap();
            }
        };
        for round in 1..=5 {
            add(3, now + round).await;
            assert_eq!(ids(&mut look, now + round).await.len(), 3, "round {round}");
            assert!(ids(&mut look, now + round).await.is_empty());
        }
        // Nobody listens for a while, and more than a page is within the overlap.
        let mut look = look.end(now + 9).await.unwrap();
        assert!(ids(&mut look, now + 9).await.is_empty());
        add(1, now + 9).await;
        assert_eq!(ids(&mut look, now + 9).await.len(), 1);
        // An hour back.
        let back = now - 3_600_000_000;
        add(2, back).await;
        assert_eq!(ids(&mut look, back + 1).await.len(), 2);
        assert!(ids(&mut look, back + 2).await.is_empty());
        let mut look = look.end(back + 2).await.unwrap();
        add(1, back + 3).await;
        assert_eq!(ids(&mut look, back + 3).await.len(), 1);
    }

    /// A batch with one anomaly that no other has.
    fn silence(number: u64) -> Batch {
        let event = event::Event::Silence(Silence {
            source: Text::cut("a.log"),
            server: Text::cut("web-1"),
            component: Text::cut("cron"),
            last: EventTime::from_micros(1_000 + number as i64),
            until: EventTime::from_micros(9_000_000),
            usual_s: Finite::<f64>::nearest(1.0),
            model: 1,
            by_clock: true,
            extras: Extras::default(),
        });
        let stamp = Stamp { boot: BootId([7; 16]), monotonic_us: 5, wall: EventTime::from_micros(1_000) };
        let who = Who { fleet: "home".parse().unwrap(), agent: "pi".parse().unwrap() };
        Batch { who, epoch: Epoch::from_random(1), first: number, body: Body::Entries(vec![Entry { event, stamp }]) }
    }
}
