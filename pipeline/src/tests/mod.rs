//! Lines in, events out.

mod crowd;
mod cuts;
mod grown;
mod model;
mod trace;
mod weight;
mod windows;

use std::fmt::Write;

use oddline_core::{
    activity,
    event::{Episode, EpisodeKind, Event, Finite, NUMBERS_APART},
    sections::{SectionWriter, Sections},
};
use proptest::prelude::*;

use self::model::{LEVEL, VERSION, model};
use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const HEADER: &str = "timestamp,server,component,value";

fn treatment(flood_limit: u32) -> SourceOptions {
    SourceOptions {
        format: LogFormat::Auto,
        server: "host".to_owned(),
        component: "log".to_owned(),
        values: ValueSelection::Numbers,
        times: TimeOptions::default(),
        redactor: Arc::new(Unredacted),
        flood_limit,
    }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

fn new(flood_limit: u32) -> Pipeline {
    treated(treatment(flood_limit))
}

fn treated(treatment: SourceOptions) -> Pipeline {
    Pipeline::new("log", treatment, model(), None).unwrap()
}

/// What goes to the state file.
fn written(pipeline: &Pipeline) -> Vec<u8> {
    let mut out = SectionWriter::default();
    pipeline.remembers().write(&mut out);
    out.finish()
}

fn read(bytes: &[u8]) -> PipelineState {
    PipelineState::read(&Sections::split(bytes).unwrap()).unwrap()
}

/// All of the lines; events in `PipelineOutput`, every verdict too.
fn run(flood_limit: u32, lines: impl IntoIterator<Item = String>) -> (Pipeline, PipelineOutput) {
    all(new(flood_limit), lines)
}

fn all(mut pipeline: Pipeline, lines: impl IntoIterator<Item = String>) -> (Pipeline, PipelineOutput) {
    let mut out = PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() };
    for line in lines {
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    }
    pipeline.finish(&mut out).unwrap();
    (pipeline, out)
}

fn row(seconds: i64, stream: &str, value: f64) -> String {
    format!("{},{stream},{value}", at(seconds))
}

/// A table of `a,cpu`, a record a minute, `x` odd and `.` usual.
fn table(pattern: &str) -> Vec<String> {
    let value = |c| if c == 'x' { LEVEL + 20.0 } else { LEVEL };
    let rows = (0..).zip(pattern.chars()).map(|(i, c)| row(i * MINUTE, "a,cpu", value(c)));
    core::iter::once(HEADER.to_owned()).chain(rows).collect()
}

/// Events in short: `opened a/cpu#10 x1`.
fn short(events: &[Event]) -> Vec<String> {
    let of = |what: &str, e: &Episode| format!("{what} {}/{}#{} x{}", e.server, e.component, e.number, e.records);
    let one = |event: &Event| match event {
        Event::EpisodeOpened(e) => of("opened", e),
        Event::EpisodeUpdated(e) => of("updated", e),
        Event::EpisodeEnded(e) => of("ended", e),
        Event::NewLevel(e) => of("new level", e),
        Event::FloodSummary(f) => format!("flood {} {:?} {}", f.suppressed, &*f.components, f.others),
        Event::Silence(s) => format!("silence {}/{}", s.server, s.component),
        other => panic!("{other:?}"),
    };
    events.iter().map(one).collect()
}

#[test]
fn an_episode_is_told_at_its_first_record_at_doublings_and_at_its_end() {
    let (_, out) = run(60, table("..........xxxxx.x.xxx......x"));
    let a = |what: &str, records: u64| format!("{what} a/cpu#10 x{records}");
    let expected = [a("opened", 1), a("updated", 2), a("updated", 4), a("updated", 8), a("ended", 9)];
    let told = short(&out.events);
    assert_eq!(told[..5], expected);
    assert_eq!(told[5..], ["opened a/cpu#27 x1"], "it stays open: its end was not seen");
    let Event::EpisodeEnded(episode) = &out.events[4] else { panic!("{:?}", out.events[4]) };
    assert_eq!((episode.first, episode.last), (at(10 * MINUTE), at(20 * MINUTE)));
    assert_eq!((episode.kind, episode.model, episode.learning), (EpisodeKind::Score, VERSION, false));
    assert_eq!((episode.value.get(), episode.expected.map(Finite::<f64>::get)), (LEVEL + 20.0, Some(LEVEL)));
    assert_eq!(episode.samples.iter().map(|s| &**s).collect::<Vec<_>>(), [row(10 * MINUTE, "a,cpu", LEVEL + 20.0)]);
}

#[test]
fn what_lasts_a_day_is_a_new_level() {
    let (pipeline, out) = run(60, table(&["..........".to_owned(), "x".repeat(1_500)].concat()));
    let told = short(&out.events);
    assert!(told.iter().any(|t| t == "new level a/cpu#10 x1442"), "{told:?}");
    assert_eq!(
        told.iter().filter(|t| t.contains("#10 ")).filter(|t| t.starts_with("updated")).count(),
        10,
        "2, 4, ... 1024"
    );
    assert_eq!(pipeline.counts().judged, 1_510);
    let (known, learning, _) = pipeline.streams();
    assert_eq!((known, learning), (1, 1), "it learns again");
}

#[test]
fn beyond_the_flood_limit_there_is_one_summary_and_nothing_of_what_was_held_back() {
    let mut lines = vec![HEADER.to_owned()];
    let stream = |i: i64| format!("a,c{i:02}");
    // Streams that learn are judged by their range, after 50 records.
    for minute in 0..60 {
        lines.extend((0..30).map(|i| row(minute * MINUTE, &stream(i), (minute % 5) as f64)));
    }
    for minute in 60..64 {
        lines.extend((0..30).map(|i| row(minute * MINUTE, &stream(i), 100.0)));
    }
    lines.extend((64..130).map(|minute| row(minute * MINUTE, &stream(0), 1.0)));
    let (_, out) = run(20, lines);
    let told = short(&out.events);
    let count = |what: &str| told.iter().filter(|t| t.starts_with(what)).count();
    assert_eq!((count("opened"), count("flood")), (20, 1), "{told:?}");
    assert!(told.iter().all(|t| t.starts_with("flood") || (0..20).any(|i| t.contains(&format!("a/c{i:02}#")))));
    let Some(Event::FloodSummary(summary)) = out.events.iter().find(|e| matches!(e, Event::FloodSummary(_))) else {
        panic!("{told:?}")
    };
    assert_eq!((summary.suppressed, summary.from, summary.by_clock), (10, at(60 * MINUTE), false));
}

#[test]
fn what_is_configured_now_counts_for_a_known_source() {
    let (mut pipeline, mut out) = (new(60), PipelineOutput::default());
    for line in table("..........") {
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    }
    pipeline.idle(&mut out).unwrap();
    let remembered = pipeline.remembered();
    assert_eq!((remembered.format(), remembered.flood_limit()), (&LogFormat::Auto, 60));
    let now = SourceOptions { format: LogFormat::Jsonl(oddline_core::format::Mapping::default()), ..treatment(0) };
    let mut pipeline = Pipeline::new("log", now.clone(), model(), Some(remembered)).unwrap();
    let remembered = pipeline.remembered();
    assert_eq!((remembered.format(), remembered.flood_limit()), (&now.format, 0));
    let line = format!(r#"{{"time":"{}","host":"a","service":"cpu","value":{}}}"#, at(10 * MINUTE), LEVEL + 20.0);
    pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    pipeline.finish(&mut out).unwrap();
    assert_eq!(short(&out.events), [r#"flood 1 [("cpu", 1)] 0"#], "it is read, odd and held back");
}

#[test]
fn one_line_of_the_far_future_changes_no_other_event() {
    let events = |wild: i64| {
        let mut lines = vec![HEADER.to_owned()];
        for minute in 0..400 {
            let odd = |i: i64| minute > 60 && minute % 20 == i;
            let value = |i: i64| if odd(i) { 100.0 } else { (minute % 50) as f64 / 10.0 };
            lines.extend((0..20).map(|i| row(minute * MINUTE, &format!("a,c{i:02}"), value(i))));
            if minute == 100 {
                lines.push(row(wild, "z,wild", 1.0));
            }
        }
        run(6, lines).1.events
    };
    let expected = events(100 * MINUTE);
    let told = short(&expected);
    assert!(told.iter().filter(|t| t.starts_with("flood")).count() > 2, "{told:?}");
    assert!(told.iter().filter(|t| t.starts_with("opened")).count() > 20, "{told:?}");
    assert_eq!(events(4_070_908_800), expected);
}

#[test]
fn a_text_yields_its_measurements_and_where_asked_its_length_and_every_number() {
    let read = |values: ValueSelection| {
        let lines = [
            r#"{"time":"2026-01-05T00:00:00Z","host":"a","service":"web","msg":"hello","took_ms":12,"bytes":3.5}"#,
            r#"{"time":"2026-01-05T00:00:01Z","msg":"four"}"#,
            r#"{"time":"2026-01-05T00:00:02Z","value":1,"msg":"a value is all","took_ms":12}"#,
            r#"{"time":"2026-01-05T00:00:03Z","host":"a"}"#,
        ];
        let (pipeline, out) = all(treated(SourceOptions { values, ..treatment(60) }), lines.map(str::to_owned));
        let name = |j: &JudgedRow| format!("{}/{}", j.verdict.stream.server, j.verdict.stream.component);
        let read: Vec<_> = out.judged.iter().map(|j| (name(j), j.verdict.value)).collect();
        (read, pipeline.counts())
    };
    let named = |all: &[(&str, f64)]| all.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>();
    let (all, counts) = read(ValueSelection::Numbers);
    let expected = [
        ("a/web.length", 5.0),
        ("a/web.took_ms", 12.0),
        ("a/web.bytes", 3.5),
        ("host/log.length", 4.0),
        ("host/log", 1.0),
    ];
    assert_eq!(all, named(&expected));
    assert_eq!((counts.lines, counts.judged, counts.unjudged), (4, 5, 1));
    let (measured, counts) = read(ValueSelection::Measured);
    assert_eq!(measured, named(&[("a/web.took_ms", 12.0), ("host/log", 1.0)]));
    assert_eq!((counts.lines, counts.judged, counts.unjudged), (4, 2, 2));
}

/// What other people's text logs are full of: lines of any length, and requests of any status and size.
#[test]
fn a_healthy_text_or_access_log_says_nothing() {
    let unit = |i: i64| (i as f64 * 0.754_877_666).fract();
    let text = |i: i64| {
        format!(
            "{} a app[1]: did {}",
            at(i * 20).to_string().replace('Z', "+00:00"),
            "x".repeat((unit(i) * unit(i) * 300.0) as usize)
        )
    };
    let access = |i: i64| {
        let (status, bytes) = ([200, 200, 200, 304, 404][(unit(i) * 5.0) as usize], (1e5 * unit(i * 7).powi(4)) as u64);
        format!(
            "192.0.2.7 - - [05/Jan/2026:{:02}:{:02}:{:02} +0000] \"GET / HTTP/1.1\" {status} {bytes}",
            i / 180 % 24,
            i / 3 % 60,
            i % 3 * 20
        )
    };
    for line in [&text as &dyn Fn(i64) -> String, &access] {
        let (pipeline, out) =
            all(treated(SourceOptions { values: ValueSelection::Measured, ..treatment(60) }), (0..4_000).map(line));
        assert_eq!((out.events.len(), pipeline.counts().judged, pipeline.counts().lines), (0, 0, 4_000));
        let (pipeline, _) = run(60, (0..4_000).map(line));
        assert!(pipeline.counts().judged >= 4_000, "where they are asked for they are judged");
    }
}

#[test]
fn a_line_that_is_no_row_of_its_table_is_a_fault_and_nothing_else() {
    let mut lines = table("..........x.......");
    let (_, clean) = run(60, lines.clone());
    for (i, bad) in ["", "x", "1,2,3,4,5,6", "2026-01-05T00:00:00Z,a,cpu"].into_iter().enumerate() {
        lines.insert(3 + 4 * i, bad.to_owned());
    }
    lines.insert(9, row(8 * MINUTE, "a,cpu", f64::NAN));
    let (pipeline, out) = run(60, lines);
    assert_eq!(out.events, clean.events);
    assert_eq!(out.judged, clean.judged);
    let PipelineCounts { faults, unjudged, .. } = pipeline.counts();
    assert_eq!((faults, unjudged), (4, 4), "an empty line is no record");
    assert_eq!(pipeline.streams().0, 1);
}

/// Lines in which anything may stand: of every kind, some with a byte that is another.
fn anything() -> impl Strategy<Value = Vec<Vec<u8>>> {
    const LINES: [&str; 17] = [
        "",
        "   ",
        "timestamp,server,component,value",
        "2026-01-05T00:00:00Z,a,cpu,1",
        "2026-01-05T00:00:00Z,a,cpu,NaN",
        "2026-01-05T00:00:00Z,a,cpu,1,2,3",
        "Jan  5 00:00:00 gate app[1]: failed with 3 errors",
        "2026-01-05 00:00:00,000 ERROR com.shop.Cart - lost",
        "\tat com.shop.Cart.add(Cart.java:7)",
        "Caused by: java.io.IOException: closed",
        r#"{"time":1767571200,"host":"a","msg":"x","n":4}"#,
        r#"{"time":"#,
        r#"192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] "GET /" 200 1"#,
        "level=info msg=x took=3ms",
        r#"[{"time":1767571200,"n":4},{"time":1767571201,"msg":"y"},{"msg":"z"#,
        r#"{"time":1767571200,"n":4}{"time":1767571201,"msg":"y"}"#,
        "6 <11>ab8 <11>cdef5 <11>g",
    ];
    let line = (0..LINES.len(), any::<Option<(prop::sample::Index, u8)>>()).prop_map(|(line, other)| {
        let mut bytes = LINES[line].as_bytes().to_vec();
        if let Some((at, byte)) = other.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop::collection::vec(line, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_in_one_class(lines in anything(), format in 0_usize..8, dated: bool) {
        let format = ["auto", "csv", "jsonl", "syslog", "journald", "logfmt", "access", "plain"][format];
        let mut pipeline = treated(SourceOptions { format: format.parse().unwrap(), ..treatment(60) });
        let mut out = PipelineOutput::default();
        for line in &lines {
            pipeline.line(line, dated.then(|| at(DAY)), &mut out).unwrap();
        }
        pipeline.finish(&mut out).unwrap();
        let (tally, counts) = (pipeline.tally(), pipeline.counts());
        prop_assert_eq!((tally.lines(), counts.lines), (lines.len() as u64, lines.len() as u64), "{}", format);
        prop_assert_eq!(tally.watched + tally.unusable, counts.unjudged);
        prop_assert_eq!(tally.faults().iter().map(|fault| fault.count).sum::<u64>(), counts.faults);
    }
}

#[test]
fn every_record_of_a_line_is_judged_and_its_names_are_watched() {
    let mut reader = LineReader::new(LogFormat::Auto, TimeOptions::default());
    let (mut pipeline, mut out) = (new(60), PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() });
    let mut named = 0;
    for i in 0..2_000_i64 {
        let object = |part: i64| {
            let (time, name) =
                (1_767_571_200 + 2 * i + part, if part == 0 { "a".to_owned() } else { format!("k{i}q") });
            format!(r#"{{"time":{time},"service":"{name}","value":3}}"#)
        };
        let line = format!("[{},{}]", object(0), object(1));
        let first = reader.read(line.as_bytes(), None).record().unwrap();
        assert_eq!(first.component.as_deref(), Some("a"));
        named += usize::from(reader.further(None).unwrap().component.is_some());
        assert!(reader.further(None).is_none());
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
    }
    pipeline.finish(&mut out).unwrap();
    assert_eq!(named, 1_022, "of 1,024 names one stays, and at the last of the others they are told");
    let tally = pipeline.tally();
    assert_eq!((tally.lines(), tally.scored, tally.further), (2_000, 4_000, 2_000));
    assert_eq!(out.judged.len(), 4_000);
    assert!(pipeline.names_grown().unwrap().contains("ever more components"));
}

#[test]
fn a_log_without_times_is_watched_and_its_numbers_judged() {
    let mut pipeline = new(60);
    let mut out = PipelineOutput { wanted: OutputWanted::All, ..PipelineOutput::default() };
    for second in 0..40 {
        let line = format!("worker done n={second} took=3");
        pipeline.line(line.as_bytes(), Some(at(DAY + second)), &mut out).unwrap();
    }
    pipeline.finish(&mut out).unwrap();
    let tally = pipeline.tally();
    assert_eq!((tally.untimed, tally.unusable), (40, 0));
    assert_eq!(out.judged.first().map(|judged| judged.verdict.time), Some(at(DAY)));
    assert_eq!(out.judged.last().map(|judged| judged.verdict.time), Some(at(DAY + 39)));
    assert!(tally.problem(false).unwrap().starts_with("all 40 records have no time that is known"));
}

#[test]
fn a_banner_before_the_first_time_changes_nothing() {
    let measured = || treated(SourceOptions { values: ValueSelection::Measured, ..treatment(60) });
    let time = |i: i64| at(i * 60).to_string().replace('Z', "+00:00");
    let mut lines: Vec<String> = (0..2_000).map(|i| format!("{} a app[1]: did {i}", time(i))).collect();
    lines.push(format!("{} a db[1]: error: is new", time(2_000)));
    let (_, clean) = all(measured(), lines.clone());
    assert!(!clean.events.is_empty());
    let (mut pipeline, mut out) = (measured(), PipelineOutput::default());
    for line in ["  ____", " |  _ \\ the app 1.2", "starting"].into_iter().map(str::to_owned).chain(lines) {
        pipeline.line(line.as_bytes(), Some(at(400 * DAY)), &mut out).unwrap();
    }
    pipeline.finish(&mut out).unwrap();
    assert_eq!(out.events, clean.events);
}

#[test]
fn a_stream_that_stops_is_a_silence_and_ends_with_its_first_record() {
    let mut lines = vec![HEADER.to_owned()];
    let (stop, back) = (30 * HOUR, 33 * HOUR);
    for minute in 0..40 * 60 {
        let s = minute * MINUTE;
        lines.push(row(s, "a,cpu", LEVEL));
        if s <= stop || s >= back {
            lines.push(row(s, "b,cpu", LEVEL));
        }
    }
    let (_, out) = run(60, lines);
    assert_eq!(short(&out.events), ["silence b/cpu".to_owned(), format!("ended b/cpu#{} x0", NUMBERS_APART + 1)]);
    let [Event::Silence(silence), Event::EpisodeEnded(ended)] = &*out.events else { panic!("{:?}", out.events) };
    assert_eq!((silence.last, silence.until, silence.by_clock), (at(stop), at(stop + 6 * MINUTE), false));
    assert!((60.0..100.0).contains(&silence.usual_s.get()));
    assert_eq!((ended.kind, ended.first, ended.last), (EpisodeKind::Silence, at(stop), at(back)));
    assert_eq!((ended.value.get(), &*ended.main_reason), ((back - stop) as f64, "silent for 3 h"));
    assert!(ended.peak > ended.threshold && ended.samples.is_empty());
}

/// Ten days of a text log, a line of `web` every 20 seconds with an error now and then.
fn text_log() -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |s: i64, component: &str, rest: &str| {
        let mut line = String::new();
        write!(line, "{} a {component}[1]: {rest}", at(1_767_571_200 + s).to_string().replace('Z', "+00:00")).unwrap();
        lines.push(line);
    };
    for s in (0..10 * DAY).step_by(20) {
        let incident = (9 * DAY + 36_000..9 * DAY + 37_200).contains(&s);
        for _ in 0..if incident { 6 } else { 1 } {
            line(s, "web", if incident || s % 600 == 0 { "ERROR: failed" } else { "INFO: served" });
        }
        if s == 5 * DAY {
            line(s, "miner", "INFO: hello from ann@example.org");
        }
    }
    lines
}

#[test]
fn rates_and_news_of_a_text_log() {
    let (pipeline, mut out) = run(60, text_log());
    // Beside what is said of the lengths of its lines, which this source is asked for.
    out.events.retain(|event| match event {
        Event::EpisodeOpened(e) | Event::EpisodeUpdated(e) | Event::EpisodeEnded(e) => e.number >= NUMBERS_APART,
        _ => false,
    });
    let (number, start) = (NUMBERS_APART, at(1_767_571_200 + 9 * DAY + 36_000));
    let told = short(&out.events);
    let expected = |what: &str, of: &str, n: u64, records: u64| format!("{what} a/{of}#{} x{records}", number + n);
    assert_eq!(told[..2], [expected("opened", "miner", 1, 1), expected("ended", "miner", 1, 1)]);
    assert!(
        told.contains(&expected("opened", "web", 2, 1)) && told.contains(&expected("ended", "web", 2, 4)),
        "{told:?}"
    );
    assert!(told.contains(&expected("opened", "level.error", 3, 1)), "{told:?}");
    let opened: Vec<&Episode> =
        out.events.iter().filter_map(|e| if let Event::EpisodeOpened(e) = e { Some(&**e) } else { None }).collect();
    assert_eq!(opened[0].kind, EpisodeKind::Novelty);
    assert!(opened[0].samples[0].contains("hello from ann@example.org"), "{:?}", opened[0].samples);
    assert_eq!((opened[1].kind, opened[1].first, opened[1].value.get()), (EpisodeKind::Rate, start, 90.0));
    assert_eq!(&*opened[1].main_reason, "6.0 times the usual rate: 90 records in 5 minutes, usually 15");
    assert_eq!(pipeline.pace_counts(), activity::ActivityCounts::default());
    assert_eq!(pipeline.episodes_forgotten(), 0);
}

#[test]
fn values_are_judged_the_same_whatever_their_pace() {
    // The rule that keeps replay equal to the trainer's test: notices never reach the judge.
    let (_, out) = run(60, text_log());
    assert!(out.judged.iter().all(|j| j.verdict.stream.component.ends_with(".length")));
    let numbers: Vec<u64> = out.judged.iter().map(|j| j.verdict.number).collect();
    assert!(numbers.iter().zip(0..).all(|(n, i)| *n == i));
}

#[test]
fn streams_and_waiting_text_stay_bounded() {
    let streams = oddline_core::limits::STREAMS_MAX as i64 + 100;
    let rows = (0..streams).map(|i| row(i, &format!("a,c{i}"), 1.0));
    let (pipeline, _) = run(60, core::iter::once(HEADER.to_owned()).chain(rows));
    assert_eq!(pipeline.streams().0, oddline_core::limits::STREAMS_MAX);
    assert_eq!(pipeline.pace_counts().evicted, 100);
    let bytes = written(&pipeline).len();
    assert!(bytes < 16 << 20, "{bytes} bytes to commit");
}
