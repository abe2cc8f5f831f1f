//! Which numbers of a record are judged as values, each in a stream of its own.
//!
//! A record of the form `timestamp, server, component, value` is its value. Of any other record the named numbers are
//! (`took_ms`, `queue_depth`), as streams `component.name`. The length of a text, an HTTP status and the bytes of a
//! response are numbers too, but what they measure is which line it is, not how the server is: of 3,693 episodes that
//! were found on text and access logs of ordinary servers 3,533 came from these three, nearly all of them noise. They
//! count only where an operator asks for them.

use std::{fmt, str::FromStr};

use crate::record::{Fault, Record};

/// Which numbers of a record that has no value of its own are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum ValueSelection {
    /// Its named numbers, without HTTP status and bytes.
    #[default]
    Measured,
    /// Every number in it, and the length of its text.
    Numbers,
}

/// The names of [`ValueSelection`].
pub const VALUES: [(&str, ValueSelection); 2] =
    [("measured", ValueSelection::Measured), ("numbers", ValueSelection::Numbers)];

/// Names of numbers that say which request it was. Of a nested name (`http.response.status_code`) the last part counts,
/// and in `http.response.body.bytes` it is the same.
const OF_REQUESTS: [&str; 13] = [
    "status",
    "status_code",
    "statuscode",
    "http_status",
    "response_code",
    "response_status",
    "upstream_status",
    "bytes",
    "bytes_sent",
    "body_bytes_sent",
    "bytes_received",
    "request_length",
    "content_length",
];

impl FromStr for ValueSelection {
    type Err = UnknownValues;

    fn from_str(text: &str) -> Result<Self, UnknownValues> {
        let found = VALUES.iter().find(|(name, _)| *name == text);
        found.map(|(_, values)| *values).ok_or_else(|| UnknownValues(text.to_owned()))
    }
}

impl fmt::Display for ValueSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Numbers => "numbers",
        })
    }
}

/// A word that is no [`ValueSelection`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid here: expected \"measured\" or \"numbers\"")]
pub struct UnknownValues(String);

/// The numbers of a record that are judged, in its order. The name is what is appended to the component's; `None` is
/// the record's own value, which stands alone.
pub fn readings<'r>(record: &'r Record<'_>, values: ValueSelection) -> impl Iterator<Item = (Option<&'r str>, f64)> {
    let own = record.value.map(|value| (None, value));
    // A value that cannot be read is missing in its stream; the text beside it is no other one.
    let is_missing = matches!(record.fault, Some(Fault::Value | Fault::NotFinite));
    #[expect(clippy::cast_precision_loss, reason = "a line's length")]
    let length = record.message.as_ref().map(|message| (Some("length"), message.len() as f64));
    let length = length.filter(|_| own.is_none() && !is_missing && values == ValueSelection::Numbers);
    let numbers: &[_] = if own.is_none() { &record.numbers } else { &[] };
    let counts = move |name: &str| values == ValueSelection::Numbers || !is_of_a_request(name);
    let numbers = numbers.iter().filter(move |(name, _)| counts(name)).map(|(name, value)| (Some(&**name), *value));
    own.into_iter().chain(length).chain(numbers)
}

fn is_of_a_request(name: &str) -> bool {
    let last = name.bytes().rposition(|byte| byte == b'.').map_or(name, |dot| &name[dot + 1..]);
    OF_REQUESTS.iter().any(|known| known.eq_ignore_ascii_case(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Numbers;

    fn record(value: Option<f64>) -> Record<'static> {
        let mut numbers = Numbers::default();
        for name in ["took_ms", "Status", "http.response.status_code", "bytes", "disk.used_bytes"] {
            numbers.push(name, 1.0);
        }
        Record { value, message: Some("hello".into()), numbers, ..Record::default() }
    }

    fn names(record: &Record<'_>, values: ValueSelection) -> Vec<String> {
        readings(record, values).map(|(name, _)| name.unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn length_status_and_bytes_are_values_only_where_asked_for() {
        assert_eq!(names(&record(None), ValueSelection::Measured), ["took_ms", "disk.used_bytes"]);
        let all = ["length", "took_ms", "Status", "http.response.status_code", "bytes", "disk.used_bytes"];
        assert_eq!(names(&record(None), ValueSelection::Numbers), all);
    }

    #[test]
    fn a_value_that_is_missing_has_no_other_in_its_place() {
        let missing = Record { fault: Some(Fault::NotFinite), numbers: Numbers::default(), ..record(None) };
        for (_, values) in VALUES {
            assert!(names(&missing, values).is_empty());
        }
    }

    #[test]
    fn a_value_of_its_own_stands_alone() {
        for (_, values) in VALUES {
            assert_eq!(names(&record(Some(1.0)), values), ["-"]);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, values) in VALUES {
            assert_eq!((name.parse(), values.to_string()), (Ok(values), name.to_owned()));
        }
        assert!("lengths".parse::<ValueSelection>().unwrap_err().to_string().contains("\"measured\" or \"numbers\""));
    }
}
