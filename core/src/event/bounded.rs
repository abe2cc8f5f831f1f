//! Texts, lists and numbers that cannot be too long or not finite: checked when they are made and when they are read
//! back, so that a foreign message cannot hold what our own code could not have written.

use core::{fmt, marker::PhantomData, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct BoundedText<const MAX: usize>(String);

impl<const MAX: usize> BoundedText<MAX> {
    /// As much of `text` as fits, cut on a character boundary.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        Self(text[..text.floor_char_boundary(MAX)].to_owned())
    }
}

impl<const MAX: usize> Deref for BoundedText<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for BoundedText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> Serialize for BoundedText<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for BoundedText<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX {
            return Err(de::Error::custom(format_args!("a text of {} bytes where at most {MAX} may be", text.len())));
        }
        Ok(Self(text))
    }
}

/// At most `MAX` items.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Appends an item; gives it back when the list is full.
    ///
    /// # Errors
    /// The item, when there is no place.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.0.len() == MAX {
            return Err(item);
        }
        self.0.push(item);
        Ok(())
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// Takes the first `MAX` items; the rest is not looked at.
impl<T, const MAX: usize> FromIterator<T> for List<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items::<T, MAX>(PhantomData))
    }
}

struct Items<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for Items<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} items")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = List::default();
        while let Some(item) = items.next_element()? {
            list.push(item).map_err(|_| de::Error::custom(format_args!("more than {MAX} items")))?;
        }
        Ok(list)
    }
}

/// A number that is neither NaN nor infinite: JSON has no others, and comparing two events needs equality.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Finite<T>(T);

macro_rules! finite {
    ($float:ident) => {
        impl Finite<$float> {
            /// `None` for NaN and infinities.
            #[must_use]
            pub fn new(number: $float) -> Option<Self> {
                number.is_finite().then_some(Self(number))
            }

            /// The nearest finite number; 0 for NaN.
            #[must_use]
            pub fn nearest(number: $float) -> Self {
                Self(if number.is_nan() { 0.0 } else { number.clamp($float::MIN, $float::MAX) })
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> $float {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for Finite<$float> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = $float::deserialize(deserializer)?;
                Self::new(number).ok_or_else(|| de::Error::custom("a number that is not finite"))
            }
        }
    };
}

finite!(f32);
finite!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_when_made_and_refused_when_read() {
        assert_eq!(&*BoundedText::<4>::cut("abé€"), "abé");
        assert_eq!(&*BoundedText::<3>::cut("ab€"), "ab");
        assert!(serde_json::from_str::<BoundedText<3>>("\"abcd\"").is_err());
        assert!(postcard::from_bytes::<BoundedText<3>>(b"\x04abcd").is_err());
    }

    #[test]
    fn lists_hold_what_they_may() {
        let list: List<u8, 2> = [1, 2, 3].into_iter().collect();
        assert_eq!(&*list, [1, 2]);
        assert!(serde_json::from_str::<List<u8, 2>>("[1,2,3]").is_err());
        let endless = [255, 255, 255, 255, 15, 0, 0, 0];
        assert!(postcard::from_bytes::<List<u8, 2>>(&endless).is_err());
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(Finite::<f32>::new(f32::NAN), None);
        assert_eq!(Finite::<f64>::nearest(f64::INFINITY).get(), f64::MAX);
        assert_eq!(Finite::<f32>::nearest(f32::NAN).get(), 0.0);
        assert!(postcard::from_bytes::<Finite<f64>>(&f64::NAN.to_le_bytes()).is_err());
    }
}
