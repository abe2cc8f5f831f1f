//! The bytes of everything that leaves a process, pinned: a change to a file in `tests/data` is a change of a format and
//! wants a version or a new name. And the two readers of each: an old one of what a newer program writes, a new one of
//! what an older program wrote (the files themselves). `ODDLINE_PIN=1` writes the files anew.

#![allow(clippy::disallowed_methods, reason = "what is pinned lies in files")]
#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::{env, fmt::Write as _, fs, path::PathBuf};

use oddline_core::{
    event::{
        BoundedText, ClockStamp, Episode, EpisodeKind, EpisodeReason, Event, Extras, Finite, FloodSummary, Gap,
        ModelSwap, Silence, SourceFault, SpoolEntry,
    },
    id::{BootId, Epoch, ModelHash},
    time::EventTime,
    wire::{
        self, Ack, DesiredModel, EntryError, ModelId, ModelState, Refused, decode_ack, decode_body, decode_entry,
        decode_json, encode_ack, encode_batch, encode_json,
    },
};

const EPOCH: Epoch = Epoch::from_random(0x0102_0304_0506_0708);

/// Compares with the file of that name, or writes it.
#[track_caller]
fn assert_pinned(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if env::var_os("ODDLINE_PIN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let pinned = fs::read_to_string(&path).unwrap();
    assert!(pinned == found, "{name} is another format now; pinned:\n{pinned}\nfound:\n{found}");
}

fn pinned(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn at(micros: i64) -> EventTime {
    EventTime::from_micros(1_767_571_200_000_000 + micros)
}

fn extras() -> Extras {
    let mut extras = Extras::default();
    extras.set("vector", &[0.5_f32, -2.25]).unwrap();
    extras.set("severity", "critical").unwrap();
    extras
}

fn episode(extras: Extras) -> Box<Episode> {
    let reason = EpisodeReason {
        feature: BoundedText::cut("residual"),
        observed: Finite::<f64>::nearest(7.5),
        expected: Finite::<f64>::new(1.25),
        share: Finite::<f32>::nearest(3.5),
    };
    Box::new(Episode {
        source: BoundedText::cut("/var/log/app.log"),
        number: 70_000,
        server: BoundedText::cut("web-1"),
        component: BoundedText::cut("latency"),
        kind: EpisodeKind::Score,
        first: at(0),
        last: at(60_000_000),
        records: 3,
        peak: Finite::<f32>::nearest(5.5),
        threshold: Finite::<f32>::nearest(2.0),
        main_reason: BoundedText::cut("unexpected residual"),
        reasons: [reason].into_iter().collect(),
        value: Finite::<f64>::nearest(42.0),
        expected: Finite::<f64>::new(10.5),
        learning: true,
        samples: [BoundedText::cut("took 42 ms")].into_iter().collect(),
        model: 7,
        by_clock: false,
        extras,
    })
}

fn stamp() -> ClockStamp {
    ClockStamp { boot: BootId([0xab; 16]), monotonic_us: 5_000_000, wall: at(61_000_000) }
}

/// One of each, in the order of their numbers.
fn events() -> Vec<Event> {
    let (source, none) = (BoundedText::cut("journal"), Extras::default());
    let fault =
        SourceFault { source: source.clone(), cause: BoundedText::cut("permission denied"), extras: none.clone() };
    let (after, cause) = (Some(at(-1)), BoundedText::cut("deleted"));
    let components = [(BoundedText::cut("disk"), 9)].into_iter().collect();
    let (server, component) = (BoundedText::cut("pi"), BoundedText::cut("cron"));
    vec![
        Event::EpisodeOpened(episode(none.clone())),
        Event::EpisodeUpdated(episode(extras())),
        Event::EpisodeEnded(episode(none.clone())),
        Event::NewLevel(episode(none.clone())),
        Event::Gap(Gap { source: source.clone(), bytes: Some(300), records: None, after, cause, extras: extras() }),
        Event::FloodSummary(FloodSummary {
            source: source.clone(),
            from: at(0),
            to: at(1),
            suppressed: 12,
            components,
            others: 3,
            by_clock: true,
            extras: none.clone(),
        }),
        Event::SourceFailed(fault.clone()),
        Event::SourceRecovered(fault),
        Event::ModelSwap(ModelSwap { source: source.clone(), position: 9, from: Some(7), to: 8, extras: none.clone() }),
        Event::Silence(Silence {
            source,
            server,
            component,
            last: at(0),
            until: at(90_000_000),
            usual_s: Finite::<f64>::nearest(12.5),
            model: 7,
            by_clock: false,
            extras: none,
        }),
    ]
}

fn entries() -> Vec<SpoolEntry> {
    events().into_iter().map(|event| SpoolEntry { event, stamp: stamp() }).collect()
}

#[test]
fn entries_of_every_kind() {
    let entries = entries();
    assert_eq!(entries.len(), Event::names().len(), "one of each");
    let mut text = String::new();
    for (entry, name) in entries.iter().zip(Event::names()) {
        writeln!(text, "{name} {}", hex(&postcard::to_stdvec(entry).unwrap())).unwrap();
    }
    assert_pinned("entries.hex", &text);
    for (entry, line) in entries.iter().zip(pinned("entries.hex").lines()) {
        assert_eq!(&decode_entry(&unhex(line.split_once(' ').unwrap().1)).unwrap(), entry);
    }
}

#[test]
fn batches() {
    let packed: Vec<Vec<u8>> = entries()[4..7].iter().map(|entry| postcard::to_stdvec(entry).unwrap()).collect();
    assert_pinned("batch.hex", &hex(&encode_batch(EPOCH, 40, &packed).unwrap()));
    let bytes = unhex(&pinned("batch.hex"));
    let batch = wire::decode(&bytes).unwrap();
    assert_eq!((batch.header.epoch, batch.header.first_sequence, batch.header.count), (EPOCH, 40, 3));
    let read: Vec<SpoolEntry> = decode_body(&batch).unwrap().into_iter().map(|read| read.entry.unwrap()).collect();
    assert_eq!(read, entries()[4..7]);
    let json = encode_json(EPOCH, 40, &entries());
    assert_pinned("batch.json", &String::from_utf8(json).unwrap());
    let batch = decode_json(pinned("batch.json").as_bytes()).unwrap();
    let read: Vec<SpoolEntry> = batch.entries.into_iter().map(|read| read.entry.unwrap()).collect();
    assert_eq!(read, entries());
}

#[test]
fn words_beside_the_events() {
    let ack = Ack { epoch: EPOCH, acked: 300 };
    let model = ModelId { sha256: ModelHash([0x5a; 32]), version: 7 };
    let desired = DesiredModel { model, rollback: true, signature: Some(BoundedText::cut("untrusted comment: x")) };
    let state = ModelState {
        current: Some(model),
        good: [model].into_iter().collect(),
        factory: None,
        fetching: None,
        refused: Some(Refused { model, reason: BoundedText::cut("version 6 is not newer") }),
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_pinned("ack.hex", &hex(&encode_ack(ack)));
    assert_pinned("desired.json", &text(desired.to_json()));
    assert_pinned("model_state.json", &text(state.to_json()));
    assert_eq!(decode_ack(&unhex(&pinned("ack.hex"))), Ok(ack));
    // A newer program says more.
    let more = |name: &str| pinned(name).replacen('{', r#"{"newer":{"deep":[1]},"#, 1).into_bytes();
    assert_eq!(decode_ack(&[encode_ack(ack), vec![1, 2, 3]].concat()), Ok(ack));
    assert_eq!(DesiredModel::from_json(&more("desired.json")).unwrap(), desired);
    assert_eq!(ModelState::from_json(&more("model_state.json")).unwrap(), state);
}

/// What a newer agent adds: extras of unknown names, kinds of unknown numbers, events of unknown numbers.
#[test]
fn an_old_reader_of_newer_entries() {
    let mut more = Extras::default();
    more.set("never-heard-of", &[[1, 2], [3, 4]]).unwrap();
    let grown = SpoolEntry { event: Event::EpisodeOpened(episode(more.clone())), stamp: stamp() };
    let mut bytes = postcard::to_stdvec(&grown).unwrap();
    let Event::EpisodeOpened(read) = decode_entry(&bytes).unwrap().event else { panic!("it is one") };
    assert_eq!(read.extras.iter().collect::<Vec<_>>(), [("never-heard-of", "[[1,2],[3,4]]")], "kept as it is");
    assert_eq!(postcard::to_stdvec(&grown).unwrap(), bytes, "and written again as it was");
    let mut newer = *episode(Extras::default());
    newer.kind = EpisodeKind::Other(40);
    let newer = SpoolEntry { event: Event::EpisodeOpened(Box::new(newer)), stamp: stamp() };
    let read = decode_entry(&postcard::to_stdvec(&newer).unwrap()).unwrap();
    assert_eq!(read, newer, "a kind without a name is still one");
    bytes[0] = 10;
    assert_eq!(decode_entry(&bytes), Err(EntryError::UnknownVariant(10)));
}
