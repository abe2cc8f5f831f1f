//! Entries, batches and agents for tests.

use oddline_collector::store::{AgentKey, BatchBody, DatabaseAddress, OpenMode, ReceivedBatch, Store};
use oddline_core::{
    event::{
        BoundedText, ClockStamp, Episode, EpisodeKind, EpisodeReason, Event, Extras, Finite, FloodSummary, Gap, List,
        Silence, SourceFault, SpoolEntry,
    },
    id::{BootId, Epoch},
    time::EventTime,
};
use oddline_testkit::postgres::shared_database;

pub(crate) fn who(fleet: &str, agent: &str) -> AgentKey {
    AgentKey { fleet: fleet.parse().unwrap(), agent: agent.parse().unwrap() }
}

pub(crate) fn epoch(bits: u64) -> Epoch {
    Epoch::from_random(bits)
}

pub(crate) fn stamp() -> ClockStamp {
    ClockStamp { boot: BootId([7; 16]), monotonic_us: 5, wall: EventTime::from_micros(1_000) }
}

pub(crate) fn episode(number: u64, records: u64, last_us: i64) -> Episode {
    let reason = EpisodeReason {
        feature: BoundedText::cut("value"),
        observed: Finite::<f64>::nearest(9.0),
        expected: Finite::<f64>::new(4.0),
        share: Finite::<f32>::nearest(3.5),
    };
    Episode {
        source: BoundedText::cut("/var/log/syslog"),
        number,
        server: BoundedText::cut(if number.is_multiple_of(3) { "web-1" } else { "db-1" }),
        component: BoundedText::cut(if number.is_multiple_of(2) { "cpu" } else { "disk" }),
        kind: if number.is_multiple_of(5) { EpisodeKind::Range } else { EpisodeKind::Score },
        first: EventTime::from_micros(1_000_000),
        last: EventTime::from_micros(last_us),
        records,
        peak: Finite::<f32>::nearest(1.5 + number as f32),
        threshold: Finite::<f32>::nearest(1.0),
        main_reason: BoundedText::cut("value far from its usual level"),
        reasons: [reason].into_iter().collect(),
        value: Finite::<f64>::nearest(9300.0),
        expected: Finite::<f64>::new(120.5),
        learning: false,
        samples: [BoundedText::cut("Jan  5 cron[1]: took 9300 ms")].into_iter().collect(),
        model: 3,
        by_clock: false,
        extras: Extras::default(),
    }
}

/// The entry that an agent would have under this sequence: a mixture of all kinds, some with what databases choke on.
pub(crate) fn entry(sequence: u64) -> SpoolEntry {
    let source = BoundedText::cut("/var/log/syslog");
    let instant = |us: u64| EventTime::from_micros(i64::try_from(us).unwrap());
    let number = sequence / 3;
    let event = match sequence % 12 {
        0 => Event::Gap(Gap {
            source,
            bytes: Some(sequence),
            records: None,
            after: None,
            cause: BoundedText::cut("rotated away\0 with 'quotes'"),
            extras: Extras::default(),
        }),
        1 => Event::SourceFailed(SourceFault {
            source,
            cause: BoundedText::cut("gone \u{1f980}"),
            extras: Extras::default(),
        }),
        2 => Event::Silence(Silence {
            source,
            server: BoundedText::cut("web-1"),
            component: BoundedText::cut("cr\0on"),
            last: instant(sequence),
            until: instant(sequence * 1_000_000),
            usual_s: Finite::<f64>::nearest(0.0),
            model: u64::MAX,
            by_clock: true,
            extras: Extras::default(),
        }),
        3 => Event::FloodSummary(FloodSummary {
            source,
            from: instant(sequence),
            to: instant(sequence * 1_000),
            suppressed: u64::MAX,
            components: [(BoundedText::cut("cpu"), 4), (BoundedText::cut("disk"), 3)].into_iter().collect(),
            others: 0,
            by_clock: false,
            extras: Extras::default(),
        }),
        4 | 7 | 10 => Event::EpisodeOpened(Box::new(episode(number, 1, 2_000_000))),
        5 | 8 => Event::EpisodeUpdated(Box::new(episode(number, 2, 3_000_000 + sequence as i64))),
        6 | 9 => Event::EpisodeEnded(Box::new(episode(number.saturating_sub(1), 4, i64::MAX / 2))),
        _ => {
            let mut last = episode(number, u64::MAX, i64::MIN);
            last.main_reason = BoundedText::cut("\0");
            last.reasons = List::default();
            last.peak = Finite::<f32>::nearest(f32::MAX);
            Event::NewLevel(Box::new(last))
        }
    };
    SpoolEntry { event, stamp: stamp() }
}

/// An agent's batch of `count` entries from `first` on.
pub(crate) fn batch(who: &AgentKey, epoch: Epoch, first: u64, count: u64) -> ReceivedBatch {
    let entries = (first..first + count).map(entry).collect();
    ReceivedBatch { who: who.clone(), epoch, first, body: BatchBody::Entries(entries) }
}

/// A batch of one opened episode.
pub(crate) fn odd(who: &AgentKey, epoch: Epoch, sequence: u64, episode: Episode) -> ReceivedBatch {
    let entry = SpoolEntry { event: Event::EpisodeOpened(Box::new(episode)), stamp: stamp() };
    ReceivedBatch { who: who.clone(), epoch, first: sequence, body: BatchBody::Entries(vec![entry]) }
}

/// An empty PostgreSQL, where it is installed.
pub(crate) fn postgres(test: &str) -> Option<DatabaseAddress> {
    Some(shared_database(test)?.parse().unwrap())
}

/// Empty stores, each with its address: SQLite in the folder, PostgreSQL where it is installed.
pub(crate) async fn stores(test: &str, folder: &std::path::Path) -> Vec<(DatabaseAddress, Store)> {
    let mut addresses = vec![DatabaseAddress::Sqlite(folder.join("collector.db"))];
    addresses.extend(postgres(test));
    let mut stores = Vec::new();
    for address in addresses {
        let store = Store::open(&address, OpenMode::Serve).await.unwrap();
        stores.push((address, store));
    }
    stores
}
