//! One generation being read: the open file, its identity, the lines under way. Knows nothing of names and rotation.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt},
    },
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use oddline_core::{
    encoding::{DETECTED_BYTES, TextEncoding},
    limits::LINE_BYTES_MAX,
    time::EventTime,
};
use serde::{Deserialize, Serialize};

use super::{
    error::SourceError,
    generations::GenerationAfter,
    identity::{FileId, FileIdentity, FileMatch, FilePrint, file_id, print_before},
    lines::{LastLine, Lines, SourceLine},
};

/// A place in a file: the next byte not yet taken. Goes to the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    pub(super) identity: FileIdentity,
    pub(super) offset: u64,
    /// Lines taken of this file.
    pub(super) number: u64,
    /// The bytes that end at `offset`.
    pub(super) before: FilePrint,
    /// The size last seen: what is known to be lost when the file is.
    pub(super) bytes_seen: u64,
    modified_ns: u64,
    /// Where the file was opened.
    path: Vec<u8>,
}

impl FilePosition {
    /// The next byte not yet taken.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines taken of this file.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.number
    }

    /// When the file was last written, as far as it was seen.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.modified_ns)
    }

    /// Bytes that were seen and not taken.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.bytes_seen.saturating_sub(self.offset)
    }

    /// What was seen and not taken cannot be any more.
    pub(super) fn give_up(&mut self) {
        self.bytes_seen = self.offset;
    }

    pub(super) fn path(&self) -> PathBuf {
        OsStr::from_bytes(&self.path).into()
    }

    pub(super) fn after(&self) -> GenerationAfter {
        GenerationAfter { id: None, modified: self.modified() }
    }
}

/// What a look at the open file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileLook {
    /// All that was read is still there.
    Intact,
    /// It was cut, or written anew.
    Replaced,
}

#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub path: PathBuf,
    id: FileId,
    identity: FileIdentity,
    lines: Lines,
    /// The bytes before the position it was opened at, and that position: they hold until something is taken.
    before: (u64, FilePrint),
    bytes: u64,
    modified: SystemTime,
    /// The same for its lines.
    modified_at: Option<EventTime>,
    /// What lies before it was there when reading began with what comes.
    old_end: u64,
}

impl OpenFile {
    /// From the first byte.
    pub(super) fn from_start(file: File, path: PathBuf) -> Result<Self, SourceError> {
        Self::with(file, path, Lines::at(0, 0), FilePrint::NONE)
    }

    /// From the end of the last complete line.
    pub(super) fn from_end(file: File, path: PathBuf) -> Result<Self, SourceError> {
        let failed = |error| SourceError::read(&path, error);
        let size = file.metadata().map_err(failed)?.len();
        // Of an endless line at most what is shown of one is looked through.
        let from = size.saturating_sub(LINE_BYTES_MAX as u64);
        let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(LINE_BYTES_MAX)];
        file.read_exact_at(&mut bytes, from).map_err(failed)?;
        let end = last_line_end(encoding(&file).map_err(failed)?, &bytes, from).unwrap_or(from);
        Ok(Self { old_end: size, ..Self::with(file, path, Lines::at(end, 0), FilePrint::NONE)? })
    }

    /// From a position in what is the same file, or a copy of it.
    pub(super) fn from_position(file: File, path: PathBuf, at: &FilePosition) -> Result<Self, SourceError> {
        let lines = Lines::at(at.offset, at.number);
        let is_within = ends_within_line(&file, at.offset).map_err(|error| SourceError::read(&path, error))?;
        Self::with(file, path, if is_within { lines.within_line() } else { lines }, at.before)
    }

    /// From the end of what is left of a file that was cut back.
    pub(super) fn from_cut(file: File, path: PathBuf, number: u64) -> Result<Self, SourceError> {
        let size = file.metadata().map_err(|error| SourceError::read(&path, error))?.len();
        Self::with(file, path, Lines::at(size, number), FilePrint::NONE)
    }

    fn with(file: File, path: PathBuf, lines: Lines, before: FilePrint) -> Result<Self, SourceError> {
        let lines = lines.encoded(encoding(&file).map_err(|error| SourceError::read(&path, error))?);
        let look = || {
            let meta = file.metadata()?;
            Ok((FileIdentity::of(&file, &meta)?, meta.modified()?, meta))
        };
        let (identity, modified, meta) = look().map_err(|error| SourceError::read(&path, error))?;
        let before = (lines.offset(), before);
        let id = file_id(&meta);
        let modified_at = event_time(modified);
        Ok(Self { file, path, id, identity, lines, before, bytes: meta.len(), modified, modified_at, old_end: 0 })
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    pub(super) fn after(&self) -> GenerationAfter {
        GenerationAfter { id: Some(self.id), modified: self.modified }
    }

    pub(super) fn is_at_start(&self) -> bool {
        self.lines.offset() == 0
    }

    pub(super) fn position(&self) -> FilePosition {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        FilePosition {
            identity: self.identity,
            offset: self.lines.offset(),
            number: self.lines.number(),
            before: self.before(),
            bytes_seen: self.bytes.max(self.lines.end()),
            modified_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            path: self.path.as_os_str().as_bytes().to_vec(),
        }
    }

    /// Takes a complete line, if one was read.
    pub(super) fn advance(&mut self) -> bool {
        !self.lines.is_rest() && self.lines.advance()
    }

    /// Takes what is left when nobody will write to it again.
    pub(super) fn advance_last(&mut self) -> LastLine {
        self.lines.advance_last()
    }

    /// Passes over the rest of a line that was taken without its end; bytes of it. `None` when there is no such rest, or
    /// when it has not come yet.
    pub(super) fn skip_rest(&mut self) -> Option<u64> {
        if self.lines.is_rest() { self.lines.skip_rest() } else { None }
    }

    /// Where the file ends, when it ends in a line that has no end yet.
    pub(super) fn end_of_part(&self) -> Option<u64> {
        Some(self.lines.end()).filter(|end| self.lines.has_part() && *end > self.old_end)
    }

    pub(super) fn line(&self) -> SourceLine<'_> {
        self.lines.line(self.modified_at)
    }

    /// Reads on. 0: nothing to read.
    pub(super) fn fill(&mut self) -> Result<usize, SourceError> {
        let Self { file, lines, .. } = self;
        lines.fill(|buffer, at| file.read_at(buffer, at)).map_err(|error| SourceError::read(&self.path, error))
    }

    /// Looks at the file's size and time; when they changed, also at what was read.
    pub(super) fn look(&mut self) -> Result<FileLook, SourceError> {
        self.look_at().map_err(|error| SourceError::read(&self.path, error))
    }

    fn look_at(&mut self) -> io::Result<FileLook> {
        let meta = self.file.metadata()?;
        let modified = meta.modified()?;
        if (meta.len(), modified) == (self.bytes, self.modified) && meta.len() >= self.lines.end() {
            return Ok(FileLook::Intact);
        }
        if meta.len() < self.lines.end() || !self.is_intact()? {
            return Ok(FileLook::Replaced);
        }
        (self.bytes, self.modified, self.modified_at) = (meta.len(), modified, event_time(modified));
        if self.lines.offset() == 0 {
            // It may have been empty until now.
            self.lines.set_encoding(encoding(&self.file)?);
        }
        if !self.identity.head.is_full() {
            self.identity.head = FilePrint::of_head(&self.file)?;
        }
        Ok(FileLook::Intact)
    }

    fn is_intact(&self) -> io::Result<bool> {
        let before = self.before();
        Ok(self.identity.head.is_at(&self.file, 0)?
            && before.is_at(&self.file, self.lines.offset().saturating_sub(before.length()))?)
    }

    fn before(&self) -> FilePrint {
        match self.before {
            (offset, before) if offset == self.lines.offset() => before,
            _ => print_before(self.lines.before()),
        }
    }

    /// Bytes of this file not yet taken.
    pub(super) fn lag_bytes(&self) -> u64 {
        let size = self.file.metadata().map_or(self.bytes, |meta| meta.len());
        size.saturating_sub(self.lines.offset())
    }

    /// Whether no name leads to this file any more: only those who have it open keep its place on the disk.
    pub(super) fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// Nothing to do for now.
    pub(super) fn rest(&mut self) {
        self.lines.rest();
    }

    /// How far it was read.
    pub(super) fn end(&self) -> u64 {
        self.lines.end()
    }

    /// What the file system says of it.
    pub(super) fn meta(&self) -> Result<Metadata, SourceError> {
        self.file.metadata().map_err(|error| SourceError::read(&self.path, error))
    }

    /// Its size now.
    pub(super) fn size(&self) -> Result<u64, SourceError> {
        Ok(self.meta()?.len())
    }

    /// Whether the file still holds what was read of it.
    pub(super) fn holds_what_was_read(&self) -> Result<bool, SourceError> {
        self.is_intact().map_err(|error| SourceError::read(&self.path, error))
    }

    /// Whether it is another file with all that was read of one: a copy that took its place. Of few bytes without a time
    /// that is told only by the moments at which `old`, which is still open, went and this one was made.
    pub(super) fn is_copy(&self, of: &FilePosition, old: Option<&Self>) -> Result<bool, SourceError> {
        let failed = |error| SourceError::read(&self.path, error);
        let meta = self.file.metadata().map_err(failed)?;
        let likeness = of.identity.compare(&self.file, &meta, of.offset, of.before).map_err(failed)?;
        Ok(match (likeness, old) {
            (FileMatch::Copy, _) => true,
            (FileMatch::Similar, Some(old)) => old.went_after(&meta),
            _ => false,
        })
    }

    /// Whether this file lost its name when the other was there already: that one was renamed over it. Whoever deletes a
    /// log and begins it anew makes the file afterwards.
    fn went_after(&self, other: &Metadata) -> bool {
        let Ok(own) = self.file.metadata() else { return false };
        let changed = u64::try_from(own.ctime()).ok().zip(u32::try_from(own.ctime_nsec()).ok());
        let changed = changed.map(|(seconds, nanos)| UNIX_EPOCH + Duration::new(seconds, nanos));
        own.nlink() == 0 && other.created().ok().zip(changed).is_some_and(|(made, went)| made <= went)
    }

    /// The same file from the place in what it is a copy of.
    pub(super) fn go_on(self, at: &FilePosition) -> Result<Self, SourceError> {
        Self::from_position(self.file, self.path, at)
    }
}

/// How the file spells text, by its first bytes.
fn encoding(file: &File) -> io::Result<TextEncoding> {
    let mut first = [0; DETECTED_BYTES];
    let n = file.read_at(&mut first, 0)?;
    Ok(TextEncoding::detect(&first[..n]))
}

/// Whether the line before a position has no end: it was taken without one.
fn ends_within_line(file: &File, offset: u64) -> io::Result<bool> {
    let encoding = encoding(file)?;
    let mut last = [0; 2];
    let last = &mut last[..encoding.unit_bytes()];
    let from = offset.saturating_sub(last.len() as u64);
    Ok(offset > 0 && file.read_at(last, from)? == last.len() && !encoding.ends_line(last))
}

/// Behind the last line end in bytes that stand at `from` in their file.
fn last_line_end(encoding: TextEncoding, bytes: &[u8], from: u64) -> Option<u64> {
    let unit = encoding.unit_bytes();
    // Characters stand at multiples of their size.
    let skipped = usize::try_from(from % unit as u64).unwrap_or_default();
    let bytes = bytes.get(skipped..)?;
    let is_end = |at: &usize| encoding.ends_line(&bytes[*at..*at + unit]);
    let at = (0..bytes.len() / unit).rev().map(|number| number * unit).find(is_end)?;
    Some(from + (skipped + at + unit) as u64)
}

/// As events have it; `None` before 1970.
fn event_time(time: SystemTime) -> Option<EventTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(EventTime::from_micros)
}
