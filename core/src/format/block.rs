//! Records that their program prints over several lines of fields: MySQL's slow log and `journalctl -o verbose`. Tells their
//! first line and which lines belong to it, and reads them when they are whole. Does not keep them: [`super::assembly`] does.

use serde_json::{Map, Value};

use super::{Context, timestamp};
use crate::record::{Fault, Numbers, Record};

/// The numbers of MySQL's, MariaDB's and Percona's slow logs, the times in seconds.
const QUERY_NUMBERS: [&str; 7] =
    ["Query_time", "Lock_time", "Rows_sent", "Rows_examined", "Rows_affected", "Bytes_sent", "Bytes_received"];
/// The indentation of a field of the journal's.
const INDENT: &str = "    ";

/// What a line is to a block under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockLine {
    /// It belongs to it.
    Part,
    /// The block ends with it.
    Last,
    /// The block ended before it.
    Other,
}

/// Whether a block begins with the line. Nearly all lines are told by their first byte.
pub(crate) fn begins(line: &str) -> bool {
    match line.as_bytes() {
        [b'#', ..] => line.starts_with("# Time: ") || line.starts_with("# User@Host: "),
        [b'M' | b'T' | b'W' | b'F' | b'S', _, _, b' ', b'0'..=b'9', ..] => line.ends_with(']') && line.contains(" [s="),
        _ => false,
    }
}

/// What `line` is to the block whose lines so far are `block`.
pub(crate) fn step(block: &str, line: &str) -> BlockLine {
    if !block.starts_with('#') {
        return if line.starts_with(INDENT) { BlockLine::Part } else { BlockLine::Other };
    }
    if line.starts_with('#') {
        let is_known = |name: &str| line.starts_with(name) && block.contains(name);
        return match () {
            () if line.starts_with("# administrator command") => BlockLine::Last,
            () if is_known("# Time: ") || is_known("# User@Host: ") => BlockLine::Other,
            () => BlockLine::Part,
        };
    }
    if is_setting(line) || !line.trim_end().ends_with(';') { BlockLine::Part } else { BlockLine::Last }
}

/// What the client would have to say before the statement.
fn is_setting(line: &str) -> bool {
    let begins = |word: &str| line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    begins("SET timestamp=") || (begins("use ") && line.split(' ').count() == 2)
}

/// Reads a statement of the slow log; `None` for a block of the journal's.
pub(crate) fn query(block: &str, context: &Context) -> Option<Record<'static>> {
    block.starts_with('#').then_some(())?;
    let (mut numbers, mut statement) = (Numbers::default(), String::new());
    let (mut time, mut set, mut fault) = (None, None, None);
    for line in block.lines() {
        if let Some(text) = line.strip_prefix("# Time: ") {
            match timestamp::leading(text.trim_start(), context) {
                Some(stamp) => (time, fault) = (stamp.time, stamp.fault),
                None => fault = Some(Fault::Time),
            }
        } else if let Some(command) = line.strip_prefix("# administrator command") {
            add(&mut statement, &format!("administrator command{command}"));
        } else if line.starts_with('#') {
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                let Some(name) = word.strip_suffix(':').filter(|name| QUERY_NUMBERS.contains(name)) else { continue };
                if let Some(Ok(number)) = words.next().map(str::parse) {
                    numbers.push(name.to_ascii_lowercase(), number);
                }
            }
        } else if is_setting(line) {
            let stamp = line.split_once('=').map(|(_, stamp)| stamp.trim_end_matches([';', ' ']));
            set = set.or_else(|| timestamp::whole(stamp?, context));
        } else {
            add(&mut statement, line.trim());
        }
    }
    let time = time.or(set);
    Some(Record {
        time,
        message: (!statement.is_empty()).then(|| statement.into()),
        numbers,
        fault: fault.filter(|_| time.is_none()),
        ..Record::default()
    })
}

fn add(statement: &mut String, line: &str) {
    if !statement.is_empty() && !line.is_empty() {
        statement.push(' ');
    }
    statement.push_str(line);
}

/// An entry of the journal's as `journalctl -o json` would have printed it.
pub(crate) fn entry(block: &str, context: &Context) -> String {
    let mut lines = block.lines();
    let time = lines.next().and_then(|head| timestamp::leading(head, context)).and_then(|stamp| stamp.time);
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in lines {
        let text = line.trim_start();
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let indent = line.len() - text.len();
        match (text.split_once('='), fields.last_mut()) {
            (Some((name, value)), _) if indent == INDENT.len() && is_name(name) => {
                fields.push((name, value.to_owned()));
            }
            // A value of several lines.
            (_, Some((_, value))) => value.extend(["\n", text]),
            (_, None) => {}
        }
    }
    let mut entry: Map<String, Value> = Map::new();
    if let Some(time) = time {
        entry.insert("__REALTIME_TIMESTAMP".to_owned(), time.micros().to_string().into());
    }
    for (name, value) in fields {
        entry.entry(name).or_insert_with(|| value.into());
    }
    Value::Object(entry).to_string()
}
