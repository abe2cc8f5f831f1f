//! Bounded lines out of a byte stream. A line of any length costs [`LINE_BYTES_MAX`] of memory at most.

use std::io::{self, BufRead};

use oddline_core::limits::LINE_BYTES_MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine {
    /// The line was longer and its rest was skipped.
    pub cut: bool,
}

/// Reads the next line into `buffer` without its end; LF, CRLF and a missing last end are all read. `None` at the
/// end of the stream.
///
/// # Errors
/// When the stream cannot be read.
pub fn next_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<Option<RawLine>> {
    buffer.clear();
    let mut cut = false;
    let mut any = false;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        any = true;
        let end = memchr::memchr(b'\n', chunk);
        let mut text = &chunk[..end.unwrap_or(chunk.len())];
        if buffer.is_empty() {
            // A file cut to nothing under a writer that keeps its offset begins with a hole of NUL bytes.
            text = &text[text.iter().take_while(|byte| **byte == 0).count()..];
        }
        let room = LINE_BYTES_MAX - buffer.len();
        cut |= text.len() > room;
        buffer.extend_from_slice(&text[..text.len().min(room)]);
        let used = end.map_or(chunk.len(), |e| e + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if buffer.last() == Some(&b'\r') {
        buffer.pop();
    }
    Ok(any.then_some(RawLine { cut }))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(String, bool)> {
        // A buffer of 7 bytes makes most lines span several reads.
        let mut input = BufReader::with_capacity(7, bytes);
        let mut buffer = Vec::new();
        let mut all = Vec::new();
        while let Some(line) = next_line(&mut input, &mut buffer).unwrap() {
            all.push((String::from_utf8(buffer.clone()).unwrap(), line.cut));
        }
        all
    }

    #[test]
    fn mixed_ends_and_a_missing_last_one() {
        let expected = [("one", false), ("a longer line", false), ("", false), ("last", false)];
        let found = lines(b"one\r\na longer line\n\nlast");
        assert!(found.iter().map(|(l, c)| (l.as_str(), *c)).eq(expected), "{found:?}");
    }

    #[test]
    fn a_huge_line_is_cut_and_the_next_is_whole() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX + 100];
        bytes.extend_from_slice(b"\nnext\n");
        let found = lines(&bytes);
        assert_eq!(found[0].0.len(), LINE_BYTES_MAX);
        assert!(found[0].1);
        assert_eq!(found[1], ("next".to_owned(), false));
    }
}
