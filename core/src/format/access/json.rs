//! Access logs as JSON: Caddy's, Traefik's, and those that nginx is told to write. Their fields are read as any other's;
//! what only an access log has is put in its place here: the request, the status, the time it took.

use std::borrow::Cow;

use super::{host_name, severity, status_of};
use crate::{
    format::{csv::number, fields::Scalar},
    record::{Level, Numbers, Record},
};

/// The component that Caddy's access logs have beside their host.
const CADDY_LOGGER: &str = "http.log.access";
/// The message of each of Caddy's requests.
const CADDY_MESSAGE: &str = "handled request";

/// What an object told of a request, taken field by field.
#[derive(Default)]
pub(crate) struct JsonRequest<'a> {
    method: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    protocol: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    status: Option<u16>,
    bytes: Option<f64>,
    seconds: Option<f64>,
    upstream_seconds: Option<f64>,
}

impl<'a> JsonRequest<'a> {
    /// Looks at one field of the object.
    pub(crate) fn note(&mut self, key: &str, value: &Scalar<'a>) {
        let text = || match value {
            Scalar::Text(text) => Some(text.clone()),
            _ => None,
        };
        match key {
            "request.method" | "RequestMethod" => self.method = text(),
            "request.uri" | "RequestPath" => self.target = text(),
            "request.proto" | "RequestProtocol" => self.protocol = text(),
            "request.host" | "RequestHost" => self.host = text(),
            "status" | "DownstreamStatus" => self.status = status(value),
            "size" | "DownstreamContentSize" => self.bytes = amount(value),
            "duration" => self.seconds = amount(value),
            // Nanoseconds.
            "Duration" => self.seconds = amount(value).map(|n| n / 1e9),
            "OriginDuration" => self.upstream_seconds = amount(value).map(|n| n / 1e9),
            _ => {}
        }
    }

    /// The record of a request, where the object was one; any other stays as it is.
    pub(crate) fn apply(self, record: Record<'a>) -> Record<'a> {
        let (Some(method), Some(target)) = (self.method, self.target) else { return record };
        let mut numbers = Numbers::default();
        let named = [
            ("status", self.status.map(f64::from)),
            ("bytes", self.bytes),
            ("request_time", self.seconds),
            ("upstream_response_time", self.upstream_seconds),
        ];
        for (name, value) in named {
            value.into_iter().for_each(|value| numbers.push(name, value));
        }
        let is_caddys = record.component.as_deref().is_some_and(|name| name.starts_with(CADDY_LOGGER));
        let host = self.host.and_then(|host| host_name(&host).map(str::to_owned)).map(Cow::Owned);
        let message = record.message.filter(|message| !message.is_empty() && message != CADDY_MESSAGE);
        let protocol = self.protocol.map(|protocol| format!(" {protocol}")).unwrap_or_default();
        Record {
            component: if is_caddys { host.or(record.component) } else { record.component.or(host) },
            level: self.status.map(severity).max(record.level.filter(|level| *level >= Level::Info)).or(record.level),
            message: Some(message.unwrap_or_else(|| format!("{method} {target}{protocol}").into())),
            numbers,
            ..record
        }
    }
}

fn status(value: &Scalar<'_>) -> Option<u16> {
    match value {
        Scalar::Integer(number) => u16::try_from(*number).ok().filter(|status| (100..600).contains(status)),
        Scalar::Text(text) => status_of(text).flatten(),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a measurement beyond 2^53 keeps its size")]
fn amount(value: &Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Integer(amount) => Some(*amount as f64),
        Scalar::Number(amount) => Some(*amount),
        Scalar::Text(text) => number(text).ok(),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}
