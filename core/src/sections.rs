//! A stored value that can grow: parts in postcard, each with a tag and a length, so that a reader takes those it knows
//! and leaves the others.
//!
//! ```text
//!  1  version, 1
//!     then for each part
//!  1  tag; a tag once given keeps its meaning, a part that changes gets another one
//!  4  bytes of the part, little endian
//!  n  the part in postcard, read to its last byte
//! ```

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

/// Version of the layout above.
pub const SECTIONS_VERSION: u8 = 1;
const LENGTH: usize = 4;

/// Writes a value part by part.
#[derive(Debug, Clone)]
pub struct SectionWriter(Vec<u8>);

impl Default for SectionWriter {
    fn default() -> Self {
        Self(vec![SECTIONS_VERSION])
    }
}

impl SectionWriter {
    /// Appends a part.
    pub fn add<T: Serialize + ?Sized>(&mut self, tag: u8, part: &T) {
        self.0.push(tag);
        let at = self.0.len();
        self.0.extend([0; LENGTH]);
        let bytes = core::mem::take(&mut self.0);
        self.0 = postcard::to_extend(part, bytes).expect("what has a length can always be written to a growing buffer");
        let length = u32::try_from(self.0.len() - at - LENGTH).expect("state is bounded far below 4 GiB");
        self.0[at..at + LENGTH].copy_from_slice(&length.to_le_bytes());
    }

    /// The bytes of all parts.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// The parts of a value, not looked into yet.
#[derive(Debug, Clone)]
pub struct Sections<'a>(BTreeMap<u8, &'a [u8]>);

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// Another layout.
    #[error("it has layout {0}, this program reads {SECTIONS_VERSION}")]
    Version(u8),
    /// It ends in the middle of a part, or before the first.
    #[error("it is cut")]
    Cut,
    /// A tag that is there twice.
    #[error("its part {0} is there twice")]
    Twice(u8),
    /// A part that must be there.
    #[error("its part {0} is missing: another version of this program wrote it")]
    Missing(u8),
    /// A part that is something else.
    #[error("its part {tag} cannot be read: {reason}")]
    Part {
        /// Which one.
        tag: u8,
        /// Why.
        reason: String,
    },
}

impl<'a> Sections<'a> {
    /// Cuts a value into its parts.
    ///
    /// # Errors
    /// When the bytes do not fall into parts.
    pub fn split(bytes: &'a [u8]) -> Result<Self, SectionError> {
        let (version, mut rest) = bytes.split_first().ok_or(SectionError::Cut)?;
        if *version != SECTIONS_VERSION {
            return Err(SectionError::Version(*version));
        }
        let mut parts = BTreeMap::new();
        while let Some((tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<LENGTH>().ok_or(SectionError::Cut)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| SectionError::Cut)?;
            let (part, after) = after.split_at_checked(length).ok_or(SectionError::Cut)?;
            if parts.insert(*tag, part).is_some() {
                return Err(SectionError::Twice(*tag));
            }
            rest = after;
        }
        Ok(Self(parts))
    }

    /// A part that came later than the others; `None` where an older program wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn find<T: DeserializeOwned>(&self, tag: u8) -> Result<Option<T>, SectionError> {
        let Some(bytes) = self.0.get(&tag) else { return Ok(None) };
        let wrong = |reason| SectionError::Part { tag, reason };
        match postcard::take_from_bytes(bytes) {
            Ok((part, [])) => Ok(Some(part)),
            Ok((_, rest)) => Err(wrong(format!("{} bytes too many", rest.len()))),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// A part without which there is no value.
    ///
    /// # Errors
    /// When it is not there, or something else.
    pub fn need<T: DeserializeOwned>(&self, tag: u8) -> Result<T, SectionError> {
        self.find(tag)?.ok_or(SectionError::Missing(tag))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = SectionWriter::default();
        writer.add(1, &("name", 300_u32));
        writer.add(9, &Some(7_u8));
        writer.finish()
    }

    #[test]
    fn the_bytes_are_those_of_the_drawing() {
        assert_eq!(written(), b"\x01\x01\x07\0\0\0\x04name\xac\x02\x09\x02\0\0\0\x01\x07");
        let bytes = written();
        let sections = Sections::split(&bytes).unwrap();
        assert_eq!(sections.need::<(String, u32)>(1), Ok(("name".to_owned(), 300)));
        assert_eq!(sections.find::<Option<u8>>(9), Ok(Some(Some(7))));
    }

    #[test]
    fn parts_come_and_go() {
        let newer = [written(), b"\x0a\x03\0\0\0abc".to_vec()].concat();
        let sections = Sections::split(&newer).unwrap();
        assert_eq!(sections.need::<(String, u32)>(1).unwrap().1, 300, "a part that nobody knows is left");
        assert_eq!(sections.find::<u8>(2), Ok(None));
        assert_eq!(sections.need::<u8>(2), Err(SectionError::Missing(2)));
        assert!(matches!(sections.need::<u8>(9), Err(SectionError::Part { tag: 9, .. })));
        let twice = [written(), written()[1..].to_vec()].concat();
        assert_eq!(Sections::split(&twice).unwrap_err(), SectionError::Twice(1));
        assert_eq!(Sections::split(&[2]).unwrap_err(), SectionError::Version(2));
        assert_eq!(Sections::split(&[]).unwrap_err(), SectionError::Cut);
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..64)) {
            if let Ok(sections) = Sections::split(&[&[SECTIONS_VERSION][..], &bytes].concat()) {
                let _: Result<Option<(String, u64)>, SectionError> = sections.find(1);
            }
        }
    }
}
