//! Text lines of any program: a timestamp, a level and a component where they usually stand, else the text alone.
//! Every line is one of these.

use std::borrow::Cow;

use super::{
    Context, bgl,
    level::{self, Spot},
    tag, timestamp,
};
use crate::record::{Level, Record};

/// A component's name; longer words are text.
const COMPONENT_BYTES_MAX: usize = 64;
/// A word with this many digits in a row is an identifier: as a component it would be a stream of its own.
const DIGITS_MAX: usize = 3;
/// What stands between a line's parts, and a dash that is no sign.
const GAPS: [char; 5] = [' ', '\t', '|', ':', ']'];

/// Reads one line.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Record<'a> {
    let second_is_digit = memchr::memchr(b' ', text.as_bytes()).and_then(|at| text.as_bytes().get(at + 1));
    if second_is_digit.is_some_and(u8::is_ascii_digit)
        && let Some(record) = bgl::parse(text, context)
    {
        return record;
    }
    let (priority, text) = match tag::strip_priority(text) {
        Some((priority, rest)) => (Some(level::priority(priority)), rest),
        None => (None, text),
    };
    if let Some((level, rest)) = glog(text) {
        let time = timestamp::leading(&rest, context).and_then(|s| s.time);
        return Record {
            time,
            level: Some(level),
            message: Some(Cow::Borrowed(after_words(text, 3))),
            ..Record::default()
        };
    }
    let stamp = timestamp::leading(text, context);
    let body = stamp.map_or(text, |s| skip_gaps(&text[s.end..]));
    let parts = PlainParts::of(body);
    Record {
        time: stamp.and_then(|s| s.time),
        component: parts.component.map(Cow::Borrowed),
        level: priority.or(parts.level),
        message: Some(Cow::Borrowed(parts.message)),
        ..Record::default()
    }
}

/// Whether the line begins with a time: only such a line says that its source is plain text.
pub(crate) fn has_time(text: &str, context: &Context) -> bool {
    parse(text, context).time.is_some()
}

/// `E0105 00:00:00.123456`: level, month and day; as a date that [`timestamp`] reads.
fn glog(text: &str) -> Option<(Level, String)> {
    let bytes = text.as_bytes();
    let is_glog =
        bytes.len() > 14 && bytes[1..5].iter().all(u8::is_ascii_digit) && bytes[5] == b' ' && bytes[8] == b':';
    let level = level::letter(*bytes.first()?).filter(|_| is_glog)?;
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month: usize = text[1..3].parse().ok()?;
    let name = NAMES.get(month.checked_sub(1)?)?;
    let time = text[6..].split(' ').next()?;
    Some((level, format!("{name} {} {time}", &text[3..5])))
}

fn skip_gaps(text: &str) -> &str {
    let mut rest = text.trim_start_matches(GAPS);
    while let Some(after) = rest.strip_prefix('-').filter(|a| a.is_empty() || a.starts_with(GAPS)) {
        rest = after.trim_start_matches(GAPS);
    }
    rest
}

fn after_words(text: &str, count: usize) -> &str {
    let mut rest = text;
    for _ in 0..count {
        rest = rest.trim_start();
        rest = &rest[rest.find(' ').unwrap_or(rest.len())..];
    }
    rest.trim_start()
}

/// What stands after the timestamp.
struct PlainParts<'a> {
    level: Option<Level>,
    component: Option<&'a str>,
    message: &'a str,
}

impl<'a> PlainParts<'a> {
    fn of(body: &'a str) -> Self {
        let Some(spot) = level::find(body) else {
            // `sshd[12]: text` names its program; `Note: text` may be any sentence.
            let named = tag::tag(body).filter(|t| t.has_pid);
            let (component, message) = named.map_or((None, body), |t| (Some(t.program), t.message));
            return Self { level: None, component, message };
        };
        let level = Some(spot.level);
        let before = &body[..spot.start];
        if !is_header(before) {
            return Self { level, component: None, message: body };
        }
        let earlier = spot.module.clone().map(|m| &body[m]).or_else(|| named_before(before));
        let rest = skip_gaps(&body[spot.end..]);
        match named_after(&body[spot.start..], &spot, rest) {
            Some((component, message)) if earlier.is_none() => Self { level, component: Some(component), message },
            _ => Self { level, component: earlier.filter(|c| is_component(c)), message: rest },
        }
    }
}

/// Whether the words before a level are a header (threads, numbers, at most one name) rather than a sentence.
fn is_header(before: &str) -> bool {
    let is_plain = |word: &&str| word.bytes().all(|b| b.is_ascii_alphabetic()) && !word.is_empty();
    before.split([' ', '\t', '|']).filter(is_plain).count() <= 1
}

/// Python's `name - LEVEL - text`, and the same between bars.
fn named_before(before: &str) -> Option<&str> {
    let name = before.trim_end();
    let name = name.strip_suffix('-').or_else(|| name.strip_suffix('|'))?.trim();
    is_component(name).then_some(name)
}

/// The component right after the level, and the message after it: `module: text`, `com.shop.Cart - text`,
/// `[com.shop.Cart] text`, `crate] text`, and `root:text` right behind the level's own colon.
fn named_after<'a>(from_level: &str, spot: &Spot, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let (word, after) = rest.split_at(memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len()));
    let message = skip_gaps(after);
    let found = |name: &'a str| is_component(name).then_some((name, message));
    if let Some(inner) = word.strip_prefix('[') {
        let name = inner.strip_suffix(']').or_else(|| inner.strip_suffix("]:"))?;
        return if name.contains(['.', ':']) { found(name) } else { None };
    }
    if let Some(name) = word.strip_suffix(':').or_else(|| word.strip_suffix(']')) {
        return found(name);
    }
    let glued = &from_level.as_bytes()[spot.end - spot.start..];
    if glued.starts_with(b":")
        && !glued.starts_with(b": ")
        && let Some((name, _)) = word.split_once(':')
    {
        return is_component(name).then(|| (name, rest[name.len() + 1..].trim_start()));
    }
    let closed = [" - ", " : ", " | "].iter().any(|gap| after.starts_with(gap));
    if closed { found(word) } else { None }
}

fn is_component(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b':' | b'/' | b'-');
    (1..=COMPONENT_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && (bytes[0].is_ascii_alphabetic() || bytes[0] == b'_')
        && bytes.iter().all(inner)
        && !bytes.windows(DIGITS_MAX).any(|w| w.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;

    fn context() -> Context {
        Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() }
    }

    /// Level, component, message; the time is 2026-01-05T00:00:00Z throughout.
    fn check(line: &str, level: Option<Level>, component: &str, message: &str) {
        let record = parse(line, &context());
        assert_eq!(record.time, EventTime::parse("2026-01-05T00:00:00Z"), "{line}");
        assert_eq!(record.level, level, "{line}");
        assert_eq!(record.component.as_deref().unwrap_or(""), component, "{line}");
        assert_eq!(record.message.as_deref(), Some(message), "{line}");
        assert_eq!(record.fault, None, "{line}");
    }

    #[test]
    fn programs_write_in_many_ways() {
        let (info, warning, error) = (Some(Level::Info), Some(Level::Warning), Some(Level::Error));
        check("260105 000000 148 INFO dfs.Node$Receiver: got 3", info, "dfs.Node$Receiver", "got 3");
        check("[Mon Jan 05 00:00:00 2026] [error] child in state 6", error, "", "child in state 6");
        check("[Mon Jan 05 00:00:00.000000 2026] [core:warn] [pid 1] x", warning, "core", "[pid 1] x");
        check("2026/01/05 00:00:00 [error] 12#12: *5 open() failed", error, "", "12#12: *5 open() failed");
        check("2026-01-05 00:00:00,000 [main] INFO com.shop.Cart - added", info, "com.shop.Cart", "added");
        check("2026-01-05 00:00:00,000 INFO [com.shop.Cart] added", info, "com.shop.Cart", "added");
        check("2026-01-05 00:00:00,000 - shop.cart - WARNING - late", warning, "shop.cart", "late");
        check("2026-01-05T00:00:00.000000Z  INFO shop::cart: added n=3", info, "shop::cart", "added n=3");
        check("[2026-01-05T00:00:00Z INFO  shop] added", info, "shop", "added");
        check("2026-01-05 00:00:00.000 UTC [123] ERROR:  relation missing", error, "", "relation missing");
        check(
            "2026-01-05T00:00:00.000000Z 0 [Warning] [MY-010068] [Server] CA",
            warning,
            "",
            "[MY-010068] [Server] CA",
        );
        check("2026-01-05 00:00:00|INFO|cart|added", info, "", "cart|added");
        check("2026-01-05 00:00:00 nginx[12]: started", None, "nginx", "started");
        check("2026-01-05 00:00:00 all is well", None, "", "all is well");
        check("E0105 00:00:00.000000   12 file.cc:7] broken", error, "", "file.cc:7] broken");
        check("2026-01-05 00:00:00 INFO blk_12345: stored", info, "", "blk_12345: stored");
        check("2026-01-05 00:00:00 - INFO - -5 degrees", info, "", "-5 degrees");
        check("2026-01-05 00:00:00 we are at ERROR now", error, "", "we are at ERROR now");
    }

    #[test]
    fn lines_without_a_time_are_text() {
        let read = |line: &'static str| {
            let record = parse(line, &context());
            (record.level, record.component.map(Cow::into_owned), record.message.map(Cow::into_owned))
        };
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(read("ERROR:root:disk full"), (Some(Level::Error), own("root"), own("disk full")));
        assert_eq!(read("<11>disk full"), (Some(Level::Error), None, own("disk full")));
        assert_eq!(read("    at com.shop.Cart(Cart.java:7)"), (None, None, own("    at com.shop.Cart(Cart.java:7)")));
        assert_eq!(parse("", &context()).message.as_deref(), Some(""));
    }
}
