//! The names under which loggers, shippers and metrics write a field, the best first, and which numbers are none of
//! measurement.

use std::sync::LazyLock;

use super::fields::MappedField;

const TIMESTAMP: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "@timestamp",
    "datetime",
    "date",
    "eventtime",
    "asctime",
    "@t",
    "t.$date",
    "event_time",
    "time_iso8601",
    "time_local",
    "log_time",
    "__realtime_timestamp",
    "timeMillis",
    "instant.epochSecond",
    "timeUnixNano",
    "observedTimestamp",
    "receiveTimestamp",
];
const SERVER: &[&str] = &[
    "host",
    "hostname",
    "server",
    "host.name",
    "node",
    "agent.hostname",
    "host.hostname",
    "host_name",
    "_hostname",
    "tags.host",
    "tags.hostname",
    "resource.host.name",
    "resource.attributes.host.name",
    "kubernetes.node_name",
    "kubernetes.node.name",
    "kubernetes.host",
    "k8s.node.name",
    "beat.hostname",
    "node_name",
    "nodename",
    "machine",
    "machinename",
    "machine_name",
    "properties.machinename",
    "computer",
    "computername",
    "devname",
    "syslog_hostname",
    "resourceattributes.host.name",
];
const COMPONENT: &[&str] = &[
    "component",
    "service",
    "logger",
    "unit",
    "metric",
    "service.name",
    "log.logger",
    "app",
    "application",
    "program",
    "process",
    "module",
    "target",
    "logger_name",
    "subsystem",
    "name",
    "svc",
    "service_name",
    "servicename",
    "logger.name",
    "loggername",
    "sourcecontext",
    "properties.sourcecontext",
    "categoryname",
    "appname",
    "app_name",
    "resource.service.name",
    "resource.attributes.service.name",
    "ident",
    "syslog_identifier",
    "programname",
    "process.name",
    "process_name",
    "processname",
    "systemd.unit",
    "_systemd_unit",
    "__name__",
    "metric_name",
    "metricname",
    "metric.name",
    "measurement",
    "sensor",
    "sensor_name",
    "device",
    "device_name",
    "kubernetes.labels.app.kubernetes.io/name",
    "kubernetes.labels.app",
    "kubernetes.container_name",
    "kubernetes.container.name",
    "k8s.container.name",
    "container_name",
    "container.name",
    "resourceattributes.service.name",
    "resource.labels.container_name",
    "kubernetes.deployment.name",
    "k8s.deployment.name",
    "kubernetes.pod_name",
    "kubernetes.pod.name",
    "k8s.pod.name",
    "pod_name",
    "pod",
    "_service",
    "_logger",
    "_facility",
    "facility",
];
const LEVEL: &[&str] = &[
    "level",
    "severity",
    "log.level",
    "lvl",
    "loglevel",
    "levelname",
    "priority",
    "@l",
    "level_name",
    "log_level",
    "severity_text",
    "severitytext",
    "levelno",
    "severitynumber",
    "severity_number",
];
const MESSAGE: &[&str] = &[
    "message",
    "msg",
    "fields.message",
    "log",
    "short_message",
    "text",
    "event",
    "@m",
    "@mt",
    "err.message",
    "error.message",
    "body",
    "body.stringvalue",
    "textpayload",
    "renderedmessage",
    "messagetemplate",
];
const VALUE: &[&str] = &["value"];
const TRUTH: &[&str] = &["anomalous"];

const LISTS: [(MappedField, &[&str]); 7] = [
    (MappedField::Time, TIMESTAMP),
    (MappedField::Level, LEVEL),
    (MappedField::Message, MESSAGE),
    (MappedField::Server, SERVER),
    (MappedField::Component, COMPONENT),
    (MappedField::Value, VALUE),
    (MappedField::Truth, TRUTH),
];

/// Where a value of a wrong shape stands behind all usual names.
pub(super) const LAST_RANK: usize = 1_000;

/// The longest usual name.
const NAME_BYTES_MAX: usize = 40;

type UsualName = (&'static str, MappedField, usize);

/// The usual names by their length: each key of each line is looked for.
static BY_LENGTH: LazyLock<[Vec<UsualName>; NAME_BYTES_MAX + 1]> = LazyLock::new(|| {
    let mut by_length = [const { Vec::new() }; NAME_BYTES_MAX + 1];
    for (field, names) in LISTS {
        for (rank, name) in names.iter().enumerate() {
            by_length[name.len().min(NAME_BYTES_MAX)].push((*name, field, rank));
        }
    }
    by_length
});

/// The field that `key` usually means, and its place among the names of that field. Without case.
pub(super) fn find(key: &str) -> Option<(MappedField, usize)> {
    let names = BY_LENGTH.get(key.len())?;
    names.iter().find(|(name, ..)| is_same(name, key)).map(|(_, field, rank)| (*field, *rank))
}

/// Whether two names are the same without case. Nearly all that differ do so in their first or last letter.
#[inline]
fn is_same(name: &str, key: &str) -> bool {
    let may_be = |a: Option<&u8>, b: Option<&u8>| match (a, b) {
        (Some(a), Some(b)) => (a ^ b) & !0x20 == 0,
        (a, b) => a.is_none() && b.is_none(),
    };
    let (a, b) = (name.as_bytes(), key.as_bytes());
    a.len() == b.len() && may_be(a.first(), b.first()) && may_be(a.last(), b.last()) && name.eq_ignore_ascii_case(key)
}

/// What stands behind the last of the marks in a name.
fn last_part(key: &str, is_mark: impl Fn(u8) -> bool) -> &str {
    key.bytes().rposition(is_mark).map_or(key, |at| &key[at + 1..])
}

/// Names of numbers that count or time nothing; as streams they would be noise.
const IDENTIFIERS: &[&str] = &[
    "id", "pid", "ppid", "tid", "uid", "gid", "port", "line", "lineno", "thread", "threadid", "seq", "sequence", "v",
    "version", "year", "month", "day", "process", "name", "app", "module",
];

/// Names of identifiers that a text writes with digits alone; as a number without quotes they are taken for one.
const TEXT_IDENTIFIERS: &[&str] = &[
    "user",
    "username",
    "account",
    "order",
    "customer",
    "client",
    "zip",
    "zipcode",
    "postcode",
    "phone",
    "mobile",
    "code",
    "build",
    "release",
    "revision",
    "rev",
    "commit",
    "hash",
    "serial",
    "number",
    "ip",
    "addr",
    "address",
    "sku",
    "isbn",
    "tag",
    "key",
    "date",
    "request",
    "session",
    "trace",
    "span",
    "txn",
    "transaction",
    "job",
    "container",
    "index",
];

/// Whether a number called `key` tells which one it was rather than how much.
pub(super) fn is_identifier(key: &str) -> bool {
    let last = last_part(key, |b| b == b'.').trim_start_matches('@');
    IDENTIFIERS.iter().any(|name| is_same(name, last))
        || ["_id", "Id", "ID", "_pid", "_port"].iter().any(|end| last.ends_with(end))
}

/// The same for a number that is written as a text.
pub(super) fn is_text_identifier(key: &str) -> bool {
    let end = last_part(key, |b| matches!(b, b'.' | b'_' | b'-'));
    is_identifier(key) || TEXT_IDENTIFIERS.iter().any(|name| is_same(name, end))
}

/// Whether a value called `key` is a duration, so that `00:01:30` is no time of day.
pub(super) fn is_duration(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).as_bytes();
    let has = |part: &&[u8]| last.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    const PARTS: [&[u8]; 9] =
        [b"dur", b"elapsed", b"took", b"latency", b"uptime", b"runtime", b"delay", b"wait", b"_time"];
    PARTS.iter().any(has)
}

/// Names of what is measured: beside them a number called `level` is how full something is.
pub(super) fn is_of_measurements(key: &str) -> bool {
    ["metric", "sensor", "measurement", "device", "__name__", "metric_name", "sensor_name"]
        .iter()
        .any(|name| is_same(name, key))
}

/// OpenTelemetry's names of a severity as a number.
pub(super) fn is_severity_number(key: &str) -> bool {
    key.eq_ignore_ascii_case("severitynumber") || key.eq_ignore_ascii_case("severity_number")
}

/// What Bunyan and Pino write beside a level that is a number.
pub(super) fn is_of_loggers(key: &str) -> bool {
    ["pid", "v", "logger", "logger_name", "loggername"].iter().any(|name| is_same(name, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_is_found_once() {
        let mut all: Vec<&str> = LISTS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for name in &all {
            assert!(name.len() <= NAME_BYTES_MAX && find(&name.to_ascii_uppercase()).is_some(), "{name}");
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        assert!(find("took_ms").is_none() && find("").is_none());
    }
}
