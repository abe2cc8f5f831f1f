//! What parsing yields: one line as values. Borrowed from the line where the format allows it.

use std::borrow::Cow;

use crate::time::EventTime;

/// One log record. Fields a format does not carry are `None`; names that it does not carry come from the caller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record<'a> {
    /// Event time; `None` when the line carries none (the previous record's time applies).
    pub time: Option<EventTime>,
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
    /// Ground truth for tests: never a feature, never used to fit.
    pub anomalous: Option<bool>,
    /// What was wrong with the line, when something was. The record still counts.
    pub fault: Option<Fault>,
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

/// Why a line yielded less than its format promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// No format fits; the record is the text alone.
    Unknown,
}

impl Fault {
    /// What is wrong, for people, to stand after "line 12: ".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Fields => "another number of fields than the header has",
            Self::Time => "the timestamp cannot be read (RFC 3339 expected, e.g. 2026-01-05T00:00:00Z)",
            Self::Value => "the value is not a number",
            Self::NotFinite => "the value is NaN or infinite",
            Self::Truth => "the column 'anomalous' holds neither 0/1 nor true/false",
            Self::TooLong => "the line is longer than 48 KiB and was cut",
            Self::NotUtf8 => "the line is not valid UTF-8",
            Self::Unknown => "no known format fits",
        }
    }
}
