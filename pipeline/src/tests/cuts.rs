//! The same events whether the lines come in one run, or with pauses, restarts and the wall clock in between.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Few enough that the random logs meet it.
const FLOOD_LIMIT: u32 = 2;

/// One line and what happens before it.
#[derive(Debug, Clone)]
struct Step {
    seconds: i64,
    server: u8,
    component: u8,
    shape: u8,
    value: f64,
    before: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![100 => 0..60_i64, 4 => 300..3_000_i64, 4 => -900..0_i64, 1 => 0..200_000_i64];
    let value = prop_oneof![8 => 48.0..52.0_f64, 1 => 60.0..90.0_f64, 1 => Just(1e9)];
    (seconds, 0..3_u8, 0..3_u8, 0..12_u8, value, 0..40_u8).prop_map(
        |(seconds, server, component, shape, value, before)| Step { seconds, server, component, shape, value, before },
    )
}

fn line(step: &Step, now: i64) -> String {
    let Step { server, component, shape, value, .. } = step;
    let (server, component) = (["a", "b", "c"][usize::from(*server)], ["cpu", "web", "db"][usize::from(*component)]);
    let named = format!(r#""time":"{}","host":"{server}","service":"{component}""#, at(1_767_571_200 + now));
    match shape {
        0..6 => format!(r#"{{{named},"value":{value}}}"#),
        6..8 => format!(r#"{{{named},"level":"info","msg":"took {value}","took_ms":{value}}}"#),
        8 => format!(r#"{{{named},"level":"error","msg":"failed"}}"#),
        9 => format!(r#"{{"value":{value}}}"#),
        10 => format!("panic at {value}"),
        _ => String::new(),
    }
}

fn stored(pipeline: &Pipeline) -> Pipeline {
    let bytes = written(pipeline);
    let again = Pipeline::new("log", treatment(FLOOD_LIMIT), model(), Some(read(&bytes))).unwrap();
    assert_eq!(written(&again), bytes, "what is remembered is read as it was written");
    again
}

fn compare(steps: &[Step], store_always: bool) {
    let (mut whole, mut cut) = (new(FLOOD_LIMIT), new(FLOOD_LIMIT));
    let (mut expected, mut found) = (PipelineOutput::default(), PipelineOutput::default());
    (expected.wanted, found.wanted) = (OutputWanted::All, OutputWanted::All);
    let mut now = 0;
    for step in steps {
        now += step.seconds;
        let line = line(step, now);
        match step.before {
            0..8 => cut.idle(&mut found).unwrap(),
            8..10 => {
                for i in 0..12 {
                    cut.clock(at(now + i * 60), &mut found).unwrap();
                }
            }
            10..12 => {
                cut.start_of_file();
                whole.start_of_file();
            }
            _ => {}
        }
        if store_always || step.before == 12 {
            cut.idle(&mut found).unwrap();
            cut = stored(&cut);
        }
        whole.line(line.as_bytes(), None, &mut expected).unwrap();
        cut.line(line.as_bytes(), None, &mut found).unwrap();
    }
    whole.finish(&mut expected).unwrap();
    cut.finish(&mut found).unwrap();
    found.events.retain(Event::is_replayed);
    assert_eq!(found.events, expected.events);
    assert_eq!(found.judged, expected.judged);
    assert_eq!(cut.counts(), whole.counts());
    assert_eq!(cut.pace_counts(), whole.pace_counts());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pauses_restarts_and_the_clock_change_nothing(steps in vec(step(), 1..1_200)) {
        compare(&steps, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_restart_before_every_line_changes_nothing(steps in vec(step(), 1..300)) {
        compare(&steps, true);
    }
}

/// The random logs above hold enough to be told: else their equality says little.
#[test]
fn the_random_logs_are_eventful() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let steps = vec(step(), 1_200).new_tree(&mut runner).unwrap().current();
        let (mut pipeline, mut out) = (new(FLOOD_LIMIT), PipelineOutput::default());
        let mut now = 0;
        for step in &steps {
            now += step.seconds;
            for i in (0..12).filter(|_| (8..10).contains(&step.before)) {
                pipeline.clock(at(now + i * 60), &mut out).unwrap();
            }
            pipeline.line(line(step, now).as_bytes(), None, &mut out).unwrap();
        }
        pipeline.finish(&mut out).unwrap();
        kinds.extend(out.events.iter().map(|event| match event {
            Event::EpisodeOpened(e) => format!("{:?}", e.kind),
            Event::EpisodeUpdated(_) => "updated".to_owned(),
            Event::EpisodeEnded(_) => "ended".to_owned(),
            Event::Silence(s) => format!("silence, by clock {}", s.by_clock),
            Event::FloodSummary(_) => "flood".to_owned(),
            other => format!("{other:?}"),
        }));
    }
    let wanted =
        ["Score", "Range", "Novelty", "updated", "ended", "silence, by clock false", "silence, by clock true", "flood"];
    assert!(wanted.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}
