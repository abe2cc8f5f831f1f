//! One source's parser: which format its lines have, what a header said, and the one way from bytes to a record.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    Context, LogFormat, Mapping, ParsedLine, access,
    auto::{self, DetectedFormat, Votes},
    clean,
    header::HeaderFields,
    inside, journal, jsonl, logfmt, name, plain, syslog, w3c,
    wrapper::{self, OpenedLine},
};
use crate::record::{Fault, Record, name_of};

/// Reads the lines of one source. Stored with the source's position: what a header or the first lines told is not
/// read again after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parser {
    format: LogFormat,
    /// The table's columns, kept across files: a rotated table may go on without them.
    header: Option<HeaderFields>,
    /// No line of this file has been read.
    at_start: bool,
    /// What the lines of this file decided, where the format is `auto`.
    decided: Option<DetectedFormat>,
    votes: Votes,
}

impl Parser {
    /// Before the first line of a source's first file.
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        Self { format, header: None, at_start: true, decided: None, votes: Votes::default() }
    }

    /// The next line is a file's first: it may be a header, and `auto` decides anew.
    pub fn start_of_file(&mut self) {
        self.at_start = true;
        self.decided = None;
        self.votes = Votes::default();
    }

    /// The lines from here on are of this format. If it is another one, `auto` decides anew; a table's columns stay:
    /// the line that named them is not read again.
    pub fn read_as(&mut self, format: &LogFormat) {
        if self.format != *format {
            self.format = format.clone();
            self.decided = None;
            self.votes = Votes::default();
        }
    }

    /// The format as configured.
    #[must_use]
    pub fn format(&self) -> &LogFormat {
        &self.format
    }

    /// The format in use; `auto` while the lines have not decided.
    #[must_use]
    pub fn format_name(&self) -> &'static str {
        self.format.kind().or(self.decided).map_or("auto", name)
    }

    /// Whether an operator chose what names its servers and its components: by a mapping, or as a column of a table.
    #[must_use]
    pub fn chosen_names(&self) -> (bool, bool) {
        match &self.format {
            LogFormat::Jsonl(mapping) => (!mapping.server.is_empty(), !mapping.component.is_empty()),
            LogFormat::Csv => (true, true),
            _ => (self.decided == Some(DetectedFormat::Csv), self.decided == Some(DetectedFormat::Csv)),
        }
    }

    /// Whether the table under way has a column with the truth.
    #[must_use]
    pub fn has_truth(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.columns().has_truth())
    }

    /// Reads one line, with or without its line end.
    #[must_use]
    pub fn parse<'a>(&mut self, line: &'a [u8], context: &Context) -> ParsedLine<'a> {
        let (text, fault) = clean::line(line);
        if text.trim_ascii_start().is_empty() {
            return ParsedLine::Skipped;
        }
        let parsed = match text {
            Cow::Borrowed(text) => self.parse_opened(text, context),
            Cow::Owned(text) => self.parse_opened(&text, context).map(Record::into_owned),
        };
        let Some(mut record) = parsed else { return ParsedLine::Skipped };
        // Bytes that were cut or replaced explain whatever else is wrong.
        record.fault = fault.or(record.fault);
        let name = |n: Option<Cow<'a, str>>| n.map(name_of).filter(|n| !n.trim().is_empty());
        record.server = name(record.server);
        record.component = name(record.component);
        ParsedLine::Record(record)
    }

    /// Takes the line out of its wrappers, which say what it leaves out.
    fn parse_opened<'a>(&mut self, text: &'a str, context: &Context) -> Option<Record<'a>> {
        let Some(OpenedLine { envelope, inside }) = wrapper::open(text, context) else {
            return self.parse_text(text, context);
        };
        if inside.trim_ascii_start().is_empty() {
            return None;
        }
        let within = context.within(envelope.record.time);
        let mut record = match &inside {
            Cow::Borrowed(inside) => self.parse_text(inside, &within)?,
            Cow::Owned(inside) => self.parse_text(inside, &within)?.into_owned(),
        };
        context.order_shown.set(within.order_shown.get());
        record.time = inside::told_time(record.time, envelope.record.time, || {
            self.clone().parse_text(&inside, &inside::further_east(&within)).and_then(|record| record.time)
        });
        Some(inside::merge(envelope.record, record))
    }

    fn parse_text<'a>(&mut self, text: &'a str, context: &Context) -> Option<Record<'a>> {
        let kind = match self.format.kind().or(self.decided) {
            Some(kind) => kind,
            None => self.guess(text, context),
        };
        let at_start = self.at_start;
        // A header may follow comments.
        self.at_start = at_start && text.starts_with('#');
        if kind == DetectedFormat::Csv {
            let row = self.parse_row(text, at_start, context)?;
            return Some(Record { format: name(kind), ..row });
        }
        let record = self.parse_as(kind, text, context).or_else(|| {
            // A file of several formats: each line is what it shows.
            let shown = auto::shown(text, context).filter(|_| self.format == LogFormat::Auto)?;
            self.parse_as(shown, text, context)
        });
        Some(record.unwrap_or_else(|| Record { format: name(kind), ..faulty(text, Fault::Unknown, context) }))
    }

    /// Reads a line and what is inside its message; `None` when it is of another format.
    fn parse_as<'a>(&self, kind: DetectedFormat, text: &'a str, context: &Context) -> Option<Record<'a>> {
        self.with_mapping(|mapping| {
            let record = match kind {
                DetectedFormat::Csv => return None,
                DetectedFormat::Jsonl => jsonl::parse(text, mapping, context)?,
                DetectedFormat::Logfmt => logfmt::parse(text, mapping, context)?,
                DetectedFormat::Journal => journal::parse(text)?,
                DetectedFormat::Syslog => syslog::parse(text, context)?,
                DetectedFormat::Access => match &self.format {
                    LogFormat::LaidOut(layout) => access::parse_laid_out(text, layout, context),
                    _ => access::parse_known(text, context)?,
                },
                DetectedFormat::Plain => plain::parse(text, context),
            };
            let record = if kind == DetectedFormat::Access { record } else { inside::open(record, mapping, context) };
            Some(Record { format: name(kind), ..record })
        })
    }

    /// `auto`: a file's first line may be a table's header; then every line is read as what it shows itself until
    /// enough of them decide.
    fn guess(&mut self, text: &str, context: &Context) -> DetectedFormat {
        if self.at_start && HeaderFields::is_likely(text, self.header.as_ref(), context) {
            self.decided = Some(DetectedFormat::Csv);
            return DetectedFormat::Csv;
        }
        self.decided = self.votes.count(text, context);
        auto::shown(text, context).or(self.decided).unwrap_or(DetectedFormat::Plain)
    }

    fn parse_row<'a>(&mut self, text: &'a str, at_start: bool, context: &Context) -> Option<Record<'a>> {
        if (at_start || self.header.is_none() || w3c::fields(text).is_some())
            && let Some(header) = HeaderFields::read(text)
        {
            self.header = Some(header);
            return None;
        }
        if text.starts_with('#') {
            return None;
        }
        if self.header.is_none() {
            self.header = HeaderFields::of_row(text, context);
        }
        match &self.header {
            Some(header) if header.is_repeated(text) => None,
            Some(header) => Some(header.columns().parse(text, context)),
            None => Some(faulty(text, Fault::Header, context)),
        }
    }

    fn with_mapping<T>(&self, read: impl FnOnce(&Mapping) -> T) -> T {
        match &self.format {
            LogFormat::Jsonl(mapping) => read(mapping),
            _ => read(&Mapping::default()),
        }
    }
}

fn faulty<'a>(text: &'a str, fault: Fault, context: &Context) -> Record<'a> {
    Record { fault: Some(fault), ..plain::parse(text, context) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::NAME_BYTES_MAX, record::Level, time::EventTime};

    fn context() -> Context {
        Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() }
    }

    fn decided(lines: &[&str]) -> &'static str {
        let mut parser = Parser::new(LogFormat::Auto);
        for line in lines.iter().cycle().take(300) {
            let _ = parser.parse(line.as_bytes(), &context()).record();
        }
        parser.format_name()
    }

    #[test]
    fn auto_tells_the_formats_apart() {
        assert_eq!(decided(&["timestamp,server,component,value,anomalous", "2026-01-05T00:00:00Z,a,b,1,0"]), "csv");
        assert_eq!(decided(&[r#"{"ts":1,"msg":"x"}"#, "panic: at x", "   at y", "   at z"]), "jsonl");
        assert_eq!(decided(&[r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}"#]), "journald");
        assert_eq!(decided(&["Jan  5 00:00:00 gate app[1]: x", "Jan  5 00:00:00 gate app: x"]), "syslog");
        assert_eq!(decided(&["<14>1 2026-01-05T00:00:00Z gate app - - - x"]), "syslog");
        assert_eq!(decided(&["2026-01-05T00:00:00+00:00 gate app[1]: x"]), "syslog");
        assert_eq!(decided(&["level=info msg=\"x y\" n=1"]), "logfmt");
        assert_eq!(decided(&["192.0.2.7 - - [05/Jan/2026:00:00:00 +0000] \"GET /\" 200 1"]), "access");
        assert_eq!(decided(&["2026-01-05T00:00:00.5Z  INFO shop::cart: added"]), "plain");
        assert_eq!(decided(&["words", "more words"]), "plain");
    }

    #[test]
    fn undecided_lines_are_read_as_what_they_show() {
        let mut parser = Parser::new(LogFormat::Auto);
        let record = parser.parse(b"<11>Jan  5 00:00:00 gate app: x", &context()).record().unwrap();
        assert_eq!((record.component.as_deref(), record.level), (Some("app"), Some(Level::Error)));
        let record = parser.parse(br#"{"value":3}"#, &context()).record().unwrap();
        assert_eq!((record.value, record.fault), (Some(3.0), None));
        assert_eq!(parser.format_name(), "auto");
    }

    #[test]
    fn headers_come_first_and_again() {
        for format in [LogFormat::Csv, LogFormat::Auto] {
            let mut parser = Parser::new(format);
            let mut value = |line: &str| parser.parse(line.as_bytes(), &context()).record().map(|r| (r.value, r.fault));
            assert_eq!(value("time,value\r\n"), None);
            assert_eq!(value("2026-01-05T00:00:00Z,1\r\n"), Some((Some(1.0), None)));
            assert_eq!(value("time,value\n"), None);
            assert_eq!(value("\n"), None);
            parser.start_of_file();
            let mut value = |line: &str| parser.parse(line.as_bytes(), &context()).record().map(|r| (r.value, r.fault));
            assert_eq!(value("2026-01-05T00:00:01Z,2"), Some((Some(2.0), None)));
            parser.start_of_file();
            let mut value = |line: &str| parser.parse(line.as_bytes(), &context()).record().map(|r| (r.value, r.fault));
            assert_eq!(value("value,host,time"), None);
            assert_eq!(value("3,a,2026-01-05T00:00:02Z"), Some((Some(3.0), None)));
        }
        let mut headless = Parser::new(LogFormat::Csv);
        assert_eq!(headless.parse(b"1,2,3", &context()).record().unwrap().fault, Some(Fault::Header));
    }

    #[test]
    fn a_table_goes_on_as_another_format() {
        let mut parser = Parser::new(LogFormat::Auto);
        assert!(parser.parse(b"time,value", &context()).record().is_none());
        parser.read_as(&LogFormat::Csv);
        let record = parser.parse(b"2026-01-05T00:00:00Z,1", &context()).record().unwrap();
        assert_eq!((record.value, record.fault, parser.format_name()), (Some(1.0), None, "csv"));
        parser.read_as(&LogFormat::Plain);
        assert_eq!(parser.parse(b"2026-01-05T00:00:00Z,1", &context()).record().unwrap().value, None);
    }

    #[test]
    fn a_line_that_does_not_fit_is_its_text() {
        for format in ["jsonl", "syslog", "journald", "logfmt", "access"] {
            let mut parser = Parser::new(format.parse().unwrap());
            let record = parser.parse(b"ERROR nobody expects this", &context()).record().unwrap();
            assert_eq!((record.fault, record.level), (Some(Fault::Unknown), Some(Level::Error)), "{format}");
            assert_eq!(record.message.as_deref(), Some("nobody expects this"));
            assert_eq!(parser.format_name(), format);
            assert_eq!(parser.format().to_string(), format);
        }
    }

    #[test]
    fn dirty_lines_are_read_like_clean_ones() {
        let mut parser = Parser::new(LogFormat::Syslog);
        let record =
            parser.parse(b"\x1b[33mJan  5 00:00:00\x1b[0m gate app[1]: caf\xe9\0\r\n", &context()).record().unwrap();
        assert_eq!(record.server.as_deref(), Some("gate"));
        assert_eq!(record.message.as_deref(), Some("caf\u{fffd}"));
        assert_eq!(record.fault, Some(Fault::NotUtf8));
    }

    #[test]
    fn names_hold_no_control_characters() {
        let line = br#"{"host":"\u001b[31ma\u001b[0m\nb","service":"\u001b[0m","t\u001b[1mook\t":1}"#;
        let record =
            Parser::new("jsonl".parse().unwrap()).parse(line, &context()).record().map(Record::into_owned).unwrap();
        assert_eq!((record.server.as_deref(), record.component), (Some("a\u{fffd}b"), None));
        assert_eq!(record.numbers.to_vec(), [("took\u{fffd}".into(), 1.0)]);
        let mut table = Parser::new(LogFormat::Csv);
        assert!(table.parse(b"server,component,value", &context()).record().is_none());
        let row = table.parse(b"\"a\x07\",b\tc,1", &context()).record().map(Record::into_owned).unwrap();
        assert_eq!((row.server.as_deref(), row.component.as_deref()), (Some("a\u{fffd}"), Some("b\u{fffd}c")));
        let plain = Parser::new(LogFormat::Logfmt)
            .parse(b"host=web-1 service=caf\xc3\xa9 n=1", &context())
            .record()
            .map(Record::into_owned);
        assert_eq!(plain.unwrap().component.as_deref(), Some("caf\u{e9}"));
    }

    #[test]
    fn long_names_are_cut() {
        let line = format!("time=1767571200 host={}", "é".repeat(100));
        let record =
            Parser::new(LogFormat::Logfmt).parse(line.as_bytes(), &context()).record().map(Record::into_owned).unwrap();
        assert_eq!(record.server.map(|n| n.len()), Some(NAME_BYTES_MAX));
    }
}
