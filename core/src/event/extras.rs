//! What an event says beyond its fields: names with JSON values. This is how an event gains a field: a program that does
//! not know a name keeps it, stores it and shows it. Values are JSON text, not bytes, so that a reader who has never heard
//! of a name can still print it and a database can be asked for it.
//!
//! ```text
//!  postcard  varint n, then n times: name, value (each a length and its text), names ascending
//!  JSON      {"severity":"critical","vector":[0.1,-2.5]}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use serde_json::Value;

use super::{BoundedText, List};

/// Extras of one event.
pub const EXTRAS_MAX: usize = 16;
/// Bytes of a name.
pub const EXTRA_NAME_BYTES_MAX: usize = 32;
/// Bytes of all names and values together: the vector of a wide view as text, and what else fits beside an episode.
pub const EXTRAS_BYTES_MAX: usize = 1_536;
/// Bytes of the two lengths before a name and a value.
const LENGTHS: usize = 3;

type ExtraName = BoundedText<EXTRA_NAME_BYTES_MAX>;
type Pairs = List<(ExtraName, BoundedText<EXTRAS_BYTES_MAX>), EXTRAS_MAX>;

/// Names with JSON values, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras(BTreeMap<ExtraName, String>);

/// Why an extra has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtrasError {
    /// Empty, or longer than [`EXTRA_NAME_BYTES_MAX`].
    #[error("the name of an extra has 1 to {EXTRA_NAME_BYTES_MAX} bytes")]
    Name,
    /// More than [`EXTRAS_MAX`], or larger together than [`EXTRAS_BYTES_MAX`].
    #[error("an event has at most {EXTRAS_MAX} extras of {EXTRAS_BYTES_MAX} bytes together")]
    Full,
    /// A value that JSON does not have.
    #[error("the value of an extra is no JSON")]
    Value,
}

impl Extras {
    /// Sets an extra.
    ///
    /// # Errors
    /// When it does not fit; the others are as they were.
    pub fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ExtrasError> {
        let text = serde_json::to_string(value).map_err(|_| ExtrasError::Value)?;
        // Twice, so that the text is the same after a way through JSON.
        let value = json(&text).map_err(|_| ExtrasError::Value)?;
        self.set_text(name, value.to_string())
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let text = self.0.get(&ExtraName::cut(name)).filter(|_| name.len() <= EXTRA_NAME_BYTES_MAX)?;
        Some(json(text).expect("checked when it was set"))
    }

    /// Names with the text of their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One JSON object of all of them.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text keys and JSON values can always be written")
    }

    fn set_text(&mut self, name: &str, value: String) -> Result<(), ExtrasError> {
        if name.is_empty() || name.len() > EXTRA_NAME_BYTES_MAX {
            return Err(ExtrasError::Name);
        }
        let others = self.0.iter().filter(|(other, _)| &***other != name);
        let (count, bytes) =
            others.fold((1, size(name, &value)), |(count, bytes), (n, v)| (count + 1, bytes + size(n, v)));
        if count > EXTRAS_MAX || bytes > EXTRAS_BYTES_MAX {
            return Err(ExtrasError::Full);
        }
        self.0.insert(ExtraName::cut(name), value);
        Ok(())
    }
}

fn size(name: &str, value: &str) -> usize {
    name.len() + value.len() + LENGTHS
}

/// Parsed whole: what is too deep for a reader later is refused now.
fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl Serialize for Extras {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let pairs: Vec<(&str, &str)> = self.iter().collect();
            return pairs.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &json(value).expect("checked when it was set"))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Extras {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut extras = Self::default();
        if deserializer.is_human_readable() {
            for (name, value) in BTreeMap::<String, Value>::deserialize(deserializer)? {
                extras.set(&name, &value).map_err(de::Error::custom)?;
            }
            return Ok(extras);
        }
        let mut last = String::new();
        for (name, value) in Pairs::deserialize(deserializer)?.iter() {
            if **name <= *last {
                return Err(de::Error::custom("extras are not sorted or named twice"));
            }
            json(value).map_err(|e| de::Error::custom(format_args!("extra {name:?} is no JSON: {e}")))?;
            extras.set_text(name, value.to_string()).map_err(de::Error::custom)?;
            last = name.to_string();
        }
        Ok(extras)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_sizes_are_bounded() {
        let mut extras = Extras::default();
        assert_eq!(extras.set("", &json!(1)), Err(ExtrasError::Name));
        assert_eq!(extras.set(&"n".repeat(EXTRA_NAME_BYTES_MAX + 1), &json!(1)), Err(ExtrasError::Name));
        let long = |bytes: usize| json!("x".repeat(bytes - 2 - LENGTHS - 1));
        assert_eq!(extras.set("a", &long(EXTRAS_BYTES_MAX + 1)), Err(ExtrasError::Full));
        extras.set("a", &long(EXTRAS_BYTES_MAX)).unwrap();
        assert_eq!(extras.set("b", &json!(1)), Err(ExtrasError::Full));
        extras.set("a", &json!(1)).unwrap();
        for i in 1..EXTRAS_MAX {
            extras.set(&format!("n{i:02}"), &json!(i)).unwrap();
        }
        assert_eq!(extras.set("one more", &json!(1)), Err(ExtrasError::Full));
        assert_eq!(extras.get("n07"), Some(json!(7)));
        assert_eq!(extras.get("n"), None);
    }

    #[test]
    fn foreign_pairs_are_checked() {
        let read = |pairs: &[(&str, &str)]| postcard::from_bytes::<Extras>(&postcard::to_stdvec(pairs).unwrap()[..]);
        let bytes = |pairs: Vec<(&str, &str)>| postcard::from_bytes::<Extras>(&postcard::to_stdvec(&pairs).unwrap());
        assert!(read(&[]).is_ok());
        assert_eq!(bytes(vec![("a", "1"), ("b", "{\"c\":[]}")]).unwrap().to_json(), r#"{"a":1,"b":{"c":[]}}"#);
        let deep = "[".repeat(500) + &"]".repeat(500);
        for wrong in [
            vec![("b", "1"), ("a", "1")],
            vec![("a", "1"), ("a", "1")],
            vec![("", "1")],
            vec![("a", "")],
            vec![("a", "nan")],
            vec![("a", "1 2")],
            vec![("a", deep.as_str())],
        ] {
            assert!(bytes(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
