//! CSV with a header line: the seed's `timestamp,server,component,value,anomalous`, and any table whose header names
//! at least a value. Refuses headers without one; a bad line is a record with a [`Fault`].

use std::borrow::Cow;

use super::{Context, epoch, timestamp};
use crate::{
    record::{Fault, Record, name_of},
    time::EventTime,
};

/// Columns a line may have; more are ignored like any unknown column.
const COLUMNS_MAX: usize = 64;

/// Names of a column of times, the best first. A column `time` beside a column `date` is the time of day.
const TIMESTAMP: &[&str] = &["timestamp", "@timestamp", "datetime", "ts", "time"];

/// Which column holds what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    columns: usize,
    timestamp: Option<usize>,
    /// The time of day beside a column of dates.
    time_of_day: Option<usize>,
    server: Option<usize>,
    component: Option<usize>,
    value: usize,
    anomalous: Option<usize>,
}

/// Why a header line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No column holds the value.
    #[error("the header {header:?} has no column 'value' (expected e.g. timestamp,server,component,value,anomalous)")]
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
    /// Reads a header line. Names are compared without case and surrounding blanks; a byte order mark is skipped.
    ///
    /// # Errors
    /// When no column is called `value`, or a known name stands twice.
    pub fn from_header(header: &str) -> Result<Self, HeaderError> {
        let header = header.trim_start_matches('\u{feff}').trim();
        let fields: Vec<String> = split(header).iter().map(|f| f.trim().to_ascii_lowercase()).collect();
        let find = |names: &[&str]| -> Result<Option<usize>, HeaderError> {
            let mut at = fields.iter().enumerate().filter(|(_, f)| names.contains(&f.as_str()));
            let first = at.next();
            match at.next() {
                Some((_, name)) => Err(HeaderError::Twice { name: name.clone() }),
                None => Ok(first.map(|(i, _)| i)),
            }
        };
        let (timestamp, time_of_day) = match (best(&fields, TIMESTAMP), best(&fields, &["date"])) {
            (Some(at), Some(date)) if fields[at] == "time" => (Some(date), Some(at)),
            (at, date) => (at.or(date), None),
        };
        Ok(Self {
            columns: fields.len(),
            timestamp,
            time_of_day,
            server: find(&["server", "host", "hostname"])?,
            component: find(&["component", "service", "metric"])?,
            value: find(&["value"])?
                .ok_or_else(|| HeaderError::NoValue { header: header.chars().take(200).collect() })?,
            anomalous: find(&["anomalous", "label"])?,
        })
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
        let fields = split(line.trim_end_matches(['\r', '\n']));
        let mut record = Record::default();
        if fields.len() != self.columns {
            record.fault = Some(Fault::Fields);
            record.message = Some(Cow::Borrowed(line));
            return record;
        }
        let text = |i: usize| -> &str { fields[i].trim() };
        if let Some(i) = self.anomalous {
            match truth(text(i)) {
                Ok(known) => record.anomalous = known,
                Err(fault) => record.fault = Some(fault),
            }
        }
        match number(text(self.value)) {
            Ok(value) => record.value = Some(value),
            Err(fault) => record.fault = Some(fault),
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
        let name = |i: Option<usize>| i.map(|i| name_of(trimmed(fields[i].clone()))).filter(|n| !n.is_empty());
        record.server = name(self.server);
        record.component = name(self.component);
        record
    }
}

/// The column called by the best of `names`, the first where it stands twice.
fn best(fields: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| fields.iter().position(|field| field == name))
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
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Reads a finite number.
pub(crate) fn number(text: &str) -> Result<f64, Fault> {
    let value: f64 = text.parse().map_err(|_| Fault::Value)?;
    if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
}

fn truth(text: &str) -> Result<Option<bool>, Fault> {
    match text {
        "0" | "0.0" | "false" | "False" | "FALSE" => Ok(Some(false)),
        "1" | "1.0" | "true" | "True" | "TRUE" => Ok(Some(true)),
        "" => Ok(None),
        _ => Err(Fault::Truth),
    }
}

type CsvFields<'a> = heapless::Vec<Cow<'a, str>, COLUMNS_MAX>;

fn split(line: &str) -> CsvFields<'_> {
    let mut fields = CsvFields::new();
    if memchr::memchr(b'"', line.as_bytes()).is_some() {
        split_quoted(line, &mut fields);
        return fields;
    }
    let mut start = 0;
    for comma in memchr::memchr_iter(b',', line.as_bytes()) {
        if fields.push(Cow::Borrowed(&line[start..comma])).is_err() {
            return fields;
        }
        start = comma + 1;
    }
    // A 65th column is ignored like any unknown one.
    let _ = fields.push(Cow::Borrowed(&line[start..]));
    fields
}

fn split_quoted<'a>(line: &'a str, fields: &mut CsvFields<'a>) {
    let mut reader = csv_core::Reader::new();
    // One byte more than can be needed: the reader wants room even for a record's end.
    let mut bytes = vec![0; line.len() + 1];
    let mut ends = [0; COLUMNS_MAX];
    let (_, _, mut written, mut ended) = reader.read_record(line.as_bytes(), &mut bytes, &mut ends);
    // An empty read tells the reader that the record ends here.
    let (_, _, more, last) = reader.read_record(&[], &mut bytes[written..], &mut ends[ended..]);
    written += more;
    ended += last;
    let mut start = 0;
    for &end in &ends[..ended] {
        let end = end.min(written);
        let field = String::from_utf8_lossy(&bytes[start.min(end)..end]).into_owned();
        if fields.push(Cow::Owned(field)).is_err() {
            return;
        }
        start = end;
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
}
