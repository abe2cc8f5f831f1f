//! Which named fields mean what, for formats of keys and values: the mapping and the record that they fill.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Context, clean, epoch, level, timestamp};
use crate::{
    record::{Fault, Level, Numbers, Record},
    time::EventTime,
};

/// The names under which a line's fields are looked for, the best first; nested JSON fields as `outer.inner`.
/// An empty list stands for the usual names. Names are compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// `timestamp`, `time`, `ts`, `@timestamp`, ...: text or epoch seconds, milli-, micro- or nanoseconds.
    pub timestamp: Vec<String>,
    /// `host`, `hostname`, `server`, ...
    pub server: Vec<String>,
    /// `component`, `service`, `logger`, `unit`, `metric`, ...
    pub component: Vec<String>,
    /// `level`, `severity`, ...: a word, or a number of syslog's or Bunyan's.
    pub level: Vec<String>,
    /// `message`, `msg`, ...
    pub message: Vec<String>,
    /// `value`.
    pub value: Vec<String>,
}

const TIMESTAMP: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "@timestamp",
    "datetime",
    "date",
    "eventtime",
    "asctime",
    "@t",
    "t.$date",
    "timeMillis",
    "instant.epochSecond",
    "timeUnixNano",
    "observedTimestamp",
    "receiveTimestamp",
];
const SERVER: &[&str] = &[
    "host",
    "hostname",
    "server",
    "host.name",
    "node",
    "agent.hostname",
    "host.hostname",
    "resource.host.name",
    "resourceattributes.host.name",
    "kubernetes.host",
    "kubernetes.node.name",
    "node_name",
];
const COMPONENT: &[&str] = &[
    "component",
    "service",
    "logger",
    "unit",
    "metric",
    "service.name",
    "log.logger",
    "app",
    "application",
    "program",
    "process",
    "module",
    "target",
    "logger_name",
    "subsystem",
    "name",
    "servicename",
    "service_name",
    "loggername",
    "sourcecontext",
    "properties.sourcecontext",
    "resource.service.name",
    "resourceattributes.service.name",
    "kubernetes.container_name",
    "kubernetes.container.name",
    "resource.labels.container_name",
    "container_name",
    "container.name",
    "_service",
    "_logger",
    "_facility",
    "facility",
];
const LEVEL: &[&str] = &[
    "level",
    "severity",
    "log.level",
    "lvl",
    "loglevel",
    "levelname",
    "priority",
    "@l",
    "severitytext",
    "severity_text",
    "severitynumber",
    "severity_number",
];
const MESSAGE: &[&str] = &[
    "message",
    "msg",
    "fields.message",
    "log",
    "short_message",
    "text",
    "event",
    "@m",
    "@mt",
    "body",
    "body.stringvalue",
    "textpayload",
    "renderedmessage",
    "messagetemplate",
    "error.message",
];
const VALUE: &[&str] = &["value"];
const TRUTH: &[&str] = &["anomalous"];

/// Names of numbers that count or time nothing; as streams they would be noise.
const IDENTIFIERS: &[&str] = &[
    "id", "pid", "ppid", "tid", "uid", "gid", "port", "line", "lineno", "thread", "threadid", "seq", "sequence", "v",
    "version", "year", "month", "day",
];

/// A field's plain value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(Cow<'a, str>),
}

#[derive(Clone, Copy)]
enum MappedField {
    Time,
    Server,
    Component,
    Level,
    Message,
    Value,
    Truth,
}
const FIELDS: usize = 7;

/// The fields that a mapping may name.
pub const FIELD_NAMES: &str = "timestamp, server, component, level, message and value";

impl Mapping {
    /// Looks for the field `field` under these names, `|` between alternatives. False when there is no such field.
    pub fn set(&mut self, field: &str, names: &str) -> bool {
        let list = match field {
            "timestamp" => &mut self.timestamp,
            "server" => &mut self.server,
            "component" => &mut self.component,
            "level" => &mut self.level,
            "message" => &mut self.message,
            "value" => &mut self.value,
            _ => return false,
        };
        *list = names.split('|').map(|name| name.trim().to_owned()).collect();
        true
    }

    /// The field that `key` means, and its place in the list of names.
    fn field(&self, key: &str) -> Option<(MappedField, usize)> {
        let own = |names: &[String]| names.iter().position(|n| n.eq_ignore_ascii_case(key));
        let usual = |names: &[&str]| names.iter().position(|n| n.eq_ignore_ascii_case(key));
        let lists: [(MappedField, &[String], &[&str]); FIELDS] = [
            (MappedField::Time, &self.timestamp, TIMESTAMP),
            (MappedField::Level, &self.level, LEVEL),
            (MappedField::Message, &self.message, MESSAGE),
            (MappedField::Server, &self.server, SERVER),
            (MappedField::Component, &self.component, COMPONENT),
            (MappedField::Value, &self.value, VALUE),
            (MappedField::Truth, &[], TRUTH),
        ];
        lists.into_iter().find_map(|(field, names, usual_names)| {
            let rank = if names.is_empty() { usual(usual_names) } else { own(names) };
            rank.map(|r| (field, r))
        })
    }
}

/// Takes a line's fields one by one and becomes its record.
#[derive(Default)]
pub(crate) struct CollectedFields<'a> {
    /// The best-named candidate of each field with its rank.
    best: [Option<(usize, Scalar<'a>)>; FIELDS],
    numbers: Numbers<'a>,
}

impl<'a> CollectedFields<'a> {
    /// Takes one field: a mapped one when no better-named came before, any other when it is a number.
    pub(crate) fn take(&mut self, mapping: &Mapping, key: Cow<'a, str>, value: Scalar<'a>) {
        if let Some((field, rank)) = mapping.field(&key) {
            let best = &mut self.best[field as usize];
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                *best = Some((rank, value));
            }
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
        let number = match value {
            Scalar::Integer(number) => number as f64,
            Scalar::Number(number) => number,
            _ => return,
        };
        if !is_identifier(&key) {
            self.numbers.push(key, number);
        }
    }

    /// The record; a time or a value that was there and cannot be read is its fault.
    pub(crate) fn into_record(mut self, context: &Context) -> Record<'a> {
        let mut field = |field: MappedField| self.best[field as usize].take().map(|(_, value)| value);
        let mut fault = None;
        let value = field(MappedField::Value).and_then(|value| finite(&value).map_err(|f| fault = Some(f)).ok());
        let time = field(MappedField::Time).and_then(|value| {
            let time = instant(&value, context);
            if time.is_none() {
                fault = Some(Fault::Time);
            }
            time
        });
        let message = field(MappedField::Message).and_then(text).map(clean::strip);
        let named = field(MappedField::Level).and_then(|value| severity(&value));
        let level = named.or_else(|| message.as_deref().and_then(level::find).map(|spot| spot.level));
        Record {
            time,
            time_assumed: false,
            server: field(MappedField::Server).and_then(text),
            component: field(MappedField::Component).and_then(text),
            level,
            message,
            value,
            anomalous: field(MappedField::Truth).and_then(|value| truth(&value)),
            numbers: self.numbers,
            fault,
            format: "",
        }
    }
}

fn is_identifier(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    IDENTIFIERS.iter().any(|n| n.eq_ignore_ascii_case(last))
        || ["_id", "Id", "ID", "_pid", "_port"].iter().any(|end| last.ends_with(end))
}

fn text(value: Scalar<'_>) -> Option<Cow<'_, str>> {
    let text = match value {
        Scalar::Text(text) => text,
        Scalar::Integer(number) => Cow::Owned(number.to_string()),
        Scalar::Number(number) => Cow::Owned(number.to_string()),
        Scalar::Null | Scalar::Bool(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

fn instant(value: &Scalar<'_>, context: &Context) -> Option<EventTime> {
    match value {
        Scalar::Text(text) => timestamp::whole(text, context),
        Scalar::Integer(number) => Some(epoch::from_integer(*number)),
        Scalar::Number(number) => epoch::from_fraction(*number),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
fn finite(value: &Scalar<'_>) -> Result<f64, Fault> {
    match value {
        Scalar::Integer(number) => Ok(*number as f64),
        Scalar::Number(number) if number.is_finite() => Ok(*number),
        Scalar::Number(_) => Err(Fault::NotFinite),
        Scalar::Text(text) => super::csv::number(text.trim()),
        Scalar::Null | Scalar::Bool(_) => Err(Fault::Value),
    }
}

fn severity(value: &Scalar<'_>) -> Option<Level> {
    match value {
        Scalar::Text(text) => match text.trim().as_bytes() {
            [letter @ b'A'..=b'Z'] => level::letter(*letter),
            _ => level::word(text.trim()).or_else(|| level::number(text.trim().parse().ok()?)),
        },
        Scalar::Integer(number) => level::number(*number),
        _ => None,
    }
}

fn truth(value: &Scalar<'_>) -> Option<bool> {
    match value {
        Scalar::Bool(truth) => Some(*truth),
        Scalar::Integer(0) => Some(false),
        Scalar::Integer(1) => Some(true),
        _ => None,
    }
}
