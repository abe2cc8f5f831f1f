//! What must hold for any bytes whatever: no panic, nothing lost, the same result each time.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{spellings::NAMES, *};
use crate::{
    limits::{LINE_BYTES_MAX, NAME_BYTES_MAX},
    record::{Fault, Record},
};

/// Lines of each format, made up in the shapes that programs write.
const LINES: &[&str] = &[
    "timestamp,server,component,value,anomalous",
    "2026-01-05T00:00:00Z,server-01,cpu,45.25,1",
    "#Fields: date time cs-method cs-uri-stem sc-status time-taken",
    "2026-01-05 00:00:00 GET /a 503 250",
    "time;load (1 min);temp [C]",
    "2026-01-05 00:00:00;0,5;1.234,5",
    "192.0.2.7:5000 [05/Jan/2026:00:00:00.000] front back/srv 0/0/1/2/3 200 123 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
    "[05/Jan/2026:00:00:00 +0000] - 200 404 - GET https a.b \"/a\" [Client ::1] [Length 1] [Gzip -] [Sent-to -] \"a\" \"-\"",
    "2026-01-05T00:00:00Z,\"a,\"\"b\"\"\",cpu,NaN,",
    r#"{"ts":1767571200.5,"host":{"name":"a"},"level":"warn","msg":"x \u001b[1m\u0000","n":[1,2],"took":1e-3}"#,
    r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1767571200000000","MESSAGE":[104,27,255],"PRIORITY":"3"}"#,
    "<34>1 2026-01-05T00:00:00.003Z gate app 12 ID47 [a@1 b=\"x\\\"]\"] text",
    "<13>Feb 29 00:00:00 gate su(pam_unix)[12]: session opened",
    "Mon Jan  5 00:00:00 2026 daemon.err dnsmasq[1]: text",
    "time=2026-01-05T00:00:00Z level=info msg=\"a \\\"b\\\"\" duration=12.5ms size=3",
    r#"shop:443 192.0.2.7 - ann [05/Jan/2026:00:00:00 +0000] "GET /\" HTTP/1.1" 502 - "-" "agent" 0.125 rt=3"#,
    "[Mon Jan 05 00:00:00.5 2026] [core:error] [pid 1] x",
    "- 1117838570 2005.06.03 R1-M0 2005-06-03-15.42.50.675872 R1-M0 RAS KERNEL FATAL text",
    "260105 000000 148 INFO dfs.Node$Receiver: got 3",
    "E0105 00:00:00.000000 12 file.cc:7] \u{1b}]0;é\u{7}broken",
    "2026-01-05 00:00:00,000 - shop.cart - WARNING - latë",
    "    at com.shop.Cart(Cart.java:7)",
    "<189>000123: *Jan  5 00:00:00.123 CET: %SYS-5-CONFIG_I: text",
    "Mon 05 Jan 2026 10:00:00 AM CET backup[7]: done",
    "13/01/26 9:05:07 p.m. UTC+02:00 text",
    "2026-W02-1T00:00:00,5+01:00[Europe/Berlin] text",
    "January 5, 2026 at 10:00:00\u{202f}PM text",
    "<6>[   12.345678] usb 1-1: new device",
    r#"[{"ts":1767571200,"msg":"a [{\""},{"log":"b\n","stream":"stdout","time":"2026-01-05T00:00:00Z"}]"#,
    r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"a"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767571200000000000","body":{"stringValue":"x"}},{"severityNumber":17}]}]}]}"#,
    "6 <11>ab8 <11>cdef5 <11>g",
];

fn formats() -> impl Strategy<Value = LogFormat> {
    select(NAMES.to_vec()).prop_map(|name| name.parse().unwrap())
}

fn contexts() -> impl Strategy<Value = Context> {
    let time = || any::<Option<i64>>().prop_map(|t| t.map(EventTime::from_micros));
    (time(), time(), any::<i32>()).prop_map(|(previous, reference, offset_s)| {
        let times = TimeOptions { offset_s, ..TimeOptions::default() };
        Context { previous, reference, times, ..Context::default() }
    })
}

/// A real line with some of its bytes replaced, taken out or put in, and perhaps cut.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = vec(
        (any::<prop::sample::Index>(), 0_u8..3, prop_oneof![any::<u8>(), select(b"[]{}\"\\=:<> -,0\x1b\0".to_vec())]),
        0..6,
    );
    (select(LINES), edits, any::<Option<prop::sample::Index>>()).prop_map(|(line, edits, cut)| {
        let mut bytes = line.as_bytes().to_vec();
        for (at, edit, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![mutated(), vec(any::<u8>(), 0..80)], 1..40)
}

fn check(record: &Record<'_>) {
    assert!(record.value.is_none_or(f64::is_finite));
    assert!(record.numbers.len() <= crate::record::COLUMNS_MAX);
    assert!(record.numbers.iter().all(|(name, value)| name.len() <= NAME_BYTES_MAX && value.is_finite()));
    for name in [&record.server, &record.component].into_iter().flatten() {
        assert!(!name.is_empty() && name.len() <= NAME_BYTES_MAX);
    }
    if let Some(message) = &record.message {
        assert!(!message.contains('\0'), "{message:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_yield_records(format in formats(), lines in lines(), context in contexts(), again in any::<prop::sample::Index>()) {
        let mut parser = Parser::new(format);
        let again = again.index(lines.len());
        for (number, line) in lines.iter().enumerate() {
            if number == again {
                parser.start_of_file();
            }
            if let Some(record) = parser.parse(line, &context).record() {
                check(&record);
                prop_assert_eq!(record.clone().into_owned(), record);
            }
        }
    }

    /// A parser that was stored and read back goes on as if nothing had happened.
    #[test]
    fn a_stored_parser_goes_on(format in formats(), lines in lines(), context in contexts()) {
        let mut kept = Parser::new(format.clone());
        let mut stored = Parser::new(format);
        for line in &lines {
            prop_assert_eq!(kept.parse(line, &context), stored.parse(line, &context));
            while let Some(record) = kept.further() {
                prop_assert_eq!(Some(record), stored.further());
            }
            let bytes = postcard::to_allocvec(&stored).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_allocvec(&kept).unwrap());
            stored = postcard::from_bytes(&bytes).unwrap();
        }
    }

    #[test]
    fn journal_scans_survive_anything(line in prop_oneof![mutated(), vec(any::<u8>(), 0..80)]) {
        let _ = (journal::cursor(&line), journal::is_own(&line));
    }
}

#[test]
fn every_truncation_and_every_length_is_survived() {
    let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
    for line in LINES {
        for format in NAMES {
            for end in 0..=line.len() {
                let mut parser = Parser::new(format.parse().unwrap());
                if let Some(record) = parser.parse(&line.as_bytes()[..end], &context).record() {
                    check(&record);
                }
            }
            let long = line.repeat(LINE_BYTES_MAX / line.len() + 2);
            let mut parser = Parser::new(format.parse().unwrap());
            let record = parser.parse(long.as_bytes(), &context).record().map(Record::into_owned);
            // Of several records it is the last that is cut.
            let record = std::iter::from_fn(|| parser.further()).last().or(record);
            assert!(record.is_none_or(|r| r.fault == Some(Fault::TooLong)), "{format}: {line}");
        }
    }
}
