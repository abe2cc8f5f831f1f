//! From a message to the lines that stand for it: JSON lines with the topic as component. Pure; refuses no payload.
//!
//! ```text
//!  sensors/kitchen  21.5              {"mqtt.topic":"sensors/kitchen","receiveTimestamp":"...","value":"21.5"}
//!  plug/POWER       ON                {...,"value":1,"message":"ON"}
//!  plug/SENSOR      {"a":{"b":1}}     {...,"a.b":1}          a line for every eight numbers
//! ```

use std::fmt::Write as _;

use oddline_core::{
    format::{Mapping, measured},
    limits::NAME_BYTES_MAX,
    record::NUMBERS_MAX,
    time::EventTime,
};
use serde_json::Value;

/// The topic's key, which no payload's key is.
const TOPIC: &str = "mqtt.topic";
/// When it came: of the usual names of a time the last, so that a time of the payload's own goes before.
const RECEIVED: &str = "receiveTimestamp";
/// Fields of one message: a device says fewer than a hundred numbers about itself.
const FIELDS_MAX: usize = 128;
/// Objects inside objects are read this deep; Shelly's lie three deep.
const DEPTH_MAX: usize = 5;
/// Bytes of a text that are kept, of a payload's field and of a payload that is a text.
const FIELD_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Clocks of devices, and how far zones lie apart.
const CLOCK_OFF_S: f64 = 10.0;
const QUARTER_S: f64 = 900.0;
const ZONES_S: f64 = 26.0 * 3_600.0;
/// A number within these years of now may be a time.
const YEARS_S: f64 = 10.0 * 365.0 * 86_400.0;

/// Two words of one meaning for 1 and 0.
const STATES: [(&str, &str); 9] = [
    ("on", "off"),
    ("true", "false"),
    ("online", "offline"),
    ("open", "closed"),
    ("yes", "no"),
    ("connected", "disconnected"),
    ("active", "inactive"),
    ("locked", "unlocked"),
    ("up", "down"),
];
/// Keys whose text is a text.
const WORDS: [&str; 6] = ["message", "msg", "text", "event", "level", "severity"];
/// Keys of a time that a line is told by.
const TIMES: [&str; 7] = ["timestamp", "time", "ts", "@timestamp", "datetime", "date", "eventtime"];

/// What the lines' keys mean; what the operator said goes before.
pub(crate) fn mapping(own: Mapping) -> Mapping {
    let mut component = own.component;
    component.push(TOPIC.to_owned());
    Mapping { component, ..own }
}

/// Hands out the lines of a message that came at `received`. None of one without a payload: it only makes a broker
/// forget the one before.
pub(super) fn each_line(topic: &str, payload: &[u8], received: EventTime, mut each: impl FnMut(&str)) {
    let start =
        format!("{{{}:{},{}:{}", quoted(TOPIC), quoted(&name(topic)), quoted(RECEIVED), quoted(&received.to_string()));
    let Ok(text) = std::str::from_utf8(payload) else {
        let message = format!("({} bytes that are no text)", payload.len());
        return each(&format!("{start},\"message\":{}}}", quoted(&message)));
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    if text.is_empty() {
        return;
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => of_object(&start, &value, received, each),
        Ok(Value::String(text)) => each(&of_text(&start, &text)),
        Err(_) if text.starts_with('{') => each(&broken(&start, text)),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | Err(_) => each(&of_text(&start, text)),
    }
}

/// The topic as a name: of a long one its end, which tells it from its neighbours.
fn name(topic: &str) -> String {
    if topic.len() <= NAME_BYTES_MAX {
        return topic.to_owned();
    }
    let mark = "...";
    let end = &topic[topic.ceil_char_boundary(topic.len() - (NAME_BYTES_MAX - mark.len()))..];
    format!("{mark}{end}")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// 1 or 0 where a text is one of two words.
fn state(text: &str) -> Option<u8> {
    let text = text.trim();
    STATES.iter().find_map(|(one, zero)| {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if is(one) { Some(1) } else { is(zero).then_some(0) }
    })
}

/// A payload that is one value, or words.
fn of_text(start: &str, text: &str) -> String {
    let message = || quoted(cut(text, TEXT_BYTES_MAX));
    if let Some(state) = state(text) {
        format!("{start},\"value\":{state},\"message\":{}}}", message())
    } else if measured(text).is_some() {
        format!("{start},\"value\":{}}}", message())
    } else {
        format!("{start},\"message\":{}}}", message())
    }
}

/// What cannot be read is kept as it is, to be counted as a fault with what came before it.
fn broken(start: &str, text: &str) -> String {
    let rest: String = text[1..].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{start},{rest}")
}

/// The fields of a payload, each a key and a value as JSON.
#[derive(Default)]
struct PayloadFields {
    numbers: Vec<(String, String)>,
    /// Times, names and words: they stand in each of a message's lines.
    words: Vec<(String, String)>,
}

/// A line for every few numbers: a record has no more. A message without any is a line too.
fn of_object(start: &str, object: &Value, received: EventTime, mut each: impl FnMut(&str)) {
    let mut fields = PayloadFields::default();
    fields.take("", object, 0, received);
    let line = |numbers: &[(String, String)]| {
        let mut line = start.to_owned();
        for (key, value) in fields.words.iter().chain(numbers) {
            write!(line, ",{}:{value}", quoted(key)).expect("a text can always be written to");
        }
        line + "}"
    };
    // A value of its own stands alone, and must know it.
    let has_value = fields.numbers.iter().any(|(key, _)| key.eq_ignore_ascii_case("value"));
    if fields.numbers.is_empty() || has_value {
        return each(&line(&fields.numbers));
    }
    for numbers in fields.numbers.chunks(NUMBERS_MAX) {
        each(&line(numbers));
    }
}

impl PayloadFields {
    fn take(&mut self, path: &str, value: &Value, depth: usize, received: EventTime) {
        if self.numbers.len() + self.words.len() >= FIELDS_MAX {
            return;
        }
        match value {
            Value::Object(inner) if depth < DEPTH_MAX => {
                for (key, value) in inner {
                    let key = cut(key, NAME_BYTES_MAX);
                    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    self.take(&path, value, depth + 1, received);
                }
            }
            // The first of a list, as of every list.
            Value::Array(list) => {
                if let Some(first) = list.first().filter(|_| depth < DEPTH_MAX) {
                    self.take(path, first, depth + 1, received);
                }
            }
            Value::Object(_) => {}
            // A missing value is a fault of its stream, any other field is only not there.
            Value::Null if !path.eq_ignore_ascii_case("value") => {}
            Value::Null => self.numbers.push((path.to_owned(), "null".to_owned())),
            Value::Bool(value) => self.numbers.push((path.to_owned(), u8::from(*value).to_string())),
            Value::Number(number) => {
                let is_time = number.as_f64().is_some_and(|number| is_epoch(number, received));
                if is_time && is_own_time(path) {
                    self.words.push((path.to_owned(), number.to_string()));
                } else if !is_time || !is_of_time(path) {
                    self.numbers.push((path.to_owned(), number.to_string()));
                }
            }
            Value::String(text) => self.take_text(path, text, received),
        }
    }

    fn take_text(&mut self, path: &str, text: &str, received: EventTime) {
        let last = path.rsplit('.').next().unwrap_or(path);
        let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(last));
        if is_own_time(path) && is_in_another_zone(text, received) {
            return;
        }
        if let Some(state) = state(text).filter(|_| !is_word) {
            return self.numbers.push((path.to_owned(), state.to_string()));
        }
        let field = (path.to_owned(), quoted(cut(text, FIELD_BYTES_MAX)));
        if !is_word && !is_own_time(path) && measured(text).is_some() {
            self.numbers.push(field);
        } else {
            self.words.push(field);
        }
    }
}

fn is_own_time(path: &str) -> bool {
    TIMES.iter().any(|name| name.eq_ignore_ascii_case(path))
}

/// Whether a number of this name may be a time: `last_seen`, `minute_ts`, `updated_at`.
fn is_of_time(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
    ["time", "ts", "date", "seen", "updated", "epoch", "_at"].iter().any(|part| last.contains(part))
}

/// Whether a number is a time in seconds, milli-, micro- or nanoseconds.
fn is_epoch(number: f64, received: EventTime) -> bool {
    let now_s = received.seconds_since(EventTime::from_micros(0));
    [1.0, 1e3, 1e6, 1e9].iter().any(|parts| (number / parts - now_s).abs() < YEARS_S)
}

/// Whether a time that names no zone is the one at which it came, on a clock of another zone: devices tell the time of
/// the day as their owner reads it.
fn is_in_another_zone(text: &str, received: EventTime) -> bool {
    let Some(time) = EventTime::parse(&format!("{}Z", text.trim().replace(' ', "T"))) else { return false };
    let apart_s = time.seconds_since(received);
    let quarters = (apart_s / QUARTER_S).round();
    quarters != 0.0 && apart_s.abs() <= ZONES_S && (apart_s - quarters * QUARTER_S).abs() <= CLOCK_OFF_S
}

#[cfg(test)]
mod tests;
