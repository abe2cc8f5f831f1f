//! How a file's bytes spell text: UTF-8, or UTF-16 in either byte order, told by a byte order mark or by where the zero
//! bytes stand. Lines are cut in the file's own bytes and decoded one by one, so that every offset stays an offset of
//! the file. Knows no files; decoding never fails.
//!
//! ```text
//!   first bytes -> TextEncoding::detect        once for each file, again after a restart: nothing is stored
//!   ... line, found with line_end() | 0a 00    at and offsets are those of the file; LF, CRLF and CR end lines
//!   raw line -> decode(), blank ends cut       what a parser reads, UTF-8 without the mark and CR
//! ```

use std::borrow::Cow;

/// As many of a file's first bytes are looked at; fewer are enough where the file has no more yet.
pub const DETECTED_BYTES: usize = 512;
/// Without a mark so many characters must agree: fewer bytes are no evidence of UTF-16.
const UNITS_MIN: usize = 4;

const MARK_UTF8: &[u8] = b"\xef\xbb\xbf";
const MARK_LITTLE: &[u8] = b"\xff\xfe";
const MARK_BIG: &[u8] = b"\xfe\xff";

/// The encoding of a file's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextEncoding {
    /// UTF-8, ASCII, and whatever else has bytes for characters: what is no UTF-8 in it is replaced and said.
    #[default]
    Utf8,
    /// UTF-16, the low byte first: what Windows writes.
    Utf16Little,
    /// UTF-16, the high byte first.
    Utf16Big,
}

/// Where a line's text ends, and the bytes of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineEnd {
    /// Bytes before it.
    pub at: usize,
    /// Its own: several carriage returns are one.
    pub bytes: usize,
}

impl TextEncoding {
    /// The encoding of the file that begins with `first`, at least [`DETECTED_BYTES`] of it or all there is. A file that
    /// is empty or has no more than three bytes may yet become another: ask again before its first line is taken.
    #[must_use]
    pub fn detect(first: &[u8]) -> Self {
        match first {
            [0xff, 0xfe, ..] => return Self::Utf16Little,
            [0xfe, 0xff, ..] => return Self::Utf16Big,
            _ => {}
        }
        let units = first[..first.len().min(DETECTED_BYTES)].chunks_exact(2);
        let total = units.len();
        let (mut little, mut big) = (0, 0);
        for unit in units {
            little += usize::from(is_plain(unit[0]) && unit[1] == 0);
            big += usize::from(unit[0] == 0 && is_plain(unit[1]));
        }
        // A log is times, levels and numbers whatever its language: half of it is ASCII. Text of single bytes has no
        // zero bytes between them, and a hole in a file has nothing else.
        match (little, big) {
            _ if total < UNITS_MIN => Self::Utf8,
            (little, big) if little * 2 >= total && big * 8 <= little => Self::Utf16Little,
            (little, big) if big * 2 >= total && little * 8 <= big => Self::Utf16Big,
            _ => Self::Utf8,
        }
    }

    /// Bytes of its smallest character: a line begins at a multiple of it, counted from the file's start.
    #[must_use]
    pub fn unit_bytes(self) -> usize {
        match self {
            Self::Utf8 => 1,
            Self::Utf16Little | Self::Utf16Big => 2,
        }
    }

    /// Where the character `end` (a line feed, or a carriage return in files that know no other line end) stands first at
    /// or after `from` in `bytes`, which begin where a line begins; it has [`TextEncoding::unit_bytes`].
    #[must_use]
    pub fn find(self, end: u8, bytes: &[u8], from: usize) -> Option<usize> {
        let from = from.min(bytes.len());
        let mut places = memchr::memchr_iter(end, &bytes[from..]).map(|at| from + at);
        match self {
            Self::Utf8 => places.next(),
            Self::Utf16Little => places.find(|&at| at % 2 == 0 && bytes.get(at + 1) == Some(&0)),
            Self::Utf16Big => places.find(|&at| at % 2 == 1 && bytes[at - 1] == 0).map(|at| at - 1),
        }
    }

    /// The first line end at or after `from` in `bytes`, which begin where a line begins. Programs that draw their progress,
    /// and files of old Macs, end lines with a carriage return alone; several of them are one end. Behind the last byte it
    /// is not known yet what a carriage return is: then, as without any, the error is where to look on.
    ///
    /// # Errors
    /// When no line ends yet.
    pub fn line_end(self, bytes: &[u8], from: usize) -> Result<LineEnd, usize> {
        let unit = self.unit_bytes();
        let found = match self {
            Self::Utf8 => memchr::memchr2(b'\n', b'\r', &bytes[from.min(bytes.len())..]).map(|at| from + at),
            Self::Utf16Little | Self::Utf16Big => {
                let feed = self.find(b'\n', bytes, from);
                self.find(b'\r', &bytes[..feed.unwrap_or(bytes.len())], from).or(feed)
            }
        };
        let Some(at) = found else { return Err((bytes.len() + 1).saturating_sub(unit)) };
        let mut after = at;
        while self.is_at(b'\r', bytes, after) {
            after += unit;
        }
        if self.is_at(b'\n', bytes, after) {
            return Ok(LineEnd { at, bytes: after + unit - at });
        }
        if after + unit > bytes.len() { Err(at) } else { Ok(LineEnd { at, bytes: after - at }) }
    }

    /// Whether a line ends with the character before the end of `bytes`, whatever comes next.
    #[must_use]
    pub fn ends_line(self, bytes: &[u8]) -> bool {
        let last = bytes.len().checked_sub(self.unit_bytes());
        last.is_some_and(|last| self.is_at(b'\n', bytes, last) || self.is_at(b'\r', bytes, last))
    }

    /// Whether `character` stands at `at`.
    #[must_use]
    pub fn is_at(self, character: u8, bytes: &[u8], at: usize) -> bool {
        match self {
            Self::Utf8 => bytes.get(at) == Some(&character),
            Self::Utf16Little => bytes.get(at..at + 2) == Some(&[character, 0]),
            Self::Utf16Big => bytes.get(at..at + 2) == Some(&[0, character]),
        }
    }

    /// The text of the raw bytes of a line as UTF-8, without a byte order mark; borrowed where it is UTF-8 already. What
    /// is no character becomes U+FFFD, as does half of one at a cut.
    #[must_use]
    pub fn decode(self, raw: &[u8]) -> Cow<'_, [u8]> {
        let (mark, unit): (_, fn([u8; 2]) -> u16) = match self {
            Self::Utf8 => return Cow::Borrowed(raw.strip_prefix(MARK_UTF8).unwrap_or(raw)),
            Self::Utf16Little => (MARK_LITTLE, u16::from_le_bytes),
            Self::Utf16Big => (MARK_BIG, u16::from_be_bytes),
        };
        let raw = raw.strip_prefix(mark).unwrap_or(raw);
        let mut text = String::with_capacity(raw.len() / 2 + 8);
        let units = raw.chunks_exact(2);
        let is_cut = !units.remainder().is_empty();
        text.extend(
            char::decode_utf16(units.map(|pair| unit([pair[0], pair[1]])))
                .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)),
        );
        if is_cut {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Cow::Owned(text.into_bytes())
    }

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Little => "UTF-16, little endian",
            Self::Utf16Big => "UTF-16, big endian",
        }
    }
}

/// A character of ASCII as it stands in logs.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    /// The lines of a file, as a reader cuts and decodes them.
    fn lines(bytes: &[u8]) -> (TextEncoding, Vec<String>) {
        let encoding = TextEncoding::detect(bytes);
        let (mut lines, mut start) = (Vec::new(), 0);
        while start < bytes.len() {
            let end = encoding.find(b'\n', &bytes[start..], 0).map_or(bytes.len(), |at| start + at);
            lines.push(String::from_utf8(encoding.decode(&bytes[start..end]).into_owned()).unwrap());
            start = end + encoding.unit_bytes();
        }
        (encoding, lines)
    }

    const TEXT: &str = "2026-01-05 00:00:00 Gerät getrennt\r\n2026-01-05 00:00:01 \u{10a0a}\u{0a00}\u{000a}end 🌡";

    #[test]
    fn a_mark_tells_the_encoding() {
        let expected: Vec<String> = TEXT.split('\n').map(str::to_owned).collect();
        let marked = format!("\u{feff}{TEXT}");
        for (bytes, encoding) in [
            (marked.clone().into_bytes(), TextEncoding::Utf8),
            (little(&marked), TextEncoding::Utf16Little),
            (big(&marked), TextEncoding::Utf16Big),
        ] {
            assert_eq!(lines(&bytes), (encoding, expected.clone()));
        }
    }

    #[test]
    fn zero_bytes_tell_it_where_there_is_no_mark() {
        assert_eq!(lines(&little(TEXT)).0, TextEncoding::Utf16Little);
        assert_eq!(lines(&big(TEXT)).0, TextEncoding::Utf16Big);
        assert_eq!(lines(&little("2026-01-05 10:00:00 [ошибка] диск заполнен\n")).0, TextEncoding::Utf16Little);
        assert_eq!(lines(TEXT.as_bytes()).0, TextEncoding::Utf8);
    }

    #[test]
    fn other_bytes_are_no_utf_16() {
        for bytes in [
            &b""[..],
            b"a",
            b"a\0",
            b"a\0b\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0late text\n",
            b"caf\xe9 ferm\xe9\n",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            b"words with one \0 byte\n",
        ] {
            assert_eq!(TextEncoding::detect(bytes), TextEncoding::Utf8, "{bytes:?}");
        }
    }

    #[test]
    fn halves_are_replaced() {
        assert_eq!(&*TextEncoding::Utf16Little.decode(b"a\0\x3d\xd8b\0\x0c"), "a\u{fffd}b\u{fffd}".as_bytes());
        assert_eq!(TextEncoding::Utf8.decode(b"\xef\xbb\xbfa\xff"), Cow::Borrowed(b"a\xff"));
    }

    #[test]
    fn a_line_end_is_found_where_it_stands() {
        assert_eq!(TextEncoding::Utf16Big.find(b'\n', b"\0\x0a\0\x0a", 2), Some(2));
        assert_eq!(TextEncoding::Utf16Big.find(b'\n', b"\x0a\0\x0a\0\0\x0a", 0), Some(4));
        assert_eq!(TextEncoding::Utf16Little.find(b'\n', b"\0\x0a\0\x0a\0\0\x0a\0", 0), Some(6));
        assert_eq!(TextEncoding::Utf16Little.find(b'\r', b"a\0\r\0", 0), Some(2));
        assert_eq!(TextEncoding::Utf8.find(b'\n', b"ab\n", 4), None);
    }

    #[test]
    fn lines_end_with_a_feed_a_return_or_both() {
        let end = |at, bytes| Ok(LineEnd { at, bytes });
        for (text, expected) in [
            ("ab\ncd", end(2, 1)),
            ("ab\r\ncd", end(2, 2)),
            ("ab\r\r\ncd", end(2, 3)),
            ("ab\rcd\n", end(2, 1)),
            ("ab\r\rcd", end(2, 2)),
            ("ab\r", Err(2)),
            ("ab\r\r", Err(2)),
            ("ab", Err(2)),
            ("", Err(0)),
            ("\n", end(0, 1)),
        ] {
            assert_eq!(TextEncoding::Utf8.line_end(text.as_bytes(), 0), expected, "{text:?}");
            for (encoding, bytes) in [(TextEncoding::Utf16Little, little(text)), (TextEncoding::Utf16Big, big(text))] {
                let found = encoding.line_end(&bytes, 0).map(|end| LineEnd { at: end.at / 2, bytes: end.bytes / 2 });
                assert_eq!(found.map_err(|from| from.div_ceil(2)), expected, "{text:?}");
                assert_eq!(encoding.ends_line(&bytes), text.ends_with(['\n', '\r']), "{text:?}");
            }
        }
        assert_eq!(TextEncoding::Utf16Little.line_end(b"a\0\r\0b", 2), Err(2), "half of a character follows");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..64), from in 0_usize..70) {
            for encoding in [TextEncoding::detect(&bytes), TextEncoding::Utf16Little, TextEncoding::Utf16Big] {
                let _ = encoding.decode(&bytes);
                if let Ok(end) = encoding.line_end(&bytes, from - from % encoding.unit_bytes()) {
                    prop_assert!(end.at + end.bytes <= bytes.len() && end.at % encoding.unit_bytes() == 0);
                }
                if let Some(at) = encoding.find(b'\n', &bytes, from) {
                    prop_assert!(at + encoding.unit_bytes() <= bytes.len() && at % encoding.unit_bytes() == 0);
                }
            }
        }
    }
}
