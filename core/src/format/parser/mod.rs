//! One source's parser: which format its lines have, what a header said, and the one way from bytes to a record.

mod blocks;
mod several;

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    Context, LogFormat, Mapping, ParsedLine, access,
    assembly::{Assembly, JoinedLine, JsonStep, PartStep},
    auto::{self, DetectedFormat, Votes},
    bundle::{self, LineBundle},
    clean,
    continuation::{Continuation, TextLine, TextPlace, program_key},
    header::HeaderFields,
    inside, journal, jsonl, logfmt,
    mapping::USUAL,
    name, otlp, plain, syslog, w3c,
    wrapper::{self, OpenedLine},
};
use crate::{
    record::{Fault, Record, name_of},
    time::EventTime,
};

/// Reads the lines of one source. Stored with the source's position: what a header or the first lines told is not
/// read again after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parser {
    format: LogFormat,
    /// The table's columns, kept across files: a rotated table may go on without them.
    header: Option<HeaderFields>,
    /// No line of this file has been read.
    at_start: bool,
    /// What the lines of this file decided, where the format is `auto`.
    decided: Option<DetectedFormat>,
    votes: Votes,
    continuation: Continuation,
    assembly: Assembly,
    /// Records that the line read last ended or holds besides its own, with their texts where those are not the line.
    #[serde(skip)]
    further: VecDeque<(Record<'static>, Option<String>)>,
    /// The text of the record that was given last, where that is not a line: it is of several, or a part of one.
    #[serde(skip)]
    joined: Option<String>,
}

/// Where a line was before it was taken out of its wrappers.
#[derive(Debug, Clone, Copy, Default)]
struct LineOrigin {
    /// The program or the container's stream, by [`program_key`].
    key: u32,
    time: Option<EventTime>,
}

impl Parser {
    /// Before the first line of a source's first file.
    #[must_use]
    pub fn new(format: LogFormat) -> Self {
        Self {
            format,
            header: None,
            at_start: true,
            decided: None,
            votes: Votes::default(),
            continuation: Continuation::default(),
            assembly: Assembly::default(),
            further: VecDeque::new(),
            joined: None,
        }
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

    /// Reads one line, with or without its line end. Then [`Parser::further`] may have more.
    #[must_use]
    pub fn parse<'a>(&mut self, line: &'a [u8], context: &Context) -> ParsedLine<'a> {
        self.joined = None;
        let (text, fault) = clean::line(line);
        let mut parsed = match text {
            Cow::Borrowed(text) => self.parse_line(text, context),
            Cow::Owned(text) => self.parse_line(&text, context).map(Record::into_owned),
        };
        if let (Some(fault), Some((last, Some(_)))) = (fault, self.further.back_mut()) {
            // Of several records, the line was cut in the last.
            last.fault = Some(fault);
            return parsed.map(named);
        }
        if let ParsedLine::Record(record) = &mut parsed {
            // Bytes that were cut or replaced explain whatever else is wrong.
            record.fault = fault.or(record.fault);
            name_shown(&mut record.server);
            name_shown(&mut record.component);
        }
        parsed
    }

    /// Records that the lines so far hold beyond the one that was returned: to be asked after each line until there are
    /// no more.
    pub fn further(&mut self) -> Option<Record<'static>> {
        let (record, text) = self.further.pop_front()?;
        self.joined = text;
        Some(record)
    }

    /// The text of the record that [`Parser::parse`] or [`Parser::further`] returned last, where that is not a line: it is
    /// joined from several, or a part of one.
    #[must_use]
    pub fn joined(&self) -> Option<&str> {
        self.joined.as_deref()
    }

    /// Whether something is [`ParsedLine::Pending`].
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.assembly.is_empty()
    }

    /// Nothing more comes: what is not whole becomes a record as it is, for [`Parser::further`].
    pub fn flush(&mut self, context: &Context) {
        for joined in self.assembly.take_all() {
            let at = self.further.len();
            if let Some(record) = self.parse_joined(joined, context).record() {
                self.further.insert(at, (named(record), self.joined.take()));
            }
        }
        self.joined = None;
    }

    fn parse_line<'a>(&mut self, text: &'a str, context: &Context) -> ParsedLine<'a> {
        if self.is_bare_row(text) {
            return self.parse_text(text, context, LineOrigin::default());
        }
        if text.trim_ascii_start().is_empty() || journal::is_notice(text) {
            return ParsedLine::Skipped;
        }
        if let Some(parsed) = self.parse_block(text, context) {
            return parsed;
        }
        if !self.assembly.has_json()
            && let Some(parsed) = self.parse_several(clean::trimmed(text), context)
        {
            return parsed;
        }
        let is_bracketed = || matches!(clean::trimmed_start(text).as_bytes().first(), Some(b'{' | b'[' | b']'));
        if !(self.assembly.has_json() || is_bracketed() && self.may_be_json()) {
            return self.parse_objects(text, context);
        }
        match self.assembly.json(text) {
            JsonStep::Other => self.parse_objects(text, context),
            JsonStep::Pending => ParsedLine::Pending,
            JsonStep::Bracket => ParsedLine::Skipped,
            JsonStep::Whole(joined) => self.parse_joined(joined, context),
            JsonStep::Broken(joined) => {
                let broken = self.parse_joined(joined, context);
                self.in_turn(broken, text, context)
            }
        }
    }

    /// Whether a line of a table shows at once that it is nothing but a row: it begins with a number, and what is around or
    /// between records has a blank.
    fn is_bare_row(&self, text: &str) -> bool {
        self.format.kind().or(self.decided) == Some(DetectedFormat::Csv)
            && !self.at_start
            && self.assembly.is_empty()
            && text.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && memchr::memchr(b' ', text.as_bytes()).is_none()
    }

    /// Whether a bracket may begin an object of several lines.
    fn may_be_json(&self) -> bool {
        match self.format.kind() {
            Some(kind) => matches!(kind, DetectedFormat::Jsonl | DetectedFormat::Journal),
            None => match self.decided {
                Some(kind) => matches!(kind, DetectedFormat::Jsonl | DetectedFormat::Journal),
                None => !self.continuation.is_timed(),
            },
        }
    }

    /// What was not whole ended before the line `text`: its record first.
    fn in_turn<'a>(&mut self, first: ParsedLine<'static>, text: &'a str, context: &Context) -> ParsedLine<'a> {
        let (joined, at) = (self.joined.take(), self.further.len());
        let then = self.parse_line(text, context);
        let ParsedLine::Record(first) = first else { return then };
        if let ParsedLine::Record(then) = then {
            self.further.insert(at, (named(then).into_owned(), self.joined.take()));
        }
        self.joined = joined;
        ParsedLine::Record(first)
    }

    fn parse_joined(&mut self, joined: JoinedLine, context: &Context) -> ParsedLine<'static> {
        if joined.is_block() {
            return self.parse_whole_block(joined, context);
        }
        if joined.is_json()
            && otlp::is_batch(&joined.text)
            && let Some(parsed) = self.parse_batch(&joined.text, context)
        {
            return parsed;
        }
        let context = context.within(joined.envelope().time);
        let origin = LineOrigin { key: joined.key(), time: joined.envelope().time };
        // A broken one does not show what it is by its end.
        let is_broken = joined.is_json() && !joined.text.ends_with('}');
        let as_json = if is_broken { self.parse_as(DetectedFormat::Jsonl, &joined.text, &context) } else { None };
        let parsed = match as_json {
            Some(record) => ParsedLine::Record(record),
            None => self.parse_text(&joined.text, &context, origin),
        };
        let parsed = parsed.map(|record| {
            let record = inside::merge(joined.envelope(), record.into_owned());
            Record { fault: joined.is_cut.then_some(Fault::TooLong).or(record.fault), ..record }
        });
        self.joined = Some(joined.text);
        parsed
    }

    /// Takes the line out of its wrappers, which say what it leaves out.
    fn parse_opened<'a>(&mut self, text: &'a str, context: &Context) -> ParsedLine<'a> {
        let Some(OpenedLine { envelope, inside }) = wrapper::open(text, context) else {
            return self.parse_text(text, context, LineOrigin::default());
        };
        let time = envelope.record.time;
        let stream = if envelope.is_stderr { "2" } else { "1" };
        let key = program_key([stream, envelope.record.component.as_deref().unwrap_or_default()]);
        match self.assembly.part(key, &inside, &envelope) {
            PartStep::Other => {}
            PartStep::Pending => return ParsedLine::Pending,
            PartStep::Whole(joined) => return self.parse_joined(joined, context),
            PartStep::Stale(joined) => {
                let stale = self.parse_joined(joined, context);
                return self.in_turn(stale, text, context);
            }
        }
        if inside.trim_ascii_start().is_empty() {
            return ParsedLine::Skipped;
        }
        let within = context.within(time);
        let origin = LineOrigin { key, time };
        let parsed = match &inside {
            Cow::Borrowed(inside) => self.parse_text(inside, &within, origin),
            Cow::Owned(inside) => self.parse_text(inside, &within, origin).map(Record::into_owned),
        };
        context.order_shown.set(within.order_shown.get());
        parsed.map(|mut record| {
            record.time = inside::told_time(record.time, time, || {
                let elsewhere = inside::further_east(&within);
                self.clone().parse_text(&inside, &elsewhere, origin).record().and_then(|record| record.time)
            });
            inside::merge(envelope.record, record)
        })
    }

    fn parse_text<'a>(&mut self, text: &'a str, context: &Context, origin: LineOrigin) -> ParsedLine<'a> {
        let kind = match self.format.kind().or(self.decided) {
            Some(kind) => kind,
            None => self.guess(text, context),
        };
        let at_start = self.at_start;
        // A header may follow comments.
        self.at_start = at_start && text.starts_with('#');
        if kind == DetectedFormat::Csv {
            let row = self.parse_row(text, at_start, context);
            return row.map_or(ParsedLine::Skipped, |row| ParsedLine::Record(Record { format: name(kind), ..row }));
        }
        let record = self.parse_as(kind, text, context).map(|record| (kind, record)).or_else(|| {
            // A file of several formats: each line is what it shows.
            let shown = auto::shown(text, context).filter(|_| self.format == LogFormat::Auto)?;
            Some((shown, self.parse_as(shown, text, context)?))
        });
        let (shown, record) = record.unwrap_or_else(|| {
            let record = Record { format: name(kind), ..faulty(text, Fault::Unknown, context) };
            (DetectedFormat::Plain, record)
        });
        if self.continues(shown, text, &record, origin) { ParsedLine::Continued } else { ParsedLine::Record(record) }
    }

    /// Whether the line belongs to the record before it, told by the text that its program wrote.
    fn continues(&mut self, shown: DetectedFormat, text: &str, record: &Record<'_>, origin: LineOrigin) -> bool {
        let (time, level) = (origin.time.or(record.time), record.level);
        let message = record.message.as_deref().unwrap_or_default();
        let line = match shown {
            DetectedFormat::Csv | DetectedFormat::Jsonl | DetectedFormat::Logfmt | DetectedFormat::Access => {
                self.continuation.begins(origin.key, time, level);
                return false;
            }
            DetectedFormat::Plain if record.time.is_none() => {
                TextLine { key: origin.key, text, place: TextPlace::Line, time, level }
            }
            DetectedFormat::Plain => {
                self.continuation.vote_timed();
                TextLine { key: origin.key, text: message, place: TextPlace::Message, time, level }
            }
            DetectedFormat::Syslog | DetectedFormat::Journal => {
                let program = record.component.as_deref().unwrap_or_default();
                let key = program_key([record.server.as_deref().unwrap_or_default(), program]);
                let is_whole = shown == DetectedFormat::Journal && program != "kernel";
                let place = if is_whole { TextPlace::WholeMessage } else { TextPlace::Message };
                if !is_whole {
                    self.continuation.vote_timed();
                    self.continuation.begins(origin.key, time, level);
                }
                TextLine { key, text: message, place, time, level }
            }
        };
        self.continuation.continues(&line)
    }

    /// Reads a line and what is inside its message; `None` when it is of another format.
    fn parse_as<'a>(&self, kind: DetectedFormat, text: &'a str, context: &Context) -> Option<Record<'a>> {
        let mapping = self.mapping();
        let mut record = match kind {
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
        if kind != DetectedFormat::Access {
            inside::open(&mut record, mapping, context);
        }
        record.format = name(kind);
        Some(record)
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

    fn mapping(&self) -> &Mapping {
        match &self.format {
            LogFormat::Jsonl(mapping) => mapping,
            _ => &USUAL,
        }
    }
}

/// Its names as they are shown and looked up.
fn named(mut record: Record<'_>) -> Record<'_> {
    name_shown(&mut record.server);
    name_shown(&mut record.component);
    record
}

fn name_shown(name: &mut Option<Cow<'_, str>>) {
    *name = name.take().map(name_of).filter(|name| !clean::is_blank(name));
}

fn faulty<'a>(text: &'a str, fault: Fault, context: &Context) -> Record<'a> {
    Record { fault: Some(fault), ..plain::parse(text, context) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::NAME_BYTES_MAX, record::Level};

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
