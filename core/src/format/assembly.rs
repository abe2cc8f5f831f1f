//! Lines that are whole only together: the parts that container runtimes cut long lines into, and JSON printed over several
//! lines. Joins them within a bound; what exceeds it is cut and a fault. Does not read what it joins.

use serde::{Deserialize, Serialize};

use super::{clean, wrapper::Envelope};
use crate::{limits::LINE_BYTES_MAX, record::Record, time::EventTime};

/// Lines of one object or parts of one line. An object of a log has some dozen fields.
const LINES_MAX: u16 = 1_024;
/// Streams whose lines are in parts at one time: two of one container, or of as many as `kubectl` prefixes.
const STREAMS_MAX: usize = 8;
/// The parts of a line are written at once.
const PARTS_S: f64 = 5.0;

/// The key of a record of several lines of fields, of which there is one at a time; no hash of a stream's names.
const BLOCK_KEY: u32 = 0;

/// What is not whole yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Assembly {
    parts: Vec<JoinedLine>,
    json: Option<PrettyJson>,
}

/// Lines or parts as one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct JoinedLine {
    key: u32,
    pub text: String,
    lines: u16,
    pub is_cut: bool,
    is_json: bool,
    time: Option<EventTime>,
    last: Option<EventTime>,
    server: Option<String>,
    component: Option<String>,
}

/// An object over several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PrettyJson {
    joined: JoinedLine,
    depth: u16,
    indent: u16,
}

/// What a line is to an object over several lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonStep {
    /// Nothing.
    Other,
    /// A part of it.
    Pending,
    /// Its last.
    Whole(JoinedLine),
    /// Not a part of it, which is broken off.
    Broken(JoinedLine),
    /// A bracket around objects.
    Bracket,
}

/// What a wrapped line is to a line in parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PartStep {
    /// Nothing.
    Other,
    /// A part that is not the last.
    Pending,
    /// The last.
    Whole(JoinedLine),
    /// Not a part of it, whose rest never came.
    Stale(JoinedLine),
}

impl JoinedLine {
    fn add(&mut self, text: &str) {
        self.lines += 1;
        let room = LINE_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() > room || self.is_cut {
            self.is_cut = true;
            let end = if self.text.len() < LINE_BYTES_MAX { text.floor_char_boundary(room) } else { 0 };
            self.text.push_str(&text[..end.min(room)]);
            return;
        }
        self.text.push_str(text);
    }

    /// It is an object, or the beginning of one.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json && self.lines > 1
    }

    /// It is of several lines of fields.
    pub(crate) fn is_block(&self) -> bool {
        self.key == BLOCK_KEY && !self.is_json
    }

    /// The stream that it is of.
    pub(crate) fn key(&self) -> u32 {
        self.key
    }

    /// What the wrapper of the first part says.
    pub(crate) fn envelope(&self) -> Record<'static> {
        let own = |name: &Option<String>| name.clone().map(std::borrow::Cow::Owned);
        Record { time: self.time, server: own(&self.server), component: own(&self.component), ..Record::default() }
    }
}

impl Assembly {
    /// Nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.json.is_none()
    }

    /// An object over several lines is under way.
    pub(crate) fn has_json(&self) -> bool {
        self.json.is_some()
    }

    /// The lines so far of a record of several lines of fields, [`super::block`].
    pub(crate) fn block(&self) -> Option<&str> {
        self.parts.iter().find(|joined| joined.is_block()).map(|joined| &*joined.text)
    }

    /// Such a record begins with the line.
    pub(crate) fn begin_block(&mut self, line: &str) {
        let mut joined = JoinedLine { key: BLOCK_KEY, ..JoinedLine::default() };
        joined.add(line);
        self.parts.push(joined);
    }

    /// Adds a line to it; whether there is no room for more.
    pub(crate) fn add_to_block(&mut self, line: &str) -> bool {
        let Some(joined) = self.parts.iter_mut().find(|joined| joined.is_block()) else { return true };
        joined.add("\n");
        joined.add(line);
        joined.lines -= 1;
        joined.is_cut |= joined.lines >= LINES_MAX;
        joined.lines >= LINES_MAX
    }

    /// Ends it.
    pub(crate) fn take_block(&mut self) -> Option<JoinedLine> {
        let at = self.parts.iter().position(JoinedLine::is_block)?;
        Some(self.parts.remove(at))
    }

    /// Ends everything that is under way, the oldest first.
    pub(crate) fn take_all(&mut self) -> Vec<JoinedLine> {
        let json = self.json.take().map(|json| json.joined);
        self.parts.drain(..).chain(json).collect()
    }

    /// Takes a line of a container's stream `key`.
    pub(crate) fn part(&mut self, key: u32, inside: &str, envelope: &Envelope<'_>) -> PartStep {
        let time = envelope.record.time;
        let at = self.parts.iter().position(|joined| joined.key == key);
        if let Some(at) = at {
            let is_late = match (self.parts[at].last, time) {
                (Some(last), Some(time)) => time.seconds_since(last).abs() > PARTS_S,
                _ => false,
            };
            if is_late || self.parts[at].lines >= LINES_MAX {
                let mut joined = self.parts.remove(at);
                joined.is_cut |= joined.lines >= LINES_MAX;
                return PartStep::Stale(joined);
            }
        }
        if at.is_none() && !envelope.is_part {
            return PartStep::Other;
        }
        let mut joined = match at {
            Some(at) => self.parts.remove(at),
            None if self.parts.len() >= STREAMS_MAX => return PartStep::Stale(self.parts.remove(0)),
            None => JoinedLine {
                key,
                time,
                server: envelope.record.server.as_deref().map(str::to_owned),
                component: envelope.record.component.as_deref().map(str::to_owned),
                ..JoinedLine::default()
            },
        };
        joined.add(inside);
        joined.last = time;
        if !envelope.is_part {
            return PartStep::Whole(joined);
        }
        self.parts.push(joined);
        PartStep::Pending
    }

    /// Takes a line where JSON is read, or may be.
    pub(crate) fn json(&mut self, text: &str) -> JsonStep {
        let line = clean::trimmed(text);
        let indent = u16::try_from(text.len() - clean::trimmed_start(text).len()).unwrap_or(u16::MAX);
        let Some(mut json) = self.json.take() else { return self.begin_json(line, indent) };
        let is_next = indent <= json.indent && line.starts_with('{') && json.joined.lines > 0;
        let depth = if is_next || !is_json_line(line) { None } else { depth_after(line, json.depth) };
        let Some(depth) = depth else { return JsonStep::Broken(json.joined) };
        json.joined.add(" ");
        json.joined.add(line);
        json.joined.lines -= 1;
        if depth > 0 && json.joined.lines < LINES_MAX {
            self.json = Some(PrettyJson { depth, ..json });
            return JsonStep::Pending;
        }
        json.joined.is_cut |= depth > 0;
        if json.joined.text.ends_with(',') {
            // It stands in a list.
            json.joined.text.pop();
        }
        JsonStep::Whole(json.joined)
    }

    fn begin_json(&mut self, line: &str, indent: u16) -> JsonStep {
        match line.as_bytes() {
            [b'[' | b']'] | [b']', b','] => return JsonStep::Bracket,
            [b'{'] | [b'{', .., b'{' | b'[' | b','] => {}
            _ => return JsonStep::Other,
        }
        // `{"a":1},` is whole, `{foo {` is no JSON.
        let inner = line[1..].trim_start();
        let depth = depth_after(line, 0).filter(|depth| *depth > 0 && (inner.is_empty() || inner.starts_with('"')));
        let Some(depth) = depth else { return JsonStep::Other };
        let mut joined = JoinedLine { is_json: true, ..JoinedLine::default() };
        joined.add(line);
        self.json = Some(PrettyJson { joined, depth, indent });
        JsonStep::Pending
    }
}

/// Whether a line may stand inside an object.
fn is_json_line(line: &str) -> bool {
    match line.as_bytes() {
        [b'"' | b'{' | b'}' | b'[' | b']', ..] => true,
        [b'0'..=b'9' | b'-', ..] => line
            .trim_end_matches(',')
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')),
        _ => matches!(line.trim_end_matches(','), "true" | "false" | "null"),
    }
}

/// How many brackets are open after the line; `None` when one closes that was not opened, or a text stays open.
fn depth_after(line: &str, mut depth: u16) -> Option<u16> {
    let mut bytes = line.bytes();
    let mut is_text = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if is_text => drop(bytes.next()),
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth = depth.checked_add(1)?,
            b'}' | b']' if !is_text => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (!is_text).then_some(depth)
}
