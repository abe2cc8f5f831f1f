//! JSON lines: one object a line, its fields named by a [`Mapping`]. Refuses lines that do not begin with an object.

use std::borrow::Cow;

use super::{
    Context,
    access::json::JsonRequest,
    fields::CollectedFields,
    json::{self, Extent, JsonValue},
    mapping::Mapping,
    schemas::SchemaParts,
};
use crate::record::{Fault, Record};

/// Reads one line; `None` when it is no JSON object. What a broken object held before the break is kept.
pub(crate) fn parse<'a>(text: &'a str, mapping: &Mapping, context: &Context) -> Option<Record<'a>> {
    let record = parse_strictly(text, mapping, context)?;
    if record.fault == Some(Fault::Malformed)
        && let Some(quoted) = quote_not_finite(text)
        && let Some(record) = parse_strictly(&quoted, mapping, context)
        && record.fault != Some(Fault::Malformed)
    {
        return Some(record.into_owned());
    }
    Some(record)
}

/// The text with quotes around `NaN` and `Infinity`, which JSON has no words for and Python writes all the same; `None`
/// when there are none.
fn quote_not_finite(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut quoted = String::new();
    let (mut copied, mut at, mut is_text) = (0, 0, false);
    while at < bytes.len() {
        let word = match bytes[at] {
            b'\\' if is_text => {
                at += 2;
                continue;
            }
            b'"' => {
                is_text = !is_text;
                None
            }
            b'N' | b'I' | b'-' if !is_text => {
                ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()))
            }
            _ => None,
        };
        if let Some(word) = word {
            quoted.extend([&text[copied..at], "\"", word, "\""]);
            at += word.len();
            copied = at;
        } else {
            at += 1;
        }
    }
    (copied > 0).then(|| quoted + &text[copied..])
}

fn parse_strictly<'a>(text: &'a str, mapping: &Mapping, context: &Context) -> Option<Record<'a>> {
    let (mut fields, mut parts) = (CollectedFields::default(), SchemaParts::default());
    let mut request = JsonRequest::default();
    let extent = json::object(text, &mut |key, value| {
        if let JsonValue::Scalar(value) = value {
            request.note(&key, &value);
            let Some((key, value)) = parts.translate(key, value) else { return };
            fields.take(mapping, key, value);
        }
    });
    if extent == Extent::Nothing {
        return None;
    }
    let mut record = request.apply(parts.complete(fields.into_record(context)));
    if extent == Extent::Part {
        record.fault = Some(Fault::Malformed);
        record.message.get_or_insert(Cow::Borrowed(text));
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::Level, time::EventTime};

    fn read(text: &str) -> Record<'_> {
        parse(text, &Mapping::default(), &Context::default()).unwrap()
    }

    fn jan_5() -> Option<EventTime> {
        EventTime::parse("2026-01-05T00:00:00Z")
    }

    #[test]
    fn the_usual_names_are_known() {
        let record = read(
            r#"{"@timestamp":"2026-01-05T00:00:00Z","hostname":"db-1","service":"sql","severity":"WARN","msg":"slow \"query\"","took_ms":12.5,"rows":3,"pid":7,"ok":true}"#,
        );
        assert_eq!(record.time, jan_5());
        assert_eq!(record.server.as_deref(), Some("db-1"));
        assert_eq!(record.component.as_deref(), Some("sql"));
        assert_eq!(record.level, Some(Level::Warning));
        assert_eq!(record.message.as_deref(), Some("slow \"query\""));
        assert_eq!(record.numbers.to_vec(), [("took_ms".into(), 12.5), ("rows".into(), 3.0)]);
        assert_eq!((record.value, record.fault), (None, None));
    }

    #[test]
    fn metrics_and_nested_fields_are_read() {
        let record =
            read(r#"{"time":1767571200123,"host":{"name":"pi"},"metric":"cpu","value":"45.25","x":{"y":{"z":1}}}"#);
        assert_eq!(record.time, jan_5().map(|t| t.plus_seconds(0.123)));
        assert_eq!((record.server.as_deref(), record.component.as_deref()), (Some("pi"), Some("cpu")));
        assert_eq!(record.value, Some(45.25));
        assert_eq!(record.numbers.get("x.y.z"), Some(1.0));
        for ts in ["1767571200", "1767571200.0", "1767571200000000", "1767571200000000000", "\"1767571200\""] {
            assert_eq!(read(&format!("{{\"ts\":{ts}}}")).time, jan_5(), "{ts}");
        }
    }

    #[test]
    fn levels_are_numbers_too_or_stand_in_the_message() {
        assert_eq!(read(r#"{"level":3}"#).level, Some(Level::Error));
        assert_eq!(read(r#"{"level":50}"#).level, Some(Level::Error));
        assert_eq!(read(r#"{"log":"\u001b[31mERROR\u001b[0m x\n"}"#).level, Some(Level::Error));
        assert_eq!(read(r#"{"log":"\u001b[31mERROR\u001b[0m x"}"#).message.as_deref(), Some("ERROR x"));
    }

    #[test]
    fn an_own_mapping_replaces_the_usual_names() {
        let mapping =
            Mapping { value: vec!["temp".into()], component: vec!["b".into(), "a".into()], ..Mapping::default() };
        let record = parse(r#"{"a":"x","value":1,"temp":2,"b":"y"}"#, &mapping, &Context::default()).unwrap();
        assert_eq!(record.value, Some(2.0));
        assert_eq!(record.component.as_deref(), Some("y"));
        assert_eq!(record.numbers.get("value"), Some(1.0));
    }

    #[test]
    fn bad_lines_keep_what_can_be_read() {
        assert_eq!(read(r#"{"value":null}"#).fault, Some(Fault::Value));
        assert_eq!(read(r#"{"value":"NaN"}"#).fault, Some(Fault::NotFinite));
        assert_eq!(read(r#"{"ts":"noon","value":1}"#).fault, Some(Fault::Time));
        let cut = read(r#"{"ts":1767571200,"host":"a","msg":"brok"#);
        assert_eq!((cut.time, cut.fault), (jan_5(), Some(Fault::Malformed)));
        for text in [r#"{"took":1,"value":NaN}"#, r#"{"value":-Infinity,"msg":"NaN \" NaN"}"#, r#"{"value": Infinity}"#]
        {
            let record = read(text);
            assert_eq!((record.fault, record.value, record.numbers.len()), (Some(Fault::NotFinite), None, 0), "{text}");
        }
        assert_eq!(read(r#"{"took":NaN,"n":1}"#).numbers.to_vec(), [("n".into(), 1.0)]);
        assert_eq!(read(r#"{"value":NaN"#).fault, Some(Fault::Malformed));
        assert_eq!(read(r#"{"value":Nothing}"#).fault, Some(Fault::Malformed));
        assert_eq!(read(&format!("{{\"a\":{}", "[".repeat(40_000))).fault, Some(Fault::Malformed));
        assert_eq!(read(r#"{"a":[1,"x",{"b":2}],"value":3}"#).value, Some(3.0));
        assert!(parse("plain", &Mapping::default(), &Context::default()).is_none());
        let long: String = (0..20).map(|i| format!("\"n{i}\":{i},")).collect();
        assert_eq!(read(&format!("{{{long}\"value\":1}}")).numbers.len(), crate::record::NUMBERS_MAX);
    }

    #[test]
    fn a_number_is_the_same_as_in_a_table() {
        for text in ["0.1", "45.25", "1e-7", "123456.789012345678", "9007199254740993", "2.2250738585072011e-308"] {
            let value = read(&format!("{{\"value\":{text}}}")).value.unwrap();
            assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }
}
