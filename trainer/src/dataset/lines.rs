//! Bounded lines out of a byte stream. A line of any length costs [`LINE_BYTES_MAX`] of memory at most.

use std::io::{self, BufRead};

use oddline_core::limits::LINE_BYTES_MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLine {
    /// The line was longer and its rest was skipped.
    pub cut: bool,
}

/// Reads the next line into `buffer` without its end; LF, CRLF, CR and a missing last end are all read. `None` at the
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
        let end = memchr::memchr2(b'\n', b'\r', chunk);
        let mut text = &chunk[..end.unwrap_or(chunk.len())];
        if buffer.is_empty() {
            // A file cut to nothing under a writer that keeps its offset begins with a hole of NUL bytes.
            text = &text[text.iter().take_while(|byte| **byte == 0).count()..];
        }
        let room = LINE_BYTES_MAX - buffer.len();
        cut |= text.len() > room;
        buffer.extend_from_slice(&text[..text.len().min(room)]);
        let is_return = end.is_some_and(|end| chunk[end] == b'\r');
        let used = end.map_or(chunk.len(), |e| e + 1);
        input.consume(used);
        if is_return {
            end_of_returns(input)?;
        }
        if end.is_some() {
            break;
        }
    }
    Ok(any.then_some(RawLine { cut }))
}

/// Behind a carriage return: several of them, and a line feed behind them, are one line end, as
/// [`oddline_core::encoding::TextEncoding::line_end`] has it.
fn end_of_returns(input: &mut impl BufRead) -> io::Result<()> {
    while let Some(next) = input.fill_buf()?.first().copied().filter(|next| matches!(next, b'\r' | b'\n')) {
        input.consume(1);
        if next == b'\n' {
            break;
        }
    }
    Ok(())
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
    fn a_carriage_return_alone_ends_a_line() {
        let found = lines(b"10%\r20%\rdone is\r\nnext\r\rlast\r");
        assert!(found.iter().map(|(l, _)| l.as_str()).eq(["10%", "20%", "done is", "next", "last"]), "{found:?}");
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
