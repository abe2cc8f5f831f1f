//! Streams come, learn, change and go: bounded, counted, and said so.

use oddline_core::{
    episode::EpisodeStep,
    limits::{LEARNING_MAX, STREAMS_MAX},
    score::ScoreCause,
    stream::{
        StreamName,
        daily::{curve_at, phases},
    },
};
use oddline_detector::JudgedRow;

use crate::fixture::{DAY, Entry, Usual, judge_all};

fn odd(judged: &[JudgedRow]) -> usize {
    judged.iter().filter(|j| j.verdict.anomalous).count()
}

/// False alerts that a stream behaving as learnt may have by chance: 2 % of the records.
#[track_caller]
fn assert_quiet(judged: &[JudgedRow], what: &str) {
    let odd = odd(judged);
    assert!(odd * 50 <= judged.len(), "{what}: {odd} of {} records odd", judged.len());
}

#[test]
fn more_streams_than_there_is_room_for() {
    const MORE: usize = 300;
    // At times that no rhythm explains.
    let jumps: Vec<usize> = (1..).map(|k| 4 * k * (k + 1)).take_while(|visit| *visit < STREAMS_MAX + MORE).collect();
    let mut known = Usual::stream("cpu", 31);
    let mut entries = Vec::new();
    let mut visits = 0;
    for i in 0..STREAMS_MAX + MORE {
        if i % 8 == 0 {
            visits += 1;
            entries.push(known.next(if jumps.contains(&visits) { 12.0 } else { 0.0 }));
        }
        entries.push(Entry::new(&format!("host-{i}"), "load", known.time, i as f64));
    }
    let (judged, judge) = judge_all(&entries);
    assert_eq!(judged.len(), entries.len());
    assert_eq!(judge.counts().evicted, MORE as u64 + 1, "one place is the known stream's");
    let of_known: Vec<&JudgedRow> = judged.iter().filter(|j| j.verdict.stream.component == "cpu").collect();
    assert_eq!(of_known.len(), visits);
    assert!(of_known.iter().all(|j| !j.verdict.learning), "the stream in use was not evicted");
    for (i, j) in (1..).zip(&of_known) {
        if jumps.contains(&i) {
            assert!(j.verdict.anomalous, "a jump of 12 scales at {i}: {}", j.verdict.score.value);
        }
    }
    let quiet = of_known.iter().filter(|j| j.verdict.anomalous).count();
    let jumped = jumps.iter().filter(|visit| **visit <= visits).count();
    assert!(quiet <= jumped * 4, "{quiet} of {visits} odd");
    // Whoever was evicted comes back as a stranger, and takes the place of another.
    let name = StreamName { server: "host-0".into(), component: "load".into() };
    let again = Entry::new(&name.server, &name.component, known.time, 0.0);
    let (judged, judge) = crate::fixture::go_on(judge.state().clone(), &[again]);
    assert_eq!(*judged[0].verdict.stream, name);
    assert!(judged[0].verdict.learning && judged[0].verdict.expected.is_none());
    assert_eq!(judge.counts().evicted, MORE as u64 + 2);
}

#[test]
fn a_stream_that_finds_no_place_to_learn_is_judged_by_its_range() {
    const USUAL: usize = 100;
    let start = Usual::stream("cpu", 32).time;
    let crowd = (0..LEARNING_MAX).map(|i| Entry::new(&format!("host-{i}"), "load", start, i as f64));
    let values = (0..USUAL).map(|i| (i % 10) as f64).chain([1_000.0, 5.0]);
    let late = values.map(|value| Entry::new("late", "load", start, value));
    let (judged, judge) = judge_all(&crowd.chain(late).collect::<Vec<_>>());
    let odd: Vec<usize> = (0..).zip(&judged).filter(|(_, j)| j.verdict.anomalous).map(|(i, _)| i).collect();
    assert_eq!(odd, [LEARNING_MAX + USUAL]);
    assert_eq!(judge.counts().by_range, USUAL as u64 + 2);
    assert_eq!(judge.streams(), (LEARNING_MAX + 1, LEARNING_MAX + 1));
}

#[test]
fn a_new_stream_learns_its_range_then_its_scale_then_its_day() {
    let mut like = Usual::stream("latency", 32);
    let mut entries: Vec<Entry> = like.take(3 * DAY, 0.0);
    for entry in &mut entries {
        entry.component = "queue".to_owned();
    }
    let (base, scale) = (like.baseline.curve[0], like.baseline.residual_scale);
    // Before 50 records nothing is odd, not even this; then what is far outside the range; then what the scale says.
    entries[20].value = base + 500.0 * scale;
    entries[120].value = base + 5_000.0 * scale;
    entries[260].value = base - 30.0 * scale;
    let (judged, _) = judge_all(&entries);
    let verdict = |i: usize| &judged[i].verdict;
    assert!(!verdict(20).anomalous && verdict(20).expected.is_none());
    assert!(verdict(120).anomalous && verdict(120).score.cause == ScoreCause::Range && verdict(120).expected.is_none());
    assert!(judged[..199].iter().all(|j| j.verdict.expected.is_none()));
    assert!(judged[201..].iter().all(|j| j.verdict.expected.is_some()));
    assert!(
        verdict(260).anomalous && verdict(260).score.cause != ScoreCause::Range,
        "inside the range, far from the level"
    );
    let learning: Vec<bool> = judged.iter().map(|j| j.verdict.learning).collect();
    let end = learning.iter().position(|l| !l).unwrap();
    assert!(learning[end..].iter().all(|l| !l));
    let hours = verdict(end).time.seconds_since(verdict(0).time) / 3600.0;
    assert!((48.0..48.1).contains(&hours), "learning for {hours} hours");
    assert_quiet(&judged[end..], "after learning");
}

#[test]
fn a_lasting_change_is_a_new_level_after_a_day() {
    let mut stream = Usual::stream("memory", 33);
    let mut entries = stream.take(DAY, 0.0);
    entries.extend(stream.take(4 * DAY, 40.0));
    let (judged, judge) = judge_all(&entries);
    assert_quiet(&judged[..DAY], "before");
    assert!(odd(&judged[DAY..2 * DAY]) * 10 > 9 * DAY, "odd for a day: {}", odd(&judged[DAY..2 * DAY]));
    let levels: Vec<usize> =
        (0..judged.len()).filter(|i| matches!(judged[*i].step, EpisodeStep::NewLevel(_))).collect();
    assert_eq!(levels.len(), 1, "{levels:?}");
    assert_eq!(judge.counts().new_levels, 1);
    assert!((2 * DAY..2 * DAY + 10).contains(&levels[0]), "after 24 hours: {}", levels[0] - DAY);
    assert_quiet(&judged[levels[0] + 64..], "after the new level");
    let expected = judged.last().unwrap().verdict.expected.unwrap();
    let level = stream.baseline.curve[0] + 40.0 * stream.baseline.residual_scale;
    let swing: f64 = stream.baseline.curve[1..].iter().map(|b| b.abs()).sum();
    assert!((expected - level).abs() < swing + 2.0 * stream.baseline.residual_scale, "{expected} near {level}");
}

/// How far the stream's level moved during a run, in its scales.
fn moved(stream: &Usual, judged: &JudgedRow) -> f64 {
    let at_first = curve_at(&stream.baseline.curve, &phases(judged.verdict.time));
    (judged.verdict.expected.unwrap() - at_first) / stream.baseline.residual_scale
}

#[test]
fn a_level_follows_a_slow_drift() {
    const WEEKS: usize = 4;
    let mut stream = Usual::stream("disk_io", 34);
    let records = WEEKS * 7 * DAY;
    let per_record = WEEKS as f64 / records as f64;
    let entries: Vec<Entry> = (0..records).map(|i| stream.next(i as f64 * per_record)).collect();
    let (judged, judge) = judge_all(&entries);
    assert_quiet(&judged, "a scale a week");
    assert_quiet(&judged[records - 7 * DAY..], "the last week");
    let moved = moved(&stream, judged.last().unwrap());
    assert!((WEEKS as f64 - 1.0..WEEKS as f64 + 0.5).contains(&moved), "moved by {moved} scales");
    assert_eq!(judge.counts().new_levels, 0);
}

#[test]
fn a_level_does_not_follow_an_anomaly() {
    let mut stream = Usual::stream("disk_io", 35);
    let mut entries = stream.take(DAY, 0.0);
    entries.extend(stream.take(DAY / 2, 10.0));
    let (judged, _) = judge_all(&entries);
    assert!(odd(&judged[DAY..]) * 10 > 9 * DAY / 2, "half a day of it: {}", odd(&judged[DAY..]));
    let (before, after) = (moved(&stream, &judged[DAY - 1]), moved(&stream, judged.last().unwrap()));
    assert!((after - before).abs() < 0.05, "moved from {before} to {after} scales while odd");
}

#[test]
fn late_and_repeated_times_are_counted_and_no_gaps() {
    const GAP: usize = 5;
    let mut stream = Usual::stream("network", 36);
    let (mut entries, mut strays) = (Vec::new(), Vec::new());
    for i in 0..2 * DAY {
        let entry = stream.next(0.0);
        entries.push(entry.clone());
        if i % 10 == 9 {
            let seconds = if i % 20 == 9 { -900.0 } else { 0.0 };
            strays.push(entries.len());
            entries.push(Entry { time: entry.time.map(|t| t.plus_seconds(seconds)), ..entry });
        }
    }
    let (judged, judge) = judge_all(&entries);
    let late = strays.len() as u64 / 2;
    assert_eq!(judge.counts().late, late, "repeated times are not late");
    for i in strays {
        assert_eq!(judged[i].verdict.vector[GAP], 0.0, "record {i}");
    }
    let by_gap = judged.iter().filter(|j| j.verdict.anomalous && j.verdict.main_reason().contains("gap")).count();
    assert_eq!(by_gap, 0, "a record that was late or came twice leaves no gap behind");
}
