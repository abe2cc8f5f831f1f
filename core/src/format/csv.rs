//! Tables: rows of separated fields below a header line that names them. With a column `value` a row is one value, as in
//! `timestamp,server,component,value,anomalous`; without one each column of numbers beside the time is a stream of its
//! own. Refuses headers of neither kind; a bad row is a record with a [`Fault`].

use std::borrow::Cow;

use super::{
    Context, clean, epoch, level, quantity,
    separated::{self, CsvFields, Separator},
    timestamp,
    w3c::{self, W3cColumns},
};
use crate::{
    record::{Fault, Level, Record, name_of},
    time::EventTime,
};

pub(crate) use super::separated::number;

/// Names of a column of times, the best first. A column `time` beside a column `date` is the time of day.
const TIMESTAMP: &[&str] =
    &["timestamp", "@timestamp", "datetime", "date-time", "date_time", "ts", "time", "_time", "eventtime"];
const SERVER: &[&str] = &["server", "host", "hostname", "node", "machine", "computer", "s-computername"];
const COMPONENT: &[&str] =
    &["component", "service", "metric", "metric_name", "sensor", "_field", "_measurement", "measurement", "name"];
const VALUE: &[&str] = &["value", "_value", "val", "reading"];
const LEVEL: &[&str] = &["level", "severity", "loglevel", "log_level"];
const MESSAGE: &[&str] = &["message", "msg", "text", "description"];
/// Bytes of a column's name in a table that is known by its times alone: a longer one is a sentence.
const NAME_BYTES_MAX: usize = 64;

/// Which column holds what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    separator: Separator,
    columns: usize,
    timestamp: Option<usize>,
    /// The time of day beside a column of dates.
    time_of_day: Option<usize>,
    server: Option<usize>,
    component: Option<usize>,
    anomalous: Option<usize>,
    rest: RowContent,
}

/// What a row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RowContent {
    Value(usize),
    /// The columns beside those with a meaning; numbers in them are streams with the columns' names.
    Measurements {
        level: Option<usize>,
        message: Option<usize>,
        measured: Vec<(usize, String)>,
    },
    Request(W3cColumns),
}

/// Why a header line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No column holds the value.
    #[error(
        "the header {header:?} has no column 'value' (expected e.g. timestamp,server,component,value,anomalous) and no \
         column 'timestamp' beside columns of numbers"
    )]
    NoValue {
        /// The header as it stands in the file, cut at 200 characters.
        header: String,
    },
    /// A name stands twice.
    #[error("the header names the column {name:?} twice")]
    Twice {
        /// The column's name.
        name: String,
    },
}

impl Csv {
    /// Reads a header line, its fields separated by commas, semicolons, tabs or bars; or the `#Fields:` of an extended log of
    /// W3C. Names are compared without case, surrounding blanks and a unit in brackets; a byte order mark and a `#` before
    /// them are skipped.
    ///
    /// # Errors
    /// When no column is called `value` and none holds times beside others, or a known name stands twice.
    pub fn from_header(header: &str) -> Result<Self, HeaderError> {
        let header = header.trim_start_matches('\u{feff}').trim_matches([' ', '\r', '\n']);
        if let Some(fields) = w3c::fields(header) {
            return Ok(Self::of_w3c(fields));
        }
        let header = header.trim_start_matches('#').trim_start_matches(' ');
        let separator = Separator::of(header);
        let names: Vec<String> = separated::split(header, separator).iter().map(|f| f.trim().to_owned()).collect();
        let known: Vec<String> = names.iter().map(|name| without_unit(name).to_ascii_lowercase()).collect();
        let value = once(&known, VALUE)?;
        let (timestamp, time_of_day) = times(&known);
        let mut table = Self {
            separator,
            columns: names.len(),
            timestamp,
            time_of_day,
            server: once(&known, SERVER)?,
            component: once(&known, COMPONENT)?,
            anomalous: once(&known, if value.is_some() { &["anomalous", "label"] } else { &["anomalous"] })?,
            rest: RowContent::Measurements { level: None, message: None, measured: Vec::new() },
        };
        table.rest = match value {
            Some(value) => RowContent::Value(value),
            None if timestamp.is_some() && names.len() > 1 && names.iter().all(|name| is_name(name)) => {
                table.measurements(&names, &known)?
            }
            None => return Err(HeaderError::NoValue { header: header.chars().take(200).collect() }),
        };
        Ok(table)
    }

    /// The columns that have no other meaning.
    fn measurements(&self, names: &[String], known: &[String]) -> Result<RowContent, HeaderError> {
        let (level, message) = (once(known, LEVEL)?, once(known, MESSAGE)?);
        let taken = [self.timestamp, self.time_of_day, self.server, self.component, self.anomalous, level, message];
        let is_free = |i: &usize| !taken.contains(&Some(*i)) && !names[*i].is_empty();
        let bare = |i: usize| without_unit(&names[i]);
        let name = |i: usize| {
            let is_twice = (0..names.len()).any(|other| other != i && bare(other) == bare(i));
            if is_twice { names[i].clone() } else { bare(i).to_owned() }
        };
        let measured = (0..names.len()).filter(is_free).map(|i| (i, name(i))).collect();
        Ok(RowContent::Measurements { level, message, measured })
    }

    fn of_w3c(fields: &str) -> Self {
        let separator = Separator::of_w3c(fields);
        let known: Vec<String> =
            separated::split(fields, separator).iter().map(|f| f.trim().to_ascii_lowercase()).collect();
        let (timestamp, time_of_day) = times(&known);
        Self {
            separator,
            columns: known.len(),
            timestamp,
            time_of_day,
            server: best(&known, SERVER),
            component: best(&known, w3c::HOST),
            anomalous: None,
            rest: RowContent::Request(W3cColumns::of(&known)),
        }
    }

    /// Whether the table has a column of times.
    #[must_use]
    pub fn has_timestamp(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Whether the table says when or where its values were measured.
    #[must_use]
    pub fn names_origin(&self) -> bool {
        self.timestamp.is_some() || self.server.is_some() || self.component.is_some()
    }

    /// Whether the table has the truth beside its values.
    #[must_use]
    pub fn has_truth(&self) -> bool {
        self.anomalous.is_some()
    }

    /// Reads one line after the header. Never fails: what is wrong is in the record's `fault`.
    #[must_use]
    pub fn parse<'a>(&self, line: &'a str, context: &Context) -> Record<'a> {
        let mut fields = CsvFields::new();
        separated::split_into(line.trim_end_matches(['\r', '\n']), self.separator.in_row(line), &mut fields);
        let mut record = Record::default();
        let surplus = fields.get(self.columns..).unwrap_or_default();
        if fields.len() < self.columns || surplus.iter().any(|field| !field.trim().is_empty()) {
            record.fault = Some(Fault::Fields);
            record.message = Some(Cow::Borrowed(line));
            return record;
        }
        let text = |i: usize| -> &str { clean::trimmed(&fields[i]) };
        if let Some(i) = self.anomalous {
            match truth(text(i)) {
                Ok(known) => record.anomalous = known,
                Err(fault) => record.fault = Some(fault),
            }
        }
        let own = |i: usize| trimmed(fields[i].clone());
        let name = |i: Option<usize>| i.map(|i| name_of(own(i))).filter(|n| !n.is_empty() && n != "-");
        record.server = name(self.server);
        record.component = name(self.component);
        match &self.rest {
            RowContent::Value(i) => match separated::decimal(text(*i), self.separator) {
                Ok(value) => record.value = Some(value),
                Err(fault) => record.fault = Some(fault),
            },
            RowContent::Measurements { level, message, measured } => {
                record.level = level.and_then(|i| severity(text(i)));
                record.message = message.map(own).filter(|message| !message.is_empty());
                for (i, name) in measured {
                    match self.measurement(text(*i)) {
                        Ok(Some(value)) => record.numbers.push_column(name.clone(), value),
                        Ok(None) => {}
                        Err(fault) => record.fault = Some(fault),
                    }
                }
                if record.message.is_none() && record.numbers.is_empty() {
                    record.fault.get_or_insert(Fault::Value);
                }
            }
            RowContent::Request(columns) => columns.read(&fields, line, &mut record),
        }
        if let Some(i) = self.timestamp {
            let time = match self.time_of_day {
                Some(clock) => timestamp::fields(text(i), text(clock), context),
                None => instant(text(i), context),
            };
            match time {
                Ok(time) => record.time = Some(time),
                Err(fault) => record.fault = Some(fault),
            }
        }
        record
    }

    /// The number in a cell; `None` where it is empty or a word.
    fn measurement(&self, cell: &str) -> Result<Option<f64>, Fault> {
        if !cell.bytes().any(|b| b.is_ascii_digit())
            && !matches!(cell.to_ascii_lowercase().as_str(), "nan" | "inf" | "-inf")
        {
            return Ok(None);
        }
        match separated::decimal(cell, self.separator) {
            Ok(value) => Ok(Some(value)),
            Err(Fault::NotFinite) => Err(Fault::NotFinite),
            Err(_) => Ok(quantity::read(cell, false)),
        }
    }
}

/// The header that a table without one might have, when its first row is a time and nothing but numbers: a single number is
/// the value, several are columns by their place.
pub(crate) fn header_for(row: &str, context: &Context) -> Option<String> {
    let row = row.trim_start_matches('\u{feff}');
    Separator::ALL.into_iter().find_map(|separator| {
        let fields = separated::split(row.trim_end(), separator);
        let (first, numbers) = fields.split_first().filter(|(_, numbers)| !numbers.is_empty())?;
        let is_number = |field: &Cow<'_, str>| separated::decimal(field.trim(), separator).is_ok();
        if !numbers.iter().all(is_number) || instant(first.trim(), context).is_err() {
            return None;
        }
        let mark = separator.character().to_string();
        let columns: Vec<String> = (2..=fields.len()).map(|place| format!("column{place}")).collect();
        let names = if numbers.len() == 1 { "value".to_owned() } else { columns.join(&mark) };
        Some(format!("timestamp{mark}{names}"))
    })
}

/// A column of times, and that of the time of day beside one of dates.
fn times(known: &[String]) -> (Option<usize>, Option<usize>) {
    match (best(known, TIMESTAMP), best(known, &["date"])) {
        (Some(at), Some(date)) if known[at] == "time" => (Some(date), Some(at)),
        (at, date) => (at.or(date), None),
    }
}

/// The column called by the best of `names`, the first where it stands twice.
fn best(known: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| known.iter().position(|field| field == name))
}

/// The same, which must not stand twice.
fn once(known: &[String], names: &[&str]) -> Result<Option<usize>, HeaderError> {
    let Some(at) = best(known, names) else { return Ok(None) };
    match known[at + 1..].contains(&known[at]) {
        true => Err(HeaderError::Twice { name: known[at].clone() }),
        false => Ok(Some(at)),
    }
}

/// `value (ms)` and `value [ms]` without their unit.
fn without_unit(name: &str) -> &str {
    let name = name.trim();
    let open = if name.ends_with(')') {
        name.rfind('(')
    } else if name.ends_with(']') {
        name.rfind('[')
    } else {
        None
    };
    open.map(|at| name[..at].trim_end()).filter(|bare| !bare.is_empty()).unwrap_or(name)
}

/// Whether a text may name a column: no number, no sentence, no pair.
fn is_name(name: &str) -> bool {
    let begins =
        |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'@' | b'%' | b'/' | b'\\' | b'(') || !b.is_ascii();
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_none_or(begins)
        && !name.contains('=')
        && !name.contains(": ")
        && name.split(' ').count() <= 5
}

fn severity(text: &str) -> Option<Level> {
    level::word(text).or_else(|| level::number(text.parse().ok()?))
}

/// Reads a time in any of its shapes; a number is one since 1970.
fn instant(text: &str, context: &Context) -> Result<EventTime, Fault> {
    let read = timestamp::field(text, context);
    if read == Err(Fault::Time) {
        let number = text.parse().ok().and_then(epoch::from_fraction).filter(|time| epoch::is_likely(*time));
        return number.or_else(|| EventTime::parse(text)).ok_or(Fault::Time);
    }
    read
}

fn trimmed(field: Cow<'_, str>) -> Cow<'_, str> {
    match field {
        Cow::Borrowed(text) => Cow::Borrowed(clean::trimmed(text)),
        Cow::Owned(text) => Cow::Owned(clean::trimmed(&text).to_owned()),
    }
}

fn truth(text: &str) -> Result<Option<bool>, Fault> {
    match text {
        "0" | "0.0" | "false" | "False" | "FALSE" => Ok(Some(false)),
        "1" | "1.0" | "true" | "True" | "TRUE" => Ok(Some(true)),
        "" => Ok(None),
        _ => Err(Fault::Truth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "timestamp,server,component,value,anomalous";

    #[test]
    fn reads_the_seeds_line() {
        let csv = Csv::from_header(SEED).unwrap();
        let record = csv.parse("2026-01-05T00:00:00Z,server-01,cpu,45.25,1\r\n", &Context::default());
        assert_eq!(record.time, EventTime::parse("2026-01-05T00:00:00Z"));
        assert_eq!(record.server.as_deref(), Some("server-01"));
        assert_eq!(record.component.as_deref(), Some("cpu"));
        assert_eq!(record.value, Some(45.25));
        assert_eq!(record.anomalous, Some(true));
        assert_eq!(record.fault, None);
    }

    #[test]
    fn columns_go_by_name_and_quotes_are_read() {
        let csv = Csv::from_header("\u{feff}Value ,\"host\",note,Metric").unwrap();
        let record = csv.parse("\"3.5\",\"a,\"\"b\"\"\",x,\"cpu\"", &Context::default());
        assert_eq!(record.value, Some(3.5));
        assert_eq!(record.server.as_deref(), Some("a,\"b\""));
        assert_eq!(record.component.as_deref(), Some("cpu"));
        assert_eq!(record.time, None);
    }

    #[test]
    fn bad_fields_are_named_and_the_rest_is_kept() {
        let csv = Csv::from_header(SEED).unwrap();
        let fault = |line: &str| csv.parse(line, &Context::default()).fault;
        assert_eq!(fault("2026-01-05T00:00:00Z,a,b,NaN,0"), Some(Fault::NotFinite));
        assert_eq!(fault("2026-01-05T00:00:00Z,a,b,1e999,0"), Some(Fault::NotFinite));
        assert_eq!(fault("2026-01-05T00:00:00Z,a,b,ten,0"), Some(Fault::Value));
        assert_eq!(fault("2026-01-05T00:00:00Z,a,b,1,maybe"), Some(Fault::Truth));
        assert_eq!(fault("noon,a,b,1,0"), Some(Fault::Time));
        assert_eq!(fault("2026-01-05T00:00:00Z,a,b,1"), Some(Fault::Fields));
        assert_eq!(fault(""), Some(Fault::Fields));
        assert_eq!(csv.parse("noon,a,b,1,0", &Context::default()).value, Some(1.0));
    }

    #[test]
    fn times_are_read_in_any_shape_and_from_two_columns() {
        let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
        let read = |header: &str, row: &str| {
            let record = Csv::from_header(header).unwrap().parse(row, &context);
            assert_eq!(record.value, Some(1.0), "{row}");
            record.time.map(|time| time.to_string()).ok_or(record.fault)
        };
        for (header, row) in [
            ("date,time,value", "2026-01-05,10:00:00,1"),
            ("date,time,value", "05.01.2026,10:00,1"),
            ("time,value,date", "11:00:00 CET,1,20260105"),
            ("Date,Time,value", "13/01/2026,1:02:03 PM,1"),
            ("time,value", "1767607200,1"),
            ("time,value", "1767607200.000,1"),
            ("time,value", "1.7676072e9,1"),
            ("ts,value", "1767607200000,1"),
            ("ts,value", "1767607200000.25,1"),
            ("ts,value", "1767607200000000,1"),
            ("ts,value", "1767607200000000000,1"),
            ("timestamp,value", "\"Jan 5, 2026, 10:00:00 AM\",1"),
            ("timestamp,value", "2026-01-05 11:00:00+01:00,1"),
            ("timestamp,value", "2026-01-05 11:00:00 CET,1"),
            ("timestamp,time,value", "2026-01-05T10:00:00Z,12.5,1"),
            ("datetime,date,value", "2026-01-05T10:00:00Z,x,1"),
            ("date,value", "2026-01-05 10:00:00,1"),
        ] {
            let expected = if row.starts_with("13") { "2026-01-13T13:02:03Z" } else { "2026-01-05T10:00:00Z" };
            let expected = if row.contains("000.25") { "2026-01-05T10:00:00.00025Z" } else { expected };
            assert_eq!(read(header, row).as_deref(), Ok(expected), "{header}: {row}");
        }
        assert_eq!(read("date,value", "2026-01-05,1").as_deref(), Ok("2026-01-05T00:00:00Z"));
        assert_eq!(read("date,time,value", "2026-01-05,noon,1"), Err(Some(Fault::Time)));
        assert_eq!(read("time,value", "12.5,1"), Err(Some(Fault::Time)));
        assert_eq!(read("time,value", "2026-01-05 10:00:00 QQQ,1"), Err(Some(Fault::Zone)));
        context.order_shown.set(None);
        assert_eq!(read("time,value", "03/01/2025 10:00:00,1"), Err(Some(Fault::DateOrder)));
    }

    #[test]
    fn headers_are_refused_with_a_reason() {
        assert!(matches!(Csv::from_header("a,b,c"), Err(HeaderError::NoValue { .. })));
        assert!(matches!(Csv::from_header("value,value"), Err(HeaderError::Twice { .. })));
    }

    /// Values and named numbers of a row.
    fn numbers(header: &str, row: &str) -> Vec<(String, f64)> {
        let record = Csv::from_header(header).unwrap_or_else(|error| panic!("{error}")).parse(row, &Context::default());
        assert_eq!(record.fault, None, "{header}: {row}");
        let own = record.value.map(|value| ("value".to_owned(), value));
        own.into_iter().chain(record.numbers.iter().map(|(name, value)| (name.to_string(), *value))).collect()
    }

    fn named(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn fields_are_separated_in_four_ways() {
        for (header, row, value) in [
            ("time;value", "2026-01-05T00:00:00Z;1,5", 1.5),
            ("time;value", "2026-01-05T00:00:00Z;1.234,5", 1234.5),
            ("time;value", "2026-01-05T00:00:00Z;-0,25;", -0.25),
            ("time\tvalue", "2026-01-05T00:00:00Z\t2.5", 2.5),
            ("time\tvalue", "2026-01-05T00:00:00Z\t2,5", 2.5),
            ("time | value", "2026-01-05T00:00:00Z | 3.5", 3.5),
            ("time;note;value", "2026-01-05T00:00:00Z;\"a;b \"\"c\"\"\";4", 4.0),
            ("# time, value", "2026-01-05T00:00:00Z, 5", 5.0),
            ("\u{feff}TIME;Value (ms)", "2026-01-05T00:00:00Z;6", 6.0),
            ("Timestamp,Host,Metric Name,Value [MB]", "2026-01-05T00:00:00Z,a,b,7", 7.0),
        ] {
            assert_eq!(numbers(header, row), named(&[("value", value)]), "{header}: {row}");
        }
        assert_eq!(
            Csv::from_header("time,value").unwrap().parse("2026-01-05T00:00:00Z,1,5", &Context::default()).fault,
            Some(Fault::Fields)
        );
    }

    #[test]
    fn wide_tables_are_a_stream_a_column() {
        for (header, row, expected) in [
            ("time,cpu,mem", "2026-01-05T00:00:00Z,1.5,2", &[("cpu", 1.5), ("mem", 2.0)][..]),
            (",Time,load (1 min),note", "0,2026-01-05T00:00:00Z,0.5,idle", &[("load", 0.5)]),
            ("ts;temp (C);temp (F)", "2026-01-05T00:00:00Z;20,5;68,9", &[("temp (C)", 20.5), ("temp (F)", 68.9)]),
            ("date,time,host,used", "2026-01-05,00:00:00,a,", &[]),
            ("timestamp\tin\tout", "2026-01-05T00:00:00Z\t-\t3", &[("out", 3.0)]),
        ] {
            if expected.is_empty() {
                let record = Csv::from_header(header).unwrap().parse(row, &Context::default());
                assert_eq!((record.fault, record.server.as_deref()), (Some(Fault::Value), Some("a")));
                continue;
            }
            assert_eq!(numbers(header, row), named(expected), "{header}: {row}");
        }
        let names: Vec<String> = (0..40).map(|i| format!("m{i}")).collect();
        let row = format!("2026-01-05T00:00:00Z{}", ",1".repeat(40));
        assert_eq!(numbers(&format!("time,{}", names.join(",")), &row).len(), 40);
        let record = Csv::from_header("time,a,b").unwrap().parse("2026-01-05T00:00:00Z,NaN,2", &Context::default());
        assert_eq!((record.fault, record.numbers.get("b")), (Some(Fault::NotFinite), Some(2.0)));
    }

    #[test]
    fn tables_of_text_have_levels_and_messages() {
        let table = Csv::from_header("Time,Host,Level,Message,took").unwrap();
        let record = table.parse("2026-01-05T00:00:00Z,a,WARN,\"slow, again\",12.5", &Context::default());
        assert_eq!((record.server.as_deref(), record.level), (Some("a"), Some(Level::Warning)));
        assert_eq!((record.message.as_deref(), record.numbers.get("took")), (Some("slow, again"), Some(12.5)));
    }

    #[test]
    fn a_row_of_a_time_and_numbers_needs_no_header() {
        for (row, header) in [
            ("2026-01-05T00:00:00Z,1.5", Some("timestamp,value")),
            ("2026-01-05 00:00:00;1,5", Some("timestamp;value")),
            ("1767571200\t1.5", Some("timestamp\tvalue")),
            ("2026-01-05T00:00:00Z|1|2", Some("timestamp|column2|column3")),
            ("2026-01-05T00:00:00Z,a,1", None),
            ("2026-01-05 00:00:00,123 INFO text", None),
            ("2026-01-05T00:00:00Z", None),
            ("1,2,3", None),
            ("", None),
        ] {
            let found = header_for(row, &Context::default());
            assert_eq!(found.as_deref(), header, "{row}");
            assert!(found.is_none_or(|header| Csv::from_header(&header).is_ok()));
        }
    }

    #[test]
    fn lines_of_text_are_no_header() {
        for text in [
            "time flies",
            "Time, gentlemen: please, all of you, now",
            "2026-01-05T00:00:00Z,time,1",
            "time=1, value=2",
            "time",
            "{\"time\":1,\"value\":2}",
        ] {
            assert!(Csv::from_header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn extended_logs_of_w3c_are_read() {
        let fields = "#Fields: date time s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
                      cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken";
        let row =
            "2026-01-05 00:00:00 WEB1 192.0.2.9 GET /a b=1 443 - 192.0.2.7 Mozilla/5.0+(X11) - 503 0 0 1234 56 250";
        let record = Csv::from_header(fields).unwrap().parse(row, &Context::default());
        assert_eq!((record.time, record.fault), (EventTime::parse("2026-01-05T00:00:00Z"), None));
        assert_eq!((record.server.as_deref(), record.level), (Some("WEB1"), Some(Level::Error)));
        assert_eq!(record.message.as_deref(), Some("GET /a?b=1"));
        let expected = [("status", 503.0), ("bytes", 1234.0), ("bytes_received", 56.0), ("request_time", 0.25)];
        assert_eq!(numbers(fields, row), named(&expected));

        let cloudfront =
            "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status time-taken";
        let row = "2026-01-05\t00:00:00\tFRA2\t77\t192.0.2.7\tGET\tshop.example\t/a\t404\t0.250";
        let record = Csv::from_header(cloudfront).unwrap().parse(row, &Context::default());
        assert_eq!((record.component.as_deref(), record.level), (Some("shop.example"), Some(Level::Warning)));
        assert_eq!(record.numbers.get("request_time"), Some(0.25));

        let firewall = "#Fields: date time action protocol src-ip dst-ip src-port dst-port size";
        let row = "2026-01-05 00:00:00 DROP TCP 192.0.2.7 192.0.2.9 50000 22 60";
        let record = Csv::from_header(firewall).unwrap().parse(row, &Context::default());
        assert_eq!(record.message.as_deref(), Some(row));
        assert_eq!(record.fault, None);
    }
}
