//! The extended log format of W3C, as IIS, CloudFront and Windows' firewall write it: lines of `#` tell the fields, rows below
//! hold them. Requests are read as those of any access log; rows of another kind are their text.

use std::borrow::Cow;

use super::{
    access,
    separated::{CsvFields, number},
};
use crate::record::Record;

/// Names of the column of the host that was asked for, the best first.
pub(crate) const HOST: &[&str] = &["cs-host", "cs(host)", "x-host-header", "s-sitename"];

const FIELDS: &str = "#Fields:";
/// The other lines of a head.
const DIRECTIVES: [&str; 7] =
    ["#Software:", "#Version:", "#Date:", "#Start-Date:", "#End-Date:", "#Remark:", "#Log-type:"];

/// The names of the fields, where the line tells them.
pub(crate) fn fields(line: &str) -> Option<&str> {
    line.strip_prefix(FIELDS).map(str::trim).filter(|fields| !fields.is_empty())
}

/// Whether a line belongs to the head of such a log.
pub(crate) fn is_directive(line: &str) -> bool {
    DIRECTIVES.iter().any(|name| line.starts_with(name)) || line.starts_with(FIELDS)
}

/// The columns of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct W3cColumns {
    method: Option<usize>,
    target: Option<usize>,
    query: Option<usize>,
    status: Option<usize>,
    bytes: Option<usize>,
    bytes_received: Option<usize>,
    time_taken: Option<usize>,
}

impl W3cColumns {
    /// Looks for them by their names in lower case.
    pub(crate) fn of(names: &[String]) -> Self {
        let find = |wanted: &str| names.iter().position(|name| name == wanted);
        Self {
            method: find("cs-method"),
            target: find("cs-uri-stem").or_else(|| find("cs-uri")),
            query: find("cs-uri-query"),
            status: find("sc-status"),
            bytes: find("sc-bytes"),
            bytes_received: find("cs-bytes"),
            time_taken: find("time-taken"),
        }
    }

    /// Reads a row into its record.
    pub(crate) fn read<'a>(&self, fields: &CsvFields<'a>, line: &'a str, record: &mut Record<'a>) {
        let cell =
            |i: Option<usize>| i.and_then(|i| fields.get(i)).map(|f| f.trim()).filter(|f| !matches!(*f, "" | "-"));
        if let Some(status) = cell(self.status).and_then(access::status) {
            record.level = Some(access::severity(status));
            record.numbers.push("status", f64::from(status));
        }
        // IIS writes milliseconds, others seconds with a fraction.
        let scale = if cell(self.time_taken).is_some_and(|taken| taken.contains('.')) { 1.0 } else { 1e-3 };
        let numbers = [
            ("bytes", self.bytes, 1.0),
            ("bytes_received", self.bytes_received, 1.0),
            ("request_time", self.time_taken, scale),
        ];
        for (name, column, scale) in numbers {
            if let Some(value) = cell(column).and_then(|text| number(text).ok()) {
                record.numbers.push(name, value * scale);
            }
        }
        let Some(target) = cell(self.target) else {
            record.message = Some(Cow::Borrowed(line));
            return;
        };
        let (method, query) = (cell(self.method), cell(self.query));
        let parts = [
            method.unwrap_or(""),
            if method.is_some() { " " } else { "" },
            target,
            if query.is_some() { "?" } else { "" },
            query.unwrap_or(""),
        ];
        record.message = Some(Cow::Owned(parts.concat()));
    }
}
