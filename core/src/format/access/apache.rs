//! Apache's `LogFormat`, which lighttpd, Tomcat and others read too: which directives mean what and in which unit.

use std::borrow::Cow;

use super::layout::{LayoutError, LayoutField, LayoutPart};

/// The parts of a format; of the whole directive what is in its quotes.
pub(super) fn compile(text: &str) -> Result<Vec<LayoutPart>, LayoutError> {
    let (start, format) = inside(text)?;
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(character) = format[at..].chars().next() {
        match (character, format[at + character.len_utf8()..].chars().next()) {
            ('\\', Some(escaped)) => {
                literal.push(match escaped {
                    't' => '\t',
                    'n' => '\n',
                    other => other,
                });
                at += 1 + escaped.len_utf8();
            }
            ('%', Some('%')) => {
                literal.push('%');
                at += 2;
            }
            ('%', _) => {
                let (field, length) = Directive::read(&format[at..])
                    .and_then(|directive| Ok((directive.field()?, directive.length)))
                    .map_err(|what| LayoutError::at(text, start + at, what))?;
                if !literal.is_empty() {
                    parts.push(LayoutPart::Text(std::mem::take(&mut literal)));
                }
                parts.push(LayoutPart::Field(field));
                at += length;
            }
            _ => {
                literal.push(character);
                at += character.len_utf8();
            }
        }
    }
    if !literal.is_empty() {
        parts.push(LayoutPart::Text(literal));
    }
    Ok(parts)
}

/// What stands between the quotes of `LogFormat "..." name`, and where; all of another text.
fn inside(text: &str) -> Result<(usize, &str), LayoutError> {
    let trimmed = text.trim();
    let start = text.find(trimmed).unwrap_or(0);
    let name = trimmed.split([' ', '\t']).next().unwrap_or("");
    if !name.eq_ignore_ascii_case("LogFormat") && !name.eq_ignore_ascii_case("CustomLog") {
        return Ok((start, trimmed));
    }
    let open = text.find('"').ok_or_else(|| LayoutError::at(text, start, "the quoted format is missing"))?;
    let close = super::quoted::closings(&text[open + 1..])
        .next()
        .ok_or_else(|| LayoutError::at(text, open, "the quote is not closed"))?;
    Ok((open + 1, &text[open + 1..open + 1 + close]))
}

/// One directive: `%>s`, `%!200,304{Referer}i`, `%{ms}T`, `%^FB`.
struct Directive<'a> {
    is_final: bool,
    argument: Option<&'a str>,
    letters: &'a str,
    length: usize,
}

impl<'a> Directive<'a> {
    /// Reads the one that `text` begins with.
    fn read(text: &'a str) -> Result<Self, String> {
        let mut rest = text.get(1..).unwrap_or("");
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '!' | ','));
        let mut is_final = false;
        while let Some(after) = rest.strip_prefix(['<', '>']) {
            is_final = is_final || rest.starts_with('>');
            rest = after;
        }
        let mut argument = None;
        if let Some(braced) = rest.strip_prefix('{') {
            let close = braced.find('}').ok_or("the brace is not closed")?;
            argument = Some(&braced[..close]);
            rest = &braced[close + 1..];
        }
        let size = if rest.starts_with('^') { 3 } else { 1 };
        let letters = rest.get(..size).ok_or("a directive is not finished: a letter is missing after %")?;
        Ok(Self { is_final, argument, letters, length: text.len() - rest.len() + size })
    }

    fn field(&self) -> Result<LayoutField, String> {
        let number = |name: &'static str, scale: f64| LayoutField::Number(Cow::Borrowed(name), scale);
        Ok(match (self.letters, self.argument) {
            ("t", Some(format)) if format.ends_with("_frac") => LayoutField::Passed,
            ("t", _) => LayoutField::Time,
            ("r", _) => LayoutField::Request,
            ("m", _) => LayoutField::Method,
            ("U", _) => LayoutField::Target,
            ("q", _) => LayoutField::Query,
            ("H", _) => LayoutField::Protocol,
            ("s", _) => LayoutField::Status,
            ("b" | "B", _) => number("bytes", 1.0),
            ("O", _) => number("bytes_sent", 1.0),
            ("I", _) => number("bytes_received", 1.0),
            ("D", _) | ("T", Some("us")) => number("request_time", 1e-6),
            ("T", None | Some("s")) => number("request_time", 1.0),
            ("T", Some("ms")) => number("request_time", 1e-3),
            ("T", Some(unit)) => return Err(format!("{unit:?} is no unit of %T: s, ms and us are")),
            ("^FB", _) => number("first_byte_time", 1e-6),
            ("v", _) => LayoutField::VirtualHost(0),
            ("V", _) => LayoutField::VirtualHost(1),
            ("i", Some(header)) if header.eq_ignore_ascii_case("host") => LayoutField::VirtualHost(2),
            (
                "a" | "A" | "C" | "e" | "f" | "h" | "i" | "k" | "l" | "L" | "n" | "o" | "p" | "P" | "R" | "S" | "u"
                | "x" | "X" | "c" | "^ti" | "^to",
                _,
            ) => LayoutField::Passed,
            (letters, _) => return Err(format!("%{letters} is no directive of Apache")),
        })
        .map(|field| match field {
            LayoutField::Status if !self.is_final => LayoutField::FirstStatus,
            field => field,
        })
    }
}
