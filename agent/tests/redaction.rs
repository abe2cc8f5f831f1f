//! The pipeline with this agent's redaction: what of a line and of the names in it stands in an event.

#![allow(clippy::unwrap_used, reason = "a test may die where it stands")]

use std::sync::Arc;

use oddline_agent::redact::{AddressPolicy, RedactionRules, SamplePolicy};
use oddline_core::{
    event::Event,
    format::{LogFormat, TimeOptions},
    readings::ValueSelection,
    time::EventTime,
};
use oddline_pipeline::{Pipeline, PipelineOutput, SourceOptions};

#[path = "../../pipeline/src/tests/model.rs"]
mod model;

use model::{LEVEL, model};

const MINUTE: i64 = 60;

fn treatment(samples: SamplePolicy) -> SourceOptions {
    SourceOptions {
        format: LogFormat::Auto,
        server: "host".to_owned(),
        component: "log".to_owned(),
        values: ValueSelection::Numbers,
        times: TimeOptions::default(),
        redactor: Arc::new(RedactionRules { samples, addresses: AddressPolicy::Keep }),
        flood_limit: 60,
    }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

#[test]
fn samples_are_redacted_or_not_given() {
    let line = |secret: &str| {
        let level = LEVEL + 30.0;
        format!(r#"{{"time":"{}","host":"a","service":"cpu","value":{level},"note":"{secret}"}}"#, at(60))
    };
    for (samples, expected) in [
        (SamplePolicy::None, None),
        (SamplePolicy::Redacted, Some(line("mail [email]"))),
        (SamplePolicy::Full, Some(line("mail ann@example.org"))),
    ] {
        let treatment = treatment(samples);
        let mut pipeline = Pipeline::new("log", treatment, model(), None).unwrap();
        let mut out = PipelineOutput::default();
        pipeline.line(line("mail ann@example.org").as_bytes(), None, &mut out).unwrap();
        pipeline.idle(&mut out).unwrap();
        let Event::EpisodeOpened(episode) = &out.events[0] else { panic!("{:?}", out.events) };
        assert_eq!(episode.samples.first().map(ToString::to_string), expected);
    }
}

#[test]
fn names_are_redacted_in_events_and_streams_stay_apart() {
    let names = ["ann@example.org", "bob@example.org", "c\\u001b[31md\\n"];
    let line = |minute: i64, name: &str, value: f64| {
        format!(r#"{{"time":"{}","host":"x","service":"{name}","value":{value}}}"#, at(minute * MINUTE))
    };
    let mut lines: Vec<String> = (0..60).flat_map(|m| names.map(|name| line(m, name, (m % 5) as f64))).collect();
    lines.extend(names.map(|name| line(60, name, 100.0)));
    for (samples, expected) in [
        (SamplePolicy::None, ["[email]", "[email]", "cd\u{fffd}"]),
        (SamplePolicy::Full, ["ann@example.org", "bob@example.org", "cd\u{fffd}"]),
    ] {
        let mut pipeline = Pipeline::new("log", treatment(samples), model(), None).unwrap();
        let mut out = PipelineOutput::default();
        for line in &lines {
            pipeline.line(line.as_bytes(), None, &mut out).unwrap();
        }
        pipeline.idle(&mut out).unwrap();
        let component = |event: &Event| match event {
            Event::EpisodeOpened(e) => e.component.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(out.events.iter().map(component).collect::<Vec<_>>(), expected);
        assert_eq!(pipeline.streams().0, 3);
    }
}

#[test]
fn a_sample_of_the_journal_is_its_message() {
    let treatment = SourceOptions { format: LogFormat::Journal, ..treatment(SamplePolicy::Redacted) };
    let mut pipeline = Pipeline::new("journal", treatment, model(), None).unwrap();
    let mut out = PipelineOutput::default();
    let coloured = "\u{1b}[36mpassword\u{1b}[0m=hunter2".repeat(50);
    for i in 0..120 {
        let text = if i == 119 { &coloured } else { "ok" };
        let numbers = text.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(",");
        let entry = format!(
            r#"{{"__REALTIME_TIMESTAMP":"{}","_HOSTNAME":"a","SYSLOG_IDENTIFIER":"web","MESSAGE":[{numbers}]}}"#,
            at(i * MINUTE).micros()
        );
        pipeline.line(entry.as_bytes(), None, &mut out).unwrap();
    }
    pipeline.idle(&mut out).unwrap();
    let [Event::EpisodeOpened(episode)] = &*out.events else { panic!("{:?}", out.events) };
    assert_eq!(episode.samples.iter().map(|s| &**s).collect::<Vec<_>>(), ["password=[secret]"]);
}
