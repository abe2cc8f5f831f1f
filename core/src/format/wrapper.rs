//! What other programs put around a line on its way into a file: Docker's json-file, CRI, the prefixes of docker-compose
//! and kubectl, a time before a line that has its own, syslog's octet count, journalctl's weekday. Takes it off and keeps
//! what it says; knows nothing of what is inside. A container's id is no name.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;

use super::{
    Context, access, auto, bundle, clean,
    fields::{CollectedFields, Scalar},
    inside,
    json::{self, Extent, JsonValue},
    level,
    mapping::USUAL,
    tag, timestamp,
};
use crate::{
    record::{Numbers, Record},
    time::EventTime,
};

/// Wrappers around wrappers: kubectl's prefix, its time and the line's own are the most that were seen.
const LAYERS_MAX: usize = 3;
/// A service's name before docker-compose's bar, with the blanks that align it.
const PREFIX_BYTES_MAX: usize = 96;
/// The longest RFC 3339 time, `2026-01-05T10:00:00.123456789+00:00`.
const STAMP_BYTES_MAX: usize = 35;

/// The field that Docker's objects have and few others.
static STREAM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"stream\""));

/// What the wrappers of a line say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Envelope<'a> {
    /// A record without a text.
    pub record: Record<'a>,
    /// Standard output and standard error of a container are written to in turns.
    pub is_stderr: bool,
    /// The line goes on in the next one of the same stream.
    pub is_part: bool,
}

/// A line without its wrappers, and what they say.
pub(crate) struct OpenedLine<'a> {
    pub envelope: Envelope<'a>,
    pub inside: Cow<'a, str>,
}

/// Takes all wrappers off; `None` for a line that has none.
pub(crate) fn open<'a>(text: &'a str, context: &Context) -> Option<OpenedLine<'a>> {
    let mut opened = layer(text, context)?;
    for _ in 1..LAYERS_MAX {
        if opened.envelope.is_part {
            break;
        }
        let next = match &opened.inside {
            Cow::Borrowed(inside) => layer(inside, context),
            Cow::Owned(inside) => layer(inside, context).map(OpenedLine::into_owned),
        };
        let Some(next) = next else { break };
        opened = OpenedLine { envelope: next.envelope.within(opened.envelope), inside: next.inside };
    }
    Some(opened)
}

impl<'a> OpenedLine<'a> {
    fn into_owned(self) -> OpenedLine<'static> {
        OpenedLine { envelope: self.envelope.into_owned(), inside: Cow::Owned(self.inside.into_owned()) }
    }
}

impl<'a> Envelope<'a> {
    fn at(time: Option<EventTime>) -> Self {
        Self { record: Record { time, ..Record::default() }, ..Self::default() }
    }

    fn of(component: &'a str) -> Self {
        Self { record: Record { component: Some(Cow::Borrowed(component)), ..Record::default() }, ..Self::default() }
    }

    pub(crate) fn into_owned(self) -> Envelope<'static> {
        Envelope { record: self.record.into_owned(), is_stderr: self.is_stderr, is_part: self.is_part }
    }

    /// This one where it says something, else the one around it.
    fn within(self, outer: Self) -> Self {
        Self {
            record: inside::merge(outer.record, self.record),
            is_stderr: self.is_stderr || outer.is_stderr,
            is_part: self.is_part,
        }
    }
}

fn layer<'a>(text: &'a str, context: &Context) -> Option<OpenedLine<'a>> {
    match text.as_bytes().first()? {
        b'{' => docker(text, context),
        b'0'..=b'9' => cri(text, context).or_else(|| octet_counted(text)),
        b'[' => kubectl(text),
        b'A'..=b'Z' => weekday(text),
        b'a'..=b'z' => compose(text, context),
        _ => None,
    }
}

fn borrowed<'a>(envelope: Envelope<'a>, inside: &'a str) -> OpenedLine<'a> {
    OpenedLine { envelope, inside: Cow::Borrowed(inside) }
}

/// `{"log":"text\n","stream":"stdout","time":"2026-01-05T10:00:00.123456789Z"}`, and the same with what a collector of
/// Kubernetes' logs adds. A text of Docker's without a line end is a part of a line of more than 16 KiB.
fn docker<'a>(text: &'a str, context: &Context) -> Option<OpenedLine<'a>> {
    STREAM.find(text.as_bytes())?;
    let (mut log, mut stream, mut tag, mut is_docker) = (None, None, None, true);
    let mut fields = CollectedFields::default();
    let extent = json::object(text, &mut |key, value| match (&*key, value) {
        ("log", JsonValue::Scalar(Scalar::Text(text))) => log = Some(text),
        ("stream", JsonValue::Scalar(Scalar::Text(text))) => stream = Some(text),
        ("_p" | "logtag", JsonValue::Scalar(Scalar::Text(text))) => tag = Some(text),
        (_, JsonValue::Scalar(value)) => {
            is_docker &= key == "time" || key.starts_with("attrs.");
            fields.take(&USUAL, key, value);
        }
        _ => is_docker = false,
    });
    let (log, stream) = (log?, stream?);
    let record = fields.into_record(context);
    if extent != Extent::Whole || record.message.is_some() || !matches!(&*stream, "stdout" | "stderr") {
        return None;
    }
    let is_part = match tag {
        Some(tag) => tag == "P",
        None => is_docker && record.time.is_some() && !log.ends_with('\n'),
    };
    let end = log.trim_end_matches(['\n', '\r']).len();
    let inside = match log {
        Cow::Borrowed(log) => Cow::Borrowed(&log[..end]),
        Cow::Owned(mut log) => {
            log.truncate(end);
            Cow::Owned(log)
        }
    };
    let record = Record { numbers: Numbers::default(), fault: None, ..record };
    let envelope = Envelope { record, is_stderr: stream == "stderr", is_part };
    Some(OpenedLine { envelope, inside: clean::strip(inside) })
}

/// `2026-01-05T10:00:00.123456789+00:00 stdout F text`, where `P` is a part that goes on; and a time alone before a line
/// of another format or with a time of its own, as `docker logs -t` and `kubectl logs --timestamps` write it.
fn cri<'a>(text: &'a str, context: &Context) -> Option<OpenedLine<'a>> {
    let bytes = text.as_bytes();
    if bytes.get(10) != Some(&b'T') {
        return None;
    }
    let space = memchr::memchr(b' ', &bytes[..bytes.len().min(STAMP_BYTES_MAX + 1)])?;
    let (stamp, rest) = (&text[..space], &text[space + 1..]);
    let time = |rest| Some(borrowed(Envelope::at(Some(timestamp::whole(stamp, context)?)), rest));
    let is_stderr = rest.starts_with("stderr ");
    let Some(tagged) = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr ")) else {
        return if is_line(rest, context) { time(rest) } else { None };
    };
    let (tags, inside) = tagged.split_once(' ').unwrap_or((tagged, ""));
    let first = tags.split(':').next().unwrap_or(tags);
    let mut opened = matches!(first, "F" | "P").then(|| time(inside)).flatten()?;
    opened.envelope.is_part = first == "P";
    opened.envelope.is_stderr = is_stderr;
    Some(opened)
}

/// Whether what follows a time is a line of another format or one with a time of its own, rather than a message.
fn is_line(text: &str, context: &Context) -> bool {
    match text.as_bytes() {
        [b'{', b'"', ..] => text.ends_with('}'),
        [b'<', b'0'..=b'9', ..] => tag::strip_priority(text).is_some(),
        [b'[', b'0'..=b'9' | b'A'..=b'Z', ..] => is_dated(&text[1..]) && timestamp::leading(text, context).is_some(),
        [b'0'..=b'9' | b'A'..=b'Z', ..] if is_dated(text) => timestamp::leading(text, context).is_some(),
        [b'0'..=b'9' | b':', ..] => access::parse(text, context).is_some(),
        [b'a'..=b'z', ..] => auto::is_logfmt(text),
        _ => false,
    }
}

/// Whether a text may begin with a date: `2026-01-05`, `05/Jan/2026`, `05.01.2026`, `Jan  5`, `Mon Jan`. No epoch, no
/// uptime, no address.
pub(crate) fn is_dated(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [b'0'..=b'9', ..] => {
            let run = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            let then = bytes.get(run..run + 3).unwrap_or_default();
            match (run, then) {
                (4, [b'-' | b'/' | b'.', digits @ ..]) => digits.iter().all(u8::is_ascii_digit),
                (1 | 2, [b'/' | b'-' | b'.' | b' ', ..]) => bytes.len() > run + 12,
                _ => false,
            }
        }
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ' | b',', ..] => true,
        _ => false,
    }
}

/// `123 <13>1 2026-01-05T10:00:00Z gate app - - - text`: RFC 6587.
fn octet_counted(text: &str) -> Option<OpenedLine<'_>> {
    bundle::counted(text).map(|(_, rest)| borrowed(Envelope::default(), rest))
}

/// `[pod/web-7d9c5b6f4-x2x7p/web] text`, as `kubectl logs --prefix` writes it: the container, not the pod's new name.
fn kubectl(text: &str) -> Option<OpenedLine<'_>> {
    let (pod, inside) = text.strip_prefix("[pod/")?.split_once(']')?;
    let (_, container) = pod.split_once('/').filter(|(name, container)| is_name(name) && is_name(container))?;
    Some(borrowed(Envelope::of(container), inside.strip_prefix(' ').unwrap_or(inside)))
}

/// `Mon 2026-01-05 10:00:00 UTC gate app[1]: text`, journalctl's `short-full`.
fn weekday(text: &str) -> Option<OpenedLine<'_>> {
    let (day, rest) = text.split_at_checked(4)?;
    let is_day = matches!(day, "Mon " | "Tue " | "Wed " | "Thu " | "Fri " | "Sat " | "Sun ");
    (is_day && matches!(rest.as_bytes(), [b'0'..=b'9', _, _, b'0'..=b'9', b'-', ..]))
        .then(|| borrowed(Envelope::default(), rest))
}

/// `web_1  | text` and `web-1  | text` of docker-compose, `web.1.<task>@node-1 | text` of a swarm. A name without a number
/// only before a line that shows a format of its own: a bar alone separates the columns of many a text.
fn compose<'a>(text: &'a str, context: &Context) -> Option<OpenedLine<'a>> {
    let bytes = text.as_bytes();
    let bar = memchr::memchr(b'|', &bytes[..bytes.len().min(PREFIX_BYTES_MAX)])?;
    let name = text[..bar].trim_end_matches(' ');
    let inside = match bytes.get(bar + 1) {
        Some(b' ') => &text[bar + 2..],
        Some(_) => return None,
        None => "",
    };
    let (name, server) = match name.split_once('@') {
        Some((task, node)) if is_name(node) => (task, Some(node)),
        Some(_) => return None,
        None => (name, None),
    };
    if !is_name(name) || level::word(name).is_some() || bar == name.len() && server.is_none() {
        return None;
    }
    let service = match server {
        Some(_) => name.split('.').next()?,
        None => match name.rsplit_once(['_', '-']) {
            Some((service, number)) if is_number(number) && !service.is_empty() => service,
            _ if is_line(inside, context) => name,
            _ => return None,
        },
    };
    let mut envelope = Envelope::of(service);
    envelope.record.server = server.map(Cow::Borrowed);
    Some(borrowed(envelope, inside))
}

fn is_number(text: &str) -> bool {
    (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// As Docker and Kubernetes allow them.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{LogFormat, Parser};

    /// Time of day, server, component, level, message and numbers of one line, where there are any.
    pub(crate) fn read(line: &str) -> String {
        let context = Context { reference: EventTime::parse("2026-02-01T00:00:00Z"), ..Context::default() };
        let mut parser = Parser::new(LogFormat::Auto);
        let Some(record) = parser.parse(line.as_bytes(), &context).record() else { return "no record".to_owned() };
        let day = EventTime::parse("2026-01-05T10:00:00Z").unwrap();
        let mut parts = vec![record.time.map_or("no time".to_owned(), |time| time.seconds_since(day).to_string())];
        parts.extend(record.server.map(|server| format!("@{server}")));
        parts.extend(record.component.map(|component| format!("#{component}")));
        parts.extend(record.level.map(|level| format!("{level:?}")));
        parts.extend(record.message.map(|message| format!("'{message}'")));
        parts.extend(record.value.map(|value| format!("={value}")));
        parts.extend(record.numbers.iter().map(|(name, value)| format!("{name}={value}")));
        parts.extend(record.fault.map(|fault| format!("{fault:?}")));
        parts.join(" ")
    }

    fn check(rows: &[(&str, &str)]) {
        for (line, expected) in rows {
            assert_eq!(read(line), *expected, "{line}");
        }
    }

    #[test]
    fn dockers_files_hold_lines_of_any_format() {
        check(&[
            (
                r#"{"log":"{\"level\":\"error\",\"logger\":\"shop\",\"msg\":\"db timeout\",\"took_ms\":120}\n","stream":"stdout","time":"2026-01-05T10:00:01.5Z"}"#,
                "1.5 #shop Error 'db timeout' took_ms=120",
            ),
            (
                r#"{"log": "level=warn msg=\"slow disk\" used=97\n", "stream": "stderr", "time": "2026-01-05T10:00:02Z"}"#,
                "2 Warning 'slow disk' used=97",
            ),
            (
                r#"{"log":"2026-01-05 10:00:03,250 - shop.cart - ERROR - lost\r\n","stream":"stdout","time":"2026-01-05T10:00:03.3Z"}"#,
                "3.25 #shop.cart Error 'lost'",
            ),
            (
                r#"{"log":"192.0.2.7 - - [05/Jan/2026:10:00:04 +0000] \"GET / HTTP/1.1\" 200 12\n","stream":"stdout","attrs":{"tag":"web"},"time":"2026-01-05T10:00:04.1Z"}"#,
                "4 Info 'GET / HTTP/1.1' status=200 bytes=12",
            ),
            (
                r#"{"log":"\u001b[31mERROR\u001b[0m disk full\n","stream":"stdout","time":"2026-01-05T10:00:05Z"}"#,
                "5 Error 'disk full'",
            ),
            (r#"{"log":"\n","stream":"stdout","time":"2026-01-05T10:00:05Z"}"#, "no record"),
            (
                r#"{"stream":"stderr","_p":"F","time":"2026-01-05T10:00:06Z","log":"panic soon","kubernetes":{"pod_name":"web-7d9-x2","container_name":"web","host":"node-1","pod_id":"9"}}"#,
                "6 @node-1 #web 'panic soon'",
            ),
        ]);
    }

    #[test]
    fn a_time_inside_without_a_zone_does_not_shift_the_line() {
        let docker =
            |text: &str| format!(r#"{{"log":"{text} INFO up\n","stream":"stdout","time":"2026-01-05T10:00:01Z"}}"#);
        assert_eq!(read(&docker("2026-01-05 11:00:00.900")), "1 Info 'up'");
        assert_eq!(read(&docker("2026-01-05 04:30:01")), "1 Info 'up'");
        assert_eq!(read(&docker("2026-01-05T11:00:01Z")), "3601 Info 'up'");
        assert_eq!(read(&docker("2026-01-05 10:00:00.250")), "0.25 Info 'up'");
        assert_eq!(read(&docker("2026-01-05 09:58:20")), "-100 Info 'up'");
    }

    #[test]
    fn container_runtimes_and_their_tools_write_prefixes() {
        check(&[
            ("2026-01-05T10:00:00.123456789+00:00 stdout F level=info msg=up n=1", "0.123456 Info 'up' n=1"),
            (
                r#"2026-01-05T11:00:00.5+01:00 stderr F {"severity":"warning","message":"late","service":"api"}"#,
                "0.5 #api Warning 'late'",
            ),
            ("2026-01-05T10:00:00.25Z stdout F ERROR: no disk", "0.25 Error 'no disk'"),
            ("2026-01-05T10:00:00Z stdout F:x 2026-01-05 10:00:01 INFO shop::cart: ok", "1 #shop::cart Info 'ok'"),
            ("web_1  | 2026-01-05T10:00:01Z INFO shop::cart: ok", "1 #shop::cart Info 'ok'"),
            ("\u{1b}[36mworker-12  |\u{1b}[0m job done", "no time #worker 'job done'"),
            (r#"db-1  | {"level":"error","msg":"no space"}"#, "no time #db Error 'no space'"),
            ("redis  | 2026-01-05 10:00:02 WARNING: memory", "2 #redis Warning 'memory'"),
            ("web.1.k3lq9vj2@node-7    | level=info msg=up n=2", "no time @node-7 #web Info 'up' n=2"),
            ("[pod/web-7d9c5b6f4-x2x7p/nginx] ERROR: gone", "no time #nginx Error 'gone'"),
            (
                "[pod/web-7d9c5b6f4-x2x7p/app] 2026-01-05T10:00:03.123456789Z {\"msg\":\"x\",\"n\":4}",
                "3.123456 #app 'x' n=4",
            ),
            ("2026-01-05T10:00:04.123456789Z 2026-01-05T10:00:04Z WARN  late", "4 Warning 'late'"),
            ("2026-01-05T10:00:05.123456789Z level=error msg=gone n=1", "5.123456 Error 'gone' n=1"),
            (
                "2026-01-05T10:00:06.5Z 192.0.2.7 - - [05/Jan/2026:10:00:06 +0000] \"GET / HTTP/1.1\" 500 12",
                "6 Error 'GET / HTTP/1.1' status=500 bytes=12",
            ),
        ]);
    }

    #[test]
    fn syslog_is_counted_in_octets_and_printed_by_journalctl() {
        check(&[
            ("58 <11>1 2026-01-05T10:00:00Z gate app 12 - - disk full", "0 @gate #app Error 'disk full'"),
            ("44 <13>Jan  5 10:00:01 gate cron[7]: started", "1 @gate #cron Notice 'started'"),
            ("Jan 05 10:00:02 gate sshd[12]: hi", "2 @gate #sshd 'hi'"),
            ("2026-01-05T10:00:03+0000 gate sshd[12]: hi", "3 @gate #sshd 'hi'"),
            ("Jan 05 10:00:04.500000 gate kernel: up", "4.5 @gate #kernel 'up'"),
            ("Mon 2026-01-05 10:00:05 UTC gate sshd[12]: hi", "5 @gate #sshd 'hi'"),
            ("1767607206.250000 gate sshd[12]: hi", "6.25 @gate #sshd 'hi'"),
            ("Mon 2026-01-05 10:00:07 UTC gate ssh.service[12]: hi", "7 @gate #ssh.service 'hi'"),
        ]);
    }

    #[test]
    fn other_texts_have_no_wrapper() {
        for line in [
            "2026-01-05T10:00:00Z stdout of the job was empty",
            "2026-01-05T10:00:00Z gate app[1]: {\"a\":1}",
            "2026-01-05T10:00:00Z 12 items",
            "id | name",
            "info | x",
            "abc | 1 | 2",
            "a-1|b",
            "[pod/x] y",
            "[12] x",
            "12 <b>bold</b>",
            "Mon, 05 Jan 2026 10:00:00 GMT x",
            r#"{"log":"x\n","stream":"kafka","time":"2026-01-05T10:00:00Z"}"#,
            r#"{"message":"x","log":"y","stream":"stdout"}"#,
            r#"{"log":{"level":"info"},"stream":"stdout"}"#,
            "",
        ] {
            assert!(open(line, &Context::default()).is_none(), "{line}");
        }
    }

    #[test]
    fn a_line_is_a_message_of_another() {
        let entry = |message: &str| {
            format!(
                r#"{{"__REALTIME_TIMESTAMP":"1767607201000000","_HOSTNAME":"pi","_SYSTEMD_UNIT":"shop.service","PRIORITY":"6","MESSAGE":{message}}}"#
            )
        };
        let text = |message: &str| read(&entry(&format!("{message:?}")));
        assert_eq!(
            text(r#"{"time":"2026-01-05T10:00:00.5Z","level":"error","msg":"no stock","left":0}"#),
            "0.5 @pi #shop.service Error 'no stock' left=0"
        );
        assert_eq!(text("<11>Jan  5 10:00:00 gate sshd[7]: hi"), "0 @gate #sshd Error 'hi'");
        assert_eq!(text("<12>app: low"), "1 @pi #app Warning 'low'");
        assert_eq!(text("level=warn msg=slow took=3"), "1 @pi #shop.service Warning 'slow' took=3");
        assert_eq!(text("2026-01-05 12:00:00,900 ERROR [com.shop.Cart] lost"), "1 @pi #com.shop.Cart Error 'lost'");
        assert_eq!(text("just text"), "1 @pi #shop.service Info 'just text'");
        assert_eq!(text(r#"{"state":"up"}"#), r#"1 @pi #shop.service Info '{"state":"up"}'"#);
        assert_eq!(text("{never closed"), "1 @pi #shop.service Info '{never closed'");
        check(&[
            (
                r#"Jan  5 10:00:02 gate shop[7]: @cee: {"level":"crit","msg":"gone","n":3}"#,
                "2 @gate #shop Critical 'gone' n=3",
            ),
            (r#"<14>1 2026-01-05T10:00:03Z gate shop 7 - - {"msg":"x","logger":"cart"}"#, "3 @gate #cart Info 'x'"),
            (
                "<190>Jan  5 10:00:04 gate nginx: 192.0.2.7 - - [05/Jan/2026:10:00:04 +0000] \"GET /a HTTP/1.1\" 503 9",
                "4 @gate #nginx Error 'GET /a HTTP/1.1' status=503 bytes=9",
            ),
            (
                "<158>1 2026-01-05T10:00:05Z host heroku router - at=info method=GET status=200 bytes=13",
                "5 @host #heroku Info status=200 bytes=13",
            ),
            (
                r#"{"@timestamp":"2026-01-05T10:00:06Z","host":{"name":"pi"},"message":"{\"level\":\"warn\",\"msg\":\"inner\",\"n\":1}"}"#,
                "6 @pi Warning 'inner' n=1",
            ),
            (
                r#"{"time":"2026-01-05T10:00:07Z","service":"api","msg":"2026-01-05 10:00:06 WARN  late"}"#,
                "6 #api Warning 'late'",
            ),
            (
                "Jan  5 10:00:08 gate kernel: IN=eth0 OUT= SRC=192.0.2.7 LEN=60 TTL=63",
                "8 @gate #kernel 'IN=eth0 OUT= SRC=192.0.2.7 LEN=60 TTL=63'",
            ),
            (
                "Jan  5 10:00:09 gate slapd[9]: conn=1001 op=2 SRCH base=\"\" scope=2",
                "9 @gate #slapd 'conn=1001 op=2 SRCH base=\"\" scope=2'",
            ),
        ]);
    }

    #[test]
    fn loggers_name_their_fields_in_many_ways() {
        check(&[
            (
                r#"{"@timestamp":"2026-01-05T10:00:00.000Z","log.level":"ERROR","message":"no route","ecs.version":"1.2.0","service.name":"shop","event.duration":1500000000,"host.hostname":"pi","log.logger":"com.shop.Cart"}"#,
                "0 @pi #shop Error 'no route' event.duration=1.5",
            ),
            (
                r#"{"@timestamp":"2026-01-05T10:00:00Z","log":{"level":"warn","logger":"cart"},"host":{"hostname":"pi"},"error":{"message":"refused"}}"#,
                "0 @pi #cart Warning 'refused'",
            ),
            (
                r#"{"Timestamp":"1767607201000000000","SeverityText":"WARN","SeverityNumber":13,"Body":"late","Resource":{"service.name":"api"},"Attributes":{"took":2}}"#,
                "1 #api Warning 'late' Attributes.took=2",
            ),
            (r#"{"Timestamp":1767607202000,"SeverityNumber":17,"Body":"x","ServiceName":"api"}"#, "2 #api Error 'x'"),
            (
                r#"{"version":"1.1","host":"pi","short_message":"full","timestamp":1767607203.5,"level":3,"_facility":"disk","_used":97}"#,
                "3.5 @pi #disk Error 'full' _used=97",
            ),
            (
                r#"{"@t":"2026-01-05T10:00:04Z","@mt":"took {Ms}","@l":"Warning","Ms":12,"SourceContext":"Shop.Cart"}"#,
                "4 #Shop.Cart Warning 'took {Ms}' Ms=12",
            ),
            (
                r#"{"level":50,"time":1767607205123,"pid":1,"hostname":"pi","msg":"x","responseTime":3}"#,
                "5.123 @pi Error 'x' responseTime=3",
            ),
            (
                r#"{"level":"info","ts":1767607206.25,"logger":"shop","caller":"main.go:12","msg":"x"}"#,
                "6.25 #shop Info 'x'",
            ),
            (
                r#"{"instant":{"epochSecond":1767607207,"nanoOfSecond":500000000},"thread":"main","level":"FATAL","loggerName":"com.shop.Cart","message":"x","threadId":1,"threadPriority":5}"#,
                "7.5 #com.shop.Cart Critical 'x'",
            ),
            (r#"{"timeMillis":1767607208000,"level":"WARN","loggerName":"a.B","message":"x"}"#, "8 #a.B Warning 'x'"),
            (
                r#"{"severity":"ERROR","timestamp":"2026-01-05T10:00:09Z","textPayload":"x","resource":{"labels":{"container_name":"web"}}}"#,
                "9 #web Error 'x'",
            ),
            (
                r#"{"severity":"ERROR","timestamp":"2026-01-05T10:00:09Z","jsonPayload":{"message":"x","took":2}}"#,
                "9 Error 'x' took=2",
            ),
            (
                r#"{"t":{"$date":"2026-01-05T10:00:10.000+00:00"},"s":"W","c":"NETWORK","id":22943,"ctx":"listener","msg":"x"}"#,
                "10 #NETWORK Warning 'x'",
            ),
            (
                r#"{"@timestamp":"2026-01-05T10:00:11Z","@version":"1","message":"x","logger_name":"a.B","level":"WARN","level_value":30000}"#,
                "11 #a.B Warning 'x'",
            ),
        ]);
    }
}
