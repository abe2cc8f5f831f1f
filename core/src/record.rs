//! What parsing yields: one line as values. Borrowed from the line where the format allows it.

use std::borrow::Cow;

use crate::{format::clean, limits::NAME_BYTES_MAX, time::EventTime};

/// Named numbers of one record: a structured line has more fields than anyone watches, and each becomes a stream.
pub const NUMBERS_MAX: usize = 8;
/// Columns of a table.
pub const COLUMNS_MAX: usize = 64;

/// One log record. Fields a format does not carry are `None`; names that it does not carry come from the caller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record<'a> {
    /// Event time; `None` when the line carries none.
    pub time: Option<EventTime>,
    /// `time` is not the line's own: it has none, or none that can be right.
    pub time_assumed: bool,
    /// The server that wrote the line, when the line says so.
    pub server: Option<Cow<'a, str>>,
    /// The component (service, unit, program, metric) the line is about.
    pub component: Option<Cow<'a, str>>,
    /// Severity.
    pub level: Option<Level>,
    /// The text of the line or of its message field.
    pub message: Option<Cow<'a, str>>,
    /// The measured value. Finite; a field that was there but no finite number is `None` and named in `fault`.
    pub value: Option<f64>,
    /// Further numeric fields of a structured line by name, in the line's order.
    pub numbers: Numbers<'a>,
    /// Ground truth for tests: never a feature, never used to fit.
    pub anomalous: Option<bool>,
    /// What was wrong with the line, when something was. The record still counts.
    pub fault: Option<Fault>,
    /// Name of the format that it was read in.
    pub format: &'static str,
}

impl Record<'_> {
    /// The same record, independent of the line's memory.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        let owned = |text: Option<Cow<'_, str>>| text.map(|t| Cow::Owned(t.into_owned()));
        Record {
            time: self.time,
            time_assumed: self.time_assumed,
            server: owned(self.server),
            component: owned(self.component),
            level: self.level,
            message: owned(self.message),
            value: self.value,
            numbers: Numbers(self.numbers.0.into_iter().map(|(n, v)| (Cow::Owned(n.into_owned()), v)).collect()),
            anomalous: self.anomalous,
            fault: self.fault,
            format: self.format,
        }
    }
}

/// Up to [`NUMBERS_MAX`] finite numbers with their names, of a row of a table up to [`COLUMNS_MAX`]; the rest is not kept. Takes no memory while it is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers<'a>(Vec<(Cow<'a, str>, f64)>);

impl<'a> Numbers<'a> {
    /// Appends a number, unless it is not finite or the list is full. A long name is cut, control characters in it are
    /// replaced.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: f64) {
        if value.is_finite() && self.0.len() < NUMBERS_MAX {
            self.0.push((name_of(name.into()), value));
        }
    }

    /// Appends the number of a table's column: an operator chose how many there are.
    pub(crate) fn push_column(&mut self, name: impl Into<Cow<'a, str>>, value: f64) {
        if value.is_finite() && self.0.len() < COLUMNS_MAX {
            self.0.push((name_of(name.into()), value));
        }
    }

    /// The number called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(n, _)| n == name).map(|&(_, v)| v)
    }
}

impl<'a> std::ops::Deref for Numbers<'a> {
    type Target = [(Cow<'a, str>, f64)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A name as it stands in a line, without escape sequences and control characters, which a string of JSON may hold; at
/// most [`NAME_BYTES_MAX`] bytes of it.
pub(crate) fn name_of(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= NAME_BYTES_MAX && clean::is_printed(&text) {
        return text;
    }
    let text = clean::visible(clean::strip(text));
    if text.len() <= NAME_BYTES_MAX {
        return text;
    }
    let end = text.floor_char_boundary(NAME_BYTES_MAX);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// Severity as syslog orders it, without the levels nobody tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs, reason = "the variants are the field's standard terms")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

/// Why a line yielded less than its format promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// Another number of fields than the header has.
    Fields,
    /// The timestamp cannot be read.
    Time,
    /// The value is no number.
    Value,
    /// The value is NaN or infinite.
    NotFinite,
    /// The truth column holds neither a truth value nor nothing.
    Truth,
    /// The line is longer than [`crate::limits::LINE_BYTES_MAX`] and was cut.
    TooLong,
    /// The line is not UTF-8; the offending bytes were replaced.
    NotUtf8,
    /// The JSON, or a quoted text, is broken; what was read before the break is kept.
    Malformed,
    /// The table's header line did not come yet.
    Header,
    /// No format fits; the record is the text alone.
    Unknown,
    /// The timestamp has no year, and nothing tells it.
    Year,
    /// The timestamp's zone has a name that is not known.
    Zone,
    /// The timestamp's date reads in two ways, and the source has not shown which.
    DateOrder,
    /// The time is far from the records around it and from the clock.
    WrongClock,
    /// The line does not fit the format that the operator gave.
    Layout,
    /// The line holds more records than are read of one.
    Crowded,
}

impl Fault {
    /// All of them. A stored fault is its place in this list: new ones are appended.
    pub const ALL: [Self; 16] = [
        Self::Fields,
        Self::Time,
        Self::Value,
        Self::NotFinite,
        Self::Truth,
        Self::TooLong,
        Self::NotUtf8,
        Self::Malformed,
        Self::Header,
        Self::Unknown,
        Self::Year,
        Self::Zone,
        Self::DateOrder,
        Self::WrongClock,
        Self::Layout,
        Self::Crowded,
    ];

    /// Its place in [`Fault::ALL`].
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Whether such a line yields little or nothing of what its format promises: it was not understood.
    #[must_use]
    pub fn is_not_understood(self) -> bool {
        matches!(self, Self::Fields | Self::Malformed | Self::Header | Self::Unknown | Self::Layout)
            || self.is_of_time()
    }

    /// Whether the line has a time of its own that tells none.
    #[must_use]
    pub fn is_of_time(self) -> bool {
        matches!(self, Self::Time | Self::Year | Self::Zone | Self::DateOrder | Self::WrongClock)
    }

    /// What is wrong, for people, to stand after "line 12: ".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Fields => "another number of fields than the header has",
            Self::Time => "the timestamp cannot be read (RFC 3339 expected, e.g. 2026-01-05T00:00:00Z)",
            Self::Year => "the timestamp has no year, and nothing tells it",
            Self::Zone => {
                "the timestamp's zone has an unknown name (set zones, e.g. IST = +02:00; utc_offset for a region)"
            }
            Self::DateOrder => "the date reads day first and month first (set date_order)",
            Self::WrongClock => "the time is far from the records around it and from the clock",
            Self::Value => "the value is not a number",
            Self::NotFinite => "the value is NaN or infinite",
            Self::Truth => "the column 'anomalous' holds neither 0/1 nor true/false",
            Self::TooLong => "the line is longer than 48 KiB and was cut",
            Self::NotUtf8 => "the line is not valid UTF-8",
            Self::Malformed => "the JSON or a quoted text is malformed or broken off",
            Self::Header => {
                "no header came before it (expected: a first line that names the columns, e.g. timestamp,component,value; or rows of a time and numbers)"
            }
            Self::Unknown => "no known format fits",
            Self::Layout => "the line does not fit log_format",
            Self::Crowded => "the line holds more than 1,024 records: the others are left out",
        }
    }
}
