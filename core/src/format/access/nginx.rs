//! nginx's `log_format`: which variables mean what. Variables that nobody knows, such as those of a `map`, are passed; one
//! whose name ends with `_time` is a time in seconds.

use std::borrow::Cow;

use super::layout::{LayoutError, LayoutField, LayoutPart};

/// Where the first variable of a format begins, if it has one.
pub(super) fn first_variable(text: &str) -> Option<usize> {
    memchr::memchr_iter(b'$', text.as_bytes())
        .find(|&at| text.as_bytes().get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'{')))
}

/// The parts of a format; of the whole directive, or of its quoted pieces, what is in the quotes.
pub(super) fn compile(text: &str) -> Result<Vec<LayoutPart>, LayoutError> {
    let pieces = pieces(text)?;
    let mut parts = Vec::new();
    for (start, piece) in pieces {
        read(text, start, piece, &mut parts)?;
    }
    Ok(parts)
}

/// The quoted pieces of a directive, each with its place; all of the text where it is none.
fn pieces(text: &str) -> Result<Vec<(usize, &str)>, LayoutError> {
    let trimmed = text.trim();
    let directive = trimmed.starts_with("log_format ")
        || (trimmed.starts_with('\'') && trimmed.trim_end_matches(';').ends_with('\''));
    if !directive {
        return Ok(vec![(text.find(trimmed).unwrap_or(0), trimmed)]);
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(['\'', '"']).map(|open| at + open) {
        let quote = &text[open..=open];
        let length = text[open + 1..]
            .find(quote)
            .ok_or_else(|| LayoutError::at(text, open, format!("the quote {quote} is not closed")))?;
        pieces.push((open + 1, &text[open + 1..open + 1 + length]));
        at = open + length + 2;
    }
    Ok(pieces)
}

fn read(whole: &str, start: usize, piece: &str, parts: &mut Vec<LayoutPart>) -> Result<(), LayoutError> {
    let mut at = 0;
    while let Some(dollar) = first_variable(&piece[at..]).map(|dollar| at + dollar) {
        if dollar > at {
            parts.push(LayoutPart::Text(piece[at..dollar].to_owned()));
        }
        let inner = &piece[dollar + 1..];
        let (name, end) = match inner.strip_prefix('{') {
            Some(braced) => {
                let close = braced.find('}').filter(|close| *close > 0).ok_or_else(|| {
                    LayoutError::at(whole, start + dollar, "the name in ${...} is empty or its brace is not closed")
                })?;
                (&braced[..close], dollar + close + 3)
            }
            None => {
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                let length = inner.bytes().take_while(|b| is_name(*b)).count();
                (&inner[..length], dollar + 1 + length)
            }
        };
        parts.push(LayoutPart::Field(field(name)));
        at = end;
    }
    if at < piece.len() {
        parts.push(LayoutPart::Text(piece[at..].to_owned()));
    }
    Ok(())
}

fn field(name: &str) -> LayoutField {
    let number = |name: &'static str, scale: f64| LayoutField::Number(Cow::Borrowed(name), scale);
    match name {
        "time_local" | "time_iso8601" | "msec" | "date_local" | "date_gmt" => LayoutField::Time,
        "request" => LayoutField::Request,
        "request_method" => LayoutField::Method,
        "request_uri" | "uri" | "document_uri" => LayoutField::Target,
        "args" | "query_string" => LayoutField::Query,
        "server_protocol" => LayoutField::Protocol,
        "status" => LayoutField::Status,
        "upstream_status" => LayoutField::Code("upstream_status"),
        "server_name" => LayoutField::VirtualHost(0),
        "host" => LayoutField::VirtualHost(1),
        "http_host" | "ssl_server_name" => LayoutField::VirtualHost(2),
        "hostname" => LayoutField::Server,
        "body_bytes_sent" => number("bytes", 1.0),
        "bytes_sent" => number("bytes_sent", 1.0),
        "bytes_received" => number("bytes_received", 1.0),
        "request_length" => number("request_length", 1.0),
        "gzip_ratio" => number("gzip_ratio", 1.0),
        // Of other programs' formats that are written with these variables here.
        "duration_ms" => number("request_time", 1e-3),
        "upstream_ms" => number("upstream_response_time", 1e-3),
        _ if name.ends_with("_time") => LayoutField::Number(Cow::Owned(name.to_owned()), 1.0),
        _ => LayoutField::Passed,
    }
}
