//! Syslog as it stands in files and on the wire: RFC 5424, RFC 3164, rsyslog's RFC 3339 variety of it, BusyBox's and
//! OpenWrt's `facility.level`. Refuses lines that have neither a priority nor a timestamp. Structured data is skipped:
//! its numbers are counters and identifiers.

use std::borrow::Cow;

use super::{
    Context,
    clean::trimmed_start,
    cursor::Cursor,
    level, names,
    tag::{strip_priority, tag},
    timestamp::{self, TimestampParts},
};
use crate::record::{Level, Record};

/// A day with its blanks and what follows it.
const DAY_BYTES: usize = 4;

/// Reads one line; `None` when it has neither a priority nor a timestamp.
pub(crate) fn parse<'a>(text: &'a str, context: &Context) -> Option<Record<'a>> {
    let header = SyslogHeader::read(text, context)?;
    let component = header.program.and_then(|program| names::component(Cow::Borrowed(program)));
    // A tag that is only an identifier is part of the text.
    let message = if component.is_some() { header.message } else { header.tagged_message };
    let level = header.priority.map(level::priority).or(header.level);
    Some(Record {
        time: header.stamp.and_then(|s| s.time),
        server: header.host.and_then(|host| names::host(Cow::Borrowed(host))),
        component,
        level: level.or_else(|| level::find(message).map(|spot| spot.level)),
        message: (!message.is_empty()).then_some(Cow::Borrowed(message)),
        fault: header.stamp.and_then(|s| s.fault),
        ..Record::default()
    })
}

/// Whether a line of unknown format is syslog rather than another text with a timestamp.
pub(crate) fn is_likely(text: &str, context: &Context) -> bool {
    let Some(header) = SyslogHeader::read(text, context) else {
        return false;
    };
    if header.priority.is_some() && header.stamp.is_none() {
        // `<13>app: text` as programs write it to a socket; `<4>WARNING: text` is the kernel's.
        return header.program.is_some_and(|program| level::word(program).is_none());
    }
    if header.priority.is_some() || header.level.is_some() {
        return true;
    }
    let Some(host) = header.host else {
        return header.program.is_some() && header.has_pid;
    };
    // `<time> INFO module: text` has the same shape, but no server is called INFO, and no program Error.
    let is_host = level::word(host).is_none() && host.bytes().any(|b| b.is_ascii_alphabetic());
    let program = header.program.filter(|program| header.has_pid || level::word(program).is_none());
    is_host && (names_month(text) || program.is_some())
}

struct SyslogHeader<'a> {
    priority: Option<u32>,
    stamp: Option<TimestampParts>,
    level: Option<Level>,
    host: Option<&'a str>,
    program: Option<&'a str>,
    has_pid: bool,
    message: &'a str,
    /// The message with the program's tag.
    tagged_message: &'a str,
}

impl<'a> SyslogHeader<'a> {
    fn read(text: &'a str, context: &Context) -> Option<Self> {
        let (priority, rest) = match strip_priority(text) {
            Some((priority, rest)) => (Some(priority), rest),
            None => (None, text),
        };
        if let Some(rest) = priority.and(strip_version(rest)) {
            return Self::of_5424(priority, rest, context);
        }
        let bare = &rest[rest.bytes().position(|b| !matches!(b, b' ' | b'*')).unwrap_or(rest.len())..];
        let stamp = timestamp::leading(bare, context).filter(|_| !timestamp::dateless::begins(bare));
        if priority.is_none() && stamp.is_none() {
            return None;
        }
        let rest = stamp.map_or(rest, |s| bare[s.end..].trim_start_matches(':'));
        let rest = trimmed_start(rest);
        let mut header = Self::of_3164(priority, stamp, rest);
        // Many programs write a thread or a request where syslog has the server.
        let is_strict = priority.is_some() || header.has_pid || names_month(bare);
        if !is_strict && header.host.is_some_and(|host| !names::may_be_host(host)) {
            header.host = None;
            header.tagged_message = rest;
        }
        Some(header)
    }

    /// After `<34>1 `: time, host, program, process, message id, structured data, each `-` when absent.
    fn of_5424(priority: Option<u32>, rest: &'a str, context: &Context) -> Option<Self> {
        let (time, rest) = word(rest);
        let (host, rest) = word(rest);
        let (program, rest) = word(rest);
        let (_process, rest) = word(rest);
        let (_message_id, rest) = word(rest);
        let present = |field: &'a str| (field != "-" && !field.is_empty()).then_some(field);
        let stamp = present(time).map(|t| {
            let read = timestamp::field(t, context);
            TimestampParts { time: read.ok(), fault: read.err(), end: 0 }
        });
        let message = after_structured_data(rest)?.trim_start();
        Some(Self {
            priority,
            stamp,
            level: None,
            host: present(host),
            program: present(program),
            has_pid: false,
            message: message.trim_start_matches('\u{feff}'),
            tagged_message: message.trim_start_matches('\u{feff}'),
        })
    }

    /// After the timestamp: a host unless the first word is already the program's, or BusyBox's level.
    fn of_3164(priority: Option<u32>, stamp: Option<TimestampParts>, rest: &'a str) -> Self {
        let mut header = Self {
            priority,
            stamp,
            level: None,
            host: None,
            program: None,
            has_pid: false,
            message: rest,
            tagged_message: rest,
        };
        if stamp.is_some() && tag(rest).is_none() {
            let (host, after) = word(rest);
            if facility_level(host).is_none() && is_host(host) {
                header.host = Some(host);
                header.message = trimmed_start(after);
            }
        }
        let (first, after) = word(header.message);
        if let Some(level) = facility_level(first) {
            header.level = Some(level);
            header.message = trimmed_start(after);
        }
        header.tagged_message = header.message;
        if let Some(tag) = tag(without_dashes(header.message)) {
            header.program = Some(tag.program);
            header.has_pid = tag.has_pid;
            header.message = tag.message;
        }
        if let Some(end) = timestamp::uptime(header.message) {
            header.message = &header.message[end..];
        }
        header
    }
}

/// RFC 5424's version, one or two digits and a blank.
fn strip_version(text: &str) -> Option<&str> {
    let (version, rest) = text.split_once(' ')?;
    let is_version = (1..=2).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit());
    // A time or its absence follows; otherwise the digit belongs to a message.
    (is_version && rest.starts_with(|c: char| c.is_ascii_digit() || c == '-')).then_some(rest)
}

/// What follows `-` or `[id name="value" ...]...`; `None` when a bracket stays open.
fn after_structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while bytes.get(at) == Some(&b'[') {
        let mut quoted = false;
        loop {
            at += 1;
            match *bytes.get(at)? {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
        }
        at += 1;
    }
    text.get(at..)
}

/// Without the dashes that stand for the fields that a program left out.
fn without_dashes(text: &str) -> &str {
    if text.starts_with("-- ") { text.trim_start_matches("-- ") } else { text }
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_at(memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len()));
    (word, rest.strip_prefix(' ').unwrap_or(rest))
}

/// Whether the time begins with a month, as RFC 3164 has it; `Jan 5, 2026` is how programs write to people.
fn names_month(text: &str) -> bool {
    if !text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    cursor.month().is_some() && !cursor.rest().iter().take(DAY_BYTES).any(|b| *b == b',')
}

fn is_host(word: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'@' | b'%');
    word.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) && word.bytes().all(inner)
}

/// `daemon.info`
fn facility_level(word: &str) -> Option<Level> {
    let dot = word.bytes().position(|byte| byte == b'.')?;
    let (facility, name) = (&word[..dot], &word[dot + 1..]);
    let is_facility = matches!(
        facility,
        "kern" | "user" | "mail" | "daemon" | "auth" | "syslog" | "lpr" | "news" | "uucp" | "cron" | "authpriv" | "ftp"
    ) || facility.strip_prefix("local").is_some_and(|n| n.len() == 1);
    if is_facility { level::word(name) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Fault;
    use crate::time::EventTime;

    fn context() -> Context {
        Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() }
    }

    /// Time, host, program, message.
    fn read(text: &str) -> (Option<String>, Option<String>, Option<String>, String) {
        let record = parse(text, &context()).unwrap();
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let message = own(record.message).unwrap_or_default();
        (record.time.map(|t| t.to_string()), own(record.server), own(record.component), message)
    }

    fn expect(
        time: &str,
        host: &str,
        program: &str,
        message: &str,
    ) -> (Option<String>, Option<String>, Option<String>, String) {
        let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (present(time), present(host), present(program), message.to_owned())
    }

    #[test]
    fn rfc_3164_is_read() {
        let time = "2026-01-05T00:00:00Z";
        for (line, expected) in [
            ("<11>Jan  5 00:00:00 gate sshd[12]: hi", expect(time, "gate", "sshd", "hi")),
            ("Jan  5 00:00:00 gate sshd(pam_unix)[12]: hi", expect(time, "gate", "sshd(pam_unix)", "hi")),
            ("Jan  5 00:00:00 gate kernel: [1.5] usb: on", expect(time, "gate", "kernel", "[1.5] usb: on")),
            ("Jan  5 00:00:00 gate syslogd 1.4.1: restart.", expect(time, "gate", "syslogd", "restart.")),
            ("Jan  5 00:00:00 gate  -- root[2]: LOGIN", expect(time, "gate", "root", "LOGIN")),
            ("Jan  5 00:00:00 gate last message repeated", expect(time, "gate", "", "last message repeated")),
            ("Jan  5 00:00:00 sshd[12]: hi", expect(time, "", "sshd", "hi")),
            ("2026-01-05T00:00:00.000+00:00 gate postfix/smtpd[1]: hi", expect(time, "gate", "postfix/smtpd", "hi")),
            ("<6>app: hi", expect("", "", "app", "hi")),
            ("<6>hi there", expect("", "", "", "hi there")),
            ("Mon Jan  5 00:00:00 2026 daemon.err dnsmasq[1]: hi", expect(time, "", "dnsmasq", "hi")),
            ("Jan  5 00:00:00 gate user.notice app: hi", expect(time, "gate", "app", "hi")),
            ("Jan  5 00:00:00", expect(time, "", "", "")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn rfc_5424_is_read() {
        let line = "<165>1 2026-01-05T00:00:00.003Z gate app 12 ID47 [a@1 b=\"x\\\"]\" c=\"2\"][d e=\"f\"] \u{feff}hi";
        assert_eq!(read(line), expect("2026-01-05T00:00:00.003Z", "gate", "app", "hi"));
        assert_eq!(read("<14>1 - - - - - - hi"), expect("", "", "", "hi"));
        assert_eq!(read("<14>1 - - app - - -"), expect("", "", "app", ""));
        assert!(parse("<14>1 - - app - - [open b=\"", &context()).is_none());
        assert_eq!(parse("<14>1 2026-13-05T00:00:00Z h app - - - x", &context()).unwrap().fault, Some(Fault::Time));
    }

    #[test]
    fn identifiers_name_neither_a_server_nor_a_program() {
        let time = "2026-01-05T00:00:00Z";
        for (line, expected) in [
            ("Jan  5 00:00:00 gate 0d6c4a8e9f12[7]: hi", expect(time, "gate", "", "0d6c4a8e9f12[7]: hi")),
            ("Jan  5 00:00:00 gate docker/0d6c4a8e9f12[7]: hi", expect(time, "gate", "docker", "hi")),
            ("<30>Jan  5 00:00:00 gate shop/0d6c4a8e9f12[7]: hi", expect(time, "gate", "shop", "hi")),
            ("Jan  5 00:00:00 gate views.py:10: slow", expect(time, "gate", "views.py", "slow")),
            ("Jan  5 00:00:00 gate kworker/0:1: hi", expect(time, "gate", "kworker", "hi")),
            ("Jan  5 00:00:00 0d6c4a8e9f12 app[7]: hi", expect(time, "", "app", "hi")),
            ("Jan  5 00:00:00 worker-1 app: hi", expect(time, "worker-1", "app", "hi")),
            ("<13>Jan  5 00:00:00 192.0.2.7 app: hi", expect(time, "192.0.2.7", "app", "hi")),
            ("<14>1 2026-01-05T00:00:00Z worker-3 job-17 - - - hi", expect(time, "worker-3", "job-*", "hi")),
            ("<14>1 2026-01-05T00:00:00Z web-6d4cf56db6-x7k2p app - - - hi", expect(time, "web-*", "app", "hi")),
            ("2026-01-05T00:00:00Z worker-1 app[7]: hi", expect(time, "worker-1", "app", "hi")),
            ("2026-01-05 00:00:00 worker-1 Cart: hi", expect(time, "", "Cart", "hi")),
            ("2026-01-05 00:00:00 worker-1 hi", expect(time, "", "", "worker-1 hi")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
        for line in [
            "2026-01-05 00:00:00 worker-1 Cart: added",
            "2026-01-05 00:00:00 main Cart: added",
            "2026-01-05 00:00:00 pool-2-thread-9 Cart: added",
            "2026-01-05 00:00:00.12 spid51      Error: 18456, Severity: 14, State: 8.",
            "2026-01-05 00:00:00.12 Logon       Error: 18456, Severity: 14, State: 8.",
            "2026-01-05 00:00:00 req-3ceb3f Cart: added",
            "2026-01-05 00:00:00 2001:db8::1 GET: done",
        ] {
            assert!(!is_likely(line, &context()), "{line}");
        }
        for line in ["2026-01-05T00:00:00Z worker-1 app[7]: hi", "2026-01-05T00:00:00Z web-4711 kernel: hi"] {
            assert!(is_likely(line, &context()), "{line}");
        }
    }

    #[test]
    fn the_level_is_the_prioritys_else_the_texts() {
        let level = |line: &str| parse(line, &context()).unwrap().level;
        assert_eq!(level("<11>Jan  5 00:00:00 gate app: warning: x"), Some(Level::Error));
        assert_eq!(level("Jan  5 00:00:00 gate app: warning: x"), Some(Level::Warning));
        assert_eq!(level("Jan  5 00:00:00 gate user.crit app: x"), Some(Level::Critical));
        assert_eq!(level("Jan  5 00:00:00 gate app: all is well"), None);
    }

    #[test]
    fn other_texts_are_told_apart() {
        for line in [
            "Jan  5 00:00:00 gate last message repeated 2 times",
            "<6>Jan  5 00:00:00 x y",
            "2026-01-05T00:00:00Z gate app[1]: x",
        ] {
            assert!(is_likely(line, &context()), "{line}");
        }
        for line in [
            "2026-01-05T00:00:00Z INFO app::run: x",
            "2026-01-05 00:00:00 started",
            "Mon Jan  5 00:00:00 CET 2026: cron started",
            "Jan 5, 2026 10:00:00 PM org.shop.Start start",
            "words",
            "<6>words",
            "2026-01-05 00:00:00 [main] x: y",
        ] {
            assert!(!is_likely(line, &context()), "{line}");
        }
        assert!(parse("no header at all", &context()).is_none());
        assert!(parse("<999>x", &context()).is_none());
    }
}
