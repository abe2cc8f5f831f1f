//! Fields of well-known loggers whose values mean something else than they show: OpenTelemetry's severity numbers, ECS's
//! nanoseconds, log4j's instant in two numbers, MongoDB's letters. Names alone are [`super::fields`]'.

use std::borrow::Cow;

use super::fields::Scalar;
use crate::record::Record;

/// What of a line's fields is put together at its end.
#[derive(Debug, Default)]
pub(crate) struct SchemaParts {
    nanos: i64,
    is_mongodb: bool,
}

impl SchemaParts {
    /// The field as [`super::fields`] understands it; `None` for one that says nothing of its own.
    pub(crate) fn translate<'a>(&mut self, key: Cow<'a, str>, value: Scalar<'a>) -> Option<(Cow<'a, str>, Scalar<'a>)> {
        let value = match &*key {
            "SeverityNumber" | "severityNumber" | "severity_number" => severity(&value)?,
            "event.duration" => nanos_as_seconds(value),
            "instant.nanoOfSecond" => {
                self.nanos = if let Scalar::Integer(nanos) = value { nanos } else { 0 };
                return None;
            }
            "level_value" | "threadPriority" => return None,
            "t.$date" => {
                self.is_mongodb = true;
                value
            }
            "s" if self.is_mongodb => return Some((Cow::Borrowed("severity"), mongodb_severity(value))),
            "c" if self.is_mongodb => return Some((Cow::Borrowed("component"), value)),
            _ => value,
        };
        // GCP puts what the program wrote under one name.
        Some((unprefixed(key), value))
    }

    /// The record with the parts in their places.
    pub(crate) fn complete<'a>(&self, mut record: Record<'a>) -> Record<'a> {
        if (1..1_000_000_000).contains(&self.nanos) {
            #[expect(clippy::cast_precision_loss, reason = "less than a second")]
            let fraction = self.nanos as f64 / 1e9;
            record.time = record.time.map(|time| time.plus_seconds(fraction));
        }
        record
    }
}

fn unprefixed(key: Cow<'_, str>) -> Cow<'_, str> {
    match key {
        Cow::Owned(key) if key.starts_with("jsonPayload.") => Cow::Owned(key["jsonPayload.".len()..].to_owned()),
        key => key,
    }
}

/// OpenTelemetry's 1 to 24, four to a level.
pub(crate) fn severity(value: &Scalar<'_>) -> Option<Scalar<'static>> {
    let number = match value {
        Scalar::Integer(number) => *number,
        Scalar::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    let word = match number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21..=24 => "fatal",
        _ => return None,
    };
    Some(Scalar::Text(Cow::Borrowed(word)))
}

#[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
fn nanos_as_seconds(value: Scalar<'_>) -> Scalar<'_> {
    match value {
        Scalar::Integer(nanos) => Scalar::Number(nanos as f64 / 1e9),
        Scalar::Number(nanos) => Scalar::Number(nanos / 1e9),
        other => other,
    }
}

/// `I`, `W`, `E`, `F`, and debugging in five grades.
fn mongodb_severity(value: Scalar<'_>) -> Scalar<'_> {
    match value {
        Scalar::Text(text) if text.len() == 2 && text.starts_with('D') => Scalar::Text(Cow::Borrowed("debug")),
        other => other,
    }
}
