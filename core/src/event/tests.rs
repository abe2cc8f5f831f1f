//! Entries of every kind come back from postcard and JSON as they were; the largest fits its ceiling.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::id::BootId;

/// Any text, often too long.
fn text<const MAX: usize>() -> impl Strategy<Value = BoundedText<MAX>> {
    prop_oneof![4 => "\\PC{0,20}", 1 => "\\PC{0,90}"].prop_map(|t| BoundedText::cut(&t))
}

fn instant() -> impl Strategy<Value = EventTime> {
    prop_oneof![
        3 => 0..4_000_000_000_000_000_i64,
        1 => any::<i64>(),
    ]
    .prop_map(EventTime::from_micros)
}

fn single() -> impl Strategy<Value = Finite<f32>> {
    any::<f32>().prop_map(Finite::<f32>::nearest)
}

fn double() -> impl Strategy<Value = Finite<f64>> {
    any::<f64>().prop_map(Finite::<f64>::nearest)
}

fn kind() -> impl Strategy<Value = EpisodeKind> {
    prop_oneof![
        Just(EpisodeKind::Score),
        Just(EpisodeKind::Range),
        Just(EpisodeKind::Silence),
        Just(EpisodeKind::Rate),
        Just(EpisodeKind::Novelty),
        Just(EpisodeKind::NotFinite),
        (6..u32::MAX).prop_map(EpisodeKind::Other)
    ]
}

fn reason() -> impl Strategy<Value = EpisodeReason> {
    (text(), double(), option::of(double()), single()).prop_map(|(feature, observed, expected, share)| EpisodeReason {
        feature,
        observed,
        expected,
        share,
    })
}

fn extras() -> impl Strategy<Value = Extras> {
    let value = prop_oneof![any::<i64>().prop_map(serde_json::Value::from), "\\PC{0,12}".prop_map(Into::into)];
    vec(("[a-z]{1,8}", value), 0..3).prop_map(|pairs| {
        let mut extras = Extras::default();
        pairs.iter().for_each(|(name, value)| extras.set(name, value).unwrap());
        extras
    })
}

fn episode() -> impl Strategy<Value = Box<Episode>> {
    let who = (text(), any::<u64>(), text(), text(), kind(), instant(), instant(), any::<u64>());
    let why = (single(), single(), text(), vec(reason(), 0..4), double(), option::of(double()));
    let rest = (any::<bool>(), vec(text(), 0..4), any::<u64>(), any::<bool>(), extras());
    (who, why, rest).prop_map(
        |(
            (source, number, server, component, kind, first, last, records),
            (peak, threshold, main_reason, reasons, value, expected),
            (learning, samples, model, by_clock, extras),
        )| {
            Box::new(Episode {
                source,
                number,
                server,
                component,
                kind,
                first,
                last,
                records,
                peak,
                threshold,
                main_reason,
                reasons: reasons.into_iter().collect(),
                value,
                expected,
                learning,
                samples: samples.into_iter().collect(),
                model,
                by_clock,
                extras,
            })
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let gap =
        (text(), option::of(any::<u64>()), option::of(any::<u64>()), option::of(instant()), text(), extras()).prop_map(
            |(source, bytes, records, after, cause, extras)| Gap { source, bytes, records, after, cause, extras },
        );
    let flood =
        (text(), instant(), instant(), any::<u64>(), vec((text(), any::<u64>()), 0..4), any::<u64>(), any::<bool>())
            .prop_map(|(source, from, to, suppressed, components, others, by_clock)| {
                let components = components.into_iter().collect();
                let extras = Extras::default();
                FloodSummary { source, from, to, suppressed, components, others, by_clock, extras }
            });
    let swap = (text(), any::<u64>(), option::of(any::<u64>()), any::<u64>())
        .prop_map(|(source, position, from, to)| ModelSwap { source, position, from, to, extras: Extras::default() });
    let silence = (text(), text(), text(), instant(), instant(), double(), any::<u64>(), any::<bool>()).prop_map(
        |(source, server, component, last, until, usual_s, model, by_clock)| Silence {
            source,
            server,
            component,
            last,
            until,
            usual_s,
            model,
            by_clock,
            extras: Extras::default(),
        },
    );
    let fault = || (text(), text(), extras()).prop_map(|(source, cause, extras)| SourceFault { source, cause, extras });
    prop_oneof![
        episode().prop_map(Event::EpisodeOpened),
        episode().prop_map(Event::EpisodeUpdated),
        episode().prop_map(Event::EpisodeEnded),
        episode().prop_map(Event::NewLevel),
        gap.prop_map(Event::Gap),
        flood.prop_map(Event::FloodSummary),
        fault().prop_map(Event::SourceFailed),
        fault().prop_map(Event::SourceRecovered),
        swap.prop_map(Event::ModelSwap),
        silence.prop_map(Event::Silence),
    ]
}

/// Any entry.
pub(crate) fn entry() -> impl Strategy<Value = SpoolEntry> {
    (event(), any::<[u8; 16]>(), any::<u64>(), instant()).prop_map(|(event, boot, monotonic_us, wall)| SpoolEntry {
        event,
        stamp: ClockStamp { boot: BootId(boot), monotonic_us, wall },
    })
}

/// As many and as large as there may be.
fn largest_extras() -> Extras {
    let mut extras = Extras::default();
    for i in 1..EXTRAS_MAX {
        extras.set(&format!("{i:02}{}", "n".repeat(EXTRA_NAME_BYTES_MAX - 2)), &1).unwrap();
    }
    let left = EXTRAS_BYTES_MAX - (EXTRAS_MAX - 1) * (EXTRA_NAME_BYTES_MAX + 4) - 4;
    extras.set("x", &"x".repeat(left - 2)).unwrap();
    assert!(extras.clone().set("y", &1).is_err());
    extras
}

fn largest_episode() -> Episode {
    let instant = EventTime::from_micros(i64::MIN);
    let reason = EpisodeReason {
        feature: BoundedText::cut(&"f".repeat(FEATURE_BYTES_MAX)),
        observed: Finite::<f64>::nearest(f64::MAX),
        expected: Finite::<f64>::new(f64::MAX),
        share: Finite::<f32>::nearest(f32::MAX),
    };
    Episode {
        source: BoundedText::cut(&"s".repeat(SOURCE_BYTES_MAX)),
        number: u64::MAX,
        server: BoundedText::cut(&"n".repeat(NAME_BYTES_MAX)),
        component: BoundedText::cut(&"n".repeat(NAME_BYTES_MAX)),
        kind: EpisodeKind::NotFinite,
        first: instant,
        last: instant,
        records: u64::MAX,
        peak: Finite::<f32>::nearest(f32::MAX),
        threshold: Finite::<f32>::nearest(f32::MAX),
        main_reason: BoundedText::cut(&"r".repeat(REASON_BYTES_MAX)),
        reasons: core::iter::repeat_n(reason, REASONS_MAX).collect(),
        value: Finite::<f64>::nearest(f64::MAX),
        expected: Finite::<f64>::new(f64::MAX),
        learning: true,
        samples: core::iter::repeat_n(BoundedText::cut(&"x".repeat(SAMPLE_BYTES_MAX)), SAMPLES_MAX).collect(),
        model: u64::MAX,
        by_clock: true,
        extras: largest_extras(),
    }
}

#[test]
fn the_largest_entries_fit() {
    let stamp = ClockStamp { boot: BootId([255; 16]), monotonic_us: u64::MAX, wall: EventTime::from_micros(i64::MIN) };
    let size = |event| postcard::to_stdvec(&SpoolEntry { event, stamp }).unwrap().len();
    let episode = size(Event::EpisodeEnded(Box::new(largest_episode())));
    assert!(episode > EPISODE_BYTES - 128 && episode <= EPISODE_BYTES, "{episode} of {EPISODE_BYTES}");
    let name: Name = BoundedText::cut(&"n".repeat(NAME_BYTES_MAX));
    let flood = size(Event::FloodSummary(FloodSummary {
        source: BoundedText::cut(&"s".repeat(SOURCE_BYTES_MAX)),
        from: stamp.wall,
        to: stamp.wall,
        suppressed: u64::MAX,
        components: core::iter::repeat_n((name, u64::MAX), FLOOD_COMPONENTS_MAX).collect(),
        others: u64::MAX,
        by_clock: true,
        extras: largest_extras(),
    }));
    assert!(flood <= FLOOD_BYTES, "{flood} of {FLOOD_BYTES}");
}

#[test]
fn the_names_of_events_are_those_that_serde_writes() {
    let names = Event::names();
    assert_eq!(names.len(), 10, "{names:?}");
    let swap = ModelSwap { source: BoundedText::default(), position: 0, from: None, to: 1, extras: Extras::default() };
    let event = Event::ModelSwap(swap);
    let number = usize::from(postcard::to_stdvec(&event).unwrap()[0]);
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json.as_object().unwrap().keys().next().unwrap(), names[number]);
}

#[test]
fn json_reads_well() {
    let mut episode = largest_episode();
    episode.first = EventTime::parse("2026-01-05T00:00:00Z").unwrap();
    episode.peak = Finite::<f32>::nearest(3.7);
    let stamp = ClockStamp { boot: BootId([0; 16]), monotonic_us: 5, wall: episode.first };
    let entry = SpoolEntry { event: Event::EpisodeOpened(Box::new(episode)), stamp };
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
    let opened = &json["event"]["episode_opened"];
    assert_eq!(opened["first"], "2026-01-05T00:00:00Z");
    assert_eq!(opened["kind"], "not_finite");
    assert!(serde_json::to_string(&entry).unwrap().contains("\"peak\":3.7,"));
    assert_eq!(json["stamp"]["boot"], "0".repeat(32));
}

#[test]
fn identity_is_the_event_alone_and_only_of_what_a_replay_meets() {
    let stamp = |us| ClockStamp { boot: BootId([us as u8; 16]), monotonic_us: us, wall: EventTime::from_micros(0) };
    let mut episode = largest_episode();
    let entry =
        |episode: &Episode, us| SpoolEntry { event: Event::EpisodeOpened(Box::new(episode.clone())), stamp: stamp(us) };
    assert_eq!(entry(&episode, 1).identity(), None);
    episode.by_clock = false;
    assert_ne!(entry(&episode, 1), entry(&episode, 2));
    assert_eq!(entry(&episode, 1).identity(), entry(&episode, 2).identity());
    let fault = SourceFault { source: BoundedText::cut("a"), cause: BoundedText::cut("b"), extras: Extras::default() };
    assert_eq!(SpoolEntry { event: Event::SourceFailed(fault), stamp: stamp(1) }.identity(), None);
}

proptest! {
    #[test]
    fn postcard_and_json_give_back_what_they_got(entry in entry()) {
        let bytes = postcard::to_stdvec(&entry).unwrap();
        prop_assert!(bytes.len() <= ENTRY_BYTES_MAX);
        prop_assert_eq!(&postcard::from_bytes::<SpoolEntry>(&bytes).unwrap(), &entry);
        let json = serde_json::to_string(&entry).unwrap();
        prop_assert_eq!(&serde_json::from_str::<SpoolEntry>(&json).unwrap(), &entry);
    }
}
