//! The common log format and what grew out of it: `client ident user [time] "request" status bytes`, then the referrer,
//! the agent and whatever an operator appended. A virtual host before it all or after the time.

use std::borrow::Cow;

use super::{AccessEntry, bytes_of, host_name, is_address, quoted, status_of, text_of};
use crate::{
    format::{Context, clean::trimmed_start, csv::number, logfmt::LogfmtPairs, timestamp},
    record::Numbers,
};

/// The bracketed time stands within this many bytes: hosts, ident and user come before it.
const HEAD_BYTES_MAX: usize = 512;
/// The request begins within this many bytes of the time: at most a host stands between them.
const GAP_BYTES_MAX: usize = 300;
/// Bytes of a time in brackets.
const TIME_BYTES_MAX: usize = 48;

/// Reads one line; `None` when it is none of these.
pub(super) fn parse<'a>(text: &'a str, context: &Context) -> Option<AccessEntry<'a>> {
    let open = time_bracket(text.as_bytes())?;
    let head = Head::of(&text[..open])?;
    let close = open + memchr::memchr(b']', text.as_bytes().get(open..)?).filter(|length| *length <= TIME_BYTES_MAX)?;
    let time = timestamp::whole(&text[open + 1..close], context);
    if time.is_none() && !head.names_address.unwrap_or_else(|| is_address(head.client)) {
        return None;
    }
    let (request, between) = QuotedRequest::find(&text[close + 1..])?;
    let status = status_of(request.status)?;
    if open == 0 && status.is_none() && !request.text.contains(" HTTP/") {
        return None;
    }
    let (bytes, rest) = word(request.rest);
    let mut numbers = Numbers::default();
    if let Some(status) = status {
        numbers.push("status", f64::from(status));
    }
    let rest = match bytes_of(bytes) {
        Some(bytes) => {
            bytes.into_iter().for_each(|bytes| numbers.push("bytes", bytes));
            rest
        }
        None => request.rest,
    };
    tail(rest, &mut numbers);
    let host = head.virtual_host.or_else(|| between.split_ascii_whitespace().find_map(named_host));
    Some(AccessEntry {
        time,
        is_time_wrong: time.is_none(),
        virtual_host: host,
        status,
        message: Some(text_of(request.text)),
        numbers,
        ..AccessEntry::default()
    })
}

/// Where the bracket of the time opens: an address of IPv6 may stand in brackets before it.
fn time_bracket(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'[', &bytes[..bytes.len().min(HEAD_BYTES_MAX)]).find(|&at| {
        let inside = &bytes[at + 1..];
        let digits = inside.iter().take(TIME_BYTES_MAX).take_while(|b| b.is_ascii_digit()).count();
        let is_before = at == 0 || bytes[at - 1] == b' ';
        is_before && digits > 0 && matches!(inside.get(digits), Some(b'/' | b'-' | b'.' | b' ' | b']'))
    })
}

/// The words before the time.
struct Head<'a> {
    virtual_host: Option<&'a str>,
    /// Whether it holds an address, as far as that was looked for.
    names_address: Option<bool>,
    client: &'a str,
}

impl<'a> Head<'a> {
    /// `None` when the words are no such head, as of another program's line that quotes one.
    fn of(head: &'a str) -> Option<Self> {
        let mut words = head.split_ascii_whitespace();
        let first = client(&mut words);
        let Some(first) = first else {
            return Some(Self { virtual_host: None, names_address: Some(false), client: "" });
        };
        let (second, third, fourth) = (client(&mut words), words.next(), words.next());
        if second == Some("-") && fourth.is_none() {
            // Most lines: only where the time cannot be read it matters who the client is.
            return Some(Self { virtual_host: None, names_address: None, client: first });
        }
        let names_address = is_address(first) || second.is_some_and(is_address);
        let plain = Self { virtual_host: None, names_address: Some(names_address), client: first };
        let Some(second) = second else {
            return (names_address || first == "-").then_some(plain);
        };
        // `vhost:port client ident user`: users with blanks are rarer than virtual hosts.
        let is_hosted = (third == Some("-") && fourth.is_some() && second.contains(['.', ':']))
            || (is_address(second) && !is_address(first));
        if is_hosted {
            return Some(Self { virtual_host: host_name(first), ..plain });
        }
        (is_address(first) || second == "-").then_some(plain)
    }
}

/// The next word, or the last of a list of addresses that proxies forwarded: `192.0.2.1, 192.0.2.2`.
fn client<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut word = words.next()?;
    while word.ends_with(',') {
        match words.next() {
            Some(next) => word = next,
            None => break,
        }
    }
    Some(word)
}

/// A host between the time and the request: a name with a dot or a port, no address.
fn named_host(word: &str) -> Option<&str> {
    let word = word.trim_matches('"');
    host_name(word).filter(|_| word.contains(['.', ':']))
}

/// The quoted request and the status behind it.
struct QuotedRequest<'a> {
    text: &'a str,
    status: &'a str,
    rest: &'a str,
}

impl<'a> QuotedRequest<'a> {
    /// The first quoted text that a status follows, and what stands before it. Quotes inside it may be bare.
    fn find(text: &'a str) -> Option<(Self, &'a str)> {
        let open = memchr::memchr(b'"', text.as_bytes()).filter(|at| *at <= GAP_BYTES_MAX)?;
        let mut begin = open + 1;
        let mut closings = quoted::closings(&text[open + 1..]).map(|at| open + 1 + at);
        while let Some(close) = closings.next() {
            let (status, rest) = word(&text[close + 1..]);
            if text[close + 1..].starts_with(' ') && status_of(status).is_some() {
                return Some((Self { text: &text[begin..close], status, rest }, &text[..begin - 1]));
            }
            // A quoted host stands before the request.
            if status.starts_with('"') && !text[begin..close].contains(' ') && close < GAP_BYTES_MAX {
                begin = closings.next()? + 1;
            }
        }
        None
    }
}

fn word(text: &str) -> (&str, &str) {
    // One blank stands before most words.
    let text = trimmed_start(text.strip_prefix(' ').unwrap_or(text));
    text.split_at(memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len()))
}

/// What an operator appended. Numbers by their name; of bare ones only those that cannot be anything but a time: a
/// fraction (`0.125`, of nginx's upstreams `0.001, 0.002`) and a number with a unit (`12ms`, `3.5 ms`). The first is the time of the
/// request, the second that of the upstream. A bare integer may be microseconds, seconds, a port, a process, a connection
/// or bytes: it is left, and read where the operator gives the format.
fn tail<'a>(mut rest: &'a str, numbers: &mut Numbers<'a>) {
    let mut names = ["request_time", "upstream_response_time"].into_iter();
    loop {
        let gap = rest.bytes().position(|byte| !matches!(byte, b' ' | b'\t' | b',')).unwrap_or(rest.len());
        rest = &rest[gap..];
        let seconds = match rest.as_bytes().first() {
            None => return,
            Some(b'"') => {
                let (inner, after) = quoted::split(&rest[1..]);
                rest = after;
                is_fraction(inner, 3).then(|| total(inner)).flatten()
            }
            Some(b'[') => {
                rest = &rest[memchr::memchr(b']', rest.as_bytes()).map_or(rest.len(), |at| at + 1)..];
                None
            }
            Some(_) => match (LogfmtPairs { rest }).next() {
                Some((key, Some(value))) => {
                    rest = pair(rest, key, &value, numbers);
                    None
                }
                _ => {
                    let (list, after) = list(rest);
                    let (unit, behind) = word(after);
                    if let Some(scaled) = scaled(list, unit) {
                        rest = behind;
                        Some(scaled)
                    } else {
                        rest = after;
                        seconds(list).or_else(|| is_fraction(list, 1).then(|| total(list)).flatten())
                    }
                }
            },
        };
        if let Some(seconds) = seconds
            && let Some(name) = names.next()
        {
            numbers.push(name, seconds);
        }
    }
}

/// Takes `key=value`, where the value may be a list, and gives what follows.
fn pair<'a>(text: &'a str, key: &'a str, value: &str, numbers: &mut Numbers<'a>) -> &'a str {
    let behind = &text[key.len() + 1..];
    let (value, rest) = match behind.strip_prefix('"') {
        Some(inner) => (Cow::Borrowed(value), quoted::split(inner).1),
        None => {
            let (list, rest) = list(behind);
            (Cow::Borrowed(list), rest)
        }
    };
    if let Some(number) = seconds(&value).or_else(|| total(&value)) {
        numbers.push(key, number);
    }
    rest
}

/// A word, and those after it while it ends with a comma, as nginx lists its upstreams; or with a colon between two
/// groups of them.
fn list(text: &str) -> (&str, &str) {
    let mut end = 0;
    loop {
        end += memchr::memchr(b' ', &text.as_bytes()[end..]).unwrap_or(text.len() - end);
        let goes_on = text[..end].ends_with(',') || text[..end].ends_with(" :") || text[end..].starts_with(" : ");
        if !goes_on || end == text.len() {
            return text.split_at(end);
        }
        end += 1;
    }
}

/// The sum of a list of numbers, `-` left out: what its upstreams took together.
pub(super) fn total(list: &str) -> Option<f64> {
    let mut sum = None;
    for part in list.split([',', ' ']).filter(|part| !matches!(*part, "" | ":" | "-")) {
        *sum.get_or_insert(0.0) += number(part).ok()?;
    }
    sum
}

/// Whether a text is made of decimal fractions, the first with at least so many places.
fn is_fraction(list: &str, places_min: usize) -> bool {
    if !list.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'-') {
        return false;
    }
    let first = list.split([',', ' ']).find(|part| !matches!(*part, "" | "-" | ":")).unwrap_or("");
    let Some((whole, fraction)) = first.split_once('.') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction) && fraction.len() >= places_min
}

/// `12ms` in seconds.
fn seconds(text: &str) -> Option<f64> {
    let end = text.bytes().position(|b| !(b.is_ascii_digit() || b == b'.')).filter(|end| *end > 0)?;
    scaled(&text[..end], &text[end..])
}

/// A number with its unit in seconds.
fn scaled(value: &str, unit: &str) -> Option<f64> {
    let per_second = match unit {
        "ns" => 1e9,
        "us" | "µs" | "μs" => 1e6,
        "ms" => 1e3,
        "s" => 1.0,
        _ => return None,
    };
    number(value).ok().map(|value| value / per_second)
}
