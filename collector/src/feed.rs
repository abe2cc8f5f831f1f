//! What is new in the store: anomalies as they are stored or changed, each once, for whoever follows them. Times are
//! arguments. How it is told is left to others.
//!
//! A place in the feed is a [`StoreChange`]: a time and an id. Several collectors may write one database, and a transaction may
//! become visible after a younger one: then the last seconds are read again, and what is known of them left out.

use std::collections::BTreeSet;

use crate::store::{AnomalyRow, ID_CHARS, Store, StoreChange, StoreError};

/// Anomalies of one look that are read one by one: what a person can see passing.
const SHOWN_MAX: usize = 200;
/// Changes of one look, as ids.
const LOOK_MAX: u32 = 10_000;
/// Pages of one look: what two collectors write within the overlap, many times over.
const PAGES_MAX: u32 = 64;
/// Anomalies that are read for somebody who comes back.
const REPLAY_MAX: usize = 500;
/// Another collector's transaction may become visible so much later than the time in its rows.
const OVERLAP_US: i64 = 5_000_000;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// New and changed ones, oldest first.
    pub anomalies: Vec<AnomalyRow>,
    pub skipped: usize,
    /// Where the look ended; `None` when nothing changed.
    pub last: Option<StoreChange>,
}

/// How far the store was looked at.
#[derive(Debug)]
pub(crate) struct ChangeFeed {
    store: Store,
    overlap_us: i64,
    /// Changes that are read at once.
    page: u32,
    newest: StoreChange,
    known: BTreeSet<StoreChange>,
}

impl ChangeFeed {
    /// What changes from now on. Where several collectors write one database, what becomes visible late is found too.
    #[must_use]
    pub(crate) fn new(store: Store, now_us: i64) -> Self {
        let overlap_us = if store.leases().are_shared() { OVERLAP_US } else { 0 };
        Self { store, overlap_us, page: LOOK_MAX, newest: behind(now_us), known: BTreeSet::new() }
    }

    /// The same feed at the end of what there is.
    pub(crate) async fn at_end(&self, now_us: i64) -> Result<Self, StoreError> {
        let Self { ref store, overlap_us, page, .. } = *self;
        let updated_us = store.newest_change().await?.min(now_us);
        let mut known = BTreeSet::new();
        if overlap_us > 0 {
            let mut from = StoreChange { updated_us: updated_us.saturating_sub(overlap_us), id: String::new() };
            for _ in 0..PAGES_MAX {
                let changes = store.changed(&from, page).await?;
                let Some(last) = changes.last().filter(|_| changes.len() >= page as usize) else {
                    known.extend(changes);
                    break;
                };
                from = last.clone();
                known.extend(changes);
            }
            // What came between the two questions is news.
            known.retain(|change| change.updated_us <= updated_us);
        }
        Ok(Self { store: store.clone(), overlap_us, page, newest: behind(updated_us), known })
    }

    /// What changed since the last look. After an error the next look finds the same.
    pub(crate) async fn next(&mut self, now_us: i64) -> Result<Changes, StoreError> {
        let ahead_us = now_us.saturating_add(OVERLAP_US);
        if self.newest.updated_us > ahead_us {
            // The clock was set back: what is dated ahead is found again when its time comes, what is new now.
            self.newest = behind(now_us);
            self.known.clear();
        }
        let newest = self.newest.clone();
        let changes = self.unknown(ahead_us).await?;
        let Some(last) = changes.last().cloned() else { return Ok(Changes::default()) };
        let found = read(&self.store, &changes, SHOWN_MAX).await?;
        let keep_us = last.updated_us.saturating_sub(self.overlap_us.saturating_mul(2));
        if self.overlap_us > 0 {
            self.known.extend(changes);
            self.known.retain(|change| change.updated_us >= keep_us);
        }
        self.newest = last.max(newest);
        Ok(found)
    }

    /// What is not known, a page or a little more; known ones alone do not fill it.
    async fn unknown(&self, ahead_us: i64) -> Result<Vec<StoreChange>, StoreError> {
        let mut from = match self.overlap_us {
            0 => self.newest.clone(),
            overlap => StoreChange { updated_us: self.newest.updated_us.saturating_sub(overlap), id: String::new() },
        };
        let (mut found, page) = (Vec::new(), self.page as usize);
        for _ in 0..PAGES_MAX {
            let changes = self.store.changed(&from, self.page).await?;
            let next = changes.last().filter(|last| changes.len() >= page && last.updated_us <= ahead_us).cloned();
            let is_news = |change: &StoreChange| change.updated_us <= ahead_us && !self.known.contains(change);
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
#[must_use]
pub(crate) fn behind(updated_us: i64) -> StoreChange {
    StoreChange { updated_us, id: "z".repeat(ID_CHARS + 1) }
}

/// The place of an anomaly among the changes.
#[must_use]
pub(crate) fn place(anomaly: &AnomalyRow) -> StoreChange {
    StoreChange { updated_us: anomaly.updated_us, id: anomaly.id.clone() }
}

/// What changed behind a place: the first of it, and how much more.
pub(crate) async fn since(store: &Store, after: &StoreChange) -> Result<Changes, StoreError> {
    let changes = store.changed(after, LOOK_MAX).await?;
    read(store, &changes, REPLAY_MAX).await
}

/// The anomalies of at most `max` changes.
async fn read(store: &Store, changes: &[StoreChange], max: usize) -> Result<Changes, StoreError> {
    let mut anomalies = Vec::new();
    for change in changes.iter().take(max) {
        anomalies.extend(store.anomaly(&change.id).await?.into_iter().next());
    }
    Ok(Changes { anomalies, skipped: changes.len().saturating_sub(max), last: changes.last().cloned() })
}

#[cfg(test)]
mod tests {
    use oddline_core::{
        event::{self, BoundedText, ClockStamp, Extras, Finite, Silence, SpoolEntry},
        id::{BootId, Epoch},
        time::EventTime,
    };

    use super::*;
    use crate::store::{AgentKey, BatchBody, DatabaseAddress, OpenMode, ReceivedBatch};

    /// The ids of what a look finds.
    async fn ids(feed: &mut ChangeFeed, now_us: i64) -> Vec<String> {
        let changes = feed.next(now_us).await.unwrap();
        assert_eq!(changes.skipped, 0);
        changes.anomalies.into_iter().map(|anomaly| anomaly.id).collect()
    }

    #[tokio::test]
    async fn a_full_page_of_known_ones_and_a_clock_set_back_do_not_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let address = DatabaseAddress::Sqlite(folder.path().join("collector.db"));
        let store = Store::open(&address, OpenMode::Serve).await.unwrap();
        let now = 1_000_000_000;
        let mut feed = ChangeFeed { overlap_us: OVERLAP_US, page: 4, ..ChangeFeed::new(store.clone(), now) };
        let mut number = 0;
        let mut add = async |count: u64, at_us: i64| {
            for _ in 0..count {
                number += 1;
                store.append(&[silence(number)], at_us).await.unwrap();
            }
        };
        for round in 1..=5 {
            add(3, now + round).await;
            assert_eq!(ids(&mut feed, now + round).await.len(), 3, "round {round}");
            assert!(ids(&mut feed, now + round).await.is_empty());
        }
        // Nobody listens for a while, and more than a page is within the overlap.
        let mut feed = feed.at_end(now + 9).await.unwrap();
        assert!(ids(&mut feed, now + 9).await.is_empty());
        add(1, now + 9).await;
        assert_eq!(ids(&mut feed, now + 9).await.len(), 1);
        // An hour back.
        let back = now - 3_600_000_000;
        add(2, back).await;
        assert_eq!(ids(&mut feed, back + 1).await.len(), 2);
        assert!(ids(&mut feed, back + 2).await.is_empty());
        let mut feed = feed.at_end(back + 2).await.unwrap();
        add(1, back + 3).await;
        assert_eq!(ids(&mut feed, back + 3).await.len(), 1);
    }

    /// A batch with one anomaly that no other has.
    fn silence(number: u64) -> ReceivedBatch {
        let event = event::Event::Silence(Silence {
            source: BoundedText::cut("a.log"),
            server: BoundedText::cut("web-1"),
            component: BoundedText::cut("cron"),
            last: EventTime::from_micros(1_000 + number as i64),
            until: EventTime::from_micros(9_000_000),
            usual_s: Finite::<f64>::nearest(1.0),
            model: 1,
            by_clock: true,
            extras: Extras::default(),
        });
        let stamp = ClockStamp { boot: BootId([7; 16]), monotonic_us: 5, wall: EventTime::from_micros(1_000) };
        let who = AgentKey { fleet: "home".parse().unwrap(), agent: "pi".parse().unwrap() };
        ReceivedBatch {
            who,
            epoch: Epoch::from_random(1),
            first: number,
            body: BatchBody::Entries(vec![SpoolEntry { event, stamp }]),
        }
    }
}
