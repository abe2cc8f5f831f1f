//! Timestamps as programs write them, and texts that only look like one.

use super::*;
use crate::format::{DateOrder, TimeOptions};

const JAN_5: &str = "2026-01-05T00:00:00Z";

fn context() -> Context {
    Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() }
}

fn read(text: &str) -> Option<(String, &str)> {
    let stamp = leading(text, &context())?;
    Some((stamp.time?.to_string(), &text[stamp.end..]))
}

#[test]
fn the_common_shapes_are_read() {
    for text in [
        "2026-01-05T00:00:00Z",
        "2026-01-05 00:00:00",
        "2026-01-05 00:00:00,000",
        "2026-01-05T01:00:00+01:00",
        "2026-01-05 01:00:00 +0100",
        "2026-01-04T19:00:00-05",
        "2026/01/05 00:00:00",
        "2026.01.05 00:00:00",
        "[2026-01-05 00:00:00]",
        "(2026-01-05 00:00:00)",
        "Jan  5 00:00:00",
        "Jan 5 00:00:00",
        "Jan 05 00:00:00",
        "Jan  5 2026 00:00:00",
        "05/Jan/2026:00:00:00 +0000",
        "[05/Jan/2026:01:00:00 +0100]",
        "05 Jan 2026 00:00:00.000",
        "5-Jan-2026 00:00:00",
        "Mon Jan  5 00:00:00 2026",
        "[Mon Jan 05 00:00:00 2026]",
        "[Mon Jan 05 00:00:00.000000 2026]",
        "Mon Jan  5 00:00:00 UTC 2026",
        "Mon, 05 Jan 2026 00:00:00 GMT",
        "2026-01-05-00.00.00.000000",
        "260105 000000",
        "20260105T000000Z",
        "20260105-00:00:00:000",
        "1767571200",
        "1767571200.000",
        "1767571200000",
        "1767571200000000",
        "1767571200000000000",
        "2026-01-05 00:00:00 UTC",
    ] {
        assert_eq!(read(text), Some((JAN_5.to_owned(), "")), "{text}");
        let line = format!("{text} rest");
        assert_eq!(read(&line), Some((JAN_5.to_owned(), " rest")), "{line}");
    }
    assert_eq!(read("[2026-01-05T00:00:00Z INFO app] up"), Some((JAN_5.to_owned(), " INFO app] up")));
}

#[test]
fn fractions_are_microseconds() {
    assert_eq!(read("2026-01-05 00:00:00,5").unwrap().0, "2026-01-05T00:00:00.5Z");
    assert_eq!(read("2026-01-05T00:00:00.123456789Z").unwrap().0, "2026-01-05T00:00:00.123456Z");
    assert_eq!(read("1767571200.25").unwrap().0, "2026-01-05T00:00:00.25Z");
}

#[test]
fn local_times_take_the_callers_offset() {
    let east = Context { times: TimeOptions { offset_s: 3_600, ..TimeOptions::default() }, ..context() };
    assert_eq!(whole("2026-01-05 01:00:00", &east), EventTime::parse(JAN_5));
    assert_eq!(whole("2026-01-05 00:00:00Z", &east), EventTime::parse(JAN_5));
    assert_eq!(whole("Jan  5 01:00:00", &east), EventTime::parse(JAN_5));
}

#[test]
fn other_things_are_no_timestamps() {
    for text in [
        "",
        "[",
        "Jan",
        "Jan 5",
        "May the force",
        "2026-13-05 00:00:00",
        "2026-01-05",
        "2026-01-05 25:00:00",
        "1234567890123456789012",
        "0000000001",
        "123456 999999",
        "12 monkeys",
        "Sunday",
        "2026-01-05T00:00:00Zulu",
        "17675712000",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(whole("2026-01-05T00:00:00Z tail", &context()), None);
}

#[test]
fn a_year_that_nothing_tells_leaves_no_time() {
    let nothing = Context::default();
    assert_eq!(
        leading("Jan  5 00:00:00 host", &nothing),
        Some(TimestampParts { time: None, fault: Some(Fault::Year), end: 15 })
    );
}

/// Each text, alone and before ` rest`, is this time, and nothing of it is left.
fn all_are(expected: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(read(text), Some((expected.to_owned(), "")), "{text}");
        let line = format!("{text} rest");
        assert_eq!(read(&line), Some((expected.to_owned(), " rest")), "{line}");
    }
}

#[test]
fn names_of_zones_are_applied() {
    all_are(
        "2026-01-05T09:00:00Z",
        &[
            "2026-01-05 10:00:00 CET",
            "2026-01-05 10:00:00.000 CET",
            "2026-01-05 11:00:00 CEST",
            "2026-01-05 04:00:00 EST",
            "2026-01-05 05:00:00 EDT",
            "2026-01-05 03:00:00 CST",
            "2026-01-05 01:00:00 PST",
            "2026-01-05 12:00:00 MSK",
            "2026-01-05 18:00:00 JST",
            "2026-01-05 14:30:00 IST",
            "2026-01-05 10:00:00 BST",
            "2026-01-05 20:00:00 AEDT",
            "2026-01-05 05:30:00 NST",
            "2026-01-05 10:00:00 GMT+1",
            "2026-01-05 11:00:00 UTC+02:00",
            "2026-01-05 04:00:00 UTC-5",
            "2026-01-05 14:30:00 GMT+5:30",
            "2026-01-05 11:00:00 UTC+0200",
            "2026-01-05T10:00:00+01:00[Europe/Berlin]",
            "2026-01-05T09:00:00Z[Etc/UTC]",
            "Mon Jan  5 10:00:00 CET 2026",
            "Mon Jan  5 10:00:00 2026 +0100",
            "Mon Jan  5 12:00:00 +03 2026",
            "Mon Jan 05 2026 10:00:00 GMT+0100 (Central European Standard Time)",
            "Mon, 05 Jan 2026 10:00:00 +0100 (CET)",
            "[05/Jan/2026:10:00:00 CET]",
            "Mon 2026-01-05 10:00:00 CET",
            "Jan  5 10:00:00 CET",
            "2026-01-05 10:00:00 [CET]",
            "2026-01-05 09:00:00 Etc/UTC",
            "12:M 05 Jan 2026 10:00:00.000 CET",
        ],
    );
    let line = "2026-01-05 10:00:00.123 CET [123] LOG:  checkpoint";
    assert_eq!(read(line), Some(("2026-01-05T09:00:00.123Z".to_owned(), " [123] LOG:  checkpoint")));
}

#[test]
fn capital_words_after_a_time_are_text() {
    for rest in [
        " INFO x",
        " ERROR x",
        " WARN",
        " LOG: x",
        " GET /",
        " POST [x]",
        " CEST1 x",
        " CET-1 app: x",
        " EST_x",
        " CETX",
        " A x",
        " UTCX",
        " MET.x",
        " Zulu",
        " TEST",
        " ZEBRA x",
        " EVENT 2026",
        " Europe x",
        " Note: a/b",
        " [main] x",
        " [INFO] x",
        " Asian/x",
    ] {
        let line = format!("2026-01-05 00:00:00{rest}");
        assert_eq!(read(&line), Some((JAN_5.to_owned(), rest)), "{line}");
    }
}

#[test]
fn an_unknown_zone_is_no_time() {
    for line in [
        "2026-01-05 10:00:00.123 QQST [123] LOG:  x",
        "Mon Jan  5 10:00:00 QQQ 2026",
        "2026-01-05 10:00:00 XST hello",
        "[05-Jan-2026 10:00:00 Europe/Berlin] PHP Warning: x",
        "Mon 05 Jan 2026 10:00:00 AM XYZT [1] x",
    ] {
        let stamp = leading(line, &context()).unwrap();
        assert_eq!((stamp.time, stamp.fault), (None, Some(Fault::Zone)), "{line}");
    }
    for text in ["2026-01-05 10:00:00 QQQ", "05 Jan 2026 10:00 AB", "2026-01-05T10:00:00 QQST"] {
        assert_eq!(field(text, &context()), Err(Fault::Zone), "{text}");
    }
    let mut own = context();
    own.times.zones = "QQQ=-01:00".parse().unwrap();
    assert_eq!(whole("2026-01-05 10:00:00 QQQ", &own), EventTime::parse("2026-01-05T11:00:00Z"));
    own.times.zones = "IST=+02:00".parse().unwrap();
    assert_eq!(whole("2026-01-05 10:00:00 IST", &own), EventTime::parse("2026-01-05T08:00:00Z"));
    own.times.offset_s = 3_600;
    assert_eq!(whole("2026-01-05 10:00:00 Europe/Berlin", &own), EventTime::parse("2026-01-05T09:00:00Z"));
}

#[test]
fn numbers_after_a_time_are_offsets_only_where_they_are() {
    for rest in [
        " -9.5",
        " -12.5",
        " -03.5",
        " +11.0",
        " -85 dBm wlan0",
        " -9",
        " -05 rest",
        " -05",
        " +11",
        " +01 km",
        " -12 ERROR",
        " -0537 units",
        " +2500 x",
        " -1200 EUR",
        " +12%",
        " -1",
        " +100",
        " -5:3",
        " +01.5",
        " -04,5",
        " +00:00:12",
        " +10:00:00",
        "-12.5",
        "+11.0",
        "-9",
        " -7\u{b0}C",
    ] {
        let line = format!("2026-01-05 00:00:00{rest}");
        assert_eq!(read(&line), Some((JAN_5.to_owned(), rest)), "{line}");
    }
    all_are(
        "2026-01-05T05:00:00Z",
        &[
            "2026-01-05 00:00:00 -0500",
            "2026-01-05 00:00:00 -05:00",
            "2026-01-05 00:00:00-05",
            "2026-01-05 00:00:00-0500",
            "2026-01-05T00:00:00-05:00",
            "2026-01-05 10:45:00 +0545",
            "[2026-01-05 00:00:00 -05]",
        ],
    );
    for (rest, left) in
        [(" -03 [123] LOG: x", " [123] LOG: x"), (" -03 ERROR: x", " ERROR: x"), (" -03 LOG: x", " LOG: x")]
    {
        let line = format!("2026-01-04 21:00:00{rest}");
        assert_eq!(read(&line), Some((JAN_5.to_owned(), left)), "{line}");
    }
    assert_eq!(whole("2026-01-05 00:00:00 -05", &context()), EventTime::parse("2026-01-05T05:00:00Z"));
}

#[test]
fn clocks_have_twelve_or_twenty_four_hours() {
    all_are(
        "2026-01-05T22:07:00Z",
        &[
            "2026-01-05 10:07:00 PM",
            "2026-01-05 10:07:00PM",
            "2026-01-05 10:07 pm",
            "2026-01-05 10:07:00 p.m.",
            "2026-01-05 10:07:00.000\u{202f}PM",
            "2026-01-05 10:07:00\u{a0}PM",
            "2026-01-05 22:07:00 PM",
            "1/5/2026 10:07:00 PM",
            "1/5/2026, 10:07:00 PM",
            "Mon 05 Jan 2026 10:07:00 PM UTC",
            "Mon 05 Jan 2026 11:07:00 PM CET",
            "Mon Jan  5 10:07:00 PM UTC 2026",
            "January 5, 2026 at 10:07 PM",
            "05-JAN-26 10.07.00.000000 PM",
        ],
    );
    all_are("2026-01-05T00:30:00Z", &["2026-01-05 12:30:00 AM", "1/5/2026 12:30 AM", "05.01.2026, 00:30:00"]);
    assert_eq!(read("2026-01-05 00:00:00 PMX").unwrap().1, " PMX");
    assert_eq!(read("2026-01-05 13:00:00 AM x").unwrap(), ("2026-01-05T13:00:00Z".to_owned(), " AM x"));
}

#[test]
fn dates_have_many_shapes() {
    all_are(
        "2026-01-05T10:00:00Z",
        &[
            "05.01.2026 10:00:00",
            "5.1.2026 10:00",
            "05.01.26 10:00:00",
            "05.01.2026, 10:00:00",
            "26-01-05 10:00:00",
            "26/01/05 10:00:00",
            "05/Jan/26 10:00:00",
            "05/Jan/26:10:00:00 +0000",
            "5-Jan-26 10:00:00",
            "2026-W02-1T10:00:00",
            "2026-W02-1 10:00:00Z",
            "2026W021T100000Z",
            "2026-005T10:00:00",
            "2026005T100000Z",
            "2026-005 10:00:00",
            "2026-Jan-05 10:00:00",
            "2026 Jan  5 10:00:00",
            "2026 January 05 10:00:00",
            "5 January 2026 10:00",
            "05 Jan 2026, 10:00:00",
            "Monday, January 5, 2026 10:00:00 AM",
            "January 5, 2026 10:00:00",
            "Jan 5, 2026 @ 10:00:00.000",
            "Jan. 5, 2026, 10:00:00",
            "Jan-05-2026 10:00:00",
            "05 Jan 10:00:00.000",
            "01-05 10:00:00.000",
            "2026-01-05 10:00",
            "2026-01-05T10:00Z",
            "2026-01-05\t10:00:00",
            "2026-01-05  10:00:00",
            "2026/1/5 10:00:00",
            "20260105T1000Z",
            "20260105_100000",
            "20260105100000",
            "20260105100000000",
            "260105 10:00:00",
            "Mon 5 Jan 10:00:00 UTC 2026",
            "1767607200000.0",
        ],
    );
    assert_eq!(read("15.07.2025 13:20:30:777 line"), Some(("2025-07-15T13:20:30.777Z".to_owned(), " line")));
    assert_eq!(read("5 Sept 2025 10:00 x"), Some(("2025-09-05T10:00:00Z".to_owned(), " x")));
}

#[test]
fn routers_put_numbers_and_marks_before_their_times() {
    for line in [
        "000123: *Jan  5 10:00:00.123 CET: %SYS-5-CONFIG_I: x",
        "000123: .Jan  5 10:00:00.123 CET: %SYS-5-CONFIG_I: x",
        "*Jan  5 10:00:00.123 CET: %SYS-5-CONFIG_I: x",
        ".Jan  5 09:00:00.123: %SYS-5-CONFIG_I: x",
        "45: Jan  5 2026 09:00:00.123: %SYS-5-CONFIG_I: x",
        "*2026 Jan  5 10:00:00.123 CET: %SYS-5-CONFIG_I: x",
    ] {
        assert_eq!(read(line), Some(("2026-01-05T09:00:00.123Z".to_owned(), ": %SYS-5-CONFIG_I: x")), "{line}");
    }
}

#[test]
fn a_date_that_reads_in_two_ways_is_told_by_the_source() {
    let seen = |reference: &str| Context { reference: EventTime::parse(reference), ..Context::default() };
    let context = seen("2026-11-20T00:00:00Z");
    assert_eq!(field("05/01/2026 10:00:00", &context), Err(Fault::DateOrder));
    assert_eq!(field("05/05/2026 10:00:00", &context), Ok(EventTime::parse("2026-05-05T10:00:00Z").unwrap()));
    assert_eq!(field("13/01/2026 10:00:00", &context), Ok(EventTime::parse("2026-01-13T10:00:00Z").unwrap()));
    assert_eq!(whole("05/01/2026 10:00:00", &context), EventTime::parse("2026-01-05T10:00:00Z"));
    assert_eq!(whole("01/14/2026 10:00:00", &context), EventTime::parse("2026-01-14T10:00:00Z"));
    assert_eq!(whole("05/01/2026 10:00:00", &context), EventTime::parse("2026-05-01T10:00:00Z"));
    // Only one of them has been yet, only one of them is the day on which the file was written.
    assert_eq!(whole("01/12/2026 10:00:00", &seen("2026-11-20T00:00:00Z")), EventTime::parse("2026-01-12T10:00:00Z"));
    assert_eq!(whole("05/11/2026 10:00:00", &seen("2026-11-05T10:00:01Z")), EventTime::parse("2026-11-05T10:00:00Z"));
    assert_eq!(whole("11-05-2026 10:00:00", &seen("2026-11-05T10:00:01Z")), EventTime::parse("2026-11-05T10:00:00Z"));
    let mut told = seen("2026-11-20T00:00:00Z");
    told.times.date_order = Some(DateOrder::MonthFirst);
    assert_eq!(whole("05/01/2026 10:00:00", &told), EventTime::parse("2026-05-01T10:00:00Z"));
    assert_eq!(field("13/01/2026 10:00:00", &told), Err(Fault::DateOrder));
    assert_eq!(field("01/02/26 10:00:00", &context), Ok(EventTime::parse("2026-01-02T10:00:00Z").unwrap()));
    // Years old: the year stands first.
    assert_eq!(whole("17/06/09 20:10:40", &seen("2026-11-20T00:00:00Z")), EventTime::parse("2017-06-09T20:10:40Z"));
    assert_eq!(field("01/02/26 10:00:00", &seen("2026-11-20T00:00:00Z")), Err(Fault::DateOrder));
}

#[test]
fn two_fields_are_one_time() {
    let expected = EventTime::parse("2026-01-05T10:00:00Z").unwrap();
    for (date, time) in [
        ("2026-01-05", "10:00:00"),
        ("05.01.2026", "10:00"),
        ("20260105", "100000"),
        ("Jan 5 2026", "10:00:00 AM"),
        ("5/Jan/2026", "11:00:00 CET"),
        ("2026-01-05", "10:00:00.000Z"),
    ] {
        assert_eq!(fields(date, time, &context()), Ok(expected), "{date} {time}");
    }
    for (date, time) in [("2026-01-05", ""), ("", "10:00"), ("2026-01-05 1", "10:00"), ("2026-01-05", "10:00 x")] {
        assert_eq!(fields(date, time, &context()), Err(Fault::Time), "{date} {time}");
    }
}

#[test]
fn the_kernels_uptime_is_passed() {
    for (text, rest) in [
        ("[   12.345678] usb 1-1: x", "usb 1-1: x"),
        ("[    0.000000][    T0] Linux", "Linux"),
        ("[12345.678901] x", "x"),
        ("[  1.000000][  C12] x", "x"),
        ("[    5.123456]", ""),
    ] {
        assert_eq!(uptime(text).map(|end| &text[end..]), Some(rest), "{text}");
    }
    for text in ["[1.5] x", "[x] y", "12.345678 x", "[12.345678", "[.123456] x", "[1, 2] x", ""] {
        assert_eq!(uptime(text), None, "{text}");
    }
}

#[test]
fn texts_that_begin_like_dates_are_none() {
    for text in [
        "10.0.0.1 - - x",
        "1.2.10 released",
        "3.14 is",
        "12 34 56",
        "March on 5",
        "Monitor started",
        "May 5 items",
        "Sun rises 10:00",
        "13/13/2026 10:00:00",
        "99/99/99 10:00:00",
        "31.02.2026 10:00:00",
        "2026-366T10:00:00",
        "2026-W54-1T10:00:00",
        "2026-W02-8T10:00:00",
        "2026-01-05 10",
        "2026-01-05 10.30",
        "2026-01-05 24:00:01",
        "... and so on",
        "* Jan 5",
        "12345678901234",
        "20261305100000",
        "123: items",
        "1: 2: 3: x",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}
