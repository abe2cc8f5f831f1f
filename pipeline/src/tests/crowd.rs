//! A flood of names: what was learnt before it is known after it, and the flood is told of once.

use super::*;

/// Streams that are learnt before the flood.
const LEARNT: i64 = 20;
/// Names of the flood, each seen once.
const STRANGERS: i64 = 12_000;

/// A record a minute of each learnt stream; in the minute `odd`, if there is one, far off.
fn minutes(from: i64, count: i64, odd: Option<i64>) -> impl Iterator<Item = String> {
    (from..from + count).flat_map(move |minute| {
        (0..LEARNT).map(move |stream| {
            let wobble = ((minute * LEARNT + stream) as f64 * 0.754_877).fract() - 0.5;
            let off = if odd == Some(minute) { 80.0 } else { 0.0 };
            row(minute * MINUTE, &format!("a,learnt-{stream}"), 40.0 + wobble + off)
        })
    })
}

fn strangers(from: i64) -> impl Iterator<Item = String> {
    (0..STRANGERS).map(move |i| row(from * MINUTE + i / 100, &format!("a,x{i}"), 1.0))
}

/// The streams of which something was told, in the minute.
fn found(events: &[Event], minute: i64) -> usize {
    let is_it = |event: &&Event| match event {
        Event::EpisodeOpened(e) => e.component.starts_with("learnt") && e.first == at(minute * MINUTE),
        _ => false,
    };
    events.iter().filter(is_it).count()
}

fn log() -> Vec<String> {
    let begin = core::iter::once(HEADER.to_owned()).chain(minutes(0, 400, Some(380)));
    begin.chain(strangers(400)).chain(minutes(410, 100, Some(412))).collect()
}

#[test]
fn what_was_learnt_before_a_flood_of_names_is_known_after_it() {
    let (pipeline, out) = run(10_000, log());
    assert_eq!(found(&out.events, 380), 20, "before the flood");
    assert_eq!(found(&out.events, 412), 20, "after it");
    let (known, _, counts) = pipeline.streams();
    assert_eq!(known, oddline_core::limits::STREAMS_MAX);
    let evicted = (LEARNT + STRANGERS) as u64 - known as u64;
    assert_eq!((counts.evicted, pipeline.pace_counts().evicted), (evicted, evicted), "no one twice");
}

#[test]
fn a_flood_of_names_is_told_of_once() {
    let (_, out) = run(10_000, log());
    let tells = |event: &&Event| matches!(event, Event::EpisodeOpened(e) if e.main_reason.contains("names of streams"));
    let told: Vec<&Event> = out.events.iter().filter(tells).collect();
    let [Event::EpisodeOpened(episode)] = told[..] else { panic!("{told:?}") };
    assert_eq!((&*episode.server, &*episode.component, episode.kind), ("host", "", EpisodeKind::Novelty));
    // A flood limit that holds everything else back does not hold it back.
    let (_, out) = run(1, log());
    assert_eq!(out.events.iter().filter(tells).count(), 1);
}

#[test]
fn a_flood_that_is_cut_by_restarts_is_judged_the_same() {
    let (_, whole) = run(10_000, log());
    let (mut pipeline, mut out) =
        (new(10_000), PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() });
    for (i, line) in log().iter().enumerate() {
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
        if i % 1_999 == 7 {
            pipeline.idle(&mut out).unwrap();
            pipeline = Pipeline::new("log", treatment(10_000), model(), Some(read(&written(&pipeline)))).unwrap();
        }
    }
    pipeline.finish(&mut out).unwrap();
    assert_eq!(out.events, whole.events);
}
