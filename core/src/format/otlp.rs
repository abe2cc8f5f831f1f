//! OTLP's logs as JSON: a batch of records on one line, grouped by what wrote them.
//!
//! ```text
//!  {"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"a"}}]},
//!    "scopeLogs":[{"scope":{"name":"shop"},"logRecords":[
//!      {"timeUnixNano":"1767607200000000000","severityNumber":9,"body":{"stringValue":"up"},"attributes":[..]}]}]}]}
//! ```
//!
//! Of a batch that is broken off, what is whole is read. One record as an object of its own is [`super::jsonl`]'s.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Context, Mapping,
    bundle::RECORDS_MAX,
    epoch,
    fields::{CollectedFields, Scalar},
    inside, names, schemas,
};
use crate::{
    record::{Fault, Record},
    time::EventTime,
};

/// Values inside values are read this deep, as in JSON lines.
const DEPTH_MAX: usize = 3;

/// The records of a line.
#[derive(Debug)]
pub(crate) struct TelemetryBatch {
    pub records: Vec<Record<'static>>,
    /// There is more in it, or there was.
    pub fault: Option<Fault>,
}

/// Whether a line is a batch: told by its first name.
pub(crate) fn is_batch(text: &str) -> bool {
    let name = "\"resourceLogs\"";
    text.strip_prefix('{').is_some_and(|inner| inner.trim_start().starts_with(name))
}

/// Reads a batch; `None` when there is no whole record in it.
pub(crate) fn read(text: &str, mapping: &Mapping, context: &Context) -> Option<TelemetryBatch> {
    let (batch, fault) = match serde_json::from_str::<Value>(text) {
        Ok(batch) => (batch, None),
        Err(_) => (serde_json::from_str(&closed(text)?).ok()?, Some(Fault::Malformed)),
    };
    let mut records = Vec::new();
    for group in entries(&batch, "resourceLogs") {
        let resource = group.get("resource").map(|resource| attributes(resource.get("attributes"))).unwrap_or_default();
        for scope in entries(group, "scopeLogs") {
            let logger = scope.get("scope").and_then(|scope| scope.get("name")).and_then(Value::as_str);
            for log in entries(scope, "logRecords").filter_map(Value::as_object) {
                if records.len() == RECORDS_MAX {
                    return Some(TelemetryBatch { records, fault: Some(Fault::Crowded) });
                }
                let mut record = record(log, &resource, logger, mapping, context);
                inside::open(&mut record, mapping, context);
                records.push(record.into_owned());
            }
        }
    }
    (!records.is_empty()).then_some(TelemetryBatch { records, fault })
}

fn entries<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn record<'v>(
    log: &'v Map<String, Value>,
    resource: &[(String, Scalar<'v>)],
    logger: Option<&'v str>,
    mapping: &Mapping,
    context: &Context,
) -> Record<'v> {
    let mut fields = CollectedFields::default();
    let text = log.get("severityText").and_then(Value::as_str).unwrap_or_default();
    let number = log.get("severityNumber").map(plain).and_then(|number| schemas::severity(&number));
    if let Some(level) = number {
        fields.take(mapping, Cow::Borrowed("level"), level);
    } else if !text.is_empty() {
        fields.take(mapping, Cow::Borrowed("level"), Scalar::Text(Cow::Borrowed(text)));
    }
    match log.get("body") {
        Some(body) if body.get("kvlistValue").is_some() => {
            each(body, String::new(), 0, &mut |key, value| fields.take(mapping, key, value));
        }
        Some(body) => {
            each(body, "message".to_owned(), 0, &mut |key, value| fields.take(mapping, key, value));
        }
        None => {}
    }
    for (key, value) in attributes(log.get("attributes")) {
        fields.take(mapping, Cow::Owned(key), value);
    }
    // What all records of a resource have is a name of theirs, or nothing that is measured.
    for (key, value) in resource.iter().filter(|(key, _)| mapping.is_name(key)) {
        fields.take(mapping, Cow::Owned(key.clone()), value.clone());
    }
    let mut record = fields.into_record(context);
    let times = ["timeUnixNano", "observedTimeUnixNano"];
    let mut times = times.iter().filter_map(|name| log.get(*name)).map(instant).filter(|time| *time != Ok(None));
    match times.next() {
        Some(Ok(time)) => record.time = time,
        Some(Err(fault)) if record.time.is_none() => record.fault = Some(fault),
        Some(Err(_)) | None => {}
    }
    record.component = record.component.or_else(|| names::component(Cow::Borrowed(logger?)));
    record
}

/// Nanoseconds since 1970, which JSON has as a text; zero is none.
fn instant(value: &Value) -> Result<Option<EventTime>, Fault> {
    let nanos = match plain(value) {
        Scalar::Integer(nanos) => nanos,
        Scalar::Text(text) if text.is_empty() => 0,
        Scalar::Text(text) => text.parse().map_err(|_| Fault::Time)?,
        _ => return Err(Fault::Time),
    };
    match EventTime::from_micros(nanos / 1_000) {
        _ if nanos == 0 => Ok(None),
        time if epoch::is_likely(time) => Ok(Some(time)),
        _ => Err(Fault::Time),
    }
}

/// `[{"key":"a","value":{"intValue":"1"}}]`
fn attributes(list: Option<&Value>) -> Vec<(String, Scalar<'_>)> {
    let mut all = Vec::new();
    for entry in list.and_then(Value::as_array).into_iter().flatten() {
        if let (Some(key), Some(value)) = (entry.get("key").and_then(Value::as_str), entry.get("value")) {
            each(value, key.to_owned(), 1, &mut |key, value| all.push((key.into_owned(), value)));
        }
    }
    all
}

/// Gives the plain values in one of OTLP's to `take`, each with its path.
fn each<'v>(value: &'v Value, path: String, depth: usize, take: &mut dyn FnMut(Cow<'v, str>, Scalar<'v>)) {
    let Some((kind, inner)) = value.as_object().and_then(|value| value.iter().next()) else { return };
    match &**kind {
        "intValue" => match plain(inner) {
            Scalar::Text(text) => {
                if let Ok(number) = text.parse() {
                    take(Cow::Owned(path), Scalar::Integer(number));
                }
            }
            number => take(Cow::Owned(path), number),
        },
        "stringValue" | "doubleValue" | "boolValue" => take(Cow::Owned(path), plain(inner)),
        "kvlistValue" if depth < DEPTH_MAX => {
            for entry in entries(inner, "values") {
                if let (Some(key), Some(value)) = (entry.get("key").and_then(Value::as_str), entry.get("value")) {
                    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    each(value, path, depth + 1, take);
                }
            }
        }
        _ => {}
    }
}

fn plain(value: &Value) -> Scalar<'_> {
    match value {
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Scalar::Integer(number),
            (None, Some(number)) => Scalar::Number(number),
            (None, None) => Scalar::Null,
        },
        Value::String(text) => Scalar::Text(Cow::Borrowed(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => Scalar::Null,
    }
}

/// The text up to the last object in it that is whole, with the brackets closed that are open there.
fn closed(text: &str) -> Option<String> {
    let (mut open, mut is_text, mut is_escaped) = (Vec::new(), false, false);
    let mut whole = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                open.pop().filter(|bracket| bracket.is_ascii() && *bracket == char::from(byte))?;
                if byte == b'}' && open.len() > 1 {
                    whole = Some((at + 1, open.clone()));
                }
            }
            _ => {}
        }
    }
    let (end, open) = whole?;
    Some(text[..end].chars().chain(open.into_iter().rev()).collect())
}
