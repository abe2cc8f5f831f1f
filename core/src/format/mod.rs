//! Line formats: bytes of a line in, a record out. Parsing never fails: a line that its format does not fit is a
//! record of its text with a fault. Reads no clock: what a line leaves out comes with the [`Context`].

use std::{borrow::Cow, cell::Cell, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    record::Record,
    time::{EventTime, UtcOffset},
};

mod access;
mod assembly;
mod auto;
mod bgl;
mod block;
mod bundle;
mod calendar;
pub(crate) mod clean;
mod continuation;
pub mod csv;
mod cursor;
mod date_order;
mod epoch;
mod fields;
mod header;
mod inside;
pub mod journal;
mod json;
mod jsonl;
mod level;
mod logfmt;
mod mapping;
mod names;
mod otlp;
mod parser;
mod plain;
#[cfg(test)]
mod properties;
mod quantity;
mod schemas;
mod separated;
#[cfg(test)]
mod several;
mod spellings;
mod syslog;
mod tag;
mod timestamp;
mod trace;
mod usual_names;
mod w3c;
mod wrapper;
mod zones;

pub use access::{AccessLayout, LayoutError};
pub use date_order::{DATE_ORDERS, DateOrder};
pub use mapping::{FIELD_NAMES, Mapping};
pub use parser::Parser;
pub use spellings::UnknownFormat;
pub use zones::{ZoneNameError, ZoneNames};

use auto::DetectedFormat;

/// The format of a source, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogFormat {
    /// Decided from the first lines of each file.
    #[default]
    Auto,
    /// A table: a first line names its columns, or each row is a time and numbers.
    Csv,
    /// One JSON object a line.
    Jsonl(Mapping),
    /// RFC 3164 and RFC 5424.
    Syslog,
    /// `journalctl -o json`.
    Journal,
    /// `key=value` pairs.
    Logfmt,
    /// Apache's and nginx's access logs.
    Access,
    /// Text, with a timestamp where it has one.
    Plain,
    /// An access log whose format the operator gave.
    LaidOut(AccessLayout),
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().map_or("auto", name))
    }
}

impl LogFormat {
    /// The format where a configuration says which keys mean what: JSON lines. `problem` is called for each mistake: an
    /// unknown field, or a format that has no keys.
    pub fn with_fields<'a>(
        format: Option<Self>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        mut problem: impl FnMut(String),
    ) -> Self {
        let mut mapping = Mapping::default();
        for (field, keys) in fields {
            if !mapping.set(field, keys) {
                problem(format!("{field:?} is no field: {FIELD_NAMES} are"));
            }
        }
        if let Some(other) = format.filter(|format| !matches!(format, Self::Jsonl(_))) {
            problem(format!("means nothing to the format {other}: it is for jsonl"));
        }
        Self::Jsonl(mapping)
    }

    /// The format as a configuration says it: its name, and either how an access log's lines are made (`log_format`) or
    /// which keys mean what (`fields`). `problem` is called with the setting and what is wrong with it.
    pub fn configured<'a>(
        format: Option<Self>,
        layout: Option<AccessLayout>,
        fields: Option<impl IntoIterator<Item = (&'a str, &'a str)>>,
        mut problem: impl FnMut(&'static str, String),
    ) -> Self {
        match (layout, fields) {
            (None, None) => format.unwrap_or_default(),
            (None, Some(fields)) => Self::with_fields(format, fields, |what| problem("fields", what)),
            (layout @ Some(_), fields) => {
                if fields.is_some() {
                    problem("fields", "means nothing beside log_format".to_owned());
                }
                format.unwrap_or_default().laid_out(layout).unwrap_or_else(|error| {
                    problem("log_format", error.to_string());
                    Self::Access
                })
            }
        }
    }

    /// The format where a configuration says how an access log's lines are made: nginx's `log_format`, Apache's
    /// `LogFormat`.
    ///
    /// # Errors
    /// When this is no access log's format.
    pub fn laid_out(self, layout: Option<AccessLayout>) -> Result<Self, LayoutError> {
        match (self, layout) {
            (format, None) => Ok(format),
            (Self::Access | Self::Auto | Self::LaidOut(_), Some(layout)) => Ok(Self::LaidOut(layout)),
            (other, Some(_)) => {
                let what = format!("log_format means nothing to the format {other}: it is for access");
                Err(LayoutError { what, at: None })
            }
        }
    }

    /// `None` when the lines decide.
    fn kind(&self) -> Option<DetectedFormat> {
        Some(match self {
            Self::Auto => return None,
            Self::Csv => DetectedFormat::Csv,
            Self::Jsonl(_) => DetectedFormat::Jsonl,
            Self::Syslog => DetectedFormat::Syslog,
            Self::Journal => DetectedFormat::Journal,
            Self::Logfmt => DetectedFormat::Logfmt,
            Self::Access | Self::LaidOut(_) => DetectedFormat::Access,
            Self::Plain => DetectedFormat::Plain,
        })
    }
}

fn name(kind: DetectedFormat) -> &'static str {
    match kind {
        DetectedFormat::Csv => "csv",
        DetectedFormat::Jsonl => "jsonl",
        DetectedFormat::Syslog => "syslog",
        DetectedFormat::Journal => "journald",
        DetectedFormat::Logfmt => "logfmt",
        DetectedFormat::Access => "access",
        DetectedFormat::Plain => "plain",
    }
}

/// A line as people read it: the message of a journal's entry, of any other line its text; without escape sequences.
/// Empty for an entry whose message is missing or cut.
#[must_use]
pub fn shown(line: &[u8]) -> Cow<'_, str> {
    let (text, _) = clean::line(line);
    match journal::message(&text) {
        Some(message) => Cow::Owned(message),
        None => text,
    }
}

/// The number that a text is, with a unit or not (`21.5`, `21.5 °C`, `45%`, `12,5`); it may be NaN. `None` for all other
/// texts, and for digits that are a code rather than a number (`007`).
#[must_use]
pub fn measured(text: &str) -> Option<f64> {
    quantity::read(text, false).filter(|_| !quantity::is_code(text.trim()))
}

/// What a line is to its source.
#[derive(Debug, Clone, PartialEq)]
pub enum ParsedLine<'a> {
    /// A record begins with it.
    Record(Record<'a>),
    /// It belongs to the record before it, as the lines of a stack trace do.
    Continued,
    /// It is a part of a record that is not whole yet.
    Pending,
    /// It is no part of a record: a table's header, a comment, a line without text.
    Skipped,
}

impl<'a> ParsedLine<'a> {
    /// The record that begins with it.
    #[must_use]
    pub fn record(self) -> Option<Record<'a>> {
        match self {
            Self::Record(record) => Some(record),
            Self::Continued | Self::Pending | Self::Skipped => None,
        }
    }

    fn map<'b>(self, change: impl FnOnce(Record<'a>) -> Record<'b>) -> ParsedLine<'b> {
        match self {
            Self::Record(record) => ParsedLine::Record(change(record)),
            Self::Continued => ParsedLine::Continued,
            Self::Pending => ParsedLine::Pending,
            Self::Skipped => ParsedLine::Skipped,
        }
    }
}

/// How a source's times are read where a line leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeOptions {
    /// Seconds east of UTC of times that name no zone.
    pub offset_s: i32,
    /// What is meant by names of zones.
    pub zones: ZoneNames,
    /// The order of numbers in dates such as `03/04/2026`; told by the lines when `None`.
    pub date_order: Option<DateOrder>,
}

impl TimeOptions {
    /// What a configuration says. `problem` is called for each mistake in the names of zones.
    pub fn new<'a>(
        offset: Option<UtcOffset>,
        zones: impl IntoIterator<Item = (&'a str, UtcOffset)>,
        date_order: Option<DateOrder>,
        mut problem: impl FnMut(String),
    ) -> Self {
        let mut names = ZoneNames::default();
        for (name, offset) in zones {
            if let Err(error) = names.set(name, offset) {
                problem(error.to_string());
            }
        }
        Self { offset_s: offset.unwrap_or_default().seconds(), zones: names, date_order }
    }
}

/// What a line leaves out, and what is learnt of a source's times while its lines are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The time of the source's previous record; a missing year is the one nearest to it.
    pub previous: Option<EventTime>,
    /// An instant that no line is after, such as the file's modification time.
    pub reference: Option<EventTime>,
    /// How times are read.
    pub times: TimeOptions,
    /// The order of numbers that the source's dates have shown.
    pub order_shown: Cell<Option<DateOrder>>,
}

impl Context {
    /// For what stands inside a line of the time `outer`.
    pub(crate) fn within(&self, outer: Option<EventTime>) -> Self {
        Self { previous: outer.or(self.previous), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_as_they_are_read() {
        let entry = |message: &str| format!(r#"{{"__REALTIME_TIMESTAMP":"1","_HOSTNAME":"a","MESSAGE":{message}}}"#);
        for (line, expected) in [
            ("a \u{1b}[36mb\u{1b}[0m\n".to_owned(), "a b"),
            (r#"{"MESSAGE":"x"}"#.to_owned(), r#"{"MESSAGE":"x"}"#),
            (entry(r#""plain""#), "plain"),
            (entry("[27,91,51,54,109,104,105,27,91,48,109]"), "hi"),
            (entry("null"), ""),
            (entry("[104,105,27,91").trim_end_matches('}').to_owned(), ""),
        ] {
            assert_eq!(shown(line.as_bytes()), expected, "{line}");
        }
    }
}
