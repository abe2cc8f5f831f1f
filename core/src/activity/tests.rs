//! Streams that stop, servers that stop, sources that stop; nights, skewed clocks, wild times; storing at any record.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::limits::STREAMS_MAX;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

/// (seconds, server, component, text)
type Line = (i64, &'static str, &'static str, bool);

fn hear(pace: &mut SourceActivity, line: Line, out: &mut Vec<ActivityNotice>) {
    let (seconds, server, component, is_text) = line;
    pace.observe(ObservedRecord { server, component, time: at(seconds), level: Some(Level::Info), is_text }, out);
}

fn told(lines: impl IntoIterator<Item = Line>) -> Vec<ActivityNotice> {
    let (mut pace, mut out) = (SourceActivity::default(), Vec::new());
    lines.into_iter().for_each(|line| hear(&mut pace, line, &mut out));
    out
}

/// A record every `period` seconds while `speaks` says so.
fn steady(
    server: &'static str,
    component: &'static str,
    (days, period): (i64, i64),
    speaks: impl Fn(i64) -> bool,
) -> Vec<Line> {
    (0..days * DAY / period).map(|i| i * period).filter(|s| speaks(*s)).map(|s| (s, server, component, false)).collect()
}

fn merged(parts: impl IntoIterator<Item = Vec<Line>>) -> Vec<Line> {
    let mut lines: Vec<Line> = parts.into_iter().flatten().collect();
    lines.sort_by_key(|line| line.0);
    lines
}

/// Notices in short: `- server/component last`, `+ server/component time`, anything else by its kind.
fn short(notices: &[ActivityNotice]) -> Vec<String> {
    let name = |s: &StreamName| format!("{}/{}", s.server, s.component);
    let seconds = |t: &EventTime| t.micros() / 1_000_000;
    let line = |notice: &ActivityNotice| match notice {
        ActivityNotice::Silent(s) => format!("- {} {}", name(&s.stream), seconds(&s.last)),
        ActivityNotice::Spoke { stream, time, .. } => format!("+ {} {}", name(stream), seconds(time)),
        ActivityNotice::Rate { stream, finding } => format!("rate {} {}", name(stream), seconds(&finding.time)),
        ActivityNotice::NewComponent { stream, time } => format!("new {} {}", name(stream), seconds(time)),
        ActivityNotice::NewLevel { stream, level, .. } => format!("{level:?} {}", name(stream)),
    };
    notices.iter().map(line).collect()
}

#[test]
fn a_stream_that_stops_is_told_once_and_its_return_once() {
    let (stop, back) = (2 * DAY, 2 * DAY + 5 * HOUR);
    let lines = merged([
        steady("a", "cpu", (3, MINUTE), |s| s <= stop || s >= back),
        steady("a", "disk", (3, MINUTE), |_| true),
    ]);
    let notices = told(lines);
    assert_eq!(short(&notices), [format!("- a/cpu {stop}"), format!("+ a/cpu {back}")]);
    let ActivityNotice::Silent(silent) = &notices[0] else { panic!("{:?}", notices[0]) };
    assert_eq!(silent.until, at(stop + 6 * MINUTE), "five minutes and the next record");
    assert!(silent.usual_s >= 60.0 && silent.usual_s < 90.0 && !silent.by_clock);
}

#[test]
fn a_source_that_was_off_says_nothing() {
    let night = |s: i64| s % DAY < 16 * HOUR;
    let all = ["cpu", "disk", "net"].map(|c| steady("a", c, (6, MINUTE), night));
    assert_eq!(short(&told(merged(all))), [""; 0]);
    let short_gaps = |s: i64| s % (7 * HOUR) > 20 * MINUTE;
    let all = ["cpu", "disk", "net"].map(|c| steady("a", c, (3, MINUTE), short_gaps));
    assert_eq!(short(&told(merged(all))), [""; 0]);
}

#[test]
fn a_stream_that_does_not_come_back_with_its_source_is_told() {
    let off = |s: i64| (2 * DAY..2 * DAY + 8 * HOUR).contains(&s);
    let lines = merged([
        steady("a", "cpu", (3, MINUTE), |s| s < 2 * DAY),
        steady("a", "disk", (3, MINUTE), |s| !off(s)),
        steady("a", "net", (3, MINUTE), |s| !off(s)),
    ]);
    let notices = told(lines);
    assert_eq!(short(&notices), [format!("- a/cpu {}", 2 * DAY - MINUTE)]);
    let ActivityNotice::Silent(silent) = &notices[0] else { panic!("{:?}", notices[0]) };
    assert_eq!(silent.until, at(2 * DAY + 8 * HOUR + 6 * MINUTE), "it had its time to come back");
}

#[test]
fn an_hourly_stream_shows_that_the_source_was_on() {
    let lines = merged([
        steady("a", "cpu", (3, MINUTE), |s| s <= 2 * DAY + HOUR / 2),
        steady("a", "cron", (3, HOUR), |_| true),
    ]);
    let notices = told(lines);
    assert_eq!(short(&notices), [format!("- a/cpu {}", 2 * DAY + HOUR / 2)]);
    let ActivityNotice::Silent(silent) = &notices[0] else { panic!("{:?}", notices[0]) };
    assert_eq!(silent.until, at(2 * DAY + HOUR));
}

#[test]
fn a_server_that_stops_is_one_silence() {
    let off = |s: i64| (2 * DAY..2 * DAY + 8 * HOUR).contains(&s);
    let stopping = ["cpu", "disk", "net", "fan"].map(|c| steady("a", c, (3, MINUTE), |s| !off(s)));
    let lines = merged(
        stopping
            .into_iter()
            .chain([steady("a", "cron", (3, HOUR), |s| !off(s)), steady("b", "cpu", (3, MINUTE), |_| true)]),
    );
    let back = 2 * DAY + 8 * HOUR;
    assert_eq!(short(&told(lines)), [format!("- a/ {}", 2 * DAY - MINUTE), format!("+ a/ {back}")]);
}

#[test]
fn a_server_with_a_slow_clock_is_not_silent() {
    let mut lines = steady("a", "cpu", (2, MINUTE), |_| true);
    lines.extend(steady("b", "cpu", (2, MINUTE), |_| true).iter().map(|l| (l.0 - 20 * MINUTE, l.1, l.2, l.3)));
    // By arrival: a record of each in turn.
    lines.sort_by_key(|l| if l.1 == "b" { l.0 + 20 * MINUTE } else { l.0 });
    assert_eq!(short(&told(lines)), [""; 0]);
}

/// xorshift, 0 < u < 1.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// Fourteen days of streams that keep no time, beside one that does.
fn irregular(seed: u64) -> Vec<Line> {
    let mut parts = vec![steady("a", "beat", (14, MINUTE), |_| true)];
    for (component, spread) in [("poisson", 0.0), ("bursty", 1.0), ("wild", 2.0)] {
        let (mut next, mut s) = (random(seed * 3 + spread as u64 + 1), 0.0);
        let mut lines = Vec::new();
        while s < (14 * DAY) as f64 {
            lines.push((s as i64, "a", component, false));
            let exponential = -libm::log(next());
            let normal = (0..12).map(|_| next()).sum::<f64>() - 6.0;
            s += 600.0 * exponential * libm::exp(spread * normal);
        }
        parts.push(lines);
    }
    let office = |s: i64| s / DAY % 7 < 5 && (9 * HOUR..18 * HOUR).contains(&(s % DAY));
    parts.push(steady("a", "office", (14, 5 * MINUTE), office));
    parts.push(steady("a", "backup", (14, 4), |s| (2 * HOUR..2 * HOUR + 20 * MINUTE).contains(&(s % DAY))));
    merged(parts)
}

#[test]
fn irregular_streams_are_next_to_never_silent() {
    let (mut office, mut others) = (0, 0);
    for seed in 0..10 {
        for notice in told(irregular(seed)) {
            let ActivityNotice::Silent(silent) = notice else { continue };
            match silent.stream.component.as_str() {
                "office" => office += 1,
                "poisson" | "backup" | "beat" => panic!("seed {seed}: {silent:?}"),
                _ => others += 1,
            }
        }
    }
    assert_eq!(office, 10, "the first weekend, once");
    assert!(others <= 7, "{others} in 140 server days with pauses that spread over five decades");
}

#[test]
fn wild_times_silence_nobody() {
    let mut lines = merged(["cpu", "disk"].map(|c| steady("a", c, (2, MINUTE), |_| true)));
    let wild = lines[4_000];
    lines.insert(4_000, (wild.0 + 3_650 * DAY, wild.1, wild.2, wild.3));
    lines.insert(4_500, (-5, "a", "cpu", false));
    let (mut pace, mut out) = (SourceActivity::default(), Vec::new());
    lines.into_iter().for_each(|line| hear(&mut pace, line, &mut out));
    assert_eq!(short(&out), [""; 0]);
    assert_eq!(pace.counts().ahead, 1);
    // A clock that is set right after a year of error: nobody has been silent, and it goes on from there.
    for line in merged(["cpu", "disk"].map(|c| steady("a", c, (1, MINUTE), |s| c == "cpu" || s < 20 * HOUR))) {
        hear(&mut pace, (line.0 - 365 * DAY, line.1, line.2, line.3), &mut out);
    }
    assert_eq!(short(&out), [format!("- a/disk {}", 20 * HOUR - MINUTE - 365 * DAY)]);
    assert_eq!(pace.counts().set_back, 1);
}

fn stored(pace: &SourceActivity) -> SourceActivity {
    let bytes = postcard::to_stdvec(pace).unwrap();
    let back = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes, "a state is read as it was written");
    back
}

#[test]
fn the_clock_tells_of_a_source_that_stopped_and_leaves_event_time_alone() {
    let lines = merged(["cpu", "disk"].map(|c| steady("a", c, (3, MINUTE), |s| c == "cpu" || s < 2 * DAY)));
    let (before, after) = lines.split_at(lines.iter().position(|l| l.0 >= 2 * DAY - 30).unwrap());
    let (mut plain, mut clocked) = (SourceActivity::default(), SourceActivity::default());
    let (mut expected, mut out, mut by_clock) = (Vec::new(), Vec::new(), Vec::new());
    for line in before {
        hear(&mut plain, *line, &mut expected);
        hear(&mut clocked, *line, &mut out);
    }
    // The wall clock is a year ahead of the log: only its steps count. One of them is a night's sleep.
    let wall = |s: i64| at(2 * DAY + 365 * DAY + s);
    for s in [0, 30, 60, 9 * HOUR].into_iter().chain((1..10).map(|i| 9 * HOUR + i * 30)) {
        let _ = clocked.clock(wall(s), &mut by_clock);
    }
    assert_eq!(short(&by_clock), [format!("- a/ {}", 2 * DAY - MINUTE)], "both at once are their server");
    let _ = clocked.clock(wall(9 * HOUR + 330), &mut by_clock);
    assert_eq!(by_clock.len(), 1, "once");
    clocked = stored(&clocked);
    for s in 0..20 {
        let _ = clocked.clock(wall(10 * HOUR + 30 * s), &mut by_clock);
    }
    assert_eq!(by_clock.len(), 1, "once, over a restart too");
    for line in after {
        hear(&mut plain, *line, &mut expected);
        hear(&mut clocked, *line, &mut out);
    }
    let ended = out.remove(0);
    assert_eq!(short(core::slice::from_ref(&ended)), [format!("+ a/ {}", 2 * DAY)]);
    assert!(matches!(ended, ActivityNotice::Spoke { by_clock: true, .. }));
    assert_eq!(out, expected);
    assert_eq!(short(&expected), [format!("- a/disk {}", 2 * DAY - MINUTE)]);
}

#[test]
fn names_and_levels_never_seen() {
    let mut lines = steady("a", "web", (3, MINUTE), |_| true);
    lines.extend([(2 * DAY, "a", "miner", true), (2 * DAY, "b", "web", true)]);
    lines.sort_by_key(|l| l.0);
    assert_eq!(short(&told(lines.clone())), [format!("new a/miner {}", 2 * DAY)]);
    let (mut pace, mut out) = (SourceActivity::default(), Vec::new());
    lines.into_iter().for_each(|line| hear(&mut pace, line, &mut out));
    out.clear();
    let level =
        |level| ObservedRecord { server: "a", component: "web", time: at(3 * DAY), level: Some(level), is_text: false };
    for worse in [Level::Warning, Level::Critical, Level::Error, Level::Critical] {
        pace.observe(level(worse), &mut out);
    }
    assert_eq!(short(&out), ["Critical a/web"]);
}

#[test]
fn rates_of_streams_and_levels() {
    let incident = 9 * DAY + 10 * HOUR..9 * DAY + 10 * HOUR + 20 * MINUTE;
    let (mut pace, mut out) = (SourceActivity::default(), Vec::new());
    for s in (0..10 * DAY).step_by(20) {
        let off = (5 * DAY..5 * DAY + 9 * HOUR).contains(&s);
        let times = if incident.contains(&s) { 6 } else { u8::from(!off) };
        for _ in 0..times {
            let level = Some(if s % 600 == 0 || times > 1 { Level::Error } else { Level::Info });
            pace.observe(ObservedRecord { server: "a", component: "web", time: at(s), level, is_text: true }, &mut out);
            // Numbers are not counted.
            pace.observe(
                ObservedRecord { server: "a", component: "cpu", time: at(s), level: None, is_text: false },
                &mut out,
            );
        }
    }
    // The first error of a day-old stream is no news here: errors come from the start.
    let opened: Vec<ActivityNotice> =
        out.into_iter().filter(|n| matches!(n, ActivityNotice::Rate { finding, .. } if finding.odd)).collect();
    let start = incident.start;
    let names = |s: i64| [format!("rate a/web {s}"), format!("rate a/level.error {s}")];
    let expected: Vec<String> = (0..4).flat_map(|i| names(start + i * 300)).collect();
    assert_eq!(short(&opened), expected);
}

/// About Poisson.
fn arrivals(mean: f64, next: &mut impl FnMut() -> f64) -> u32 {
    let normal = (0..12).map(|_| next()).sum::<f64>() - 6.0;
    if mean > 30.0 {
        return (mean + normal * mean.sqrt()).round().max(0.0) as u32;
    }
    let (mut count, mut left) = (0, libm::exp(-mean));
    let mut product = next();
    while product > left {
        count += 1;
        product *= next();
        left = left.max(f64::MIN_POSITIVE);
    }
    count
}

/// Two weeks of an interval's counts: a day's curve, calm weekends, and a rate that wanders by a quarter. In the second
/// week four incidents of half an hour: five times as many, or a tenth. The intervals they begin in, and what is told.
fn two_weeks(seed: u64, mean: f64) -> (Vec<i64>, Vec<i64>) {
    let mut next = random(seed);
    let (mut rate, mut told, mut wander) = (rate::RateModel::default(), Vec::new(), 0.0);
    let incidents: Vec<i64> = (0..4).map(|i| (8 + i) * 288 + 120 + (next() * 60.0) as i64).collect();
    for i in 0..14 * 288 {
        wander = 0.9 * wander + 0.11 * ((0..12).map(|_| next()).sum::<f64>() - 6.0);
        let day = 0.55 - 0.45 * libm::cos((i % 288) as f64 / 288.0 * core::f64::consts::TAU);
        let week = if i / 288 % 7 >= 5 { 0.5 } else { 1.0 };
        let at = incidents.iter().position(|start| (*start..*start + 6).contains(&i));
        let incident = at.map_or(1.0, |n| if n % 2 == 0 { 5.0 } else { 0.1 });
        let count = arrivals(mean * day * week * libm::exp(wander) * incident, &mut next);
        if rate.push(i, count).is_some_and(|f| matches!(f.step, crate::episode::EpisodeStep::Opened)) {
            told.push(i);
        }
    }
    (incidents, told)
}

#[test]
fn rates_of_busy_streams_find_incidents_and_little_else() {
    let (mut found, mut false_ones, mut all) = (0, 0, 0);
    for seed in 0..20 {
        let (incidents, told) = two_weeks(seed, if seed % 2 == 0 { 50.0 } else { 200.0 });
        let near = |start: &i64, i: &i64| (*start..*start + 8).contains(i);
        all += incidents.len();
        found += incidents.iter().filter(|start| told.iter().any(|i| near(start, i))).count();
        false_ones += told.iter().filter(|i| !incidents.iter().any(|start| near(start, i))).count();
    }
    // 80 and 3 when this was written.
    assert!(found >= 76, "{found} of {all} found");
    assert!(false_ones <= 7, "{false_ones} others in 280 days");
}

#[test]
fn everything_is_bounded_and_what_overflows_is_counted() {
    let (mut pace, mut out) = (SourceActivity::default(), Vec::new());
    let extra = 50;
    for i in 0..STREAMS_MAX + extra {
        let (server, component) = (format!("s{}", i % 3_000), format!("c{i}"));
        let level = Some(Level::Error);
        let time = at(i as i64);
        pace.observe(ObservedRecord { server: &server, component: &component, time, level, is_text: true }, &mut out);
    }
    assert_eq!((pace.voices.len(), pace.index.len()), (STREAMS_MAX, STREAMS_MAX));
    assert!(pace.servers.len() <= STREAMS_MAX);
    assert_eq!(pace.counts().evicted, extra as u64);
    assert!(pace.counts().uncounted > 0);
    let back = stored(&pace);
    assert_eq!((back.counters, back.index.len()), (pace.counters, STREAMS_MAX));
    assert!(pace.counters <= RATES_MAX);
    let size = postcard::to_stdvec(&pace).unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
}

fn untidy() -> impl Strategy<Value = Vec<(i64, u8, u8, u8)>> {
    let step = prop_oneof![6 => 0..200_i64, 1 => -4_000..4_000_i64, 1 => 0..100_000_i64];
    vec((step, 0..3_u8, 0..4_u8, 0..12_u8), 1..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Stored and read back at any record, and asked by the clock at any record, the pace tells the same.
    #[test]
    fn storing_and_the_clock_change_nothing(steps in untidy(), cuts in any::<u64>()) {
        let levels = [Level::Info, Level::Warning, Level::Error];
        let (mut whole, mut cut) = (SourceActivity::default(), SourceActivity::default());
        let (mut expected, mut found, mut by_clock) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = random(cut_seed(cuts));
        let mut now = 0;
        for (step, server, component, rest) in steps {
            now += step;
            let (server, component) = (format!("s{server}"), format!("c{component}"));
            let level = levels.get(usize::from(rest)).copied();
            let heard =
                ObservedRecord { server: &server, component: &component, time: at(now), level, is_text: rest % 2 == 0 };
            whole.observe(heard, &mut expected);
            cut.observe(heard, &mut found);
            if next() < 0.2 {
                for i in 0..20 {
                    let _ = cut.clock(at(now + i * 60), &mut by_clock);
                }
            }
            if next() < 0.1 {
                cut = stored(&cut);
            }
        }
        found.retain(|n| !matches!(n, ActivityNotice::Spoke { by_clock: true, .. }));
        prop_assert_eq!(found, expected);
        let is_by_clock = |n: &ActivityNotice| matches!(n, ActivityNotice::Silent(SilentStream { by_clock: true, .. }));
        prop_assert!(by_clock.iter().all(is_by_clock));
    }
}

fn cut_seed(cuts: u64) -> u64 {
    cuts % 1_000_003 + 1
}
