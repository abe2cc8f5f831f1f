//! Names and numbers that say who and which: fleet, agent, epoch, boot, model file. Parsed at the border; a value of
//! these types is well formed. Nothing here draws random numbers: they arrive as arguments.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of a fleet or agent name: a DNS label's ceiling, so that a host name's first label always fits.
pub const ID_BYTES_MAX: usize = 63;

/// The fleet of an agent for which none is named.
pub const DEFAULT_FLEET: &str = "default";

/// Why a text is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("the {what} is empty")]
    Empty {
        /// Which kind.
        what: &'static str,
    },
    /// Longer than [`ID_BYTES_MAX`].
    #[error("the {what} has {found} bytes, at most {ID_BYTES_MAX} are allowed")]
    TooLong {
        /// Which kind.
        what: &'static str,
        /// Its bytes.
        found: usize,
    },
    /// Something else than `a-z`, `0-9`, `-`.
    #[error("the {what} {text:?} contains {found:?}: only a-z, 0-9 and - are allowed")]
    Character {
        /// Which kind.
        what: &'static str,
        /// The text.
        text: String,
        /// The first character that does not belong.
        found: char,
    },
    /// No decimal number below 2^63.
    #[error("{found:?} is no epoch: a number from 0 to 9223372036854775807 is expected")]
    Epoch {
        /// The text.
        found: String,
    },
    /// Not as many lowercase hexadecimal digits as needed.
    #[error("{found:?} is no {what}: {digits} lowercase hexadecimal digits are expected")]
    Hex {
        /// Which kind.
        what: &'static str,
        /// Digits expected.
        digits: usize,
        /// The text, cut.
        found: String,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check_name($what, text).map(|()| Self(text.to_owned()))
            }
        }

        as_text!($type, $what);
    };
}

/// Display, and serde as text, for what has `as_str` or its own writer; reading goes through `FromStr`.
macro_rules! as_text {
    ($type:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

name! {
    /// Name of a fleet: agents that share models.
    FleetName, "fleet name"
}

name! {
    /// Name of an agent, unique in its fleet; the CN of its certificate.
    AgentName, "agent name"
}

fn check_name(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong { what, found: text.len() });
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        Some(found) => Err(IdError::Character { what, text: text.to_owned(), found }),
        None => Ok(()),
    }
}

/// Which life of an agent's state file a sequence belongs to: 63 random bits drawn when the file is created. Text in
/// JSON, where numbers of this size lose digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The largest epoch; it fits a database's signed 64-bit integer.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// From random bits; the topmost is not used.
    #[must_use]
    pub const fn from_random(bits: u64) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// From a number read back; `None` at and above 2^63.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // Not `u64::from_str` alone: it takes a leading plus sign.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.and_then(Self::new).ok_or_else(|| IdError::Epoch { found: start_of(text) })
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        let number = u64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| de::Error::custom(IdError::Epoch { found: number.to_string() }))
    }
}

/// Bytes as lowercase hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes shown as lowercase hexadecimal digits; raw in postcard.
macro_rules! hex {
    ($(#[$doc:meta])* $type:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(pub [u8; $bytes]);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $bytes];
                if read_hex(text, &mut bytes) {
                    return Ok(Self(bytes));
                }
                Err(IdError::Hex { what: $what, digits: 2 * $bytes, found: start_of(text) })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
                }
                <[u8; $bytes]>::deserialize(deserializer).map(Self)
            }
        }
    };
}

hex! {
    /// The kernel's random id of one boot: together with monotonic time it orders events of a machine whose wall clock
    /// jumps.
    BootId, 16, "boot id"
}

hex! {
    /// SHA-256 of a model file's bytes: its name everywhere.
    ModelHash, 32, "SHA-256"
}

fn read_hex(text: &str, bytes: &mut [u8]) -> bool {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * bytes.len() {
        return false;
    }
    bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)).all(|(byte, pair)| match (digit(pair[0]), digit(pair[1])) {
        (Some(high), Some(low)) => {
            *byte = 16 * high + low;
            true
        }
        _ => false,
    })
}

/// Foreign text as an error shows it.
fn start_of(text: &str) -> String {
    text[..text.floor_char_boundary(80)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_labels() {
        for good in ["a", "web-1", "0", &"x".repeat(63)] {
            assert_eq!(good.parse::<AgentName>().unwrap().as_str(), good);
        }
        let refusal = |text: &str| text.parse::<AgentName>().unwrap_err().to_string();
        assert_eq!(refusal(""), "the agent name is empty");
        assert_eq!(refusal(&"x".repeat(64)), "the agent name has 64 bytes, at most 63 are allowed");
        assert_eq!(refusal("web_1"), "the agent name \"web_1\" contains '_': only a-z, 0-9 and - are allowed");
        for bad in ["Web", "a/b", "+", "#", "a b", "é"] {
            assert!(matches!(bad.parse::<FleetName>(), Err(IdError::Character { .. })), "{bad}");
        }
        assert!(serde_json::from_str::<FleetName>("\"a/b\"").is_err());
    }

    #[test]
    fn an_epoch_is_text_in_json_and_has_63_bits() {
        assert_eq!(Epoch::from_random(u64::MAX), Epoch::MAX);
        assert_eq!(serde_json::to_string(&Epoch::MAX).unwrap(), "\"9223372036854775807\"");
        assert_eq!(serde_json::from_str::<Epoch>("\"17\"").unwrap(), Epoch(17));
        for bad in ["\"9223372036854775808\"", "\"+1\"", "\"\"", "\"-1\"", "1"] {
            assert!(serde_json::from_str::<Epoch>(bad).is_err(), "{bad}");
        }
        assert!(postcard::from_bytes::<Epoch>(&postcard::to_stdvec(&u64::MAX).unwrap()).is_err());
    }

    #[test]
    fn hashes_are_64_lowercase_digits() {
        let hash = ModelHash(core::array::from_fn(|i| i as u8 * 8));
        let text = hash.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse(), Ok(hash));
        for bad in [&text[1..], &text.to_uppercase(), "", &"é".repeat(32)] {
            assert!(bad.parse::<ModelHash>().is_err(), "{bad}");
        }
        assert_eq!(postcard::to_stdvec(&hash).unwrap(), hash.0);
    }
}
