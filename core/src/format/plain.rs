//! Text lines of any program: a timestamp, a level and a component where they usually stand, else the text alone.
//! Every line is one of these.

use std::borrow::Cow;

use super::{
    Context, bgl,
    level::{self, Spot},
    names, tag, timestamp,
};
use crate::record::{Level, Record};

/// A component's name; longer words are text.
const COMPONENT_BYTES_MAX: usize = 64;
/// A word with this many digits in a row is an identifier: as a component it would be a stream of its own.
const DIGITS_MAX: usize = 3;
/// A time behind words begins within so many bytes.
const WORDS_BEFORE_BYTES_MAX: usize = 40;
const WORDS_BEFORE_MAX: usize = 2;
/// `2026-01-05 10:00`.
const DATE_BYTES_MIN: usize = 16;

/// Reads one line.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Record<'a> {
    if bgl::is_likely(text)
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
    if stamp.is_none()
        && let Some(record) = behind_words(text, context)
    {
        return Record { level: priority.or(record.level), ..record };
    }
    let body = match stamp {
        Some(stamp) => skip_gaps(&text[stamp.end..]),
        None => &text[timestamp::uptime(text).unwrap_or(0)..],
    };
    let parts = PlainParts::of(body);
    Record {
        time: stamp.and_then(|s| s.time),
        component: parts.component,
        level: priority.or(parts.level),
        message: Some(Cow::Borrowed(parts.message)),
        fault: stamp.and_then(|s| s.fault),
        ..Record::default()
    }
}

/// A time behind a word or two: `update-alternatives 2026-01-05 10:00:00: run`, `Start-Date: 2026-01-05  10:00:00`,
/// `E [05/Jan/2026:10:00:00 +0100] text`. Only a date with a time of day is taken for one there.
fn behind_words<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    let head = &text.as_bytes()[..text.len().min(WORDS_BEFORE_BYTES_MAX)];
    let digit = head.iter().position(u8::is_ascii_digit).filter(|_| head[0].is_ascii_alphabetic())?;
    let before = text[..digit].strip_suffix('[').unwrap_or(&text[..digit]);
    let words = before.strip_suffix(' ')?.trim_end();
    let is_word = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b' ');
    let name = words.strip_suffix(':').unwrap_or(words);
    if !name.bytes().all(is_word) || name.split(' ').count() > WORDS_BEFORE_MAX {
        return None;
    }
    let stamp = timestamp::leading(&text[before.len()..], context).filter(|stamp| stamp.end >= DATE_BYTES_MIN)?;
    let time = stamp.time?;
    let record = Record { time: Some(time), ..Record::default() };
    let rest = skip_gaps(&text[before.len() + stamp.end..]);
    Some(match name.as_bytes() {
        [letter] if level::letter(*letter).is_some() => {
            Record { level: level::letter(*letter), message: Some(Cow::Borrowed(rest)), ..record }
        }
        // `Start-Date: ` says what the time is of.
        _ if words.ends_with(':') || name.contains(' ') => Record { message: Some(Cow::Borrowed(text)), ..record },
        _ => {
            let parts = PlainParts::of(rest);
            let component = names::component(Cow::Borrowed(name));
            Record { component, level: parts.level, message: Some(Cow::Borrowed(rest)), ..record }
        }
    })
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

/// Without what stands between a line's parts, and a dash that is no sign.
fn skip_gaps(text: &str) -> &str {
    let mut rest = without_gap(text);
    while let Some(after) = rest.strip_prefix('-').filter(|after| after.bytes().next().is_none_or(is_gap)) {
        rest = without_gap(after);
    }
    rest
}

fn without_gap(text: &str) -> &str {
    let gap = text.bytes().position(|byte| !is_gap(byte)).unwrap_or(text.len());
    &text[gap..]
}

/// Whether a byte stands between a line's parts.
fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'|' | b':' | b']')
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
    component: Option<Cow<'a, str>>,
    message: &'a str,
}

impl<'a> PlainParts<'a> {
    fn of(body: &'a str) -> Self {
        let Some(spot) = level::find(body) else {
            let (component, message) = named_first(body).map_or((None, body), |(name, text)| (Some(name), text));
            return Self { level: None, component, message };
        };
        let level = Some(spot.level);
        let before = &body[..spot.start];
        if !is_header(before) {
            return Self { level, component: None, message: body };
        }
        let module = spot.module.clone().map(|m| &body[m]);
        let named = || named_before(before).or_else(|| sql_session(before));
        let earlier = module.or_else(|| if before.is_empty() { None } else { named() });
        let rest = skip_gaps(&body[spot.end..]);
        match named_after(&body[spot.start..], &spot, rest) {
            Some((component, message)) if earlier.is_none() => Self { level, component: Some(component), message },
            _ => Self { level, component: earlier.and_then(component), message: rest },
        }
    }
}

/// The component at the beginning of a text without a level. `sshd[12]: text` names its program, and behind a thread's
/// name `Cart: text` its class; `Note: text` may be any sentence.
fn named_first(body: &str) -> Option<(Cow<'_, str>, &str)> {
    let (word, after) = body.split_at(memchr::memchr(b' ', body.as_bytes()).unwrap_or(body.len()));
    if names::is_sql_session(word) {
        return Some((component(word)?, after.trim_start()));
    }
    if let Some(tag) = tag::tag(body).filter(|tag| tag.has_pid) {
        return Some((names::component(Cow::Borrowed(tag.program))?, tag.message));
    }
    let is_class = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase()) || name.contains(['.', ':', '_']);
    let tag = tag::tag(after.trim_start()).filter(|tag| is_class(tag.program) && names::is_thread(thread(word)))?;
    Some((component(tag.program)?, tag.message))
}

/// A thread's name, in brackets or not.
fn thread(word: &str) -> &str {
    word.trim_start_matches(['[', '(']).trim_end_matches([']', ')', ':'])
}

/// The session before a level, in SQL Server's log.
fn sql_session(before: &str) -> Option<&str> {
    Some(before.trim()).filter(|word| names::is_sql_session(word))
}

/// Whether the words before a level are a header (threads, numbers, at most one name) rather than a sentence.
fn is_header(before: &str) -> bool {
    let is_plain = |word: &&str| word.bytes().all(|b| b.is_ascii_alphabetic()) && !word.is_empty();
    before.is_empty() || before.split([' ', '\t', '|']).filter(is_plain).count() <= 1
}

/// Python's `name - LEVEL - text`, and the same between bars.
fn named_before(before: &str) -> Option<&str> {
    let name = before.trim_end();
    let name = name.strip_suffix('-').or_else(|| name.strip_suffix('|'))?.trim();
    has_names_shape(name).then_some(name)
}

/// The component right after the level, and the message after it: `module: text`, `com.shop.Cart - text`,
/// `[com.shop.Cart] text`, `crate] text`, and `root:text` right behind the level's own colon.
fn named_after<'a>(from_level: &str, spot: &Spot, rest: &'a str) -> Option<(Cow<'a, str>, &'a str)> {
    let (word, after) = rest.split_at(rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len()));
    let message = skip_gaps(after);
    let found = |name: &'a str| component(name).map(|name| (name, message));
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
        return component(name).map(|found| (found, rest[name.len() + 1..].trim_start()));
    }
    let closed = [" - ", " : ", " | "].iter().any(|gap| after.starts_with(gap));
    if closed { found(word) } else { None }
}

/// The component that a word names, when it has the shape of a name and is more than an identifier.
fn component(name: &str) -> Option<Cow<'_, str>> {
    if !has_names_shape(name) {
        return None;
    }
    if !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return names::component_in_text(name);
    }
    let has_number = |name: &str| {
        let mut run = 0;
        name.bytes().any(|byte| {
            run = if byte.is_ascii_digit() { run + 1 } else { 0 };
            run == DIGITS_MAX
        })
    };
    names::component_in_text(name).filter(|name| !has_number(name))
}

fn has_names_shape(name: &str) -> bool {
    let bytes = name.as_bytes();
    if !(1..=COMPONENT_BYTES_MAX).contains(&bytes.len()) || !(bytes[0].is_ascii_alphabetic() || bytes[0] == b'_') {
        return false;
    }
    let mut has_letter = false;
    let is_inner = |byte: &u8| {
        let is_letter = byte.is_ascii_alphabetic();
        has_letter |= is_letter;
        is_letter || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'$' | b':' | b'/' | b'-')
    };
    bytes.iter().all(is_inner) && has_letter
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
    fn identifiers_threads_and_places_are_no_components() {
        let (info, warning, error) = (Some(Level::Info), Some(Level::Warning), Some(Level::Error));
        check("2026-01-05 00:00:00 INFO req-00009e: handled", info, "", "req-00009e: handled");
        check("2026-01-05 00:00:00 INFO req-deface: handled", info, "", "req-deface: handled");
        check("2026-01-05 00:00:00 WARNING views.py:10: slow", warning, "views.py", "slow");
        check("2026-01-05 00:00:00 INFO [main.go:123] up", info, "main.go", "up");
        check("2026-01-05 00:00:00 ERROR https://a.example/u/1 - late", error, "", "https://a.example/u/1 - late");
        check("2026-01-05 00:00:00 ERROR fe80::1: unreachable", error, "", "fe80::1: unreachable");
        check("2026-01-05 00:00:00 INFO Thread-7: up", info, "Thread-*", "up");
        check("2026-01-05 00:00:00 - worker-12 - INFO - up", info, "worker-*", "up");
        check("2026-01-05 00:00:00 pool-2-thread-9 Cart: added item", None, "Cart", "added item");
        check("2026-01-05 00:00:00 [worker-1] shop.Cart: added item", None, "shop.Cart", "added item");
        check("2026-01-05 00:00:00 worker-1 adding: item 3", None, "", "worker-1 adding: item 3");
        check("2026-01-05 00:00:00 0d6c4a8e9f12[12]: up", None, "", "0d6c4a8e9f12[12]: up");
        check("2026-01-05 00:00:00 worker-3[12]: up", None, "worker-*", "up");
        check("2026-01-05 00:00:00 spid51      Starting up", None, "spid*", "Starting up");
        check("2026-01-05 00:00:00 spid7s Error: 18456, Severity: 14", error, "spid*", "18456, Severity: 14");
        check("2026-01-05 00:00:00 INFO cart-2: up", info, "cart-2", "up");
    }

    #[test]
    fn a_time_may_stand_behind_a_word_or_two() {
        check("update-alternatives 2026-01-05 00:00:00: run with x", None, "update-alternatives", "run with x");
        check("E [05/Jan/2026:00:00:00 +0000] [Job 12] Stopping", Some(Level::Error), "", "[Job 12] Stopping");
        check("I [05/Jan/2026:00:00:00 +0000] Listening", Some(Level::Info), "", "Listening");
        for text in ["Start-Date: 2026-01-05  00:00:00", "Log started: 2026-01-05  00:00:00"] {
            check(text, None, "", text);
        }
        for text in [
            "pid 12 left at 2026-01-05 00:00:00",
            "we met three times 2026-01-05 00:00:00",
            "version 1.2.3",
            "release 2026-01-05",
            "\tat 2026-01-05 00:00:00",
            "a/b 2026-01-05 00:00:00",
        ] {
            assert_eq!(parse(text, &context()).time, None, "{text}");
        }
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
