//! A server's metrics together, through the whole pipeline: told once, with the metrics named, and the same whether the lines
//! come in one run or with restarts in between.

use super::{
    model::{file_of, profile},
    *,
};
use oddline_core::{
    profile::{ModelProfile, StreamBaseline, WINDOW},
    stream::baseline::Baseline,
    window::WindowView,
};

const METRICS: [&str; 3] = ["cpu", "disk", "net"];

/// Servers a and b with three metrics each; only what they say together is odd, from a mean of 1.2 scales.
fn windowed() -> OpenModel {
    let by_hand = profile();
    let baseline = &by_hand.baselines[0].baseline;
    let of = |(server, component): (&str, &str)| StreamBaseline {
        server: server.to_owned(),
        component: component.to_owned(),
        // Three values of it are within five hundredths of the range; as wide as by hand they would not move.
        baseline: Baseline { min: LEVEL - 20.0, max: LEVEL + 20.0, ..baseline.clone() },
    };
    let streams = ["a", "b"].into_iter().flat_map(|server| METRICS.map(|metric| (server, metric)));
    let window = WindowView {
        interval_s: 300,
        metrics: METRICS.map(str::to_owned).to_vec(),
        residual_scale: vec![1.0; 9],
        threshold: 1.2,
        budget: None,
        windows: 1_000,
    };
    let requires = vec![WINDOW.to_owned()];
    let profile =
        ModelProfile { baselines: streams.map(of).collect(), window: Some(window), requires, ..by_hand.clone() };
    OpenModel::open(&file_of(&profile)).unwrap()
}

/// Four hours of both servers, a reading a minute; from two to three all metrics of `b` are somewhat high, none of them odd
/// alone. Some lines come late.
fn lines() -> Vec<String> {
    let mut lines = vec![HEADER.to_owned()];
    for minute in 0..240_i64 {
        for server in ["a", "b"] {
            for (number, metric) in (0..).zip(METRICS) {
                let is_high = server == "b" && (120..180).contains(&minute);
                let wobble = ((minute * 7 + number * 3) % 5 - 2) as f64 / 2.0;
                let value = LEVEL + wobble + if is_high { 6.0 } else { 0.0 };
                let late = if minute % 50 == 49 && metric == "disk" { 10 } else { 0 };
                lines.push(row((minute - late) * MINUTE, &format!("{server},{metric}"), value));
            }
        }
    }
    lines
}

fn of_windows(out: &PipelineOutput) -> Vec<&Event> {
    let is_window = |event: &&Event| match event {
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) | Event::EpisodeEnded(e) => e.kind == EpisodeKind::Window,
        _ => false,
    };
    out.events.iter().filter(is_window).collect()
}

#[test]
fn what_no_metric_says_alone_they_say_together_once() {
    let pipeline = Pipeline::new("log", treatment(60), &windowed(), None).unwrap();
    let (pipeline, out) = all(pipeline, lines());
    let told = of_windows(&out);
    let (Event::EpisodeOpened(first), Event::EpisodeEnded(last)) = (told[0], told[told.len() - 1]) else {
        panic!("{told:?}")
    };
    assert_eq!((&*first.server, &*first.component), ("b", ""));
    assert!((at(120 * MINUTE)..at(135 * MINUTE)).contains(&first.first), "{}", first.first);
    assert!((at(170 * MINUTE)..at(195 * MINUTE)).contains(&last.last) && last.number == first.number);
    assert!(last.main_reason.starts_with("unusual together, of 3 metrics: "), "{}", &*last.main_reason);
    let mut named: Vec<&str> = last.reasons.iter().map(|reason| &*reason.feature).collect();
    named.sort_unstable();
    assert_eq!(named, METRICS);
    assert!(last.reasons[0].observed.get() > LEVEL + 4.0);
    assert!(out.judged.iter().all(|row| !row.verdict.anomalous), "none is odd alone");
    assert_eq!(told.iter().filter(|event| matches!(event, Event::EpisodeOpened(_))).count(), 1);
    let counts = pipeline.remembers().judge.windows().counts();
    assert!(counts.late > 0 && counts.windows > 90, "{counts:?}");
}

#[test]
fn windows_are_the_same_with_a_restart_before_every_line() {
    let model = windowed();
    let new = |remembered| Pipeline::new("log", treatment(60), &model, remembered).unwrap();
    let (_, expected) = all(new(None), lines());
    let (mut cut, mut found) = (new(None), PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() });
    for line in lines() {
        cut.idle(&mut found).unwrap();
        cut = new(Some(read(&written(&cut))));
        cut.line(line.as_bytes(), None, &mut found).unwrap();
    }
    cut.finish(&mut found).unwrap();
    assert!(of_windows(&expected).len() > 2);
    assert_eq!(found.events, expected.events);
    assert_eq!(found.judged, expected.judged);
}

#[test]
fn another_model_ends_no_episode_and_goes_on() {
    let mut pipeline = Pipeline::new("log", treatment(60), &windowed(), None).unwrap();
    let mut out = PipelineOutput::default();
    for (number, line) in lines().iter().enumerate() {
        if number == 800 {
            pipeline.judge_with(&windowed(), &mut out).unwrap();
        }
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    }
    let opened = of_windows(&out).iter().filter(|event| matches!(event, Event::EpisodeOpened(_))).count();
    assert_eq!(opened, 1, "{:?}", of_windows(&out));
}

#[test]
fn a_model_without_windows_ends_what_they_opened() {
    let mut pipeline = Pipeline::new("log", treatment(60), &windowed(), None).unwrap();
    let mut out = PipelineOutput::default();
    for line in lines() {
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
        if matches!(of_windows(&out).last(), Some(Event::EpisodeOpened(_))) {
            break;
        }
    }
    pipeline.judge_with(model(), &mut out).unwrap();
    assert!(matches!(of_windows(&out).last(), Some(Event::EpisodeEnded(_))), "{:?}", of_windows(&out));
    assert!(matches!(out.events.last(), Some(Event::ModelSwap(_))));
}
