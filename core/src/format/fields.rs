//! What named fields come to, for formats of keys and values: the record that they fill. Which name means what is the
//! [`Mapping`]'s.

use std::borrow::Cow;

use super::{Context, Mapping, clean, epoch, level, names, quantity, timestamp, usual_names};
use crate::{
    record::{Fault, Level, Numbers, Record},
    time::EventTime,
};

/// A field's plain value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(Cow<'a, str>),
}

/// What a key may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MappedField {
    Time,
    Server,
    Component,
    Level,
    Message,
    Value,
    Truth,
}
const FIELDS: usize = 7;

/// Takes a line's fields one by one and becomes its record. Of two fields of one name the first counts: it is the
/// logger's own, what was added to the line comes behind.
#[derive(Default)]
pub(crate) struct CollectedFields<'a> {
    /// The best-named candidate of each field with its rank.
    best: [Option<(usize, Scalar<'a>)>; FIELDS],
    numbers: Numbers<'a>,
    /// A number called `level` that is no severity.
    fill: Option<f64>,
    /// `date`, `time` and `tz` where each has only its part.
    date: Option<Cow<'a, str>>,
    clock: Option<Cow<'a, str>>,
    zone: Option<Cow<'a, str>>,
    has_measure: bool,
    has_logger: bool,
    fault: Option<Fault>,
}

impl<'a> CollectedFields<'a> {
    /// Takes one field: a mapped one when no better-named came before, any other when it is a number.
    pub(crate) fn take(&mut self, mapping: &Mapping, key: Cow<'a, str>, value: Scalar<'a>) {
        match mapping.field(&key) {
            Some((field, rank, true)) => self.put(field, rank, value),
            Some((field, rank, false)) => self.take_usual(field, rank, key, value),
            None => self.take_number(key, value),
        }
    }

    fn put(&mut self, field: MappedField, rank: usize, value: Scalar<'a>) {
        let best = &mut self.best[field as usize];
        if best.as_ref().is_none_or(|(other, _)| rank < *other) {
            *best = Some((rank, value));
        }
    }

    /// A field under a usual name, which means it only with a value that can be it.
    fn take_usual(&mut self, field: MappedField, rank: usize, key: Cow<'a, str>, value: Scalar<'a>) {
        match (field, value) {
            (MappedField::Time, Scalar::Null) => self.put(field, rank + usual_names::LAST_RANK, Scalar::Null),
            (MappedField::Time, value) => self.take_time(rank, key, value),
            (MappedField::Level, value) => self.take_level(rank, &key, value),
            (MappedField::Server, Scalar::Text(name)) => {
                if let Some(name) = names::server(name).filter(|name| !clean::is_blank(name)) {
                    self.put(field, rank, Scalar::Text(name));
                }
            }
            (MappedField::Component, Scalar::Text(name)) => self.take_component(rank, &key, name),
            (MappedField::Component, value) => self.take_number(key, value),
            (MappedField::Message, Scalar::Text(text)) if text.is_empty() => {}
            (MappedField::Server | MappedField::Message, Scalar::Null | Scalar::Bool(_)) => {}
            (_, value) => self.put(field, rank, value),
        }
    }

    /// A time, or a part of one; `time` may be how long something took.
    fn take_time(&mut self, rank: usize, key: Cow<'a, str>, value: Scalar<'a>) {
        let (is_time, is_date) = (key.eq_ignore_ascii_case("time"), key.eq_ignore_ascii_case("date"));
        match value {
            Scalar::Text(text) if is_time && is_clock(&text) => {
                self.clock.get_or_insert(text);
            }
            Scalar::Text(text) if is_date && is_day(&text) => {
                self.date.get_or_insert(text);
            }
            Scalar::Integer(day @ 19_000_101..=21_001_231) if is_date => {
                self.date.get_or_insert_with(|| Cow::Owned(day.to_string()));
            }
            Scalar::Text(text) if is_time && is_amount(&text) => self.take_number(key, Scalar::Text(text)),
            Scalar::Integer(number) if is_time && !epoch::is_likely(epoch::from_integer(number)) => {
                self.take_number(key, value);
            }
            Scalar::Number(number) if is_time && !epoch::from_fraction(number).is_some_and(epoch::is_likely) => {
                self.take_number(key, value);
            }
            value => self.put(MappedField::Time, rank, value),
        }
    }

    /// A severity; `level` may be how full something is.
    fn take_level(&mut self, rank: usize, key: &str, value: Scalar<'a>) {
        let value = match value {
            Scalar::Text(text) if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
                match quantity::read(&text, false) {
                    Some(number) => text.trim().parse().map_or(Scalar::Number(number), Scalar::Integer),
                    None => Scalar::Text(text),
                }
            }
            other => other,
        };
        let value = match value {
            Scalar::Integer(number) if usual_names::is_severity_number(key) => Scalar::Integer(of_telemetry(number)),
            other => other,
        };
        if severity(&value).is_some() {
            self.put(MappedField::Level, rank, value);
        } else if key.eq_ignore_ascii_case("level") {
            self.fill = self.fill.or_else(|| finite(&value).ok());
        }
    }

    /// A name; `unit` may be one of measure.
    fn take_component(&mut self, rank: usize, key: &str, name: Cow<'a, str>) {
        self.has_measure |= usual_names::is_of_measurements(key);
        self.has_logger |= usual_names::is_of_loggers(key);
        let mut rank = rank;
        if key.eq_ignore_ascii_case("unit") && !names::is_unit(&name) {
            if quantity::is_unit(&name) {
                self.has_measure = true;
                return;
            }
            rank += usual_names::LAST_RANK;
        }
        let is_better = self.best[MappedField::Component as usize].as_ref().is_none_or(|(other, _)| rank < *other);
        if is_better && let Some(name) = names::component(name).filter(|name| !clean::is_blank(name)) {
            self.put(MappedField::Component, rank, Scalar::Text(name));
        }
    }

    fn take_number(&mut self, key: Cow<'a, str>, value: Scalar<'a>) {
        if key.eq_ignore_ascii_case("tz") {
            let zone = match value {
                Scalar::Text(text) => Some(text),
                Scalar::Integer(number) => Some(Cow::Owned(format!("{number:+05}"))),
                _ => None,
            };
            self.zone = self.zone.take().or(zone);
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
        let number = match value {
            Scalar::Integer(number) => number as f64,
            Scalar::Number(number) => number,
            Scalar::Text(text) => {
                let is_duration = text.contains(':') && usual_names::is_duration(&key);
                match quantity::read(&text, is_duration) {
                    Some(number) if !quantity::is_code(&text) || is_duration => {
                        if usual_names::is_text_identifier(&key) {
                            return;
                        }
                        number
                    }
                    _ => return,
                }
            }
            Scalar::Null | Scalar::Bool(_) => return,
        };
        if usual_names::is_identifier(&key) {
            self.has_logger |= usual_names::is_of_loggers(&key);
            return;
        }
        if self.numbers.get(&key).is_some() {
            return;
        }
        if !number.is_finite() {
            self.fault = Some(Fault::NotFinite);
        }
        self.numbers.push(key, number);
    }

    /// The record; a time or a value that was there and cannot be read is its fault. Where the value cannot be read no
    /// other number stands for it.
    pub(crate) fn into_record(mut self, context: &Context) -> Record<'a> {
        let mut fault = self.fault;
        let value = self.best(MappedField::Value).and_then(|value| {
            let read = finite(&value).map_err(|f| fault = Some(f)).ok();
            if read.is_none() {
                self.numbers = Numbers::default();
            }
            read
        });
        let time = self.time(context).and_then(|time| time.map_err(|f| fault = Some(f)).ok());
        let message = self.best(MappedField::Message).and_then(text).map(clean::strip);
        let named = self.level(message.is_some(), value.is_some(), time.is_some());
        let level = named.or_else(|| message.as_deref().and_then(level::find).map(|spot| spot.level));
        let is_measure = value.is_some();
        let component = self.best[MappedField::Component as usize].take();
        // A unit that may be one of measure is it beside a value.
        let component = component.filter(|(rank, _)| *rank < usual_names::LAST_RANK || !is_measure);
        Record {
            time,
            time_assumed: false,
            server: self.best(MappedField::Server).and_then(text),
            component: component.and_then(|(_, name)| text(name)),
            level,
            message,
            value,
            anomalous: self.best(MappedField::Truth).and_then(|value| truth(&value)),
            numbers: self.numbers,
            fault,
            format: "",
        }
    }

    fn best(&mut self, field: MappedField) -> Option<Scalar<'a>> {
        self.best[field as usize].take().map(|(_, value)| value)
    }

    fn time(&mut self, context: &Context) -> Option<Result<EventTime, Fault>> {
        let best = self.best(MappedField::Time).filter(|value| *value != Scalar::Null || self.clock.is_none());
        if let Some(value) = best {
            return Some(instant(&value, context));
        }
        match (self.date.take(), self.clock.take()) {
            (Some(date), Some(clock)) => Some(match self.zone.take() {
                Some(zone) => timestamp::fields(&date, &format!("{clock} {zone}"), context),
                None => timestamp::fields(&date, &clock, context),
            }),
            (date, clock) => date.or(clock).map(|text| timestamp::field(&text, context)),
        }
    }

    /// The severity. A number is one beside a message, or in a line that only a logger writes; beside what is measured it
    /// is a number like the others.
    fn level(&mut self, has_message: bool, has_value: bool, has_time: bool) -> Option<Level> {
        let level = self.best(MappedField::Level);
        let is_number = matches!(level, Some(Scalar::Integer(_)));
        let is_measured = has_value || self.has_measure || (has_time && !self.has_logger);
        if is_number && !has_message && is_measured {
            self.fill = level.as_ref().and_then(|level| finite(level).ok());
        } else if level.is_some() {
            return level.and_then(|level| severity(&level));
        }
        if let Some(fill) = self.fill.filter(|_| self.numbers.get("level").is_none()) {
            self.numbers.push("level", fill);
        }
        None
    }
}

/// `10:00:00`: what follows a date.
fn is_clock(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&digits) && text.as_bytes().get(digits) == Some(&b':')
}

/// A date without a clock.
fn is_day(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (6..=11).contains(&text.len()) && digits < 9 && digits > 0 && !text.contains(':')
}

/// Whether a text called `time` is a duration rather than an instant: `12ms`, `0.123`.
fn is_amount(text: &str) -> bool {
    let number = quantity::read(text, false);
    number.is_some_and(|number| !epoch::from_fraction(number).is_some_and(epoch::is_likely))
}

fn text(value: Scalar<'_>) -> Option<Cow<'_, str>> {
    let text = match value {
        Scalar::Text(text) => text,
        Scalar::Integer(number) => Cow::Owned(number.to_string()),
        Scalar::Number(number) => Cow::Owned(number.to_string()),
        Scalar::Null | Scalar::Bool(_) => return None,
    };
    (!clean::is_blank(&text)).then_some(text)
}

fn instant(value: &Scalar<'_>, context: &Context) -> Result<EventTime, Fault> {
    match value {
        Scalar::Text(text) => timestamp::field(text, context),
        Scalar::Integer(number) => Ok(epoch::from_integer(*number)),
        Scalar::Number(number) => epoch::from_fraction(*number).ok_or(Fault::Time),
        Scalar::Null | Scalar::Bool(_) => Err(Fault::Time),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
fn finite(value: &Scalar<'_>) -> Result<f64, Fault> {
    match value {
        Scalar::Integer(number) => Ok(*number as f64),
        Scalar::Number(number) if number.is_finite() => Ok(*number),
        Scalar::Number(_) => Err(Fault::NotFinite),
        Scalar::Text(text) => match quantity::read(text, false) {
            Some(number) if number.is_finite() => Ok(number),
            Some(_) => Err(Fault::NotFinite),
            None => Err(Fault::Value),
        },
        Scalar::Null | Scalar::Bool(_) => Err(Fault::Value),
    }
}

fn severity(value: &Scalar<'_>) -> Option<Level> {
    match value {
        Scalar::Text(text) => {
            let text = clean::trimmed(text);
            match text.as_bytes() {
                [letter @ b'A'..=b'Z'] => level::letter(*letter),
                _ => level::word(text).or_else(|| level::number(text.parse().ok()?)),
            }
        }
        Scalar::Integer(number) => level::number(*number),
        _ => None,
    }
}

/// OpenTelemetry's severity, four numbers to a level from 1 on, as Bunyan's.
fn of_telemetry(number: i64) -> i64 {
    if (1..=24).contains(&number) { (number + 3) / 4 * 10 } else { -1 }
}

fn truth(value: &Scalar<'_>) -> Option<bool> {
    match value {
        Scalar::Bool(truth) => Some(*truth),
        Scalar::Integer(0) => Some(false),
        Scalar::Integer(1) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::jsonl;

    fn read(text: &str) -> Record<'static> {
        jsonl::parse(text, &Mapping::default(), &Context::default()).unwrap().into_owned()
    }

    fn component(text: &str) -> String {
        read(text).component.map(Cow::into_owned).unwrap_or_default()
    }

    /// Value and numbers as `name=value`.
    fn numbers(text: &str) -> String {
        let record = read(text);
        let own = record.value.map(|value| format!("value={value}"));
        let named = record.numbers.iter().map(|(name, value)| format!("{name}={value}"));
        own.into_iter().chain(named).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_unit_of_measure_is_no_component() {
        for (line, name) in [
            (r#"{"metric":"cpu","value":1,"unit":"percent"}"#, "cpu"),
            (r#"{"unit":"ms","value":142,"metric":"latency"}"#, "latency"),
            (r#"{"unit":"C","value":21.5}"#, ""),
            (r#"{"unit":"By","name":"heap","value":1}"#, "heap"),
            (r#"{"unit":"1/s","sensor":"door-2","value":1}"#, "door-2"),
            (r#"{"unit":"bananas","value":3}"#, ""),
            (r#"{"unit":"nginx.service","metric":"restarts","value":3}"#, "nginx.service"),
            (r#"{"unit":"payments","msg":"x"}"#, "payments"),
            (r#"{"unit":"sshd@17-10.0.0.1:22-10.0.0.5:51234.service","msg":"x"}"#, "sshd@"),
            (r#"{"process":1234,"module":"cart"}"#, "cart"),
            (r#"{"process":"1234","thread":"pool-1-thread-2","svc":"cart"}"#, "cart"),
            (r#"{"component":"0d6c4a8e9f12","app":"shop"}"#, "shop"),
            (r#"{"kubernetes":{"pod_name":"web-6d4cf56db6-x7k2p"},"log":"x"}"#, "web-*"),
            (r#"{"kubernetes":{"pod_name":"web-6d4cf56db6-x7k2p","container_name":"nginx"}}"#, "nginx"),
            (r#"{"fields":{"usage_user":1.5},"name":"cpu","tags":{"host":"a"},"timestamp":1767571200}"#, "cpu"),
            (r#"{"logger":"worker-12","msg":"x"}"#, "worker-*"),
        ] {
            assert_eq!(component(line), name, "{line}");
        }
        let mapping = Mapping { component: vec!["unit".into()], server: vec!["ip".into()], ..Mapping::default() };
        let own = r#"{"unit":"worker-12","ip":"10.0.0.1","metric":"cpu"}"#;
        let own = jsonl::parse(own, &mapping, &Context::default()).unwrap();
        assert_eq!((own.component.as_deref(), own.server.as_deref()), (Some("worker-12"), Some("10.0.0.1")));
    }

    #[test]
    fn servers_go_by_their_names() {
        for (line, server) in [
            (r#"{"tags":{"host":"pi-03"}}"#, "pi-03"),
            (r#"{"host":"10.0.0.1","hostname":"web-1"}"#, "web-1"),
            (r#"{"host":{"name":"a","ip":"10.0.0.1"}}"#, "a"),
            (r#"{"host":"db-1:9100"}"#, "db-1"),
            (r#"{"host":"203.0.113.5, 10.0.0.1"}"#, ""),
            (r#"{"hostname":"0d6c4a8e9f12","kubernetes":{"node_name":"node-3"}}"#, "node-3"),
            (r#"{"_HOSTNAME":"gate"}"#, "gate"),
            (r#"{"host":"worker-1"}"#, "worker-1"),
        ] {
            assert_eq!(read(line).server.as_deref().unwrap_or(""), server, "{line}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_a_number() {
        let at = |text: &str| EventTime::parse(text);
        let noon = at("2026-01-05T12:00:00Z");
        for (line, time, rest) in [
            (r#"{"time":0.123,"timestamp":"2026-01-05T12:00:00Z"}"#, noon, "time=0.123"),
            (r#"{"time":0.123,"ts":1767614400}"#, noon, "time=0.123"),
            (r#"{"time":250,"ts":1767614400}"#, noon, "time=250"),
            (r#"{"time":"12ms","ts":1767614400}"#, noon, "time=0.012"),
            (r#"{"time":0.5,"msg":"x"}"#, None, "time=0.5"),
            (r#"{"time":1767614400,"took":1}"#, noon, "took=1"),
            (r#"{"time":"1767614400"}"#, noon, ""),
            (r#"{"date":"2026-01-05","time":"12:00:00","n":1}"#, noon, "n=1"),
            (r#"{"time":"13:00:00","n":1,"date":"2026-01-05","tz":"+0100"}"#, noon, "n=1"),
            (r#"{"time":"12:00:00","date":"x","timestamp":"2026-01-05T12:00:00Z"}"#, noon, ""),
            (r#"{"date":"2026-01-05T12:00:00Z"}"#, noon, ""),
            (r#"{"ts":null,"time":"2026-01-05T12:00:00Z"}"#, noon, ""),
        ] {
            let record = read(line);
            assert_eq!((record.time, record.fault), (time, None), "{line}");
            assert_eq!(numbers(line), rest, "{line}");
        }
        assert_eq!(read(r#"{"time":"12:00:00"}"#).fault, Some(Fault::Time));
        assert_eq!(read(r#"{"ts":null}"#).fault, Some(Fault::Time));
    }

    #[test]
    fn a_level_is_a_severity_or_how_full_something_is() {
        for (line, level, rest) in [
            (r#"{"level":30,"time":1767614400000,"pid":1,"hostname":"a","msg":"x"}"#, Some(Level::Info), ""),
            (r#"{"level":30,"time":1767614400000,"pid":1,"took":2}"#, Some(Level::Info), "took=2"),
            (r#"{"level":"4","short_message":"x"}"#, Some(Level::Warning), ""),
            (r#"{"level":200,"level_name":"INFO","message":"x"}"#, Some(Level::Info), ""),
            (r#"{"severityNumber":17,"body":"x"}"#, Some(Level::Error), ""),
            (r#"{"severityNumber":5,"body":"x"}"#, Some(Level::Debug), ""),
            (r#"{"level":"high","severity":"ERROR"}"#, Some(Level::Error), ""),
            (r#"{"level":87.5,"sensor":"tank-1"}"#, None, "level=87.5"),
            (r#"{"level":50,"sensor":"tank-1"}"#, None, "level=50"),
            (r#"{"ts":1767614400,"tank":"a","level":50}"#, None, "level=50"),
            (r#"{"ts":1767614400,"tank":"a","level":3}"#, None, "level=3"),
            (r#"{"level":"72.5","metric":"oil"}"#, None, "level=72.5"),
            (r#"{"level":-3,"msg":"frost"}"#, None, "level=-3"),
            (r#"{"level":"72%","msg":"battery"}"#, None, "level=72"),
        ] {
            assert_eq!((read(line).level, numbers(line)), (level, rest.to_owned()), "{line}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (line, expected) in [
            (r#"{"temp":"12.5","hum":"45%","took":"1m30.5s"}"#, "temp=12.5 hum=45 took=90.5"),
            (r#"{"size":"10KiB","free":"1.2 GB","load":"0,75"}"#, "size=10240 free=1200000000 load=0.75"),
            (r#"{"elapsed":"00:01:30","start":"00:01:30"}"#, "elapsed=90"),
            (r#"{"user":"1001","zip":"01234","order_code":"17","version":"1.2","trace_id":"12","n":"3"}"#, "n=3"),
            (r#"{"card":"4915112345678901","list":"1,2,3","ip":"10.0.0.1","n":"-4"}"#, "n=-4"),
            (r#"{"value":"12,5"}"#, "value=12.5"),
            (r#"{"value":"59ms","took":3}"#, "value=0.059 took=3"),
            (r#"{"took":1,"took":2}"#, "took=1"),
            (r#"{"value":1,"value":2}"#, "value=1"),
            (r#"{"name":7,"target":21.5,"process":12}"#, "target=21.5"),
        ] {
            assert_eq!(numbers(line), expected, "{line}");
        }
        assert_eq!(component(r#"{"service":"a","service":"b"}"#), "a");
    }

    #[test]
    fn what_is_no_number_makes_no_other_stream() {
        for (line, fault, rest) in [
            (r#"{"value":"NaN","took":3}"#, Some(Fault::NotFinite), ""),
            (r#"{"value":null,"took":3}"#, Some(Fault::Value), ""),
            (r#"{"value":"-inf","took":3}"#, Some(Fault::NotFinite), ""),
            (r#"{"value":"open","took":3}"#, Some(Fault::Value), ""),
            (r#"{"took":"NaN","n":3}"#, Some(Fault::NotFinite), "n=3"),
            (r#"{"took":null,"n":3}"#, None, "n=3"),
        ] {
            assert_eq!((read(line).fault, numbers(line)), (fault, rest.to_owned()), "{line}");
        }
    }
}
