//! Logs with something wrong in them that can still be used: what is wrong is counted, shown and survived.

use std::io::Write;

use crate::shell::{ANOMALIES, Folder, HEADER, MODEL, TRAIN, peak_kib, row, steady, time, wobble};

/// Peak memory while a line of 100 MB goes by.
const PEAK_KIB_MAX: u64 = 150 * 1024;

/// Trains on a log and returns what was said.
#[track_caller]
fn trained(folder: &Folder, log: impl AsRef<[u8]>) -> String {
    folder.write("odd.csv", log);
    folder.must(&format!("{TRAIN} --logs odd.csv")).stderr
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(text.contains(word), "not said: {word:?}\n{text}"));
}

#[test]
fn values_that_are_none_are_counted_with_their_line() {
    let folder = Folder::new();
    let mut log = steady(1_000);
    log.push_str(&format!("{},server-01,cpu,NaN,0\n", time(1_000)));
    log.push_str(&format!("{},server-01,cpu,inf,0\n", time(1_001)));
    log.push_str(&format!("{},server-01,cpu,1e999,0\n", time(1_002)));
    log.push_str(&format!("{},server-01,cpu,much,0\n", time(1_003)));
    log.push_str("2026-13-01T00:00:00Z,server-01,cpu,50,0\n");
    let said = trained(&folder, &log);
    says(&said, &["3 x the value is NaN or infinite, first at odd.csv, line 1002"]);
    says(&said, &["1 x the value is not a number, first at odd.csv, line 1005"]);
    // It has the time of the record before, as in the agent.
    says(&said, &["1 x the timestamp cannot be read", "line 1006", "read 1001 records"]);
    let report = folder.must("test --logs odd.csv --json").json();
    assert_eq!(report["run"]["records"], 1_001);
    assert_eq!(report["run"]["lines_unusable"], 4);
}

#[test]
fn huge_values_are_found_and_not_learnt() {
    let folder = Folder::new();
    let huge = ["1e300", "-1e300", "1.7976931348623157e308", "1e-320"];
    let mut log = steady(2_000);
    for (i, value) in huge.iter().enumerate() {
        log.push_str(&format!("{},server-01,cpu,{value},0\n", time(2_000 + i)));
    }
    log.push_str(&steady(3_000)[steady(2_004).len()..]);
    trained(&folder, &log);
    let baseline = &folder.inspect(MODEL)["profile"]["baselines"][0]["baseline"];
    assert!(baseline["max"].as_f64().unwrap() < 60.0, "{baseline}");
    folder.must("test --logs odd.csv");
    let anomalies = folder.text(ANOMALIES);
    (0..huge.len()).for_each(|i| says(&anomalies, &[&time(2_000 + i)]));
    assert!(!anomalies.contains("NaN"), "{anomalies}");
    assert!(anomalies.lines().count() < 60, "and little else: {anomalies}");
}

#[test]
fn unsorted_and_repeated_times() {
    let folder = Folder::new();
    let sorted = steady(2_000);
    trained(&folder, &sorted);
    let expected = folder.inspect(MODEL)["profile"].clone();
    let mut rows: Vec<&str> = sorted.lines().skip(1).collect();
    rows.reverse();
    let said = trained(&folder, format!("{HEADER}{}\n", rows.join("\n")));
    says(&said, &["1999 records out of order in their stream: sorted by time"]);
    assert_eq!(folder.inspect(MODEL)["profile"], expected, "the order of lines is not learnt");
    let twice: String = sorted.lines().skip(1).map(|l| format!("{l}\n{l}\n")).collect();
    says(&trained(&folder, format!("{HEADER}{twice}")), &["2000 records with duplicate timestamps"]);
    let report = folder.must("test --logs odd.csv --json").json();
    assert_eq!(report["run"]["late"], 0);
    folder.write("late.csv", format!("{HEADER}{}\n", rows.join("\n")));
    assert_eq!(folder.must("test --logs late.csv --json").json()["run"]["late"], 1_999);
}

#[test]
fn records_of_a_wrong_clock_are_left_out() {
    let folder = Folder::new();
    let log = steady(5 * 1440);
    trained(&folder, &log);
    let expected = folder.inspect(MODEL);
    let strays = "2099-01-01T00:00:00Z,server-01,cpu,50,0\n1970-01-01T00:00:00Z,server-01,cpu,50,0\n";
    // What others confirm is believed, and is a stray all the same.
    let believed: String = (0..3).map(|i| format!("2020-01-01T00:0{i}:00Z,server-01,cpu,50,0\n")).collect();
    let said = trained(&folder, format!("{log}{strays}{believed}"));
    says(&said, &["3 x the time is far from the records around it and from the clock"]);
    says(&said, &["2 records more than a month from all others of their stream: left out"]);
    let found = folder.inspect(MODEL);
    assert_eq!(found["version"], expected["version"], "not of the year 2099");
    assert_eq!(found["profile"], expected["profile"], "threshold and baselines neither");
}

#[test]
fn a_stream_without_a_scale_does_not_keep_the_others_from_being_learnt() {
    let folder = Folder::new();
    let wild: String = (0..500)
        .map(|i| format!("{},server-01,wild,{}1.7e308,0\n", time(i), if i % 2 == 0 { "-" } else { "" }))
        .collect();
    let said = trained(&folder, format!("{}{wild}", steady(1_000)));
    says(&said, &["1 stream with values too far apart to have a scale, server-01/wild first: left out"]);
    folder.must("test --logs odd.csv");
}

#[test]
fn a_torn_file_among_matched_ones_is_passed_over() {
    let folder = Folder::new();
    folder.write("many/a.csv", steady(1_000));
    folder.write("many/b.csv", format!("{HEADER}2026-01-0"));
    let done = folder.must("retrain --epochs 2 many/*.csv");
    says(&done.stderr, &["many/b.csv: no usable record in it, passed over", "read 1000 records"]);
    folder.run(&format!("{TRAIN} --logs many/b.csv")).refused(65, &["no usable record"]);
}

#[test]
fn mixed_line_ends_and_a_byte_order_mark() {
    let folder = Folder::new();
    let plain = steady(1_000);
    trained(&folder, &plain);
    let expected = folder.inspect(MODEL)["profile"].clone();
    let mixed: String =
        plain.lines().enumerate().map(|(i, l)| format!("{l}{}", ["\n", "\r\n", "\r\n\n"][i % 3])).collect();
    let said = trained(&folder, format!("\u{feff}{}", mixed.trim_end()));
    says(&said, &["read 1000 records"]);
    assert_eq!(folder.inspect(MODEL)["profile"], expected);
}

#[test]
fn bytes_that_are_not_utf_8() {
    let folder = Folder::new();
    let mut log = steady(1_000).into_bytes();
    log.extend_from_slice(format!("{},server-\u{1}", time(1_000)).as_bytes());
    log.extend_from_slice(b"\xff\xfe,cpu,51.0,0\n\xc3\x28\xa0\n");
    let said = trained(&folder, &log);
    says(&said, &["not valid UTF-8", "line 1002"]);
    folder.must("test --logs odd.csv");
}

#[test]
fn one_line_of_100_mb() {
    let folder = Folder::with_model();
    for command in [TRAIN, "test"] {
        let mut child = folder.command(&format!("{command} --logs -"));
        let mut child = child.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(steady(500).as_bytes()).unwrap();
        let chunk = vec![b'7'; 1 << 20];
        (0..100).for_each(|_| input.write_all(&chunk).unwrap());
        (500..1_000)
            .for_each(|i| input.write_all(format!("\n{}", row(i, 50.0 + wobble(i)).trim()).as_bytes()).unwrap());
        let peak = peak_kib(&child);
        drop(input);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        assert!(peak < PEAK_KIB_MAX, "{command}: {peak} KiB at the peak");
        says(&said, &["1 x the line is longer than 48 KiB and was cut", "line 502"]);
    }
}

#[test]
fn constant_streams() {
    let folder = Folder::new();
    let constant = |value: &str| -> String {
        let row = |i| format!("{},server-01,cpu,{value},0\n{},server-01,fan,0,0\n", time(i), time(i));
        (0..3_000).map(row).collect()
    };
    trained(&folder, format!("{HEADER}{}", constant("5")));
    folder.must("test --logs odd.csv");
    assert_eq!(folder.text(ANOMALIES).lines().count(), 1, "as learnt: {}", folder.text(ANOMALIES));
    let moved = constant("5")
        .replace(&format!("{},server-01,cpu,5", time(2_000)), &format!("{},server-01,cpu,15", time(2_000)))
        .replace(&format!("{},server-01,cpu,5", time(2_200)), &format!("{},server-01,cpu,6", time(2_200)));
    let moved = moved.replace(&format!("{},server-01,fan,0", time(2_500)), &format!("{},server-01,fan,9", time(2_500)));
    folder.write("moved.csv", format!("{HEADER}{moved}"));
    folder.must("test --logs moved.csv");
    let anomalies = folder.text(ANOMALIES);
    says(&anomalies, &[&format!("{},server-01,cpu,15,", time(2_000)), &format!("{},server-01,fan,9,", time(2_500))]);
    assert_eq!(anomalies.lines().count(), 3, "each once, and one unit more is no news: {anomalies}");
}

#[test]
fn a_stream_seen_only_when_judging() {
    let folder = Folder::new();
    trained(&folder, steady(3_000));
    let row = |i: usize| {
        let value = if i == 2_600 { 900.0 } else { 300.0 + wobble(i) };
        format!("{},server-09,queue,{value},0\n", time(i))
    };
    let log: String = (0..3_000).map(row).collect();
    folder.write("new.csv", format!("{HEADER}{log}"));
    let done = folder.must("test --logs new.csv");
    says(&done.stderr, &["1 stream not in the model", "server-09/queue", "in warm-up"]);
    let anomalies = folder.text(ANOMALIES);
    says(&anomalies, &[&format!("{},server-09,queue,900,", time(2_600))]);
    assert!(anomalies.lines().count() < 60, "{anomalies}");
    let report = folder.must("test --logs new.csv --json").json();
    assert_eq!(report["run"]["streams_learning"], 1);
    assert_eq!(report["run"]["records_while_learning"], 2_880, "48 hours");
}

#[test]
fn names_with_commas_and_quotes_stay_one_field() {
    let folder = Folder::new();
    let named = steady(1_000).replace("server-01,", "\"rack 1, \"\"left\"\"\",");
    trained(&folder, &named);
    folder.must("test --logs odd.csv --scores scores.csv");
    let scores = folder.text("scores.csv");
    assert_eq!(scores.lines().filter(|l| l.contains(",\"rack 1, \"\"left\"\"\",cpu,")).count(), 1_000, "{scores}");
}
