//! One JSON object as a sequence of named values. Keeps what comes before a break; knows no field's meaning.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::Scalar;

/// Objects inside objects are read this deep; below, loggers keep context that nobody maps.
const DEPTH_MAX: usize = 3;

/// How much of a text was a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// It begins like one and is malformed, broken off or followed by something.
    Part,
    /// It does not begin like one.
    Nothing,
}

/// A value as far as a log line needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JsonValue<'a> {
    Scalar(Scalar<'a>),
    /// An array of numbers below 256, as journald writes text that is not UTF-8.
    Bytes(Vec<u8>),
}

/// Gives each field of the object `text` to `take`; nested ones as `outer.inner`, of a list its first entry.
pub(crate) fn object<'a>(text: &'a str, take: &mut dyn FnMut(Cow<'a, str>, JsonValue<'a>)) -> Extent {
    if !text.trim_start().starts_with('{') {
        return Extent::Nothing;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Object { path: None, depth: 0, take }.deserialize(&mut json);
    if read.is_ok() && json.end().is_ok() { Extent::Whole } else { Extent::Part }
}

/// Reads one object's fields; any other value goes to `take` under `path`.
struct Object<'s, 'a> {
    path: Option<Cow<'a, str>>,
    depth: usize,
    take: &'s mut dyn FnMut(Cow<'a, str>, JsonValue<'a>),
}

impl<'a> Object<'_, 'a> {
    fn give<E>(self, value: Scalar<'a>) -> Result<(), E> {
        if let Some(path) = self.path {
            (self.take)(path, JsonValue::Scalar(value));
        }
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(JsonText(key)) = map.next_key_seed(TextSeed)? {
            if self.depth == DEPTH_MAX {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let path = match &self.path {
                Some(outer) => Cow::Owned(format!("{outer}.{key}")),
                None => key,
            };
            map.next_value_seed(Object { path: Some(path), depth: self.depth + 1, take: &mut *self.take })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        let value = first_entry(&mut list)?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        if let (Some(path), Some(value)) = (self.path, value) {
            (self.take)(path, value);
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.give(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.give(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.give(Scalar::Integer(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond i64 only the size matters")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.give(i64::try_from(value).map_or(Scalar::Number(value as f64), Scalar::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.give(Scalar::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<(), E> {
        self.give(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.give(Scalar::Text(Cow::Owned(value.to_owned())))
    }
}

/// All of a list of bytes, else the first entry of a list (journald repeats a field that way).
fn first_entry<'a, A: SeqAccess<'a>>(list: &mut A) -> Result<Option<JsonValue<'a>>, A::Error> {
    let first = next_entry(list)?.flatten();
    let Some(first_byte) = first.as_ref().and_then(byte) else {
        return Ok(first);
    };
    let mut bytes = vec![first_byte];
    while let Some(entry) = next_entry(list)? {
        match entry.as_ref().and_then(byte) {
            Some(byte) => bytes.push(byte),
            None => return Ok(first),
        }
    }
    Ok(Some(JsonValue::Bytes(bytes)))
}

/// `Some(None)` is an entry without a value of its own, such as an object.
fn next_entry<'a, A: SeqAccess<'a>>(list: &mut A) -> Result<Option<Option<JsonValue<'a>>>, A::Error> {
    let mut entry = None;
    let mut keep = |_, value| entry = Some(value);
    let seed = Object { path: Some(Cow::Borrowed("")), depth: DEPTH_MAX, take: &mut keep };
    let read = list.next_element_seed(seed)?;
    Ok(read.map(|()| entry))
}

fn byte(value: &JsonValue<'_>) -> Option<u8> {
    match value {
        JsonValue::Scalar(Scalar::Integer(number)) => u8::try_from(*number).ok(),
        _ => None,
    }
}

struct JsonText<'a>(Cow<'a, str>);
struct TextSeed;

impl<'a> DeserializeSeed<'a> for TextSeed {
    type Value = JsonText<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<JsonText<'a>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for TextSeed {
    type Value = JsonText<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<JsonText<'a>, E> {
        Ok(JsonText(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonText<'a>, E> {
        Ok(JsonText(Cow::Owned(text.to_owned())))
    }
}
