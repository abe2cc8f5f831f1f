//! What a trace says of lines, and that it changes nothing.

use super::*;

/// Everything that was found while the lines were read, and what was told.
fn traced(asked: TracedLines, lines: &[String]) -> (Vec<LineFinding>, Vec<Event>) {
    let (mut pipeline, mut out) = (new(60), PipelineOutput::default());
    pipeline.trace(asked);
    let mut found = Vec::new();
    for line in lines {
        pipeline.line(line.as_bytes(), None, &mut out).unwrap();
        found.extend(pipeline.findings());
    }
    pipeline.finish(&mut out).unwrap();
    pipeline.wait_in_vain(&mut out).unwrap();
    found.extend(pipeline.findings());
    (found, out.events)
}

fn texts(found: &[LineFinding]) -> Vec<(u64, String)> {
    found.iter().map(|found| (found.lines.first, String::from_utf8(found.text.clone()).unwrap())).collect()
}

#[test]
fn a_trace_changes_nothing_that_a_replay_tells() {
    let lines = text_log();
    let (_, plain) = run(60, lines.clone());
    for asked in [TracedLines::Odd, TracedLines::Line(20_000), TracedLines::Instant(at(1_767_571_200 + 5 * DAY))] {
        let (found, mut told) = traced(asked, &lines);
        told.retain(Event::is_replayed);
        assert_eq!(told, plain.events, "{asked:?}");
        assert!(!found.is_empty());
    }
}

#[test]
fn what_is_found_at_a_line_is_the_same_however_it_is_asked_for() {
    let lines = table("..........xxxxx.x.xxx......x....................................................x........");
    let (odd, _) = traced(TracedLines::Odd, &lines);
    let expected = [11, 12, 13, 14, 15, 17, 19, 20, 21, 28, 81].map(|line| (line + 1, lines[line as usize].clone()));
    assert_eq!(texts(&odd), expected.map(|(line, text)| (line, text)));
    for finding in &odd {
        let line = finding.lines.first;
        let (of_line, _) = traced(TracedLines::Line(line), &lines);
        let FoundItem::Judged(judged) = &finding.what else { panic!("{finding:?}") };
        let (of_time, _) = traced(TracedLines::Instant(judged.row.verdict.time), &lines);
        for found in [of_line, of_time] {
            assert!(matches!(found[0].what, FoundItem::Record(_)), "{found:?}");
            assert_eq!(found[1], *finding);
        }
    }
}

#[test]
fn each_value_of_a_line_is_found_whatever_block_it_is_in() {
    let header = (0..40).map(|i| format!(",m{i}")).collect::<String>();
    let row = |i: i64| (0..40).fold(at(i * MINUTE).to_string(), |row, j| format!("{row},{}", i % 3 + j));
    let lines: Vec<String> = core::iter::once(format!("time{header}")).chain((0..200).map(row)).collect();
    for line in [2, 3, 100, 201] {
        let (found, _) = traced(TracedLines::Line(line), &lines);
        let judged = found.iter().filter(|found| matches!(found.what, FoundItem::Judged(_))).count();
        assert_eq!(judged, 40, "line {line}");
        assert!(found.iter().all(|found| found.lines == LineNumbers { first: line, last: line }));
    }
}

#[test]
fn a_record_of_several_lines_is_found_by_each_of_them() {
    let mut lines: Vec<String> = Vec::new();
    for i in 0..20 {
        lines.extend([
            "{".to_owned(),
            format!("\"time\": \"{}\",", at(i * MINUTE)),
            "\"n\": 4".to_owned(),
            "}".to_owned(),
        ]);
    }
    for line in [41, 42, 43, 44] {
        let (found, _) = traced(TracedLines::Line(line), &lines);
        assert_eq!(found[0].lines, LineNumbers { first: 41, last: 44 });
        assert_eq!(found[0].text, lines[40..44].join(" ").as_bytes());
    }
}
