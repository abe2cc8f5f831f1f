//! Where was I: one path lineage, read in the order in which it was written. A rotated generation is read to its end
//! before the next one begins, whether the rotation happened before our eyes or while we were away. What cannot be
//! read any more is a [`SourceGap`]. Polls; knows no clock but the time that each call brings.
//!
//! ```text
//!            appears                 at its end, and a newer one waits
//!  Nothing ----------> Open --------------------------------------------> Open (the next generation)
//!                       ^  \ cut to nothing: its copy, else a gap and from the start
//!          found again /    v
//!  position -------> Lost ----> a gap, and the next generation
//!
//!  Open, deleted and quiet for ten minutes ----> Closed ----> Open, when the path leads to a file again
//! ```

mod succession;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use super::{
    GapCause, SourceGap, SourceItem, StartPosition,
    error::SourceError,
    generations,
    identity::file_id,
    lines::{LastLine, SourceLine},
    opener::Opener,
    polls::Polls,
    reading::{FileLook, FilePosition, OpenFile},
    search::list,
    swaps::{self, PassedTargets},
};

/// Polls for which a generation that was renamed is still read: its writer goes on until it is told to reopen. Also
/// polls for which a file is searched, as a folder listed during a rotation may show neither name.
const PATIENCE_POLLS: u32 = 3;
/// Polls for which a finished generation is kept open, to notice what is written to it all the same: ten minutes at
/// a poll a second, what the Apache manual gives its old workers.
const LATE_POLLS: u32 = 600;
/// A line without an end that has not grown for so long is taken as it is: a job's last line. Its writer may take a while
/// for one line, but hardly this long.
const LAST_LINE_AFTER: Duration = Duration::from_secs(30);
/// Reads of one call: a line without end must not keep the caller waiting (1 MiB).
const FILLS_MAX: u32 = 16;

/// Reads one path through all its generations.
#[derive(Debug)]
pub struct FileTail {
    path: PathBuf,
    opener: Opener,
    /// Where the path leads, when it last led somewhere: the folder and name of the generations.
    target: PathBuf,
    at: At,
    left: Option<LeftBehind>,
    gap: Option<SourceGap>,
    file_begins: bool,
    has_more: bool,
    /// How long the open file has been deleted, with nothing more written to it.
    deleted: Polls,
    /// Where the file ended in a line without an end, and since when.
    part: Option<(u64, Instant)>,
    last_line_after: Duration,
    /// When the open file was last found at the path.
    seen_live: Option<Instant>,
}

#[derive(Debug)]
enum At {
    /// No file has appeared yet.
    Nothing {
        from_end: bool,
        /// Rotated files that were made after this come first.
        since: Option<SystemTime>,
    },
    /// The file of this position has not been found yet.
    Lost {
        position: Box<FilePosition>,
        polls: Polls,
        /// It was open until it was cut or written anew.
        replaced: bool,
    },
    Open(Box<OpenFile>, Polls),
    /// The file was deleted and read to its end. Held open it would keep its place on the disk.
    Closed {
        position: Box<FilePosition>,
    },
}

/// The generation before the one being read.
#[derive(Debug)]
struct LeftBehind {
    reading: OpenFile,
    end: u64,
    polls: Polls,
}

enum TailStep {
    Line,
    Again,
    Wait,
    End,
}

impl FileTail {
    /// A lineage, to be read from `begin`. Opens nothing yet.
    #[must_use]
    pub fn new(path: &Path, begin: StartPosition<FilePosition>, opener: Opener) -> Self {
        let at = match begin {
            StartPosition::Start => At::Nothing { from_end: false, since: None },
            StartPosition::End => At::Nothing { from_end: true, since: None },
            StartPosition::Since(time) => At::Nothing { from_end: false, since: Some(time) },
            StartPosition::After(position) => {
                At::Lost { position: Box::new(position), polls: Polls::default(), replaced: false }
            }
        };
        Self {
            path: path.to_owned(),
            opener,
            target: path.to_owned(),
            at,
            left: None,
            gap: None,
            file_begins: false,
            has_more: false,
            deleted: Polls::default(),
            part: None,
            last_line_after: LAST_LINE_AFTER,
            seen_live: None,
        }
    }

    /// Of a file that nobody writes to any more: a last line without an end is taken at once.
    #[must_use]
    pub fn ended(self) -> Self {
        Self { last_line_after: Duration::ZERO, ..self }
    }

    /// The next thing in the order of writing, at `now`.
    ///
    /// # Errors
    /// When a file cannot be opened or read, or the folder not listed. Nothing is skipped: call again later.
    pub fn next(&mut self, now: Instant) -> Result<SourceItem<'_>, SourceError> {
        let mut found = false;
        self.has_more = false;
        for _ in 0..FILLS_MAX {
            if let Some(gap) = self.gap.take() {
                return Ok(SourceItem::Gap(gap));
            }
            if std::mem::take(&mut self.file_begins) {
                return Ok(SourceItem::File);
            }
            match self.step(now) {
                Ok(TailStep::Again) => {}
                Ok(TailStep::Wait) => return Ok(SourceItem::Wait),
                Ok(TailStep::End) => return Ok(SourceItem::End),
                Err(error) => {
                    self.reopen_if(error.is_stale());
                    return Err(error);
                }
                Ok(TailStep::Line) => {
                    found = true;
                    break;
                }
            }
        }
        match &self.at {
            At::Open(reading, _) if found => Ok(SourceItem::Line(reading.line())),
            _ => {
                self.has_more = true;
                Ok(SourceItem::Wait)
            }
        }
    }

    /// After the last item: the next byte not yet taken. `None` before a file has appeared.
    #[must_use]
    pub fn position(&self) -> Option<FilePosition> {
        match &self.at {
            At::Nothing { .. } => None,
            At::Lost { position, .. } | At::Closed { position } => Some((**position).clone()),
            At::Open(reading, _) => Some(reading.position()),
        }
    }

    /// After [`Item::Wait`]: there is more to read, and only this call has come to its end.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.at, At::Open(..))
    }

    /// Whether the file of its position is known: found and open, or not there.
    #[must_use]
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.at, At::Lost { .. })
    }

    /// The line that was handed out last.
    #[must_use]
    pub(super) fn line(&self) -> Option<SourceLine<'_>> {
        match &self.at {
            At::Open(reading, _) => Some(reading.line()),
            At::Nothing { .. } | At::Lost { .. } | At::Closed { .. } => None,
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the path leads, when it last led somewhere.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Bytes not yet taken of the generation being read; newer ones are not counted.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        match &self.at {
            At::Open(reading, _) => reading.lag_bytes(),
            At::Nothing { .. } | At::Lost { .. } | At::Closed { .. } => 0,
        }
    }

    fn step(&mut self, now: Instant) -> Result<TailStep, SourceError> {
        let (reading, polls) = match &mut self.at {
            At::Nothing { from_end, since } => {
                let (from_end, since) = (*from_end, *since);
                return self.open_first(from_end, since);
            }
            At::Lost { .. } => return self.find(now),
            At::Closed { .. } => return self.reappears(),
            At::Open(reading, polls) => (reading, polls),
        };
        if let Some(bytes) = reading.skip_rest() {
            return Ok(self.passed_over(bytes));
        }
        if reading.advance() {
            return Ok(TailStep::Line);
        }
        // Also in the middle of a backlog: a file that was cut may have grown past the place since.
        if reading.look()? == FileLook::Replaced {
            return self.replaced();
        }
        if reading.fill()? == 0 {
            return self.at_end(now);
        }
        (*polls, self.deleted) = (Polls::default(), Polls::default());
        Ok(TailStep::Again)
    }

    fn open_first(&mut self, from_end: bool, since: Option<SystemTime>) -> Result<TailStep, SourceError> {
        let opened = self.opener.open(&self.path)?;
        if let Some((_, path)) = &opened {
            self.target.clone_from(path);
        }
        if let Some(time) = since {
            let meta = opened.as_ref().map(|(file, _)| file.metadata()).transpose();
            let live = meta.map_err(|error| SourceError::read(&self.path, error))?.map(|meta| file_id(&meta));
            let rotated = generations::since(list(&self.target)?, time, live);
            if !rotated.generations.is_empty() {
                return self.follow(&rotated, live, None);
            }
        }
        let Some((file, path)) = opened else { return Ok(TailStep::End) };
        let reading = if from_end { OpenFile::from_end(file, path)? } else { OpenFile::from_start(file, path)? };
        self.file_begins = true;
        self.at = At::Open(Box::new(reading), Polls::default());
        Ok(TailStep::Again)
    }

    /// The open file has been read to its end: is it still the one at the path?
    fn at_end(&mut self, now: Instant) -> Result<TailStep, SourceError> {
        self.gap = self.late(now)?;
        if self.gap.is_some() {
            return Ok(TailStep::Again);
        }
        let live = self.live_id()?;
        let At::Open(reading, polls) = &mut self.at else { return Ok(TailStep::Again) };
        if live == Some(reading.id()) {
            (*polls, self.deleted) = (Polls::default(), Polls::default());
            self.seen_live = Some(now);
            return Ok(self.at_live_end(now));
        }
        let mut newer = generations::newer(list(&self.target)?, reading.after());
        let mut passed = PassedTargets::default();
        // What may not be followed is said when it is opened.
        let led_to = self.opener.find(&self.path).ok().flatten();
        if let Some(led_to) = led_to.filter(|to| to.path != reading.path && newer.generations.is_empty()) {
            let unseen = self.seen_live.map(|at| now.saturating_duration_since(at));
            passed = swaps::between((&reading.path, &reading.meta()?), (&led_to.path, &led_to.meta), unseen);
            newer.generations.append(&mut passed.files);
        }
        if live.is_none() && newer.generations.iter().all(|g| g.compressed) {
            // Deleted, or between two renames. The open file can still be read, and is while somebody writes to it.
            reading.rest();
            if !reading.is_deleted() || self.deleted.count(now) <= LATE_POLLS {
                return Ok(TailStep::End);
            }
            if let Some(step) = self.last_line() {
                return Ok(step);
            }
            if let Some(position) = self.position() {
                self.at = At::Closed { position: Box::new(position) };
            }
            return Ok(TailStep::End);
        }
        // Once its successor is rotated too nobody writes to it: a backlog of generations is read without a pause.
        let is_followed = !newer.hole && newer.generations.first().is_some_and(|g| !g.compressed);
        if !is_followed && polls.count(now) <= PATIENCE_POLLS {
            reading.rest();
            return Ok(TailStep::Wait);
        }
        if let Some(step) = self.last_line() {
            return Ok(step);
        }
        let lost = SourceGap { cause: GapCause::Swapped, bytes: passed.possible_bytes, exact: false };
        self.follow(&newer, live, (lost.bytes > 0).then_some(lost))
    }

    /// The file at the path has been read to its end. What stands there without a line end may be a line under way.
    fn at_live_end(&mut self, now: Instant) -> TailStep {
        let At::Open(reading, _) = &mut self.at else { return TailStep::Again };
        reading.rest();
        let part = reading.end_of_part();
        self.part = part.map(|end| self.part.filter(|(seen, _)| *seen == end).unwrap_or((end, now)));
        let is_due = |(_, since): (u64, Instant)| now.saturating_duration_since(since) >= self.last_line_after;
        if self.part.is_some_and(is_due)
            && let Some(step) = self.last_line()
        {
            return step;
        }
        TailStep::End
    }

    /// Takes what the open file holds behind its last line end.
    fn last_line(&mut self) -> Option<TailStep> {
        let At::Open(reading, _) = &mut self.at else { return None };
        self.part = None;
        match reading.advance_last() {
            LastLine::Nothing => None,
            LastLine::Taken => Some(TailStep::Line),
            LastLine::Rest(bytes) => Some(self.passed_over(bytes)),
        }
    }

    /// Of a line that was taken without its end these bytes came too late.
    fn passed_over(&mut self, bytes: u64) -> TailStep {
        self.gap = (bytes > 0).then_some(SourceGap { cause: GapCause::Unended, bytes, exact: true });
        TailStep::Again
    }
}
