//! What are the lines: bounded lines out of bytes that arrive in pieces, and the offset after each. A line of any
//! length costs [`LINE_BYTES_MAX`] of memory at most. Knows no files; refuses no bytes.
//!
//! ```text
//!   ... taken | next line | \n | more ...
//!             ^ offset(): the next byte not yet taken
//!
//!   ... taken without its end | the rest of it, which is no line | \n | next line | \n
//! ```

use std::io;

use oddline_core::{
    encoding::{LineEnd, TextEncoding},
    limits::LINE_BYTES_MAX,
    time::EventTime,
};

/// Bytes asked for at once: few system calls on a backlog, little memory where nothing happens.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// Taken bytes that stay readable, to recognise the place again.
pub(super) const BEFORE_BYTES_MAX: usize = 64;

/// What some editors put before the first line.
const MARK_UTF8: &[u8] = b"\xef\xbb\xbf";

/// One line without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLine<'a> {
    /// The line without LF, CRLF or CR, of UTF-16 as UTF-8, without a byte order mark. Not necessarily UTF-8 otherwise.
    pub bytes: &'a [u8],
    /// Its number in its file (journal, standard input), from 1.
    pub number: u64,
    /// Where it begins in its file.
    pub offset: u64,
    /// It was longer than the bound ([`LINE_BYTES_MAX`], in a file) and its rest was skipped.
    pub cut: bool,
    /// Its file was last written at this time, as far as that is known: no line of it is newer.
    pub modified: Option<EventTime>,
}

/// Lines under way. Bytes go in with [`Lines::fill`], a line is taken with [`Lines::advance`].
#[derive(Debug)]
pub struct Lines {
    bytes_max: usize,
    buffer: Vec<u8>,
    /// Where the bytes begin that are contiguous in the file up to `start`.
    floor: usize,
    /// Where the taken line lies in `buffer`.
    taken: std::ops::Range<usize>,
    taken_offset: u64,
    cut: bool,
    /// Where the line under way begins in `buffer`.
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    /// Bytes of the line under way that were dropped: beyond the bound, or NUL bytes before it.
    dropped: u64,
    too_long: bool,
    /// The line before was taken without its end: what comes up to it is the rest of that line.
    is_rest: bool,
    encoding: TextEncoding,
    /// The taken line, where it is spelt in another way than in the file.
    decoded: Vec<u8>,
    offset: u64,
    number: u64,
}

/// What was left behind the last line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLine {
    Nothing,
    /// It was taken as a line.
    Taken,
    /// The rest of a line that was taken before: bytes of it, passed over.
    Rest(u64),
}

impl Lines {
    /// Goes on at `offset`, after `number` lines.
    #[must_use]
    pub fn at(offset: u64, number: u64) -> Self {
        Self { offset, number, ..Self::bounded(LINE_BYTES_MAX) }
    }

    /// From the start, with another bound.
    #[must_use]
    pub fn bounded(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            buffer: Vec::new(),
            floor: 0,
            taken: 0..0,
            taken_offset: 0,
            cut: false,
            start: 0,
            searched: 0,
            dropped: 0,
            too_long: false,
            is_rest: false,
            encoding: TextEncoding::Utf8,
            decoded: Vec::new(),
            offset: 0,
            number: 0,
        }
    }

    /// The offset lies within a line that was taken without its end.
    #[must_use]
    pub fn within_line(self) -> Self {
        Self { is_rest: true, ..self }
    }

    /// Of a file that spells text in this way.
    #[must_use]
    pub fn encoded(self, encoding: TextEncoding) -> Self {
        Self { encoding, ..self }
    }

    /// Before anything is taken.
    pub fn set_encoding(&mut self, encoding: TextEncoding) {
        if self.encoding != encoding {
            (self.encoding, self.searched) = (encoding, self.start);
        }
    }

    /// The first byte not yet taken.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The first byte not yet read: `offset` and what has been read of lines not yet taken.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.dropped + (self.buffer.len() - self.start) as u64
    }

    /// The last bytes taken, at most [`BEFORE_BYTES_MAX`]; fewer, or none, where they were not kept.
    pub(super) fn before(&self) -> &[u8] {
        &self.buffer[self.floor.max(self.start.saturating_sub(BEFORE_BYTES_MAX))..self.start]
    }

    /// Reads once. 0 means that there was nothing to read. Call it when [`Lines::advance`] found no line.
    ///
    /// # Errors
    /// When `read` fails.
    pub fn fill(&mut self, mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<usize> {
        self.compact();
        self.skip_hole();
        self.bound();
        let end = self.end();
        let old = self.buffer.len();
        self.buffer.resize(old + READ_BYTES, 0);
        let result = read(&mut self.buffer[old..], end);
        self.buffer.truncate(old + result.as_ref().map_or(0, |n| *n));
        self.skip_hole();
        result
    }

    /// Takes the next complete line, if there is one: [`Lines::line`] then shows it.
    pub fn advance(&mut self) -> bool {
        let Some(end) = self.find_end() else { return false };
        self.take(end.at, end.bytes);
        true
    }

    /// Where the line under way ends, if its end was read.
    fn find_end(&mut self) -> Option<LineEnd> {
        match self.encoding.line_end(&self.buffer[self.start..], self.searched - self.start) {
            Ok(LineEnd { at, bytes }) => Some(LineEnd { at: self.start + at, bytes }),
            Err(from) => {
                self.searched = self.start + from;
                None
            }
        }
    }

    /// The bytes of the line under way, and those of carriage returns behind it.
    fn last_end(&self) -> LineEnd {
        let mut end = self.buffer.len();
        while end > self.start
            && self.encoding.is_at(b'\r', &self.buffer, end.saturating_sub(self.encoding.unit_bytes()))
        {
            end -= self.encoding.unit_bytes();
        }
        LineEnd { at: end, bytes: self.buffer.len() - end }
    }

    /// Takes what is left as the last line of a file that nobody will write to again, or seems not to. What comes all
    /// the same up to a line end is its rest.
    pub fn advance_last(&mut self) -> LastLine {
        if !self.has_part() {
            return LastLine::Nothing;
        }
        let LineEnd { at, bytes } = self.last_end();
        if std::mem::replace(&mut self.is_rest, bytes == 0) {
            return LastLine::Rest(self.skip(at, bytes));
        }
        self.take(at, bytes);
        LastLine::Taken
    }

    /// Whether something was read of a line whose end was not. NUL bytes are no text.
    #[must_use]
    pub fn has_part(&self) -> bool {
        self.buffer.len() > self.start
    }

    /// Whether what comes next is the rest of a line that was taken before.
    #[must_use]
    pub fn is_rest(&self) -> bool {
        self.is_rest
    }

    /// Passes over the rest of a line that was taken without its end, once that has come: bytes of it.
    pub fn skip_rest(&mut self) -> Option<u64> {
        let end = self.find_end()?;
        self.is_rest = false;
        Some(self.skip(end.at, end.bytes))
    }

    /// Passes over what was read up to `end`; bytes of text in it.
    fn skip(&mut self, end: usize, line_end: usize) -> u64 {
        let number = self.number;
        let before = self.offset;
        self.take(end, line_end);
        self.number = number;
        self.offset - before - line_end as u64
    }

    #[must_use]
    pub fn line(&self, modified: Option<EventTime>) -> SourceLine<'_> {
        let bytes = match self.encoding {
            TextEncoding::Utf8 => &self.buffer[self.taken.clone()],
            TextEncoding::Utf16Little | TextEncoding::Utf16Big => &self.decoded,
        };
        SourceLine { bytes, number: self.number, offset: self.taken_offset, cut: self.cut, modified }
    }

    /// Gives memory back that an idle source does not need.
    pub fn rest(&mut self) {
        self.compact();
        self.buffer.shrink_to_fit();
    }

    fn take(&mut self, end: usize, line_end: usize) {
        let text = self.start..end;
        self.cut = self.too_long || text.len() > self.bytes_max;
        self.taken = text.start..text.end.min(text.start + self.bytes_max);
        if self.encoding != TextEncoding::Utf8 {
            self.decoded = self.encoding.decode(&self.buffer[self.taken.clone()]).into_owned();
        }
        if self.offset == 0 && self.buffer[self.taken.clone()].starts_with(MARK_UTF8) {
            self.taken.start += MARK_UTF8.len();
        }
        self.taken_offset = self.offset;
        self.offset += self.dropped + (text.len() + line_end) as u64;
        self.number += 1;
        self.start = end + line_end;
        self.searched = self.start;
        if self.dropped > 0 {
            self.floor = self.start;
        }
        self.dropped = 0;
        self.too_long = false;
    }

    /// Drops taken bytes except the last few.
    fn compact(&mut self) {
        let keep = self.start.saturating_sub(BEFORE_BYTES_MAX);
        self.buffer.drain(..keep);
        self.start -= keep;
        self.searched -= keep;
        self.floor = self.floor.saturating_sub(keep);
        self.taken = 0..0;
    }

    /// A file cut to nothing under a writer that keeps its offset grows a hole of NUL bytes; it is no text.
    fn skip_hole(&mut self) {
        let nuls = self.buffer[self.start..].iter().take_while(|b| **b == 0).count();
        // Half of a character is none.
        let nuls = nuls - nuls % self.encoding.unit_bytes();
        self.buffer.drain(self.start..self.start + nuls);
        self.searched = self.searched.max(self.start + nuls) - nuls;
        self.dropped += nuls as u64;
    }

    /// Of an endless line, keeps as much as will be shown.
    fn bound(&mut self) {
        let kept = self.start + self.bytes_max;
        if self.buffer.len() > kept {
            self.dropped += (self.buffer.len() - kept) as u64;
            self.buffer.truncate(kept);
            self.searched = kept;
            self.too_long = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `bytes`, read in pieces of `piece`; and after each the offset.
    fn lines(bytes: &[u8], piece: usize) -> Vec<(Vec<u8>, bool, u64)> {
        let mut lines = Lines::at(0, 0);
        let mut all = Vec::new();
        loop {
            while lines.advance() {
                let line = lines.line(None);
                all.push((line.bytes.to_vec(), line.cut, lines.offset()));
            }
            let read = lines.fill(|buffer, at| {
                let rest = &bytes[usize::try_from(at).unwrap()..];
                let n = rest.len().min(piece);
                buffer[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            });
            if read.unwrap() == 0 {
                break;
            }
        }
        if lines.advance_last() == LastLine::Taken {
            all.push((lines.line(None).bytes.to_vec(), lines.line(None).cut, lines.offset()));
        }
        assert_eq!(lines.end(), bytes.len() as u64);
        all
    }

    #[test]
    fn mixed_ends_and_a_missing_last_one() {
        for piece in [1, 3, 7, 1000] {
            let found = lines(b"one\r\na longer line\n\nlast", piece);
            let expected: [(&[u8], u64); 4] = [(b"one", 5), (b"a longer line", 19), (b"", 20), (b"last", 24)];
            assert!(found.iter().map(|(l, _, o)| (l.as_slice(), *o)).eq(expected), "{piece}: {found:?}");
        }
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line() {
        for piece in [1, 3, 7, 1000] {
            let found = lines(b"10%\r20%\rdone\r\nnext\r\rlast\r", piece);
            let expected: [(&[u8], u64); 5] = [(b"10%", 4), (b"20%", 8), (b"done", 14), (b"next", 20), (b"last", 25)];
            assert!(found.iter().map(|(l, _, o)| (l.as_slice(), *o)).eq(expected), "{piece}: {found:?}");
        }
        // What comes after one that was taken is another line.
        let mut lines = Lines::at(0, 0);
        let feed = |lines: &mut Lines, text: &str| {
            lines.fill(|buffer, _| io::Read::read(&mut text.as_bytes(), buffer)).unwrap();
        };
        feed(&mut lines, "10%\r");
        assert!(!lines.advance());
        assert_eq!((lines.advance_last(), lines.line(None).bytes), (LastLine::Taken, &b"10%"[..]));
        assert!(!lines.is_rest());
        feed(&mut lines, "20%\r30%");
        assert!(lines.advance() && lines.line(None).bytes == b"20%" && !lines.advance());
    }

    #[test]
    fn what_comes_after_a_line_was_taken_without_its_end_is_no_line() {
        for (rest, expected) in
            [("\n", Some(0)), ("\r\n", Some(0)), (" more\n", Some(5)), (" more\r\n", Some(5)), (" x", None)]
        {
            for number in [0, 1] {
                let mut lines = Lines::at(0, 0);
                let feed = |lines: &mut Lines, text: &str| {
                    lines.fill(|buffer, _| io::Read::read(&mut text.as_bytes(), buffer)).unwrap();
                };
                feed(&mut lines, "one\npart");
                assert!(lines.advance() && !lines.advance());
                assert_eq!((lines.advance_last(), lines.line(None).bytes), (LastLine::Taken, &b"part"[..]));
                assert_eq!(lines.advance_last(), LastLine::Nothing);
                // The same from a position.
                let mut lines = if number == 0 { lines } else { Lines::at(8, 2).within_line() };
                assert!(lines.is_rest());
                feed(&mut lines, rest);
                assert_eq!(lines.skip_rest(), expected, "{rest:?}");
                assert_eq!((lines.number(), lines.is_rest()), (2, expected.is_none()));
                if expected.is_none() {
                    assert_eq!((lines.advance_last(), lines.advance_last()), (LastLine::Rest(2), LastLine::Nothing));
                    continue;
                }
                feed(&mut lines, "two\n");
                assert!(lines.advance());
                assert_eq!(
                    (lines.line(None).bytes, lines.number(), lines.offset()),
                    (&b"two"[..], 3, 12 + rest.len() as u64)
                );
            }
        }
    }

    #[test]
    fn a_huge_line_is_cut_and_the_next_is_whole() {
        for extra in [0, 1, 100, 3 * READ_BYTES] {
            let mut bytes = vec![b'x'; LINE_BYTES_MAX + extra];
            bytes.extend_from_slice(b"\nnext\n");
            let found = lines(&bytes, READ_BYTES);
            assert_eq!((found[0].0.len(), found[0].1), (LINE_BYTES_MAX, extra > 0));
            assert_eq!(found[1], (b"next".to_vec(), false, bytes.len() as u64));
        }
    }

    #[test]
    fn a_hole_before_a_line_is_no_text() {
        let mut bytes = b"old\n".to_vec();
        bytes.resize(3 * READ_BYTES, 0);
        bytes.extend_from_slice(b"new\n");
        let found = lines(&bytes, READ_BYTES);
        assert_eq!(found[1], (b"new".to_vec(), false, bytes.len() as u64));
    }

    #[test]
    fn what_was_taken_last_stays_readable_unless_it_was_cut() {
        let mut text = Vec::from("first line\n".repeat(9));
        let whole = text.clone();
        text.extend(vec![b'x'; 3 * READ_BYTES]);
        text.push(b'\n');
        let mut at = &text[..];
        let mut lines = Lines::at(0, 0);
        for n in 0..10 {
            while !lines.advance() {
                lines.fill(|buffer, _| io::Read::read(&mut at, buffer)).unwrap();
            }
            let taken = &text[..usize::try_from(lines.offset()).unwrap()];
            let kept = lines.before();
            assert!(taken.ends_with(kept), "line {n}");
            let bound = BEFORE_BYTES_MAX.min(whole.len());
            assert!(n != 8 || kept.len() == bound);
        }
        assert!(lines.before().is_empty());
    }
}
