//! journald entries as `journalctl -o json` prints them, one object a line. Knows how to find an entry's cursor and
//! Oddline's own entries without reading the whole; refuses lines that are no object.

use std::borrow::Cow;

use super::{
    clean,
    fields::Scalar,
    json::{self, Extent, JsonValue},
    level, names,
};
use crate::{
    record::{Fault, Level, Record},
    time::EventTime,
};

/// Units whose entries never come back as input: a loop would feed itself.
const OWN_UNITS: [&str; 2] = ["oddline-agent.service", "oddline-collector.service"];
/// How the identifiers of Oddline's commands begin.
const OWN_IDENTIFIER: &str = "oddline-";

/// The entry's cursor, from which reading can go on after it.
#[must_use]
pub fn cursor(line: &[u8]) -> Option<&str> {
    text_field(line, "\"__CURSOR\"")
}

/// Whether Oddline wrote this entry. A service is known by its unit, which nobody can claim for himself; what runs outside
/// services by its identifier.
#[must_use]
pub fn is_own(line: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(line, b"\"_SYSTEMD_UNIT\":\"") else { return is_named_as_own(line) };
    let unit = &line[at..];
    let end = memchr::memchr(b',', unit).unwrap_or(unit.len());
    let unit = &unit[..end];
    let value = unit.strip_suffix(b"}").unwrap_or(unit);
    let is_service = value.ends_with(b".service\"");
    let is_user_manager = memchr::memmem::find(value, b":\"user@").is_some();
    is_named_as_own(if is_service && !is_user_manager { value } else { line })
}

fn is_named_as_own(line: &[u8]) -> bool {
    text_field(line, "\"_SYSTEMD_UNIT\"").is_some_and(|unit| OWN_UNITS.contains(&unit))
        || text_field(line, "\"SYSLOG_IDENTIFIER\"").is_some_and(|name| name.starts_with(OWN_IDENTIFIER))
}

/// The text of a field whose value needs no escapes. A quoted key cannot stand inside a JSON text unescaped, so
/// a search finds keys (and texts of the same name, which no colon follows).
fn text_field<'a>(line: &'a [u8], quoted_key: &str) -> Option<&'a str> {
    memchr::memmem::find_iter(line, quoted_key).find_map(|at| {
        let rest = line[at + quoted_key.len()..].trim_ascii_start().strip_prefix(b":")?;
        let value = rest.trim_ascii_start().strip_prefix(b"\"")?;
        let end = memchr::memchr2(b'"', b'\\', value).filter(|&e| value[e] == b'"')?;
        std::str::from_utf8(&value[..end]).ok()
    })
}

/// Reads one entry; `None` when the line is no JSON object.
pub(crate) fn parse(text: &str) -> Option<Record<'_>> {
    let mut record = Record::default();
    let mut who = ProcessFields::default();
    let extent = json::object(text, &mut |key, value| match (&*key, value) {
        ("__REALTIME_TIMESTAMP", value) => record.time = micros(&value),
        ("_HOSTNAME", value) => record.server = plain(value).and_then(names::host),
        ("PRIORITY", value) => record.level = priority(&value),
        ("MESSAGE", value) => record.message = plain(value).map(clean::strip),
        ("_SYSTEMD_UNIT", value) => who.unit = plain(value),
        ("SYSLOG_IDENTIFIER", value) => who.identifier = plain(value),
        ("_COMM", value) => who.command = plain(value),
        _ => {}
    });
    if extent == Extent::Nothing {
        return None;
    }
    record.component = who.component();
    if extent == Extent::Part {
        record.fault = Some(Fault::Malformed);
        record.message.get_or_insert(Cow::Borrowed(text));
    } else if record.time.is_none() {
        record.fault = Some(Fault::Time);
    }
    Some(record)
}

/// What journalctl prints between entries: `-- Boot 1b2c --`, `-- No entries --`.
pub(crate) fn is_notice(text: &str) -> bool {
    const NOTICES: [&str; 6] = ["Boot ", "Reboot ", "Logs begin at ", "Journal begins at ", "No entries ", "cursor: "];
    text.strip_prefix("-- ").is_some_and(|rest| {
        NOTICES.iter().any(|notice| rest.starts_with(notice)) && (rest.ends_with(" --") || rest.starts_with("cursor: "))
    })
}

/// The message of an entry, empty when it has none or none that can be read; `None` for what is no entry.
pub(crate) fn message(text: &str) -> Option<String> {
    if !text.contains("\"__REALTIME_TIMESTAMP\"") {
        return None;
    }
    let mut message = None;
    let extent = json::object(text, &mut |key, value| {
        if key == "MESSAGE" {
            message = plain(value);
        }
    });
    (extent != Extent::Nothing).then(|| message.map(clean::strip).unwrap_or_default().into_owned())
}

/// The fields that tell who wrote an entry.
#[derive(Default)]
struct ProcessFields<'a> {
    unit: Option<Cow<'a, str>>,
    identifier: Option<Cow<'a, str>>,
    command: Option<Cow<'a, str>>,
}

impl<'a> ProcessFields<'a> {
    /// The service; outside services (a session's scope has a new name each time) what the writer calls itself.
    fn component(self) -> Option<Cow<'a, str>> {
        let is_service = |unit: &Cow<'_, str>| !unit.ends_with(".scope") && !unit.ends_with(".slice");
        let name = |text: Option<Cow<'a, str>>| text.and_then(names::component);
        match self.unit {
            Some(unit) if is_service(&unit) => name(Some(unit)).or_else(|| name(self.identifier)),
            unit => name(self.identifier).or_else(|| name(self.command)).or_else(|| name(unit)),
        }
    }
}

fn micros(value: &JsonValue<'_>) -> Option<EventTime> {
    let micros = match value {
        JsonValue::Scalar(Scalar::Text(text)) => text.parse().ok()?,
        JsonValue::Scalar(Scalar::Integer(number)) => *number,
        _ => return None,
    };
    Some(EventTime::from_micros(micros))
}

fn priority(value: &JsonValue<'_>) -> Option<Level> {
    let number = match value {
        JsonValue::Scalar(Scalar::Text(text)) => text.parse().ok()?,
        JsonValue::Scalar(Scalar::Integer(number)) => *number,
        _ => return None,
    };
    u32::try_from(number).ok().filter(|n| *n <= 7).map(level::priority)
}

fn plain(value: JsonValue<'_>) -> Option<Cow<'_, str>> {
    match value {
        JsonValue::Scalar(Scalar::Text(text)) => Some(text),
        JsonValue::Scalar(Scalar::Integer(number)) => Some(Cow::Owned(number.to_string())),
        JsonValue::Scalar(_) => None,
        JsonValue::Bytes(bytes) => Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"__CURSOR":"s=1b;i=2;b=3;m=4;t=5;x=6","__REALTIME_TIMESTAMP":"1767571200000001","_HOSTNAME":"pi-1","_SYSTEMD_UNIT":"ssh.service","SYSLOG_IDENTIFIER":"sshd","PRIORITY":"3","MESSAGE":"fatal: no \"hope\"","_PID":"12"}"#;

    fn read(text: &str) -> Record<'_> {
        parse(text).unwrap()
    }

    #[test]
    fn an_entry_is_read() {
        let record = read(ENTRY);
        assert_eq!(record.time, Some(EventTime::from_micros(1_767_571_200_000_001)));
        assert_eq!((record.server.as_deref(), record.component.as_deref()), (Some("pi-1"), Some("ssh.service")));
        assert_eq!((record.level, record.message.as_deref()), (Some(Level::Error), Some("fatal: no \"hope\"")));
        assert_eq!(record.fault, None);
    }

    #[test]
    fn messages_are_bytes_null_or_repeated() {
        let message = |value: &str| {
            let line = format!("{{\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":{value}}}");
            read(&line).message.map(Cow::into_owned)
        };
        assert_eq!(message("[27,91,49,109,104,105,255,0]").as_deref(), Some("hi\u{fffd}"));
        assert_eq!(message("[\"first\",\"second\"]").as_deref(), Some("first"));
        assert_eq!(message("[[104,105],[1]]").as_deref(), Some("hi"));
        assert_eq!(message("null"), None);
        assert_eq!(message("[]"), None);
    }

    #[test]
    fn sessions_go_by_their_identifier() {
        let component = |fields: &str| {
            let line = format!("{{\"__REALTIME_TIMESTAMP\":\"1\",{fields}}}");
            read(&line).component.map(Cow::into_owned)
        };
        assert_eq!(component(r#""_SYSTEMD_UNIT":"session-3.scope","SYSLOG_IDENTIFIER":"su""#).as_deref(), Some("su"));
        assert_eq!(component(r#""_SYSTEMD_UNIT":"init.scope","_COMM":"systemd""#).as_deref(), Some("systemd"));
        assert_eq!(component(r#""SYSLOG_IDENTIFIER":"kernel""#).as_deref(), Some("kernel"));
    }

    #[test]
    fn units_of_one_connection_are_one_component() {
        let component = |fields: &str| {
            let line = format!("{{\"__REALTIME_TIMESTAMP\":\"1\",{fields}}}");
            read(&line).component.map(Cow::into_owned).unwrap_or_default()
        };
        for (fields, name) in [
            (r#""_SYSTEMD_UNIT":"sshd@17-10.0.0.1:22-10.0.0.5:51234.service","SYSLOG_IDENTIFIER":"sshd""#, "sshd@"),
            (r#""_SYSTEMD_UNIT":"user@1000.service","SYSLOG_IDENTIFIER":"systemd""#, "user@"),
            (r#""_SYSTEMD_UNIT":"run-r1234abcd.service","_COMM":"sh""#, "run-*.service"),
            (r#""_SYSTEMD_UNIT":"session-12.scope""#, "session-*.scope"),
            (r#""_SYSTEMD_UNIT":"postgresql@15-main.service""#, "postgresql@15-main.service"),
            (r#""SYSLOG_IDENTIFIER":"0d6c4a8e9f12","_COMM":"dockerd""#, "dockerd"),
            (r#""SYSLOG_IDENTIFIER":"0d6c4a8e9f12""#, ""),
        ] {
            assert_eq!(component(fields), name, "{fields}");
        }
    }

    #[test]
    fn cursors_and_own_entries_are_found_without_parsing() {
        assert_eq!(cursor(ENTRY.as_bytes()), Some("s=1b;i=2;b=3;m=4;t=5;x=6"));
        assert_eq!(cursor(br#"{ "MESSAGE" : "\"__CURSOR\":\"x\"", "__CURSOR" : "y" }"#), Some("y"));
        assert_eq!(cursor(br#"{"MESSAGE":"__CURSOR"}"#), None);
        assert!(!is_own(ENTRY.as_bytes()));
        assert!(is_own(br#"{"_SYSTEMD_UNIT":"oddline-agent.service"}"#));
        assert!(is_own(br#"{"SYSLOG_IDENTIFIER":"oddline-trainer"}"#));
        assert!(!is_own(br#"{"MESSAGE":"oddline-agent started","SYSLOG_IDENTIFIER":"systemd"}"#));
    }

    #[test]
    fn a_broken_entry_keeps_its_beginning() {
        let cut = read(&ENTRY[..120]);
        assert_eq!(cut.fault, Some(Fault::Malformed));
        assert_eq!(cut.server.as_deref(), Some("pi-1"));
        assert_eq!(read(r#"{"MESSAGE":"x"}"#).fault, Some(Fault::Time));
        assert!(parse("-- Boot 1234 --").is_none());
    }

    #[test]
    fn own_entries_are_known_by_their_unit() {
        assert!(is_own(br#"{"_SYSTEMD_UNIT":"oddline-agent.service","MESSAGE":"x"}"#));
        assert!(is_own(br#"{"MESSAGE":"x","_SYSTEMD_UNIT":"oddline-collector.service"}"#));
        assert!(is_own(br#"{"SYSLOG_IDENTIFIER":"oddline-agent","MESSAGE":"x"}"#));
        assert!(is_own(br#"{"_SYSTEMD_UNIT":"session-3.scope","SYSLOG_IDENTIFIER":"oddline-agent"}"#));
        assert!(is_own(br#"{"_SYSTEMD_UNIT":"user@1000.service","SYSLOG_IDENTIFIER":"oddline-agent"}"#));
        // Another service that claims to be us does not hide.
        assert!(!is_own(br#"{"_SYSTEMD_UNIT":"ssh.service","SYSLOG_IDENTIFIER":"oddline-agent"}"#));
        assert!(!is_own(br#"{"_SYSTEMD_UNIT":"ssh.service","MESSAGE":"oddline-agent.service"}"#));
    }
}
