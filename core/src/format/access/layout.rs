//! An access log's own format as its program is configured with it: nginx's `log_format` or Apache's `LogFormat`, compiled once
//! into fields and the texts between them. Which variable means what, and in which unit, stands in [`nginx`] and
//! [`apache`]; here is how a line is matched. Stored as the text it was compiled from.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{AccessEntry, apache, clf, host_name, nginx, quoted, status_of, text_of};
use crate::{
    format::{Context, csv::number, timestamp},
    record::Numbers,
};

/// Bytes of a format, and so of what is stored of it.
const TEXT_BYTES_MAX: usize = 4_096;
/// As many ends are tried for a field that may hold what follows it: a request, a time, a list.
const ENDS_MAX: usize = 16;

/// What a field of a line is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LayoutField {
    /// Something that is not read: a client, an agent, an identifier.
    Passed,
    Time,
    /// Method, target and protocol.
    Request,
    Method,
    Target,
    Query,
    Protocol,
    Status,
    /// The status before internal redirects; it counts where no other is there.
    FirstStatus,
    /// Of several names of the host the one with the lowest rank counts.
    VirtualHost(u8),
    Server,
    /// A number by its name, multiplied to bytes or seconds; the sum where a line lists several.
    Number(Cow<'static, str>, f64),
    /// The last of a list of codes.
    Code(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum LayoutPart {
    Text(String),
    Field(LayoutField),
}

/// The compiled format of an access log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccessLayout {
    text: String,
    parts: Vec<LayoutPart>,
}

impl Eq for AccessLayout {}

/// Why a format cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LayoutError {
    /// What is wrong.
    pub what: String,
    /// The character of the format, from 1, where it is.
    pub at: Option<usize>,
}

impl LayoutError {
    pub(super) fn at(text: &str, byte: usize, what: impl Into<String>) -> Self {
        let at = text.get(..byte).map(|before| before.chars().count() + 1);
        Self { what: what.into(), at }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "character {at}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl FromStr for AccessLayout {
    type Err = LayoutError;

    /// Compiles nginx's `$variables` or Apache's `%directives`, alone or with the whole directive around them.
    fn from_str(text: &str) -> Result<Self, LayoutError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(LayoutError { what: format!("longer than {TEXT_BYTES_MAX} bytes"), at: None });
        }
        let parts = match (nginx::first_variable(text), text.contains('%')) {
            (Some(_), _) => nginx::compile(text)?,
            (None, true) => apache::compile(text)?,
            (None, false) => {
                let what = "it holds neither variables of nginx ($remote_addr) nor directives of Apache (%h)";
                return Err(LayoutError { what: what.to_owned(), at: None });
            }
        };
        let parts = merged(parts)?;
        let is_read = |part: &LayoutPart| matches!(part, LayoutPart::Field(field) if *field != LayoutField::Passed && *field != LayoutField::Time);
        if !parts.iter().any(is_read) {
            let what = "nothing in it is read: a request, a status, bytes or a time taken is expected";
            return Err(LayoutError { what: what.to_owned(), at: None });
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl fmt::Display for AccessLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for AccessLayout {
    type Error = LayoutError;

    fn try_from(text: String) -> Result<Self, LayoutError> {
        text.parse()
    }
}

impl From<AccessLayout> for String {
    fn from(layout: AccessLayout) -> Self {
        layout.text
    }
}

/// Texts beside each other become one. Of two fields that touch, the second must begin with what the first cannot hold:
/// a target after a host; or neither is read.
fn merged(parts: Vec<LayoutPart>) -> Result<Vec<LayoutPart>, LayoutError> {
    let mut kept: Vec<LayoutPart> = Vec::with_capacity(parts.len());
    for part in parts {
        match (kept.last_mut(), part) {
            (Some(LayoutPart::Text(before)), LayoutPart::Text(text)) => before.push_str(&text),
            (Some(LayoutPart::Field(before)), LayoutPart::Field(field)) => match (&*before, &field) {
                (LayoutField::Passed | LayoutField::Target | LayoutField::Query, LayoutField::Passed)
                | (LayoutField::Target | LayoutField::Query, LayoutField::Query) => {}
                (LayoutField::Passed, LayoutField::Query) => *before = LayoutField::Query,
                (LayoutField::VirtualHost(_) | LayoutField::Passed, LayoutField::Target) => {
                    kept.push(LayoutPart::Field(field));
                }
                _ => {
                    let what = "two fields that are read touch each other: a blank or another text must part them";
                    return Err(LayoutError { what: what.to_owned(), at: None });
                }
            },
            (_, part) => kept.push(part),
        }
    }
    Ok(kept)
}

/// A line's fields while it is matched.
#[derive(Default)]
struct MatchedFields<'a> {
    entry: AccessEntry<'a>,
    host_rank: Option<u8>,
    request: Option<&'a str>,
    /// Method, target, query and protocol where they stand apart.
    pieces: [Option<&'a str>; 4],
}

impl AccessLayout {
    /// Reads one line; `None` when it does not fit.
    pub(super) fn read<'a>(&self, text: &'a str, context: &Context) -> Option<AccessEntry<'a>> {
        let mut rest = text.trim_end();
        let mut matched = MatchedFields::default();
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                LayoutPart::Text(expected) => rest = after(rest, expected)?,
                LayoutPart::Field(field) => {
                    let next = match parts.peek() {
                        Some(LayoutPart::Text(text)) => text.as_str(),
                        Some(LayoutPart::Field(_)) => "/",
                        None => "",
                    };
                    if matches!(field, LayoutField::Number(..)) {
                        // Squid writes its numbers below each other.
                        rest = rest.trim_start_matches(' ');
                    }
                    let end = end_of(rest, field, next, context)?;
                    let (value, behind) = rest.split_at(end);
                    matched.take(field, value, context)?;
                    rest = behind;
                }
            }
        }
        let mut entry = matched.finish();
        entry.message.get_or_insert(Cow::Borrowed(text));
        Some(entry)
    }
}

/// What follows `expected`; runs of blanks in it stand for any.
fn after<'a>(text: &'a str, expected: &str) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(expected) {
        return Some(rest);
    }
    let mut rest = text;
    for (i, word) in expected.split([' ', '\t']).enumerate() {
        if i > 0 {
            rest = rest.trim_start_matches([' ', '\t']);
        }
        rest = rest.strip_prefix(word)?;
    }
    Some(rest)
}

/// Where the value of a field ends that `next` follows.
fn end_of(text: &str, field: &LayoutField, next: &str, context: &Context) -> Option<usize> {
    if next.is_empty() {
        return Some(text.len());
    }
    // A character's first byte stands nowhere but at its beginning.
    let first = next.as_bytes()[0];
    if first == b'"' {
        return quoted::closings(text).find(|&at| after(&text[at..], next).is_some());
    }
    // A blank may be several, or the line's end where nothing else follows.
    let is_end = |at: &usize| after(&text[*at..], next).is_some();
    let mut ends = memchr::memchr_iter(first, text.as_bytes()).filter(is_end).take(ENDS_MAX);
    let plain = ends.next().or_else(|| next.trim().is_empty().then_some(text.len()))?;
    let holds = |end: &usize| is_whole(&text[..*end], &text[*end..], field, context);
    let mut end = if holds(&plain) { plain } else { ends.find(holds).unwrap_or(plain) };
    if *field == LayoutField::Time {
        // A date is a time, with the clock it is another, and with the zone a third.
        while let Some(longer) = ends.next().filter(holds) {
            end = longer;
        }
    }
    Some(end)
}

/// Whether a value that is followed by `behind` is all of its field.
fn is_whole(value: &str, behind: &str, field: &LayoutField, context: &Context) -> bool {
    match field {
        LayoutField::Time => timestamp::whole(value, context).is_some(),
        LayoutField::Request => !value.contains(' ') && !behind.contains(" HTTP/") || value.contains(" HTTP/"),
        _ => !value.ends_with(',') && !value.ends_with(" :") && !behind.starts_with(" : "),
    }
}

impl<'a> MatchedFields<'a> {
    /// Takes a field's value; `None` where it cannot be one.
    fn take(&mut self, field: &LayoutField, value: &'a str, context: &Context) -> Option<()> {
        let entry = &mut self.entry;
        let value = value.trim();
        match field {
            LayoutField::Passed => {}
            LayoutField::Time => {
                let time = timestamp::whole(value, context);
                entry.time = entry.time.or(time);
                entry.is_time_wrong = entry.time.is_none();
            }
            LayoutField::Request => self.request = Some(value),
            LayoutField::Method => self.pieces[0] = Some(value),
            LayoutField::Target => self.pieces[1] = Some(value),
            LayoutField::Query => self.pieces[2] = Some(value),
            LayoutField::Protocol => self.pieces[3] = Some(value),
            LayoutField::Status => entry.status = status_of(value)?.or(entry.status),
            LayoutField::FirstStatus => entry.status = entry.status.or(status_of(value)?),
            LayoutField::VirtualHost(rank) => {
                if let Some(host) = host_name(value)
                    && self.host_rank.is_none_or(|other| *rank < other)
                {
                    entry.virtual_host = Some(host);
                    self.host_rank = Some(*rank);
                }
            }
            LayoutField::Server => entry.server = host_name(value).or(entry.server),
            LayoutField::Number(name, scale) => {
                let number = clf::total(value);
                // What an operator calls a time may be anything; what a program writes is a number or nothing.
                let is_own = matches!(name, Cow::Owned(_));
                if number.is_none() && !is_own && !matches!(value, "" | "-") {
                    return None;
                }
                push(&mut entry.numbers, name.clone(), number.map(|n| n * scale));
            }
            LayoutField::Code(name) => {
                let last = value.rsplit([',', ' ']).find(|part| !matches!(*part, "" | "-" | ":"));
                push(&mut entry.numbers, Cow::Borrowed(*name), last.and_then(|code| number(code).ok()));
            }
        }
        Some(())
    }

    fn finish(mut self) -> AccessEntry<'a> {
        if let Some(status) = self.entry.status {
            let mut numbers = Numbers::default();
            numbers.push("status", f64::from(status));
            for (name, value) in self.entry.numbers.iter() {
                numbers.push(name.clone(), *value);
            }
            self.entry.numbers = numbers;
        }
        let [method, target, query, protocol] = self.pieces.map(|piece| piece.filter(|p| !matches!(*p, "" | "-")));
        self.entry.message = match (self.request, target) {
            (Some(request), _) => Some(text_of(request)),
            (None, None) => method.map(Cow::Borrowed),
            (None, Some(target)) => {
                let mut request = String::new();
                for part in [method, Some(target), protocol].into_iter().flatten() {
                    request.push_str(if request.is_empty() { "" } else { " " });
                    request.push_str(&text_of(part));
                    if part == target
                        && let Some(query) = query
                    {
                        request.push_str(if query.starts_with('?') { "" } else { "?" });
                        request.push_str(&text_of(query));
                    }
                }
                Some(Cow::Owned(request))
            }
        };
        self.entry
    }
}

fn push(numbers: &mut Numbers<'_>, name: Cow<'static, str>, value: Option<f64>) {
    // Load balancers write -1 where a stage was not reached.
    if let Some(value) = value.filter(|value| *value >= 0.0)
        && numbers.get(&name).is_none()
    {
        numbers.push(name, value);
    }
}
