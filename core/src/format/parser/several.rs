//! Lines that hold several records: what they are cut into, read one by one. Each is given with its own text.

use super::{Context, DetectedFormat, LineBundle, ParsedLine, Parser, bundle, faulty, name, named, otlp};
use crate::record::{Fault, Record};

/// As much of a batch is shown as the text of what could not be read of it.
const SHOWN_BYTES_MAX: usize = 256;

/// What the records of a line come to: the first record, or what the line is without one.
#[derive(Default)]
struct LineParts {
    first: Option<ParsedLine<'static>>,
    text: Option<String>,
}

impl Parser {
    /// The records of a line that shows by its beginning that it holds several.
    pub(super) fn parse_several(&mut self, line: &str, context: &Context) -> Option<ParsedLine<'static>> {
        let bundle = match line.as_bytes().first()? {
            b'0'..=b'9' => bundle::frames(line)?,
            b'[' if self.reads_json() => bundle::list(line)?,
            b'{' if self.reads_json() && otlp::is_batch(line) => return self.parse_batch(line, context),
            b'{' if self.reads_json() && line.ends_with([',', ']']) => {
                bundle::objects(line).filter(|bundle| bundle.rest.is_none())?
            }
            _ => return None,
        };
        Some(self.parse_parts(&bundle, context))
    }

    /// Reads a line that may be several objects, which only the end of the first tells.
    pub(super) fn parse_objects<'a>(&mut self, text: &'a str, context: &Context) -> ParsedLine<'a> {
        let parsed = self.parse_opened(text, context);
        let is_broken = matches!(&parsed, ParsedLine::Record(Record { fault: Some(Fault::Malformed), .. }));
        let line = if is_broken && self.reads_json() { text.trim() } else { "" };
        match bundle::objects(line).filter(|bundle| bundle.parts.len() > 1) {
            Some(bundle) => self.parse_parts(&bundle, context),
            None => parsed,
        }
    }

    /// Reads a batch of OTLP's; `None` when it is none after all.
    pub(super) fn parse_batch(&mut self, text: &str, context: &Context) -> Option<ParsedLine<'static>> {
        let batch = otlp::read(text, self.mapping(), context)?;
        if self.format.kind().or(self.decided).is_none() {
            self.guess(text, context);
        }
        self.at_start = false;
        let mut parts = LineParts::default();
        for record in batch.records {
            let text = record.message.as_deref().unwrap_or_default().to_owned();
            let record = Record { format: name(DetectedFormat::Jsonl), ..record };
            self.add(&mut parts, ParsedLine::Record(record), text);
        }
        if let Some(fault) = batch.fault {
            let shown = &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)];
            self.add_rest(&mut parts, shown, fault);
        }
        self.joined = parts.text;
        parts.first
    }

    fn parse_parts(&mut self, bundle: &LineBundle<'_>, context: &Context) -> ParsedLine<'static> {
        let mut parts = LineParts::default();
        for part in &bundle.parts {
            let parsed = self.parse_opened(part, context).map(Record::into_owned);
            self.add(&mut parts, parsed, (*part).to_owned());
        }
        match bundle.rest {
            None => {}
            Some((rest, Fault::Malformed)) => {
                let read = self.parse_as(DetectedFormat::Jsonl, rest, context).map(Record::into_owned);
                let read = read.unwrap_or_else(|| faulty(rest, Fault::Malformed, context).into_owned());
                let record = Record { fault: Some(Fault::Malformed), format: name(DetectedFormat::Jsonl), ..read };
                self.add(&mut parts, ParsedLine::Record(record), rest.to_owned());
            }
            Some((rest, fault)) => self.add_rest(&mut parts, rest, fault),
        }
        self.joined = parts.text;
        parts.first.unwrap_or(ParsedLine::Skipped)
    }

    fn add(&mut self, parts: &mut LineParts, parsed: ParsedLine<'static>, text: String) {
        match (parsed, &parts.first) {
            (ParsedLine::Record(record), Some(ParsedLine::Record(_))) => {
                self.further.push_back((named(record), Some(text)));
            }
            (record @ ParsedLine::Record(_), _) => (parts.first, parts.text) = (Some(record), Some(text)),
            (other, None) => parts.first = Some(other),
            (ParsedLine::Continued | ParsedLine::Pending | ParsedLine::Skipped, Some(_)) => {}
        }
    }

    /// What is not read any further.
    fn add_rest(&mut self, parts: &mut LineParts, rest: &str, fault: Fault) {
        let message = Some(rest.to_owned().into());
        let record = Record { fault: Some(fault), format: self.format_name(), message, ..Record::default() };
        self.add(parts, ParsedLine::Record(record), rest.to_owned());
    }

    fn reads_json(&self) -> bool {
        matches!(self.format.kind(), None | Some(DetectedFormat::Jsonl | DetectedFormat::Journal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::LogFormat, time::EventTime};

    fn context() -> Context {
        let time = |text| EventTime::parse(text);
        Context {
            previous: time("2026-01-05T09:59:00Z"),
            reference: time("2026-02-01T00:00:00Z"),
            ..Context::default()
        }
    }

    /// All records of a line: seconds since ten, server, component, level, message, numbers, fault; with their texts.
    fn read_as(format: &str, line: &str) -> (Vec<String>, Vec<Option<String>>) {
        let mut parser = Parser::new(format.parse().unwrap());
        let mut next = parser.parse(line.as_bytes(), &context()).record().map(Record::into_owned);
        let (mut all, mut texts) = (Vec::new(), Vec::new());
        while let Some(record) = next {
            let ten = EventTime::parse("2026-01-05T10:00:00Z").unwrap();
            let mut shown = vec![record.time.map_or("-".to_owned(), |time| time.seconds_since(ten).to_string())];
            shown.extend(record.server.map(|name| format!("@{name}")));
            shown.extend(record.component.map(|name| format!("#{name}")));
            shown.extend(record.level.map(|level| level.name().to_owned()));
            shown.extend(record.message.map(|message| format!("'{message}'")));
            shown.extend(record.numbers.iter().map(|(name, value)| format!("{name}={value}")));
            shown.extend(record.fault.map(|fault| format!("{fault:?}")));
            all.push(shown.join(" "));
            texts.push(parser.joined().map(str::to_owned));
            next = parser.further();
        }
        (all, texts)
    }

    fn read(line: &str) -> Vec<String> {
        read_as("auto", line).0
    }

    #[test]
    fn each_object_of_a_line_is_a_record() {
        let (a, b) = (r#"{"ts":1767607201,"level":"warn","msg":"late","n":1}"#, r#"{"ts":1767607202,"svc":"pay"}"#);
        let expected = ["1 warning 'late' n=1", "2 #pay"];
        for line in [
            format!("[{a},{b}]"),
            format!(" [ {a} , {b} ] "),
            format!("{a}{b}"),
            format!("{a} {b}"),
            format!("{a},{b},"),
            format!("\u{1e}{a}\u{1e}{b}").trim_start_matches('\u{1e}').to_owned(),
        ] {
            assert_eq!(read(&line), expected, "{line}");
            assert_eq!(read_as("jsonl", &line).0, expected, "{line}");
        }
        let texts = read_as("auto", &format!("{a}{b}")).1;
        assert_eq!(texts, [Some(a.to_owned()), Some(b.to_owned())]);
        for line in [format!("{a},"), format!("[{a},"), format!("{a}]"), format!("{a}],")] {
            assert_eq!(read(&line), expected[..1], "{line}");
        }
    }

    #[test]
    fn nothing_of_a_broken_line_is_lost() {
        let a = r#"{"ts":1767607201,"n":1}"#;
        assert_eq!(
            read(&format!(r#"[{a},{{"ts":1767607202,"msg":"brok"#)),
            ["1 n=1", r#"2 '{"ts":1767607202,"msg":"brok' Malformed"#]
        );
        assert_eq!(read(&format!(r#"{a}{a}{{"msg":"x"}} and text}}"#))[3], "- 'and text}' Malformed");
        // One object and something else was never several.
        let alone = format!("{a} tail}}");
        assert_eq!(read(&alone), [format!("1 '{alone}' n=1 Malformed")]);
        assert_eq!(read("[{main} started]"), ["- '[{main} started]'"]);
    }

    #[test]
    fn what_is_beyond_the_bound_is_one_fault() {
        let line = "{}".repeat(bundle::RECORDS_MAX + 500);
        let records = read(&line);
        assert_eq!(records.len(), bundle::RECORDS_MAX + 1);
        assert_eq!(records.last().unwrap(), &format!("- '{}' Crowded", "{}".repeat(500)));
    }

    #[test]
    fn wrapped_objects_are_opened_one_by_one() {
        let one = |text: &str, second: u32| {
            format!(r#"{{"log":"{text}\n","stream":"stdout","time":"2026-01-05T10:00:0{second}Z"}}"#)
        };
        assert_eq!(
            read(&[one("level=info msg=up n=2", 1), one("", 2), one("gone", 3)].concat()),
            ["1 info 'up' n=2", "3 'gone'"]
        );
    }

    #[test]
    fn each_frame_of_a_line_is_a_record() {
        let frame = |text: &str| format!("{} {text}", text.len());
        let (a, b) = ("<11>1 2026-01-05T10:00:01Z gate app 12 - - disk full", "<13>Jan  5 10:00:02 gate cron[7]: run");
        let line = [frame(a), frame(b), frame("<14>Jan  5 10:00:03 gate é: é")].concat();
        let expected = ["1 @gate #app error 'disk full'", "2 @gate #cron notice 'run'", "3 @gate info 'é: é'"];
        assert_eq!(read(&line), expected);
        assert_eq!(read_as("syslog", &line).0, expected);
        assert_eq!(read(&frame(a)), expected[..1]);
    }

    /// A batch as an exporter writes it.
    fn batch(records: &str) -> String {
        format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}},{{"key":"host.name","value":{{"stringValue":"db-1"}}}},{{"key":"process.pid","value":{{"intValue":"12"}}}}]}},"scopeLogs":[{{"scope":{{"name":"shop.Cart"}},"logRecords":[{records}]}}]}}]}}"#
        )
    }

    #[test]
    fn a_batch_of_telemetry_is_its_records() {
        let line = batch(
            r#"{"timeUnixNano":"1767607201500000000","severityNumber":13,"severityText":"WARN","body":{"stringValue":"slow"},"attributes":[{"key":"took_ms","value":{"doubleValue":12.5}},{"key":"http.response.status_code","value":{"intValue":"503"}},{"key":"thread.id","value":{"intValue":7}}],"traceId":"5b8e"},{"timeUnixNano":"0","observedTimeUnixNano":1767607202000000000,"severityText":"Error","body":{"kvlistValue":{"values":[{"key":"msg","value":{"stringValue":"gone"}},{"key":"left","value":{"kvlistValue":{"values":[{"key":"items","value":{"intValue":"3"}}]}}}]}}},{"body":{"stringValue":"2026-01-05 10:00:03 INFO app.Db - up"}},{"timeUnixNano":"soon","body":{"arrayValue":{}}}"#,
        );
        let expected = [
            "1.5 @db-1 #shop warning 'slow' took_ms=12.5 http.response.status_code=503",
            "2 @db-1 #shop error 'gone' left.items=3",
            "3 @db-1 #app.Db info 'up'",
            "- @db-1 #shop Time",
        ];
        assert_eq!(read(&line), expected);
        assert_eq!(read_as("jsonl", &line).0, expected);
        assert_eq!(read_as("auto", &line).1[0].as_deref(), Some("slow"));
        let logger = line.replace("service.name", "process.owner");
        assert_eq!(read(&logger)[1], "2 @db-1 #shop.Cart error 'gone' left.items=3");
        // It may be printed over several lines.
        let mut parser = Parser::new(LogFormat::Auto);
        let lines = line.replace("[{", "[{\n").replace("]}", "]\n}");
        let records = lines.lines().filter_map(|line| parser.parse(line.as_bytes(), &context()).record()).count();
        assert_eq!((records, std::iter::from_fn(|| parser.further()).count()), (1, 3));
    }

    #[test]
    fn of_a_broken_batch_what_is_whole_is_read() {
        let record = r#"{"timeUnixNano":"1767607201000000000","body":{"stringValue":"a } \" {"}}"#;
        let line = batch(&[record; 3].join(","));
        let second = line.rfind("\"timeUnixNano\"").unwrap();
        let records = read(&line[..second + 30]);
        assert_eq!(records[..2], ["1 @db-1 #shop 'a } \" {'", "1 @db-1 #shop 'a } \" {'"]);
        assert!(records.len() == 3 && records[2].ends_with("Malformed"), "{records:?}");
        let line = batch(&vec![record; bundle::RECORDS_MAX + 1].join(","));
        let batch = otlp::read(&line, &crate::format::Mapping::default(), &context()).unwrap();
        assert_eq!((batch.records.len(), batch.fault), (bundle::RECORDS_MAX, Some(Fault::Crowded)));
        // Too long for a line: cut, in the last that is there.
        let records = read(&line);
        assert!(records.len() > 300 && records.last().unwrap().ends_with("TooLong"), "{:?}", records.last());
    }
}
