//! Standard input, or any stream that cannot be read twice: best effort, without a position. What was read and not
//! committed is lost with the process. No line of it is later than the clock when it came.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use oddline_core::{limits::LINE_BYTES_MAX, time::EventTime};

use crate::clock;

use super::{
    SourceError, SourceItem,
    chunks::{ChunkFed, Chunks},
    lines::{LastLine, Lines},
};

#[derive(Debug)]
pub struct Stdin {
    chunks: Chunks,
    lines: Lines,
    /// When something was read last.
    read_at: EventTime,
    /// The file that the stream is made of, and when it was last written.
    file: Option<(PathBuf, Option<EventTime>)>,
}

impl Stdin {
    /// Reads a stream to its end.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(stream: impl Read + Send + 'static) -> Result<Self, SourceError> {
        let chunks = Chunks::of("stdin", stream).map_err(|error| SourceError::Stdin { error })?;
        Ok(Self { chunks, lines: Lines::bounded(LINE_BYTES_MAX), read_at: clock::wall(), file: None })
    }

    /// Reads what a file holds that was last written at `modified`, as `stream` gives it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of_file(
        path: &Path,
        modified: Option<EventTime>,
        stream: impl Read + Send + 'static,
    ) -> Result<Self, SourceError> {
        Ok(Self { file: Some((path.to_owned(), modified)), ..Self::new(stream)? })
    }

    fn error(file: Option<&(PathBuf, Option<EventTime>)>, error: io::Error) -> SourceError {
        match file {
            Some((path, _)) => SourceError::read(path, error),
            None => SourceError::Stdin { error },
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// When the stream cannot be read; it is closed then.
    #[expect(clippy::should_implement_trait, reason = "an item borrows the source, which an iterator's cannot")]
    pub fn next(&mut self) -> Result<SourceItem<'_>, SourceError> {
        loop {
            if self.lines.advance() {
                break;
            }
            match self.chunks.feed(&mut self.lines).map_err(|error| Self::error(self.file.as_ref(), error))? {
                ChunkFed::Some => self.read_at = clock::wall(),
                ChunkFed::NotYet => return Ok(SourceItem::End),
                ChunkFed::Ended if self.lines.advance_last() == LastLine::Taken => break,
                ChunkFed::Ended => return Ok(SourceItem::Closed),
            }
        }
        let modified = self.file.as_ref().map_or(Some(self.read_at), |(_, modified)| *modified);
        Ok(SourceItem::Line(self.lines.line(modified)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_to_its_end() {
        let mut stdin = Stdin::new(&b"one\r\ntwo\nlast"[..]).unwrap();
        let mut found = Vec::new();
        loop {
            match stdin.next().unwrap() {
                SourceItem::Line(line) => found.push((String::from_utf8(line.bytes.to_vec()).unwrap(), line.number)),
                SourceItem::Closed => break,
                SourceItem::End => std::thread::yield_now(),
                item => panic!("{item:?}"),
            }
        }
        assert_eq!(found, [("one".to_owned(), 1), ("two".to_owned(), 2), ("last".to_owned(), 3)]);
    }
}
